package sqlite

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// fact is something that the observer is told when it is on disk: a message that was accepted, or a delivery that ended.
type fact struct {
	lane       outbox.Lane
	deliveries int
	end        outbox.End // State is empty when it is the other
}

func (f *fact) tell(o outbox.Observer) {
	if f.end.State == "" {
		o.Accepted(f.lane, f.deliveries)
		return
	}
	o.Ended(f.end)
}

func (t *tx) accepted(l outbox.Lane, deliveries int) {
	if t.store.observer != nil {
		t.facts = append(t.facts, fact{lane: l, deliveries: deliveries})
	}
}

func (t *tx) ended(h *hot, to int64, c outbox.Change) {
	if t.store.observer != nil {
		t.facts = append(t.facts, fact{end: outbox.End{
			Lane: h.lane, State: stateNames[to], Reason: c.Reason, WantedAt: h.wantedAt, At: c.At,
		}})
	}
}

// Observe implements [outbox.Store].
func (s *Store) Observe(o outbox.Observer) { s.observer = o }

// OldestDue implements [outbox.Store].
func (s *Store) OldestDue(ctx context.Context, now time.Time) (oldest time.Time, err error) {
	older := func(r row) {
		if t := r.time(0); !t.IsZero() && !t.After(now) && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	err = s.read(ctx, func(c *conn) error {
		for route, lane, n := int64(-1), int64(0), 0; n < 100; n++ {
			found, err := c.one(func(r row) { route, lane = r.int(0), r.int(1) }, `SELECT route, lane FROM deliveries
				WHERE waits = 1 AND (route, lane) > (+?, +?) ORDER BY route, lane LIMIT 1`, route, lane)
			if err != nil {
				return err
			}
			if !found {
				break
			}
			if _, err := c.one(older, `SELECT min(since) FROM (
				SELECT iif(due_at > 0, due_at, updated_at) AS since FROM deliveries
				WHERE waits = 1 AND route = +? AND lane = +? ORDER BY rank LIMIT 100)`, route, lane); err != nil {
				return err
			}
		}
		_, err := c.one(older, "SELECT due_at FROM deliveries WHERE waits = 2 ORDER BY due_at LIMIT 1")
		return err
	})
	return oldest, err
}
