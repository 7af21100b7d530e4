package postgres

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

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
	m, err := t.messageOf(ctx, id)
	if err != nil {
		return err
	}
	_, _, waiting, err := t.lockWaiting(ctx, m, 0, 1)
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
			t.offer(list[i].route, list[i].lane, list[i].rank)
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
	t.later(due)
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
	t.vacate(left, nil)
	return t.flush(ctx)
}
