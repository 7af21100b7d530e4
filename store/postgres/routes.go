package postgres

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/fair"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

const laneCount = 3

// route is what shares a channel's limits, and what this node must know to let everybody have a turn.
//
// What it knows of the table errs on the side of "may": a lane that may hold heads is looked into, and forgotten when
// nothing is found. Other nodes put heads there, too, so now and then a claim asks the database which lanes have any.
type route struct {
	id     int64
	way    pace.Route
	may    [laneCount]bool // lanes that may have heads to be claimed
	offers [laneCount]int  // how often they were told to
	lows   [laneCount]low  // below these ranks nothing is to be claimed
	passed [laneCount]int  // how many heads the last look has found that waited for others of their conversations
	turn   fair.Member[*route]
	lanes  fair.Lanes
	clock  [laneCount]fair.Clock
	kept   [laneCount]int64 // the clocks as they are stored

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

// routes are those that this node has used.
type routes struct {
	claiming sync.Mutex // one claim at a time; taken before mu

	mu     sync.Mutex // guards the rest, and the routes; no statement is run under it
	byID   map[int64]*route
	byWay  map[pace.Route]*route
	open   fair.Ring[*route] // those that may have something to be claimed, and whose gate is open
	closed closedRoutes      // those whose gate is closed
	flows  map[flow]int64    // the last ranks of messages with several deliveries

	others bool          // other nodes may have put heads anywhere
	asked  time.Time     // when the database was asked where
	took   time.Duration // and how long it took
	due    low           // before this time nothing that waits for one is due
}

// flow is a message's deliveries of one route.
type flow struct {
	route   int64
	lane    outbox.Lane
	message outbox.MessageID
}

const (
	// rememberedFlows bounds the memory that flows take. A message that was forgotten begins anew.
	rememberedFlows = 10_000
	// askPause is how long a claim that has something to do does without asking where other nodes have put heads.
	askPause = 20 * time.Millisecond
	// Where it takes longer than longAsk to ask, that is done so seldom that it takes one part in askShare of the time.
	longAsk  = 5 * time.Millisecond
	askShare = 20
)

func newRoutes() *routes {
	return &routes{
		byID: make(map[int64]*route), byWay: make(map[pace.Route]*route), flows: make(map[flow]int64), others: true,
		due: unknownLow,
	}
}

// lookAgain has the next claim ask where there are heads: somebody else may have put them there.
func (rs *routes) lookAgain() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.others = true
}

// offer notes that lanes may have heads to be claimed. One of a route that this node does not know is found in the
// database.
func (rs *routes) offer(lanes []offer) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, o := range lanes {
		r, ok := rs.byID[o.route]
		if !ok {
			rs.others = true
			continue
		}
		rs.offers(r, o.lane, o.rank)
	}
}

// later notes that something may be due at a place of the order of due times, and reports whether that is before all that
// claims know of. Otherwise there will be one in time anyway.
func (rs *routes) later(due int64) (sooner bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	sooner = due < rs.due.from || rs.due.from == unknownLow.from
	rs.due.offer(due)
	return sooner
}

// forgetLows has the next look begin at the beginning: what the last ones have found did not come to be.
func (rs *routes) forgetLows() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.due = unknownLow
	for _, r := range rs.byID {
		for l := range r.lows {
			r.lows[l] = unknownLow
		}
	}
}

// offers is offer for one. rs.mu is held, also for the others that follow.
func (rs *routes) offers(r *route, l outbox.Lane, rank int64) {
	r.lows[l].offer(rank)
	r.may[l] = true
	r.offers[l]++
	if r.closed.IsZero() {
		rs.open.Add(&r.turn)
	}
}

// empty notes that nothing is to be claimed in a lane, unless it was offered since somebody looked.
func (rs *routes) empty(r *route, l outbox.Lane, seen int) {
	if r.offers[l] != seen {
		return
	}
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
		rs.openFirst()
	}
}

// loosen has all closed gates looked at again.
func (rs *routes) loosen() {
	for len(rs.closed) > 0 {
		rs.openFirst()
	}
}

func (rs *routes) openFirst() {
	r, _ := heap.Pop(&rs.closed).(*route)
	if r.closed = (time.Time{}); r.waits() {
		rs.open.Add(&r.turn)
	}
}

// opens is when the next gate may open that something waits for; zero for none.
func (rs *routes) opens() time.Time {
	for len(rs.closed) > 0 && !rs.closed[0].waits() {
		rs.openFirst()
	}
	if len(rs.closed) == 0 {
		return time.Time{}
	}
	return rs.closed[0].closed
}

