package pace_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/pace"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func route(tenant string) pace.Route {
	return pace.Route{App: "app", Channel: "msteams", Tenant: tenant, Host: "smba.example"}
}

func limiter(t testing.TB, p pace.Profile) *pace.Limiter {
	t.Helper()
	l, err := pace.New(pace.Config{Profiles: pace.Profiles{"msteams": p}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// arrivals checks windows as a channel does which knows when each call came.
type arrivals []time.Time

// most is the largest number of arrivals in any stretch of that length, both ends included.
func (a arrivals) most(per time.Duration) int {
	slices.SortFunc(a, time.Time.Compare)
	most, first := 0, 0
	for i, at := range a {
		for at.Sub(a[first]) > per {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// call is one that has a permit.
type call struct {
	taken        time.Time
	permit       *pace.Permit
	tenant, conv string
}

func TestNoWindowIsEverPassed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		windows := func(label string) []pace.Window {
			return rapid.SliceOfN(rapid.Custom(func(r *rapid.T) pace.Window {
				return pace.Window{
					Limit: rapid.IntRange(2, 120).Draw(r, "limit"),
					Per:   time.Duration(rapid.IntRange(10, 20_000).Draw(r, "per")) * time.Millisecond,
				}
			}), 0, 3).Draw(r, label)
		}
		p := pace.Profile{
			PerConversation: windows("conversation"), PerTenant: windows("tenant"), PerBot: windows("bot"),
			Reserve: rapid.IntRange(0, 1).Draw(r, "reserve"), ConversationReserve: rapid.IntRange(0, 1).Draw(r, "conversation reserve"),
		}
		l, err := pace.New(pace.Config{Profiles: pace.Profiles{"msteams": p}})
		if err != nil {
			r.Fatal(err)
		}
		seen := map[string]arrivals{}
		limits := map[string][]pace.Window{}
		note := func(name string, ws []pace.Window, at time.Time) {
			seen[name] = append(seen[name], at)
			limits[name] = ws
		}
		now := t0
		var out []call
		end := func(i int) {
			c := out[i]
			out = slices.Delete(out, i, i+1)
			if rapid.IntRange(0, 9).Draw(r, "cancel") == 0 {
				c.permit.Cancel()
				return
			}
			// It came at any time since it was taken.
			late := time.Duration(rapid.Int64Range(0, int64(now.Sub(c.taken))).Draw(r, "arrival"))
			c.permit.Done(now)
			at := c.taken.Add(late)
			note("bot", p.PerBot, at)
			note("tenant "+c.tenant, p.PerTenant, at)
			note("conversation "+c.tenant+c.conv, p.PerConversation, at)
		}
		step := rapid.SampledFrom([]time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second, 10 * time.Second})
		for range rapid.IntRange(1, 400).Draw(r, "steps") {
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0:
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(step.Draw(r, "by"))).Draw(r, "time")))
			case 1, 2:
				if len(out) > 0 {
					end(rapid.IntRange(0, len(out)-1).Draw(r, "which"))
				}
			default:
				c := call{
					taken: now, tenant: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "tenant"),
					conv: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, "conversation"),
				}
				k := rapid.SampledFrom([]pace.Kind{pace.Reply, pace.Delivery}).Draw(r, "kind")
				if rapid.Bool().Draw(r, "wait") && k == pace.Delivery {
					now = l.Next(route(c.tenant), c.conv, now)
					c.taken = now
				}
				var ok bool
				if c.permit, ok = l.Take(route(c.tenant), c.conv, k, now); ok {
					out = append(out, c)
				}
			}
		}
		for len(out) > 0 {
			end(0)
		}
		for name, ws := range limits {
			for _, w := range ws {
				if n := seen[name].most(w.Per); n > w.Limit {
					r.Fatalf("%s: %d calls arrived within %v, of %v", name, n, w.Per, w)
				}
			}
		}
	})
}

