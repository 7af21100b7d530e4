package memory

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/fair"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// queue holds messages and deliveries.
type queue struct {
	messages   map[outbox.MessageID]*message
	keys       map[messageKey]*message
	deliveries map[outbox.DeliveryID]*delivery
	counts     map[outbox.State]int64

	lanes   map[laneKey]*lane
	sending map[outbox.DeliveryID]*delivery
	routes  map[pace.Route]*route
	open    fair.Ring[*route] // those that have heads, and whose gate is open
	later   later             // those that wait for a time
	ready   int64             // the last place that was given out
	told    map[teller]map[outbox.DeliveryID]telling

	ended    func(d *delivery, c outbox.Change) // is told of final states
	observer outbox.Observer                    // may be nil
}

func newQueue() queue {
	return queue{
		messages:   make(map[outbox.MessageID]*message),
		keys:       make(map[messageKey]*message),
		deliveries: make(map[outbox.DeliveryID]*delivery),
		counts:     make(map[outbox.State]int64),
		lanes:      make(map[laneKey]*lane),
		sending:    make(map[outbox.DeliveryID]*delivery),
		routes:     make(map[pace.Route]*route),
		told:       make(map[teller]map[outbox.DeliveryID]telling),
	}
}

type messageKey struct {
	appID  string
	tenant activity.TenantID
	key    string
}

type message struct {
	outbox.Message
	deliveries []*delivery
	ranks      map[*route]int64 // the last ranks of its deliveries, if it has several
	spread     *spread          // nil when all deliveries were made
}

// delivery is a delivery and, while it is being sent, who may send it. Its DueAt is the time that it waits for.
type delivery struct {
	outbox.Delivery
	message      *message
	conversation *entry
	// place is where it stands among those that are ready; 0 before it was.
	place int64
	// rank orders heads of a route and lane.
	rank  int64
	route *route
	// wantedAt is when it was to be delivered at first, since when it could have been handed out.
	wantedAt, since time.Time

	fence int64
	lease *lease
	until time.Time

	replayed bool
	sends    []outbox.Send // by ordinal
	joins    int           // its place among those that it is said with
	lost     int           // attempts in a row
	receipts map[receiptKey]outbox.Receipt
}

// expired reports whether it is too late for it. What revises, or was replayed, is never late.
func (d *delivery) expired(now time.Time) bool {
	end := d.message.ExpiresAt
	return d.Verb == outbox.VerbSend && !d.replayed && !end.IsZero() && !now.Before(end)
}

// waits reports whether it is neither handed out nor done.
func (d *delivery) waits() bool { return !d.State.Final() && d.State != outbox.StateSending }

type laneKey struct {
	conversation book.Row
	lane         outbox.Lane
}

// lane is the deliveries of a conversation and lane that became ready, in that order. The first is the head. Those that
// were cancelled stay until they would be the head.
type lane []*delivery

func (q *queue) laneOf(d *delivery) *lane {
	key := laneKey{d.Conversation, d.message.Lane}
	l, ok := q.lanes[key]
	if !ok {
		l = new(lane)
		q.lanes[key] = l
	}
	return l
}

// change takes a delivery from one state to another and remembers it.
func (q *queue) change(d *delivery, c outbox.Change) {
	c = outbox.Ending(c, d.MayHaveArrived)
	if d.State != "" {
		q.counts[d.State]--
	}
	q.counts[c.State]++
	d.State, d.Reason, d.DueAt, d.UpdatedAt = c.State, c.Reason, time.Time{}, c.At
	d.History = append(d.History, c)
	if c.State.Final() {
		d.MayHaveArrived = false // the state says it
		q.ended(d, c)
	}
	if q.observer != nil && c.State.Final() {
		q.observer.Ended(outbox.End{Lane: d.message.Lane, State: c.State, Reason: c.Reason, WantedAt: d.wantedAt, At: c.At})
	}
}

