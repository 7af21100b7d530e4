package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/schedule"
)

const scheduleColumns = `s.id, s.app_id, s.name, s.idem_key, s.fingerprint, s.rule, s.missed, s.grace, s.revision, s.occurrences,
	s.paused_at, s.created_at, s.updated_at, p.template, s.tenant_id`

const fromSchedules = " FROM schedules s JOIN schedule_templates p ON p.id = s.id "

func scanSchedule(r pgx.Row, more ...any) (s schedule.Schedule, err error) {
	var rule []byte
	var missed string
	if err := r.Scan(append([]any{&s.ID, &s.AppID, &s.Name, (*optionalText)(&s.Key), &s.Fingerprint, &rule, &missed, &s.Grace,
		&s.Revision, &s.Occurrences, (*optionalTime)(&s.PausedAt), &s.CreatedAt, &s.UpdatedAt, (*[]byte)(&s.Template), &s.Tenant},
		more...)...); err != nil {
		return s, err
	}
	s.Missed = schedule.Missed(missed)
	if err := json.Unmarshal(rule, &s.Rule); err != nil {
		return s, fmt.Errorf("the rule of schedule %s: %w", s.ID, err)
	}
	return s, nil
}

// schedulesOf lists schedules with their clocks.
func schedulesOf(ctx context.Context, q querier, which string, args ...any) ([]schedule.Schedule, error) {
	rows, err := q.Query(ctx, "SELECT "+scheduleColumns+fromSchedules+which, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (schedule.Schedule, error) { return scanSchedule(r) })
	if err != nil || len(found) == 0 {
		return found, err
	}
	places := make(map[schedule.ID]int, len(found))
	ids := make([]schedule.ID, len(found))
	for i := range found {
		places[found[i].ID], ids[i] = i, found[i].ID
	}
	rows, err = q.Query(ctx, `SELECT schedule, zone, next_at FROM schedule_clocks WHERE schedule = ANY ($1)
		ORDER BY schedule, next_at, zone`, ids)
	if err != nil {
		return nil, err
	}
	var id schedule.ID
	var c schedule.Clock
	_, err = pgx.ForEachRow(rows, []any{&id, &c.Zone, &c.NextAt}, func() error {
		s := &found[places[id]]
		s.Clocks = append(s.Clocks, c)
		return nil
	})
	return found, err
}

// oneSchedule is the one of an app's that is asked for.
func oneSchedule(ctx context.Context, q querier, appID string, id schedule.ID, lock string) (schedule.Schedule, error) {
	found, err := schedulesOf(ctx, q, "WHERE s.id = $1 AND s.app_id = $2 "+lock, id, appID)
	switch {
	case err != nil:
		return schedule.Schedule{}, err
	case len(found) == 0:
		return schedule.Schedule{}, schedule.ErrNotFound
	}
	return found[0], nil
}

const lockSchedule = "FOR UPDATE OF s"

// ScheduleNews implements [schedule.Store].
func (s *Store) ScheduleNews() <-chan struct{} { return s.scheduleNews }

// planHere tells the runner of this node that something may be due earlier.
func (s *Store) planHere() {
	select {
	case s.scheduleNews <- struct{}{}:
	default: // it is told already
	}
}

// CreateSchedule implements [schedule.Store].
func (s *Store) CreateSchedule(
	ctx context.Context, n schedule.Schedule, most int,
) (kept schedule.Schedule, replayed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		kept, replayed, err = t.createSchedule(ctx, n, most)
		t.idle = replayed
		return err
	})
	if err != nil {
		return schedule.Schedule{}, false, err
	}
	return kept, replayed, nil
}

