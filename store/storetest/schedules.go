package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/schedule"
)

func (s suite) schedules(t *testing.T) {
	s.promise(t, "ScheduleIsKeptAsItWasMade", scheduleIsKept)
	s.promise(t, "KeyIsUsedOnce", scheduleKey)
	s.promise(t, "KeyIsUsedOnceByManyAtOnce", scheduleKeyAtOnce)
	s.promise(t, "ThereAreOnlySoMany", tooManySchedules)
	s.promise(t, "ChangeNeedsTheRevision", changeSchedule)
	s.promise(t, "DeletedIsGone", deleteSchedule)
	s.promise(t, "ListsAreFilteredAndPaged", listSchedules)
	s.promise(t, "DueClocksComeInTheOrderOfTheirTimes", dueClocks)
	s.promise(t, "FiringTellsAndMovesTheClock", fires)
	s.promise(t, "FiringHappensOnceWhoeverComesFirst", firesOnce)
	s.promise(t, "FiringIsRefusedAfterAChange", firesNotAfterChange)
	s.promise(t, "OccurrenceIsUnique", occurrenceIsUnique)
	s.promise(t, "RefusedNotificationLeavesTheClock", refusedLeavesClock)
	s.promise(t, "FiringsAreIndependent", firingsAreIndependent)
	s.promise(t, "SkippedOccurrencesAreKept", skippedAreKept)
	s.promise(t, "NewestOccurrencesAreKept", newestAreKept)
	s.promise(t, "ClocksAreAddedForNewZones", addClocks)
	s.promise(t, "RunnerIsToldOfNews", scheduleNews)
	s.promise(t, "TurnCommitsASchedule", turnSchedules)
	s.promise(t, "ZonesOfRecipients", zonesOfRecipients)
	s.promise(t, "ZonesOfRecipientsInATenant", zonesOfTenants)
	s.promise(t, "SchedulesOfTenantsAreTheirOwn", schedulesOfTenants)
}

// scheduleOf is one that is due at some times after the start, each on a clock of its own.
func (e *env) scheduleOf(due ...time.Duration) schedule.Schedule {
	id := e.nextID()
	s := schedule.Schedule{
		ID: schedule.ID(id), AppID: app, Name: fmt.Sprint("schedule ", id), Fingerprint: []byte{1},
		Rule:   schedule.Rule{Cron: "0 9 * * *", Zone: "Europe/Berlin", Except: []string{"2026-12-24"}},
		Missed: schedule.Skip, Grace: 90 * time.Second, Template: jsontext.Value(`{"text":"Tea"}`),
		Revision: 1, CreatedAt: e.start, UpdatedAt: e.start,
	}
	zones := []string{"Asia/Tokyo", "Europe/Berlin", "Pacific/Honolulu"}
	for i, d := range due {
		s.Clocks = append(s.Clocks, schedule.Clock{Zone: zones[i], NextAt: e.at(d)})
	}
	return s
}

func (e *env) schedule(s schedule.Schedule) schedule.Schedule {
	e.Helper()
	kept, replayed, err := e.CreateSchedule(e.ctx, s, 1000)
	e.ok(err)
	if replayed {
		e.Fatal("a new schedule is replayed")
	}
	return kept
}

func (e *env) kept(id schedule.ID) schedule.Schedule {
	e.Helper()
	s, err := e.Schedule(e.ctx, app, id)
	e.ok(err)
	return s
}

// due lists the clocks that are due, as schedule and zone.
func (e *env) due(now time.Time, n int) (list []string, all schedule.Due) {
	e.Helper()
	all, err := e.DueClocks(e.ctx, n, now)
	e.ok(err)
	for _, c := range all.Clocks {
		list = append(list, fmt.Sprint(c.Schedule.ID, " ", c.Clock.Zone))
	}
	return list, all
}

// firing tells somebody of the first clock of a schedule, which is due again after a while.
func (e *env) firing(s schedule.Schedule, again time.Duration, to ...book.Conversation) schedule.Firing {
	c := s.Clocks[0]
	tell := e.message(to...)
	f := schedule.Firing{
		Schedule: s.ID, Revision: s.Revision, Clock: c, Tell: &tell,
		Occurrences: []schedule.Occurrence{{Zone: c.Zone, At: c.NextAt, Result: schedule.Fired, FiredAt: e.at(time.Hour)}},
	}
	if again != 0 {
		f.Next = c.NextAt.Add(again)
	}
	return f
}

