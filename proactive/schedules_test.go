package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/store/memory"
)

// In a bubble it is midnight in UTC on the 1st of January 2000, a Saturday, when a test begins.

func (f fixture) schedule(t *testing.T, n proactive.NewSchedule) proactive.Schedule {
	t.Helper()
	if n.Notification.Text == "" && n.Notification.Activity == nil {
		n.Notification.Text = "tea"
	}
	s, err := f.engine.Schedule(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f fixture) occurrences(t *testing.T, id schedule.ID) []proactive.Occurrence {
	t.Helper()
	all, err := f.engine.Occurrences(t.Context(), id, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// told lists to whom something was said, in the order of their names: at one time there is no order.
func (f fixture) told() []string {
	var all []string
	for _, out := range f.channel.Sent() {
		all = append(all, string(out.Activity.Conversation.ID))
	}
	slices.Sort(all)
	return all
}

// meet puts a personal conversation into the book.
func (f fixture) meet(t *testing.T, id, zone string, tags ...string) {
	t.Helper()
	ref := inbound("1", id, "user of "+id, "").Reference()
	key := headsup.KeyOf("app", ref)
	if _, err := f.store.Sight(t.Context(), book.Sighting{
		Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim, TimeZone: zone, At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Label(t.Context(), key, book.Labels{Tags: &tags}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// until sleeps to an instant of the bubble, and lets all that happens then happen.
func until(t *testing.T, at string) {
	t.Helper()
	when, err := time.Parse("2006-01-02T15:04", at)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(when))
	synctest.Wait()
}

func TestScheduleTellsWhatIsDue(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Name: "tea", Rule: schedule.Rule{Cron: "*/10 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		until(t, "2000-01-01T00:09")
		if got := f.told(); len(got) != 0 {
			t.Errorf("too early %v was told", got)
		}
		until(t, "2000-01-01T00:35")
		if got := f.told(); len(got) != 3 {
			t.Errorf("%v was told, want 3 times", got)
		}
		all := f.occurrences(t, s.ID)
		for i, o := range all {
			want := time.Date(2000, 1, 1, 0, 10*(i+1), 0, 0, time.UTC)
			if !o.At.Equal(want) || !o.FiredAt.Equal(want) || o.Result != schedule.Fired || o.Number != int64(i+1) {
				t.Errorf("occurrence %+v, want one at %v", o, want)
			}
			if status := f.status(t, o.Notification); status.State() != outbox.StateDelivered {
				t.Errorf("%s is %s", o.Notification, status.State())
			}
		}
		if len(all) != 3 {
			t.Errorf("there are %d occurrences", len(all))
		}
		if got, err := f.engine.FindSchedule(t.Context(), s.ID); err != nil || got.Name != "tea" || got.Occurrences != 3 || got.State() != schedule.StateActive {
			t.Errorf("it is %+v, %v", got, err)
		}
	})
}

func TestScheduleIsDueAtOnceAfterAChange(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		to := headsup.Notification{To: headsup.Target{Conversation: "c1"}}
		f.schedule(t, proactive.NewSchedule{Rule: schedule.Rule{At: "2000-01-01T12:00"}, Notification: to})
		f.schedule(t, proactive.NewSchedule{In: 1500 * time.Millisecond, Notification: to})
		began := time.Now()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := f.told(); len(got) != 1 {
			t.Errorf("%v after the start %v was told", time.Since(began), got)
		}
		until(t, "2000-01-01T12:00")
		if got := f.told(); len(got) != 2 {
			t.Errorf("in the end %v was told", got)
		}
		if s, err := f.engine.Schedules(t.Context(), schedule.Filter{State: schedule.StateEnded}, 0, 10); err != nil || len(s) != 2 {
			t.Errorf("%d have ended, %v", len(s), err)
		}
	})
}

func TestScheduleFindsItsTargetEachTime(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Tag: "team"}},
		})
		until(t, "2000-01-01T01:30")
		f.meet(t, "c1", "", "team")
		until(t, "2000-01-01T02:30")
		f.meet(t, "c2", "", "team")
		f.meet(t, "c3", "")
		until(t, "2000-01-01T03:30")
		if got := fmt.Sprint(f.told()); got != "[c1 c1 c2]" {
			t.Errorf("%s was told", got)
		}
		first := f.occurrences(t, s.ID)[0]
		if first.Result != schedule.Skipped || first.Reason != schedule.ReasonNobody || first.Notification != "" {
			t.Errorf("with nobody to tell it is %+v", first)
		}
	})
}

