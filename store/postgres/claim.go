package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// Bounds of one step of a claim, so that its locks are not held for long.
const (
	promoteAtOnce = 1000
	dropHeads     = 1000
	pageAtOnce    = 256
)

// Claim implements [outbox.Store]. It takes several steps when very many deliveries have become due or expired. Leases are
// the database's clock's business; what is due, and what has expired, is the caller's. LeaseUntil is by the caller's
// clock, and so not after the lease has ended by the database's.
func (s *Store) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	var claimed outbox.Claimed
	if err := s.releases.settle(ctx); err != nil {
		return claimed, err
	}
	s.routes.claiming.Lock()
	defer s.routes.claiming.Unlock()
	for {
		var step claimStep
		err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			step, err = t.claim(ctx, n-len(claimed.Attempts), now)
			return err
		})
		switch {
		case err != nil && len(claimed.Attempts) == 0:
			return outbox.Claimed{}, err
		case err != nil: // what is handed out must be delivered
			s.wake()
			return claimed, nil
		}
		claimed.Attempts = append(claimed.Attempts, step.attempts...)
		claimed.NextDue = step.nextDue
		if !step.unfinished {
			return claimed, nil
		}
	}
}

// claimStep is what one transaction of a claim has handed out.
type claimStep struct {
	attempts   []outbox.Attempt
	nextDue    time.Time
	unfinished bool // there may be more now
}

func (t *tx) claim(ctx context.Context, n int, now time.Time) (step claimStep, err error) {
	if err := t.discover(ctx); err != nil {
		return step, err
	}
	rs := t.store.routes
	rs.mu.Lock()
	if t.store.loosened.Swap(false) {
		rs.loosen()
	}
	rs.reopen(now)
	rs.mu.Unlock()
	var due time.Time
	for dropped := 0; ; {
		p := &page{now: now, n: min(n-len(step.attempts), pageAtOnce)}
		if err := t.look(ctx, p); err != nil {
			return step, err
		}
		if due = p.due; !due.IsZero() && !due.After(now) {
			promoted, err := t.promoteDue(ctx, now)
			if err != nil || promoted == promoteAtOnce {
				step.unfinished = true // the most pressing may be among those that follow
				return step, err
			}
			rs.offer(t.offers) // this claim is the first to look there
			continue
		}
		if p.called, err = t.calledThere(ctx, p); err != nil {
			return step, err
		}
		t.choose(p)
		if err := t.putOff(ctx, p.late); err != nil {
			return step, err
		}
		attempts, over, err := t.takeChosen(ctx, p.chosen, now)
		if err != nil {
			return step, err
		}
		step.attempts = append(step.attempts, attempts...)
		rs.offer(t.offers) // successors of those that were dropped
		dropped += over + len(p.late)
		switch {
		case dropped >= dropHeads:
			step.unfinished = true
			return step, nil
		case len(step.attempts) == n || !p.more && over == 0 && len(p.late) == 0:
			step.nextDue, err = t.nextDue(ctx, due, len(p.late) > 0 || dropped > 0)
			return step, err
		}
	}
}

// nextDue is when the next delivery becomes due, or the next gate may open that one waits for; zero for never. due is
// when the next delivery was, unless that has changed since.
func (t *tx) nextDue(ctx context.Context, due time.Time, changed bool) (time.Time, error) {
	if changed {
		if err := t.QueryRow(ctx, "SELECT min(due_at) FROM deliveries WHERE waits = 2").Scan((*optionalTime)(&due)); err != nil {
			return due, err
		}
	}
	rs := t.store.routes
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if opens := rs.opens(); due.IsZero() || !opens.IsZero() && opens.Before(due) {
		due = opens
	}
	return due, nil
}

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
}

// looked is what was found in the lanes of a route, or is being asked for.
type looked struct {
	*route

	lanes [laneCount]laneHeads
}