func (e *env) fire(f ...schedule.Firing) []error {
	e.Helper()
	results, err := e.Fire(e.ctx, f)
	e.ok(err)
	if len(results) != len(f) {
		e.Fatalf("%d results of %d firings", len(results), len(f))
	}
	return results
}

func (e *env) occurrences(id schedule.ID) []schedule.Occurrence {
	e.Helper()
	all, err := e.Occurrences(e.ctx, app, id, 0, 10_000)
	e.ok(err)
	return all
}

func scheduleIsKept(e *env) {
	s := e.scheduleOf(2*time.Hour, time.Hour)
	want := s
	want.Clocks = []schedule.Clock{s.Clocks[1], s.Clocks[0]} // by time
	equal(e.T, "made", e.schedule(s), want)
	equal(e.T, "kept", e.kept(s.ID), want)
	_, err := e.Schedule(e.ctx, "other app", s.ID)
	e.is(err, schedule.ErrNotFound)
	_, err = e.Schedule(e.ctx, app, s.ID+1)
	e.is(err, schedule.ErrNotFound)

	unnamed := e.scheduleOf()
	unnamed.Name, unnamed.Fingerprint, unnamed.Rule = "", nil, schedule.Rule{At: "2026-12-24T18:00", Zone: schedule.Recipient}
	e.schedule(unnamed)
	got := e.kept(unnamed.ID)
	equal(e.T, "without name and clock", got, unnamed)
	if got.State() != schedule.StateEnded {
		e.Errorf("one without clock is %s", got.State())
	}
}

func scheduleKey(e *env) {
	s := e.scheduleOf(time.Hour)
	s.Key = "key"
	e.schedule(s)
	again := e.scheduleOf(2 * time.Hour)
	again.Key = "key"
	kept, replayed, err := e.CreateSchedule(e.ctx, again, 1000)
	e.ok(err)
	if !replayed {
		e.Error("it was not replayed")
	}
	equal(e.T, "replayed", kept, e.kept(s.ID))
	again.Fingerprint = []byte{2}
	_, _, err = e.CreateSchedule(e.ctx, again, 1000)
	e.is(err, schedule.ErrKeyReused)

	elsewhere := e.scheduleOf()
	elsewhere.Key, elsewhere.AppID = "key", "other app"
	e.schedule(elsewhere)
	e.ok(e.DeleteSchedule(e.ctx, app, s.ID))
	again.ID = schedule.ID(e.nextID())
	e.schedule(again)
}

func scheduleKeyAtOnce(e *env) {
	var made atomic.Int32
	all := make([]schedule.Schedule, 16)
	for i := range all {
		all[i] = e.scheduleOf(time.Hour)
		all[i].Key = "key"
	}
	together(len(all), func(i int) {
		if _, replayed, err := e.CreateSchedule(e.ctx, all[i], 1000); err != nil {
			e.Error(err)
		} else if !replayed {
			made.Add(1)
		}
	})
	if n := made.Load(); n != 1 {
		e.Errorf("%d schedules were made", n)
	}
}

func tooManySchedules(e *env) {
	first := e.schedule(e.scheduleOf())
	e.schedule(e.scheduleOf())
	_, _, err := e.CreateSchedule(e.ctx, e.scheduleOf(), 2)
	e.is(err, schedule.ErrTooMany)
	other := e.scheduleOf()
	other.AppID = "other app"
	_, _, err = e.CreateSchedule(e.ctx, other, 2)
	e.ok(err)
	e.ok(e.DeleteSchedule(e.ctx, app, first.ID))
	_, _, err = e.CreateSchedule(e.ctx, e.scheduleOf(), 2)
	e.ok(err)
}

func changeSchedule(e *env) {
	s := e.schedule(e.scheduleOf(time.Hour, 2*time.Hour))
	s.Name, s.Rule, s.Missed, s.Grace = "changed", schedule.Rule{At: "2027-01-01T00:00"}, schedule.Coalesce, time.Minute
	s.Template, s.UpdatedAt, s.PausedAt, s.Clocks = jsontext.Value(`{"text":"Coffee"}`), e.at(time.Minute), e.at(time.Minute), nil
	got, err := e.ChangeSchedule(e.ctx, s)
	e.ok(err)
	want := s
	want.Revision = 2
	equal(e.T, "changed", got, want)
	equal(e.T, "kept", e.kept(s.ID), want)
	if got.State() != schedule.StatePaused {
		e.Errorf("it is %s", got.State())
	}
	_, err = e.ChangeSchedule(e.ctx, s) // of revision 1
	e.is(err, schedule.ErrChanged)
	s.ID++
	_, err = e.ChangeSchedule(e.ctx, s)
	e.is(err, schedule.ErrNotFound)
	want.Clocks, want.PausedAt = []schedule.Clock{{Zone: "UTC", NextAt: e.at(3 * time.Hour)}}, time.Time{}
	got, err = e.ChangeSchedule(e.ctx, want)
	e.ok(err)
	if got.State() != schedule.StateActive || got.Revision != 3 || len(got.Clocks) != 1 {
		e.Errorf("resumed, it is %+v", got)
	}
}