func TestScheduleGoesByTheRecipientsClocks(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "tokyo", "Asia/Tokyo", "team")
		f.meet(t, "berlin", "Europe/Berlin", "team")
		f.meet(t, "nowhere", "", "team")
		f.meet(t, "atlantis", "Atlantic/Atlantis", "team")
		f.meet(t, "lima", "America/Lima")
		s := f.schedule(t, proactive.NewSchedule{
			Rule:         schedule.Rule{Cron: "0 9 * * *", Zone: schedule.Recipient, FallbackZone: "Europe/Lisbon"},
			Notification: headsup.Notification{To: headsup.Target{Tag: "team"}},
		})
		for _, step := range []struct{ at, want string }{
			{"2000-01-01T07:59", "[]"},
			{"2000-01-01T08:00", "[berlin]"},
			{"2000-01-01T09:00", "[atlantis berlin nowhere]"},
			{"2000-01-01T23:59", "[atlantis berlin nowhere]"},
			{"2000-01-02T00:00", "[atlantis berlin nowhere tokyo]"},
		} {
			until(t, step.at)
			if got := fmt.Sprint(f.told()); got != step.want {
				t.Errorf("at %s %s were told, want %s", step.at, got, step.want)
			}
		}
		f.meet(t, "honolulu", "Pacific/Honolulu", "team") // is found within the hour
		f.meet(t, "tokyo", "Europe/Berlin", "team")       // has moved
		until(t, "2000-01-03T08:30")
		if got := fmt.Sprint(f.told()); got != "[atlantis atlantis berlin berlin berlin honolulu nowhere nowhere tokyo tokyo tokyo]" {
			t.Errorf("afterwards %s were told", got)
		}
		var zones []string
		for _, o := range f.occurrences(t, s.ID) {
			zones = append(zones, o.Zone)
		}
		want := "[Europe/Berlin Europe/Lisbon Asia/Tokyo Europe/Berlin Europe/Lisbon Pacific/Honolulu Europe/Berlin]"
		if fmt.Sprint(zones) != want {
			t.Errorf("occurrences are in %v", zones)
		}
		kept, err := f.engine.FindSchedule(t.Context(), s.ID)
		if err != nil || slices.ContainsFunc(kept.Clocks, func(c schedule.Clock) bool { return c.Zone == "Asia/Tokyo" }) {
			t.Errorf("where nobody lives any more is a clock: %v, %v", kept.Clocks, err)
		}
	})
}

func TestScheduleOnceOnEveryClock(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "tokyo", "Asia/Tokyo")
		f.meet(t, "honolulu", "Pacific/Honolulu")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{At: "2000-01-01T12:00", Zone: schedule.Recipient}, Notification: headsup.Notification{To: headsup.Target{Everyone: true}},
		})
		until(t, "2000-01-01T03:00")
		if got := fmt.Sprint(f.told()); got != "[tokyo]" {
			t.Errorf("%s were told", got)
		}
		until(t, "2000-01-01T22:30")
		if got := fmt.Sprint(f.told()); got != "[honolulu tokyo]" {
			t.Errorf("in the end %s were told", got)
		}
		if kept, err := f.engine.FindSchedule(t.Context(), s.ID); err != nil || kept.State() != schedule.StateEnded || kept.Occurrences != 2 {
			t.Errorf("in the end it is %s after %d occurrences, %v", kept.State(), kept.Occurrences, err)
		}
	})
}