// enqueue gives a delivery that is ready its place, and reports whether that is the head's.
func (q *queue) enqueue(d *delivery) (head bool) {
	q.ready++
	d.place = q.ready
	q.rank(d)
	l := q.laneOf(d)
	*l = append(*l, d)
	return len(*l) == 1
}

// becomeReady makes ready what was not; c says so.
func (q *queue) becomeReady(d *delivery, c outbox.Change) {
	q.change(d, c)
	if q.enqueue(d) {
		q.offer(d)
	}
}

// offer makes a ready head available, now or when its next try is due.
func (q *queue) offer(d *delivery) {
	if d.DueAt.IsZero() {
		q.offers(d)
	} else {
		heap.Push(&q.later, timer{d.DueAt, d})
	}
}

// leave takes a delivery that had its place out of its lane after it became final, and offers the next.
func (q *queue) leave(d *delivery) {
	l := q.laneOf(d)
	if (*l)[0] != d {
		return
	}
	q.forward(d)
}

// forward offers who has become the head of d's lane.
func (q *queue) forward(d *delivery) {
	l := q.laneOf(d)
	for len(*l) > 0 && (*l)[0].State.Final() {
		(*l)[0] = nil
		*l = (*l)[1:]
	}
	if len(*l) == 0 {
		delete(q.lanes, laneKey{d.Conversation, d.message.Lane})
		return
	}
	q.offer((*l)[0])
}

// drop ends a delivery that is not handed out.
func (q *queue) drop(d *delivery, c outbox.Change) {
	c.Attempt = d.Claims
	q.change(d, c)
	if d.place > 0 {
		q.leave(d)
	}
}

// vacate takes a delivery that is not final out of its lane.
func (q *queue) vacate(d *delivery) {
	l := q.laneOf(d)
	i := slices.Index(*l, d)
	*l = slices.Delete(*l, i, i+1)
	d.place = 0
	if i == 0 {
		q.forward(d)
	}
}

// promote makes ready what was waiting for a time that has come.
func (q *queue) promote(now time.Time) {
	held := make(map[*entry]bool)
	for len(q.later) > 0 && !q.later[0].at.After(now) {
		t := heap.Pop(&q.later).(timer)
		d := t.delivery
		switch {
		case !t.stands(): // it was cancelled, or is gone, or waits for another time
		case d.State == outbox.StateScheduled:
			q.becomeReady(d, outbox.Change{At: now, State: outbox.StateReady})
		case d.State == outbox.StateHeld:
			held[d.conversation] = true
		case d.State == outbox.StateReady:
			d.DueAt = time.Time{}
			q.offer(d)
		}
	}
	for e := range held {
		q.judgeHeld(e, now)
	}
}

// nextDue is the next time that something waits for, or that a gate may open which something waits for; zero for none.
func (q *queue) nextDue() (due time.Time) {
	for len(q.later) > 0 && !q.later[0].stands() {
		heap.Pop(&q.later)
	}
	if len(q.later) > 0 {
		due = q.later[0].at
	}
	for _, r := range q.routes {
		waits := !r.closed.IsZero() && r.waits() != [laneCount]bool{}
		if waits && (due.IsZero() || r.closed.Before(due)) {
			due = r.closed
		}
	}
	return due
}

// later is a heap of what waits for a time, the earliest first.
type later []timer

type timer struct {
	at       time.Time
	delivery *delivery
}

// stands reports whether the delivery waits for that time still.
func (t timer) stands() bool { return t.delivery.waits() && t.delivery.DueAt.Equal(t.at) }

func (h later) Len() int      { return len(h) }
func (h later) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h later) Less(i, j int) bool {
	return cmp.Or(h[i].at.Compare(h[j].at), cmp.Compare(h[i].delivery.ID, h[j].delivery.ID)) < 0
}
func (h *later) Push(x any) { *h = append(*h, x.(timer)) }
func (h *later) Pop() any   { return pop((*[]timer)(h)) }

func pop[T any](s *[]T) T {
	last := len(*s) - 1
	x := (*s)[last]
	clear((*s)[last:])
	*s = (*s)[:last]
	return x
}
