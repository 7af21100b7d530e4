package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// cancelAtOnce bounds one step of a cancellation, so that its locks are not held for long.
const cancelAtOnce = 1000

// CancelMessage implements [outbox.Store]. It takes several steps when there are very many deliveries.
func (s *Store) CancelMessage(ctx context.Context, id outbox.MessageID, at time.Time) (outbox.Record, error) {
	if err := s.steps(ctx, id, func(ctx context.Context, t *tx, waiting []hot) error {
		if err := t.endSpread(ctx, id); err != nil {
			return err
		}
		if len(waiting) == cancelAtOnce { // nothing of it that was never handed out will be
			if _, err := t.Exec(ctx, "UPDATE messages SET cancelled_at = $2 WHERE id = $1 AND cancelled_at IS NULL", int64(id), at); err != nil {
				return err
			}
		}
		return t.drop(ctx, waiting, "", at)
	}); err != nil {
		return outbox.Record{}, err
	}
	return s.MessageRecord(ctx, id)
}

// RescheduleMessage implements [outbox.Store]. It takes several steps when there are very many deliveries.
func (s *Store) RescheduleMessage(
	ctx context.Context, id outbox.MessageID, due, at time.Time,
) (outbox.Record, error) {
	if err := s.steps(ctx, id, func(ctx context.Context, t *tx, waiting []hot) error {
		if err := t.delaySpread(ctx, id, due); err != nil {
			return err
		}
		return t.reschedule(ctx, waiting, due, at)
	}); err != nil {
		return outbox.Record{}, err
	}
	return s.MessageRecord(ctx, id)
}

// steps calls step in transactions with what of a message waits, some at a time and in the order of their ids, with their
// conversations locked; once at least.
func (s *Store) steps(
	ctx context.Context, id outbox.MessageID, step func(context.Context, *tx, []hot) error,
) error {
	var after outbox.DeliveryID
	for more := true; more; {
		var last outbox.DeliveryID
		if err := s.write(ctx, func(ctx context.Context, t *tx) error {
			n, waiting, err := t.lockWaiting(ctx, id, after, cancelAtOnce, &last)
			if err != nil {
				return err
			}
			more = n == cancelAtOnce
			return step(ctx, t, waiting)
		}); err != nil {
			return err
		}
		after = last
	}
	return nil
}

// waitingOf finds a message's deliveries after one that are not handed out; what revises others is not among them. $2 is
// the only one that was asked for, or 0.
const waitingOf = ` FROM deliveries d
	WHERE (d.id = $2 OR $2 = 0 AND d.message = $1 AND NOT d.alone) AND d.id > $3 AND d.state <> 4 AND d.verb IS NULL `

