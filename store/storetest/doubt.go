package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) doubt(t *testing.T) {
	s.promise(t, "WhatMayHaveArrivedEndsAsUnknown", mayHaveArrivedEndsUnknown)
	s.promise(t, "WhatMayHaveArrivedIsRememberedUntilItIsKnown", mayHaveArrivedIsRemembered)
	s.promise(t, "WhatMayHaveArrivedIsToldAsUnknown", mayHaveArrivedIsTold)
	s.promise(t, "WhatMayHaveArrivedIsTakenBack", mayHaveArrivedIsTakenBack)
	s.promise(t, "WhatWasFoundIsDelivered", foundIsDelivered)
	s.promise(t, "WhatIsSaidWithoutAnIDIsRevised", withoutID)
	s.promise(t, "SettledWithItsIDIsTakenBack", settledIsTakenBack)
	s.promise(t, "EditIsKnownToTheRepeat", editIsKnown)
	s.promise(t, "LostAgainAndAgainIsPoison", lostAgainIsPoison)
	s.promise(t, "AnyAnswerBeginsTheCountOfLossesAnew", answerBeginsAnew)
	s.promise(t, "RemovedIsRecalledInASum", removedIsRecalled)
	s.promise(t, "WhatWasSaidInPartIsTakenBack", partIsTakenBack)
}

// lostAnswer ends an attempt whose answer was lost, and that is to be repeated.
func lostAnswer(a outbox.Attempt, at, retryAt time.Time) outbox.Outcome {
	o := retryOf(a, at, retryAt)
	o.MayHaveArrived, o.Reason, o.Status = true, "no_answer", 0
	return o
}

// doubtful says something whose first attempt may have arrived; the second is due after a minute.
func (e *env) doubtful(s outbox.Submission) outbox.Submission {
	e.Helper()
	e.accept(s)
	e.ends(lostAnswer(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Minute)))
	if d := e.delivery(s); d.State != outbox.StateReady || !d.MayHaveArrived {
		e.Fatalf("it is %s, may have arrived: %v", d.State, d.MayHaveArrived)
	}
	return s
}

// parked checks that a message's only delivery has ended as unknown, and why.
func (e *env) parked(s outbox.Submission, reason string) outbox.Delivery {
	e.Helper()
	d := e.record(s).Deliveries[0]
	last := d.History[len(d.History)-1]
	if d.State != outbox.StateUnknown || d.Reason != reason || last.State != d.State || last.Reason != reason || d.MayHaveArrived {
		e.Fatalf("it is %s (%s), in its history %s (%s), want unknown (%s)", d.State, d.Reason, last.State, last.Reason, reason)
	}
	return d
}

func mayHaveArrivedEndsUnknown(e *env) {
	c := e.meet("a")
	for _, ending := range []struct {
		state          outbox.State
		reason, parked string
	}{
		{outbox.StateFailed, "gave_up", "gave_up"},
		{outbox.StateFailed, "", "failed"},
		{outbox.StateExpired, "", "expired"},
		{outbox.StateSuppressed, "", "suppressed"},
		{outbox.StateUnknown, "no_answer", "no_answer"},
	} {
		s := e.doubtful(e.message(c))
		a := e.claimsOnly(1, e.at(time.Minute), s)[0]
		if !a.MayHaveArrived {
			e.Error("the attempt does not know that an earlier one may have arrived")
		}
		o := outcomeOf(a, e.at(time.Minute))
		o.State, o.Reason, o.Status, o.Activity = ending.state, ending.reason, 0, ""
		e.ends(o)
		e.parked(s, ending.parked)
	}

	cancelled := e.doubtful(e.message(c))
	r, err := e.cancels(cancelled.Message.ID, e.start)
	e.ok(err)
	equal(e.T, "record", e.record(cancelled), r)
	e.parked(cancelled, outbox.ReasonCancelled)

	expired := e.message(c)
	expired.Message.ExpiresAt = e.at(30 * time.Second)
	e.doubtful(expired)
	e.claimsOnly(1, e.at(time.Minute))
	e.parked(expired, outbox.ReasonExpired)

	forgotten := e.doubtful(e.message(e.meet("c")))
	e.ok(e.Forget(e.ctx, keyOf("c"), e.start))
	e.parked(forgotten, "forgotten")

	recalled := e.doubtful(e.message(c))
	e.revises(recalled, nil, e.start)
	e.parked(recalled, outbox.ReasonRecalled)

	refused := e.doubtful(inLane(outbox.LaneUrgent, e.message(e.meet("b")))) // what is known of a repeat says nothing of the first
	a := e.claimsOnly(1, e.at(time.Minute), refused)[0]
	e.revises(refused, nil, e.at(time.Minute))
	e.ends(retryOf(a, e.at(time.Minute), e.at(time.Hour)))
	e.parked(refused, outbox.ReasonRecalled)
	e.counts(map[outbox.State]int64{outbox.StateUnknown: 10, outbox.StateReady: 2})
}

