package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
)

// lockBoth locks the conversation of a delivery and another one, and tells the routes of those that are in the book.
const lockBoth = `SELECT key, conversation, coalesce(route, 0) FROM turns
	WHERE conversation = $2 OR conversation = (SELECT conversation FROM deliveries WHERE id = $1) ORDER BY key FOR NO KEY UPDATE`

// move ends an attempt whose delivery goes on in another conversation.
func (s *Store) move(ctx context.Context, v *verdict) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		v.change, v.done = v.told, false
		way, err := t.lockBoth(ctx, v)
		if err != nil {
			return err
		}
		found, err := hotByID(ctx, t, v.id)
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].state != sending || found[0].fence != v.fence {
			return nil // somebody else has it
		}
		if err := t.reconsider(ctx, []*verdict{v}); err != nil {
			return err
		}
		if way == 0 || found[0].conversation == v.to || v.change.State.Final() {
			return t.conclude(ctx, new(pgx.Batch), []*verdict{v})
		}
		return t.move(ctx, v, found[0], way)
	})
}

// lockBoth locks where the delivery of an attempt is and where it goes, and returns the route of the latter; 0 if it is not in
// the book.
func (t *tx) lockBoth(ctx context.Context, v *verdict) (way int64, err error) {
	rows, err := t.Query(ctx, lockBoth, int64(v.id), v.to)
	if err != nil {
		return 0, err
	}
	var keys, ways []int64
	var key, route int64
	var c book.Row
	if _, err := pgx.ForEachRow(rows, []any{&key, &c, &route}, func() error {
		keys, ways = append(keys, key), append(ways, route)
		if c == v.to {
			way = route
		}
		return nil
	}); err != nil {
		return 0, err
	}
	t.after(func() {
		t.store.handed.forget(attempt{v.id, v.fence})
		t.store.freed(keys)
	})
	return way, t.learnRoutes(ctx, ways)
}

func (t *tx) move(ctx context.Context, v *verdict, h hot, way int64) error {
	failures := 0
	if v.failed {
		failures = 1
	}
	if _, err := t.Exec(ctx, `UPDATE deliveries SET conversation = $2, route = $3, seq = NULL, waits = 0, due_at = NULL, lease_until = NULL,
			failures = failures + $4, unsure = CASE WHEN unsure OR $5 THEN true END, lost = NULL WHERE id = $1`,
		int64(h.id), v.to, way, failures, v.unsure); err != nil {
		return err
	}
	left, first := lane{h.conversation, h.lane}, h.seq
	h.conversation, h.route, h.seq = v.to, way, 0
	c := v.change
	c.Attempt, c.RetryAt = int(h.claims), time.Time{}
	if err := t.becomeReady(ctx, []hot{h}, c); err != nil {
		return err
	}
	t.vacate([]lane{left}, map[lane]int64{left: first})
	v.done = true
	return nil
}
