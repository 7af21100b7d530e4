package memory

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// ReviseMessage implements [outbox.Store].
func (s *Store) ReviseMessage(_ context.Context, r outbox.Revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.messages[r.Message]
	if !known {
		return outbox.ErrNotFound
	}
	return s.revise(m, r)
}

// SweepMessages implements [outbox.Store]. Changes are made in one step here, however many they are.
func (s *Store) SweepMessages(context.Context, int, func() outbox.DeliveryID) ([]outbox.MessageID, bool, error) {
	return nil, false, nil
}

// revise edits or recalls a message. s.mu is held.
func (s *Store) revise(m *message, r outbox.Revision) error {
	verb := outbox.VerbUpdate
	switch recalled := !m.RecalledAt.IsZero(); {
	case recalled && len(r.Body) > 0:
		return outbox.ErrRecalled
	case recalled:
		return nil
	case len(r.Body) > 0:
		m.Body, m.EditedAt = slices.Clone(r.Body), r.At
	default:
		m.RecalledAt, verb = r.At, outbox.VerbDelete
		m.spreadEnds()
	}
	coming := make(map[outbox.DeliveryID]bool) // those for which an update waits, which will tell the new body
	for _, d := range m.deliveries {
		switch {
		case !d.waits():
		case verb == outbox.VerbDelete:
			s.queue.drop(d, outbox.Change{At: r.At, State: outbox.StateCancelled, Reason: outbox.ReasonRecalled})
		case d.Verb == outbox.VerbUpdate:
			coming[d.Revises] = true
		}
	}
	for _, d := range slices.Clone(m.deliveries) {
		given := d.State == outbox.StateSending || d.State == outbox.StateDelivered ||
			verb == outbox.VerbDelete && (d.State == outbox.StateUnknown || d.partial())
		if d.Verb != outbox.VerbSend || !given || coming[d.ID] {
			continue
		}
		if _, known := s.book.row(d.Conversation); !known {
			continue
		}
		n := &delivery{wantedAt: r.At, since: r.At, message: m, conversation: d.conversation, Delivery: outbox.Delivery{
			ID: r.NextID(), Message: m.ID, Conversation: d.Conversation, Key: d.Key, Verb: verb, Revises: d.ID, CreatedAt: r.At,
		}}
		m.deliveries = append(m.deliveries, n)
		s.queue.deliveries[n.ID] = n
		s.queue.becomeReady(n, outbox.Change{At: r.At, State: outbox.StateReady})
	}
	s.wake()
	return nil
}

// RescheduleMessage implements [outbox.Store].
func (s *Store) RescheduleMessage(_ context.Context, id outbox.MessageID, due, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.messages[id]
	if !known {
		return outbox.ErrNotFound
	}
	if m.spread != nil {
		m.spread.DueAt = due
	}
	for _, d := range m.deliveries {
		if d.waits() && d.Verb == outbox.VerbSend {
			s.reschedule(d, due, at)
		}
	}
	s.wake()
	return nil
}

// reschedule makes a delivery that waits due at another time. s.mu is held.
func (s *Store) reschedule(d *delivery, due, at time.Time) {
	q := &s.queue
	c := outbox.Change{At: at, State: outbox.StateReady, Attempt: d.Claims, Reason: outbox.ReasonRescheduled}
	switch {
	case due.After(at):
		if d.place > 0 {
			q.vacate(d)
		}
		c.State = outbox.StateScheduled
		q.change(d, c)
		d.DueAt, d.wantedAt, d.since = due, due, due
		heap.Push(&q.later, timer{due, d})
	case d.State != outbox.StateReady:
		d.wantedAt, d.since = at, at
		q.becomeReady(d, c)
	case !d.DueAt.IsZero():
		d.since = at
		q.change(d, c)
		q.offer(d)
	}
}

// ReplayDelivery implements [outbox.Store].
func (s *Store) ReplayDelivery(_ context.Context, id outbox.DeliveryID, r outbox.Replay) (outbox.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.queue.deliveries[id]
	switch {
	case !known:
		return outbox.Delivery{}, outbox.ErrNoDelivery
	case !d.State.Final() || d.State == outbox.StateDelivered:
		return outbox.Delivery{}, outbox.ErrState
	}
	if d.Verb != outbox.VerbDelete {
		if err := d.message.sayable(); err != nil {
			return outbox.Delivery{}, err
		}
	}
	if _, known := s.book.row(d.Conversation); !known {
		return outbox.Delivery{}, book.ErrNotFound
	}
	s.replay(d, r)
	return d.copy(), nil
}

// replayable reports whether it has ended without success and may be tried again.
func (d *delivery) replayable() bool {
	return d.State.Final() && d.State != outbox.StateDelivered && (d.Verb == outbox.VerbDelete || d.message.sayable() == nil)
}

// sayable is nil when there is something that the message says.
func (m *message) sayable() error {
	switch {
	case !m.RecalledAt.IsZero():
		return outbox.ErrRecalled
	case len(m.Body) == 0:
		return outbox.ErrPurged
	}
	return nil
}

// replay makes a delivery that has ended ready again. s.mu is held.
func (s *Store) replay(d *delivery, r outbox.Replay) {
	at := r.At
	if e, known := s.book.row(d.Conversation); known && r.Forbidden && e.Forbidden() {
		e.reaches(book.Standing{Reach: book.ReachActive, Cause: outbox.ReasonReplayed, At: at})
	}
	if d.place > 0 { // it was cancelled behind others, and is in their lane until it would be the head
		l := s.queue.laneOf(d)
		*l = slices.DeleteFunc(*l, func(o *delivery) bool { return o == d })
	}
	d.MayHaveArrived = d.State == outbox.StateUnknown || d.partial()
	d.Failures, d.lost, d.replayed, d.wantedAt, d.since, d.sends = 0, 0, true, at, at, nil
	s.queue.becomeReady(d, outbox.Change{At: at, State: outbox.StateReady, Attempt: d.Claims, Reason: outbox.ReasonReplayed})
	s.wake()
}

// ReplayDeliveries implements [outbox.Store].
func (s *Store) ReplayDeliveries(_ context.Context, f outbox.DeliveryFilter, r outbox.Replay) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, d := range s.queue.byID() {
		if _, known := s.book.row(d.Conversation); known && n < f.Limit && d.replayable() && d.matches(f) {
			s.replay(d, r)
			n++
		}
	}
	return n, nil
}

// SettleDelivery implements [outbox.Store].
func (s *Store) SettleDelivery(
	_ context.Context, id outbox.DeliveryID, as outbox.Settlement,
) (outbox.Delivery, error) {
	if as.State != outbox.StateDelivered && as.State != outbox.StateFailed {
		return outbox.Delivery{}, fmt.Errorf("memory: settle: %q is neither delivered nor failed", as.State)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.queue.deliveries[id]
	switch {
	case !known:
		return outbox.Delivery{}, outbox.ErrNoDelivery
	case d.State != outbox.StateUnknown:
		return outbox.Delivery{}, outbox.ErrState
	}
	s.settle(d, as)
	return d.copy(), nil
}

// settle makes an unknown delivery what somebody knows it to be. s.mu is held.
func (s *Store) settle(d *delivery, as outbox.Settlement) {
	d.wantedAt = as.At // who knows when it was delivered
	d.Activity = cmp.Or(as.Activity, d.Activity)
	s.queue.change(d, outbox.Change{
		At: as.At, State: as.State, Attempt: d.Claims, Reason: outbox.ReasonSettled, Activity: as.Activity,
	})
}
