package sqlite

import (
	"math"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// conversationIn names a conversation within its tenant, for the limiter.
func (e *entry) conversationIn() string { return string(e.conv.Key.Conversation) }

// permit asks the limiter for a call to a conversation. It is given back if the transaction does not happen.
func (t *tx) permit(r *route, e *entry, now time.Time) (p *pace.Permit, ok bool) {
	if p, ok = t.store.cfg.Pace.Take(r.way, e.conversationIn(), pace.Delivery, now); p != nil {
		t.otherwise(p.Cancel)
	}
	return p, ok
}

// permitAtOnce is permit for a delivery that goes without waiting. Where something is limited it does not pass those who
// wait.
func (t *tx) permitAtOnce(r *route, e *entry, l outbox.Lane, now time.Time) (p *pace.Permit, ok bool) {
	if r.ahead(l) && t.store.cfg.Pace.Room(r.way, now) < math.MaxInt {
		return nil, false
	}
	return t.permit(r, e, now)
}

// closes leaves a route alone until its gate may open.
func (c *claiming) closes(r *route) {
	c.store.routes.close(r, atLeast(c.store.cfg.Pace.Next(r.way, "", c.now), c.now))
}

// putOff leaves alone who was refused a permit: the route if that has no room, else the delivery, until its conversation
// may have some. The index by due time keeps it, so that nobody looks at it before.
func (c *claiming) putOff(r *route, e *entry, d *candidate) error {
	limits := c.store.cfg.Pace
	if limits.Room(r.way, c.now) == 0 {
		c.closes(r)
		return nil
	}
	c.drops++
	c.step.unfinished = c.drops >= dropHeads
	_, err := c.exec("UPDATE deliveries SET waits = 2, due_at = ? WHERE id = ?",
		atLeast(limits.Next(r.way, e.conversationIn(), c.now), c.now), int64(d.id))
	return err
}

// shortestWait keeps a refusal from being asked for again in the same moment, and is more than what times lose when they
// are stored.
const shortestWait = time.Millisecond

// atLeast is a time to look again, not at once.
func atLeast(next, now time.Time) time.Time {
	if soon := now.Add(shortestWait); next.Before(soon) {
		return soon
	}
	return next.Add(time.Microsecond) // what storing cuts off
}

// freed has all routes looked at again: the limiter has let go of something earlier than it had said.
func (s *Store) freed() {
	s.loosened.Store(true)
	s.wake()
}
