package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// promoteDue makes what has become due ready, in the order of the due times: scheduled deliveries take their place, and
// heads that were to be tried again may be claimed. It says how many these were.
func (t *tx) promoteDue(ctx context.Context, now time.Time) (promoted int, err error) {
	rs := t.store.routes
	rs.mu.Lock()
	from := dueFrom(rs.due.from)
	rs.mu.Unlock()
	rows, err := t.Query(ctx, `SELECT id, conversation FROM deliveries WHERE waits = 2 AND due_at <= $1 AND due_at >= $3
		ORDER BY due_at, id LIMIT $2`, now, promoteAtOnce, from)
	if err != nil {
		return 0, err
	}
	var ids, conversations []int64
	var id, conversation int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &conversation}, func() error {
		ids, conversations = append(ids, id), append(conversations, conversation)
		return nil
	}); err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := t.Exec(ctx, lockTurns, conversations); err != nil {
		return 0, err
	}
	// Somebody may have changed them until they were locked.
	due, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.id = ANY ($2) AND d.waits = 2 AND d.due_at <= $1 ORDER BY d.due_at, d.id`, now, ids))
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
	return len(ids), t.flush(ctx)
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
	taken, err := collectLanes(t.Query(ctx, occupied, t.laneArrays(enter)...))
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
			t.offer(h.route, h.lane, h.rank)
			continue
		}
		t.count(h.state, ready, 1)
		ranks[i] = t.store.routes.rank(h.route, h.lane, h.message, h.alone)
		if l := (lane{h.conversation, h.lane}); taken[l] {
			waits[i] = int16(waitsNothing)
		} else {
			taken[l] = true
			t.offer(h.route, h.lane, ranks[i])
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