// rank is the next rank of a message's deliveries in a route that is known. Those of a message that has but one need no
// memory. Nodes rank each by themselves; what they know of how far ranks have come is about the same (see keepClocks).
func (rs *routes) rank(id int64, l outbox.Lane, m outbox.MessageID, alone bool) int64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, ok := rs.byID[id]
	if !ok {
		return 0
	}
	clock := &r.clock[l]
	if alone {
		return clock.Begin()
	}
	rs.forgetFlows()
	f := flow{id, l, m}
	last, begun := rs.flows[f]
	if begun {
		last = clock.Next(last)
	} else {
		last = clock.Begin()
	}
	rs.flows[f] = last
	return last
}

// had notes that somebody with a rank had his turn.
func (rs *routes) had(id int64, l outbox.Lane, rank int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.byID[id]; r != nil {
		r.clock[l].Turn(rank)
	}
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

// learn reads routes that this node does not know yet.
func (t *tx) learnRoutes(ctx context.Context, ids []int64) error {
	rs := t.store.routes
	var unknown []int64
	rs.mu.Lock()
	for _, id := range ids {
		if rs.byID[id] == nil {
			unknown = append(unknown, id)
		}
	}
	rs.mu.Unlock()
	if len(unknown) == 0 {
		return nil
	}
	rows, err := t.Query(ctx, "SELECT "+routeColumns+" FROM routes WHERE id = ANY ($1)", unknown)
	if err != nil {
		return err
	}
	return t.store.routes.collect(rows)
}

// collect remembers routes that are not remembered yet.
func (rs *routes) collect(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		r := &route{}
		k := &r.kept
		if err := rows.Scan(&r.id, &r.way.App, &r.way.Channel, &r.way.Tenant, &r.way.Host, &k[0], &k[1], &k[2]); err != nil {
			return err
		}
		for l := range r.clock {
			r.clock[l], r.lows[l] = fair.Resume(r.kept[l]), unknownLow
		}
		r.turn.Value = r
		rs.mu.Lock()
		if rs.byID[r.id] == nil {
			rs.byID[r.id], rs.byWay[r.way] = r, r
		}
		rs.mu.Unlock()
	}
	return rows.Err()
}

// routeOf is the number of a way, which may be new.
func (t *tx) routeOf(ctx context.Context, way pace.Route) (id int64, err error) {
	rs := t.store.routes
	rs.mu.Lock()
	known := rs.byWay[way]
	rs.mu.Unlock()
	if known != nil {
		return known.id, nil
	}
	for {
		err := t.QueryRow(ctx, "SELECT id FROM routes WHERE app_id = $1 AND channel_id = $2 AND tenant_id = $3 AND host = $4",
			way.App, way.Channel, way.Tenant, way.Host).Scan(&id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return id, err
		}
		if _, err := t.Exec(ctx, `INSERT INTO routes (app_id, channel_id, tenant_id, host) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, way.App, way.Channel, way.Tenant, way.Host); err != nil {
			return 0, err
		}
		t.otherwise(func() { rs.forget(way) })
	}
}

// forget forgets a route that is not there after all.
func (rs *routes) forget(way pace.Route) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.byWay[way]; r != nil {
		delete(rs.byWay, way)
		delete(rs.byID, r.id)
		rs.open.Remove(&r.turn)
	}
}

// goes notes by which route a conversation is reached now, whose row of turns is locked, and takes what waits for it along
// when its service URL has moved to another host.
func (t *tx) goes(ctx context.Context, e *entry, before int64) error {
	to, err := t.routeOf(ctx, outbox.RouteOf(e.conv))
	if err != nil || to == before {
		return err
	}
	t.last.Queue("UPDATE turns SET route = $2 WHERE key = $1", turnKey(e.conv.Key), to)
	if before == 0 {
		return nil
	}
	if err := t.learnRoutes(ctx, []int64{to}); err != nil {
		return err
	}
	return t.reroute(ctx, e.conv.Row, to)
}

func (t *tx) reroute(ctx context.Context, c book.Row, to int64) error {
	waiting, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.conversation = $1 AND d.seq IS NOT NULL ORDER BY d.lane, d.seq`, int64(c)))
	if err != nil {
		return err
	}
	ids, ranks := make([]int64, len(waiting)), make([]int64, len(waiting))
	for i := range waiting {
		h := &waiting[i]
		ids[i], ranks[i] = int64(h.id), t.store.routes.rank(to, h.lane, h.message, h.alone)
		t.offer(to, h.lane, ranks[i])
	}
	t.last.Queue(`UPDATE deliveries d SET route = $3, rank = n.rank FROM unnest($1::bigint[], $2::bigint[]) AS n (id, rank)
		WHERE d.id = n.id`, ids, ranks, to)
	t.last.Queue("UPDATE deliveries SET route = $2 WHERE conversation = $1 AND seq IS NULL", int64(c), to)
	return nil
}

// offer has the workers look into a lane of a route when the transaction is committed.
func (t *tx) offer(route int64, l outbox.Lane, rank int64) {
	t.wake = true
	t.offers = append(t.offers, offer{route, l, rank})
}