// stopped runs a test with an engine that was stopped from 00:05 to 04:25.
func stopped(t *testing.T, rule schedule.Rule, missed schedule.Missed, expires time.Duration, test func(t *testing.T, f fixture, id schedule.ID)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
		run := func(until string) {
			var err error
			if f.engine, err = proactive.New(proactive.Config{AppID: "app", Store: f.store, Channel: f.channel}); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := f.engine.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			when, err := time.Parse("2006-01-02T15:04", until)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(when))
			stop()
			wg.Wait()
		}
		f.meet(t, "c1", "")
		run("2000-01-01T00:01")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: rule, Missed: missed, ExpiresIn: expires, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		run("2000-01-01T00:05")
		until(t, "2000-01-01T04:25")
		run("2000-01-01T05:05")
		test(t, f, s.ID)
	})
}

func TestMissedOccurrences(t *testing.T) {
	t.Parallel()
	hourly := schedule.Rule{Cron: "0 * * * *"}
	for _, tt := range []struct {
		name    string
		rule    schedule.Rule
		missed  schedule.Missed
		expires time.Duration
		told    int
		want    []string // minutes after midnight, result, reason, others
	}{
		{"AreToldLate", hourly, schedule.FireLate, 0, 5, []string{"60 fired", "120 fired", "180 fired", "240 fired", "300 fired"}},
		{"AreSkipped", hourly, schedule.Skip, 0, 1, []string{"60 skipped missed 3", "300 fired"}},
		{"AreToldAsOne", hourly, schedule.Coalesce, 0, 2, []string{"240 fired coalesced 3", "300 fired"}},
		{"AreNotToldWhenTheyHaveExpired", hourly, schedule.FireLate, 2 * time.Hour, 3, []string{
			"60 skipped expired", "120 skipped expired", "180 fired", "240 fired", "300 fired",
		}},
		{"WithinTheGraceAreNotMissed", schedule.Rule{Cron: "24 0-4 * * *"}, schedule.Skip, 0, 1, []string{"24 skipped missed 3", "264 fired"}},
		{"OfOneTimeAreToldLate", schedule.Rule{At: "2000-01-01T02:00"}, schedule.FireLate, 0, 1, []string{"120 fired"}},
		{"OfOneTimeAreSkipped", schedule.Rule{At: "2000-01-01T02:00"}, schedule.Skip, 0, 0, []string{"120 skipped missed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stopped(t, tt.rule, tt.missed, tt.expires, func(t *testing.T, f fixture, id schedule.ID) {
				var got []string
				for _, o := range f.occurrences(t, id) {
					text := fmt.Sprintf("%d %s %s", int(o.At.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Minutes()), o.Result, o.Reason)
					if text = strings.TrimSpace(text); o.Others > 0 {
						text += fmt.Sprint(" ", o.Others)
					}
					got = append(got, text)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("occurrences are %q, want %q", got, tt.want)
				}
				if n := len(f.told()); n != tt.told {
					t.Errorf("it was told %d times, want %d", n, tt.told)
				}
			})
		})
	}
}

func TestCatchingUpIsBounded(t *testing.T) {
	stopped(t, schedule.Rule{Cron: "30 * * * * *"}, schedule.FireLate, 0, func(t *testing.T, f fixture, id schedule.ID) {
		// From 00:05:30 to 04:24:30 are 260, of which 100 are told late; four were told before and 40 after.
		if n := len(f.told()); n != 4+100+40 {
			t.Errorf("it was told %d times", n)
		}
		skipped := f.occurrences(t, id)[4]
		if skipped.Result != schedule.Skipped || skipped.Reason != schedule.ReasonMissed || skipped.Others != 159 {
			t.Errorf("those that were too many are %+v", skipped)
		}
		if next := f.occurrences(t, id)[5]; !next.At.Equal(time.Date(2000, 1, 1, 2, 45, 30, 0, time.UTC)) {
			t.Errorf("the first that is told late is %+v", next)
		}
	})
}

func TestManyEnginesTellOnce(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 3 {
			other, err := proactive.New(proactive.Config{AppID: "app", Store: f.store, Channel: f.channel})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if err := other.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		for range 20 {
			f.schedule(t, proactive.NewSchedule{
				Rule: schedule.Rule{Cron: "*/15 * * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
			})
		}
		time.Sleep(10*time.Minute + time.Second)
		stop()
		wg.Wait()
		synctest.Wait()
		if n := len(f.told()); n != 20*40 {
			t.Errorf("it was told %d times, want %d", n, 20*40)
		}
	})
}

