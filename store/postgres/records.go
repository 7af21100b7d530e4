package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// MessageByKey implements [outbox.Store].
func (s *Store) MessageByKey(
	ctx context.Context, appID string, tenant activity.TenantID, key string,
) (id outbox.MessageID, fingerprint []byte, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, "SELECT id, fingerprint FROM messages WHERE app_id = $1 AND tenant_id = $2 AND idem_key = $3",
			appID, string(tenant), key).Scan((*int64)(&id), &fingerprint)
		if errors.Is(err, pgx.ErrNoRows) {
			return outbox.ErrNotFound
		}
		return err
	})
	return id, fingerprint, err
}

// Message implements [outbox.Store].
func (s *Store) Message(ctx context.Context, id outbox.MessageID) (m outbox.Message, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		m, _, err = readMessage(ctx, q, id)
		return err
	})
	return m, err
}

// MessageRecord implements [outbox.Store].
func (s *Store) MessageRecord(ctx context.Context, id outbox.MessageID, n int) (record outbox.Record, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) (err error) {
		record, err = readRecord(ctx, q, id, n)
		return err
	})
	if err != nil {
		return outbox.Record{}, err
	}
	return record, nil
}

const messageColumns = `m.id, m.app_id, m.tenant_id, m.idem_key, m.fingerprint, m.body, m.value, m.topic, m.lane,
	m.on_unknown, m.window_code, m.policy, m.collapse_key, m.target, m.expires_at, m.created_at, m.edited_at, m.recalled_at,
	m.trace, coalesce(m.recipients, 0), EXISTS (SELECT FROM spreads s WHERE s.message = m.id), m.handler, coalesce(m.alone, 0),
	EXISTS (SELECT FROM sweeps s WHERE s.message = m.id), m.fallback`

// scanMessage reads messageColumns, and what comes after them.
func scanMessage(r pgx.Row, more ...any) (m outbox.Message, alone int64, err error) {
	var onUnknown, window int64
	var recipients int64
	var policy optionalText
	err = r.Scan(append([]any{
		(*int64)(&m.ID), &m.AppID, (*string)(&m.Tenant), (*optionalText)(&m.Key), &m.Fingerprint, (*[]byte)(&m.Body),
		(*[]byte)(&m.Value), (*optionalText)(&m.Topic), &m.Lane, &onUnknown, &window, &policy,
		(*optionalText)(&m.CollapseKey), (*optionalText)(&m.Target), (*optionalTime)(&m.ExpiresAt), &m.CreatedAt,
		(*optionalTime)(&m.EditedAt), (*optionalTime)(&m.RecalledAt), (*optionalText)(&m.Trace), &recipients, &m.Spreading,
		(*optionalText)(&m.Handler), &alone, &m.Changing, (*optionalText)(&m.Fallback),
	}, more...)...)
	if err == nil {
		m.Policy, err = outbox.DecodePolicy(string(policy))
	}
	m.OnUnknown, m.Window, m.Recipients = word(onUnknowns, onUnknown), word(windowWords, window), int(recipients)
	return m, alone, err
}

