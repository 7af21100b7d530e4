package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// spread is a stretch of the book for which deliveries of a message are being made, as it is in the database.
type spread struct {
	message outbox.Message // id, app, tenant, lane and collapse key
	outbox.Spread
	stretch int16
	before  book.Row // the stretch begins after it
	after   book.Row // it has come to
}

const (
	// spreaders is how many transactions make deliveries at once in this process, if each is to make as many as perSpreader.
	spreaders   = 3
	perSpreader = 200
	// A message to more conversations than this is made in stretches, mostStretches at most, each with about as many rows of
	// the book.
	perStretch    = 2000
	mostStretches = 8
)

func queueSpread(b *pgx.Batch, sub *outbox.Submission) {
	p, f := sub.Spread, sub.Spread.Filter
	n := min(max(1, p.Conversations/perStretch), mostStretches)
	b.Queue(`INSERT INTO spreads (message, stretch, stretches, lane, kind, channel, reach, tag, user_id, external_id, tenant_id,
			object_id, upn, email, team_id, room_id, last, before, after, made, due_at)
		SELECT $1, i, $11, $2, $3, $4, $5, $6, $7, $8, $12, $13, $14, $15, $16, $17, $9::bigint * i / $11, $9::bigint * (i - 1) / $11,
			$9::bigint * (i - 1) / $11, 0, $10
		FROM generate_series(1, $11::smallint) AS i`,
		int64(sub.Message.ID), int16(sub.Message.Lane), optionalText(f.Kind), optionalText(f.Channel), optionalText(f.Reach),
		optionalText(f.Tag), optionalText(f.User), optionalText(f.ExternalID), int64(p.Last), optionalTime(p.DueAt), int16(n),
		optionalText(f.Tenant), optionalText(f.ObjectID), optionalText(f.UPN), optionalText(f.Email), optionalText(f.Team),
		optionalText(f.Room))
}

// endSpread makes no more deliveries of a message.
func (t *tx) endSpread(ctx context.Context, id outbox.MessageID) error {
	_, err := t.Exec(ctx, `WITH ended AS (DELETE FROM spreads WHERE message = $1 RETURNING message)
		DELETE FROM outdone o USING ended e WHERE o.message = e.message`, int64(id))
	return err
}

// queueEndOfStretch makes no more deliveries in a stretch.
func queueEndOfStretch(b *pgx.Batch, p *spread) {
	b.Queue("DELETE FROM spreads WHERE message = $1 AND stretch = $2", int64(p.message.ID), p.stretch)
	if p.message.CollapseKey != "" {
		b.Queue("DELETE FROM outdone WHERE message = $1 AND conversation > $2 AND conversation <= $3",
			int64(p.message.ID), int64(p.before), int64(p.Last))
	}
}

// delaySpread makes what is not made yet due at another time.
func (t *tx) delaySpread(ctx context.Context, id outbox.MessageID, due time.Time) error {
	_, err := t.Exec(ctx, "UPDATE spreads SET due_at = $2 WHERE message = $1", int64(id), optionalTime(due))
	return err
}

// SpreadMessages implements [outbox.Store]. Several transactions, of this node and of others, each work at a stretch of a
// message.
func (s *Store) SpreadMessages(
	ctx context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	found := 0
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT count(*) FROM (SELECT FROM spreads LIMIT $1) AS s", min(spreaders, 1+n/perSpreader)).Scan(&found)
	}); err != nil || found == 0 {
		return 0, false, err
	}
	var naming sync.Mutex
	one := func() outbox.DeliveryID {
		naming.Lock()
		defer naming.Unlock()
		return nextID()
	}
	type result struct {
		made int
		more bool
		err  error
	}
	results := make(chan result, found)
	for range found {
		go func() {
			var r result
			r.err = s.writeFor(ctx, n, func(ctx context.Context, t *tx) (err error) {
				r.made, r.more, err = t.spread(ctx, n, at, one)
				return err
			})
			results <- r
		}()
	}
	for range found {
		r := <-results
		err = errors.Join(err, r.err)
		if r.err == nil {
			made, more = made+r.made, more || r.more
		}
	}
	return made, more || err != nil, err
}

func (t *tx) spread(
	ctx context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	p, others, err := t.nextSpread(ctx)
	if p == nil || err != nil {
		return 0, others, err
	}
	to, err := t.reach(ctx, p, n)
	if err != nil {
		return 0, false, err
	}
	if made, err = t.spreadTo(ctx, p, to.routes, at, nextID); err != nil {
		return 0, false, err
	}
	if to.found < n {
		queueEndOfStretch(&t.last, p)
		return made, others, nil
	}
	t.last.Queue("UPDATE spreads SET after = $3, made = made + $4 WHERE message = $1 AND stretch = $2",
		int64(p.message.ID), p.stretch, int64(to.last), made)
	return made, true, nil
}

