package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

const scheduleColumns = `s.id, s.app_id, s.name, s.idem_key, s.fingerprint, s.rule, s.missed, s.grace, s.revision, s.occurrences,
	s.paused_at, s.created_at, s.updated_at, p.template, s.tenant_id`

const selectSchedule = "SELECT " + scheduleColumns + " FROM schedules s JOIN schedule_templates p ON p.id = s.id "

func scanSchedule(r row) (schedule.Schedule, error) {
	s := schedule.Schedule{
		ID: schedule.ID(r.int(0)), AppID: r.text(1), Name: r.text(2), Key: r.text(3), Fingerprint: r.bytes(4),
		Missed: schedule.Missed(r.text(6)), Grace: time.Duration(r.int(7)) * time.Microsecond, Revision: r.int(8),
		Occurrences: r.int(9), PausedAt: r.time(10), CreatedAt: r.time(11), UpdatedAt: r.time(12), Template: r.bytes(13),
		Tenant: activity.TenantID(r.text(14)),
	}
	if err := json.Unmarshal(r.bytes(5), &s.Rule); err != nil {
		return s, fmt.Errorf("the rule of schedule %s: %w", s.ID, err)
	}
	return s, nil
}

// lister is what reads rows: a connection, or the writer's transaction.
type lister interface {
	each(f func(row) error, sql string, args ...any) error
}

// schedulesOf lists schedules with their clocks.
func schedulesOf(q lister, which string, args ...any) ([]schedule.Schedule, error) {
	var found []schedule.Schedule
	err := q.each(func(r row) error {
		s, err := scanSchedule(r)
		found = append(found, s)
		return err
	}, selectSchedule+which, args...)
	for i := range found {
		if err != nil {
			break
		}
		err = q.each(func(r row) error {
			found[i].Clocks = append(found[i].Clocks, schedule.Clock{Zone: r.text(0), NextAt: r.time(1)})
			return nil
		}, "SELECT zone, next_at FROM schedule_clocks WHERE schedule = ? ORDER BY next_at, zone", int64(found[i].ID))
	}
	return found, err
}

// oneSchedule is the one of an app's that is asked for.
func oneSchedule(q lister, appID string, id schedule.ID) (schedule.Schedule, error) {
	found, err := schedulesOf(q, "WHERE s.id = ? AND +s.app_id = ?", int64(id), text(appID))
	switch {
	case err != nil:
		return schedule.Schedule{}, err
	case len(found) == 0:
		return schedule.Schedule{}, schedule.ErrNotFound
	}
	return found[0], nil
}

// ScheduleNews implements [schedule.Store].
func (s *Store) ScheduleNews() <-chan struct{} { return s.scheduleNews }

// plan tells the runner, after the commit, that something may be due earlier.
func (t *tx) plan() {
	t.after(func() {
		select {
		case t.store.scheduleNews <- struct{}{}:
		default: // it is told already
		}
	})
}

// CreateSchedule implements [schedule.Store].
func (s *Store) CreateSchedule(
	ctx context.Context, n schedule.Schedule, most int,
) (kept schedule.Schedule, replayed bool, err error) {
	err = s.writer.do(ctx, func(t *tx) (err error) {
		kept, replayed, err = t.createSchedule(n, most)
		return err
	})
	if err != nil {
		return schedule.Schedule{}, false, err
	}
	return kept, replayed, nil
}

