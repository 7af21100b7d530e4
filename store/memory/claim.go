package memory

import (
	"container/heap"
	"context"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// Claim implements [outbox.Store].
func (s *Store) Claim(_ context.Context, n int, now time.Time) (outbox.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queue
	q.promote(now)
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

// visit hands out up to share deliveries of a route, by lanes, and reports whether there may be more.
func (c *claiming) visit(r *route, share int) (had int, more bool, err error) {
	for had < share && r.waits() != [laneCount]bool{} {
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
	for had < n && len(*heads) > 0 {
		h := heap.Pop(heads).(head)
		d := h.delivery
		switch {
		case !h.stands():
			continue
		case d.expired(c.now):
			q.drop(d, outbox.Change{At: c.now, State: outbox.StateExpired})
			continue
		case d.Verb != outbox.VerbSend && q.deliveries[d.Revises].Activity == "":
			q.drop(d, outbox.Change{At: c.now, State: outbox.StateSuppressed, Reason: outbox.ReasonNothingSent})
			continue
		}
		held, ok := c.leases.Try(d.Key)
		if !ok {
			c.busy = append(c.busy, h)
			continue
		}
		r.clock[l].Turn(d.rank)
		c.attempts = append(c.attempts, c.handOut(d, held, c.now))
		had++
	}
	return had
}
