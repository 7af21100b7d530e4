package pace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/pace"
)

// takes reports whether a call may be made, and makes it.
func takes(l *pace.Limiter, r pace.Route, conversation string, now time.Time) (*pace.Permit, bool) {
	return l.Take(r, conversation, pace.Delivery, now)
}

func TestAPauseHoldsForItsScopeAlone(t *testing.T) {
	t.Parallel()
	a, b := route("a"), route("b")
	elsewhere := pace.Route{App: "app", Channel: "slack", Tenant: "a", Host: "slack.example"}
	for _, c := range []struct {
		scope                                pace.Scope
		same, sameTenant, sameBot, otherHost bool
	}{
		{a.OfConversation("x"), false, true, true, true},
		{a.OfTenant(), false, false, true, true},
		{a.OfBot(), false, false, false, true},
		{a.OfHost(), false, false, false, true},
	} {
		l := limiter(t, pace.Published()["msteams"])
		l.Pause(c.scope, t0.Add(time.Minute), pace.ReasonThrottled)
		for _, way := range []struct {
			r            pace.Route
			conversation string
			open         bool
		}{{a, "x", c.same}, {a, "y", c.sameTenant}, {b, "x", c.sameBot}, {elsewhere, "x", c.otherHost}} {
			if _, ok := takes(l, way.r, way.conversation, t0.Add(59*time.Second)); ok != way.open {
				t.Errorf("%v is paused: %v %q may be called: %v", c.scope, way.r, way.conversation, ok)
			}
		}
		if next := l.Next(a, "x", t0); !next.Equal(t0.Add(time.Minute)) {
			t.Errorf("%v: next after %v", c.scope, next.Sub(t0))
		}
	}
}

func TestAPauseIsFollowedByOneCallAtATime(t *testing.T) {
	t.Parallel()
	freed := 0
	l, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l.OnFreed(func() { freed++ })
	r := route("a")
	l.Pause(r.OfTenant(), t0.Add(10*time.Second), pace.ReasonThrottled)
	now := t0.Add(10 * time.Second)
	if n := l.Room(r, now); n != 1 {
		t.Errorf("room for %d after the pause, want 1", n)
	}
	probe, ok := takes(l, r, "x", now)
	if !ok {
		t.Fatal("nothing may be tried after the pause")
	}
	if _, ok := takes(l, r, "y", now.Add(5*time.Second)); ok || l.Room(r, now.Add(5*time.Second)) != 0 {
		t.Error("another call while the first was on its way")
	}
	probe.Done(now.Add(100 * time.Millisecond)) // it has failed
	if _, ok := takes(l, r, "y", now.Add(900*time.Millisecond)); ok {
		t.Error("two tries within a second")
	}
	if next := l.Next(r, "", now.Add(900*time.Millisecond)); !next.Equal(now.Add(time.Second)) {
		t.Errorf("the next try is after %v", next.Sub(now))
	}
	now = now.Add(time.Second)
	if probe, ok = takes(l, r, "y", now); !ok {
		t.Fatal("no second try")
	}
	probe.Done(now)
	l.Succeeded(r, "y", now)
	if n := l.Room(r, now); n != 45 || freed == 0 { // of 47, two were made
		t.Errorf("room for %d after a success, and %d were told", n, freed)
	}
	if ps := l.Pauses(); len(ps) != 0 {
		t.Errorf("pauses: %v", ps)
	}
}

func TestAnOldSuccessEndsNoPause(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	r := route("a")
	l.Pause(r.OfTenant(), t0.Add(10*time.Second), pace.ReasonThrottled)
	l.Succeeded(r, "x", t0.Add(time.Second)) // it was on its way before
	if _, ok := takes(l, r, "x", t0.Add(9*time.Second)); ok {
		t.Error("the pause did not hold")
	}
}

func TestACancelledTryIsNone(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	r := route("a")
	l.Pause(r.OfHost(), t0, pace.ReasonUnreachable)
	p, ok := takes(l, r, "x", t0)
	if !ok {
		t.Fatal("no try")
	}
	p.Cancel()
	if _, ok := takes(l, r, "x", t0); !ok {
		t.Error("a try that was not made kept the next from being made")
	}
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	r := route("a")
	for _, c := range []struct{ asked, want time.Duration }{
		{time.Millisecond, time.Second}, {30 * time.Second, 30 * time.Second}, {1e9 * time.Second, time.Hour}, {0, time.Second},
	} {
		ps := limiter(t, pace.Profile{}).Throttled(r, "x", c.asked, t0)
		if len(ps) != 1 || ps[0].Until.Sub(t0) != c.want {
			t.Errorf("asked for %v: %v", c.asked, ps)
		}
	}
	l := limiter(t, pace.Published()["msteams"])
	now := t0
	var ps []pace.Pause
	for i := range 3 {
		now = now.Add(time.Second)
		ps = l.Throttled(r, fmt.Sprint("several", i), 20*time.Second, now)
	}
	if len(ps) != 2 || ps[1].Scope != r.OfTenant() {
		t.Errorf("three conversations of a tenant were throttled within moments: %v", ps)
	}
	b := route("b")
	for i := range 5 {
		now = now.Add(time.Second)
		ps = l.Throttled(b, "x", time.Second, now)
		if len(ps) != 1 {
			t.Errorf("throttled %d times in one conversation: %v", i+1, ps)
		}
	}
	if ps := l.Throttled(b, "", time.Second, now); len(ps) != 1 || ps[0].Scope != b.OfTenant() {
		t.Errorf("throttled in no conversation: %v", ps)
	}
}