func deleteSchedule(e *env) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour))
	f := e.firing(s, time.Hour, c)
	e.is(e.fire(f)[0], nil)
	e.is(e.DeleteSchedule(e.ctx, "other app", s.ID), schedule.ErrNotFound)
	e.ok(e.DeleteSchedule(e.ctx, app, s.ID))
	e.is(e.DeleteSchedule(e.ctx, app, s.ID), schedule.ErrNotFound)
	_, err := e.Schedule(e.ctx, app, s.ID)
	e.is(err, schedule.ErrNotFound)
	_, err = e.Occurrences(e.ctx, app, s.ID, 0, 10)
	e.is(err, schedule.ErrNotFound)
	if list, due := e.due(e.at(24*time.Hour), 10); len(list) > 0 || !due.Next.IsZero() {
		e.Errorf("%v is due", list)
	}
	e.record(*f.Tell) // what was told stays
}

func listSchedules(e *env) {
	var all []schedule.Schedule
	for range 3 {
		all = append(all, e.schedule(e.scheduleOf(time.Hour)))
	}
	paused := e.scheduleOf()
	paused.PausedAt = e.start
	all = append(all, e.schedule(paused), e.schedule(e.scheduleOf()))
	personal := e.scheduleOf(time.Hour)
	personal.Rule.Zone = schedule.Recipient
	all = append(all, e.schedule(personal))
	other := e.scheduleOf(time.Hour)
	other.AppID = "other app"
	e.schedule(other)

	for _, tt := range []struct {
		what   string
		f      schedule.Filter
		before schedule.ID
		limit  int
		want   []schedule.Schedule // oldest first
	}{
		{"all", schedule.Filter{}, 0, 100, all},
		{"the newest", schedule.Filter{}, 0, 2, all[4:]},
		{"the next", schedule.Filter{}, all[4].ID, 2, all[2:4]},
		{"active", schedule.Filter{State: schedule.StateActive}, 0, 100, slices.Concat(all[:3], all[5:])},
		{"paused", schedule.Filter{State: schedule.StatePaused}, 0, 100, all[3:4]},
		{"ended", schedule.Filter{State: schedule.StateEnded}, 0, 100, all[4:5]},
		{"by name", schedule.Filter{Name: all[1].Name}, 0, 100, all[1:2]},
		{"per recipient", schedule.Filter{PerRecipient: true, State: schedule.StateActive}, 0, 100, all[5:]},
		{"none", schedule.Filter{Name: "nothing"}, 0, 100, nil},
	} {
		got, err := e.Schedules(e.ctx, app, tt.f, tt.before, tt.limit)
		e.ok(err)
		slices.Reverse(got)
		equal(e.T, tt.what, got, tt.want)
	}
}

func dueClocks(e *env) {
	a := e.schedule(e.scheduleOf(2*time.Hour, 4*time.Hour))
	b := e.schedule(e.scheduleOf(time.Hour, 2*time.Hour))
	names := []string{
		fmt.Sprint(b.ID, " Asia/Tokyo"), fmt.Sprint(a.ID, " Asia/Tokyo"), fmt.Sprint(b.ID, " Europe/Berlin"),
		fmt.Sprint(a.ID, " Europe/Berlin"),
	}
	for _, tt := range []struct {
		now  time.Duration
		n    int
		want []string
		next time.Time
	}{
		{time.Hour - time.Millisecond, 10, nil, e.at(time.Hour)},
		{time.Hour, 10, names[:1], e.at(2 * time.Hour)},
		{3 * time.Hour, 10, names[:3], e.at(4 * time.Hour)},
		{3 * time.Hour, 2, names[:2], time.Time{}},
		{5 * time.Hour, 10, names, time.Time{}},
	} {
		got, due := e.due(e.at(tt.now), tt.n)
		if !slices.Equal(got, tt.want) || !due.Next.Equal(tt.next) {
			e.Errorf("at %v %v is due and then something at %v, want %v and %v", tt.now, got, due.Next, tt.want, tt.next)
		}
	}
	_, due := e.due(e.at(time.Hour), 1)
	want := b
	want.Clocks = nil
	equal(e.T, "a due clock", due.Clocks, []schedule.DueClock{{Schedule: want, Clock: b.Clocks[0]}})
}

