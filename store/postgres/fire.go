package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// fire is a firing, and what becomes of it in the transaction.
type fire struct {
	*schedule.Firing
	fits   bool                  // the clock is as it was listed
	number int64                 // of the schedule's latest occurrence
	fresh  []schedule.Occurrence // those that the schedule did not have
	accept *accept               // of what is told; may be nil
	err    error
}

// Fire implements [schedule.Store]. Clocks are locked in an order, and what is told is accepted together.
func (s *Store) Fire(ctx context.Context, firings []schedule.Firing) ([]error, error) {
	list := make([]*fire, len(firings))
	if err := s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		for i := range firings {
			list[i] = &fire{Firing: &firings[i]}
		}
		return t.fire(ctx, slices.Clone(list))
	}); err != nil {
		return nil, err
	}
	results := make([]error, len(list))
	for i, f := range list {
		results[i] = f.err
	}
	return results, nil
}

func (t *tx) fire(ctx context.Context, list []*fire) error {
	if err := t.lockClocks(ctx, list); err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(f *fire) bool { return f.err != nil })
	if err := t.findFresh(ctx, list); err != nil {
		return err
	}
	var accepts []*accept
	for _, f := range list {
		if f.accept != nil {
			accepts = append(accepts, f.accept)
		}
	}
	if len(accepts) > 0 {
		if err := t.accept(ctx, accepts); err != nil {
			return err
		}
	}
	latest := make(map[schedule.ID]int64)
	for _, f := range list {
		if f.accept != nil {
			if f.err = f.accept.err; f.err != nil {
				continue
			}
			f.fresh[len(f.fresh)-1].Message = f.accept.accepted.Message
		}
		latest[f.Schedule] = t.queueFiring(f, max(latest[f.Schedule], f.number))
	}
	return nil
}

// lockClocks locks the clocks of firings with their schedules. Those that are not as they were listed are
// [schedule.ErrChanged]; so is the second firing of the same clock.
func (t *tx) lockClocks(ctx context.Context, list []*fire) error {
	slices.SortStableFunc(list, func(a, b *fire) int {
		return cmp.Or(cmp.Compare(a.Schedule, b.Schedule), cmp.Compare(a.Clock.Zone, b.Clock.Zone))
	})
	var b pgx.Batch
	for i, f := range list {
		f.fits, f.err = false, schedule.ErrChanged
		if i > 0 && list[i-1].Schedule == f.Schedule && list[i-1].Clock.Zone == f.Clock.Zone {
			continue
		}
		b.Queue(`SELECT s.occurrences FROM schedules s JOIN schedule_clocks c ON c.schedule = s.id
			WHERE c.schedule = $1 AND c.zone = $2 AND c.next_at = $3 AND s.revision = $4 FOR UPDATE`,
			f.Schedule, f.Clock.Zone, exact(f.Clock.NextAt), f.Revision).QueryRow(func(r pgx.Row) error {
			err := r.Scan(&f.number)
			if notThere(err) {
				return nil
			}
			f.fits, f.err = err == nil, nil
			return err
		})
	}
	return t.SendBatch(ctx, &b).Close()
}

// findFresh finds the occurrences that are not there yet, and what is to be told of them.
func (t *tx) findFresh(ctx context.Context, list []*fire) error {
	type once struct {
		schedule schedule.ID
		zone     string
		at       time.Time
	}
	var ids []int64
	var zones []string
	var times []time.Time
	for _, f := range list {
		for _, o := range f.Occurrences {
			ids, zones, times = append(ids, int64(f.Schedule)), append(zones, o.Zone), append(times, exact(o.At))
		}
	}
	had := make(map[once]bool)
	if len(ids) > 0 {
		rows, err := t.Query(ctx, `SELECT o.schedule, o.zone, o.at FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) i (schedule, zone, at)
			JOIN occurrences o ON o.schedule = i.schedule AND o.zone = i.zone AND o.at = i.at`, ids, zones, times)
		if err != nil {
			return err
		}
		var o once
		if _, err := pgx.ForEachRow(rows, []any{&o.schedule, &o.zone, &o.at}, func() error {
			had[o] = true
			return nil
		}); err != nil {
			return err
		}
	}
	for _, f := range list {
		for i, o := range f.Occurrences {
			this := once{f.Schedule, o.Zone, exact(o.At)}
			if had[this] {
				continue
			}
			had[this] = true
			o.Message = 0
			f.fresh = append(f.fresh, o)
			if i == len(f.Occurrences)-1 && f.Tell != nil {
				f.accept = &accept{sub: f.Tell}
			}
		}
	}
	return nil
}

// queueFiring adds a firing's occurrences after the one with a number, forgets old ones and moves the clock on, with the
// commit. It returns the number of the latest occurrence.
func (t *tx) queueFiring(f *fire, latest int64) int64 {
	id := int64(f.Schedule)
	for _, o := range f.fresh {
		latest++
		t.last.Queue(`INSERT INTO occurrences (schedule, number, zone, at, result, reason, message, fired_at, others)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			id, latest, o.Zone, exact(o.At), string(o.Result), optionalText(o.Reason), int64(o.Message), exact(o.FiredAt), o.Others)
	}
	if len(f.fresh) > 0 {
		t.last.Queue("UPDATE schedules SET occurrences = $2 WHERE id = $1", id, latest)
		if latest > schedule.KeepOccurrences {
			t.last.Queue("DELETE FROM occurrences WHERE schedule = $1 AND number <= $2", id, latest-schedule.KeepOccurrences)
		}
	}
	if f.Next.IsZero() {
		t.last.Queue("DELETE FROM schedule_clocks WHERE schedule = $1 AND zone = $2", id, f.Clock.Zone)
	} else {
		t.last.Queue("UPDATE schedule_clocks SET next_at = $3, taken_until = '-infinity' WHERE schedule = $1 AND zone = $2",
			id, f.Clock.Zone, exact(f.Next))
	}
	return latest
}

// Occurrences implements [schedule.Store].
func (s *Store) Occurrences(
	ctx context.Context, appID string, id schedule.ID, before int64, limit int,
) (all []schedule.Occurrence, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		var known bool
		if err := q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM schedules WHERE id = $1 AND app_id = $2)", id, appID).Scan(&known); err != nil {
			return err
		}
		if !known {
			return schedule.ErrNotFound
		}
		rows, err := q.Query(ctx, `SELECT number, zone, at, result, reason, message, fired_at, others FROM occurrences
			WHERE schedule = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, id, before, limit)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (o schedule.Occurrence, err error) {
			return o, r.Scan(&o.Number, &o.Zone, &o.At, &o.Result, (*optionalText)(&o.Reason), (*outbox.MessageID)(&o.Message), &o.FiredAt, &o.Others)
		})
		return err
	})
	return all, err
}
