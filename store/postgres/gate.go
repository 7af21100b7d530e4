package postgres

import (
	"math"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// permit asks the limiter for a call to a conversation. It is given back if the transaction does not happen.
func (t *tx) permit(way pace.Route, conversation string, now time.Time) (p *pace.Permit, ok bool) {
	if p, ok = t.store.cfg.Pace.Take(way, conversation, pace.Delivery, now); p != nil {
		t.otherwise(p.Cancel)
	}
	return p, ok
}

// permitAtOnce is permit for a delivery that goes without waiting. Where something is limited it does not pass those who
// wait.
func (t *tx) permitAtOnce(route int64, conversation string, l outbox.Lane, now time.Time) (p *pace.Permit, ok bool) {
	rs := t.store.routes
	rs.mu.Lock()
	r := rs.byID[route]
	ahead := r == nil || r.ahead(l)
	rs.mu.Unlock()
	if r == nil || len(t.store.counts(r.way.Channel).Windows) > 0 { // the step that counts a conversation's calls is a claim
		return nil, false
	}
	if ahead && t.store.cfg.Pace.Room(r.way, now) < math.MaxInt {
		return nil, false
	}
	return t.permit(r.way, conversation, now)
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

// loosen has all routes looked at again: the limiter has let go of something earlier than it had said.
func (s *Store) loosen() {
	s.loosened.Store(true)
	s.wake()
}