func readMessage(ctx context.Context, q querier, id outbox.MessageID) (m outbox.Message, alone int64, err error) {
	m, alone, err = scanMessage(q.QueryRow(ctx, "SELECT "+messageColumns+" FROM messages m WHERE m.id = $1", int64(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		err = outbox.ErrNotFound
	}
	return m, alone, err
}

// readRecord reads a message and its first deliveries; the others are only counted.
func readRecord(ctx context.Context, q querier, id outbox.MessageID, n int) (record outbox.Record, err error) {
	var alone int64
	if record.Message, alone, err = readMessage(ctx, q, id); err != nil {
		return outbox.Record{}, err
	}
	if record.Deliveries, err = collectDeliveries(q.Query(ctx, recordOf, int64(id), alone, n+1)); err != nil {
		return outbox.Record{}, err
	}
	if len(record.Deliveries) <= n {
		record.Counts = outbox.CountStates(record.Deliveries)
		return record, nil
	}
	record.Deliveries = record.Deliveries[:n]
	counts, err := countsOf(ctx, q, []listed{{Message: record.Message, alone: alone}})
	if err != nil {
		return outbox.Record{}, err
	}
	record.Counts = counts[0]
	return record, nil
}

// Deliveries of a message: the only one that was asked for has its id in the message, the others are found by the
// message's.
const (
	itself   = "d.id = $2"
	ofNumber = "d.message = $1 AND NOT d.alone"
)

var (
	recordOf = firstOf("$3", append(selectDeliveries(itself), selectDeliveries(ofNumber)...)...)
	recordBy = strings.Join(selectDeliveries("d.id = $1"), " UNION ALL ")
)

// firstOf are the rows with the smallest ids of several queries of d.
func firstOf(limit string, queries ...string) string {
	for i, q := range queries {
		queries[i] = "(" + q + " ORDER BY d.id LIMIT " + limit + ")"
	}
	return strings.Join(queries, " UNION ALL ") + " ORDER BY 1 LIMIT " + limit
}

// selectDeliveries is a query for each of the tables.
func selectDeliveries(which string) []string {
	return []string{
		"SELECT " + hotDelivery + " FROM deliveries d " + withConversation + " WHERE " + which,
		"SELECT " + finishedDelivery + " FROM finished d " + withConversation + " WHERE " + which,
	}
}

const (
	hotDelivery      = "d.id, d.message, d.conversation, d.state, CASE WHEN d.waits = 2 THEN d.due_at END, " + deliveryRest + ", coalesce(d.unsure, false)"
	finishedDelivery = "d.id, d.message, d.conversation, d.state, NULL::timestamptz, " + deliveryRest + ", false"
	deliveryRest     = `d.reason, d.activity_id, d.claims, d.failures, d.updated_at, d.history,
		coalesce(c.app_id, g.app_id, ''), coalesce(c.tenant_id, g.tenant_id, ''), coalesce(c.channel_id, g.channel_id, ''),
		coalesce(c.bot_id, g.bot_id, ''), coalesce(c.conversation_id, g.conversation_id, ''), d.created_at, coalesce(d.verb, 0),
		coalesce(d.revises, 0)`

	withConversation = `LEFT JOIN conversations c ON c.id = d.conversation
		LEFT JOIN forgotten g ON g.id = d.conversation`
)

func scanDelivery(r pgx.Row) (d outbox.Delivery, err error) {
	var state, verb int64
	var lines []byte
	k := &d.Key
	if err := r.Scan((*int64)(&d.ID), (*int64)(&d.Message), (*int64)(&d.Conversation), &state, (*optionalTime)(&d.DueAt),
		(*optionalText)(&d.Reason), (*optionalText)(&d.Activity), &d.Claims, &d.Failures, &d.UpdatedAt, &lines,
		&k.AppID, (*string)(&k.Tenant), (*string)(&k.Channel), (*string)(&k.Bot), (*string)(&k.Conversation),
		&d.CreatedAt, &verb, (*int64)(&d.Revises), &d.MayHaveArrived); err != nil {
		return d, err
	}
	if state < 1 || state >= states {
		return d, fmt.Errorf("postgres: delivery %d is in the unknown state %d", d.ID, state)
	}
	d.State, d.Verb = stateNames[state], word(verbs, verb)
	d.History, err = history.Parse(lines)
	return d, err
}

func collectDeliveries(rows pgx.Rows, err error) (found []outbox.Delivery, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, rows.Err()
}

// DeliveryRecord implements [outbox.Store].
func (s *Store) DeliveryRecord(ctx context.Context, id outbox.DeliveryID) (d outbox.Delivery, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		d, err = scanDelivery(q.QueryRow(ctx, recordBy, int64(id)))
		if errors.Is(err, pgx.ErrNoRows) {
			return outbox.ErrNoDelivery
		}
		return err
	})
	return d, err
}

// Fallbacks implements [outbox.Store].
func (s *Store) Fallbacks(
	ctx context.Context, after outbox.MessageID, n int,
) (found []outbox.MessageID, last outbox.MessageID, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found, last = nil, 0
		rows, err := q.Query(ctx, `SELECT m.id, EXISTS (SELECT FROM deliveries d WHERE d.message = m.id AND NOT d.alone)
			FROM messages m WHERE m.fallback IS NOT NULL AND m.id > $1 ORDER BY m.id LIMIT $2`, int64(after), n)
		if err != nil {
			return err
		}
		var waits bool
		tag, err := pgx.ForEachRow(rows, []any{&last, &waits}, func() error {
			if waits {
				found = append(found, last)
			}
			return nil
		})
		if tag.RowsAffected() < int64(n) {
			last = 0
		}
		return err
	})
	return found, last, err
}