// TestThereIsRoomWhenNextSaysSo: when nothing is on its way, the time that Next tells is exact: not a moment earlier, and
// not later than it needs to be.
func TestThereIsRoomWhenNextSaysSo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		rule := pace.Rule{
			Windows: []pace.Window{
				{Limit: rapid.IntRange(3, 9).Draw(r, "limit"), Per: time.Second}, {Limit: rapid.IntRange(3, 30).Draw(r, "limit"), Per: 7 * time.Second},
			},
			Reserve: rapid.IntRange(0, 2).Draw(r, "reserve"), Within: 100 * time.Millisecond,
		}
		var u pace.Usage
		now := t0
		for range rapid.IntRange(1, 40).Draw(r, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(500*time.Millisecond)).Draw(r, "by")))
			u.Add(now)
		}
		for _, k := range []pace.Kind{pace.Reply, pace.Delivery} {
			next := u.Next(rule, k, now)
			if u.Room(rule, k, next) < 1 {
				r.Fatalf("%v: no room at %v, which Next has told", k, next.Sub(now))
			}
			if next.After(now) && u.Room(rule, k, next.Add(-1)) > 0 {
				r.Fatalf("%v: there was room before %v, which Next has told", k, next.Sub(now))
			}
		}
	})
}

func TestUsageSurvivesItsBinaryForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var u pace.Usage
		now := t0
		for range rapid.IntRange(0, 50).Draw(r, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(r, "by")))
			u.Add(now)
		}
		for range rapid.IntRange(0, 9).Draw(r, "on way") {
			u.Take()
		}
		b, err := u.MarshalBinary()
		if err != nil {
			r.Fatal(err)
		}
		var again pace.Usage
		if err := again.UnmarshalBinary(b); err != nil {
			r.Fatal(err)
		}
		for _, per := range []time.Duration{time.Second, time.Minute, time.Hour} {
			if u.Used(per, now) != again.Used(per, now) {
				r.Fatalf("%d calls in %v, were %d", again.Used(per, now), per, u.Used(per, now))
			}
		}
		if again.OnWay() != u.OnWay() {
			r.Fatalf("%d on their way, were %d", again.OnWay(), u.OnWay())
		}
	})
}

// saturate sends to ever new conversations as fast as there is room, for a while, with answers after rtt, and returns
// the arrivals. A worker looks again late after what it was told.
func saturate(l *pace.Limiter, r pace.Route, d, rtt, late time.Duration) arrivals {
	type answer struct {
		at time.Time
		p  *pace.Permit
	}
	var seen arrivals
	var answers []answer
	n := 0
	for now, end := t0, t0.Add(d); now.Before(end); {
		for len(answers) > 0 && !answers[0].at.After(now) {
			answers[0].p.Done(answers[0].at)
			answers = answers[1:]
		}
		for l.Room(r, now) > 0 {
			p, ok := l.Take(r, fmt.Sprint(n), pace.Delivery, now)
			if !ok {
				break
			}
			n++
			seen = append(seen, now.Add(rtt/2))
			answers = append(answers, answer{now.Add(rtt), p})
		}
		next := l.Next(r, "", now).Add(late)
		if len(answers) > 0 && answers[0].at.Before(next) {
			next = answers[0].at
		}
		if !next.After(now) {
			next = now.Add(time.Microsecond)
		}
		now = next
	}
	return seen
}

func TestTheLimitIsUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rtt, late time.Duration
		least     float64
	}{
		{5 * time.Millisecond, 0, 49.5},
		{5 * time.Millisecond, 4 * time.Millisecond, 49.2},
		{100 * time.Millisecond, time.Millisecond, 44.8},
	} {
		seen := saturate(limiter(t, pace.Published()["msteams"]), route("a"), 200*time.Second, c.rtt, c.late)
		if n := seen.most(time.Second); n > 50 {
			t.Errorf("%d calls arrived within a second", n)
		}
		slices.SortFunc(seen, time.Time.Compare)
		if rate := float64(len(seen)-50) / 199; rate < c.least {
			t.Errorf("answers after %v, looked at %v late: %.2f calls per second, want %.2f", c.rtt, c.late, rate, c.least)
		}
	}
}

