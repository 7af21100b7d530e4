package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) replay(t *testing.T) {
	s.promise(t, "WhatEndedBadlyBeginsANewLife", newLife)
	s.promise(t, "WhatIsDeliveredOrUnderWayIsNotReplayed", notReplayed)
	s.promise(t, "ReplayedDoesNotExpire", replayedDoesNotExpire)
	s.promise(t, "ReplayedTakesANewPlace", replayedPlace)
	s.promise(t, "RecalledIsNotReplayed", recalledNotReplayed)
	s.promise(t, "ForgottenIsNeitherReplayedNorRevised", forgottenStays)
	s.promise(t, "ReplayedByFilterOldestFirst", replayedByFilter)
	s.promise(t, "ForbiddenIsTriedWhereSomethingIsReplayed", forbiddenTried)
	s.promise(t, "OnlyUnknownIsSettled", onlyUnknownIsSettled)
}

// endsAs says something and ends it in a state.
func (e *env) endsAs(id string, state outbox.State, reason string) outbox.Submission {
	e.Helper()
	s := e.say(e.meet(id))
	a := e.claimsOnly(1, e.start, s)[0]
	e.ends(outbox.Outcome{Delivery: a.Delivery, Fence: a.Fence, State: state, Reason: reason, Failed: true, At: e.start})
	return s
}

func newLife(e *env) {
	for _, state := range []outbox.State{
		outbox.StateFailed, outbox.StateUnknown, outbox.StateExpired, outbox.StateSuppressed, outbox.StateCancelled,
	} {
		s := e.endsAs("a", state, "why")
		before := e.delivery(s)
		e.quiet()
		d, err := e.ReplayDelivery(e.ctx, before.ID, outbox.Replay{At: e.at(time.Minute)})
		e.ok(err)
		e.woken()
		want := before
		want.State, want.Reason, want.Failures, want.UpdatedAt = outbox.StateReady, outbox.ReasonReplayed, 0, e.at(time.Minute)
		want.MayHaveArrived = state == outbox.StateUnknown
		want.History = append(want.History, outbox.Change{
			At: e.at(time.Minute), State: outbox.StateReady, Attempt: 1, Reason: outbox.ReasonReplayed,
		})
		equal(e.T, string(state), d, want)
		equal(e.T, "record", e.delivery(s), want)
		a := e.claimsOnly(10, e.at(time.Minute), s)[0]
		if a.Claims != 2 || a.Failures != 0 || a.Delivery != before.ID {
			e.Errorf("handed out as %+v", a)
		}
		e.ends(outcomeOf(a, e.at(time.Minute)))
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 5})
}

func notReplayed(e *env) {
	c := e.meet("a")
	over, sending := e.say(c), e.say(c)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, over)[0], e.start))
	e.claimsOnly(1, e.start, sending)
	for _, s := range []outbox.Submission{over, sending, e.say(c), e.sayIn(time.Minute, c)} {
		before := e.record(s)
		_, err := e.ReplayDelivery(e.ctx, before.Deliveries[0].ID, outbox.Replay{At: e.start})
		e.is(err, outbox.ErrState)
		equal(e.T, "record", e.record(s), before)
	}
	_, err := e.ReplayDelivery(e.ctx, 4711, outbox.Replay{At: e.start})
	e.is(err, outbox.ErrNoDelivery)
}

func replayedDoesNotExpire(e *env) {
	s := e.message(e.meet("a"))
	s.Message.ExpiresAt = e.at(time.Minute)
	e.accept(s)
	e.claimsOnly(1, e.at(time.Hour))
	d := e.stands(s, outbox.StateReady, outbox.StateExpired)
	_, err := e.ReplayDelivery(e.ctx, d.ID, outbox.Replay{At: e.at(time.Hour)})
	e.ok(err)
	a := e.claimsOnly(1, e.at(time.Hour), s)[0]
	if !a.ExpiresAt.IsZero() {
		e.Errorf("expires at %v", a.ExpiresAt)
	}
	e.ends(retryOf(a, e.at(time.Hour), e.at(2*time.Hour)))
	e.claimsOnly(1, e.at(2*time.Hour), s)
}

func replayedPlace(e *env) {
	c := e.meet("a")
	first, second, third := e.say(c), e.say(c), e.say(c)
	err := e.CancelMessage(e.ctx, second.Message.ID, e.start) // while it is behind another
	e.ok(err)
	_, err = e.ReplayDelivery(e.ctx, second.Deliveries[0].ID, outbox.Replay{At: e.start})
	e.ok(err)
	for _, s := range []outbox.Submission{first, third, second} {
		e.ends(outcomeOf(e.claimsOnly(10, e.start, s)[0], e.start))
	}
	e.claimsOnly(10, e.start)
}