func TestClockThatJumps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ahead time.Duration
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
		jump := func(by time.Duration) {
			mu.Lock()
			ahead += by
			mu.Unlock()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
		var err error
		f.engine, err = proactive.New(proactive.Config{AppID: "app", Store: f.store, Channel: f.channel, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "30 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		told := func(what string, want int) {
			t.Helper()
			if n := len(f.told()); n != want {
				t.Errorf("%s it was told %d times, want %d", what, n, want)
			}
		}
		jump(time.Hour)
		told("an hour ahead", 1)
		jump(-time.Hour)
		told("an hour back", 1)
		if _, err := f.engine.PauseSchedule(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.engine.ResumeSchedule(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(45 * time.Minute)
		synctest.Wait()
		told("when what was told is due again", 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		told("an hour later", 2)
		stop()
		wg.Wait()
	})
}

func TestPauseResumeChangeDelete(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		do := func(got proactive.Schedule, err error) proactive.Schedule {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		until(t, "2000-01-01T01:30")
		for range 2 {
			if p := do(f.engine.PauseSchedule(t.Context(), s.ID)); p.State() != schedule.StatePaused || !p.PausedAt.Equal(time.Now()) {
				t.Errorf("paused, it is %+v", p)
			}
		}
		until(t, "2000-01-01T04:30")
		for range 2 {
			if r := do(f.engine.ResumeSchedule(t.Context(), s.ID)); r.State() != schedule.StateActive || len(r.Clocks) != 1 {
				t.Errorf("resumed, it is %+v", r)
			}
		}
		until(t, "2000-01-01T05:30")
		if n := len(f.told()); n != 2 {
			t.Errorf("after a pause it was told %d times", n)
		}
		name, say, missed, grace := "coffee", headsup.Notification{To: headsup.Target{Conversation: "c1"}, Text: "coffee"}, schedule.Skip, time.Hour
		changed := do(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{
			Name: &name, Notification: &say, Missed: &missed, Grace: &grace,
		}))
		if changed.Name != name || changed.Missed != missed || changed.Grace != grace || changed.Notification.Text != "coffee" ||
			changed.Rule.Cron != s.Rule.Cron || changed.Clocks[0].NextAt.Hour() != 6 {
			t.Errorf("changed, it is %+v", changed)
		}
		changed = do(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{Rule: &schedule.Rule{Cron: "45 * * * *"}}))
		if at := changed.Clocks[0].NextAt; at.Hour() != 5 || at.Minute() != 45 {
			t.Errorf("with another rule it is due at %v", at)
		}
		until(t, "2000-01-01T06:30")
		sent := f.channel.Sent()
		if n := len(sent); n != 3 || sent[2].Activity.Text != "coffee" {
			t.Errorf("after a change it was told %d times", n)
		}
		if _, err := f.engine.DeleteSchedule(t.Context(), s.ID, true); err != nil {
			t.Fatal(err)
		}
		until(t, "2000-01-02T00:00")
		if n := len(f.told()); n != 3 {
			t.Errorf("after its end it was told %d times", n)
		}
		for what, err := range map[string]error{
			"find":   second(f.engine.FindSchedule(t.Context(), s.ID)),
			"pause":  second(f.engine.PauseSchedule(t.Context(), s.ID)),
			"resume": second(f.engine.ResumeSchedule(t.Context(), s.ID)),
			"change": second(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{})),
			"delete": second(f.engine.DeleteSchedule(t.Context(), s.ID, false)),
			"occur":  second(f.engine.Occurrences(t.Context(), s.ID, 0, 1)),
		} {
			if !errors.Is(err, proactive.ErrNoSchedule) {
				t.Errorf("%s: the error is %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestDeleteCancelsWhatWaits(t *testing.T) {
	busy := &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unavailable"}
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error { return busy }}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "* * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		until(t, "2000-01-01T00:02")
		cancelled, err := f.engine.DeleteSchedule(t.Context(), s.ID, true)
		if err != nil || len(cancelled) != 2 {
			t.Fatalf("%v were cancelled, %v", cancelled, err)
		}
		for _, id := range cancelled {
			if got := f.status(t, id).State(); got != outbox.StateCancelled {
				t.Errorf("%s is %s", id, got)
			}
		}
	})
}

