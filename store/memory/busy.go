package memory

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Mark implements [outbox.Store].
func (s *Store) Mark(_ context.Context, key headsup.ConversationKey, m headsup.Mark) (book.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[key]
	if !known {
		return book.Conversation{}, book.ErrNotFound
	}
	s.mark(e, m)
	return e.copy(), nil
}

// mark changes what goes on in a conversation, and judges what is held there. s.mu is held.
func (s *Store) mark(e *entry, m headsup.Mark) {
	e.Busy = m.Apply(e.Busy)
	if s.queue.judgeHeld(e, m.At) {
		s.wake()
	}
}

// judge says what the delivery's policy makes of it.
func (d *delivery) judge(now time.Time) outbox.Judgement {
	if d.Verb != outbox.VerbSend || d.message.Policy.IsZero() {
		return outbox.Judgement{}
	}
	in := outbox.Situation{
		Busy: d.conversation.Busy, LastInbound: d.conversation.LastInboundAt, WantedAt: d.wantedAt, Now: now,
	}
	if !d.replayed {
		in.ExpiresAt = d.message.ExpiresAt
	}
	return outbox.Judge(d.message.Policy, in)
}

// yield holds or suppresses a head that must not be said now.
func (q *queue) yield(d *delivery, j outbox.Judgement, now time.Time) {
	if j.Suppress {
		q.drop(d, j.Suppressed(now, d.Claims))
		return
	}
	q.vacate(d)
	q.change(d, j.Held(now, d.Claims))
	q.holdUntil(d, j.Until)
}

func (q *queue) holdUntil(d *delivery, until time.Time) {
	d.DueAt, d.since = until, until
	heap.Push(&q.later, timer{until, d})
}

// Resume implements [outbox.Store].
func (s *Store) Resume(_ context.Context, in []book.Row, at time.Time) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range in {
		n += s.resume(row, at)
	}
	return n, nil
}

// Sending implements [outbox.Store].
func (s *Store) Sending(_ context.Context, in []book.Row) (list []outbox.Running, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.queue.sending {
		if slices.Contains(in, d.Conversation) {
			list = append(list, outbox.Running{Delivery: d.ID, Fence: d.fence})
		}
	}
	return list, nil
}

// resume makes what was put aside in a conversation ready, and returns how many it were. s.mu is held.
func (s *Store) resume(row book.Row, at time.Time) (n int) {
	e, known := s.book.row(row)
	if !known {
		return 0
	}
	for _, d := range s.queue.heldIn(e) {
		if d.aside() {
			d.since = at
			s.queue.becomeReady(d, outbox.Resumed(at, d.Claims))
			n++
		}
	}
	if n > 0 {
		s.wake()
	}
	return n
}

// aside reports whether a delivery that is held was put aside.
func (d *delivery) aside() bool { return !outbox.Judged(d.Reason) }

// heldIn lists what is held in a conversation, in the order in which it is released.
func (q *queue) heldIn(e *entry) (list []*delivery) {
	for _, d := range q.byID() {
		if d.State == outbox.StateHeld && d.conversation == e {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b *delivery) int {
		return cmp.Or(a.wantedAt.Compare(b.wantedAt), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// judgeHeld judges what is held in a conversation once more, and reports whether anything has changed.
func (q *queue) judgeHeld(e *entry, now time.Time) (changed bool) {
	for _, d := range q.heldIn(e) {
		if d.aside() {
			if !d.DueAt.After(now) {
				d.since = now
				q.becomeReady(d, outbox.Resumed(now, d.Claims))
				changed = true
			}
			continue
		}
		switch j := d.judge(now); {
		case !j.Hold:
			d.since = now
			q.becomeReady(d, j.Released(now, d.Claims))
			changed = true
		case !j.Until.Equal(d.DueAt):
			q.holdUntil(d, j.Until)
			changed = true
		}
	}
	return changed
}