// createSchedule keeps a schedule. The row with the number of the app's schedules is locked, so that they are made one
// after another.
func (t *tx) createSchedule(ctx context.Context, n schedule.Schedule, most int) (_ schedule.Schedule, replayed bool, err error) {
	var have int
	var b pgx.Batch
	b.Queue("INSERT INTO schedule_counts (app_id, n) VALUES ($1, 0) ON CONFLICT DO NOTHING", n.AppID)
	b.Queue("SELECT n FROM schedule_counts WHERE app_id = $1 FOR UPDATE", n.AppID).QueryRow(func(r pgx.Row) error { return r.Scan(&have) })
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return n, false, err
	}
	if n.Key != "" {
		earlier, err := schedulesOf(ctx, t, "WHERE s.app_id = $1 AND s.tenant_id = $2 AND s.idem_key = $3", n.AppID, n.Tenant, n.Key)
		switch {
		case err != nil:
			return n, false, err
		case len(earlier) > 0 && !bytes.Equal(earlier[0].Fingerprint, n.Fingerprint):
			return n, false, schedule.ErrKeyReused
		case len(earlier) > 0:
			return earlier[0], true, nil
		}
	}
	if have >= most {
		return n, false, schedule.ErrTooMany
	}
	rule, err := json.Marshal(n.Rule)
	if err != nil {
		return n, false, fmt.Errorf("postgres: encode the rule: %w", err)
	}
	b = pgx.Batch{}
	b.Queue(`INSERT INTO schedules (id, app_id, name, idem_key, fingerprint, rule, recipient, missed, grace, revision, occurrences,
			paused_at, created_at, updated_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, 0, $10, $11, $12, $13)`,
		n.ID, n.AppID, n.Name, optionalText(n.Key), orNil(n.Fingerprint), rule, n.Rule.PerRecipient(), string(n.Missed), int64(n.Grace),
		optionalTime(exact(n.PausedAt)), exact(n.CreatedAt), exact(n.UpdatedAt), n.Tenant)
	b.Queue("INSERT INTO schedule_templates (id, template) VALUES ($1, $2)", n.ID, []byte(n.Template))
	b.Queue("UPDATE schedule_counts SET n = n + 1 WHERE app_id = $1", n.AppID)
	queueClocks(&b, n.ID, n.Clocks)
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return n, false, err
	}
	t.after(t.store.planHere)
	kept, err := oneSchedule(ctx, t, n.AppID, n.ID, "")
	return kept, false, err
}

// queueClocks adds clocks whose zones have none.
func queueClocks(b *pgx.Batch, id schedule.ID, clocks []schedule.Clock) {
	for _, c := range clocks {
		b.Queue("INSERT INTO schedule_clocks (schedule, zone, next_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			id, c.Zone, exact(c.NextAt))
	}
}

// Schedule implements [schedule.Store].
func (s *Store) Schedule(ctx context.Context, appID string, id schedule.ID) (found schedule.Schedule, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		found, err = oneSchedule(ctx, q, appID, id, "")
		return err
	})
	return found, err
}

// Schedules implements [schedule.Store].
func (s *Store) Schedules(
	ctx context.Context, appID string, f schedule.Filter, before schedule.ID, limit int,
) (found []schedule.Schedule, err error) {
	var args arguments
	which := "WHERE s.app_id = " + args.add(appID)
	if before != 0 {
		which += " AND s.id < " + args.add(before)
	}
	if f.Name != "" {
		which += " AND s.name = " + args.add(f.Name)
	}
	if f.Tenant != "" {
		which += " AND s.tenant_id <> '' AND s.tenant_id = " + args.add(f.Tenant) // as the index says
	}
	if f.PerRecipient {
		which += " AND s.recipient"
	}
	const due = "EXISTS (SELECT 1 FROM schedule_clocks c WHERE c.schedule = s.id)"
	switch f.State {
	case schedule.StateActive:
		which += " AND s.paused_at IS NULL AND " + due
	case schedule.StatePaused:
		which += " AND s.paused_at IS NOT NULL"
	case schedule.StateEnded:
		which += " AND s.paused_at IS NULL AND NOT " + due
	case "":
	}
	which += " ORDER BY s.id DESC LIMIT " + args.add(limit)
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		found, err = schedulesOf(ctx, q, which, args...)
		return err
	})
	return found, err
}

// ChangeSchedule implements [schedule.Store].
func (s *Store) ChangeSchedule(ctx context.Context, n schedule.Schedule) (kept schedule.Schedule, err error) {
	rule, err := json.Marshal(n.Rule)
	if err != nil {
		return kept, fmt.Errorf("postgres: encode the rule: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		before, err := oneSchedule(ctx, t, n.AppID, n.ID, lockSchedule)
		switch {
		case err != nil:
			return err
		case before.Revision != n.Revision:
			return schedule.ErrChanged
		}
		var b pgx.Batch
		b.Queue(`UPDATE schedules SET name = $2, rule = $3, recipient = $4, missed = $5, grace = $6, paused_at = $7,
				updated_at = $8, revision = revision + 1 WHERE id = $1`,
			n.ID, n.Name, rule, n.Rule.PerRecipient(), string(n.Missed), int64(n.Grace), optionalTime(exact(n.PausedAt)), exact(n.UpdatedAt))
		if !bytes.Equal(before.Template, n.Template) {
			b.Queue("UPDATE schedule_templates SET template = $2 WHERE id = $1", n.ID, []byte(n.Template))
		}
		b.Queue("DELETE FROM schedule_clocks WHERE schedule = $1", n.ID)
		queueClocks(&b, n.ID, n.Clocks)
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		t.after(t.store.planHere)
		kept, err = oneSchedule(ctx, t, n.AppID, n.ID, "")
		return err
	})
	if err != nil {
		return schedule.Schedule{}, err
	}
	return kept, nil
}

