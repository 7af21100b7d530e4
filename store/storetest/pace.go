package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// paced: what is handed out where a channel has limits.
func (s suite) paced(t *testing.T) {
	perTenant := pace.Profile{PerTenant: []pace.Window{{Limit: 5, Per: time.Second}}}
	perConversation := pace.Profile{PerConversation: []pace.Window{{Limit: 1, Per: 10 * time.Second}}}
	for name, c := range map[string]struct {
		profile pace.Profile
		test    func(*paced)
	}{
		"NoMoreThanTheLimit":                     {perTenant, noMoreThanTheLimit},
		"TenantsHaveTheirOwnLimits":              {perTenant, tenantsHaveTheirOwn},
		"PausedRouteIsLeftAloneAndOthersFlow":    {pace.Profile{}, pausedRoute},
		"PauseThatEndsEarlyWakes":                {pace.Profile{}, pauseEndsEarly},
		"WaitsForWhereItsConversationIsNow":      {pace.Profile{}, waitsWhereItIs},
		"ConversationWithoutRoomWaitsByItself":   {perConversation, conversationWaits},
		"ManyThatWaitAreNotLookedAt":             {perConversation, manyThatWait},
		"UrgentPassesABroadcastThatWaits":        {perTenant, urgentPasses},
		"WhatIsFreshIsPacedToo":                  {perTenant, freshIsPaced},
		"PermitOfWhatIsNotHandedOutIsGivenBack":  {perTenant, permitGivenBack},
		"ThrottledIsNotAFailureAndWaitsAlone":    {pace.Profile{}, throttledWaitsAlone},
		"OneTriesAfterAPauseAndThenTheOthersGo":  {pace.Profile{}, oneTries},
		"PausedHostHoldsUpItsTenantsAndNoOthers": {pace.Profile{}, pausedHost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limiter(t, c.profile)
			c.test(&paced{newEnv(t, s.OpenPaced(t, limits)), limits})
		})
	}
}