func TestAPauseWithoutATimeGetsLonger(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	now := t0
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		ps := l.Throttled(route("a"), "x", 0, now)
		if got := ps[0].Until.Sub(now); got != want*time.Second {
			t.Errorf("paused for %v, want %d s", got, want)
		}
		now = ps[0].Until
	}
}

// TestAnOutage is F12: a host is out of order for half an hour while much waits.
func TestAnOutage(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 1000, Per: time.Second}}})
	r := route("a")
	now, end := t0, t0.Add(30*time.Minute)
	tried := 0
	second := map[int64]int{}
	for now.Before(end) {
		p, ok := takes(l, r, fmt.Sprint(tried), now)
		if !ok {
			if next := l.Next(r, "", now); next.After(now) {
				now = next
				continue
			}
			t.Fatal("refused, and next is now")
		}
		tried++
		if tried > 10 {
			second[now.Unix()]++
		}
		p.Done(now)
		l.Failed(r, pace.ReasonUnreachable, now)
	}
	if tried > 200 {
		t.Errorf("tried %d times in half an hour", tried)
	}
	for s, n := range second {
		if n > 1 {
			t.Errorf("%d tries in second %d", n, s-t0.Unix())
		}
	}
	now = l.Next(r, "", now)
	if now.Sub(end) > 15*time.Second {
		t.Errorf("tried %v after the end", now.Sub(end))
	}
	p, ok := takes(l, r, "x", now)
	if !ok {
		t.Fatal("not tried after the end")
	}
	p.Done(now)
	l.Succeeded(r, "x", now)
	if n := l.Room(r, now); n < 900 {
		t.Errorf("room for %d after the end", n)
	}
}

func TestSomeFailuresPauseNoHost(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Profile{})
	r := route("a")
	for i := range 100 {
		now := t0.Add(time.Duration(i) * time.Second)
		if p, paused := l.Failed(r, pace.ReasonUnreachable, now); paused {
			t.Fatalf("after failure %d: %v", i, p)
		}
		if i%9 == 0 {
			l.Reached(r, now)
		}
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	var told []pace.Pause
	l, err := pace.New(pace.Config{Paused: func(p pace.Pause) { told = append(told, p) }})
	if err != nil {
		t.Fatal(err)
	}
	r := route("a")
	l.Pause(r.OfBot(), t0.Add(time.Hour), "unauthorized")
	if !l.Resume(r.OfBot()) || l.Resume(r.OfBot()) {
		t.Error("a pause is ended once")
	}
	if _, ok := takes(l, r, "x", t0); !ok {
		t.Error("the pause holds still")
	}
	if len(told) != 2 || told[0].Reason != "unauthorized" || !told[1].Until.IsZero() || told[1].Scope != r.OfBot() {
		t.Errorf("told %v", told)
	}
}

func TestBudgetsHoldOverARestart(t *testing.T) {
	t.Parallel()
	before := limiter(t, pace.Published()["msteams"])
	r := route("a")
	for range 5 {
		p, _ := before.Take(r, "x", pace.Reply, t0)
		p.Done(t0)
	}
	before.Take(r, "x", pace.Reply, t0) // on its way when the process ends
	before.Pause(r.OfConversation("y"), t0.Add(time.Hour), pace.ReasonThrottled)
	stored, err := json.Marshal(before.Export(t0))
	if err != nil {
		t.Fatal(err)
	}
	var read pace.Snapshot
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	after := limiter(t, pace.Published()["msteams"])
	now := t0.Add(500 * time.Millisecond)
	after.Prime(read, now)
	if _, ok := after.Take(r, "x", pace.Reply, now); !ok {
		t.Error("the seventh call within a second was refused")
	}
	if _, ok := after.Take(r, "x", pace.Reply, now); ok {
		t.Error("the eighth call within a second was let through")
	}
	if n := after.Room(r, now); n != 50-7-3 {
		t.Errorf("room for %d deliveries in the tenant", n)
	}
	if _, ok := after.Take(r, "y", pace.Reply, now); ok {
		t.Error("the pause was forgotten")
	}
	after.Called(route("b"), "x", t0)
	if n := after.Room(route("b"), now); n != 46 {
		t.Errorf("room for %d deliveries where one call was counted", n)
	}
}