func mayHaveArrivedIsRemembered(e *env) {
	c := e.meet("a")
	s := e.doubtful(e.message(c))
	e.moves(s, e.at(time.Hour), e.start) // it waits for another time, and is tried again without success
	a := e.claimsOnly(1, e.at(time.Hour), s)[0]
	e.ends(retryOf(a, e.at(time.Hour), e.at(2*time.Hour)))
	if d := e.delivery(s); !d.MayHaveArrived {
		e.Error("a definite failure made an earlier attempt known")
	}
	err := e.CancelMessage(e.ctx, s.Message.ID, e.at(time.Hour))
	e.ok(err)
	d := e.parked(s, outbox.ReasonCancelled)

	// A new life does not make the old one known.
	d, err = e.ReplayDelivery(e.ctx, d.ID, outbox.Replay{At: e.at(time.Hour)})
	e.ok(err)
	if !d.MayHaveArrived {
		e.Error("a replay made the attempts before it known")
	}
	err = e.CancelMessage(e.ctx, s.Message.ID, e.at(time.Hour))
	e.ok(err)
	e.parked(s, outbox.ReasonCancelled)

	// Somebody who says that it did not arrive does.
	_, err = e.SettleDelivery(e.ctx, d.ID, outbox.Settlement{State: outbox.StateFailed, At: e.at(time.Hour)})
	e.ok(err)
	d, err = e.ReplayDelivery(e.ctx, d.ID, outbox.Replay{At: e.at(time.Hour)})
	e.ok(err)
	if d.MayHaveArrived {
		e.Error("it may have arrived although somebody knows better")
	}
	if a := e.claimsOnly(1, e.at(time.Hour), s)[0]; a.MayHaveArrived {
		e.Error("the attempt is told that an earlier one may have arrived")
	} else {
		e.ends(retryOf(a, e.at(time.Hour), e.at(2*time.Hour)))
	}
	r, err := e.cancels(s.Message.ID, e.at(time.Hour))
	e.ok(err)
	if got := r.Deliveries[0].State; got != outbox.StateCancelled {
		e.Errorf("it is %s", got)
	}

	// And so does a repeat that is delivered.
	s = e.doubtful(e.message(c))
	e.ends(outcomeOf(e.claimsOnly(1, e.at(time.Minute), s)[0], e.at(time.Minute)))
	if d := e.delivery(s); d.State != outbox.StateDelivered || d.MayHaveArrived {
		e.Errorf("it is %s, may have arrived: %v", d.State, d.MayHaveArrived)
	}
}

func mayHaveArrivedIsTold(e *env) {
	n := new(notes)
	e.Observe(n)
	s := e.doubtful(e.message(e.meet("a")))
	n.told(e, "accepted 1 in lane 1")
	err := e.CancelMessage(e.ctx, s.Message.ID, e.at(time.Second))
	e.ok(err)
	n.told(e, "unknown (cancelled) in lane 1, 1s late")
}

// mayHaveArrivedIsTakenBack: a recall adds a removal for whatever may have been said, for the sender to find it.
func mayHaveArrivedIsTakenBack(e *env) {
	waiting := e.doubtful(e.message(e.meet("a")))
	hold := e.message(e.meet("b"))
	hold.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(hold)
	parked := outcomeOf(e.claimsOnly(1, e.start, hold)[0], e.start)
	parked.State, parked.Activity, parked.MayHaveArrived = outbox.StateUnknown, "", true
	e.ends(parked)
	cancelled := e.doubtful(e.message(e.meet("c")))
	err := e.CancelMessage(e.ctx, cancelled.Message.ID, e.start)
	e.ok(err)

	for _, s := range []outbox.Submission{waiting, hold, cancelled} {
		r := e.revises(s, nil, e.start)
		if got := states(r); !slices.Equal(got, []outbox.State{outbox.StateUnknown, outbox.StateReady}) {
			e.Fatalf("deliveries are %v", got)
		}
		a := e.claimsOnly(1, e.start, s)[0]
		if a.Verb != outbox.VerbDelete || a.Revises != s.Deliveries[0].ID || a.Sent != "" {
			e.Errorf("handed out %+v", a)
		}
		o := outcomeOf(a, e.start)
		o.State, o.Reason, o.Activity = outbox.StateFailed, "no_activity_id", ""
		e.ends(o)
		e.standsAs(s, outbox.StateUnknown, outbox.StateFailed)
	}
}

