package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// page is one look at the heads, and what was decided about them.
type page struct {
	now    time.Time
	n      int       // how many are wanted
	due    time.Time // when the next delivery becomes due
	routes []*looked
	chosen []*head
	late   []*head // whose conversations have no room
	called calledThere
	more   bool // there may be more to hand out
	hasty  bool // whether conversations are free was not looked at
}

// looked is what was found in the lanes of a route, or is being asked for.
type looked struct {
	*route

	lanes [laneCount]laneHeads
}

// laneHeads are the first heads of a lane that may be handed out.
type laneHeads struct {
	asked  int // 0: it was not looked into
	seen   int // the lane's offers when it was
	heads  []*head
	any    bool  // there is somebody, perhaps in a conversation that is not free
	first  int64 // the rank of the first of these
	next   int   // the first that was not chosen
	passed int   // how many were passed over since others of their conversations are being sent
}

// head is a delivery that may be handed out.
type head struct {
	id           outbox.DeliveryID
	conversation book.Row
	lane         outbox.Lane
	rank         int64
	name         string // of the conversation, for the limiter
	over         bool   // it is not to be sent any more
	route        *route
	permit       *pace.Permit
	until        time.Time // of one without room: when there may be some

	// From here on it is known once the conversation was taken.
	fence   int64
	version int64
	inbound optionalTime
	busy    optionalText
	going   []headsup.Busy // busy, decoded
}

// look asks for the heads of the routes whose turn it may be: for each as many as could be its share, and some more, so
// that nearly always one look is enough. Nothing is locked by it.
func (t *tx) look(ctx context.Context, p *page) error {
	ids, lanes, limits, lows := t.plan(p)
	var b pgx.Batch
	t.lookForDue(&b, &p.due)
	switch {
	case len(ids) == 0:
	case t.store.cfg.Pace == nil && !t.store.wary():
		p.hasty = true
		b.Queue(lookHastily, ids, lanes, limits, lows).Query(p.collect)
	case t.store.cfg.Pace == nil:
		b.Queue(lookAtHeads, ids, lanes, limits, lows).Query(p.collect)
	default:
		b.Queue(lookAtPacedHeads, ids, lanes, limits, lows, p.now).Query(p.collect)
	}
	return t.SendBatch(ctx, &b).Close()
}

// plan chooses which lanes of which routes are looked into, and how far.
func (t *tx) plan(p *page) (ids []int64, lanes []int16, limits []int32, lows []int64) {
	rs := t.store.routes
	rs.mu.Lock()
	defer rs.mu.Unlock()
	count := rs.open.Len()
	if count == 0 {
		return nil, nil, nil, nil
	}
	limit := p.n
	if count > 1 {
		limit = min(p.n, 2*p.n/count+1)
	}
	rs.open.Each(func(r *route) {
		l := &looked{route: r}
		p.routes = append(p.routes, l)
		for i := range r.may {
			if !r.may[i] {
				continue
			}
			asked := limit + r.passed[i]
			l.lanes[i] = laneHeads{asked: asked, seen: r.offers[i]}
			ids, lanes, limits = append(ids, r.id), append(lanes, int16(i)), append(limits, int32(asked)) //nolint:gosec // they are small
			lows = append(lows, r.lows[i].look())
		}
	})
	return ids, lanes, limits, lows
}

// nextDue asks for the first time that a delivery waits for. It is no min: a planner that made its plan when there were few
// would read all that wait.
func nextDue(where string) string {
	return "SELECT (SELECT due_at FROM deliveries WHERE waits = 2 AND " + where + " ORDER BY due_at LIMIT 1)"
}

// lookForDue asks when the next delivery becomes due that waits for a time.
func (t *tx) lookForDue(b *pgx.Batch, due *time.Time) {
	rs := t.store.routes
	rs.mu.Lock()
	from := rs.due.look()
	rs.mu.Unlock()
	b.Queue(nextDue("due_at >= $1"), dueFrom(from)).QueryRow(func(r pgx.Row) error {
		*due = time.Time{}
		if err := r.Scan((*optionalTime)(due)); err != nil {
			return err
		}
		place := int64(nowhere)
		if !due.IsZero() {
			place = duePlace(*due)
		}
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if rs.due.found(place) {
			t.store.wakeHere()
		}
		return nil
	})
}

// heads lists the first heads of lanes of routes, with what more is asked of them.
func heads(free, more, from string) string {
	return `SELECT l.route, l.lane, l.first, coalesce(d.id, 0), coalesce(d.conversation, 0), coalesce(d.rank, 0), ` + more + `
	FROM (
		SELECT route, lane, most, (SELECT w.rank FROM deliveries w
			WHERE w.waits = 1 AND w.state = 2 AND w.route = n.route AND w.lane = n.lane AND w.rank >= n.low ORDER BY w.rank, w.id LIMIT 1) AS first
		FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::bigint[]) AS n (route, lane, most, low) OFFSET 0) AS l
	LEFT JOIN LATERAL (
		SELECT h.* FROM deliveries h` + free + `
		WHERE h.waits = 1 AND h.state = 2 AND h.route = l.route AND h.lane = l.lane AND h.rank >= l.first ORDER BY h.rank, h.id LIMIT l.most) AS d ON true` + from + `
	ORDER BY d.rank, d.id`
}

// whoseTurnIsFree leaves out heads whose conversations are not free.
const whoseTurnIsFree = ` CROSS JOIN LATERAL (
			SELECT FROM turns t WHERE t.conversation = h.conversation AND greatest(t.until, t.wanted) <= statement_timestamp() OFFSET 0) AS free`

var (
	// lookHastily is lookAtHeads that may find heads whose conversations are not free: these show when they are to be locked.
	lookHastily = heads("", "'', false", "")
	// lookAtHeads is for a node that limits nothing: it needs no conversation's name, and may find only when it hands a
	// delivery out that it is not to be sent any more.
	lookAtHeads = heads(whoseTurnIsFree, "'', false", "")
	// lookAtPacedHeads is for a node that does. $5 is the present time.
	lookAtPacedHeads = heads(whoseTurnIsFree, `coalesce(c.conversation_id, ''), coalesce(d.verb IS NULL AND d.replayed IS NULL AND m.expires_at <= $5
		OR m.not_before > $5 AND (d.verb IS NULL OR d.verb = 1 AND m.recalled_at IS NOT NULL), false)`, `
	LEFT JOIN messages m ON m.id = d.message LEFT JOIN conversations c ON c.id = d.conversation`)
)

func (p *page) collect(r pgx.Rows) error {
	byID := make(map[int64]*looked, len(p.routes))
	for _, l := range p.routes {
		byID[l.id] = l
	}
	for r.Next() {
		var h head
		var route int64
		var first pgtype.Int8
		if err := r.Scan(&route, &h.lane, &first, (*int64)(&h.id), (*int64)(&h.conversation), &h.rank, &h.name, &h.over); err != nil {
			return err
		}
		in := &byID[route].lanes[h.lane]
		if in.any, in.first = first.Valid, first.Int64; h.id != 0 {
			h.route = byID[route].route
			in.heads = append(in.heads, &h)
		}
	}
	return r.Err()
}