// lockWaiting locks the conversations of up to n of a message's deliveries after one, and returns what still waits there;
// how many it has found at first, and the last of them.
func (t *tx) lockWaiting(
	ctx context.Context, id outbox.MessageID, after outbox.DeliveryID, n int, last *outbox.DeliveryID,
) (found int, waiting []hot, err error) {
	var alone int64
	err = t.QueryRow(ctx, "SELECT coalesce(alone, 0) FROM messages WHERE id = $1", int64(id)).Scan(&alone)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil, outbox.ErrNotFound
	case err != nil:
		return 0, nil, err
	}
	rows, err := t.Query(ctx, "SELECT d.id, d.conversation"+waitingOf+"ORDER BY d.id LIMIT $4", int64(id), alone, int64(after), n)
	if err != nil {
		return 0, nil, err
	}
	var ids []outbox.DeliveryID
	var where []book.Row
	var d, c int64
	if _, err := pgx.ForEachRow(rows, []any{&d, &c}, func() error {
		ids, where = append(ids, outbox.DeliveryID(d)), append(where, book.Row(c))
		return nil
	}); err != nil || len(ids) == 0 {
		return 0, nil, err
	}
	*last = ids[len(ids)-1]
	if _, err := t.lock(ctx, where); err != nil {
		return 0, nil, err
	}
	waiting, err = collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.id = ANY ($1) AND d.state <> 4 AND d.verb IS NULL ORDER BY d.id`, numbers(ids)))
	return len(ids), waiting, err
}

// drop cancels deliveries that are not handed out, in conversations that are locked.
func (t *tx) drop(ctx context.Context, list []hot, reason string, at time.Time) error {
	if len(list) > 0 {
		t.wake = true // the next due time may be another
	}
	return t.finish(ctx, list, func(h *hot) outbox.Change {
		return outbox.Change{At: at, State: outbox.StateCancelled, Attempt: int(h.claims), Reason: reason}
	})
}

// dropScheduled cancels what of a message would be said later; with 0 nothing.
func (t *tx) dropScheduled(ctx context.Context, id outbox.MessageID, at time.Time) error {
	if id == 0 {
		return nil
	}
	var last outbox.DeliveryID
	_, waiting, err := t.lockWaiting(ctx, id, 0, 1, &last)
	if err != nil || len(waiting) == 0 || waiting[0].state != scheduled {
		return err
	}
	return t.drop(ctx, waiting, "", at)
}

// cancelAll cancels whatever is to be said in a conversation, whose lease the caller has. Nothing is being sent there by
// anybody who holds it; an attempt that has lost it ends here.
func (t *tx) cancelAll(ctx context.Context, c book.Row, at time.Time, reason string) error {
	if _, err := t.lock(ctx, []book.Row{c}); err != nil {
		return err
	}
	all, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.conversation = $1 AND d.seq IS NOT NULL
		UNION ALL SELECT `+hotColumns+" FROM deliveries d WHERE d.conversation = $1 AND d.seq IS NULL ORDER BY 1", int64(c)))
	if err != nil {
		return err
	}
	for i := range all {
		all[i].unsure = all[i].unsure || all[i].state == sending
	}
	return t.drop(ctx, all, reason, at)
}

// reschedule makes deliveries that wait due at another time. Their conversations are locked.
func (t *tx) reschedule(ctx context.Context, list []hot, due, at time.Time) error {
	if len(list) == 0 {
		return nil
	}
	t.wake = true
	c := outbox.Change{At: at, State: outbox.StateScheduled, Reason: outbox.ReasonRescheduled}
	if due.After(at) {
		return t.delay(ctx, list, due, c)
	}
	c.State = outbox.StateReady
	var placed []outbox.DeliveryID
	var enter []hot
	for i := range list {
		if list[i].state == ready { // its place stays; only a time that it waits for goes
			placed = append(placed, list[i].id)
		} else {
			enter = append(enter, list[i])
		}
	}
	for i := range list {
		if list[i].state == ready {
			t.offer(list[i].route, list[i].lane)
		}
	}
	if len(placed) > 0 {
		t.last.Queue(`UPDATE deliveries d SET waits = 1, due_at = NULL, reason = $2, updated_at = $3,
			history = d.history || $4 || `+endOf("d.claims")+` WHERE d.id = ANY ($1) AND d.waits = 2`, numbers(placed), c.Reason, at, history.Begin(c))
	}
	if len(enter) > 0 {
		ids := make([]int64, len(enter))
		for i := range enter {
			ids[i] = int64(enter[i].id)
		}
		t.last.Queue("UPDATE deliveries SET wanted_at = $2 WHERE id = ANY ($1)", ids, at)
	}
	return t.becomeReady(ctx, enter, c)
}

// delay makes deliveries scheduled; those that have a place in a lane leave it.
func (t *tx) delay(ctx context.Context, list []hot, due time.Time, c outbox.Change) error {
	ids := make([]int64, len(list))
	var left []lane
	for i := range list {
		h := &list[i]
		ids[i] = int64(h.id)
		t.count(h.state, scheduled, 1)
		if h.seq != 0 {
			left = append(left, lane{h.conversation, h.lane})
		}
	}
	t.last.Queue(`UPDATE deliveries d SET state = 1, seq = NULL, waits = 2, wanted_at = $2, due_at = $2, reason = $3,
		updated_at = $4, history = d.history || $5 || `+endOf("d.claims")+` WHERE d.id = ANY ($1)`, ids, due, c.Reason, c.At, history.Begin(c))
	t.vacate(left)
	return t.flush(ctx)
}