func fires(e *env) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour))
	f := e.firing(s, 24*time.Hour, c)
	e.quiet()
	e.is(e.fire(f)[0], nil)
	e.woken()
	want := f.Occurrences
	want[0].Number, want[0].Message = 1, f.Tell.Message.ID
	equal(e.T, "occurrences", e.occurrences(s.ID), want)
	got := e.kept(s.ID)
	if got.Occurrences != 1 || got.Revision != 1 || len(got.Clocks) != 1 || !got.Clocks[0].NextAt.Equal(f.Next) {
		e.Errorf("afterwards it is %+v", got)
	}
	e.claimsOnly(10, e.at(time.Hour), *f.Tell)

	last := e.firing(got, 0, c)
	e.is(e.fire(last)[0], nil)
	if got := e.kept(s.ID); got.State() != schedule.StateEnded || got.Occurrences != 2 {
		e.Errorf("after the last one it is %+v", got)
	}
	some, err := e.Occurrences(e.ctx, app, s.ID, 2, 10)
	e.ok(err)
	equal(e.T, "before the second", some, want)
	some, err = e.Occurrences(e.ctx, app, s.ID, 0, 1)
	e.ok(err)
	if len(some) != 1 || some[0].Number != 2 {
		e.Errorf("the newest is %+v", some)
	}
	_, err = e.Occurrences(e.ctx, "other app", s.ID, 0, 1)
	e.is(err, schedule.ErrNotFound)
}

func firesOnce(e *env) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour))
	all := make([]schedule.Firing, 16)
	for i := range all {
		all[i] = e.firing(s, 24*time.Hour, c)
	}
	var told atomic.Int32
	together(len(all), func(i int) {
		results, err := e.Fire(e.ctx, all[i:i+1])
		switch {
		case err != nil:
			e.Error(err)
		case results[0] == nil:
			told.Add(1)
		case !errors.Is(results[0], schedule.ErrChanged):
			e.Error(results[0])
		}
	})
	if n := told.Load(); n != 1 {
		e.Errorf("it was told %d times", n)
	}
	if got := e.occurrences(s.ID); len(got) != 1 {
		e.Errorf("there are %d occurrences", len(got))
	}
	if got := len(e.claims(100, e.at(time.Hour)).Attempts); got != 1 {
		e.Errorf("there are %d deliveries", got)
	}
}

func firesNotAfterChange(e *env) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour))
	late := e.firing(s, time.Hour, c)
	changed := s
	changed.Name = "changed"
	_, err := e.ChangeSchedule(e.ctx, changed)
	e.ok(err)
	e.is(e.fire(late)[0], schedule.ErrChanged)
	gone := e.schedule(e.scheduleOf(time.Hour))
	late = e.firing(gone, time.Hour, c)
	e.ok(e.DeleteSchedule(e.ctx, app, gone.ID))
	e.is(e.fire(late)[0], schedule.ErrChanged)
	e.claimsOnly(10, e.at(2*time.Hour))
}

func occurrenceIsUnique(e *env) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour))
	e.is(e.fire(e.firing(s, time.Hour, c))[0], nil)
	s.Clocks[0].NextAt = e.at(time.Hour) // as after the server's clock was put back
	again, err := e.ChangeSchedule(e.ctx, s)
	e.ok(err)
	e.is(e.fire(e.firing(again, time.Hour, c))[0], nil)
	if got := e.occurrences(s.ID); len(got) != 1 {
		e.Errorf("there are %d occurrences", len(got))
	}
	if got := len(e.claims(100, e.at(time.Hour)).Attempts); got != 1 {
		e.Errorf("there are %d deliveries", got)
	}
	if got := e.kept(s.ID); !got.Clocks[0].NextAt.Equal(e.at(2 * time.Hour)) {
		e.Errorf("the clock stands at %v", got.Clocks[0].NextAt)
	}
}