func recalledNotReplayed(e *env) {
	s := e.say(e.meet("a"), e.meet("b"))
	attempts := e.claims(10, e.start).Attempts
	e.saidAs(attempts[0], "said", e.start)
	o := outcomeOf(attempts[1], e.start)
	o.State, o.Activity = outbox.StateFailed, ""
	e.ends(o)
	e.revises(s, nil, e.start)
	_, err := e.ReplayDelivery(e.ctx, attempts[1].Delivery, outbox.Replay{At: e.start})
	e.is(err, outbox.ErrRecalled)

	a := e.claimsOnly(10, e.start, s)[0]
	o = outcomeOf(a, e.start)
	o.State, o.Activity = outbox.StateFailed, ""
	e.ends(o)
	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, Limit: 10}, outbox.Replay{At: e.start})
	e.ok(err)
	if n != 1 {
		e.Errorf("replayed %d, want what takes back only", n)
	}
	if again := e.claimsOnly(10, e.start, s)[0]; again.Delivery != a.Delivery || again.Sent != "said" {
		e.Errorf("handed out %+v", again)
	}
}

func forgottenStays(e *env) {
	a, b := e.meet("a"), e.meet("b")
	s := e.say(a, b)
	for _, attempt := range e.claims(10, e.start).Attempts {
		e.saidAs(attempt, "said", e.start)
	}
	failed := e.endsAs("a", outbox.StateFailed, "")
	e.ok(e.Forget(e.ctx, a.Key, e.start))
	_, err := e.ReplayDelivery(e.ctx, failed.Deliveries[0].ID, outbox.Replay{At: e.start})
	e.is(err, book.ErrNotFound)
	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, Limit: 10}, outbox.Replay{At: e.start})
	e.ok(err)
	if n != 0 {
		e.Errorf("replayed %d", n)
	}
	e.revises(s, edited, e.start)
	r := e.revises(s, nil, e.start)
	if len(r.Deliveries) != 4 {
		e.Errorf("%d deliveries, want those that were sent, and an update and a removal in the conversation that is left", len(r.Deliveries))
	}
	for _, d := range e.allDeliveries(outbox.DeliveryFilter{Conversation: a.Row}, 10) {
		if d.Key != a.Key {
			e.Errorf("delivery %d was to %v", d.ID, d.Key)
		}
	}
	e.claimsOnly(10, e.start, s)
}

func replayedByFilter(e *env) {
	var said []outbox.Submission
	for i, state := range []outbox.State{
		outbox.StateFailed, outbox.StateFailed, outbox.StateUnknown, outbox.StateDelivered, outbox.StateFailed, outbox.StateFailed,
	} {
		reason := "not_found"
		if i == 1 {
			reason = "blocked"
		}
		said = append(said, e.endsAs(string(rune('a'+i)), state, reason))
	}
	replays := func(want int, f outbox.DeliveryFilter) {
		e.Helper()
		if f.Limit == 0 {
			f.Limit = 100
		}
		n, err := e.ReplayDeliveries(e.ctx, f, outbox.Replay{At: e.at(time.Minute)})
		e.ok(err)
		if n != want {
			e.Errorf("replayed %d, want %d", n, want)
		}
	}
	replays(0, outbox.DeliveryFilter{AppID: "other"})
	replays(0, outbox.DeliveryFilter{AppID: app, State: outbox.StateDelivered})
	replays(0, outbox.DeliveryFilter{AppID: app, State: outbox.StateReady})
	replays(2, outbox.DeliveryFilter{AppID: app, State: outbox.StateFailed, Reason: "not_found", Limit: 2})
	replays(1, outbox.DeliveryFilter{AppID: app, Message: said[2].Message.ID})
	replays(1, outbox.DeliveryFilter{AppID: app, Conversation: e.delivery(said[5]).Conversation})
	replays(1, outbox.DeliveryFilter{AppID: app})
	replays(0, outbox.DeliveryFilter{AppID: app})
	e.claimsOnly(10, e.at(time.Minute), said[0], said[4], said[2], said[5], said[1])
}

