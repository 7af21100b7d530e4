package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) outcome(t *testing.T) {
	s.promise(t, "FinalOutcomeIsKeptAndFreesTheLane", finalOutcome)
	s.promise(t, "RetryComesWhenItIsDue", retryComes)
	s.promise(t, "FailuresAreCountedApartFromClaims", failuresAreCounted)
	s.promise(t, "HistoryIsCompleteAndInOrder", historyIsComplete)
	s.promise(t, "StaleFenceIsRefused", staleFence)
	s.promise(t, "WhatIsNoOutcomeIsRefused", noOutcome)
	s.promise(t, "LostAttemptIsHandedOutAgain", lostIsHandedOutAgain)
	s.promise(t, "LostAttemptThatMustNotRepeatIsUnknown", lostIsUnknown)
	s.promise(t, "ExtendedAttemptIsNotLost", extendedIsNotLost)
	s.promise(t, "ExtendTellsWhatIsLost", extendTellsLost)
	s.expiring(t, "AttemptWhoseConversationWasTakenOverIsLost", takenOverIsLost)
	s.promise(t, "CountsSumToAccepted", countsSum)
}

func finalOutcome(e *env) {
	c := e.meet("a")
	for _, state := range allStates {
		if !state.Final() {
			continue
		}
		s, next := e.say(c), e.say(c)
		a := e.claimsOnly(10, e.start, s)[0]
		e.quiet()
		e.ends(outbox.Outcome{
			Delivery: a.Delivery, Fence: a.Fence, State: state, Reason: "some_reason", Status: 418, Detail: "it said: \"é\"",
			Activity: "the-id|000001", At: e.at(time.Second),
		})
		e.woken()
		d := e.stands(s, outbox.StateReady, outbox.StateSending, state)
		equal(e.T, string(state), d, outbox.Delivery{
			ID: a.Delivery, Message: s.Message.ID, Conversation: c.Row, Key: c.Key, State: state, Reason: "some_reason",
			Activity: "the-id|000001", Claims: 1, CreatedAt: e.start, UpdatedAt: e.at(time.Second), History: d.History,
		})
		equal(e.T, string(state)+" in the history", d.History[2], outbox.Change{
			At: e.at(time.Second), State: state, Attempt: 1, Reason: "some_reason", Status: 418,
			Detail: "it said: \"é\"", Activity: "the-id|000001",
		})
		e.ends(outcomeOf(e.claimsOnly(10, e.start, next)[0], e.start))
		e.lease(c.Key).Release()
	}
}

func retryComes(e *env) {
	c := e.meet("a")
	s := e.say(c)
	a := e.claimsOnly(1, e.start, s)[0]
	e.quiet()
	e.ends(retryOf(a, e.at(time.Second), e.at(time.Minute)))
	e.woken() // somebody may wait for a later time, or for none
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateReady)
	if !d.DueAt.Equal(e.at(time.Minute)) {
		e.Errorf("due at %v, want %v", d.DueAt, e.at(time.Minute))
	}
	e.lease(c.Key).Release() // between the tries the conversation is free
	e.claimsOnly(10, e.at(59*time.Second))
	again := e.claimsOnly(10, e.at(time.Minute), s)[0]
	if again.Fence <= a.Fence {
		e.Errorf("fence %d follows %d", again.Fence, a.Fence)
	}
	if d := e.delivery(s); !d.DueAt.IsZero() {
		e.Errorf("what is being sent is due at %v", d.DueAt)
	}

	now := retryOf(again, e.at(time.Minute), time.Time{})
	e.ends(now)
	if d := e.delivery(s); !d.DueAt.IsZero() {
		e.Errorf("what may be tried at once is due at %v", d.DueAt)
	}
	e.claimsOnly(10, e.at(time.Minute), s)
}

func failuresAreCounted(e *env) {
	c := e.meet("a")
	s := e.say(c)
	for claims, failures := 1, 0; claims <= 4; claims++ {
		a := e.claimsOnly(1, e.start, s)[0]
		e.isAttempt(a, s, c, claims, failures, e.start)
		o := retryOf(a, e.start, e.start)
		o.Failed = claims%2 == 0
		if o.Failed {
			failures++
		}
		e.ends(o)
		if d := e.delivery(s); d.Claims != claims || d.Failures != failures {
			e.Errorf("claims %d, failures %d, want %d, %d", d.Claims, d.Failures, claims, failures)
		}
	}
}