func TestScheduleKeyIsIdempotent(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		n := proactive.NewSchedule{
			Rule: schedule.Rule{RRule: "FREQ=DAILY"}, Key: "key", Notification: headsup.Notification{To: headsup.Target{User: "ann"}, Text: "tea"},
		}
		first := f.schedule(t, n)
		time.Sleep(time.Minute)
		again := f.schedule(t, n)
		if again.ID != first.ID || !again.Replayed || first.Replayed {
			t.Errorf("%s, replayed %v; then %s, replayed %v", first.ID, first.Replayed, again.ID, again.Replayed)
		}
		n.Notification.Text = "coffee"
		if _, err := f.engine.Schedule(t.Context(), n); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("other content: the error is %v", err)
		}
	})
}

func TestScheduleInTurn(t *testing.T) {
	var engine *proactive.Engine
	var id schedule.ID
	handler := func(ctx context.Context, turn *headsup.Turn) error {
		s, err := engine.ScheduleInTurn(ctx, turn, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 0-3 * * *"}, Notification: headsup.Notification{To: headsup.ToConversation(turn.Reference()), Text: "stand up"},
		})
		id = s.ID
		if err == nil && turn.Activity().Text == "no" {
			return errors.New("changed my mind")
		}
		return err
	}
	within(t, &bottest.Recorder{}, handler, func(t *testing.T, f fixture) {
		engine = f.engine
		if _, err := f.bot.Process(t.Context(), developer, inbound("0", "c1", "ann", "no")); err == nil {
			t.Error("a turn that fails does not")
		}
		if _, err := f.engine.FindSchedule(t.Context(), id); !errors.Is(err, proactive.ErrNoSchedule) {
			t.Errorf("of a turn that failed: %v", err)
		}
		f.hear(t, inbound("1", "c1", "ann", "yes"))
		until(t, "2000-01-01T02:30")
		if got := fmt.Sprint(f.told()); got != "[c1 c1]" {
			t.Errorf("%s were told", got)
		}
	})
}

func TestScheduleRefuses(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		good := func() proactive.NewSchedule {
			return proactive.NewSchedule{
				Rule: schedule.Rule{Cron: "0 9 * * *"}, Notification: headsup.Notification{To: headsup.Target{User: "ann"}, Text: "tea"},
			}
		}
		for _, tt := range []struct {
			field string
			spoil func(n *proactive.NewSchedule)
		}{
			{"rule.cron", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{} }},
			{"rule.cron", func(n *proactive.NewSchedule) { n.Rule.Cron = "* * * * * *" }},
			{"rule.rrule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{RRule: "FREQ=SECONDLY;INTERVAL=9"} }},
			{"rule.zone", func(n *proactive.NewSchedule) { n.Rule.Zone = "Moon" }},
			{"rule.fallback_zone", func(n *proactive.NewSchedule) { n.Rule.Zone, n.Rule.FallbackZone = schedule.Recipient, "Moon" }},
			{"rule.in", func(n *proactive.NewSchedule) { n.In = time.Hour }},
			{"rule.in", func(n *proactive.NewSchedule) { n.Rule, n.In = schedule.Rule{}, -time.Hour }},
			{"rule.in", func(n *proactive.NewSchedule) { n.Rule, n.In = schedule.Rule{}, 6*365*24*time.Hour }},
			{"rule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{At: "1999-01-01T00:00"} }},
			{"rule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{Cron: "0 0 30 2 *"} }},
			{"name", func(n *proactive.NewSchedule) { n.Name = strings.Repeat("n", 256) }},
			{"idempotency_key", func(n *proactive.NewSchedule) { n.Key = "\n" }},
			{"missed", func(n *proactive.NewSchedule) { n.Missed = "whatever" }},
			{"grace", func(n *proactive.NewSchedule) { n.Grace = 25 * time.Hour }},
			{"expires_in", func(n *proactive.NewSchedule) { n.ExpiresIn = -1 }},
			{"notification.to", func(n *proactive.NewSchedule) { n.Notification.To.Everyone = true }},
			{"notification.text", func(n *proactive.NewSchedule) { n.Notification.Text = "" }},
			{"notification.markdown", func(n *proactive.NewSchedule) { n.Notification.Markdown = "tea" }},
			{"notification.at", func(n *proactive.NewSchedule) { n.Notification.In = time.Hour }},
			{"notification.expires_at", func(n *proactive.NewSchedule) { n.Notification.ExpiresAt = time.Now() }},
			{"notification.idempotency_key", func(n *proactive.NewSchedule) { n.Notification.Key = "key" }},
			{"notification.value", func(n *proactive.NewSchedule) { n.Notification.Value = jsontext.Value(`{"a":1,"a":2}`) }},
		} {
			n := good()
			tt.spoil(&n)
			_, err := f.engine.Schedule(t.Context(), n)
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != tt.field {
				t.Errorf("the error is %v, want one of %s", err, tt.field)
			}
		}
		if all, err := f.engine.Schedules(t.Context(), schedule.Filter{}, 0, 10); err != nil || len(all) != 0 {
			t.Errorf("%d schedules were kept, %v", len(all), err)
		}
	})
}

