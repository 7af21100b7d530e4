package proactive_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/store/memory"
)

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
