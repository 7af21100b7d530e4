package memory

import (
	"cmp"
	"container/heap"
	"time"

	"github.com/headsup-bot/headsup/internal/fair"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

const laneCount = 3

// route is what shares a channel's limits, with the heads that may be handed out when their conversation is free.
type route struct {
	way   pace.Route
	heads [laneCount]heads
	turn  fair.Member[*route] // while it has heads and its gate is open
	lanes fair.Lanes
	clock [laneCount]fair.Clock
	// closed is when its gate may open; zero while it is open.
	closed time.Time
}

// route finds or makes the route of a conversation.
func (q *queue) route(e *entry) *route {
	way := outbox.RouteOf(e.Conversation)
	r, known := q.routes[way]
	if !known {
		r = &route{way: way}
		r.turn.Value = r
		q.routes[way] = r
	}
	return r
}

// waits says in which lanes there may be heads.
func (r *route) waits() (waits [laneCount]bool) {
	for l := range r.heads {
		waits[l] = len(r.heads[l]) > 0
	}
	return waits
}

// ahead reports whether somebody may wait who is not less pressing than a lane.
func (r *route) ahead(l outbox.Lane) bool {
	for _, waiting := range r.heads[:l+1] {
		if len(waiting) > 0 {
			return true
		}
	}
	return false
}

// offers makes a head available.
func (q *queue) offers(d *delivery) {
	r := d.route
	heap.Push(&r.heads[d.message.Lane], head{d.place, d.rank, r, d})
	if r.closed.IsZero() {
		q.open.Add(&r.turn)
	}
}

// reopen has those looked at again whose gates may have opened: all of them, or those whose time has come.
func (q *queue) reopen(now time.Time, all bool) {
	for _, r := range q.routes {
		if !r.closed.IsZero() && (all || !r.closed.After(now)) {
			if r.closed = (time.Time{}); r.waits() != [laneCount]bool{} {
				q.open.Add(&r.turn)
			}
		}
	}
}

// freed has all routes looked at again: the limiter has let go of something earlier than it had said.
func (s *Store) freed() {
	s.loosened.Store(true)
	s.wake()
}

// rank gives a delivery its place in the order in which heads of its lane and route are handed out.
func (q *queue) rank(d *delivery) {
	d.route = d.conversation.route
	clock := &d.route.clock[d.message.Lane]
	last, begun := d.message.ranks[d.route]
	if begun {
		d.rank = clock.Next(last)
	} else {
		d.rank = clock.Begin()
	}
	if len(d.message.deliveries) > 1 || d.message.spread != nil {
		d.message.ranks[d.route] = d.rank
	}
}

// reroute takes what waits for a conversation along, and reports whether it has moved.
func (q *queue) reroute(e *entry) bool {
	to := q.route(e)
	if e.route == to {
		return false
	}
	e.route = to
	for key, l := range q.lanes {
		if key.conversation != e.Row {
			continue
		}
		for _, d := range *l {
			if q.rank(d); d == (*l)[0] && d.State == outbox.StateReady && d.DueAt.IsZero() {
				q.offers(d)
			}
		}
	}
	return true
}

// heads is a heap, in the order in which they are handed out.
type heads []head

// head is a delivery as it was when it became a head.
type head struct {
	place, rank int64
	route       *route
	delivery    *delivery
}

// stands reports whether it is that head still.
func (h head) stands() bool {
	d := h.delivery
	return d.State == outbox.StateReady && d.place == h.place && d.rank == h.rank && d.route == h.route && d.DueAt.IsZero()
}

func (h heads) Len() int      { return len(h) }
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h heads) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].rank, h[j].rank), cmp.Compare(h[i].delivery.ID, h[j].delivery.ID)) < 0
}
func (h *heads) Push(x any) { *h = append(*h, x.(head)) }
func (h *heads) Pop() any   { return pop((*[]head)(h)) }