func refusedLeavesClock(e *env) {
	s := e.schedule(e.scheduleOf(time.Hour))
	f := e.firing(s, time.Hour, book.Conversation{Row: 4711})
	f.Occurrences = append([]schedule.Occurrence{{
		Zone: "UTC", At: e.start, Result: schedule.Skipped, FiredAt: e.start,
	}}, f.Occurrences...)
	e.is(e.fire(f)[0], book.ErrNotFound)
	equal(e.T, "after a refusal", e.kept(s.ID), s)
	if got := e.occurrences(s.ID); len(got) != 0 {
		e.Errorf("there are occurrences: %+v", got)
	}
}

func firingsAreIndependent(e *env) {
	c := e.meet("a")
	a, b, d := e.schedule(e.scheduleOf(time.Hour)), e.schedule(e.scheduleOf(time.Hour)), e.schedule(e.scheduleOf(time.Hour, time.Hour))
	stale := e.firing(b, time.Hour, c)
	stale.Clock.NextAt = e.at(time.Minute)
	second := e.firing(d, time.Hour, c)
	second.Clock, second.Occurrences = d.Clocks[1], slices.Clone(second.Occurrences)
	second.Occurrences[0].Zone = d.Clocks[1].Zone
	got := e.fire(e.firing(a, time.Hour, c), stale, e.firing(d, time.Hour, c), second)
	e.is(got[0], nil)
	e.is(got[1], schedule.ErrChanged)
	e.is(got[2], nil)
	e.is(got[3], nil)
	if list, _ := e.due(e.at(time.Hour), 10); len(list) != 1 {
		e.Errorf("%v are due", list)
	}
	if n := e.kept(d.ID).Occurrences; n != 2 {
		e.Errorf("one instant on two clocks is %d occurrences", n)
	}
}

func skippedAreKept(e *env) {
	s := e.schedule(e.scheduleOf(time.Hour))
	f := schedule.Firing{
		Schedule: s.ID, Revision: 1, Clock: s.Clocks[0], Next: e.at(9 * time.Hour),
		Occurrences: []schedule.Occurrence{{
			Zone: "Asia/Tokyo", At: e.at(time.Hour), Result: schedule.Skipped, Reason: schedule.ReasonMissed, FiredAt: e.at(8 * time.Hour),
			Others: 6,
		}},
	}
	e.is(e.fire(f)[0], nil)
	f.Occurrences[0].Number = 1
	equal(e.T, "skipped", e.occurrences(s.ID), f.Occurrences)

	moved := schedule.Firing{Schedule: s.ID, Revision: 1, Clock: e.kept(s.ID).Clocks[0], Next: e.at(10 * time.Hour)}
	e.is(e.fire(moved)[0], nil) // no occurrence at all
	if got := e.kept(s.ID); got.Occurrences != 1 || !got.Clocks[0].NextAt.Equal(moved.Next) {
		e.Errorf("moved, it is %+v", got)
	}
}

func newestAreKept(e *env) {
	s := e.schedule(e.scheduleOf(time.Hour))
	const n = schedule.KeepOccurrences + 20
	for done := 0; done < n; {
		f := schedule.Firing{Schedule: s.ID, Revision: 1, Clock: e.kept(s.ID).Clocks[0]}
		for range 60 {
			f.Occurrences = append(f.Occurrences, schedule.Occurrence{
				Zone: "UTC", At: e.at(time.Duration(done) * time.Minute), Result: schedule.Skipped, FiredAt: e.start,
			})
			done++
		}
		f.Next = f.Clock.NextAt.Add(time.Hour)
		e.is(e.fire(f)[0], nil)
	}
	got := e.occurrences(s.ID)
	if len(got) < schedule.KeepOccurrences || len(got) >= n {
		e.Errorf("%d of %d occurrences are kept", len(got), n)
	}
	if latest := e.kept(s.ID).Occurrences; got[0].Number != latest {
		e.Errorf("the newest is %d, the latest %d", got[0].Number, latest)
	}
}

func addClocks(e *env) {
	s := e.schedule(e.scheduleOf(time.Hour))
	more := []schedule.Clock{{Zone: "Asia/Tokyo", NextAt: e.at(time.Minute)}, {Zone: "UTC", NextAt: e.at(30 * time.Minute)}}
	e.ok(e.AddClocks(e.ctx, s.ID, s.Revision+1, more))
	equal(e.T, "with another revision", e.kept(s.ID), s)
	e.ok(e.AddClocks(e.ctx, s.ID, s.Revision, more))
	want := s
	want.Clocks = []schedule.Clock{more[1], s.Clocks[0]}
	equal(e.T, "with one more zone", e.kept(s.ID), want)
	want.PausedAt, want.Clocks = e.start, nil
	paused, err := e.ChangeSchedule(e.ctx, want)
	e.ok(err)
	e.ok(e.AddClocks(e.ctx, s.ID, paused.Revision, more))
	equal(e.T, "while it is paused", e.kept(s.ID), paused)
	e.ok(e.AddClocks(e.ctx, s.ID+1, 1, more))
}