func historyIsComplete(e *env) {
	s := e.sayIn(time.Minute, e.meet("a"))
	first := e.claimsOnly(1, e.at(time.Minute), s)[0]
	e.ends(outbox.Outcome{
		Delivery: first.Delivery, Fence: first.Fence, State: outbox.StateReady, RetryAt: e.at(2 * time.Minute),
		Reason: "throttled", Status: 429, Detail: "slow down", At: e.at(61 * time.Second),
	})
	second := e.claimsOnly(1, e.at(2*time.Minute), s)[0]
	e.ends(outcomeOf(second, e.at(3*time.Minute)))

	equal(e.T, "history", e.delivery(s).History, []outbox.Change{
		{At: e.start, State: outbox.StateScheduled},
		{At: e.at(time.Minute), State: outbox.StateReady},
		{At: e.at(time.Minute), State: outbox.StateSending, Attempt: 1},
		{
			At: e.at(61 * time.Second), State: outbox.StateReady, Attempt: 1, Reason: "throttled", Status: 429,
			Detail: "slow down", RetryAt: e.at(2 * time.Minute),
		},
		{At: e.at(2 * time.Minute), State: outbox.StateSending, Attempt: 2},
		{At: e.at(3 * time.Minute), State: outbox.StateDelivered, Attempt: 2, Status: 200, Activity: "sent"},
	})
	if d := e.delivery(s); d.Reason != "" || d.Activity != "sent" {
		e.Errorf("reason %q, activity %q", d.Reason, d.Activity)
	}
}

// refuses expects that an outcome is refused because the attempt is not the present one, and that nothing changes.
func (e *env) refuses(o outbox.Outcome, s outbox.Submission) {
	e.Helper()
	before := e.record(s)
	e.is(e.RecordOutcome(e.ctx, o), headsup.ErrLeaseLost)
	equal(e.T, "record after an outcome that was refused", e.record(s), before)
}

func staleFence(e *env) {
	c := e.meet("a")
	s := e.say(c)
	a := e.claimsOnly(1, e.start, s)[0]
	wrong := a
	wrong.Fence--
	e.refuses(outcomeOf(wrong, e.start), s)
	wrong.Fence += 2
	e.refuses(outcomeOf(wrong, e.start), s)

	late := e.at(headsup.LeaseTime + time.Second)
	if n, err := e.ReclaimExpired(e.ctx, late); n != 1 || err != nil {
		e.Fatalf("reclaimed %d, %v", n, err)
	}
	e.refuses(outcomeOf(a, late), s)
	again := e.claimsOnly(1, late, s)[0]
	if again.Fence <= a.Fence {
		e.Errorf("fence %d follows %d", again.Fence, a.Fence)
	}
	e.refuses(outcomeOf(a, late), s)
	e.ends(outcomeOf(again, late))
	e.refuses(outcomeOf(again, late), s) // twice
	e.refuses(retryOf(a, late, late), s)
}

func noOutcome(e *env) {
	s := e.say(e.meet("a"))
	a := e.claimsOnly(1, e.start, s)[0]
	before := e.record(s)
	for _, state := range []outbox.State{"", "sent", outbox.StateScheduled, outbox.StateHeld, outbox.StateSending} {
		o := outcomeOf(a, e.start)
		o.State = state
		if e.RecordOutcome(e.ctx, o) == nil {
			e.Errorf("%q was accepted as an outcome", state)
		}
	}
	equal(e.T, "record", e.record(s), before)
	o := outcomeOf(a, e.start)
	o.Delivery += 1000
	if e.RecordOutcome(e.ctx, o) == nil {
		e.Error("the outcome of an unknown delivery was accepted")
	}
	e.ends(outcomeOf(a, e.start))
}

func lostIsHandedOutAgain(e *env) {
	a, b := e.meet("a"), e.meet("b")
	lost, next := e.say(a), e.say(a)
	attempt := e.claimsOnly(10, e.start, lost)[0]
	running := e.say(b)
	e.claimsOnly(10, e.at(10*time.Second), running)

	if n, err := e.ReclaimExpired(e.ctx, attempt.LeaseUntil.Add(-time.Second)); n != 0 || err != nil {
		e.Errorf("reclaimed %d before the lease ran out, %v", n, err)
	}
	late := attempt.LeaseUntil.Add(time.Second)
	e.quiet()
	if n, err := e.ReclaimExpired(e.ctx, late); n != 1 || err != nil {
		e.Fatalf("reclaimed %d, want 1; %v", n, err)
	}
	e.woken()
	e.lease(a.Key).Release()
	d := e.stands(lost, outbox.StateReady, outbox.StateSending, outbox.StateReady)
	equal(e.T, "change", d.History[2], outbox.Change{At: late, State: outbox.StateReady, Attempt: 1, Reason: "lease_lost"})
	if d.Failures != 0 || !d.DueAt.IsZero() || d.Reason != "lease_lost" {
		e.Errorf("failures %d, due at %v, reason %q", d.Failures, d.DueAt, d.Reason)
	}
	e.stands(running, outbox.StateReady, outbox.StateSending)
	again := e.claimsOnly(10, late, lost)[0]
	if !again.MayHaveArrived {
		e.Error("the attempt does not know that the lost one may have arrived")
	}
	again.MayHaveArrived = false
	e.isAttempt(again, lost, a, 2, 0, late)
	e.ends(outcomeOf(again, late))
	e.claimsOnly(10, late, next)
}

