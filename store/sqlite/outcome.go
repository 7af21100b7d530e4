package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// RecordOutcome implements [outbox.Store].
func (s *Store) RecordOutcome(ctx context.Context, o outbox.Outcome) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("sqlite: outcome: %w", err)
	}
	return s.writer.do(ctx, func(t *tx) error { return t.record(&o) })
}

// RecordLater implements [outbox.Recorder].
func (s *Store) RecordLater(o outbox.Outcome, done func(error)) {
	if err := o.Validate(); err != nil {
		done(fmt.Errorf("sqlite: outcome: %w", err))
		return
	}
	if err := s.writer.tell(func(t *tx) error { return t.record(&o) }, done); err != nil {
		done(err)
	}
}

// record ends an attempt with its outcome.
func (t *tx) record(o *outbox.Outcome) error {
	r, err := t.attempt(o.Delivery, o.Fence)
	if err != nil {
		return err
	}
	c := outbox.Change{
		At: o.At, State: o.State, Attempt: int(r.claims), Reason: o.Reason, Status: o.Status, Detail: o.Detail,
		Activity: o.Activity,
	}
	if !o.State.Final() {
		c.RetryAt = o.RetryAt
	}
	h := r.hot
	h.lost, h.unsure = 0, h.unsure || o.MayHaveArrived
	if o.Failed {
		h.failures++
	}
	if o.To != 0 && o.State == outbox.StateReady {
		return t.move(r, h, c, o.To)
	}
	if err := t.end(r, h, c); err != nil || o.State != outbox.StateDelivered || r.verb == send || o.Activity == "" {
		return err
	}
	return t.learn(r.revises, o)
}

// attempt finds an attempt that is still right.
func (t *tx) attempt(id outbox.DeliveryID, fence int64) (*run, error) {
	r, ok := t.store.running[id] // only the writer changes it
	if !ok || r.ended || r.fence != fence {
		return nil, headsup.ErrLeaseLost
	}
	return r, nil
}

// learn notes what the outcome of a revision tells of the delivery that it revises.
func (t *tx) learn(id outbox.DeliveryID, o *outbox.Outcome) error {
	h, err := t.finishedByID(id)
	switch {
	case errors.Is(err, outbox.ErrState), errors.Is(err, outbox.ErrNoDelivery), err == nil && h.state != unknown:
		return nil
	case err != nil:
		return err
	}
	return t.settle(&h, outbox.Settlement{State: outbox.StateDelivered, Activity: o.Activity, At: o.At})
}

// end ends an attempt with c and gives its lease back. h is what its row becomes: r stays as it is on disk until the commit.
func (t *tx) end(r *run, h hot, c outbox.Change) error {
	r.ended = true
	t.closed = append(t.closed, r)
	h.activity = cmp.Or(c.Activity, h.activity)
	return t.putBack(h, c)
}

// loss notes that an attempt was lost, and says how its delivery goes on.
func (t *tx) loss(r *run, at time.Time, reason string) (hot, outbox.Change, error) {
	h := r.hot
	where, err := t.conversation(h.conversation)
	if err != nil && !errors.Is(err, book.ErrNotFound) {
		return h, outbox.Change{}, err
	}
	silent := err == nil && where.conv.Reach == book.ReachProspective
	h.unsure = h.unsure || !silent
	h.lost++
	c := outbox.Change{At: at, Attempt: int(h.claims), Reason: reason}
	return h, outbox.AfterLoss(c, int(h.lost), r.hold && h.unsure), nil
}

