package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// Bounds of one step of a claim, so that it does not hold up the writer for long.
const (
	promoteAtOnce = 1000
	dropHeads     = 1000
	pageAtOnce    = 256
)

// Claim implements [outbox.Store]. It takes several steps when very many deliveries have become due or expired.
func (s *Store) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	var claimed outbox.Claimed
	for {
		var step claimStep
		err := s.writer.do(ctx, func(t *tx) (err error) {
			step, err = t.claim(n-len(claimed.Attempts), now)
			return err
		})
		switch {
		case err != nil && len(claimed.Attempts) == 0:
			return outbox.Claimed{}, err
		case err != nil: // what is handed out must be delivered
			s.wake()
			return claimed, nil
		}
		if len(claimed.Attempts) == 0 { // as nearly always: attempts are large
			claimed.Attempts = step.attempts
		} else {
			claimed.Attempts = append(claimed.Attempts, step.attempts...)
		}
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

func (t *tx) claim(n int, now time.Time) (step claimStep, err error) {
	promoted, err := t.promoteDue(now)
	if err != nil || promoted == promoteAtOnce {
		step.unfinished = true // the most pressing may be among those that follow
		return step, err
	}
	c := claiming{tx: t, now: now, step: &step}
	if t.store.loosened.Swap(false) {
		t.store.routes.loosen()
	}
	t.store.routes.reopen(now)
	if err := t.store.routes.open.Round(n, c.visit); err != nil {
		return step, err
	}
	step.nextDue, err = t.nextDue()
	return step, err
}

// claiming is a claim that goes round the routes.
type claiming struct {
	*tx

	now   time.Time
	step  *claimStep
	drops int // how many heads it has dropped or put off
}

// visit hands out up to share deliveries of a route, by lanes, and reports whether there may be more. A route without
// room is left alone until it may have some.
func (c *claiming) visit(r *route, share int) (had int, more bool, err error) {
	if share = min(share, c.store.cfg.Pace.Room(r.way, c.now)); share == 0 {
		c.closes(r)
		return 0, false, nil
	}
	waits := r.may
	var from [laneCount]place
	for had < share && !c.step.unfinished && r.closed.IsZero() && waits != [laneCount]bool{} {
		for l, part := range r.lanes.Share(share-had, waits) {
			if part == 0 || !r.closed.IsZero() {
				continue
			}
			n, err := c.take(r, outbox.Lane(l), &from[l], part)
			if err != nil {
				return had, false, err
			}
			had += n
			waits[l] = n == part
		}
	}
	return had, had == share, nil
}

// take hands out up to n heads of a lane of a route which stand after a place, and moves the place on. Fewer than n mean
// that there are no more.
func (c *claiming) take(r *route, l outbox.Lane, from *place, n int) (had int, err error) {
	left := *from != place{} // somebody was passed over
	for had < n && !c.step.unfinished && r.closed.IsZero() {
		limit := min(n-had, pageAtOnce)
		page, err := c.claimable(r, l, *from, limit)
		if err != nil {
			return had, err
		}
		dropped, err := c.drop(page, c.now)
		if err != nil {
			return had, err
		}
		if dropped > 0 { // look again: their successors may stand anywhere
			*from, left = place{}, false
			c.drops += dropped
			c.step.unfinished = c.drops >= dropHeads
			continue
		}
		c.step.attempts = slices.Grow(c.step.attempts, len(page)) // attempts are large
		for i := range page {
			*from = page[i].place()
			a, taken, err := c.give(r, &page[i])
			switch {
			case err != nil:
				return had, err
			case page[i].yielded: // its successor may stand anywhere
				*from = place{}
				c.drops++
				c.step.unfinished = c.drops >= dropHeads
			case taken:
				c.step.attempts = append(c.step.attempts, a)
				had++
			default:
				left = true
			}
			if !r.closed.IsZero() {
				return had, c.keepClock(r, l)
			}
			if page[i].yielded {
				break
			}
		}
		if *from == (place{}) && len(page) > 0 {
			left = false
			continue
		}
		if len(page) < limit {
			if !left {
				c.nothingIn(r, l)
			}
			break
		}
	}
	return had, c.keepClock(r, l)
}

// promoteDue makes what has become due ready, in the order of the due times: scheduled deliveries take their place, and
// heads that were to be tried again may be claimed. It says how many these were.
func (t *tx) promoteDue(now time.Time) (promoted int, err error) {
	var due []hot
	if err := t.each(func(r row) error {
		due = append(due, hot{
			id: outbox.DeliveryID(r.int(0)), conversation: book.Row(r.int(1)), lane: outbox.Lane(r.int(2)), state: r.int(3),
			message: outbox.MessageID(r.int(4)), alone: r.bool(5), route: r.int(6),
		})
		return nil
	}, `SELECT id, conversation, lane, state, message, alone, route FROM deliveries
		WHERE waits = 2 AND due_at <= +? ORDER BY due_at, id LIMIT +?`, now, promoteAtOnce); err != nil {
		return 0, err
	}
	line := history.Line(outbox.Change{At: now, State: outbox.StateReady})
	for i := range due {
		d := &due[i]
		if d.state == held {
			continue
		}
		r, err := t.route(d.route)
		if err != nil {
			return 0, err
		}
		t.store.routes.offers(r, d.lane)
		if d.state == scheduled {
			t.count(scheduled, ready, 1)
			seq := t.nextSeq()
			t.enters(d.conversation, d.lane, seq)
			_, err = t.exec("UPDATE deliveries SET state = 2, rank = ?, seq = ?, waits = NOT "+laneTaken+
				", updated_at = ?, history = history || ? WHERE id = ?",
				t.rank(r, d), seq, int64(d.conversation), int64(d.lane), now, line, int64(d.id))
		} else {
			_, err = t.exec("UPDATE deliveries SET waits = 1 WHERE id = ?", int64(d.id))
		}
		if err != nil {
			return 0, err
		}
	}
	for i := range due {
		if d := &due[i]; d.state == held {
			if err := t.judgeHeld(d.conversation, now); err != nil {
				return 0, err
			}
		}
	}
	return len(due), nil
}

// nextDue is when the next delivery becomes due, or the next gate may open that one waits for; zero for never.
func (t *tx) nextDue() (due time.Time, err error) {
	_, err = t.one(func(r row) { due = r.time(0) },
		"SELECT due_at FROM deliveries WHERE waits = 2 ORDER BY due_at LIMIT 1")
	if opens := t.store.routes.opens(); due.IsZero() || !opens.IsZero() && opens.Before(due) {
		due = opens
	}
	return due, err
}

// place is where a head stands in the order of claiming in its lane of its route. The zero value is before all.
type place struct {
	rank int64
	id   outbox.DeliveryID
}

func (h *hot) place() place { return place{h.rank, h.id} }

// candidate is a head that may be claimed, with its message.
type candidate struct {
	hot
	body      jsontext.Value
	onUnknown headsup.OnUnknown
	window    headsup.Window
	expiresAt time.Time
	accepted  time.Time
	notBefore time.Time   // while its message's deliveries are changed: to when they are moved, or never
	sent      activity.ID // what it revises
	trace     string
	edited    bool
	handler   string
	policy    string
	topic     string
	fallback  bool
	yielded   bool // it was held or suppressed
}

// claimable lists up to n heads of a lane of a route after a place.
func (t *tx) claimable(r *route, l outbox.Lane, from place, n int) ([]candidate, error) {
	found := make([]candidate, 0, n)
	err := t.each(func(r row) error {
		found = append(found, candidate{
			hot:  scanHot(r),
			body: r.bytes(hotCount), onUnknown: word(onUnknowns, r.int(hotCount+1)), window: word(windowWords, r.int(hotCount+2)),
			expiresAt: r.time(hotCount + 3), accepted: r.time(hotCount + 4), trace: r.text(hotCount + 5),
			notBefore: r.time(hotCount + 6), edited: r.bool(hotCount + 7), handler: r.text(hotCount + 8),
			policy: r.text(hotCount + 9), topic: r.text(hotCount + 10), fallback: r.bool(hotCount + 11),
		})
		return nil
	}, "SELECT "+hotColumns+`, m.body, m.on_unknown, m.window, m.expires_at, m.created_at, m.trace, m.not_before, m.edited_at,
		m.handler, m.policy, m.topic, m.fallback IS NOT NULL
		FROM deliveries d CROSS JOIN messages m ON m.id = d.message
		WHERE d.waits = 1 AND d.route = +? AND d.lane = +? AND (d.rank, d.id) > (+?, +?) ORDER BY d.rank, d.id LIMIT +?`,
		r.id, int64(l), from.rank, int64(from.id), n)
	return found, err
}

// drop finishes those of a page that have expired or have nothing to revise, changes those that are being changed together
// with very many, and returns how many these were.
func (t *tx) drop(page []candidate, now time.Time) (n int, err error) {
	for i := range page {
		c := &page[i]
		if c.notBefore.After(now) {
			changed, err := t.sweepOne(&c.hot, c.notBefore, now)
			switch {
			case err != nil:
				return n, err
			case changed:
				n++
				continue
			}
		}
		state, reason := outbox.StateExpired, ""
		switch {
		case c.verb != send:
			said, err := false, error(nil)
			if c.sent, said, err = t.sent(c.revises); err != nil {
				return n, err
			}
			if said {
				continue
			}
			state, reason = outbox.StateSuppressed, outbox.ReasonNothingSent
		case c.replayed || !expiredAt(c.expiresAt, now):
			continue
		}
		n++
		last := outbox.Change{At: now, State: state, Attempt: int(c.claims), Reason: reason}
		if err := t.finish(&c.hot, last); err != nil {
			return n, err
		}
	}
	return n, nil
}

// sent is the id that the channel gave to what a delivery has said, empty if it gave none, and whether it has said
// something, or may have.
func (t *tx) sent(id outbox.DeliveryID) (given activity.ID, said bool, err error) {
	_, err = t.one(func(r row) { given, said = activity.ID(r.text(0)), r.bool(1) },
		`SELECT activity_id, activity_id IS NOT NULL OR state IN (5, 7) OR state = 6 AND reason = 'partial' FROM finished WHERE id = ?
		UNION ALL SELECT activity_id, activity_id IS NOT NULL OR unsure IS NOT NULL FROM deliveries WHERE id = ?`, int64(id), int64(id))
	return given, said, err
}

// give hands a candidate out if its conversation is free and the channel has room. If the conversation has none it is put
// off until that may have some; if the route has none, the route is.
func (c *claiming) give(r *route, d *candidate) (a outbox.Attempt, taken bool, err error) {
	e, err := c.conversation(d.conversation)
	if err != nil {
		return a, false, err
	}
	held, free := c.store.leases.Try(e.conv.Key)
	if !free {
		return a, false, nil
	}
	var p headsup.Policy
	var j outbox.Judgement
	if d.policy != "" && d.verb == send {
		if p, j, err = judge(e, &d.hot, d.policy, d.expiresAt, c.now); err != nil {
			held.Release()
			return a, false, err
		}
		if d.yielded = j.Hold || j.Suppress; d.yielded {
			held.Release()
			return a, false, c.yield(&d.hot, j, c.now)
		}
	}
	permit, ok := c.permit(r, e, c.now)
	if !ok {
		held.Release()
		return a, false, c.putOff(r, e, d)
	}
	until := c.now.Add(c.store.leaseTime)
	d.claims++
	d.fence = held.Fence()
	line := d.change(outbox.Change{At: c.now, State: outbox.StateSending, Attempt: int(d.claims)})
	c.count(ready, sending, 1)
	r.clock[d.lane].Turn(d.rank)
	if _, err := c.execValues(`UPDATE deliveries SET state = 4, waits = 0, lease_until = ?, fence = ?, claims = ?,
			reason = NULL, updated_at = ?, history = history || ? WHERE id = ?`,
		instant(until), number(d.fence), number(d.claims), instant(c.now), stored(line), number(d.id)); err != nil {
		held.Release()
		return a, false, err
	}
	a = c.handOut(&d.hot, e, held, permit, until, d.onUnknown)
	a.Body, a.Window, a.CreatedAt, a.Trace, a.Sent = d.body, d.window, d.accepted, d.trace, d.sent
	a.Edited, a.Handler, a.Topic, a.Fallback, a.WantedAt, a.Policy, a.As = d.edited, d.handler, d.topic, d.fallback, d.wantedAt, p, j.As
	if outbox.Sends(a.Verb, a.Handler, d.policy, a.Body) || a.Claims > 1 || a.MayHaveArrived {
		said := d.id
		if d.verb != send {
			said = d.revises
		}
		if a.Sends, err = c.sends(said); err != nil {
			held.Release()
			return a, false, err
		}
	}
	if d.verb == send && !d.replayed {
		a.ExpiresAt = d.expiresAt
	}
	return a, true, nil
}