// foundIsDelivered: who has removed something has found it.
func foundIsDelivered(e *env) {
	s := e.doubtful(e.message(e.meet("a")))
	e.revises(s, nil, e.start)
	e.saidAs(e.claimsOnly(1, e.start, s)[0], "found", e.at(time.Second))
	r := e.standsAs(s, outbox.StateDelivered, outbox.StateDelivered)
	d := r.Deliveries[0]
	equal(e.T, "change", d.History[len(d.History)-1], outbox.Change{
		At: e.at(time.Second), State: outbox.StateDelivered, Attempt: 1, Reason: outbox.ReasonSettled, Activity: "found",
	})
	if d.Activity != "found" || d.Reason != outbox.ReasonSettled {
		e.Errorf("it is %q (%s)", d.Activity, d.Reason)
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 2})
}

// withoutID: what was delivered is said, whether the channel gave it an id or not.
func withoutID(e *env) {
	s := e.say(e.meet("a"))
	e.saidAs(e.claimsOnly(1, e.start, s)[0], "", e.start)
	e.revises(s, edited, e.start)
	if a := e.claimsOnly(1, e.start, s)[0]; a.Verb != outbox.VerbUpdate || a.Sent != "" {
		e.Errorf("handed out %+v", a)
	}
}

func settledIsTakenBack(e *env) {
	s := e.doubtful(e.message(e.meet("a")))
	err := e.CancelMessage(e.ctx, s.Message.ID, e.start)
	e.ok(err)
	d, err := e.SettleDelivery(e.ctx, s.Deliveries[0].ID, outbox.Settlement{
		State: outbox.StateDelivered, Activity: "seen", At: e.at(time.Second),
	})
	e.ok(err)
	equal(e.T, "settled", e.delivery(s), d)
	equal(e.T, "change", d.History[len(d.History)-1], outbox.Change{
		At: e.at(time.Second), State: outbox.StateDelivered, Attempt: 1, Reason: outbox.ReasonSettled, Activity: "seen",
	})
	e.revises(s, edited, e.at(time.Second))
	if a := e.claimsOnly(1, e.at(time.Second), s)[0]; a.Verb != outbox.VerbUpdate || a.Sent != activity.ID("seen") {
		e.Errorf("handed out %+v", a)
	} else {
		e.saidAs(a, "seen", e.at(time.Second))
	}
	e.revises(s, nil, e.at(time.Second))
	if a := e.claimsOnly(1, e.at(time.Second), s)[0]; a.Verb != outbox.VerbDelete || a.Sent != activity.ID("seen") {
		e.Errorf("handed out %+v", a)
	}
}

func editIsKnown(e *env) {
	s := e.doubtful(e.message(e.meet("a")))
	e.revises(s, edited, e.at(time.Second))
	e.standsAs(s, outbox.StateReady) // the repeat tells it
	if a := e.claimsOnly(1, e.at(time.Minute), s)[0]; !a.Edited || !a.MayHaveArrived {
		e.Errorf("edited: %v, may have arrived: %v", a.Edited, a.MayHaveArrived)
	}
	plain := e.doubtful(e.message(e.meet("b")))
	if a := e.claimsOnly(1, e.at(time.Minute), plain)[0]; a.Edited {
		e.Error("the attempt says that it was edited")
	}
}

// loses hands a message out at now and lets its lease run out.
func (e *env) loses(s outbox.Submission, now time.Time) (after time.Time) {
	e.Helper()
	e.claimsOnly(1, now, s)
	after = now.Add(headsup.LeaseTime)
	if n, err := e.ReclaimExpired(e.ctx, after); n != 1 || err != nil {
		e.Fatalf("reclaimed %d, %v", n, err)
	}
	return after
}

func lostAgainIsPoison(e *env) {
	c := e.meet("a")
	s, next := e.say(c), e.say(c)
	now := e.start
	waits := []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second}
	for i, wait := range waits {
		now = e.loses(s, now)
		d := e.delivery(s)
		if due := now.Add(wait); d.State != outbox.StateReady || !d.MayHaveArrived || wait > 0 && !d.DueAt.Equal(due) || d.Failures != 0 {
			e.Fatalf("after %d losses it is %s, due at %v, want %v", i+1, d.State, d.DueAt, due)
		}
		if wait > 0 {
			e.claimsOnly(1, now)
		}
		now = now.Add(wait)
	}
	now = e.loses(s, now)
	d := e.parked(s, outbox.ReasonPoison)
	if last := d.History[len(d.History)-1]; last.Detail != outbox.ReasonLeaseLost || d.Claims != outbox.PoisonAfter {
		e.Errorf("ended as %+v after %d claims", last, d.Claims)
	}
	e.ends(outcomeOf(e.claimsOnly(1, now, next)[0], now)) // the queue moves on

	_, err := e.ReplayDelivery(e.ctx, d.ID, outbox.Replay{At: now}) // which begins the count anew
	e.ok(err)
	e.loses(s, now)
	if d := e.delivery(s); d.State != outbox.StateReady {
		e.Errorf("it is %s after a loss", d.State)
	}
}

