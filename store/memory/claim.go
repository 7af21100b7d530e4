package memory

import (
	"container/heap"
	"context"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// Claim implements [outbox.Store].
func (s *Store) Claim(_ context.Context, n int, now time.Time) (outbox.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queue
	q.promote(now)
	q.reopen(now, s.loosened.Swap(false))
	c := claiming{Store: s, now: now}
	if err := q.open.Round(n, c.visit); err != nil {
		return outbox.Claimed{}, err
	}
	for _, h := range c.busy {
		q.offers(h.delivery)
	}
	return outbox.Claimed{Attempts: c.attempts, NextDue: q.nextDue()}, nil
}

// claiming is a claim that goes round the routes. s.mu is held.
type claiming struct {
	*Store

	now      time.Time
	attempts []outbox.Attempt
	busy     []head // those that nobody may have now
}

// visit hands out up to share deliveries of a route, by lanes, and reports whether there may be more. A route without
// room is left alone until it may have some.
func (c *claiming) visit(r *route, share int) (had int, more bool, err error) {
	if share = min(share, c.limits.Room(r.way, c.now)); share == 0 {
		c.closes(r)
		return 0, false, nil
	}
	for had < share && r.closed.IsZero() && r.waits() != [laneCount]bool{} {
		for l, part := range r.lanes.Share(share-had, r.waits()) {
			had += c.take(r, outbox.Lane(l), part)
		}
	}
	if r.waits() == [laneCount]bool{} {
		c.queue.open.Remove(&r.turn)
	}
	return had, had == share, nil
}

// take hands out up to n heads of a lane of a route.
func (c *claiming) take(r *route, l outbox.Lane, n int) (had int) {
	q, heads := &c.queue, &r.heads[l]
	for had < n && r.closed.IsZero() && len(*heads) > 0 {
		h := heap.Pop(heads).(head)
		d := h.delivery
		switch {
		case !h.stands():
			continue
		case d.expired(c.now):
			q.drop(d, outbox.Change{At: c.now, State: outbox.StateExpired})
			continue
		case d.Verb != outbox.VerbSend && !q.deliveries[d.Revises].said():
			q.drop(d, outbox.Change{At: c.now, State: outbox.StateSuppressed, Reason: outbox.ReasonNothingSent})
			continue
		}
		held, ok := c.leases.Try(d.Key)
		if !ok {
			c.busy = append(c.busy, h)
			continue
		}
		j := d.judge(c.now)
		if j.Hold || j.Suppress {
			q.yield(d, j, c.now)
			held.Release()
			continue
		}
		permit, ok := c.limits.Take(r.way, string(d.Key.Conversation), pace.Delivery, c.now)
		if !ok {
			held.Release()
			c.putOff(h)
			continue
		}
		r.clock[l].Turn(d.rank)
		a := c.handOut(d, held, c.now)
		a.Permit, a.As = permit, j.As
		c.attempts = append(c.attempts, a)
		had++
	}
	return had
}

// closes leaves a route alone until its gate may open.
func (c *claiming) closes(r *route) {
	r.closed = atLeast(c.limits.Next(r.way, "", c.now), c.now)
	c.queue.open.Remove(&r.turn)
}

// putOff leaves alone who was refused a permit: the route if that has no room, else the delivery, until its conversation
// may have some.
func (c *claiming) putOff(h head) {
	d := h.delivery
	if c.limits.Room(h.route.way, c.now) == 0 {
		c.busy = append(c.busy, h)
		c.closes(h.route)
		return
	}
	d.DueAt = atLeast(c.limits.Next(h.route.way, string(d.Key.Conversation), c.now), c.now)
	d.since = d.DueAt
	heap.Push(&c.queue.later, timer{d.DueAt, d})
}

// atLeast is a time to look again, not at once.
func atLeast(next, now time.Time) time.Time {
	if soon := now.Add(time.Millisecond); next.Before(soon) {
		return soon
	}
	return next
}