// nextSpread locks the one whose turn it is, and tells whether there are others. Nil when all are being worked at.
func (t *tx) nextSpread(ctx context.Context) (*spread, bool, error) {
	var p spread
	f, m := &p.Filter, &p.message
	var left int64
	var b pgx.Batch
	b.Queue("SELECT count(*) FROM spreads").QueryRow(func(r pgx.Row) error { return r.Scan(&left) })
	b.Queue(`SELECT s.message, s.stretch, s.lane, m.app_id, s.kind, s.channel, s.reach, s.tag, s.user_id, s.external_id,
			s.before, s.last, s.after, s.due_at, m.tenant_id, m.collapse_key, s.tenant_id, s.object_id, s.upn,
			s.email, s.team_id, s.room_id
		FROM spreads s JOIN messages m ON m.id = s.message
		ORDER BY s.lane, s.made * s.stretches, s.message, s.stretch LIMIT 1 FOR UPDATE OF s SKIP LOCKED`).QueryRow(func(r pgx.Row) error {
		return r.Scan(
			(*int64)(&m.ID), &p.stretch, &m.Lane, &m.AppID, (*optionalText)(&f.Kind), (*optionalText)(&f.Channel), (*optionalText)(&f.Reach),
			(*optionalText)(&f.Tag), (*optionalText)(&f.User), (*optionalText)(&f.ExternalID), (*int64)(&p.before), (*int64)(&p.Last), (*int64)(&p.after),
			(*optionalTime)(&p.DueAt), (*string)(&m.Tenant), (*optionalText)(&m.CollapseKey),
			(*optionalText)(&f.Tenant), (*optionalText)(&f.ObjectID), (*optionalText)(&f.UPN), (*optionalText)(&f.Email),
			(*optionalText)(&f.Team), (*optionalText)(&f.Room))
	})
	err := t.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, left > 0, nil
	}
	return &p, left > 1, err
}

// reachedPage are the next conversations that a spread comes to.
type reachedPage struct {
	found  int
	last   book.Row
	routes map[book.Row]int64 // of those that are still there, which are locked
}

// reach finds and locks them.
func (t *tx) reach(ctx context.Context, p *spread, n int) (to reachedPage, err error) {
	where, by, known := fitting(p.message.AppID, p.Filter, p.after)
	args := arguments(known)
	page := "SELECT " + by + " AS id " + where + " AND " + by + " <= " + args.add(int64(p.Last)) +
		" ORDER BY " + by + " LIMIT " + args.add(n)
	rows, err := t.Query(ctx, "WITH page AS MATERIALIZED ("+page+`)
		SELECT t.conversation, coalesce(t.route, 0), (SELECT count(*) FROM page), (SELECT max(id) FROM page)
		FROM turns t WHERE t.conversation IN (SELECT id FROM page) ORDER BY t.key FOR NO KEY UPDATE OF t`, args...)
	if err != nil {
		return to, err
	}
	to.routes = make(map[book.Row]int64, n)
	var ways []int64
	var c, route int64
	if _, err = pgx.ForEachRow(rows, []any{&c, &route, &to.found, (*int64)(&to.last)}, func() error {
		to.routes[book.Row(c)] = route
		if len(ways) == 0 || ways[len(ways)-1] != route {
			ways = append(ways, route)
		}
		return nil
	}); err != nil {
		return to, err
	}
	if len(to.routes) == 0 { // there is none, or those that are there were removed in this moment
		rows, err := t.Query(ctx, page, args...)
		if err != nil {
			return to, err
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if to.found = len(list); to.found > 0 {
			to.last = book.Row(list[to.found-1])
		}
		return to, err
	}
	return to, t.learnRoutes(ctx, ways)
}

// spreadTo makes one delivery for each of these conversations, which are locked.
func (t *tx) spreadTo(
	ctx context.Context, p *spread, routes map[book.Row]int64, at time.Time, nextID func() outbox.DeliveryID,
) (made int, err error) {
	rows := slices.Sorted(maps.Keys(routes))
	lanes := make([]lane, len(rows))
	for i, r := range rows {
		lanes[i] = lane{r, p.message.Lane}
	}
	var outdone map[book.Row]bool
	if p.message.CollapseKey != "" {
		if outdone, err = t.spreadCollapses(ctx, p, rows, at); err != nil {
			return 0, err
		}
	}
	var taken map[lane]bool
	late := p.DueAt.After(at)
	if !late {
		if taken, err = collectLanes(t.Query(ctx, occupied, t.laneArrays(lanes)...)); err != nil {
			return 0, err
		}
	}
	var a deliveryArrays
	var over []outbox.DeliveryID
	for i, r := range rows {
		route := routes[r]
		d := newDelivery{
			id: nextID(), message: p.message.ID, conversation: r, lane: p.message.Lane, state: ready, wantedAt: at, at: at,
			route:    route,
			collapse: collapseHash(p.message.AppID, p.message.Tenant, p.message.CollapseKey),
		}
		if outdone[r] {
			over = append(over, d.id)
		}
		switch {
		case late:
			d.state, d.waits, d.wantedAt, d.dueAt = scheduled, waitsTime, p.DueAt, p.DueAt
			t.later(p.DueAt)
		case !taken[lanes[i]]:
			d.waits = waitsClaim
		}
		if !late {
			d.rank = t.store.routes.rank(route, d.lane, d.message, false)
		}
		if d.waits == waitsClaim {
			t.offer(route, d.lane, d.rank)
		}
		t.count(0, d.state, 1)
		a.add(d)
	}
	if len(a.id) > 0 {
		t.wake = true
		if err := a.copy(ctx, t); err != nil {
			return 0, err
		}
	}
	if len(over) > 0 {
		list, err := hotByID(ctx, t, over...)
		if err != nil {
			return 0, err
		}
		if err := t.collapsed(ctx, list, at); err != nil {
			return 0, err
		}
	}
	return len(a.id), nil
}

// spreadCollapses ends what deliveries that are about to be made replace, and tells where they are replaced themselves.
func (t *tx) spreadCollapses(ctx context.Context, p *spread, rows []book.Row, at time.Time) (map[book.Row]bool, error) {
	outdone, err := t.outdone(ctx, &p.message, rows)
	if err != nil {
		return nil, err
	}
	var first []book.Row
	for _, r := range rows {
		if !outdone[r] {
			first = append(first, r)
		}
	}
	return outdone, t.collapse(ctx, &p.message, first, at)
}