func answerBeginsAnew(e *env) {
	s := e.say(e.meet("a"))
	now := e.start
	for range 3 {
		for range outbox.PoisonAfter - 1 {
			now = e.loses(s, now).Add(time.Minute)
		}
		e.ends(retryOf(e.claimsOnly(1, now, s)[0], now, now))
	}
	if d := e.delivery(s); d.State != outbox.StateReady || !d.MayHaveArrived {
		e.Errorf("it is %s, may have arrived: %v", d.State, d.MayHaveArrived)
	}
}

func removedIsRecalled(e *env) {
	sum := func(s outbox.Submission) outbox.Summary {
		page, err := e.ListMessages(e.ctx, outbox.MessageFilter{AppID: app, Limit: 100})
		e.ok(err)
		i := slices.IndexFunc(page.Messages, func(m outbox.Summary) bool { return m.Message.ID == s.Message.ID })
		if got, want := page.Messages[i].Counts, outbox.CountStates(e.record(s).Deliveries); !equalCounts(got, want) {
			e.Errorf("the list counts %v, the record %v", got, want)
		}
		return page.Messages[i]
	}
	s := e.message(e.meet("a"), e.meet("b"), e.meet("c"))
	s.Deliveries[2].DueAt = e.at(time.Hour)
	e.accept(s)
	for _, a := range e.claims(10, e.start).Attempts {
		e.ends(outcomeOf(a, e.start))
	}
	e.revises(s, nil, e.start)
	if got := sum(s); got.State() != outbox.StateReady {
		e.Errorf("while it is being recalled it is %s: %v", got.State(), got.Counts)
	}
	for _, a := range e.claims(10, e.start).Attempts {
		e.ends(outcomeOf(a, e.start))
	}
	got := sum(s)
	if want := map[outbox.State]int64{outbox.StateRecalled: 2, outbox.StateCancelled: 1}; !equalCounts(got.Counts, want) ||
		got.State() != outbox.StateRecalled {
		e.Errorf("it is %s: %v, want recalled: %v", got.State(), got.Counts, want)
	}
	page, err := e.ListMessages(e.ctx, outbox.MessageFilter{AppID: app, State: outbox.StateRecalled, Limit: 10})
	e.ok(err)
	if len(page.Messages) != 1 {
		e.Errorf("%d messages are recalled, want 1", len(page.Messages))
	}

	alone := e.say(e.meet("d"))
	e.ends(outcomeOf(e.claimsOnly(1, e.start, alone)[0], e.start))
	e.revises(alone, edited, e.start)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, alone)[0], e.start))
	if got := sum(alone); got.State() != outbox.StateDelivered || got.Counts[outbox.StateDelivered] != 2 {
		e.Errorf("it is %s: %v", got.State(), got.Counts)
	}
	e.revises(alone, nil, e.start)
	o := outcomeOf(e.claimsOnly(1, e.start, alone)[0], e.start)
	o.State, o.Activity = outbox.StateFailed, ""
	e.ends(o)
	if got := sum(alone); got.State() != outbox.StateFailed { // what cannot be removed is not recalled
		e.Errorf("it is %s: %v", got.State(), got.Counts)
	}
}

func equalCounts(a, b map[outbox.State]int64) bool {
	for _, s := range append(slices.Clone(allStates), outbox.StateRecalled) {
		if a[s] != b[s] {
			return false
		}
	}
	return true
}

// partIsTakenBack: what a handler has said in part is said.
func partIsTakenBack(e *env) {
	s := e.endsAs("a", outbox.StateFailed, outbox.ReasonPartial)
	e.revises(s, edited, e.start)
	e.standsAs(s, outbox.StateFailed)
	e.revises(s, nil, e.start)
	a := e.claimsOnly(1, e.start, s)[0]
	if a.Verb != outbox.VerbDelete || a.Revises != s.Deliveries[0].ID {
		e.Errorf("handed out %+v", a)
	}
	e.saidAs(a, "", e.start)
	r := e.standsAs(s, outbox.StateFailed, outbox.StateDelivered)
	page, err := e.ListMessages(e.ctx, outbox.MessageFilter{AppID: app, Limit: 1})
	e.ok(err)
	if got, want := page.Messages[0].Counts, outbox.CountStates(r.Deliveries); !equalCounts(got, want) || got[outbox.StateRecalled] != 0 {
		e.Errorf("the list counts %v, the record %v", got, want)
	}
	again := e.endsAs("b", outbox.StateFailed, outbox.ReasonPartial)
	if d, err := e.ReplayDelivery(e.ctx, again.Deliveries[0].ID, outbox.Replay{At: e.start}); err != nil || !d.MayHaveArrived {
		e.Errorf("replayed, may have arrived is %v, %v", d.MayHaveArrived, err)
	}
}