// laneHeads are the first heads of a lane that may be handed out.
type laneHeads struct {
	asked int // 0: it was not looked into
	seen  int // the lane's offers when it was
	heads []*head
	any   bool // there is somebody, perhaps in a conversation that is not free
	next  int  // the first that was not chosen
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
	ids, lanes, limits := t.plan(p)
	var b pgx.Batch
	b.Queue("SELECT min(due_at) FROM deliveries WHERE waits = 2").QueryRow(func(r pgx.Row) error {
		return r.Scan((*optionalTime)(&p.due))
	})
	switch {
	case len(ids) == 0:
	case t.store.cfg.Pace == nil:
		b.Queue(lookAtHeads, ids, lanes, limits).Query(p.collect)
	default:
		b.Queue(lookAtPacedHeads, ids, lanes, limits, p.now).Query(p.collect)
	}
	return t.SendBatch(ctx, &b).Close()
}

// plan chooses which lanes of which routes are looked into, and how far.
func (t *tx) plan(p *page) (ids []int64, lanes []int16, limits []int32) {
	rs := t.store.routes
	rs.mu.Lock()
	defer rs.mu.Unlock()
	count := rs.open.Len()
	if count == 0 {
		return nil, nil, nil
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
			l.lanes[i] = laneHeads{asked: limit, seen: r.offers[i]}
			ids, lanes, limits = append(ids, r.id), append(lanes, int16(i)), append(limits, int32(limit)) //nolint:gosec // they are small
		}
	})
	return ids, lanes, limits
}

// heads lists the first heads of lanes of routes whose conversations are free, with what more is asked of them.
func heads(more, from string) string {
	return `SELECT l.route, l.lane, l.any, coalesce(d.id, 0), coalesce(d.conversation, 0), coalesce(d.rank, 0), ` + more + `
	FROM (
		SELECT route, lane, most, EXISTS (SELECT FROM deliveries w WHERE w.waits = 1 AND w.route = n.route AND w.lane = n.lane) AS any
		FROM unnest($1::bigint[], $2::smallint[], $3::integer[]) AS n (route, lane, most) OFFSET 0) AS l
	LEFT JOIN LATERAL (
		SELECT h.* FROM deliveries h CROSS JOIN LATERAL (
			SELECT FROM turns t WHERE t.conversation = h.conversation AND greatest(t.until, t.wanted) <= statement_timestamp() OFFSET 0) AS free
		WHERE h.waits = 1 AND h.route = l.route AND h.lane = l.lane ORDER BY h.rank, h.id LIMIT l.most) AS d ON true` + from + `
	ORDER BY d.rank, d.id`
}

