package sqlite

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Bounds of one step of a claim, so that it does not hold up the writer for long.
const (
	promoteAtOnce = 1000
	expireAtOnce  = 1000
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

func (t *tx) claim(n int, now time.Time) (step claimStep, err error) {
	promoted, err := t.promoteDue(now)
	if err != nil || promoted == promoteAtOnce {
		step.unfinished = true // the most pressing may be among those that follow
		return step, err
	}
	var from place
	for expirations := 0; len(step.attempts) < n; {
		page, err := t.claimable(from, min(n-len(step.attempts), pageAtOnce))
		if err != nil {
			return step, err
		}
		if len(page) == 0 {
			break
		}
		over, err := t.drop(page, now)
		if err != nil {
			return step, err
		}
		if expirations += over; expirations >= expireAtOnce {
			step.unfinished = true
			return step, nil
		}
		if over > 0 {
			continue // look again: their successors may stand within this page
		}
		from = page[len(page)-1].place()
		for i := range page {
			a, taken, err := t.take(&page[i], now)
			if err != nil {
				return step, err
			}
			if taken {
				step.attempts = append(step.attempts, a)
			}
		}
	}
	step.nextDue, err = t.nextDue()
	return step, err
}

// promoteDue makes what has become due ready, in the order of the due times: scheduled deliveries take their place, and
// heads that were to be tried again may be claimed. It says how many these were.
func (t *tx) promoteDue(now time.Time) (promoted int, err error) {
	var due []hot
	if err := t.each(func(r row) error {
		due = append(due, hot{
			id: outbox.DeliveryID(r.int(0)), conversation: book.Row(r.int(1)), lane: outbox.Lane(r.int(2)), state: r.int(3),
		})
		return nil
	}, `SELECT id, conversation, lane, state FROM deliveries
		WHERE waits = 2 AND due_at <= +? ORDER BY due_at, id LIMIT +?`, now, promoteAtOnce); err != nil {
		return 0, err
	}
	line := changeLine(outbox.Change{At: now, State: outbox.StateReady})
	for i := range due {
		if d := &due[i]; d.state == scheduled {
			t.count(scheduled, ready, 1)
			t.enters(d.conversation, d.lane)
			_, err = t.exec("UPDATE deliveries SET state = 2, seq = ?, waits = NOT "+laneTaken+
				", updated_at = ?, history = history || ? WHERE id = ?",
				t.nextSeq(), int64(d.conversation), int64(d.lane), now, line, int64(d.id))
		} else {
			_, err = t.exec("UPDATE deliveries SET waits = 1 WHERE id = ?", int64(d.id))
		}
		if err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// nextDue is when the next delivery becomes due; zero for never.
func (t *tx) nextDue() (due time.Time, err error) {
	_, err = t.one(func(r row) { due = r.time(0) },
		"SELECT due_at FROM deliveries WHERE waits = 2 ORDER BY due_at LIMIT 1")
	return due, err
}

// place is where a delivery stands in the order of claiming. The zero value is before all.
type place struct {
	lane outbox.Lane
	seq  int64
}

func (h *hot) place() place { return place{h.lane, h.seq} }

// candidate is a head that may be claimed, with its message.
type candidate struct {
	hot
	body      jsontext.Value
	onUnknown headsup.OnUnknown
	window    headsup.Window
	expiresAt time.Time
	accepted  time.Time
	cancelled bool        // its message was, when it was waiting and there were very many
	sent      activity.ID // what it revises
	trace     string
	edited    bool
}

// claimable lists up to n heads after a place.
func (t *tx) claimable(from place, n int) ([]candidate, error) {
	found := make([]candidate, 0, n)
	err := t.each(func(r row) error {
		found = append(found, candidate{
			hot:  scanHot(r),
			body: r.bytes(hotCount), onUnknown: word(onUnknowns, r.int(hotCount+1)), window: word(windowWords, r.int(hotCount+2)),
			expiresAt: r.time(hotCount + 3), accepted: r.time(hotCount + 4), trace: r.text(hotCount + 5),
			cancelled: r.bool(hotCount + 6), edited: r.bool(hotCount + 7),
		})
		return nil
	}, "SELECT "+hotColumns+`, m.body, m.on_unknown, m.window, m.expires_at, m.created_at, m.trace, m.cancelled_at, m.edited_at
		FROM deliveries d CROSS JOIN messages m ON m.id = d.message
		WHERE d.waits = 1 AND (d.lane, d.seq) > (+?, +?) ORDER BY d.lane, d.seq LIMIT +?`,
		int64(from.lane), from.seq, n)
	return found, err
}

// drop finishes those of a page that have expired, were cancelled, or have nothing to revise, and returns how many these were.
func (t *tx) drop(page []candidate, now time.Time) (n int, err error) {
	for i := range page {
		c := &page[i]
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
		case c.cancelled && c.claims == 0 && !c.replayed:
			state = outbox.StateCancelled
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
		`SELECT activity_id, activity_id IS NOT NULL OR state IN (5, 7) FROM finished WHERE id = ?
		UNION ALL SELECT activity_id, activity_id IS NOT NULL OR unsure IS NOT NULL FROM deliveries WHERE id = ?`, int64(id), int64(id))
	return given, said, err
}

// take hands a candidate out if its conversation is free.
func (t *tx) take(c *candidate, now time.Time) (a outbox.Attempt, taken bool, err error) {
	e, err := t.conversation(c.conversation)
	if err != nil {
		return a, false, err
	}
	held, free := t.store.leases.Try(e.conv.Key)
	if !free {
		return a, false, nil
	}
	until := now.Add(t.store.leaseTime)
	c.claims++
	c.fence = held.Fence()
	line := c.change(outbox.Change{At: now, State: outbox.StateSending, Attempt: int(c.claims)})
	t.count(ready, sending, 1)
	if _, err := t.exec(`UPDATE deliveries SET state = 4, waits = 0, lease_until = ?, fence = ?, claims = ?,
			reason = NULL, updated_at = ?, history = history || ? WHERE id = ?`,
		until, c.fence, c.claims, now, line, int64(c.id)); err != nil {
		held.Release()
		return a, false, err
	}
	a = t.handOut(&c.hot, e, held, until, c.onUnknown)
	a.Body, a.Window, a.CreatedAt, a.Trace, a.Sent = c.body, c.window, c.accepted, c.trace, c.sent
	a.Edited = c.edited
	if c.verb == send && !c.replayed {
		a.ExpiresAt = c.expiresAt
	}
	return a, true, nil
}
