package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// MessageByKey implements [outbox.Store].
func (s *Store) MessageByKey(
	ctx context.Context, appID string, tenant activity.TenantID, key string,
) (id outbox.MessageID, fingerprint []byte, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err := c.one(func(r row) { id, fingerprint = outbox.MessageID(r.int(0)), r.bytes(1) },
			selectByKey, text(appID), text(tenant), text(key))
		if err == nil && !found {
			return outbox.ErrNotFound
		}
		return err
	})
	return id, fingerprint, err
}

// Message implements [outbox.Store].
func (s *Store) Message(ctx context.Context, id outbox.MessageID) (m outbox.Message, err error) {
	err = s.read(ctx, func(c *conn) (err error) {
		m, _, err = readMessage(c, id)
		return err
	})
	return m, err
}

// MessageRecord implements [outbox.Store].
func (s *Store) MessageRecord(ctx context.Context, id outbox.MessageID, n int) (record outbox.Record, err error) {
	if err := s.read(ctx, func(c *conn) (err error) {
		record, _, err = readRecord(c, id, n)
		return err
	}); err != nil || record.Counts != nil {
		return record, err
	}
	err = s.snapshot(ctx, func(c *conn) error {
		var alone int64
		if record, alone, err = readRecord(c, id, n); err == nil && record.Counts == nil {
			record.Counts, err = countsOf(c, record.Message, alone)
		}
		return err
	})
	return record, err
}

const messageColumns = `m.id, m.app_id, m.tenant_id, m.idem_key, m.fingerprint, m.body, m.value, m.topic, m.lane,
	m.on_unknown, m.window, m.policy, m.collapse_key, m.target, m.expires_at, m.created_at, m.edited_at, m.recalled_at,
	m.trace, m.alone, m.recipients, EXISTS (SELECT 1 FROM spreads s WHERE s.message = m.id),
	m.handler, EXISTS (SELECT 1 FROM sweeps s WHERE s.message = m.id), m.fallback`

const messageCount = 25

func readMessage(q *conn, id outbox.MessageID) (m outbox.Message, alone int64, err error) {
	var bad error
	found, err := q.one(func(r row) { m, alone, bad = scanMessage(r) },
		"SELECT "+messageColumns+" FROM messages m WHERE m.id = ?", int64(id))
	if err = cmp.Or(err, bad); err == nil && !found {
		err = outbox.ErrNotFound
	}
	return m, alone, err
}

// readRecord reads a message and its first deliveries. Both are written together and never deleted, and the deliveries of
// both tables come from one statement, so what is read was so at one time. They are counted if these are all.
func readRecord(q *conn, id outbox.MessageID, n int) (record outbox.Record, alone int64, err error) {
	if record.Message, alone, err = readMessage(q, id); err != nil {
		return outbox.Record{}, 0, err
	}
	query, args := recordOfOne, []any{alone, alone}
	if alone == 0 {
		query, args = recordOfMany, []any{int64(id), int64(id)}
	} else if m := record.Message; !m.EditedAt.IsZero() || !m.RecalledAt.IsZero() {
		query, args = recordOfRevised, []any{alone, alone, int64(id), int64(id)}
	}
	err = q.each(func(r row) error {
		d, err := scanDelivery(r)
		if err == nil {
			record.Deliveries = append(record.Deliveries, d)
		}
		return err
	}, query, append(args, n+1)...)
	if len(record.Deliveries) <= n {
		record.Counts = outbox.CountStates(record.Deliveries)
	} else {
		record.Deliveries = record.Deliveries[:n]
	}
	return record, alone, err
}

const (
	itself   = "d.id = ?"
	ofNumber = "d.message = ? AND d.alone = 0"
	inOrder  = " ORDER BY 1 LIMIT +?"
)

// Deliveries of a message: the only one; several; the only one and what revises it.
var (
	recordOfOne     = strings.Join(selectDeliveries(itself), " UNION ALL ") + inOrder
	recordOfMany    = strings.Join(selectDeliveries(ofNumber), " UNION ALL ") + inOrder
	recordOfRevised = strings.Join(append(selectDeliveries(itself), selectDeliveries(ofNumber)...), " UNION ALL ") + inOrder
)

// selectDeliveries is a query for each of the tables.
func selectDeliveries(which string) []string {
	return []string{
		"SELECT " + hotDelivery + " FROM deliveries d " + withConversation + " WHERE " + which,
		"SELECT " + finishedDelivery + " FROM finished d " + withConversation + " WHERE " + which,
	}
}