// later has the workers look when the next is due, once the transaction is committed: something may be at this time.
func (t *tx) later(due time.Time) { t.due = min(t.due, duePlace(due)) }

// tellRoutes tells this node's claims where the transaction has put something to be claimed, and reports whether it may be
// due before all that they know of.
func (t *tx) tellRoutes() (sooner bool) {
	if len(t.offers) > 0 {
		t.store.routes.offer(t.offers)
	}
	return t.due != nowhere && t.store.routes.later(t.due)
}

// keepRanks is by how much clocks may run ahead of what is stored of them. After a restart, new messages get ranks that
// are so much smaller than they might be.
const keepRanks = 1000

// keepClocks stores how far ranks have come, and hears from other nodes how far they have.
func (s *Store) keepClocks(ctx context.Context) error {
	rs := s.routes
	var ids []int64
	var kept [laneCount][]int64
	var behind bool
	rs.mu.Lock()
	for id, r := range rs.byID {
		ids = append(ids, id)
		for l := range kept {
			kept[l] = append(kept[l], r.clock[l].Now())
			behind = behind || r.clock[l].Now() >= r.kept[l]+keepRanks
		}
	}
	rs.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	if behind {
		if err := s.write(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.Exec(ctx, `UPDATE routes r SET urgent = greatest(r.urgent, n.urgent), normal = greatest(r.normal, n.normal),
					bulk = greatest(r.bulk, n.bulk)
				FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
					AS n (id, urgent, normal, bulk) ORDER BY id) AS n
				WHERE r.id = n.id AND (r.urgent < n.urgent OR r.normal < n.normal OR r.bulk < n.bulk)`, ids, kept[0], kept[1], kept[2])
			return err
		}); err != nil {
			return err
		}
	}
	return s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT id, urgent, normal, bulk FROM routes WHERE id = ANY ($1)", ids)
		if err != nil {
			return err
		}
		var id int64
		var now [laneCount]int64
		_, err = pgx.ForEachRow(rows, []any{&id, &now[0], &now[1], &now[2]}, func() error {
			rs.mu.Lock()
			defer rs.mu.Unlock()
			if r := rs.byID[id]; r != nil {
				for l := range now {
					r.kept[l] = now[l]
					r.clock[l].Turn(now[l])
				}
			}
			return nil
		})
		return err
	})
}

// occupiedRoutes lists the lanes of routes that have heads, with the rank of the first, each by one look into the index.
const occupiedRoutes = `WITH RECURSIVE found (route, lane, rank) AS (
		(SELECT route, lane, rank FROM deliveries WHERE waits = 1 ORDER BY route, lane, rank LIMIT 1)
		UNION ALL
		SELECT n.route, n.lane, n.rank FROM found f CROSS JOIN LATERAL (
			SELECT d.route, d.lane, d.rank FROM deliveries d WHERE d.waits = 1 AND (d.route, d.lane) > (f.route, f.lane)
			ORDER BY d.route, d.lane, d.rank LIMIT 1) AS n)
	SELECT route, lane, rank FROM found`

// asks reports whether the database is to be asked now where there are heads.
func (rs *routes) asks() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !rs.others {
		return false
	}
	pause := time.Duration(0)
	if rs.open.Len() > 0 {
		pause = askPause
	}
	if rs.took > longAsk {
		pause = askShare * rs.took
	}
	if time.Since(rs.asked) < pause {
		return false // there will be another claim: every node has one a second, if nothing else has it claim
	}
	rs.others, rs.asked = false, time.Now()
	return true
}

// discover asks the database where there are heads, and when the next delivery is due, from the very beginning, if somebody
// else may have put something there.
func (t *tx) discover(ctx context.Context) error {
	rs := t.store.routes
	if !rs.asks() {
		return nil
	}
	t.otherwise(rs.lookAgain)
	began := time.Now()
	var lanes []offer
	var ids []int64
	var b pgx.Batch
	b.Queue(occupiedRoutes).Query(func(rows pgx.Rows) error {
		var o offer
		_, err := pgx.ForEachRow(rows, []any{&o.route, &o.lane, &o.rank}, func() error {
			if o.lane < 0 || o.lane >= laneCount {
				return fmt.Errorf("postgres: a delivery is in the unknown lane %d", o.lane)
			}
			lanes, ids = append(lanes, o), append(ids, o.route)
			return nil
		})
		return err
	})
	var due time.Time
	b.Queue(nextDue("true")).QueryRow(func(r pgx.Row) error { return r.Scan((*optionalTime)(&due)) })
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	rs.mu.Lock()
	if rs.took = time.Since(began); !due.IsZero() {
		rs.due.offer(duePlace(due))
	}
	rs.mu.Unlock()
	if err := t.learnRoutes(ctx, ids); err != nil {
		return err
	}
	rs.offer(lanes)
	return nil
}