var (
	// lookAtHeads is for a node that limits nothing: it needs no conversation's name, and may find only when it hands a
	// delivery out that it is not to be sent any more.
	lookAtHeads = heads("'', false", "")
	// lookAtPacedHeads is for a node that does. $4 is the present time.
	lookAtPacedHeads = heads(`coalesce(c.conversation_id, ''), coalesce(d.verb IS NULL AND d.replayed IS NULL AND m.expires_at <= $4
		OR m.not_before > $4 AND (d.verb IS NULL OR d.verb = 1 AND m.recalled_at IS NOT NULL), false)`, `
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
		var any bool
		if err := r.Scan(&route, &h.lane, &any, (*int64)(&h.id), (*int64)(&h.conversation), &h.rank, &h.name, &h.over); err != nil {
			return err
		}
		in := &byID[route].lanes[h.lane]
		if in.any = any; h.id != 0 {
			h.route = byID[route].route
			in.heads = append(in.heads, &h)
		}
	}
	return r.Err()
}

// choose goes round the routes and decides who is handed out, with a permit each.
func (t *tx) choose(p *page) {
	rs := t.store.routes
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c := choosing{tx: t, page: p, busy: make(map[book.Row]bool)}
	byRoute := make(map[*route]*looked, len(p.routes))
	for _, l := range p.routes {
		byRoute[l.route] = l
		for i := range l.lanes {
			if in := &l.lanes[i]; in.asked > 0 && !in.any {
				rs.empty(l.route, outbox.Lane(i), in.seen)
			}
		}
	}
	_ = rs.open.Round(p.n, func(r *route, share int) (int, bool, error) {
		l := byRoute[r]
		if l == nil { // it was offered since
			p.more = true
			return 0, false, nil
		}
		had, more := c.visit(l, share)
		return had, more, nil
	})
	for _, l := range p.routes {
		for i := range l.lanes {
			in := &l.lanes[i]
			switch {
			case in.next < len(in.heads):
			case in.asked > 0 && len(in.heads) == in.asked:
				p.more = true // those who follow were not looked at
			case in.any:
				t.store.blocked.Store(true) // there may be some whose conversations are not free
			}
		}
	}
}

// choosing is a round of the routes.
type choosing struct {
	*tx
	*page

	busy map[book.Row]bool // conversations of those that were chosen
}

// visit chooses up to share heads of a route, by lanes, and reports whether there may be more. A route without room is left
// alone until it may have some.
func (c *choosing) visit(l *looked, share int) (had int, more bool) {
	limits := c.store.cfg.Pace
	if share = min(share, limits.Room(l.way, c.now)); share == 0 {
		c.closes(l.route)
		return 0, false
	}
	var waits [laneCount]bool
	for i := range l.lanes {
		waits[i] = l.lanes[i].next < len(l.lanes[i].heads)
	}
	for had < share && l.closed.IsZero() && waits != [laneCount]bool{} {
		for i, part := range l.route.lanes.Share(share-had, waits) {
			if part == 0 || !l.closed.IsZero() {
				continue
			}
			n := c.take(l, &l.lanes[i], part)
			had += n
			waits[i] = n == part && l.lanes[i].next < len(l.lanes[i].heads)
		}
	}
	return had, had == share
}

// take chooses up to n heads of a lane.
func (c *choosing) take(l *looked, in *laneHeads, n int) (had int) {
	for ; had < n && in.next < len(in.heads); in.next++ {
		h := in.heads[in.next]
		switch {
		case c.busy[h.conversation]: // it says something else first
			continue
		case h.over:
			c.busy[h.conversation] = true
			c.chosen = append(c.chosen, h)
			continue
		}
		if wait := c.called.wait(l.way, h.name); wait > 0 {
			h.until = atLeast(c.now.Add(wait), c.now)
			c.late = append(c.late, h)
			continue
		}
		permit, ok := c.permit(l.way, h.name, c.now)
		switch limits := c.store.cfg.Pace; {
		case ok:
			h.permit = permit
			c.busy[h.conversation] = true
			c.chosen = append(c.chosen, h)
			l.clock[h.lane].Turn(h.rank)
			had++
		case limits.Room(l.way, c.now) == 0:
			c.closes(l.route)
			return had
		default: // the conversation has none: it waits by itself, and nobody looks at it before
			h.until = atLeast(limits.Next(l.way, h.name, c.now), c.now)
			c.late = append(c.late, h)
		}
	}
	return had
}

// closes leaves a route alone until its gate may open.
func (c *choosing) closes(r *route) {
	c.store.routes.close(r, atLeast(c.store.cfg.Pace.Next(r.way, "", c.now), c.now))
}

// putOff leaves alone whose conversations have no room, until they may have some. The index by due time keeps them.
func (t *tx) putOff(ctx context.Context, late []*head) error {
	if len(late) == 0 {
		return nil
	}
	ids, where := make([]int64, len(late)), make([]int64, len(late))
	var due times
	for i, h := range late {
		ids[i], where[i] = int64(h.id), int64(h.conversation)
		due.add(h.until)
	}
	_, err := t.Exec(ctx, `WITH locked AS MATERIALIZED (
			SELECT n.id, n.due FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS n (id, conversation, due)
			JOIN turns t ON t.conversation = n.conversation FOR NO KEY UPDATE OF t SKIP LOCKED)
		UPDATE deliveries d SET waits = 2, due_at = l.due FROM locked l WHERE d.id = l.id AND d.waits = 1`,
		ids, where, []pgtype.Timestamptz(due))
	return err
}

// takeTurnsOf takes the conversations of heads, those that are free still. It waits for nobody: a conversation that
// another transaction has locked is passed over, and so is one that was changed since the statement began, which is then
// not where it was.
const takeTurnsOf = `WITH locked AS MATERIALIZED (
		SELECT t.ctid AS at, n.id FROM unnest($1::bigint[], $2::bigint[]) AS n (id, conversation)
		JOIN turns t ON t.conversation = n.conversation
		WHERE greatest(t.until, t.wanted) <= clock_timestamp() FOR NO KEY UPDATE OF t SKIP LOCKED),
	given AS MATERIALIZED (SELECT nextval('fences') AS fence)
	UPDATE turns t SET fence = g.fence, until = clock_timestamp() + $3::interval
	FROM locked l CROSS JOIN given g WHERE t.ctid = l.at
	RETURNING l.id, t.fence, t.version, t.last_inbound_at, t.busy`

// lookSoon is when to look again after others were in the way.
const lookSoon = 10 * time.Millisecond

// takeChosen hands out those who were chosen, as far as they still may be, and ends those that are not to be sent any
// more; it tells how many these were.
func (t *tx) takeChosen(ctx context.Context, chosen []*head, now time.Time) (attempts []outbox.Attempt, over int, err error) {
	if len(chosen) == 0 {
		return nil, 0, nil
	}
	ids, where := make([]int64, len(chosen)), make([]int64, len(chosen))
	byID := make(map[int64]*head, len(chosen))
	for i, h := range chosen {
		ids[i], where[i] = int64(h.id), int64(h.conversation)
		byID[ids[i]] = h
	}
	rows, err := t.Query(ctx, takeTurnsOf, ids, where, t.store.leaseTime)
	if err != nil {
		return nil, 0, err
	}
	var id int64
	var got head
	heads := make([]*head, 0, len(chosen))
	if _, err := pgx.ForEachRow(rows, []any{&id, &got.fence, &got.version, &got.inbound, &got.busy}, func() error {
		h := byID[id]
		h.fence, h.version, h.inbound, h.busy = got.fence, got.version, got.inbound, got.busy
		var err error
		if h.going, err = outbox.DecodeBusy(string(h.busy)); err != nil {
			return err
		}
		heads = append(heads, h)
		return nil
	}); err != nil {
		return nil, 0, err
	}
	if len(heads) < len(chosen) {
		time.AfterFunc(lookSoon, t.store.wakeHere)
	}
	if heads, err = t.countCalls(ctx, heads); err != nil {
		return nil, 0, err
	}
	if len(heads) > 0 {
		if attempts, over, err = t.handOut(ctx, heads, now); err != nil {
			return nil, 0, err
		}
	}
	handed := make(map[outbox.DeliveryID]bool, len(attempts))
	for i := range attempts {
		handed[attempts[i].Delivery] = true
	}
	order := make(map[outbox.DeliveryID]int, len(chosen))
	for i, h := range chosen {
		if order[h.id] = i; !handed[h.id] {
			h.permit.Cancel()
		}
	}
	slices.SortFunc(attempts, func(a, b outbox.Attempt) int { return cmp.Compare(order[a.Delivery], order[b.Delivery]) })
	return attempts, over, nil
}

// candidate is a head with its message.
type candidate struct {
	hot
	body                jsontext.Value
	onUnknown, window   int64
	expiresAt, accepted time.Time
	trace               string
	notBefore           time.Time // while its message's deliveries are changed: to when they are moved, or never
	recalled            bool      // its message was
	edited              bool      // its message was
	handler             string
	policy              optionalText
	sent                activity.ID // what it revises
}

const candidateColumns = hotColumns + `, m.body, m.on_unknown, m.window_code, m.expires_at, m.created_at,
	coalesce(m.trace, ''), m.not_before, m.recalled_at IS NOT NULL, m.edited_at IS NOT NULL,
	coalesce(m.handler, ''), m.policy`

func scanCandidate(r pgx.Row) (*candidate, error) {
	var c candidate
	err := r.Scan(append(c.fields(), (*[]byte)(&c.body), &c.onUnknown, &c.window, (*optionalTime)(&c.expiresAt),
		(*optionalTime)(&c.accepted), &c.trace, (*optionalTime)(&c.notBefore), &c.recalled, &c.edited, &c.handler, &c.policy)...)
	return &c, err
}

// saidBy is the delivery that says, or has said, what c is about.
func (c *candidate) saidBy() outbox.DeliveryID {
	if c.verb != send {
		return c.revises
	}
	return c.id
}

// sendsOf are the activities that handlers have begun to send.
func (t *tx) sendsOf(ctx context.Context, found []*candidate) (map[outbox.DeliveryID][]outbox.Send, error) {
	var ids []outbox.DeliveryID
	for _, c := range found {
		if c.handler != "" || c.policy != "" {
			ids = append(ids, c.saidBy())
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return t.sends(ctx, ids)
}

// hand writes that deliveries are being sent: those that still are heads, since the conversations are locked only since
// the statement before, and under an extra condition. $4 is empty when leases go by the database's clock. (waits + 0 is so
// that they are looked for by their ids, never among all that wait.)
func hand(condition string) string {
	return `UPDATE deliveries d SET state = 4, waits = 3, lease_until = CASE WHEN $5 THEN $3 ELSE clock_timestamp() END + $6::interval,
			fence = $2, claims = d.claims + 1, reason = NULL, updated_at = $3,
			history = d.history || $4 || (d.claims + 1) || E'}\n'
		FROM messages m WHERE d.id = ANY ($1) AND d.waits + 0 = 1 AND m.id = d.message` + condition + `
		RETURNING ` + candidateColumns
}

var (
	// handSends is for what is to be said and may be.
	handSends = hand(` AND d.verb IS NULL AND (d.replayed OR m.expires_at IS NULL OR m.expires_at > $3)
		AND (m.not_before IS NULL OR m.not_before <= $3) AND (m.policy IS NULL OR d.conversation = ANY ($7))`)
	handAll = hand(" AND $7::bigint[] IS NULL")
)

// handOut hands out the heads whose conversations were taken, and ends those that are not to be sent any more; it tells
// how many these were.
func (t *tx) handOut(ctx context.Context, heads []*head, now time.Time) (attempts []outbox.Attempt, over int, err error) {
	ids := make([]outbox.DeliveryID, len(heads))
	for i, h := range heads {
		ids[i] = h.id
	}
	found, err := t.hand(ctx, handSends, ids, heads[0].fence, now, idle(heads, now))
	if err != nil {
		return nil, 0, err
	}
	if len(found) < len(heads) {
		more, dropped, err := t.handRest(ctx, heads, found, now)
		if err != nil {
			return nil, 0, err
		}
		found, over = append(found, more...), dropped
	}
	attempts, err = t.attempts(ctx, heads, found, now)
	return attempts, over, err
}

func (t *tx) hand(
	ctx context.Context, statement string, ids []outbox.DeliveryID, fence int64, now time.Time, idle []int64,
) (found []*candidate, err error) {
	last := history.Begin(outbox.Change{At: now, State: outbox.StateSending}) + `,"attempt":`
	rows, err := t.Query(ctx, statement, numbers(ids), fence, now, last, t.store.callersTime, t.store.leaseTime, idle)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanCandidate(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	t.count(ready, sending, int64(len(found)))
	return found, rows.Err()
}

// handRest is for the heads that were not simply handed out: they revise something, or are not to be sent any more, or
// somebody has done something to them since they were found. What is not handed out gives its conversation back.
func (t *tx) handRest(
	ctx context.Context, heads []*head, handed []*candidate, now time.Time,
) (found []*candidate, dropped int, err error) {
	left := make(map[outbox.DeliveryID]*head)
	for _, h := range heads {
		left[h.id] = h
	}
	for _, c := range handed {
		delete(left, c.id)
	}
	ids := make([]outbox.DeliveryID, 0, len(left))
	for id := range left {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	revise, hold, stay, err := t.judge(ctx, ids, left, now)
	if err != nil {
		return nil, 0, err
	}
	if err := t.hold(ctx, hold, now); err != nil {
		return nil, 0, err
	}
	dropped = len(hold)
	for _, s := range stay {
		if err := t.keepBack(ctx, s, now); err != nil {
			return nil, 0, err
		}
		dropped += len(s.list)
	}
	if len(revise) > 0 {
		revisions := make([]outbox.DeliveryID, 0, len(revise))
		for id := range revise {
			revisions = append(revisions, id)
		}
		if found, err = t.hand(ctx, handAll, revisions, heads[0].fence, now, nil); err != nil {
			return nil, 0, err
		}
		for _, c := range found {
			c.sent = revise[c.id]
			delete(left, c.id)
		}
	}
	back := make([]int64, 0, len(left))
	for _, h := range left {
		back = append(back, int64(h.conversation))
	}
	if len(back) > 0 {
		if _, err := t.Exec(ctx, "UPDATE turns SET fence = 0, until = '-infinity' WHERE conversation = ANY ($1)", back); err != nil {
			return nil, 0, err
		}
	}
	return found, dropped, t.flush(ctx) // successors may be claimed now
}

// over are heads that are not to be sent any more, or later, for the same reason.
type over struct {
	to     outbox.State
	reason string
	detail string
	due    time.Time // of those that are scheduled
	list   []hot
}

// keepBack ends heads, or moves them to another time.
func (t *tx) keepBack(ctx context.Context, o over, now time.Time) error {
	c := outbox.Change{At: now, State: o.to, Reason: o.reason, Detail: o.detail}
	if o.to == outbox.StateScheduled {
		if len(o.list) == 0 {
			return nil
		}
		return t.delay(ctx, o.list, o.due, c)
	}
	return t.finish(ctx, o.list, func(h *hot) outbox.Change {
		c.Attempt = int(h.claims)
		return c
	})
}

// judge says what is to become of heads: which are handed out, with what those that revise something revise; which are held;
// and which end.
func (t *tx) judge(
	ctx context.Context, ids []outbox.DeliveryID, heads map[outbox.DeliveryID]*head, now time.Time,
) (revise map[outbox.DeliveryID]activity.ID, hold []holding, stay []over, err error) {
	rows, err := t.Query(ctx, "SELECT "+candidateColumns+` FROM deliveries d JOIN messages m ON m.id = d.message
		WHERE d.id = ANY ($1) AND d.waits = 1 ORDER BY d.id`, numbers(ids))
	if err != nil {
		return nil, nil, nil, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*candidate, error) { return scanCandidate(r) })
	if err != nil {
		return nil, nil, nil, err
	}
	var revised []outbox.DeliveryID
	for _, c := range list {
		if c.verb != send {
			revised = append(revised, c.revises)
		}
	}
	said, err := utterances(ctx, t, revised)
	if err != nil {
		return nil, nil, nil, err
	}
	nothing, stopped, late := over{to: outbox.StateSuppressed, reason: outbox.ReasonNothingSent}, over{to: outbox.StateCancelled}, over{to: outbox.StateExpired}
	recalled := over{to: outbox.StateCancelled, reason: outbox.ReasonRecalled}
	revise = make(map[outbox.DeliveryID]activity.ID)
	for _, c := range list {
		switch keptBack := c.notBefore.After(now); {
		case keptBack && c.recalled && c.verb != remove:
			recalled.list = append(recalled.list, c.hot)
		case c.verb != send && said[c.revises].said:
			revise[c.id] = said[c.revises].id
		case c.verb != send:
			nothing.list = append(nothing.list, c.hot)
		case keptBack && !c.notBefore.Before(never):
			stopped.list = append(stopped.list, c.hot)
		case keptBack:
			stay = append(stay, over{to: outbox.StateScheduled, reason: outbox.ReasonRescheduled, due: c.notBefore, list: []hot{c.hot}})
		case !c.replayed && expiredAt(c.expiresAt, now):
			late.list = append(late.list, c.hot)
		case c.policy != "":
			_, j, err := c.judge(heads[c.id], now)
			switch {
			case err != nil:
				return nil, nil, nil, err
			case j.Hold:
				hold = append(hold, holding{c.hot, j})
			case j.Suppress:
				stay = append(stay, over{to: outbox.StateSuppressed, reason: j.Reason, detail: j.Detail, list: []hot{c.hot}})
			default:
				revise[c.id] = ""
			}
		}
	}
	return revise, hold, append(stay, nothing, stopped, recalled, late), nil
}

// attempts are what the caller gets.
func (t *tx) attempts(ctx context.Context, heads []*head, found []*candidate, now time.Time) ([]outbox.Attempt, error) {
	byID := make(map[outbox.DeliveryID]*head, len(heads))
	need := make(map[book.Row]int64, len(found))
	for _, h := range heads {
		byID[h.id] = h
	}
	for _, c := range found {
		need[c.conversation] = byID[c.id].version
	}
	entries, err := t.conversations(ctx, need)
	if err != nil {
		return nil, err
	}
	sends, err := t.sendsOf(ctx, found)
	if err != nil {
		return nil, err
	}
	list := make([]outbox.Attempt, 0, len(found))
	for _, c := range found {
		e, ok := entries[c.conversation]
		if !ok {
			return nil, book.ErrNotFound
		}
		a := outbox.Attempt{
			Delivery: c.id, Message: c.message, Conversation: e.conv, Body: c.body, Verb: word(verbs, c.verb), Revises: c.revises,
			Sent: c.sent, OnUnknown: word(onUnknowns, c.onUnknown), Window: word(windowWords, c.window), Lane: c.lane,
			CreatedAt: c.accepted, Trace: c.trace, Fence: c.fence, Claims: int(c.claims), Failures: int(c.failures),
			LeaseUntil: now.Add(t.store.leaseTime), MayHaveArrived: c.unsure, Edited: c.edited,
			Handler: c.handler, Sends: sends[c.saidBy()], Permit: byID[c.id].permit, Lease: t.store.attemptLease(e.conv.Key, c.id, c.fence),
		}
		a.Conversation.LastInboundAt, a.Conversation.Busy = time.Time(byID[c.id].inbound), byID[c.id].going
		if c.policy != "" && c.verb == send {
			p, j, err := c.judge(byID[c.id], now)
			if err != nil {
				return nil, err
			}
			a.Policy, a.As = p, j.As
		}
		if c.verb != send {
			a.OnUnknown = headsup.OnUnknownRetry // a repeat does no harm
		} else if !c.replayed {
			a.ExpiresAt = c.expiresAt
		}
		list = append(list, a)
	}
	return list, nil
}

// promoteDue makes what has become due ready, in the order of the due times: scheduled deliveries take their place, and
// heads that were to be tried again may be claimed. It says how many these were.
func (t *tx) promoteDue(ctx context.Context, now time.Time) (promoted int, err error) {
	rows, err := t.Query(ctx, `SELECT conversation FROM deliveries WHERE waits = 2 AND due_at <= $1
		ORDER BY due_at, id LIMIT $2`, now, promoteAtOnce)
	if err != nil {
		return 0, err
	}
	conversations, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(conversations) == 0 {
		return 0, err
	}
	if _, err := t.Exec(ctx, lockTurns, conversations); err != nil {
		return 0, err
	}
	// Those of the locked conversations only, so there may be more of the first thousand by now: they have their turn
	// when the rest has.
	due, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.waits = 2 AND d.due_at <= $1 AND d.conversation = ANY ($2) ORDER BY d.due_at, d.id LIMIT $3`,
		now, conversations, promoteAtOnce))
	if err != nil {
		return 0, err
	}
	due, held := withoutHeld(due)
	if err := t.becomeReady(ctx, due, outbox.Change{At: now, State: outbox.StateReady}); err != nil {
		return 0, err
	}
	if err := t.judgeHeld(ctx, held, now); err != nil {
		return 0, err
	}
	return len(conversations), t.flush(ctx)
}