// DeleteSchedule implements [schedule.Store].
func (s *Store) DeleteSchedule(ctx context.Context, appID string, id schedule.ID) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		// In the order in which schedules are made: the number, then the schedule.
		if _, err := t.Exec(ctx, "SELECT n FROM schedule_counts WHERE app_id = $1 FOR UPDATE", appID); err != nil {
			return err
		}
		tag, err := t.Exec(ctx, "DELETE FROM schedules WHERE id = $1 AND app_id = $2", id, appID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return schedule.ErrNotFound
		}
		for _, sql := range []string{
			"DELETE FROM schedule_templates WHERE id = $1", "DELETE FROM schedule_clocks WHERE schedule = $1",
			"DELETE FROM occurrences WHERE schedule = $1",
		} {
			t.last.Queue(sql, int64(id))
		}
		t.last.Queue("UPDATE schedule_counts SET n = n - 1 WHERE app_id = $1", appID)
		return nil
	})
}

// AddClocks implements [schedule.Store].
func (s *Store) AddClocks(ctx context.Context, id schedule.ID, revision int64, clocks []schedule.Clock) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "SELECT 1 FROM schedules WHERE id = $1 AND revision = $2 AND paused_at IS NULL FOR UPDATE", id, revision)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		t.after(t.store.planHere)
		queueClocks(&t.last, id, clocks)
		return nil
	})
}

// RecipientZones implements [schedule.Store].
func (s *Store) RecipientZones(
	ctx context.Context, appID string, tenant activity.TenantID, tag string,
) (zones []string, err error) {
	var args arguments
	where := " WHERE c.app_id = " + args.add(appID) + " AND c.reach = " + args.add(book.ReachActive)
	if tenant != "" {
		where += " AND c.tenant_id = " + args.add(tenant)
	}
	if tag != "" {
		where += " AND c.id IN (SELECT g.conversation FROM tags g WHERE g.tag = " + args.add(tag) + ")"
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT DISTINCT c.time_zone FROM conversations c"+where+" ORDER BY 1", args...)
		if err != nil {
			return err
		}
		zones, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return zones, err
}

// reserveFor is for how long a node has what it lists as due to itself.
const reserveFor = 5 * time.Second

// DueClocks implements [schedule.Store]. What is listed is this node's for some seconds.
func (s *Store) DueClocks(ctx context.Context, n int, now time.Time) (due schedule.Due, err error) {
	now = exact(now)
	var next, earlier time.Time
	waiting := false
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		next, earlier, waiting = time.Time{}, time.Time{}, false
		return q.QueryRow(ctx, `SELECT (SELECT next_at FROM schedule_clocks WHERE next_at > $1 ORDER BY next_at LIMIT 1),
			(SELECT min(taken_until) FROM schedule_clocks WHERE next_at <= $1 AND taken_by <> $2 AND taken_until > clock_timestamp()),
			EXISTS (SELECT 1 FROM schedule_clocks WHERE next_at <= $1 AND (taken_by = $2 OR taken_until <= clock_timestamp()))`,
			now, s.bus.node).Scan((*optionalTime)(&next), (*optionalTime)(&earlier), &waiting)
	}); err != nil {
		return due, err
	}
	if waiting {
		if due.Clocks, err = s.reserve(ctx, n, now); err != nil {
			return schedule.Due{}, err
		}
	}
	if len(due.Clocks) == n && n > 0 {
		return due, nil
	}
	// What another node has listed is looked at again when that is over: the node may have died meanwhile.
	due.Next = next
	if !earlier.IsZero() && (next.IsZero() || earlier.Before(next)) {
		due.Next = earlier
	}
	return due, nil
}

// reserve lists clocks that are due, and keeps them to this node for a while.
func (s *Store) reserve(ctx context.Context, n int, now time.Time) (found []schedule.DueClock, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		rows, err := t.Query(ctx, `WITH due AS MATERIALIZED (
				SELECT schedule, zone, next_at FROM schedule_clocks
				WHERE next_at <= $1 AND (taken_by = $2 OR taken_until <= clock_timestamp())
				ORDER BY next_at, schedule, zone LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED),
			taken AS (UPDATE schedule_clocks c SET taken_by = $2, taken_until = clock_timestamp() + $4::interval FROM due d
				WHERE c.schedule = d.schedule AND c.zone = d.zone)
			SELECT `+scheduleColumns+", d.zone, d.next_at FROM due d JOIN schedules s ON s.id = d.schedule "+
			"JOIN schedule_templates p ON p.id = s.id ORDER BY d.next_at, d.schedule, d.zone", now, s.bus.node, n, reserveFor)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (d schedule.DueClock, err error) {
			d.Schedule, err = scanSchedule(r, &d.Clock.Zone, &d.Clock.NextAt)
			return d, err
		})
		return err
	})
	return found, err
}
