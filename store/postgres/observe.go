package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
)

// fact is something that the observer is told when it is committed: a message that was accepted, or a delivery that
// ended.
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

func (t *tx) ended(e *ended) {
	if t.store.observer != nil {
		t.facts = append(t.facts, fact{end: outbox.End{
			Lane: e.lane, State: stateNames[e.to], Reason: e.change.Reason, WantedAt: e.wantedAt, At: e.change.At,
		}})
	}
}

// Observe implements [outbox.Store]. The observer is told of what this node does.
func (s *Store) Observe(o outbox.Observer) { s.observer = o }

// Counts implements [outbox.Store].
func (s *Store) Counts(ctx context.Context) (map[outbox.State]int64, error) {
	counts := make(map[outbox.State]int64, states)
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		clear(counts)
		n := make([]int64, states-1)
		to := make([]any, len(n))
		for i := range n {
			to[i] = &n[i]
		}
		if err := q.QueryRow(ctx, `SELECT sum(scheduled)::bigint, sum(ready)::bigint, sum(held)::bigint,
				sum(sending)::bigint, sum(delivered)::bigint, sum(failed)::bigint, sum(unknown)::bigint,
				sum(expired)::bigint, sum(suppressed)::bigint, sum(cancelled)::bigint FROM commits`).Scan(to...); err != nil {
			return err
		}
		for i, n := range n {
			if n != 0 {
				counts[stateNames[i+1]] = n
			}
		}
		return nil
	})
	return counts, err
}

// OldestDue implements [outbox.Store].
func (s *Store) OldestDue(ctx context.Context, now time.Time) (oldest time.Time, err error) {
	const lane = `SELECT min(since) FROM (SELECT coalesce(due_at, updated_at) AS since FROM deliveries
		WHERE waits = 1 AND state = 2 AND lane = $1 ORDER BY seq LIMIT 100) AS heads`
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		oldest = time.Time{}
		var b pgx.Batch
		older := func(r pgx.Row) error {
			var t optionalTime
			if err := r.Scan(&t); err != nil {
				return err
			}
			if t := time.Time(t); !t.IsZero() && !t.After(now) && (oldest.IsZero() || t.Before(oldest)) {
				oldest = t
			}
			return nil
		}
		for _, l := range []outbox.Lane{outbox.LaneUrgent, outbox.LaneNormal, outbox.LaneBulk} {
			b.Queue(lane, int16(l)).QueryRow(older)
		}
		b.Queue(nextDue("true")).QueryRow(older)
		return q.SendBatch(ctx, &b).Close()
	})
	return oldest, err
}