// limiter makes one for the channel of the suite's conversations.
func limiter(t *testing.T, p pace.Profile) *pace.Limiter {
	l, err := pace.New(pace.Config{Profiles: pace.Profiles{string(activity.ChannelDirectLine): p}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// paced is a test with its store and what that is limited by.
type paced struct {
	*env
	limits *pace.Limiter
}

// sends ends attempts that went well, as a worker does.
func (e *paced) sends(at time.Time, attempts ...outbox.Attempt) {
	e.Helper()
	for _, a := range attempts {
		a.Permit.Done(at)
		e.limits.Succeeded(outbox.RouteOf(a.Conversation), string(a.Conversation.Key.Conversation), at)
		e.ends(outcomeOf(a, at))
	}
}

// next claims all that may be had and expects n, and when to look again.
func (e *paced) next(at time.Time, n int, next time.Time) []outbox.Attempt {
	e.Helper()
	c := e.claims(100, at)
	if len(c.Attempts) != n {
		e.Fatalf("%d are handed out at %v, want %d", len(c.Attempts), at.Sub(e.start), n)
	}
	if off := c.NextDue.Sub(next); next.IsZero() != c.NextDue.IsZero() || off < 0 || off > 5*time.Millisecond {
		e.Errorf("at %v the next is due at %v, want %v", at.Sub(e.start), c.NextDue.Sub(e.start), next.Sub(e.start))
	}
	return c.Attempts
}

func noMoreThanTheLimit(e *paced) {
	e.say(e.people(tenant, 12)...)
	attempts := e.next(e.start, 5, e.at(time.Second))
	e.sends(e.at(100*time.Millisecond), attempts[:2]...)
	e.sends(e.at(200*time.Millisecond), attempts[2:]...)
	e.next(e.at(1050*time.Millisecond), 0, e.at(1100*time.Millisecond))
	e.sends(e.at(1150*time.Millisecond), e.next(e.at(1101*time.Millisecond), 2, e.at(1200*time.Millisecond))...)
	e.next(e.at(1201*time.Millisecond), 3, e.at(2150*time.Millisecond))
}

func tenantsHaveTheirOwn(e *paced) {
	e.say(e.people("x", 20)...)
	e.say(e.people("y", 20)...)
	e.say(e.people("z", 2)...)
	got := e.next(e.start, 12, e.at(time.Second))
	equal(e.T, "handed out", tenants(got), map[activity.TenantID]int{"x": 5, "y": 5, "z": 2})
}

func (e *paced) route(c book.Conversation) pace.Route { return outbox.RouteOf(c) }

func pausedRoute(e *paced) {
	x, y := e.people("x", 30), e.people("y", 10)
	e.limits.Pause(e.route(x[0]).OfTenant(), e.at(time.Hour), pace.ReasonThrottled)
	e.say(x...)
	e.say(y[:5]...)
	e.sends(e.start, e.next(e.start, 5, e.at(time.Hour))...)
	refused := e.limits.Stats().Refused
	e.say(y[5:]...)
	e.sends(e.at(time.Minute), e.next(e.at(time.Minute), 5, e.at(time.Hour))...)
	if n := e.limits.Stats().Refused - refused; n != 0 {
		e.Errorf("the limiter was asked %d times for what it had refused", n)
	}
}

func pauseEndsEarly(e *paced) {
	x := e.people("x", 3)
	scope := e.route(x[0]).OfTenant()
	e.limits.Pause(scope, e.at(time.Hour), pace.ReasonThrottled)
	e.say(x...)
	e.next(e.start, 0, e.at(time.Hour))
	e.quiet()
	e.limits.Resume(scope)
	e.woken()
	e.next(e.at(time.Second), 3, time.Time{})
}

// waitsWhereItIs: what waits goes along when its conversation is found behind another host.
func waitsWhereItIs(e *paced) {
	x := e.people("x", 2)
	e.limits.Pause(e.route(x[0]).OfHost(), e.at(time.Hour), pace.ReasonUnreachable)
	first, second := e.say(x...), e.say(x...)
	e.sayIn(time.Minute, x...)
	e.next(e.start, 0, e.at(time.Minute))
	moved := sightingOf(x[0].Key, e.at(time.Second))
	moved.Reference.ServiceURL = "https://moved.example/v3"
	e.quiet()
	c := e.sight(moved)
	e.woken()
	for i, want := range []outbox.Submission{first, second} {
		a := e.next(e.at(time.Second), 1, e.at(time.Minute))[0]
		if a.Message != want.Message.ID || a.Conversation.Reference.ServiceURL != c.Reference.ServiceURL {
			e.Fatalf("number %d is message %d to %s", i, a.Message, a.Conversation.Reference.ServiceURL)
		}
		e.sends(e.at(time.Second), a)
	}
	e.next(e.at(time.Minute), 1, e.at(time.Hour))
}

func conversationWaits(e *paced) {
	a, b := e.meet("a"), e.meet("b")
	e.say(a)
	second := e.say(a)
	e.sends(e.at(time.Second), e.next(e.start, 1, time.Time{})...)
	e.next(e.at(2*time.Second), 0, e.at(11*time.Second))
	d := e.stands(second, outbox.StateReady)
	if off := d.DueAt.Sub(e.at(11 * time.Second)); off < 0 || off > 5*time.Millisecond {
		e.Errorf("it is due at %v", d.DueAt.Sub(e.start))
	}
	other := e.say(b)
	got := e.next(e.at(3*time.Second), 1, e.at(11*time.Second))
	if of(other, got) != 1 {
		e.Error("another conversation waits too")
	}
	if got := e.next(e.at(11*time.Second+5*time.Millisecond), 1, time.Time{}); of(second, got) != 1 {
		e.Error("it is not handed out when there is room")
	}
}

// manyThatWait: heads whose conversations have no room cost nothing until these have some.
func manyThatWait(e *paced) {
	const n = 1200    // more than a driver does in one step
	const atOnce = 20 // a driver commits them together
	all := make([]book.Conversation, n)
	together(atOnce, func(k int) {
		for i := k; i < n; i += atOnce {
			all[i] = e.meetIn(tenant, fmt.Sprint("many-", i))
		}
	})
	e.say(all...)
	e.say(all...)
	for done := 0; done < n; {
		got := e.claims(100, e.start).Attempts
		if len(got) == 0 {
			e.Fatalf("%d were handed out, want %d", done, n)
		}
		together(len(got), func(i int) { e.sends(e.at(time.Second), got[i]) })
		done += len(got)
	}
	e.next(e.at(2*time.Second), 0, e.at(11*time.Second))
	refused := e.limits.Stats().Refused
	for i := range 20 {
		e.next(e.at(3*time.Second+time.Duration(i)*time.Millisecond), 0, e.at(11*time.Second))
	}
	if again := e.limits.Stats().Refused - refused; again != 0 {
		e.Errorf("%d were looked at although their conversations had no room", again)
	}
	e.sends(e.at(12*time.Second), e.next(e.at(12*time.Second), 100, time.Time{})...)
}

func urgentPasses(e *paced) {
	e.say(e.people(tenant, 40)...)
	now := e.start
	e.sends(now, e.next(now, 5, now.Add(time.Second))...)
	urgent := e.accept(inLane(outbox.LaneUrgent, e.message(e.meet("urgent"))))
	now = now.Add(time.Second + time.Millisecond)
	if got := e.next(now, 5, now.Add(time.Second)); of(urgent, got) != 1 {
		e.Error("an urgent message waits behind a broadcast")
	}
}

func freshIsPaced(e *paced) {
	all := e.people(tenant, 9)
	fresh := func(c book.Conversation) *outbox.Attempt {
		e.Helper()
		r, err := e.SubmitMessage(e.ctx, e.message(c), true)
		e.ok(err)
		return r.Attempt
	}
	var attempts []outbox.Attempt
	for i := range 5 {
		a := fresh(all[i])
		if a == nil || a.Permit == nil {
			e.Fatalf("number %d is %+v", i, a)
		}
		attempts = append(attempts, *a)
	}
	if a := fresh(all[5]); a != nil {
		e.Fatal("a fresh message is handed out although there is no room")
	}
	e.sends(e.start, attempts...)
	now := e.at(time.Second + time.Millisecond)
	s := e.message(all[6])
	s.At = now
	r, err := e.SubmitMessage(e.ctx, s, true)
	e.ok(err)
	if r.Attempt != nil {
		e.Error("a fresh message passes one that waits for room")
	}
	e.sends(now, e.next(now, 2, time.Time{})...)
}

// permitGivenBack: a step that fails leaves no permit behind.
func permitGivenBack(e *paced) {
	c := e.people(tenant, 2)
	taken := e.say(c[0])
	again := e.message(c[1])
	again.Deliveries[0].ID = taken.Deliveries[0].ID
	if _, err := e.SubmitMessage(e.ctx, again, true); err == nil {
		e.Fatal("a delivery with the id of another was accepted")
	}
	if n := e.limits.Stats().OnWay; n != 0 {
		e.Errorf("%d calls are on their way", n)
	}
	l := e.lease(c[0].Key)
	e.next(e.start, 0, time.Time{})
	l.Release()
	if n := e.limits.Stats().OnWay; n != 0 {
		e.Errorf("%d calls are on their way to a conversation that is not free", n)
	}
}

func throttledWaitsAlone(e *paced) {
	a, b := e.meet("a"), e.meet("b")
	first := e.say(a)
	got := e.next(e.start, 1, time.Time{})[0]
	e.limits.Throttled(e.route(a), string(a.Key.Conversation), time.Minute, e.at(time.Second))
	got.Permit.Done(e.at(time.Second))
	o := retryOf(got, e.at(time.Second), e.at(2*time.Second))
	o.Failed, o.Reason, o.Status = false, "throttled", 429
	e.ends(o)
	other := e.say(b)
	e.sends(e.at(3*time.Second), e.next(e.at(3*time.Second), 1, e.at(61*time.Second))...)
	e.stands(other, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	again := e.next(e.at(61*time.Second+5*time.Millisecond), 1, time.Time{})
	if of(first, again) != 1 || again[0].Claims != 2 || again[0].Failures != 0 {
		e.Errorf("after the pause: %d, claim %d with %d failures", again[0].Message, again[0].Claims, again[0].Failures)
	}
}

func oneTries(e *paced) {
	x := e.people("x", 6)
	e.limits.Pause(e.route(x[0]).OfTenant(), e.at(time.Minute), pace.ReasonThrottled)
	e.say(x...)
	e.next(e.start, 0, e.at(time.Minute))
	now := e.at(time.Minute + time.Millisecond)
	probe := e.next(now, 1, now.Add(time.Second))
	e.next(now.Add(500*time.Millisecond), 0, now.Add(time.Second))
	e.quiet()
	e.sends(now.Add(600*time.Millisecond), probe...)
	e.woken()
	e.next(now.Add(600*time.Millisecond), 5, time.Time{})
}

func pausedHost(e *paced) {
	elsewhere := sightingOf(keyOf("elsewhere"), e.start)
	elsewhere.Reference.ServiceURL = "https://elsewhere.example/"
	c := e.sight(elsewhere)
	for i := range 5 {
		e.say(e.meetIn(activity.TenantID(fmt.Sprint("t", i)), "a"))
	}
	e.say(c)
	e.limits.Pause(pace.Route{Host: "channel.example"}.OfHost(), e.at(time.Minute), pace.ReasonUnreachable)
	if got := e.next(e.start, 1, e.at(time.Minute)); got[0].Conversation.Row != c.Row {
		e.Errorf("it went to %s", got[0].Conversation.Reference.ServiceURL)
	}
}

// durablePace: what a process has called counts for the next one, whatever it died of.
func (s suite) durablePace(t *testing.T) {
	const long = 30 * time.Second
	for name, c := range map[string]struct {
		profile pace.Profile
		test    func(e *paced, again func())
	}{
		"PausesHold":                {pace.Profile{}, pausesHold},
		"DeliveriesCount":           {pace.Profile{PerConversation: []pace.Window{{Limit: 10, Per: long}}}, deliveriesCount},
		"RepliesCount":              {pace.Profile{PerConversation: []pace.Window{{Limit: 20, Per: long}}}, repliesCount},
		"ShortWindowsAreWaitedOut":  {pace.Profile{PerTenant: []pace.Window{{Limit: 5, Per: 300 * time.Millisecond}}}, shortWindow},
		"CallsOfTheBotCountForLong": {pace.Profile{PerBot: []pace.Window{{Limit: 12, Per: time.Hour}}}, callsOfTheBot},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limiter(t, c.profile)
			open := s.OpenPaced
			if s.OpenShared != nil {
				open = s.OpenShared
			}
			e := &paced{newEnv(t, open(t, limits)), limits}
			c.test(e, func() {
				e.limits = limiter(t, c.profile)
				e.Store = s.ReopenPaced(t, e.Store, e.limits)
			})
		})
	}
}

// The clock of these tests is the real one: the store counts from its own present when it is opened.

func pausesHold(e *paced, again func()) {
	x, y := e.people("x", 2), e.people("y", 2)
	gone := e.route(y[0]).OfTenant()
	e.limits.Pause(e.route(x[0]).OfTenant(), e.at(time.Hour), pace.ReasonThrottled)
	e.limits.Pause(gone, e.at(time.Hour), pace.ReasonThrottled)
	e.limits.Resume(gone)
	e.say(x...)
	e.say(y...)
	again()
	c := e.claims(100, present())
	equal(e.T, "handed out", tenants(c.Attempts), map[activity.TenantID]int{"y": 2})
	if off := c.NextDue.Sub(e.at(time.Hour)); off.Abs() > time.Second {
		e.Errorf("the next is due %v after the end of the pause", off)
	}
}

// sendsAll delivers so many messages to a conversation, one after the other.
func (e *paced) sendsAll(n int, to book.Conversation) {
	e.Helper()
	for range n {
		e.say(to)
		got := e.handed(1, patience)
		if len(got) != 1 {
			e.Fatal("nothing is handed out")
		}
		e.sends(present(), got...)
	}
}

// left counts what may be delivered to a conversation now.
func (e *paced) left(to book.Conversation) (n int) {
	e.Helper()
	for {
		s := e.say(to)
		got := e.handed(1, time.Second)
		if len(got) == 0 {
			err := e.CancelMessage(e.ctx, s.Message.ID, present())
			e.ok(err)
			return n
		}
		e.sends(present(), got...)
		n++
	}
}

func deliveriesCount(e *paced, again func()) {
	a, b := e.meet("a"), e.meet("b")
	e.sendsAll(5, a)
	again()
	if n := e.left(a); n > 5 || n < 5-pace.Unkept {
		e.Errorf("%d more after 5 of 10", n)
	}
	if n := e.left(b); n < 10-pace.Unkept || n > 10 {
		e.Errorf("%d in a conversation without any", n)
	}
}

func repliesCount(e *paced, again func()) {
	a := e.meet("a")
	l := e.lease(a.Key)
	reply := func() {
		p, err := e.limits.Wait(e.ctx, e.route(a), string(a.Key.Conversation), pace.Reply)
		e.ok(err)
		p.Done(present())
	}
	for range 2 {
		reply()
	}
	e.ok(e.Commit(e.ctx, l, []headsup.Op{answered("1", present())}))
	for range 7 { // a turn that does not come to its end
		reply()
	}
	again()
	n := e.left(a)
	if n > 20-9 || n < 20-9-2*pace.Unkept {
		e.Errorf("%d deliveries after 9 replies of 20 calls", n)
	}
	again()
	if n := e.left(a); n > 0 {
		e.Errorf("%d more when all was used", n)
	}
}

func shortWindow(e *paced, again func()) {
	to := e.people(tenant, 5)
	e.say(to...)
	if n := len(e.handed(5, patience)); n != 5 {
		e.Fatalf("%d are handed out, want 5", n)
	}
	again()
	opened := present()
	e.say(to...)
	if len(e.handed(1, patience)) == 0 {
		e.Fatal("nothing is handed out")
	}
	if took := present().Sub(opened); took < 250*time.Millisecond {
		e.Errorf("the window that was full before was open after %v", took)
	}
}

func callsOfTheBot(e *paced, again func()) {
	to := e.people("x", 4)
	for _, c := range to {
		e.sendsAll(1, c)
	}
	e.ok(e.Forget(e.ctx, to[0].Key, present()))
	again()
	if n := e.left(to[1]); n > 8 || n < 8-pace.Unkept {
		e.Errorf("%d more after 4 of 12", n)
	}
}