// createSchedule keeps a schedule. Nothing is written before everything that may be refused was checked.
func (t *tx) createSchedule(n schedule.Schedule, most int) (_ schedule.Schedule, replayed bool, err error) {
	if n.Key != "" {
		earlier, err := schedulesOf(t, "WHERE s.app_id = ? AND s.tenant_id = ? AND s.idem_key = ?",
			text(n.AppID), text(n.Tenant), text(n.Key))
		switch {
		case err != nil:
			return n, false, err
		case len(earlier) > 0 && !bytes.Equal(earlier[0].Fingerprint, n.Fingerprint):
			return n, false, schedule.ErrKeyReused
		case len(earlier) > 0:
			return earlier[0], true, nil
		}
	}
	have := int64(0)
	if _, err := t.one(func(r row) { have = r.int(0) }, "SELECT n FROM schedule_counts WHERE app_id = ?", text(n.AppID)); err != nil {
		return n, false, err
	}
	if have >= int64(most) {
		return n, false, schedule.ErrTooMany
	}
	rule, err := json.Marshal(n.Rule)
	if err != nil {
		return n, false, fmt.Errorf("sqlite: encode the rule: %w", err)
	}
	n.Revision, n.Occurrences = 1, 0
	for _, step := range []func() error{
		func() error {
			_, err := t.exec(`INSERT INTO schedules (id, app_id, tenant_id, name, idem_key, fingerprint, rule, recipient, missed, grace, revision,
					occurrences, paused_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?)`,
				int64(n.ID), text(n.AppID), text(n.Tenant), text(n.Name), n.Key, n.Fingerprint, rule, n.Rule.PerRecipient(), text(n.Missed),
				n.Grace.Microseconds(), n.PausedAt, n.CreatedAt, n.UpdatedAt)
			return err
		},
		func() error {
			_, err := t.exec("INSERT INTO schedule_templates (id, template) VALUES (?, ?)", int64(n.ID), []byte(n.Template))
			return err
		},
		func() error { return t.countSchedules(n.AppID, 1) },
		func() error { return t.setClocks(n.ID, n.Clocks) },
	} {
		if err := step(); err != nil {
			return n, false, err
		}
	}
	t.plan()
	kept, err := oneSchedule(t, n.AppID, n.ID)
	return kept, false, err
}

func (t *tx) countSchedules(appID string, by int) error {
	_, err := t.exec("INSERT INTO schedule_counts (app_id, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
		text(appID), by)
	return err
}

// setClocks replaces all clocks of a schedule.
func (t *tx) setClocks(id schedule.ID, clocks []schedule.Clock) error {
	if _, err := t.exec("DELETE FROM schedule_clocks WHERE schedule = ?", int64(id)); err != nil {
		return err
	}
	return t.addClocks(id, clocks)
}

// addClocks adds those whose zones have none.
func (t *tx) addClocks(id schedule.ID, clocks []schedule.Clock) error {
	for _, c := range clocks {
		if _, err := t.exec("INSERT INTO schedule_clocks (schedule, zone, next_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			int64(id), text(c.Zone), c.NextAt); err != nil {
			return err
		}
	}
	return nil
}

// Schedule implements [schedule.Store].
func (s *Store) Schedule(ctx context.Context, appID string, id schedule.ID) (found schedule.Schedule, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err = oneSchedule(c, appID, id)
		return err
	})
	return found, err
}

// Schedules implements [schedule.Store].
func (s *Store) Schedules(
	ctx context.Context, appID string, f schedule.Filter, before schedule.ID, limit int,
) (found []schedule.Schedule, err error) {
	which := "WHERE +s.app_id = ?"
	args := []any{text(appID)}
	if before != 0 {
		which += " AND s.id < ?"
		args = append(args, int64(before))
	}
	if f.Name != "" {
		which += " AND s.name = ?"
		args = append(args, text(f.Name))
	}
	if f.Tenant != "" {
		which += " AND s.tenant_id = ? AND s.tenant_id <> ''" // as the index says
		args = append(args, text(f.Tenant))
	}
	if f.PerRecipient {
		which += " AND s.recipient = 1"
	}
	const due = "EXISTS (SELECT 1 FROM schedule_clocks c WHERE c.schedule = s.id)"
	switch f.State {
	case schedule.StateActive:
		which += " AND s.paused_at = 0 AND " + due
	case schedule.StatePaused:
		which += " AND s.paused_at <> 0"
	case schedule.StateEnded:
		which += " AND s.paused_at = 0 AND NOT " + due
	case "":
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = schedulesOf(c, which+" ORDER BY s.id DESC LIMIT +?", append(args, limit)...)
		return err
	})
	return found, err
}