const (
	hotDelivery      = "d.id, d.message, d.conversation, d.state, iif(d.waits = 2, d.due_at, 0), " + deliveryRest + ", d.unsure"
	finishedDelivery = "d.id, d.message, d.conversation, d.state, 0, " + deliveryRest + ", NULL"
	deliveryRest     = `d.reason, d.activity_id, d.claims, d.failures, d.updated_at, d.history,
		ifnull(c.app_id, g.app_id), ifnull(c.tenant_id, g.tenant_id), ifnull(c.channel_id, g.channel_id),
		ifnull(c.bot_id, g.bot_id), ifnull(c.conversation_id, g.conversation_id), d.created_at, d.verb, d.revises`

	withConversation = `LEFT JOIN conversations c ON c.id = d.conversation
		LEFT JOIN forgotten g ON g.id = d.conversation AND c.id IS NULL`
)

func scanMessage(r row) (m outbox.Message, alone int64, err error) {
	policy, err := outbox.DecodePolicy(r.text(11))
	return outbox.Message{
		ID: outbox.MessageID(r.int(0)), AppID: r.text(1), Tenant: activity.TenantID(r.text(2)), Key: r.text(3),
		Fingerprint: r.bytes(4), Body: r.bytes(5), Value: r.bytes(6), Topic: r.text(7), Lane: outbox.Lane(r.int(8)),
		OnUnknown: word(onUnknowns, r.int(9)), Window: word(windowWords, r.int(10)), Policy: policy,
		CollapseKey: r.text(12), Target: r.text(13), ExpiresAt: r.time(14), CreatedAt: r.time(15),
		EditedAt: r.time(16), RecalledAt: r.time(17), Trace: r.text(18), Recipients: int(r.int(20)), Spreading: r.bool(21),
		Handler: r.text(22), Changing: r.bool(23), Fallback: r.text(24),
	}, r.int(19), err
}

func scanDelivery(r row) (outbox.Delivery, error) {
	d := outbox.Delivery{
		ID: outbox.DeliveryID(r.int(0)), Message: outbox.MessageID(r.int(1)), Conversation: book.Row(r.int(2)),
		DueAt: r.time(4), Reason: r.text(5), Activity: activity.ID(r.text(6)), Claims: int(r.int(7)),
		Failures: int(r.int(8)), UpdatedAt: r.time(9),
		Key: headsup.ConversationKey{
			AppID: r.text(11), Tenant: activity.TenantID(r.text(12)), Channel: activity.ChannelID(r.text(13)),
			Bot: activity.AccountID(r.text(14)), Conversation: activity.ConversationID(r.text(15)),
		},
		CreatedAt: r.time(16), Verb: word(verbs, r.int(17)), Revises: outbox.DeliveryID(r.int(18)),
		MayHaveArrived: r.bool(19),
	}
	state := r.int(3)
	if state < 1 || state >= states {
		return d, fmt.Errorf("delivery %d is in the unknown state %d", d.ID, state)
	}
	d.State = stateNames[state]
	var err error
	d.History, err = history.Parse(r.bytes(10))
	return d, err
}

// Counts implements [outbox.Store].
func (s *Store) Counts(ctx context.Context) (map[outbox.State]int64, error) {
	counts := make(map[outbox.State]int64, states)
	err := s.read(ctx, func(c *conn) error {
		_, err := c.one(func(r row) {
			for state := scheduled; state < states; state++ {
				if n := r.int(int(state - scheduled)); n != 0 {
					counts[stateNames[state]] = n
				}
			}
		}, `SELECT scheduled, ready, held, sending, delivered, failed, unknown, expired, suppressed, cancelled
			FROM counters`)
		return err
	})
	return counts, err
}

// Wakeups implements [outbox.Store].
func (s *Store) Wakeups() <-chan struct{} { return s.wakeups }

// Fallbacks implements [outbox.Store].
func (s *Store) Fallbacks(
	ctx context.Context, after outbox.MessageID, n int,
) (found []outbox.MessageID, last outbox.MessageID, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, last = nil, 0
		seen := 0
		err := c.each(func(r row) error {
			seen++
			if last = outbox.MessageID(r.int(0)); r.bool(1) {
				found = append(found, last)
			}
			return nil
		}, `SELECT m.id, EXISTS (SELECT 1 FROM deliveries d WHERE d.message = m.id AND d.alone = 0)
			FROM messages m WHERE m.fallback IS NOT NULL AND m.id > ? ORDER BY m.id LIMIT +?`, int64(after), n)
		if seen < n {
			last = 0
		}
		return err
	})
	return found, last, err
}
