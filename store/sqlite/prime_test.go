package sqlite_test

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/sqlite"
)

var primed = pace.Route{App: "app", Channel: "c", Tenant: "t", Host: "h"}

func openPaced(t *testing.T, dir string) (*sqlite.Store, *pace.Limiter) {
	t.Helper()
	limits, err := pace.New(pace.Config{Profiles: pace.Profiles{"c": {
		PerConversation: []pace.Window{{Limit: 10, Per: time.Hour}}, PerTenant: []pace.Window{{Limit: 50, Per: time.Second}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Pace: limits})
	if err != nil {
		t.Fatal(err)
	}
	return s, limits
}

// room takes all that may be called now.
func room(l *pace.Limiter) (n int) {
	for {
		p, ok := l.Take(primed, "a", pace.Delivery, time.Now())
		if !ok {
			return n
		}
		p.Done(time.Now())
		n++
	}
}

// TestWhatWasCalledIsExactAfterClose: a store that was closed has forgotten nothing, and wastes nothing.
func TestWhatWasCalledIsExactAfterClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, limits := openPaced(t, dir)
	reply := func(n int) {
		t.Helper()
		for range n {
			p, err := limits.Wait(t.Context(), primed, "a", pace.Reply)
			if err != nil {
				t.Fatal(err)
			}
			p.Done(time.Now())
		}
	}
	reply(4)
	limits.Pause(primed.OfHost(), time.Now().Add(time.Hour), pace.ReasonUnreachable)
	closeStore(t, s)
	s, limits = openPaced(t, dir)
	if n := room(limits); n != 0 {
		t.Errorf("%d calls to a host that is paused", n)
	}
	limits.Resume(primed.OfHost())
	if n := room(limits); n != 6 {
		t.Errorf("room for %d after 4 of 10", n)
	}
	closeStore(t, s)

	// What was kept is not taken for what came later.
	s = openStore(t, dir)
	closeStore(t, s)
	s, limits = openPaced(t, dir)
	if n := room(limits); n != 0 {
		t.Errorf("room for %d at once after a process that counted nothing", n)
	}
	closeStore(t, s)
}

// TestNewStoreHasNothingToWaitFor: nothing was called before there was a store.
func TestNewStoreHasNothingToWaitFor(t *testing.T) {
	t.Parallel()
	s, limits := openPaced(t, t.TempDir())
	if n := room(limits); n != 10 {
		t.Errorf("room for %d, want 10", n)
	}
	closeStore(t, s)
}
