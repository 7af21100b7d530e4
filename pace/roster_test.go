package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/pace"
)

// TestQuestionsKeepTheirOwnWindows: whatever is asked, no window is ever overfull, and what is said has its own.
func TestQuestionsKeepTheirOwnWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := pace.New(pace.Config{})
		if err != nil {
			t.Fatal(err)
		}
		teams := pace.Route{App: "app", Channel: "msteams", Tenant: "t"}
		var at []time.Time
		for range 300 {
			q, err := l.WaitRoster(t.Context(), teams, "members c", pace.Delivery)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Now())
			time.Sleep(3 * time.Millisecond)
			q.Done(time.Now())
		}
		for _, w := range pace.Published()["msteams"].PerRoster {
			for i := w.Limit; i < len(at); i++ {
				if at[i].Sub(at[i-w.Limit]) < w.Per {
					t.Fatalf("%d questions within %v", w.Limit+1, at[i].Sub(at[i-w.Limit]))
				}
			}
		}
		if spent := at[len(at)-1].Sub(at[0]); spent > 70*time.Second { // 120 in 30 s, and of those 16 in 2 s
			t.Errorf("it took %v", spent)
		}
		if p, ok := l.Take(teams, "c", pace.Delivery, time.Now()); !ok {
			t.Error("questions have used up what may be said")
		} else {
			p.Cancel()
		}

		q, err := l.WaitRoster(t.Context(), teams, "members d", pace.Delivery)
		if err != nil {
			t.Fatal(err)
		}
		q.Throttled(time.Now(), time.Minute)
		q.Done(time.Now()) // the first one counts
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := l.WaitRoster(short, teams, "members d", pace.Delivery); !errors.As(err, new(*pace.BusyError)) {
			t.Errorf("asked while the channel wants to be left alone: %v", err)
		}
		began := time.Now()
		if q, err = l.WaitRoster(t.Context(), teams, "members d", pace.Delivery); err != nil || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		q.Cancel()
		ended, stop := context.WithCancel(t.Context())
		stop()
		q, err = l.WaitRoster(ended, pace.Route{Channel: "free"}, "x", pace.Delivery)
		if err != nil {
			t.Errorf("a channel without limits: %v", err)
		}
		q.Done(time.Now())
		var none *pace.Limiter
		if q, err := none.WaitRoster(t.Context(), teams, "x", pace.Delivery); q != nil || err != nil {
			t.Error("no limiter limits")
		} else {
			q.Done(time.Now())
		}
	})
}