// ChangeSchedule implements [schedule.Store].
func (s *Store) ChangeSchedule(ctx context.Context, n schedule.Schedule) (kept schedule.Schedule, err error) {
	rule, err := json.Marshal(n.Rule)
	if err != nil {
		return kept, fmt.Errorf("sqlite: encode the rule: %w", err)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		before, err := oneSchedule(t, n.AppID, n.ID)
		switch {
		case err != nil:
			return err
		case before.Revision != n.Revision:
			return schedule.ErrChanged
		}
		if _, err := t.exec(`UPDATE schedules SET name = ?, rule = ?, recipient = ?, missed = ?, grace = ?, paused_at = ?,
				updated_at = ?, revision = revision + 1 WHERE id = ?`,
			text(n.Name), rule, n.Rule.PerRecipient(), text(n.Missed), n.Grace.Microseconds(), n.PausedAt, n.UpdatedAt,
			int64(n.ID)); err != nil {
			return err
		}
		if !bytes.Equal(before.Template, n.Template) {
			if _, err := t.exec("UPDATE schedule_templates SET template = ? WHERE id = ?", []byte(n.Template), int64(n.ID)); err != nil {
				return err
			}
		}
		if err := t.setClocks(n.ID, n.Clocks); err != nil {
			return err
		}
		t.plan()
		kept, err = oneSchedule(t, n.AppID, n.ID)
		return err
	})
	if err != nil {
		return schedule.Schedule{}, err
	}
	return kept, nil
}

// DeleteSchedule implements [schedule.Store].
func (s *Store) DeleteSchedule(ctx context.Context, appID string, id schedule.ID) error {
	return s.writer.do(ctx, func(t *tx) error {
		found, err := t.one(func(row) {}, "SELECT 1 FROM schedules WHERE id = ? AND +app_id = ?", int64(id), text(appID))
		switch {
		case err != nil:
			return err
		case !found:
			return schedule.ErrNotFound
		}
		for _, sql := range []string{
			"DELETE FROM schedules WHERE id = ?", "DELETE FROM schedule_templates WHERE id = ?",
			"DELETE FROM schedule_clocks WHERE schedule = ?", "DELETE FROM occurrences WHERE schedule = ?",
		} {
			if _, err := t.exec(sql, int64(id)); err != nil {
				return err
			}
		}
		return t.countSchedules(appID, -1)
	})
}

// AddClocks implements [schedule.Store].
func (s *Store) AddClocks(ctx context.Context, id schedule.ID, revision int64, clocks []schedule.Clock) error {
	return s.writer.do(ctx, func(t *tx) error {
		fits, err := t.one(func(row) {}, "SELECT 1 FROM schedules WHERE id = ? AND +revision = ? AND paused_at = 0", int64(id), revision)
		if err != nil || !fits {
			return err
		}
		t.plan()
		return t.addClocks(id, clocks)
	})
}

// DueClocks implements [schedule.Store].
func (s *Store) DueClocks(ctx context.Context, n int, now time.Time) (due schedule.Due, err error) {
	err = s.read(ctx, func(c *conn) error {
		due = schedule.Due{}
		err := c.each(func(r row) error {
			found, err := scanSchedule(r)
			due.Clocks = append(due.Clocks, schedule.DueClock{
				Schedule: found, Clock: schedule.Clock{Zone: r.text(15), NextAt: r.time(16)},
			})
			return err
		}, "SELECT "+scheduleColumns+`, c.zone, c.next_at FROM schedule_clocks c JOIN schedules s ON s.id = c.schedule
			JOIN schedule_templates p ON p.id = s.id WHERE c.next_at <= +? ORDER BY c.next_at, c.schedule, c.zone LIMIT +?`,
			micros(now), n)
		if err != nil || len(due.Clocks) == n {
			return err
		}
		_, err = c.one(func(r row) { due.Next = r.time(0) },
			"SELECT next_at FROM schedule_clocks WHERE next_at > +? ORDER BY next_at LIMIT 1", micros(now))
		return err
	})
	return due, err
}

