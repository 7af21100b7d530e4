package pace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/pace"
)

// journal stores what it is told, as a store does.
type journal struct {
	limits *pace.Limiter
	stored map[pace.Scope]pace.Usage
	calls  int
	err    error
}

func (j *journal) store(_ context.Context, r pace.Route, conversation string) error {
	j.calls++
	if j.err != nil {
		return j.err
	}
	used, stored := j.limits.Unkept(r, conversation)
	for _, g := range used {
		j.stored[g.Scope] = g.Usage
	}
	stored()
	return nil
}

func (j *journal) snapshot(at time.Time) pace.Snapshot {
	s := pace.Snapshot{At: at}
	for scope, u := range j.stored {
		s.Gates = append(s.Gates, pace.Gate{Scope: scope, Usage: u})
	}
	return s
}

func journaled(t *testing.T, p pace.Profile, now *time.Time) *journal {
	t.Helper()
	l, err := pace.New(pace.Config{Profiles: pace.Profiles{"c": p}, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{limits: l, stored: make(map[pace.Scope]pace.Usage)}
	l.OnUnkept(j.store)
	return j
}

var crashing = pace.Route{App: "app", Channel: "c", Tenant: "t", Host: "h"}

// TestACrashMakesNothingForgottenThatFillsAWindow: whatever replies and deliveries there were, and whenever the process
// was killed, the one after it does not pass a window.
func TestACrashMakesNothingForgottenThatFillsAWindow(t *testing.T) {
	t.Parallel()
	const limit, per = 20, 30 * time.Second
	for replies := range limit + 1 {
		now := t0
		p := pace.Profile{
			PerConversation: []pace.Window{{Limit: limit, Per: per}}, PerTenant: []pace.Window{{Limit: 50, Per: time.Second}},
		}
		before := journaled(t, p, &now)
		for range replies {
			permit, err := before.limits.Wait(t.Context(), crashing, "a", pace.Reply)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(10 * time.Millisecond)
			permit.Done(now)
		}
		if most := 1 + replies/(pace.Unkept+1); before.calls > most {
			t.Errorf("%d replies were stored in %d writes", replies, before.calls)
		}
		after := journaled(t, p, &now)
		after.limits.Recover(before.snapshot(now), now)
		if _, ok := after.limits.Take(crashing, "a", pace.Delivery, now); ok {
			t.Error("a call in the second in which the tenant's window may be full")
		}
		began, sent := now, 0
		for ; now.Sub(began) < per-time.Second; now = now.Add(100 * time.Millisecond) {
			if permit, ok := after.limits.Take(crashing, "a", pace.Delivery, now); ok {
				permit.Done(now)
				sent++
			}
		}
		if sent+replies > limit {
			t.Errorf("%d replies before, %d calls after: more than %d", replies, sent, limit)
		}
		if free := limit - replies - 2*pace.Unkept; sent < free {
			t.Errorf("%d replies before, only %d calls after, want %d", replies, sent, free)
		}
		now = began.Add(per + time.Second)
		if room := after.limits.Room(crashing, now); room != 50 {
			t.Errorf("room for %d when nothing of before matters, want 50", room)
		}
	}
}

func TestWhatCannotBeStoredIsNotCalled(t *testing.T) {
	t.Parallel()
	now := t0
	j := journaled(t, pace.Profile{PerBot: []pace.Window{{Limit: 100, Per: time.Hour}}}, &now)
	j.err = errors.New("disk full")
	for range pace.Unkept {
		if _, err := j.limits.Wait(t.Context(), crashing, "", pace.Reply); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.limits.Wait(t.Context(), crashing, "", pace.Reply); !errors.Is(err, j.err) {
		t.Errorf("the error is %v, want %v", err, j.err)
	}
	if n := j.limits.Stats().OnWay; n > pace.Unkept {
		t.Errorf("%d calls are on their way", n)
	}
}

func TestShortWindowsAreNotStored(t *testing.T) {
	t.Parallel()
	now := t0
	j := journaled(t, pace.Profile{PerConversation: []pace.Window{{Limit: 5, Per: time.Second}}}, &now)
	for range 5 {
		if _, err := j.limits.Wait(t.Context(), crashing, "a", pace.Reply); err != nil {
			t.Fatal(err)
		}
	}
	if j.calls > 0 {
		t.Errorf("%d writes for what can be waited out", j.calls)
	}
	if d := j.limits.Remembers("c"); d != time.Second {
		t.Errorf("calls matter for %v", d)
	}
	if d := j.limits.Remembers("other"); d != 0 {
		t.Errorf("calls matter for %v where nothing is limited", d)
	}
}

func TestPausesAreToldToAllWhoWantToKnow(t *testing.T) {
	t.Parallel()
	l, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var told []pace.Pause
	l.OnPaused(func(p pace.Pause) { told = append(told, p) })
	l.Pause(crashing.OfTenant(), t0.Add(time.Minute), pace.ReasonThrottled)
	l.Resume(crashing.OfTenant())
	if len(told) != 2 || told[0].Until.IsZero() || !told[1].Until.IsZero() || told[1].Scope != crashing.OfTenant() {
		t.Errorf("told of %+v", told)
	}
}
