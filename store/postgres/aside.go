package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// asides are attempts whose deliveries are put aside, as arrays.
type asides struct {
	id, fence []int64
	failed    []int32
	lost      []int16
	unsure    []bool
	reason    texts
	sent      texts
	due, at   times
	line      []string
}

func (a *asides) add(v *verdict) {
	c := v.change
	failures := int32(0)
	if v.failed {
		failures = 1
	}
	a.id, a.fence = append(a.id, int64(v.id)), append(a.fence, v.fence)
	a.failed, a.unsure = append(a.failed, failures), append(a.unsure, v.unsure)
	a.lost = append(a.lost, int16(v.lost)) //nolint:gosec // there are few
	a.reason.add(clean(c.Reason))
	a.sent.add(clean(string(c.Activity)))
	a.due.add(c.RetryAt)
	a.at.add(c.At)
	a.line = append(a.line, history.Begin(c))
}

// putAside takes them out of their lanes, and tells where they stood.
var putAside = `UPDATE deliveries d SET state = 3, seq = NULL, waits = 2, due_at = e.due, lease_until = NULL,
		failures = d.failures + e.failed, reason = e.why, activity_id = coalesce(e.sent, d.activity_id), updated_at = e.at,
		history = d.history || e.line || ` + endOf("d.claims") + `,
		unsure = CASE WHEN d.unsure OR e.unsure THEN true END, lost = nullif(e.lost, 0)
	FROM ` + rowsOf("e", "$1::bigint[] id", "$2::bigint[] fence", "$3::integer[] failed", "$4::text[] why", "$5::text[] sent",
	"$6::timestamptz[] due", "$7::timestamptz[] at", "$8::text[] line", "$9::boolean[] unsure", "$10::smallint[] lost") + `
		JOIN deliveries o ON o.id = e.id
	WHERE d.id = e.id AND d.fence = e.fence AND d.state = 4 RETURNING d.id, d.fence, d.conversation, d.lane, o.seq`

func (a *asides) queue(b *pgx.Batch, each func(attempt, lane, int64)) {
	b.Queue(putAside, a.id, a.fence, a.failed, a.reason.arg(), a.sent.arg(), a.due.arg(), a.at.arg(), a.line, a.unsure, a.lost).Query(func(r pgx.Rows) error {
		var id, fence, seq int64
		var l lane
		_, err := pgx.ForEachRow(r, []any{&id, &fence, (*int64)(&l.conversation), &l.lane, &seq}, func() error {
			each(attempt{outbox.DeliveryID(id), fence}, l, seq)
			return nil
		})
		return err
	})
}

// Resume implements [outbox.Store].
func (s *Store) Resume(ctx context.Context, in []book.Row, at time.Time) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.lock(ctx, in); err != nil {
			return err
		}
		n, err = t.resume(ctx, in, at)
		return err
	})
	return n, err
}

// sendingHeads lists what is being sent in lanes: such a delivery is the head.
var sendingHeads = "SELECT head.id, head.fence FROM " + theseLanes + ` CROSS JOIN LATERAL (
		SELECT d.id, d.fence, d.state FROM deliveries d
		WHERE d.conversation = l.conversation AND d.lane = l.lane AND d.seq IS NOT NULL AND d.seq > l.low ORDER BY d.seq LIMIT 1) AS head
	WHERE head.state = 4`

// Sending implements [outbox.Store].
func (s *Store) Sending(ctx context.Context, in []book.Row) (list []outbox.Running, err error) {
	lanes := make([]lane, 0, laneCount*len(in))
	for _, c := range in {
		for l := range outbox.Lane(laneCount) {
			lanes = append(lanes, lane{c, l})
		}
	}
	conversations, numbers := make([]int64, len(lanes)), make([]int16, len(lanes))
	for i, l := range lanes {
		conversations[i], numbers[i] = int64(l.conversation), int16(l.lane)
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sendingHeads, conversations, numbers, s.lows.of(lanes))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[outbox.Running])
		return err
	})
	return list, err
}

// resume makes what was put aside in conversations, which are locked, ready.
func (t *tx) resume(ctx context.Context, in []book.Row, at time.Time) (int, error) {
	rows, err := t.Query(ctx, "SELECT "+hotColumns+", coalesce(d.reason, '') FROM deliveries d "+
		"WHERE d.conversation = ANY ($1) AND d.seq IS NULL AND d.state = 3 ORDER BY d.wanted_at, d.id", numbers(in))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var list []hot
	for rows.Next() {
		var h hot
		var reason string
		if err := rows.Scan(append(h.fields(), &reason)...); err != nil {
			return 0, err
		}
		if !outbox.Judged(reason) {
			list = append(list, h)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return len(list), t.release(ctx, list, func(h *hot) outbox.Change { return outbox.Resumed(at, int(h.claims)) })
}

// release makes what was held ready, with a change for each.
func (t *tx) release(ctx context.Context, list []hot, change func(*hot) outbox.Change) error {
	for len(list) > 0 {
		first := change(&list[0])
		n := 1
		for n < len(list) && change(&list[n]) == first {
			n++
		}
		if err := t.becomeReady(ctx, list[:n], first); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