func TestScheduleKeepsTheWholeNotification(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		ref := inbound("", "c7", "eve", "").Reference()
		said := activity.Message("hello")
		said.ChannelData = jsontext.Value(`{"odd":[1,2]}`)
		n := headsup.Notification{
			To: headsup.ToConversation(ref), Activity: said, Lane: headsup.LaneUrgent, OnUnknown: headsup.OnUnknownHold,
			Window: headsup.WindowNew, Topic: "topic", Locale: "de-DE", Value: jsontext.Value(`{"a":1}`),
		}
		s := f.schedule(t, proactive.NewSchedule{In: time.Minute, ExpiresIn: time.Hour, Notification: n})
		got := s.Notification
		if got.To.Reference == nil || got.To.Reference.Conversation.ID != "c7" || got.Lane != n.Lane || got.OnUnknown != n.OnUnknown ||
			got.Window != n.Window || got.Topic != n.Topic || got.Locale != n.Locale || string(got.Value) != string(n.Value) ||
			got.Activity == nil || got.Activity.Text != "hello" || string(got.Activity.ChannelData) != `{"odd":[1,2]}` || s.ExpiresIn != time.Hour {
			t.Errorf("kept %+v, expires in %v", got, s.ExpiresIn)
		}
		until(t, "2000-01-01T00:02")
		o := f.occurrences(t, s.ID)[0]
		m := f.status(t, o.Notification).Message
		if m.Lane != outbox.LaneUrgent || m.OnUnknown != headsup.OnUnknownHold || m.Window != headsup.WindowNew || m.Topic != "topic" ||
			!m.ExpiresAt.Equal(o.At.Add(time.Hour)) || string(m.Value) != `{"a":1}` {
			t.Errorf("told %+v", m)
		}
	})
}

func TestPreviewRule(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		r, next, err := f.engine.PreviewRule(schedule.Rule{RRule: "FREQ=WEEKLY", Zone: "Asia/Tokyo"}, 0, 2)
		if err != nil || r.Start != "2000-01-01T09:00:00" || len(next) != 2 || !next[1].Equal(time.Date(2000, 1, 15, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v, %v, %v", r, next, err)
		}
		_, next, err = f.engine.PreviewRule(schedule.Rule{}, time.Hour, 5)
		if err != nil || len(next) != 1 || !next[0].Equal(time.Now().Add(time.Hour)) {
			t.Errorf("in an hour: %v, %v", next, err)
		}
		if _, _, err := f.engine.PreviewRule(schedule.Rule{Cron: "x"}, 0, 5); err == nil {
			t.Error("a wrong rule has occurrences")
		}
	})
}
