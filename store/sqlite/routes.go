package sqlite

import (
	"container/heap"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/fair"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

const laneCount = 3

// route is what shares a channel's limits, and what must be known to let everybody have a turn. It belongs to the writer.
//
// What it knows of the table errs on the side of "may": a lane that may hold heads is looked into, and forgotten when
// nothing is found. So nothing is looked at where nothing is, nor behind a gate that is closed.
type route struct {
	id    int64
	way   pace.Route
	may   [laneCount]bool // lanes that may have heads to be claimed
	turn  fair.Member[*route]
	lanes fair.Lanes
	clock [laneCount]fair.Clock
	kept  [laneCount]int64 // the clocks as they are stored

	// closed is when the gate may open; zero while it is open. place is where it stands among the closed ones, from 1.
	closed time.Time
	place  int
}

func (r *route) waits() bool { return r.may != [laneCount]bool{} }

// ahead reports whether somebody may wait who is not less pressing than the lane.
func (r *route) ahead(l outbox.Lane) bool {
	for _, may := range r.may[:l+1] {
		if may {
			return true
		}
	}
	return false
}

// routes are those that were used since the start.
type routes struct {
	byID   map[int64]*route
	byWay  map[pace.Route]*route
	open   fair.Ring[*route] // those that may have something to be claimed, and whose gate is open
	closed closedRoutes      // those whose gate is closed
	flows  map[flow]int64    // the last ranks of messages with several deliveries
}

// flow is a message's deliveries of one route.
type flow struct {
	route   int64
	lane    outbox.Lane
	message outbox.MessageID
}

// rememberedFlows bounds the memory that flows take. A message that was forgotten begins anew.
const rememberedFlows = 10_000

func newRoutes() routes {
	return routes{
		byID: make(map[int64]*route), byWay: make(map[pace.Route]*route), flows: make(map[flow]int64),
	}
}

func (rs *routes) put(r *route) {
	r.turn.Value = r
	rs.byID[r.id], rs.byWay[r.way] = r, r
}

// offers notes that a lane may have a head to be claimed.
func (rs *routes) offers(r *route, l outbox.Lane) {
	r.may[l] = true
	if r.closed.IsZero() {
		rs.open.Add(&r.turn)
	}
}

// empty notes that nothing is to be claimed in a lane.
func (rs *routes) empty(r *route, l outbox.Lane) {
	if r.may[l] = false; !r.waits() {
		rs.open.Remove(&r.turn)
	}
}

// close leaves a route alone until a time.
func (rs *routes) close(r *route, until time.Time) {
	rs.open.Remove(&r.turn)
	if r.closed = until; r.place == 0 {
		heap.Push(&rs.closed, r)
	} else {
		heap.Fix(&rs.closed, r.place-1)
	}
}

// reopen has those looked at again whose gates may have opened.
func (rs *routes) reopen(now time.Time) {
	for len(rs.closed) > 0 && !rs.closed[0].closed.After(now) {
		r, _ := heap.Pop(&rs.closed).(*route)
		r.closed = time.Time{}
		if r.waits() {
			rs.open.Add(&r.turn)
		}
	}
}

// loosen has all closed gates looked at again.
func (rs *routes) loosen() {
	for _, r := range rs.closed {
		r.closed, r.place = time.Time{}, 0
		if r.waits() {
			rs.open.Add(&r.turn)
		}
	}
	clear(rs.closed)
	rs.closed = rs.closed[:0]
}

// opens is when the next gate may open that something waits for; zero for none.
func (rs *routes) opens() time.Time {
	for len(rs.closed) > 0 && !rs.closed[0].waits() {
		r, _ := heap.Pop(&rs.closed).(*route)
		r.closed = time.Time{}
	}
	if len(rs.closed) == 0 {
		return time.Time{}
	}
	return rs.closed[0].closed
}

// forgetFlows makes room for more.
func (rs *routes) forgetFlows() {
	if len(rs.flows) < rememberedFlows {
		return
	}
	for f, last := range rs.flows {
		if r := rs.byID[f.route]; r == nil || last+fair.Step <= r.clock[f.lane].Now() {
			delete(rs.flows, f)
		}
	}
	if len(rs.flows) > rememberedFlows/2 {
		clear(rs.flows)
	}
}

// closedRoutes is a heap: the first to open first.
type closedRoutes []*route

func (h closedRoutes) Len() int           { return len(h) }
func (h closedRoutes) Less(i, j int) bool { return h[i].closed.Before(h[j].closed) }
func (h closedRoutes) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *closedRoutes) Push(x any) {
	r, _ := x.(*route)
	*h = append(*h, r)
	r.place = len(*h)
}

func (h *closedRoutes) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	r.place = 0
	return r
}

const routeColumns = "id, app_id, channel_id, tenant_id, host, urgent, normal, bulk"

func scanRoute(r row) *route {
	found := &route{
		id: r.int(0), way: pace.Route{App: r.text(1), Channel: r.text(2), Tenant: r.text(3), Host: r.text(4)},
	}
	for l := range found.clock {
		found.kept[l] = r.int(5 + l)
		found.clock[l] = fair.Resume(found.kept[l])
	}
	return found
}

