package sqlite

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// parkAtOnce bounds one step of parking, so that it does not hold up the writer for long.
const parkAtOnce = 1000

// Park implements [outbox.Store]. It takes several steps when there are many.
func (s *Store) Park(ctx context.Context, at time.Time) (parked int, err error) {
	for after, more := outbox.DeliveryID(0), true; more; {
		var page []hot
		if err := s.writer.do(ctx, func(t *tx) (err error) {
			page, err = t.park(after, at)
			return err
		}); err != nil {
			return parked, err
		}
		if more = len(page) == parkAtOnce; more {
			after = page[len(page)-1].id
		}
		parked += len(page)
	}
	return parked, nil
}

// park parks some of the deliveries after one.
func (t *tx) park(after outbox.DeliveryID, at time.Time) (page []hot, err error) {
	if err := t.each(func(r row) error {
		page = append(page, scanHot(r))
		return nil
	}, "SELECT "+hotColumns+` FROM deliveries d WHERE d.id > +? AND d.verb IS NULL
		AND (d.state IN (2, 3) OR d.state = 1 AND d.due_at <= +?) ORDER BY d.id LIMIT +?`,
		int64(after), at, parkAtOnce); err != nil {
		return nil, err
	}
	for i := range page {
		h := &page[i]
		c := outbox.Change{At: at, State: outbox.StateUnknown, Attempt: int(h.claims), Reason: outbox.ReasonRestored}
		if err := t.finish(h, c); err != nil {
			return nil, err
		}
	}
	t.wake = true // the next due time may be another
	return page, nil
}
