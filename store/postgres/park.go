package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// parkAtOnce bounds one step of parking.
const parkAtOnce = 1000

// Park implements [outbox.Store]. It takes several steps when there are many.
func (s *Store) Park(ctx context.Context, at time.Time) (parked int, err error) {
	for more, after := true, int64(0); more; {
		n, last := 0, after
		if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, last, more, err = t.park(ctx, at, after)
			return err
		}); err != nil {
			return parked, err
		}
		parked += n
		after = last
	}
	return parked, nil
}

// mayBeSaid are deliveries that could be handed out at a time.
const mayBeSaid = ` FROM deliveries d WHERE d.verb IS NULL AND (d.state IN (2, 3) OR d.state = 1 AND d.due_at <= $1)`

func (t *tx) park(ctx context.Context, at time.Time, after int64) (n int, last int64, more bool, err error) {
	rows, err := t.Query(ctx, "SELECT d.id, d.conversation"+mayBeSaid+" AND d.id > $2 ORDER BY d.id LIMIT $3", at, after, parkAtOnce)
	if err != nil {
		return 0, after, false, err
	}
	var ids []int64
	var where []book.Row
	var id, c int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &c}, func() error {
		ids, where = append(ids, id), append(where, book.Row(c))
		return nil
	}); err != nil || len(ids) == 0 {
		return 0, after, false, err
	}
	if _, err := t.lock(ctx, where); err != nil {
		return 0, after, false, err
	}
	list, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+mayBeSaid+" AND d.id = ANY ($2) ORDER BY d.id", at, ids))
	if err != nil {
		return 0, after, false, err
	}
	t.wake = true // the next due time may be another
	return len(list), ids[len(ids)-1], len(ids) == parkAtOnce, t.finish(ctx, list, func(h *hot) outbox.Change {
		return outbox.Change{At: at, State: outbox.StateUnknown, Attempt: int(h.claims), Reason: outbox.ReasonRestored}
	})
}