// route is the one with a number.
func (t *tx) route(id int64) (*route, error) {
	rs := &t.store.routes
	if r, ok := rs.byID[id]; ok {
		return r, nil
	}
	var found *route
	if _, err := t.one(func(r row) { found = scanRoute(r) }, "SELECT "+routeColumns+" FROM routes WHERE id = ?", id); err != nil {
		return nil, err
	}
	if found == nil {
		t.broken = errors.New("sqlite: there is no such route")
		return nil, t.broken
	}
	rs.put(found)
	return found, nil
}

// routeOf is the route of a way, which may be new.
func (t *tx) routeOf(way pace.Route) (*route, error) {
	rs := &t.store.routes
	if r, ok := rs.byWay[way]; ok {
		return r, nil
	}
	args := []any{text(way.App), text(way.Channel), text(way.Tenant), text(way.Host)}
	var found *route
	if _, err := t.one(func(r row) { found = scanRoute(r) }, "SELECT "+routeColumns+
		" FROM routes WHERE app_id = ? AND channel_id = ? AND tenant_id = ? AND host = ?", args...); err != nil {
		return nil, err
	}
	if found == nil {
		found = &route{way: way}
		if _, err := t.returning(func(r row) { found.id = r.int(0) },
			"INSERT INTO routes (app_id, channel_id, tenant_id, host) VALUES (?, ?, ?, ?) RETURNING id", args...); err != nil {
			return nil, err
		}
		t.otherwise(func() {
			delete(rs.byID, found.id)
			delete(rs.byWay, found.way)
			rs.open.Remove(&found.turn)
		})
	}
	rs.put(found)
	return found, nil
}

// routeIn is the route of a conversation.
func (t *tx) routeIn(c book.Row) (*route, error) {
	e, err := t.conversation(c)
	if err != nil {
		return nil, err
	}
	return t.route(e.route)
}

// routeFor is the route of a delivery that was just read, or is new.
func (t *tx) routeFor(h *hot) (*route, error) {
	if h.route != 0 {
		return t.route(h.route)
	}
	return t.routeIn(h.conversation)
}

// nothingIn notes that nothing is to be claimed in a lane of a route, as the transaction sees it.
func (t *tx) nothingIn(r *route, l outbox.Lane) {
	t.store.routes.empty(r, l)
	t.otherwise(func() { t.store.routes.offers(r, l) })
}

// rank is the next rank of a message's deliveries in a route. Those of a message that has but one need no memory.
func (t *tx) rank(r *route, h *hot) int64 {
	clock := &r.clock[h.lane]
	if h.alone {
		return clock.Begin()
	}
	f := flow{r.id, h.lane, h.message}
	last, begun := t.flows[f]
	if !begun {
		last, begun = t.store.routes.flows[f]
	}
	if begun {
		last = clock.Next(last)
	} else {
		last = clock.Begin()
	}
	if t.flows == nil {
		t.flows = make(map[flow]int64)
	}
	t.flows[f] = last
	return last
}

// keepRanks is by how much clocks may run ahead of what is stored of them. After a crash, new messages get ranks that are
// so much smaller than they might be.
const keepRanks = 1000

// keepClock stores how far a lane's ranks have come, now and then.
func (t *tx) keepClock(r *route, l outbox.Lane) error {
	now, kept := r.clock[l].Now(), r.kept[l]
	if now < kept+keepRanks {
		return nil
	}
	r.kept[l] = now
	t.otherwise(func() { r.kept[l] = kept })
	_, err := t.exec("UPDATE routes SET urgent = ?, normal = ?, bulk = ? WHERE id = ?", r.kept[0], r.kept[1], r.kept[2], r.id)
	return err
}

// reroute takes what waits for a conversation along when its service URL has moved to another host.
func (t *tx) reroute(c book.Row, to *route) error {
	var waiting []hot
	if err := t.each(func(r row) error {
		waiting = append(waiting, hot{
			id: outbox.DeliveryID(r.int(0)), message: outbox.MessageID(r.int(1)), lane: outbox.Lane(r.int(2)), alone: r.bool(3),
		})
		return nil
	}, "SELECT id, message, lane, alone FROM deliveries WHERE conversation = ? AND seq IS NOT NULL ORDER BY lane, seq",
		int64(c)); err != nil {
		return err
	}
	for i := range waiting {
		h := &waiting[i]
		t.store.routes.offers(to, h.lane)
		if _, err := t.exec("UPDATE deliveries SET route = ?, rank = ? WHERE id = ?", to.id, t.rank(to, h), int64(h.id)); err != nil {
			return err
		}
	}
	t.wake = t.wake || len(waiting) > 0
	_, err := t.exec("UPDATE deliveries SET route = ? WHERE conversation = ? AND seq IS NULL", to.id, int64(c))
	return err
}

// load notes which lanes have heads to be claimed from an earlier process.
func (rs *routes) load(c *conn) error {
	*rs = newRoutes()
	for id, l := int64(-1), int64(laneCount); ; {
		found, err := c.one(func(r row) { id, l = r.int(0), r.int(1) }, `SELECT route, lane FROM deliveries
			WHERE waits = 1 AND (route, lane) > (+?, +?) ORDER BY route, lane LIMIT 1`, id, l)
		if !found || err != nil {
			return err
		}
		r, known := rs.byID[id]
		if !known {
			if _, err := c.one(func(row row) { r = scanRoute(row) }, "SELECT "+routeColumns+" FROM routes WHERE id = ?", id); err != nil {
				return err
			}
			if r == nil {
				return errors.New("a delivery's route is missing")
			}
			rs.put(r)
		}
		rs.offers(r, outbox.Lane(l))
	}
}
