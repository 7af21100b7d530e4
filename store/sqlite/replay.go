package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// finishedColumns are a row of the table finished as [scanHot] reads it.
const finishedColumns = `d.id, d.message, d.conversation, d.lane, d.alone, NULL, d.state, d.fence, d.claims, d.failures,
	d.activity_id, d.created_at, d.history, 0, d.verb, d.revises, d.replayed,
	d.state = 7 OR d.state = 6 AND d.reason = 'partial', NULL, 0, 0`

// finishedByID reads a delivery that is final: ErrState when it is not yet, ErrNoDelivery when there is none.
func (t *tx) finishedByID(id outbox.DeliveryID) (h hot, err error) {
	found, err := t.one(func(r row) { h = scanHot(r) }, "SELECT "+finishedColumns+" FROM finished d WHERE d.id = ?", int64(id))
	if found || err != nil {
		return h, err
	}
	_, found, err = t.hotByID(id)
	switch {
	case err != nil:
		return h, err
	case found:
		return h, outbox.ErrState
	}
	return h, outbox.ErrNoDelivery
}

// ReplayDelivery implements [outbox.Store].
func (s *Store) ReplayDelivery(ctx context.Context, id outbox.DeliveryID, r outbox.Replay) (outbox.Delivery, error) {
	if err := s.writer.do(ctx, func(t *tx) error {
		h, err := t.finishedByID(id)
		if err != nil {
			return err
		}
		return t.replay(&h, r)
	}); err != nil {
		return outbox.Delivery{}, err
	}
	return s.DeliveryRecord(ctx, id)
}