func forbiddenTried(e *env) {
	reach := func(s outbox.Submission, want book.Reach) {
		e.Helper()
		c, err := e.Conversation(e.ctx, e.delivery(s).Key)
		e.ok(err)
		if c.Reach != want || want == book.ReachActive && (c.Cause != outbox.ReasonReplayed || !c.ReachAt.Equal(e.at(time.Minute))) {
			e.Errorf("%s is %s since %v for %q, want %s", c.Key.Conversation, c.Reach, c.ReachAt, c.Cause, want)
		}
	}
	var said []outbox.Submission
	for i := range 6 {
		s := e.endsAs(string(rune('a'+i)), outbox.StateFailed, "blocked")
		as, cause := book.ReachBlocked, "blocked"
		if i == 4 {
			as, cause = book.ReachUninstalled, book.CauseUninstalled
		}
		next := e.say(e.meet(string(rune('a' + i))))
		e.ok(e.StrikeOut(e.ctx, e.delivery(s).Key, book.Standing{Reach: as, Cause: cause, At: e.start}))
		said = append(said, s)
		a := e.claimsOnly(1, e.start, next)[0] // so that the store has seen it struck out
		if a.Conversation.Reach != as {
			e.Errorf("handed out as %s, want %s", a.Conversation.Reach, as)
		}
		e.ends(outcomeOf(a, e.start))
	}
	recalled, gone := said[0], said[4]
	e.revises(recalled, nil, e.start)
	_, err := e.ReplayDelivery(e.ctx, recalled.Deliveries[0].ID, outbox.Replay{At: e.at(time.Minute), Forbidden: true})
	e.is(err, outbox.ErrRecalled)
	reach(recalled, book.ReachBlocked)

	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, Limit: 2}, outbox.Replay{At: e.at(time.Minute), Forbidden: true})
	e.ok(err)
	if n != 2 {
		e.Errorf("replayed %d, want 2", n)
	}
	for i, want := range []book.Reach{book.ReachBlocked, book.ReachActive, book.ReachActive, book.ReachBlocked, book.ReachUninstalled, book.ReachBlocked} {
		reach(said[i], want)
	}
	_, err = e.ReplayDelivery(e.ctx, said[3].Deliveries[0].ID, outbox.Replay{At: e.at(time.Minute)})
	e.ok(err)
	reach(said[3], book.ReachBlocked) // nobody has asked for it
	for _, s := range []outbox.Submission{gone, said[5]} {
		_, err = e.ReplayDelivery(e.ctx, s.Deliveries[0].ID, outbox.Replay{At: e.at(time.Minute), Forbidden: true})
		e.ok(err)
	}
	reach(gone, book.ReachUninstalled) // which is not the channel's
	reach(said[5], book.ReachActive)
	for _, a := range e.claimsOnly(10, e.at(time.Minute), said[1], said[2], said[3], gone, said[5]) {
		want := book.ReachActive
		switch a.Delivery {
		case said[3].Deliveries[0].ID:
			want = book.ReachBlocked
		case gone.Deliveries[0].ID:
			want = book.ReachUninstalled
		}
		if a.Conversation.Reach != want {
			e.Errorf("%s is handed out as %s, want %s", a.Conversation.Key.Conversation, a.Conversation.Reach, want)
		}
	}
}

func onlyUnknownIsSettled(e *env) {
	for _, to := range []outbox.State{outbox.StateDelivered, outbox.StateFailed} {
		s := e.endsAs("a", outbox.StateUnknown, "no_answer")
		d, err := e.SettleDelivery(e.ctx, s.Deliveries[0].ID, outbox.Settlement{State: to, At: e.at(time.Minute)})
		e.ok(err)
		equal(e.T, "settled", e.delivery(s), d)
		last := d.History[len(d.History)-1]
		equal(e.T, "change", last, outbox.Change{At: e.at(time.Minute), State: to, Attempt: 1, Reason: outbox.ReasonSettled})
		if d.State != to || d.Reason != outbox.ReasonSettled || !d.UpdatedAt.Equal(e.at(time.Minute)) {
			e.Errorf("%s (%s) at %v", d.State, d.Reason, d.UpdatedAt)
		}
		_, err = e.SettleDelivery(e.ctx, d.ID, outbox.Settlement{State: to, At: e.at(time.Minute)})
		e.is(err, outbox.ErrState)
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 1, outbox.StateFailed: 1})
	unknown := e.endsAs("a", outbox.StateUnknown, "").Deliveries[0].ID
	for _, to := range []outbox.State{"", outbox.StateReady, outbox.StateCancelled} {
		if _, err := e.SettleDelivery(e.ctx, unknown, outbox.Settlement{State: to, At: e.start}); err == nil {
			e.Errorf("settled as %q", to)
		}
	}
	_, err := e.SettleDelivery(e.ctx, e.say(e.meet("b")).Deliveries[0].ID, outbox.Settlement{State: outbox.StateFailed, At: e.start})
	e.is(err, outbox.ErrState)
	_, err = e.SettleDelivery(e.ctx, 4711, outbox.Settlement{State: outbox.StateFailed, At: e.start})
	e.is(err, outbox.ErrNoDelivery)
}
