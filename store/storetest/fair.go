package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// fair: who is handed out when more waits than is claimed.
func (s suite) fair(t *testing.T) {
	s.promise(t, "RoutesTakeTurns", routesTakeTurns)
	s.promise(t, "LateTenantDoesNotWaitForTheManyOfAnother", lateTenant)
	s.promise(t, "WhatOneRouteDoesNotUseGoesToOthers", restGoesToOthers)
	s.promise(t, "LateMessageDoesNotWaitBehindABroadcast", lateMessage)
	s.promise(t, "BroadcastsTakeTurns", broadcastsTakeTurns)
	s.promise(t, "SpreadBroadcastsTakeTurns", spreadsTakeTurns)
	s.promise(t, "BroadcastIsNotStarvedBySingleMessages", broadcastNotStarved)
	s.promise(t, "LanesShareTurns", lanesShareTurns)
	s.promise(t, "OrderInAConversationStays", orderStays)
}

// meetIn puts a conversation of another tenant into the book.
func (e *env) meetIn(other activity.TenantID, id string) book.Conversation {
	e.Helper()
	key := keyOf(id)
	key.Tenant = other
	return e.sight(sightingOf(key, e.start))
}

// people meets many.
func (e *env) people(in activity.TenantID, n int) []book.Conversation {
	e.Helper()
	all := make([]book.Conversation, n)
	for i := range all {
		all[i] = e.meetIn(in, fmt.Sprintf("%s-%d", in, i))
	}
	return all
}

// tenants counts what was handed out by tenants.
func tenants(attempts []outbox.Attempt) map[activity.TenantID]int {
	n := make(map[activity.TenantID]int)
	for _, a := range attempts {
		n[a.Conversation.Key.Tenant]++
	}
	return n
}

// of counts what was handed out of a message.
func of(s outbox.Submission, attempts []outbox.Attempt) (n int) {
	for _, a := range attempts {
		if a.Message == s.Message.ID {
			n++
		}
	}
	return n
}

func routesTakeTurns(e *env) {
	for _, in := range []activity.TenantID{"x", "y", "z"} {
		e.say(e.people(in, 20)...)
	}
	for range 4 {
		var three []outbox.Attempt
		for range 3 {
			three = append(three, e.claims(1, e.start).Attempts...)
		}
		equal(e.T, "three turns", tenants(three), map[activity.TenantID]int{"x": 1, "y": 1, "z": 1})
	}
	equal(e.T, "claimed at once", tenants(e.claims(9, e.start).Attempts), map[activity.TenantID]int{"x": 3, "y": 3, "z": 3})
	got := tenants(e.claims(7, e.start).Attempts)
	for in, n := range got {
		if n < 2 || n > 3 {
			e.Errorf("%d of 7 for %s: %v", n, in, got)
		}
	}
}

func lateTenant(e *env) {
	e.say(e.people("many", 200)...)
	first := e.claims(20, e.start).Attempts
	late := e.say(e.meetIn("few", "f"))
	for _, a := range first[:2] { // as slots become free
		e.ends(outcomeOf(a, e.start))
	}
	if got := e.claims(2, e.start).Attempts; of(late, got) != 1 {
		e.Errorf("the tenant that came late is not among the next two: %v", tenants(got))
	}
}

func restGoesToOthers(e *env) {
	e.say(e.people("many", 50)...)
	e.say(e.people("few", 3)...)
	equal(e.T, "claimed", tenants(e.claims(20, e.start).Attempts), map[activity.TenantID]int{"many": 17, "few": 3})
	equal(e.T, "claimed then", tenants(e.claims(100, e.start).Attempts), map[activity.TenantID]int{"many": 33})
}

func lateMessage(e *env) {
	e.say(e.people(tenant, 100)...)
	e.claims(30, e.start)
	late := e.say(e.meet("late"))
	if got := e.claims(2, e.start).Attempts; of(late, got) != 1 {
		e.Error("a message that came late is not among the next two of a broadcast")
	}
}

