package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/schedule"
)

type scheduleTables struct {
	byID map[schedule.ID]*scheduled
	keys map[scheduleKey]*scheduled
	news chan struct{}
}

type scheduleKey struct {
	app    string
	tenant activity.TenantID
	key    string
}

type scheduled struct {
	schedule.Schedule
	occurrences []schedule.Occurrence // oldest first
}

func newScheduleTables() scheduleTables {
	return scheduleTables{
		byID: make(map[schedule.ID]*scheduled), keys: make(map[scheduleKey]*scheduled), news: make(chan struct{}, 1),
	}
}

func copySchedule(s schedule.Schedule) schedule.Schedule {
	s.Fingerprint, s.Template, s.Clocks = slices.Clone(s.Fingerprint), slices.Clone(s.Template), slices.Clone(s.Clocks)
	s.Rule.Except = slices.Clone(s.Rule.Except)
	return s
}

// setClocks replaces all clocks.
func (s *scheduled) setClocks(clocks []schedule.Clock) {
	s.Clocks = slices.SortedFunc(slices.Values(clocks), func(a, b schedule.Clock) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.Zone, b.Zone))
	})
}

func (t *scheduleTables) signal() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// find returns an app's schedule, or ErrNotFound. The store's lock is held.
func (t *scheduleTables) find(appID string, id schedule.ID) (*scheduled, error) {
	s := t.byID[id]
	if s == nil || s.AppID != appID {
		return nil, schedule.ErrNotFound
	}
	return s, nil
}

// ScheduleNews implements [schedule.Store].
func (s *Store) ScheduleNews() <-chan struct{} { return s.schedules.news }

// CreateSchedule implements [schedule.Store].
func (s *Store) CreateSchedule(_ context.Context, n schedule.Schedule, most int) (schedule.Schedule, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin()
	kept, replayed, err := t.schedule(n, most)
	if err != nil {
		return schedule.Schedule{}, false, err
	}
	t.commit()
	return copySchedule(kept.Schedule), replayed, nil
}

// schedule plans to keep a schedule.
func (t *tx) schedule(n schedule.Schedule, most int) (kept *scheduled, replayed bool, err error) {
	tables := &t.s.schedules
	key := scheduleKey{n.AppID, n.Tenant, n.Key}
	if earlier := cmp.Or(t.schedules[key], tables.keys[key]); earlier != nil && n.Key != "" {
		if !bytes.Equal(earlier.Fingerprint, n.Fingerprint) {
			return nil, false, schedule.ErrKeyReused
		}
		return earlier, true, nil
	}
	have := 0
	for _, other := range tables.byID {
		if other.AppID == n.AppID {
			have++
		}
	}
	if have >= most {
		return nil, false, schedule.ErrTooMany
	}
	kept = &scheduled{Schedule: copySchedule(n)}
	kept.Revision, kept.Occurrences = 1, 0
	kept.setClocks(n.Clocks)
	t.schedules[key] = kept
	t.then = append(t.then, func() {
		tables.byID[kept.ID] = kept
		if n.Key != "" {
			tables.keys[key] = kept
		}
		tables.signal()
	})
	return kept, false, nil
}

// Schedule implements [schedule.Store].
func (s *Store) Schedule(_ context.Context, appID string, id schedule.ID) (schedule.Schedule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.schedules.find(appID, id)
	if err != nil {
		return schedule.Schedule{}, err
	}
	return copySchedule(found.Schedule), nil
}

// Schedules implements [schedule.Store].
func (s *Store) Schedules(
	_ context.Context, appID string, f schedule.Filter, before schedule.ID, limit int,
) ([]schedule.Schedule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []schedule.Schedule
	for _, one := range s.schedules.byID {
		if one.AppID == appID && (before == 0 || one.ID < before) && (f.State == "" || one.State() == f.State) &&
			(f.Name == "" || one.Name == f.Name) && (f.Tenant == "" || one.Tenant == f.Tenant) && (!f.PerRecipient || one.Rule.PerRecipient()) {
			found = append(found, copySchedule(one.Schedule))
		}
	}
	slices.SortFunc(found, func(a, b schedule.Schedule) int { return cmp.Compare(b.ID, a.ID) })
	return found[:min(limit, len(found))], nil
}

// ChangeSchedule implements [schedule.Store].
func (s *Store) ChangeSchedule(_ context.Context, n schedule.Schedule) (schedule.Schedule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.schedules.find(n.AppID, n.ID)
	switch {
	case err != nil:
		return schedule.Schedule{}, err
	case found.Revision != n.Revision:
		return schedule.Schedule{}, schedule.ErrChanged
	}
	n = copySchedule(n)
	found.Name, found.Rule, found.Missed, found.Grace, found.Template = n.Name, n.Rule, n.Missed, n.Grace, n.Template
	found.PausedAt, found.UpdatedAt = n.PausedAt, n.UpdatedAt
	found.Revision++
	found.setClocks(n.Clocks)
	s.schedules.signal()
	return copySchedule(found.Schedule), nil
}

