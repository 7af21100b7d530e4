package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

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
			switch in := &l.lanes[i]; {
			case in.asked == 0:
			case in.any:
				l.lows[i].found(in.first)
			default:
				l.lows[i].found(nowhere)
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
			in, passed := &l.lanes[i], l.passed[i]
			if in.asked > 0 {
				l.passed[i] = in.passed
			}
			if in.passed > 0 {
				t.store.blocked.Store(true)
			}
			switch {
			case in.next < len(in.heads):
			case in.asked > 0 && len(in.heads) == in.asked:
				// Those who follow were not looked at. Those who were passed over are looked at again with the next.
				p.more = p.more || len(p.chosen) > 0 || len(p.late) > 0 || in.passed > passed
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
		case c.store.handed.sends(h.conversation): // in another lane
			in.passed++
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

// putOff leaves alone whose conversations have no room, until they may have some, and tells how many these are: others
// may have locked some of them. The index by due time keeps them.
func (t *tx) putOff(ctx context.Context, late []*head) (n int, err error) {
	if len(late) == 0 {
		return 0, nil
	}
	ids, where := make([]int64, len(late)), make([]int64, len(late))
	var due times
	for i, h := range late {
		ids[i], where[i] = int64(h.id), int64(h.conversation)
		due.add(h.until)
		t.later(h.until)
	}
	tag, err := t.Exec(ctx, `WITH locked AS MATERIALIZED (
			SELECT n.id, n.due FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS n (id, conversation, due)
			JOIN turns t ON t.conversation = n.conversation FOR NO KEY UPDATE OF t SKIP LOCKED)
		UPDATE deliveries d SET waits = 2, due_at = l.due FROM locked l WHERE d.id = l.id AND d.waits = 1 AND d.state = 2`,
		ids, where, []pgtype.Timestamptz(due))
	if n = int(tag.RowsAffected()); n < len(late) {
		time.AfterFunc(lookSoon, t.store.wakeHere)
	}
	return n, err
}