// Fire implements [schedule.Store].
func (s *Store) Fire(ctx context.Context, firings []schedule.Firing) ([]error, error) {
	results := make([]error, len(firings))
	err := s.writer.do(ctx, func(t *tx) error {
		for i := range firings {
			if results[i] = t.fire(&firings[i]); t.broken != nil {
				return results[i]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// fire moves one clock on. What may be refused comes before anything is written.
func (t *tx) fire(f *schedule.Firing) error {
	number := int64(0)
	found, err := t.one(func(r row) { number = r.int(0) },
		`SELECT s.occurrences FROM schedule_clocks c JOIN schedules s ON s.id = c.schedule
			WHERE c.schedule = ? AND c.zone = ? AND +c.next_at = ? AND +s.revision = ?`,
		int64(f.Schedule), text(f.Clock.Zone), f.Clock.NextAt, f.Revision)
	switch {
	case err != nil:
		return err
	case !found:
		return schedule.ErrChanged
	}
	fresh := make([]schedule.Occurrence, 0, len(f.Occurrences))
	tells := false
	for i, o := range f.Occurrences {
		had, err := t.one(func(row) {}, "SELECT 1 FROM occurrences WHERE schedule = ? AND zone = ? AND at = ?",
			int64(f.Schedule), text(o.Zone), o.At)
		if err != nil {
			return err
		}
		if !had {
			o.Message = 0
			fresh = append(fresh, o)
			tells = i == len(f.Occurrences)-1 && f.Tell != nil
		}
	}
	if tells {
		receipt, err := t.submit(f.Tell, false)
		if err != nil {
			return err
		}
		fresh[len(fresh)-1].Message = receipt.Message
	}
	if err := t.addOccurrences(f.Schedule, number, fresh); err != nil {
		return err
	}
	if f.Next.IsZero() {
		_, err = t.exec("DELETE FROM schedule_clocks WHERE schedule = ? AND zone = ?", int64(f.Schedule), text(f.Clock.Zone))
	} else {
		_, err = t.exec("UPDATE schedule_clocks SET next_at = ? WHERE schedule = ? AND zone = ?",
			f.Next, int64(f.Schedule), text(f.Clock.Zone))
	}
	return err
}

// addOccurrences adds occurrences after the one with a number, and forgets old ones.
func (t *tx) addOccurrences(id schedule.ID, latest int64, fresh []schedule.Occurrence) error {
	if len(fresh) == 0 {
		return nil
	}
	for _, o := range fresh {
		latest++
		if _, err := t.exec(`INSERT INTO occurrences (schedule, number, zone, at, result, reason, message, fired_at, others)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			int64(id), latest, text(o.Zone), o.At, text(o.Result), o.Reason, int64(o.Message), o.FiredAt, o.Others); err != nil {
			return err
		}
	}
	if _, err := t.exec("UPDATE schedules SET occurrences = ? WHERE id = ?", latest, int64(id)); err != nil {
		return err
	}
	if latest <= schedule.KeepOccurrences {
		return nil
	}
	_, err := t.exec("DELETE FROM occurrences WHERE schedule = ? AND number <= +?", int64(id), latest-schedule.KeepOccurrences)
	return err
}

// Occurrences implements [schedule.Store].
func (s *Store) Occurrences(
	ctx context.Context, appID string, id schedule.ID, before int64, limit int,
) (all []schedule.Occurrence, err error) {
	err = s.read(ctx, func(c *conn) error {
		all = nil
		found, err := c.one(func(row) {}, "SELECT 1 FROM schedules WHERE id = ? AND +app_id = ?", int64(id), text(appID))
		if err != nil || !found {
			return cmp.Or(err, schedule.ErrNotFound)
		}
		if before == 0 {
			before = 1<<63 - 1
		}
		return c.each(func(r row) error {
			all = append(all, schedule.Occurrence{
				Number: r.int(0), Zone: r.text(1), At: r.time(2), Result: schedule.Result(r.text(3)), Reason: r.text(4),
				Message: outbox.MessageID(r.int(5)), FiredAt: r.time(6), Others: int(r.int(7)),
			})
			return nil
		}, `SELECT number, zone, at, result, reason, message, fired_at, others FROM occurrences
			WHERE schedule = ? AND number < +? ORDER BY number DESC LIMIT +?`, int64(id), before, limit)
	})
	return all, err
}

// RecipientZones implements [schedule.Store].
func (s *Store) RecipientZones(
	ctx context.Context, appID string, tenant activity.TenantID, tag string,
) (zones []string, err error) {
	query := "SELECT DISTINCT c.time_zone FROM conversations c WHERE +c.app_id = ? AND c.reach = ?"
	args := []any{text(appID), text(book.ReachActive)}
	if tag != "" {
		query = `SELECT DISTINCT c.time_zone FROM tags g CROSS JOIN conversations c ON c.id = g.conversation
			WHERE g.tag = ? AND +c.app_id = ? AND +c.reach = ?`
		args = append([]any{text(tag)}, args...)
	}
	if tenant != "" {
		query += " AND +c.tenant_id = ?"
		args = append(args, text(tenant))
	}
	query += " ORDER BY c.time_zone"
	err = s.read(ctx, func(c *conn) error {
		zones = nil
		return c.each(func(r row) error {
			zones = append(zones, r.text(0))
			return nil
		}, query, args...)
	})
	return zones, err
}