// putBack writes what a delivery that was being sent has become.
func (t *tx) putBack(h hot, c outbox.Change) error {
	if !c.State.Final() && h.verb != remove {
		recalled, err := t.recalled(h.message)
		if err != nil {
			return err
		}
		if recalled {
			c.Detail = strings.Trim(c.Reason+": "+c.Detail, ": ")
			c.State, c.Reason, c.RetryAt = outbox.StateCancelled, outbox.ReasonRecalled, time.Time{}
		}
	}
	switch c.State {
	case outbox.StateReady:
	case outbox.StateHeld:
		return t.putAside(&h, c)
	default:
		return t.finish(&h, c)
	}
	waits, due := waitsClaim, time.Time{}
	if c.RetryAt.After(c.At) {
		waits, due = waitsTime, c.RetryAt
	}
	t.count(sending, ready, 1)
	t.wake = true
	t.enters(h.conversation, h.lane, h.seq)
	if waits == waitsClaim {
		r, err := t.routeIn(h.conversation) // it may have moved since it was handed out
		if err != nil {
			return err
		}
		t.store.routes.offers(r, h.lane)
	}
	_, err := t.exec(`UPDATE deliveries SET state = 2, waits = ?, due_at = ?, lease_until = 0, failures = ?, reason = ?,
			activity_id = ?, updated_at = ?, history = history || ?, unsure = ?, lost = ? WHERE id = ?`,
		waits, due, h.failures, c.Reason, string(h.activity), c.At, h.change(c), flag(h.unsure), orNull(h.lost), int64(h.id))
	return err
}

// putAside holds a delivery that was being sent until a time.
func (t *tx) putAside(h *hot, c outbox.Change) error {
	t.count(sending, held, 1)
	t.wake = true
	if _, err := t.exec(`UPDATE deliveries SET state = 3, seq = NULL, waits = 2, due_at = ?, lease_until = 0, failures = ?, reason = ?,
			activity_id = ?, updated_at = ?, history = history || ?, unsure = ?, lost = ? WHERE id = ?`,
		c.RetryAt, h.failures, c.Reason, string(h.activity), c.At, h.change(c), flag(h.unsure), orNull(h.lost), int64(h.id)); err != nil {
		return err
	}
	return t.vacates(h)
}

// recalled reports whether a message was recalled.
func (t *tx) recalled(id outbox.MessageID) (yes bool, err error) {
	_, err = t.one(func(r row) { yes = r.bool(0) }, "SELECT recalled_at FROM messages WHERE id = ?", int64(id))
	return yes, err
}

// Extend implements [outbox.Store]. Leases live in memory: the one on disk says when the attempt was to end at first.
func (s *Store) Extend(
	_ context.Context, attempts []outbox.Attempt, until time.Time,
) (lost []outbox.DeliveryID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range attempts {
		r, ok := s.running[a.Delivery]
		if !ok || r.fence != a.Fence || !r.lease.Extend() {
			lost = append(lost, a.Delivery)
			continue
		}
		r.until = until
	}
	return lost, nil
}

// ReclaimExpired implements [outbox.Store].
func (s *Store) ReclaimExpired(ctx context.Context, now time.Time) (int, error) {
	n := 0
	err := s.writer.do(ctx, func(t *tx) error {
		n = 0
		for _, r := range s.overdue(now) {
			h, c, err := t.loss(r, now, outbox.ReasonLeaseLost)
			if err == nil {
				err = t.end(r, h, c)
			}
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// overdue lists the attempts whose lease has run out, in the order of their deliveries.
func (s *Store) overdue(now time.Time) []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*run
	for _, r := range s.running {
		if !r.ended && !now.Before(r.until) {
			found = append(found, r)
		}
	}
	return sortedByID(found)
}

const selectSending = "SELECT " + hotColumns + `, m.on_unknown FROM deliveries d CROSS JOIN messages m ON m.id = d.message
	WHERE d.state = 4 LIMIT +?`

// resume takes back what an earlier process was sending: it has stopped, since this one holds the directory.
func (s *Store) resume(t *tx) error {
	var left int64
	if _, err := t.one(func(r row) { left = r.int(0) }, "SELECT sending FROM counters"); err != nil || left == 0 {
		return err
	}
	var stopped []*run
	if err := t.each(func(r row) error {
		stopped = append(stopped, &run{hot: scanHot(r), hold: r.int(hotCount) == holdCode && r.int(hotVerb) == send})
		return nil
	}, selectSending, left); err != nil {
		return err
	}
	now := s.cfg.Now()
	for _, r := range sortedByID(stopped) {
		h, c, err := t.loss(r, now, outbox.ReasonProcessStopped)
		if err == nil {
			err = t.putBack(h, c)
		}
		if err != nil {
			return err
		}
	}
	s.cfg.Logger.Info("took back what an earlier process was sending", "deliveries", len(stopped))
	return nil
}

func sortedByID(runs []*run) []*run {
	slices.SortFunc(runs, func(a, b *run) int { return cmp.Compare(a.id, b.id) })
	return runs
}