func scheduleNews(e *env) {
	told := func(what string) {
		e.Helper()
		select {
		case <-e.ScheduleNews():
		case <-e.ctx.Done():
			e.Fatalf("the runner was not told of %s", what)
		}
	}
	s := e.schedule(e.scheduleOf(time.Hour))
	told("a new schedule")
	s, err := e.ChangeSchedule(e.ctx, s)
	e.ok(err)
	told("a change")
	e.ok(e.AddClocks(e.ctx, s.ID, s.Revision, []schedule.Clock{{Zone: "UTC", NextAt: e.start}}))
	told("a clock")
	c := e.meet("a")
	l := e.lease(c.Key)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{schedule.Create{Schedule: e.scheduleOf(time.Minute), Most: 10}}))
	l.Release()
	told("a turn's schedule")
}

func turnSchedules(e *env) {
	c := e.meet("a")
	l := e.lease(c.Key)
	s := e.scheduleOf(time.Hour)
	s.Key = "key"
	e.ok(e.Commit(e.ctx, l, []headsup.Op{schedule.Create{Schedule: s, Most: 10}}))
	equal(e.T, "committed", e.kept(s.ID), s)
	again := s
	again.ID = schedule.ID(e.nextID())
	e.ok(e.Commit(e.ctx, l, []headsup.Op{schedule.Create{Schedule: again, Most: 10}}))
	again.Fingerprint = []byte{2}
	e.is(e.Commit(e.ctx, l, []headsup.Op{saves("x", `{"n":1}`), schedule.Create{Schedule: again, Most: 10}}), schedule.ErrKeyReused)
	again.Key = "another"
	e.is(e.Commit(e.ctx, l, []headsup.Op{schedule.Create{Schedule: again, Most: 1}}), schedule.ErrTooMany)
	l.Release()
	all, err := e.Schedules(e.ctx, app, schedule.Filter{}, 0, 10)
	e.ok(err)
	if len(all) != 1 {
		e.Errorf("there are %d schedules", len(all))
	}
}

func zonesOfRecipients(e *env) {
	for i, zone := range []string{"Europe/Berlin", "", "Asia/Tokyo", "Europe/Berlin", "America/Lima"} {
		s := sightingOf(keyOf(fmt.Sprint(i)), e.start)
		s.TimeZone = zone
		e.sight(s)
	}
	e.ok(e.StrikeOut(e.ctx, keyOf("4"), book.Standing{Reach: book.ReachUninstalled, Cause: "uninstalled", At: e.start}))
	for _, i := range []int{2, 3, 4} {
		e.ok(e.Label(e.ctx, keyOf(fmt.Sprint(i)), book.Labels{Tags: &[]string{"team"}}, e.start))
	}
	for _, tt := range []struct {
		app, tag string
		want     []string
	}{
		{app, "", []string{"", "Asia/Tokyo", "Europe/Berlin"}},
		{app, "team", []string{"Asia/Tokyo", "Europe/Berlin"}},
		{app, "nobody", nil},
		{"other app", "", nil},
	} {
		got, err := e.RecipientZones(e.ctx, tt.app, "", tt.tag)
		e.ok(err)
		if !slices.Equal(got, tt.want) {
			e.Errorf("zones of %+v are %q", tt, got)
		}
	}
}

func schedulesAreThere(e *env, again func(*env)) {
	c := e.meet("a")
	s := e.schedule(e.scheduleOf(time.Hour, 2*time.Hour))
	f := e.firing(s, time.Hour, c)
	e.is(e.fire(f)[0], nil)
	want, told := e.kept(s.ID), e.occurrences(s.ID)
	again(e)

	equal(e.T, "after the end", e.kept(s.ID), want)
	equal(e.T, "occurrences after the end", e.occurrences(s.ID), told)
	e.is(e.fire(f)[0], schedule.ErrChanged)
	if _, due := e.due(e.start, 10); !due.Next.Equal(e.at(2 * time.Hour)) {
		e.Errorf("it is due next at %v", due.Next)
	}
}