func TestRepliesFindTheReserve(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 10, Per: time.Second}}, Reserve: 3})
	r := route("a")
	if n := l.Room(r, t0); n != 7 {
		t.Fatalf("room for %d deliveries, want 7 of 10", n)
	}
	for i := range 7 {
		p, ok := l.Take(r, fmt.Sprint(i), pace.Delivery, t0)
		if !ok {
			t.Fatalf("delivery %d was refused", i)
		}
		p.Done(t0)
	}
	if _, ok := l.Take(r, "x", pace.Delivery, t0); ok {
		t.Error("a delivery took the reserve")
	}
	for i := range 3 {
		if _, ok := l.Take(r, fmt.Sprint("r", i), pace.Reply, t0); !ok {
			t.Errorf("reply %d did not find the reserve", i)
		}
	}
	if _, ok := l.Take(r, "y", pace.Reply, t0); ok {
		t.Error("a reply passed the limit")
	}
	if next := l.Next(r, "", t0); next.Before(t0.Add(900*time.Millisecond)) || next.After(t0.Add(1001*time.Millisecond)) {
		t.Errorf("the next delivery may go after %v", next.Sub(t0))
	}
}

func TestOneTenantDoesNotSlowAnother(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	for l.Room(route("a"), t0) > 0 {
		l.Take(route("a"), fmt.Sprint(l.Room(route("a"), t0)), pace.Delivery, t0)
	}
	if n := l.Room(route("b"), t0); n != 47 {
		t.Errorf("room for %d deliveries to another tenant, want 47", n)
	}
}

func TestWhatHasNoProfileIsNotLimited(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	r := pace.Route{App: "app", Channel: "directline"}
	var none *pace.Limiter
	for _, l := range []*pace.Limiter{l, none} {
		if n := l.Room(r, t0); n != math.MaxInt {
			t.Errorf("room for %d", n)
		}
		p, ok := l.Take(r, "x", pace.Delivery, t0)
		if p != nil || !ok {
			t.Errorf("the permit is %v, %v", p, ok)
		}
		p.Done(t0)
		p.Cancel()
		if next := l.Next(r, "x", t0); !next.Equal(t0) {
			t.Errorf("next after %v", next.Sub(t0))
		}
	}
}

func TestConversationsAreForgotten(t *testing.T) {
	t.Parallel()
	l := limiter(t, pace.Published()["msteams"])
	now := t0
	most := 0
	for i := range 30_000 { // ten minutes
		now = now.Add(20 * time.Millisecond)
		p, ok := l.Take(route(fmt.Sprint("t", i%100)), fmt.Sprint(i), pace.Delivery, now)
		if !ok {
			t.Fatalf("call %d was refused", i)
		}
		p.Done(now)
		most = max(most, l.Stats().Conversations)
	}
	if most > 5100 { // 100 s at 50 per second
		t.Errorf("%d conversations were remembered at once", most)
	}
	now = now.Add(2 * time.Hour)
	for i := range 2000 {
		p, _ := l.Take(route(fmt.Sprint("u", i)), "x", pace.Delivery, now)
		p.Done(now)
	}
	if s := l.Stats(); s.Tenants > 2100 || s.Conversations > 2000 {
		t.Errorf("%d tenants and %d conversations are remembered", s.Tenants, s.Conversations)
	}
}

func TestAForgottenCallStillCounts(t *testing.T) {
	t.Parallel()
	// A call every 101 s is forgotten each time; the hour's limit holds all the same.
	l := limiter(t, pace.Published()["msteams"])
	var seen arrivals
	for now := t0; now.Before(t0.Add(3 * time.Hour)); now = now.Add(time.Second) {
		quiet := now.Sub(t0) < time.Hour
		if quiet && now.Sub(t0)%(101*time.Second) != 0 {
			l.Take(route("a"), "other", pace.Reply, now) // something else has the list looked through
			continue
		}
		for {
			p, ok := l.Take(route("a"), "x", pace.Reply, now)
			if !ok {
				break
			}
			p.Done(now)
			seen = append(seen, now)
			if quiet {
				break
			}
		}
	}
	if n := seen.most(time.Hour); n > 1800 || n < 1750 {
		t.Errorf("%d calls within an hour", n)
	}
}
