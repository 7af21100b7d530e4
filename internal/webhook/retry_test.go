package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
)

func TestRefusedEventIsTriedAgainAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.text == "bad" {
				return 400, nil, nil
			}
			return 200, nil, nil
		})
		w.says("c", "bad")
		w.says("c", "good")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := strings.Join(w.texts(), " "); !strings.Contains(got, "good") {
			t.Errorf("only %s came", got)
		}
		time.Sleep(80 * time.Hour)
		synctest.Wait()
		var tries []time.Time
		for _, v := range w.visits() {
			if v.text == "bad" {
				tries = append(tries, v.at)
			}
		}
		limits := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour}
		if len(tries) < 8 || len(tries) > 25 {
			t.Errorf("%d tries", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			limit := 24 * time.Hour
			if i <= len(limits) {
				limit = limits[i-1]
			}
			if wait := tries[i].Sub(tries[i-1]); wait < time.Second || wait > limit+time.Minute {
				t.Errorf("try %d after %v, want up to %v", i+1, wait, limit)
			}
		}
		if last := tries[len(tries)-1].Sub(tries[0]); last > 73*time.Hour {
			t.Errorf("tried for %v", last)
		}
		if got := w.hookNow(hook.ID); got.Dropped != 1 {
			t.Errorf("%d dropped, want 1", got.Dropped)
		}
	})
}

func TestOutageIsWaitedForOneEventAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 0, nil, io.EOF })
		const n = 200
		for i := range n {
			w.says(fmt.Sprint("c", i), fmt.Sprint(i))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries := len(w.visits()); tries < 12 || tries > 80 {
			t.Errorf("%d tries in an hour of outage", tries)
		}
		if got := w.hookNow(hook.ID); got.FailingSince.IsZero() || got.Disabled != "" {
			t.Errorf("it is %+v", got)
		}
		w.answers(ok)
		before := len(w.visits())
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		seen := make(map[string]bool)
		for _, v := range w.visits()[before:] {
			seen[v.text] = true
		}
		if len(seen) != n {
			t.Errorf("%d events came within 6 minutes of the end of the outage, want %d", len(seen), n)
		}
		if got := w.hookNow(hook.ID); !got.FailingSince.IsZero() || got.Away != 0 {
			t.Errorf("it is %+v", got)
		}
	})
}

// TestReceiverThatFailsSlowlyIsLeftAlone: one that takes its time to answer 500 is asked as seldom as one that is away; one that
// answers at once is asked for every event.
func TestReceiverThatFailsSlowlyIsLeftAlone(t *testing.T) {
	t.Parallel()
	const n = 200
	for _, c := range []struct {
		takes       time.Duration
		least, most int // tries in a minute
	}{{0, n, 10 * n}, {8 * time.Second, 1, 20}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.hook(hookURL)
			w.run()
			w.answers(func(visit) (int, http.Header, error) {
				time.Sleep(c.takes)
				return 500, nil, nil
			})
			for i := range n {
				w.says(fmt.Sprint("c", i), fmt.Sprint(i))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if tries := len(w.visits()); tries < c.least || tries > c.most {
				t.Errorf("an answer takes %v, and it was asked %d times in a minute, want %d to %d", c.takes, tries, c.least, c.most)
			}
			w.answers(ok)
			time.Sleep(7 * time.Minute)
			synctest.Wait()
		})
	}
}

func TestEventThatHangsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.hook(hookURL)
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.text == "poison" {
				time.Sleep(10 * time.Second)
				return 0, nil, context.DeadlineExceeded
			}
			return 200, nil, nil
		})
		w.says("p", "poison")
		good := 0
		for i := range 60 {
			w.says("c", fmt.Sprint(i))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		poison := 0
		for _, v := range w.visits() {
			if v.text == "poison" {
				poison++
			} else {
				good++
			}
		}
		if good != 60 || poison > 12 {
			t.Errorf("%d others came, want 60; %d tries of the one that hangs", good, poison)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503, 500} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.hook(hookURL)
			w.run()
			w.answers(func(visit) (int, http.Header, error) {
				return status, http.Header{"Retry-After": {"1800"}}, nil
			})
			w.says("a", "1")
			synctest.Wait()
			w.answers(ok)
			w.says("b", "2")
			time.Sleep(1799 * time.Second)
			synctest.Wait()
			if n := len(w.visits()); n != 1 {
				t.Errorf("%d: %d visits before the time, want 1", status, n)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := len(w.visits()); n < 2 {
				t.Errorf("%d: %d visits after it", status, n)
			}
		})
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook, other := w.hook(hookURL), w.hook("https://b.example/")
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.host == "a.example" {
				return 410, nil, nil
			}
			return 200, nil, nil
		})
		w.says("c", "1")
		synctest.Wait()
		w.says("c", "2")
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		hosts := make(map[string]int)
		for _, v := range w.visits() {
			hosts[v.host]++
		}
		if hosts["a.example"] != 1 || hosts["b.example"] != 2 {
			t.Errorf("visits %v", hosts)
		}
		if got := w.hookNow(hook.ID); got.Disabled != event.Gone || got.DisabledAt.IsZero() {
			t.Errorf("it is %+v", got)
		}
		if got := w.hookNow(other.ID); got.Disabled != "" {
			t.Errorf("the other is %+v", got)
		}
		// Enabled again, it gets what is kept.
		w.answers(ok)
		if _, err := w.Change(t.Context(), hook.ID, webhook.Change{Enabled: new(true)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		texts := map[string]bool{}
		for _, v := range w.visits() {
			if v.host == "a.example" {
				texts[v.text] = true
			}
		}
		if !texts["2"] {
			t.Errorf("told of %v", texts)
		}
	})
}

func TestFailingForDaysDisables(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 500, nil, nil })
		for day := range 7 {
			w.says("c", fmt.Sprint(day))
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if got := w.hookNow(hook.ID); (got.Disabled != "") != (day >= 5) && day != 4 {
				t.Fatalf("after %d days it is %+v", day+1, got)
			}
		}
		got := w.hookNow(hook.ID)
		if got.Disabled != event.Failing || got.DisabledAt.Sub(got.FailingSince) < 5*24*time.Hour {
			t.Errorf("it is %+v", got)
		}
		if w.store.Wanted("app", event.Types()...) {
			t.Error("events are written for a webhook that is disabled")
		}
	})
}

func TestOldEventsOfADeadWebhookAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *webhook.Config) { c.Retention = time.Hour })
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 0, nil, io.EOF })
		for i := range 50 {
			w.says(fmt.Sprint("c", i), fmt.Sprint(i))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := w.hookNow(hook.ID); got.Dropped != 50 {
			t.Errorf("%d dropped, want 50", got.Dropped)
		}
		if left, err := w.store.Events(t.Context(), "app", 0, 100); err != nil || len(left) != 0 {
			t.Errorf("%d events are left, %v", len(left), err)
		}
	})
}