// DeleteSchedule implements [schedule.Store].
func (s *Store) DeleteSchedule(_ context.Context, appID string, id schedule.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.schedules.find(appID, id)
	if err != nil {
		return err
	}
	delete(s.schedules.byID, id)
	delete(s.schedules.keys, scheduleKey{appID, found.Tenant, found.Key})
	return nil
}

// AddClocks implements [schedule.Store].
func (s *Store) AddClocks(_ context.Context, id schedule.ID, revision int64, clocks []schedule.Clock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.schedules.byID[id]
	if found == nil || found.Revision != revision || !found.PausedAt.IsZero() {
		return nil
	}
	all := slices.Clone(found.Clocks)
	for _, c := range clocks {
		if !slices.ContainsFunc(all, func(have schedule.Clock) bool { return have.Zone == c.Zone }) {
			all = append(all, c)
		}
	}
	found.setClocks(all)
	s.schedules.signal()
	return nil
}

// DueClocks implements [schedule.Store].
func (s *Store) DueClocks(_ context.Context, n int, now time.Time) (due schedule.Due, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.schedules.byID {
		for _, c := range one.Clocks {
			if !c.NextAt.After(now) {
				listed := copySchedule(one.Schedule)
				listed.Clocks = nil
				due.Clocks = append(due.Clocks, schedule.DueClock{Schedule: listed, Clock: c})
			} else if due.Next.IsZero() || c.NextAt.Before(due.Next) {
				due.Next = c.NextAt
			}
		}
	}
	slices.SortFunc(due.Clocks, func(a, b schedule.DueClock) int {
		return cmp.Or(a.Clock.NextAt.Compare(b.Clock.NextAt), cmp.Compare(a.Schedule.ID, b.Schedule.ID),
			cmp.Compare(a.Clock.Zone, b.Clock.Zone))
	})
	if len(due.Clocks) >= n {
		due.Clocks, due.Next = due.Clocks[:n], time.Time{}
	}
	return due, nil
}

// Fire implements [schedule.Store].
func (s *Store) Fire(_ context.Context, firings []schedule.Firing) ([]error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]error, len(firings))
	for i, f := range firings {
		results[i] = s.fire(f)
	}
	return results, nil
}

// fire moves one clock on. The store's lock is held.
func (s *Store) fire(f schedule.Firing) error {
	found := s.schedules.byID[f.Schedule]
	if found == nil || found.Revision != f.Revision {
		return schedule.ErrChanged
	}
	at := slices.IndexFunc(found.Clocks, func(c schedule.Clock) bool {
		return c.Zone == f.Clock.Zone && c.NextAt.Equal(f.Clock.NextAt)
	})
	if at < 0 {
		return schedule.ErrChanged
	}
	t := s.begin()
	var added []schedule.Occurrence
	for i, o := range f.Occurrences {
		if slices.ContainsFunc(found.occurrences, func(have schedule.Occurrence) bool {
			return have.Zone == o.Zone && have.At.Equal(o.At)
		}) {
			continue
		}
		o.Number, o.Message = found.Occurrences+int64(len(added))+1, 0
		if i == len(f.Occurrences)-1 && f.Tell != nil {
			receipt, err := t.submit(*f.Tell, nil)
			if err != nil {
				return err
			}
			o.Message = receipt.Message
		}
		added = append(added, o)
	}
	t.commit()
	found.Occurrences += int64(len(added))
	found.occurrences = append(found.occurrences, added...)
	if over := len(found.occurrences) - schedule.KeepOccurrences; over > 0 {
		found.occurrences = slices.Delete(found.occurrences, 0, over)
	}
	clocks := slices.Delete(slices.Clone(found.Clocks), at, at+1)
	if !f.Next.IsZero() {
		clocks = append(clocks, schedule.Clock{Zone: f.Clock.Zone, NextAt: f.Next})
	}
	found.setClocks(clocks)
	return nil
}

// Occurrences implements [schedule.Store].
func (s *Store) Occurrences(
	_ context.Context, appID string, id schedule.ID, before int64, limit int,
) ([]schedule.Occurrence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.schedules.find(appID, id)
	if err != nil {
		return nil, err
	}
	var all []schedule.Occurrence
	for _, o := range slices.Backward(found.occurrences) {
		if len(all) < limit && (before == 0 || o.Number < before) {
			all = append(all, o)
		}
	}
	return all, nil
}

// RecipientZones implements [schedule.Store].
func (s *Store) RecipientZones(_ context.Context, appID string, tenant activity.TenantID, tag string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var zones []string
	for _, e := range s.book.byKey {
		if e.Key.AppID == appID && e.Reach == book.ReachActive && (tenant == "" || e.Key.Tenant == tenant) &&
			(tag == "" || slices.Contains(e.tags, tag)) {
			zones = append(zones, e.TimeZone)
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones), nil
}