func broadcastsTakeTurns(e *env) {
	to := e.people(tenant, 100)
	long := e.say(to[:60]...)
	e.claims(10, e.start)
	short := e.say(to[60:80]...)
	got := e.claims(20, e.start).Attempts
	if n := of(short, got); n < 9 || n > 11 {
		e.Errorf("of 20, %d are of one broadcast, %d of the other", n, of(long, got))
	}
}

func spreadsTakeTurns(e *env) {
	long, short := e.people("spread", 60), e.people("spread2", 30)
	tag := func(cs []book.Conversation, tag string) {
		for _, c := range cs {
			e.ok(e.Label(e.ctx, c.Key, book.Labels{Tags: &[]string{tag}}, e.start))
		}
	}
	everybody := func(tag string, last book.Conversation, n int) outbox.Submission {
		s := e.message()
		s.Spread = &outbox.Spread{Filter: book.Filter{Tag: tag}, Last: last.Row, Conversations: n}
		return e.accept(s)
	}
	// One route for both, so that it is the messages that take turns.
	for i, c := range short {
		short[i] = e.meetIn("spread", string(c.Key.Conversation))
	}
	tag(long, "long")
	tag(short, "short")
	a := everybody("long", long[len(long)-1], len(long))
	b := everybody("short", short[len(short)-1], len(short))
	for more := true; more; {
		var err error
		_, more, err = e.SpreadMessages(e.ctx, 7, e.start, func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) })
		e.ok(err)
	}
	got := e.claims(40, e.start).Attempts
	if n := of(b, got); n < 17 || n > 23 {
		e.Errorf("of 40, %d are of one broadcast, %d of the other", n, of(a, got))
	}
}

func broadcastNotStarved(e *env) {
	to := e.people(tenant, 110)
	broadcast := e.say(to[:20]...)
	sent := 0
	for i := range 90 {
		e.say(to[20+i])
		got := e.claims(1, e.start).Attempts
		sent += of(broadcast, got)
		for _, a := range got {
			e.ends(outcomeOf(a, e.start))
		}
	}
	if sent < 8 || sent > 14 {
		e.Errorf("of 90 turns the broadcast had %d", sent)
	}
}

func lanesShareTurns(e *env) {
	to := e.people(tenant, 400)
	for i, l := range []outbox.Lane{outbox.LaneBulk, outbox.LaneNormal, outbox.LaneUrgent} {
		e.accept(inLane(l, e.message(to[i*130:(i+1)*130]...)))
	}
	lanes := func(claims, each int) (n [3]int) {
		for range claims {
			for _, a := range e.claims(each, e.start).Attempts {
				n[a.Lane]++
			}
		}
		return n
	}
	for _, got := range [][3]int{lanes(64, 1), lanes(4, 16)} {
		if got[0] < 54 || got[0] > 58 || got[1] < 5 || got[2] < 1 {
			e.Errorf("of 64 turns the lanes had %v", got)
		}
	}
	other := e.accept(inLane(outbox.LaneUrgent, e.message(e.meetIn("other", "o"))))
	if got := e.claims(2, e.start).Attempts; of(other, got) != 1 {
		e.Error("the lanes of one route hold up another")
	}
}

// orderStays: a broadcast and single messages reach each conversation in the order in which they became ready.
func orderStays(e *env) {
	to := e.people(tenant, 12)
	var said []outbox.Submission
	for range 3 {
		said = append(said, e.say(to...), e.say(to[3]), e.say(to[7]))
	}
	got := make(map[book.Row][]outbox.MessageID)
	for {
		attempts := e.claims(5, e.start).Attempts
		if len(attempts) == 0 {
			break
		}
		for _, a := range attempts {
			got[a.Conversation.Row] = append(got[a.Conversation.Row], a.Message)
			e.ends(outcomeOf(a, e.start))
		}
	}
	for _, c := range to {
		var want []outbox.MessageID
		for _, s := range said {
			if slices.ContainsFunc(s.Deliveries, func(d outbox.NewDelivery) bool { return d.Conversation == c.Row }) {
				want = append(want, s.Message.ID)
			}
		}
		if !slices.Equal(got[c.Row], want) {
			e.Errorf("%s was told %v, want %v", c.Key.Conversation, got[c.Row], want)
		}
	}
}
