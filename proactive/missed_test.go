package proactive_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