// replay brings a delivery back from the finished ones.
func (t *tx) replay(h *hot, how outbox.Replay) error {
	at := how.At
	if h.state == delivered {
		return outbox.ErrState
	}
	if h.verb != remove {
		if err := t.sayable(h.message); err != nil {
			return err
		}
	}
	r, err := t.routeIn(h.conversation)
	if err != nil {
		return err
	}
	if how.Forbidden {
		if err := t.lift(h.conversation, at); err != nil {
			return err
		}
	}
	if err := t.forgetSends(h.id); err != nil {
		return err
	}
	c := outbox.Change{At: at, State: outbox.StateReady, Attempt: int(h.claims), Reason: outbox.ReasonReplayed}
	h.change(c)
	if _, err := t.exec("DELETE FROM finished WHERE id = ?", int64(h.id)); err != nil {
		return err
	}
	t.count(h.state, ready, 1)
	t.wake = true
	seq := t.nextSeq()
	t.enters(h.conversation, h.lane, seq)
	t.store.routes.offers(r, h.lane)
	if _, err := t.exec(`INSERT INTO deliveries (id, message, conversation, lane, alone, route, rank, seq, state, waits,
			wanted_at, due_at, lease_until, fence, claims, failures, reason, activity_id, created_at, updated_at, history, verb,
			revises, replayed, unsure)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 2, NOT `+laneTaken+`, ?, 0, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
		int64(h.id), int64(h.message), int64(h.conversation), int64(h.lane), h.alone, r.id, t.rank(r, h), seq,
		int64(h.conversation), int64(h.lane), at, h.fence, h.claims, c.Reason, string(h.activity), h.createdAt, at, h.history,
		orNull(h.verb), orNull(int64(h.revises)), flag(h.unsure)); err != nil {
		return err
	}
	return t.mayCollapseAgain(h)
}

// lift lets a conversation be tried that the channel has forbidden.
func (t *tx) lift(r book.Row, at time.Time) error {
	known, err := t.conversation(r)
	if err != nil || !known.conv.Forbidden() {
		return err
	}
	return t.reaches(known, book.Standing{Reach: book.ReachActive, Cause: outbox.ReasonReplayed, At: at})
}

// sayable is nil when there is something that a message says, and nothing keeps it from being said.
func (t *tx) sayable(id outbox.MessageID) error {
	recalled, purged, changing := false, false, false
	_, err := t.one(func(r row) { recalled, purged, changing = r.bool(0), r.bool(1), r.bool(2) },
		"SELECT recalled_at, body IS NULL, not_before FROM messages WHERE id = ?", int64(id))
	switch {
	case err != nil:
		return err
	case recalled:
		return outbox.ErrRecalled
	case purged:
		return outbox.ErrPurged
	case changing:
		return outbox.ErrChanging
	}
	return nil
}

// orNull is a number as it is stored where 0 is NULL.
func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// flag is a fact as it is stored where false is NULL.
func flag(yes bool) any {
	if !yes {
		return nil
	}
	return 1
}

// replayAtOnce bounds one step of a replay, so that it does not hold up the writer for long.
const replayAtOnce = 500

// ReplayDeliveries implements [outbox.Store]. It takes several steps when there are many.
func (s *Store) ReplayDeliveries(ctx context.Context, f outbox.DeliveryFilter, r outbox.Replay) (int, error) {
	total := 0
	for after, more := outbox.DeliveryID(0), true; more && total < f.Limit; {
		var n int
		var last outbox.DeliveryID
		if err := s.writer.do(ctx, func(t *tx) error {
			var err error
			n, last, more, err = t.replayNext(f, after, min(replayAtOnce, f.Limit-total), r)
			return err
		}); err != nil {
			return total, err
		}
		total += n
		after = last
	}
	return total, nil
}

// replayNext replays some of those that match after one.
func (t *tx) replayNext(
	f outbox.DeliveryFilter, after outbox.DeliveryID, limit int, how outbox.Replay,
) (n int, last outbox.DeliveryID, more bool, err error) {
	if f.State != "" && (!f.State.Final() || f.State == outbox.StateDelivered) {
		return 0, 0, false, nil
	}
	queries, err := queriesOf(t, f, false, true)
	var found []hot
	for _, q := range queries {
		q.narrow(f)
		q.and("+d.state <> 5 AND d.id > +? AND m.app_id = ? AND (d.verb = 2 OR m.recalled_at IS NULL AND m.body IS NOT NULL AND m.not_before IS NULL) "+
			"AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = d.conversation)", int64(after), text(f.AppID))
		if err == nil {
			err = t.each(func(r row) error {
				found = append(found, scanHot(r))
				return nil
			}, "SELECT "+finishedColumns+" FROM finished d CROSS JOIN messages m ON m.id = d.message WHERE "+q.where+
				" ORDER BY d.id LIMIT +?", append(q.args, limit)...)
		}
	}
	if err != nil {
		return 0, 0, false, err
	}
	slices.SortFunc(found, func(a, b hot) int { return cmp.Compare(a.id, b.id) })
	found = found[:min(limit, len(found))]
	for i := range found {
		last = found[i].id
		if err := t.replay(&found[i], how); err != nil {
			return 0, 0, false, err
		}
	}
	return len(found), last, len(found) == limit, nil
}

// SettleDelivery implements [outbox.Store].
func (s *Store) SettleDelivery(
	ctx context.Context, id outbox.DeliveryID, as outbox.Settlement,
) (outbox.Delivery, error) {
	if as.State != outbox.StateDelivered && as.State != outbox.StateFailed {
		return outbox.Delivery{}, fmt.Errorf("sqlite: settle: %q is neither delivered nor failed", as.State)
	}
	if err := s.writer.do(ctx, func(t *tx) error {
		h, err := t.finishedByID(id)
		switch {
		case err != nil:
			return err
		case h.state != unknown:
			return outbox.ErrState
		}
		return t.settle(&h, as)
	}); err != nil {
		return outbox.Delivery{}, err
	}
	return s.DeliveryRecord(ctx, id)
}

// settle makes an unknown delivery what somebody knows it to be.
func (t *tx) settle(h *hot, as outbox.Settlement) error {
	code, err := stateCode(as.State)
	if err != nil {
		return err
	}
	t.count(unknown, code, 1)
	c := outbox.Change{
		At: as.At, State: as.State, Attempt: int(h.claims), Reason: outbox.ReasonSettled, Activity: as.Activity,
	}
	h.wantedAt = as.At // who knows when it was delivered
	h.activity = cmp.Or(as.Activity, h.activity)
	t.ended(h, code, c)
	if err := t.tellOutcome(h, c); err != nil {
		return err
	}
	_, err = t.exec(`UPDATE finished SET state = ?, reason = ?, activity_id = ?, updated_at = ?, history = history || ?
		WHERE id = ?`, code, c.Reason, string(h.activity), c.At, history.Line(c), int64(h.id))
	return err
}

// DeliveryRecord implements [outbox.Store].
func (s *Store) DeliveryRecord(ctx context.Context, id outbox.DeliveryID) (d outbox.Delivery, err error) {
	err = s.read(ctx, func(c *conn) error {
		var bad error
		found, err := c.one(func(r row) { d, bad = scanDelivery(r) }, recordOfOne, int64(id), int64(id), 1)
		if err == nil && !found {
			err = outbox.ErrNoDelivery
		}
		return errors.Join(err, bad)
	})
	return d, err
}