func lostIsUnknown(e *env) {
	c := e.meet("a")
	s := e.message(c)
	s.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(s)
	next := e.say(c)
	e.claimsOnly(10, e.start, s)
	late := e.at(headsup.LeaseTime + time.Second)
	if n, err := e.ReclaimExpired(e.ctx, late); n != 1 || err != nil {
		e.Fatalf("reclaimed %d, want 1; %v", n, err)
	}
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateUnknown)
	if d.Reason != "lease_lost" {
		e.Errorf("reason %q", d.Reason)
	}
	e.claimsOnly(10, late, next)
}

func extendedIsNotLost(e *env) {
	s := e.say(e.meet("a"))
	a := e.claimsOnly(1, e.start, s)[0]
	until := a.LeaseUntil.Add(5 * time.Second)
	lost, err := e.Extend(e.ctx, []outbox.Attempt{a}, until)
	e.ok(err)
	if len(lost) != 0 {
		e.Errorf("lost %v", lost)
	}
	if n, err := e.ReclaimExpired(e.ctx, until.Add(-time.Second)); n != 0 || err != nil {
		e.Errorf("reclaimed %d although it was extended, %v", n, err)
	}
	if n, err := e.ReclaimExpired(e.ctx, until.Add(time.Second)); n != 1 || err != nil {
		e.Errorf("reclaimed %d, want 1; %v", n, err)
	}
}

func extendTellsLost(e *env) {
	var said []outbox.Submission
	for _, id := range []string{"a", "b", "c"} {
		said = append(said, e.say(e.meet(id)))
	}
	attempts := e.claimsOnly(10, e.start, said...)
	e.ends(outcomeOf(attempts[0], e.start))
	attempts[1].Fence--
	lost, err := e.Extend(e.ctx, attempts, e.at(time.Minute))
	e.ok(err)
	slices.Sort(lost)
	if want := []outbox.DeliveryID{attempts[0].Delivery, attempts[1].Delivery}; !slices.Equal(lost, want) {
		e.Errorf("lost %v, want %v", lost, want)
	}
	lost, err = e.Extend(e.ctx, nil, e.at(time.Minute))
	e.ok(err)
	if len(lost) != 0 {
		e.Errorf("lost %v", lost)
	}
	if n, err := e.ReclaimExpired(e.ctx, e.at(headsup.LeaseTime+time.Second)); n != 1 || err != nil {
		e.Errorf("reclaimed %d, want the one that could not be extended; %v", n, err)
	}
	e.stands(said[1], outbox.StateReady, outbox.StateSending, outbox.StateReady)
}

// takenOverIsLost: when an attempt lasts longer than its lease a turn may begin. The attempt is told so. What became of
// it is the truth all the same, so it is recorded, unless the delivery has been reclaimed.
func takenOverIsLost(e *env) {
	c := e.meet("a")
	s := e.say(c)
	a := e.claimsOnly(1, e.start, s)[0]
	turn := e.lease(c.Key) // waits until the attempt's time is up
	lost, err := e.Extend(e.ctx, []outbox.Attempt{a}, a.LeaseUntil.Add(time.Minute))
	e.ok(err)
	if !slices.Equal(lost, []outbox.DeliveryID{a.Delivery}) {
		e.Errorf("lost %v, want %v", lost, a.Delivery)
	}
	e.ends(outcomeOf(a, e.start))
	e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	e.ok(e.Commit(e.ctx, turn, []headsup.Op{answered("1", e.start)})) // the turn still has the conversation
	turn.Release()
}

func countsSum(e *env) {
	a, b := e.meet("a"), e.meet("b")
	e.counts(nil)
	for i, state := range []outbox.State{
		outbox.StateDelivered, outbox.StateFailed, outbox.StateFailed, outbox.StateSuppressed, outbox.StateUnknown,
	} {
		e.say(a)
		o := outcomeOf(e.claims(1, e.start).Attempts[0], e.start)
		o.State, o.Activity = state, activity.ID(string(rune('a'+i)))
		e.ends(o)
	}
	e.say(b, a, a)
	e.claims(1, e.start)
	e.sayIn(time.Hour, a, b)
	err := e.CancelMessage(e.ctx, e.sayIn(time.Hour, a).Message.ID, e.start)
	e.ok(err)
	e.counts(map[outbox.State]int64{
		outbox.StateDelivered: 1, outbox.StateFailed: 2, outbox.StateSuppressed: 1, outbox.StateUnknown: 1,
		outbox.StateSending: 1, outbox.StateReady: 2, outbox.StateScheduled: 2, outbox.StateCancelled: 1,
	})
}