// becomeReady gives deliveries that wait for a time their places, in this order, behind all that are in their lanes; those
// that have a place may be claimed. Their conversations are locked.
func (t *tx) becomeReady(ctx context.Context, list []hot, c outbox.Change) error {
	if len(list) == 0 {
		return nil
	}
	var enter []lane
	seen := make(map[lane]bool)
	for i := range list {
		if l := (lane{list[i].conversation, list[i].lane}); list[i].seq == 0 && !seen[l] {
			seen[l] = true
			enter = append(enter, l)
		}
	}
	taken, err := collectLanes(t.Query(ctx, occupied, laneArrays(enter)...))
	if err != nil {
		return err
	}
	ranks := make([]int64, len(list))
	var ways []int64
	for i := range list {
		ways = append(ways, list[i].route)
	}
	if err := t.learnRoutes(ctx, ways); err != nil {
		return err
	}
	ids, waits, placed := make([]int64, len(list)), make([]int16, len(list)), make([]bool, len(list))
	for i := range list {
		h := &list[i]
		ids[i], waits[i], placed[i] = int64(h.id), int16(waitsClaim), h.seq != 0
		if h.seq != 0 {
			t.offer(h.route, h.lane)
			continue
		}
		t.count(h.state, ready, 1)
		ranks[i] = t.store.routes.rank(h.route, h.lane, h.message, h.alone)
		if l := (lane{h.conversation, h.lane}); taken[l] {
			waits[i] = int16(waitsNothing)
		} else {
			taken[l] = true
			t.offer(h.route, h.lane)
		}
	}
	t.wake = true
	places, err := t.places(ctx, len(list))
	if err != nil {
		return err
	}
	t.last.Queue(`UPDATE deliveries d SET state = 2, waits = n.waits, seq = CASE WHEN n.placed THEN d.seq ELSE n.seq END,
			rank = CASE WHEN n.placed THEN d.rank ELSE n.rank END,
			updated_at = CASE WHEN n.placed THEN d.updated_at ELSE $5 END,
			history = CASE WHEN n.placed THEN d.history ELSE d.history || $6 END,
			reason = CASE WHEN n.placed THEN d.reason ELSE nullif($8, '') END,
			due_at = CASE WHEN d.state = 3 THEN NULL ELSE d.due_at END
		FROM unnest($1::bigint[], $2::smallint[], $3::boolean[], $4::bigint[], $7::bigint[]) AS n (id, waits, placed, seq, rank)
		WHERE d.id = n.id`, ids, waits, placed, places, c.At, history.Line(c), ranks, c.Reason)
	return nil
}

// places takes places at the end of the order of readiness.
func (t *tx) places(ctx context.Context, n int) ([]int64, error) {
	rows, err := t.Query(ctx, "SELECT nextval('places') FROM generate_series(1, $1)", n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
