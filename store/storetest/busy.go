package storetest

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/state"
)

func (s suite) busy(t *testing.T) {
	s.promise(t, "WhatGoesOnIsKeptByName", busyByName)
	s.promise(t, "ConversationThatIsNotKnownCannotBeBusy", busyUnknown)
	s.promise(t, "TurnSaysItInItsCommit", busyInCommit)
	s.promise(t, "WhatWaitsIsHeldUntilItIsFree", heldUntilFree)
	s.promise(t, "HeldHoldsUpNobody", heldHoldsUpNobody)
	s.promise(t, "HeldComeInTheirOrder", heldInOrder)
	s.promise(t, "HeldUntilTheLastIsFree", heldUntilLast)
	s.promise(t, "HeldUntilItRunsOut", heldUntilOver)
	s.promise(t, "HeldForMaxWaitThenAnotherPolicy", heldForMaxWait)
	s.promise(t, "SaidAtOnceWhereNothingGoesOn", politeWhereFree)
	s.promise(t, "DropIsSuppressed", dropIsSuppressed)
	s.promise(t, "InterruptAndCancelTellWhatGoesOn", interruptAndCancel)
	s.promise(t, "GreaterPriorityIsNotHeld", priorityPasses)
	s.promise(t, "HeldUntilItIsQuiet", heldUntilQuiet)
	s.promise(t, "HeldIsChangedLikeWhatWaits", heldIsChanged)
	s.promise(t, "HeldExpires", heldExpires)
	s.promise(t, "RetriedIsHeldAndRevisionIsNot", retriedIsHeld)
	s.promise(t, "EveryRecipientIsJudgedForItself", spreadIsHeld)
	s.promise(t, "FailedCommitReleasesNothing", failedCommitReleases)
	s.promise(t, "ManyHeldAreReleased", manyHeld)
	if s.Durable {
		t.Run("HeldAndBusyOutliveTheProcess", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			c := e.meet("a")
			e.mark(c, headsup.Busy{By: headsup.BusyDialog, Reason: "booking", Value: jsontext.Value(`{"a":1}`)})
			held := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c)))
			e.claimsOnly(1, e.start)
			e.Store = s.Reopen(t, e.Store)
			e.stands(held, outbox.StateReady, outbox.StateHeld)
			e.going(c, headsup.Busy{By: headsup.BusyDialog, Reason: "booking", Since: e.start, Value: jsontext.Value(`{"a":1}`)})
			e.free(c, headsup.BusyDialog)
			e.claimsOnly(1, e.start, held)
		})
	}
	if s.Node != nil {
		t.Run("FreeOnOneNodeWakesAnother", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			other := newEnv(t, s.Node(t, e.Store))
			c := e.meet("a")
			e.mark(c, headsup.Busy{})
			held := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c)))
			other.claimsOnly(1, e.start)
			e.stands(held, outbox.StateReady, outbox.StateHeld)
			other.quiet()
			e.free(c, "")
			other.woken()
			other.claimsOnly(1, e.start, held)
		})
	}
}

// politely gives a submission a policy.
func politely(p headsup.Policy, s outbox.Submission) outbox.Submission {
	s.Message.Policy = p
	return s
}

// mark says, at the start of the test, that a conversation is busy.
func (e *env) mark(c book.Conversation, b headsup.Busy) {
	e.Helper()
	_, err := e.Mark(e.ctx, c.Key, headsup.Mark{Busy: b, At: e.start})
	e.ok(err)
}

// free takes it back.
func (e *env) free(c book.Conversation, by string) { e.Helper(); e.freeAt(c, by, e.start) }

func (e *env) freeAt(c book.Conversation, by string, at time.Time) {
	e.Helper()
	_, err := e.Mark(e.ctx, c.Key, headsup.Mark{Busy: headsup.Busy{By: by}, Free: true, At: at})
	e.ok(err)
}

// going checks what goes on in a conversation.
func (e *env) going(c book.Conversation, want ...headsup.Busy) {
	e.Helper()
	now, err := e.Conversation(e.ctx, c.Key)
	e.ok(err)
	equal(e.T, "what goes on", now.Busy, want)
}

func (e *env) wait(c book.Conversation) outbox.Submission {
	e.Helper()
	return e.accept(politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c)))
}

func busyByName(e *env) {
	c := e.meet("a")
	other := e.meet("b")
	flag := headsup.Busy{Reason: "on the phone", Priority: 3, Until: e.at(time.Hour)}
	now, err := e.Mark(e.ctx, c.Key, headsup.Mark{Busy: flag, At: e.start})
	e.ok(err)
	flag.By, flag.Since = headsup.BusyFlag, e.start
	equal(e.T, "entry", now.Busy, []headsup.Busy{flag})
	dialog := headsup.Busy{By: headsup.BusyDialog, Reason: "booking", Value: jsontext.Value(`{"step":1}`)}
	_, err = e.Mark(e.ctx, c.Key, headsup.Mark{Busy: dialog, At: e.at(time.Second)})
	e.ok(err)
	dialog.Since = e.at(time.Second)
	e.going(c, flag, dialog)
	e.going(other)

	_, err = e.Mark(e.ctx, c.Key, headsup.Mark{Busy: headsup.Busy{Reason: "again", Until: e.at(time.Minute)}, At: e.at(2 * time.Second)})
	e.ok(err)
	again := headsup.Busy{By: headsup.BusyFlag, Reason: "again", Since: e.start, Until: e.at(time.Minute)}
	e.going(c, again, dialog)
	all, err := e.Conversations(e.ctx, app, book.Filter{}, 0, 10)
	e.ok(err)
	equal(e.T, "in the list", all[0].Busy, []headsup.Busy{again, dialog})
	e.sight(sightingOf(c.Key, e.at(3*time.Second)))
	e.going(c, again, dialog) // a sighting changes nothing of it

	e.freeAt(c, "nobody", e.at(time.Minute)) // and what has run out is gone
	e.going(c, dialog)
	e.freeAt(c, headsup.BusyDialog, e.at(time.Minute))
	e.going(c)

	e.mark(c, flag)
	e.mark(c, dialog)
	_, err = e.Mark(e.ctx, c.Key, headsup.Mark{Free: true, All: true, At: e.start})
	e.ok(err)
	e.going(c)
}

func busyUnknown(e *env) {
	_, err := e.Mark(e.ctx, keyOf("nobody"), headsup.Mark{At: e.start})
	e.is(err, book.ErrNotFound)
	l := e.lease(keyOf("nobody"))
	defer l.Release()
	e.ok(e.Commit(e.ctx, l, []headsup.Op{headsup.Mark{At: e.start}})) // a turn may run where the book knows nothing
	_, err = e.Conversation(e.ctx, keyOf("nobody"))
	e.is(err, book.ErrNotFound)
}

func busyInCommit(e *env) {
	c := e.meet("a")
	l := e.lease(c.Key)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{headsup.Mark{Busy: headsup.Busy{By: headsup.BusyDialog}, At: e.start}}))
	l.Release()
	e.going(c, headsup.Busy{By: headsup.BusyDialog, Since: e.start})
	held := e.wait(c)
	e.claimsOnly(1, e.start)
	e.stands(held, outbox.StateReady, outbox.StateHeld)

	l = e.lease(c.Key)
	e.quiet()
	e.ok(e.Commit(e.ctx, l, []headsup.Op{headsup.Mark{Busy: headsup.Busy{By: headsup.BusyDialog}, Free: true, At: e.at(time.Second)}}))
	e.woken()
	e.stands(held, outbox.StateReady, outbox.StateHeld, outbox.StateReady)
	e.claimsOnly(1, e.at(time.Second)) // the turn has the conversation still
	e.quiet()
	l.Release()
	e.woken()
	e.claimsOnly(1, e.at(time.Second), held)
}

func heldUntilFree(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{Reason: "booking"})
	s := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait, MaxWait: time.Hour}, e.message(c)))
	claimed := e.claims(10, e.at(time.Second))
	if len(claimed.Attempts) != 0 || !claimed.NextDue.Equal(e.at(time.Hour)) {
		e.Fatalf("%d handed out, next due %v", len(claimed.Attempts), claimed.NextDue)
	}
	d := e.stands(s, outbox.StateReady, outbox.StateHeld)
	equal(e.T, "change", d.History[1], outbox.Change{
		At: e.at(time.Second), State: outbox.StateHeld, Reason: outbox.ReasonBusy, Detail: "booking", RetryAt: e.at(time.Hour),
	})
	if d.Reason != outbox.ReasonBusy || !d.DueAt.Equal(e.at(time.Hour)) {
		e.Errorf("held for %q until %v", d.Reason, d.DueAt)
	}
	e.counts(map[outbox.State]int64{outbox.StateHeld: 1})
	page, err := e.ListDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, State: outbox.StateHeld, Limit: 10})
	e.ok(err)
	if len(page.Deliveries) != 1 || page.Deliveries[0].ID != d.ID {
		e.Errorf("listed %+v", page.Deliveries)
	}
	e.lease(c.Key).Release() // nobody has the conversation

	e.quiet()
	e.freeAt(c, "", e.at(2*time.Second))
	e.woken()
	d = e.stands(s, outbox.StateReady, outbox.StateHeld, outbox.StateReady)
	equal(e.T, "change", d.History[2], outbox.Change{At: e.at(2 * time.Second), State: outbox.StateReady, Reason: outbox.ReasonFree})
	if d.Reason != outbox.ReasonFree || !d.DueAt.IsZero() {
		e.Errorf("ready for %q, due at %v", d.Reason, d.DueAt)
	}
	a := e.claimsOnly(10, e.at(2*time.Second), s)[0]
	equal(e.T, "policy", a.Policy, s.Message.Policy)
	if a.As != "" {
		e.Errorf("said as %q", a.As)
	}
	e.ends(outcomeOf(a, e.at(3*time.Second)))
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 1})
}

func heldHoldsUpNobody(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	first, second := e.wait(c), e.wait(c)
	adhoc := e.say(c)
	a := e.claimsOnly(10, e.start, adhoc)[0]
	e.stands(first, outbox.StateReady, outbox.StateHeld)
	e.stands(second, outbox.StateReady, outbox.StateHeld)
	e.free(c, "")
	e.claimsOnly(10, e.start)
	e.ends(outcomeOf(a, e.start))
	e.claimsOnly(10, e.start, first)
}

func heldInOrder(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	wait := headsup.Policy{Name: headsup.PolicyWait}
	late := e.accept(due(politely(wait, e.message(c)), e.at(20*time.Second)))
	soon := e.accept(due(politely(wait, e.message(c)), e.at(10*time.Second)))
	first, second := e.wait(c), e.wait(c)
	urgent := e.accept(inLane(outbox.LaneUrgent, politely(wait, e.message(c))))
	e.claimsOnly(10, e.start)
	e.claimsOnly(10, e.at(10*time.Second))
	e.claimsOnly(10, e.at(20*time.Second))
	e.counts(map[outbox.State]int64{outbox.StateHeld: 5})
	now := e.say(c) // what was not held has its place before those who take theirs now
	e.freeAt(c, "", e.at(30*time.Second))
	for _, want := range []outbox.Submission{urgent, now, first, second, soon, late} {
		e.ends(outcomeOf(e.claimsOnly(10, e.at(30*time.Second), want)[0], e.at(30*time.Second)))
	}
	e.claimsOnly(10, e.at(time.Hour))
}

func heldUntilLast(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	e.mark(c, headsup.Busy{By: headsup.BusyDialog})
	s := e.wait(c)
	e.claimsOnly(1, e.start)
	e.free(c, "")
	e.claimsOnly(1, e.start)
	e.stands(s, outbox.StateReady, outbox.StateHeld)
	e.free(c, headsup.BusyDialog)
	e.claimsOnly(1, e.start, s)
}

func heldUntilOver(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{Until: e.at(time.Minute)})
	e.mark(c, headsup.Busy{By: "another", Until: e.at(2 * time.Minute)})
	s := e.wait(c)
	if next := e.claims(1, e.start).NextDue; !next.Equal(e.at(2 * time.Minute)) {
		e.Errorf("next due %v", next)
	}
	e.quiet()
	e.mark(c, headsup.Busy{By: "another", Until: e.at(3 * time.Minute)}) // it takes longer
	e.woken()
	if next := e.claims(1, e.at(2*time.Minute)).NextDue; !next.Equal(e.at(3 * time.Minute)) {
		e.Errorf("then %v", next)
	}
	e.claimsOnly(1, e.at(3*time.Minute-time.Millisecond))
	e.claimsOnly(1, e.at(3*time.Minute), s)
	e.stands(s, outbox.StateReady, outbox.StateHeld, outbox.StateReady, outbox.StateSending)
}

func heldForMaxWait(e *env) {
	for then, as := range map[headsup.PolicyName]headsup.PolicyName{
		"": "", headsup.PolicyAdHoc: "", headsup.PolicyInterrupt: headsup.PolicyInterrupt, headsup.PolicyCancel: headsup.PolicyCancel,
		headsup.PolicyDrop: headsup.PolicyDrop,
	} {
		c := e.meet("then " + string(then))
		e.mark(c, headsup.Busy{})
		p := headsup.Policy{Name: headsup.PolicyWait, MaxWait: time.Minute, Then: then, With: "dialog"}
		s := e.accept(due(politely(p, e.message(c)), e.at(time.Hour)))
		e.claimsOnly(1, e.at(time.Hour))
		e.claimsOnly(1, e.at(time.Hour+time.Minute-time.Millisecond))
		if as == headsup.PolicyDrop {
			e.claimsOnly(1, e.at(time.Hour+time.Minute))
			d := e.stands(s, outbox.StateScheduled, outbox.StateReady, outbox.StateHeld, outbox.StateReady, outbox.StateSuppressed)
			if d.Reason != outbox.ReasonBusy {
				e.Errorf("suppressed for %q", d.Reason)
			}
			continue
		}
		a := e.claimsOnly(1, e.at(time.Hour+time.Minute), s)[0]
		if a.As != as {
			e.Errorf("then %q: said as %q", then, a.As)
		}
		d := e.stands(s, outbox.StateScheduled, outbox.StateReady, outbox.StateHeld, outbox.StateReady, outbox.StateSending)
		if d.History[3].Reason != outbox.ReasonMaxWait {
			e.Errorf("it was released for %q", d.History[3].Reason)
		}
		e.ends(outcomeOf(a, e.at(time.Hour+time.Minute)))
	}
}

func politeWhereFree(e *env) {
	for _, p := range []headsup.PolicyName{headsup.PolicyWait, headsup.PolicyCancel, headsup.PolicyDrop, headsup.PolicyAdHoc} {
		c := e.meet(string(p))
		s := politely(headsup.Policy{Name: p}, e.message(c))
		e.accept(s)
		if a := e.claimsOnly(1, e.start, s)[0]; a.As != "" {
			e.Errorf("%s: said as %q", p, a.As)
		}
	}
	// It may be about what has not been talked about: who interrupts is asked in any case.
	s := e.accept(politely(headsup.Policy{Name: headsup.PolicyInterrupt, With: "dialog"}, e.message(e.meet("a"))))
	if a := e.claimsOnly(1, e.start, s)[0]; a.As != headsup.PolicyInterrupt || a.Policy.With != "dialog" {
		e.Errorf("said as %q, by %q", a.As, a.Policy.With)
	}
	// What has a policy is never handed out where it is accepted, unless that is to say it in any case.
	for _, p := range headsup.Policies() {
		r, err := e.SubmitMessage(e.ctx, politely(headsup.Policy{Name: p}, e.message(e.meet("taken "+string(p)))), true)
		e.ok(err)
		if taken := r.Attempt != nil; taken != (p == headsup.PolicyAdHoc) {
			e.Errorf("%s: handed out at once is %v", p, taken)
		}
	}
}

func dropIsSuppressed(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{By: headsup.BusyDialog, Reason: "booking"})
	s := e.accept(politely(headsup.Policy{Name: headsup.PolicyDrop}, e.message(c)))
	next := e.say(c)
	e.claimsOnly(10, e.start, next)
	d := e.stands(s, outbox.StateReady, outbox.StateSuppressed)
	equal(e.T, "change", d.History[1], outbox.Change{At: e.start, State: outbox.StateSuppressed, Reason: outbox.ReasonBusy, Detail: "booking"})
	e.counts(map[outbox.State]int64{outbox.StateSuppressed: 1, outbox.StateSending: 1})
}

func interruptAndCancel(e *env) {
	for _, p := range []headsup.PolicyName{headsup.PolicyInterrupt, headsup.PolicyCancel} {
		c := e.meet(string(p))
		e.mark(c, headsup.Busy{By: headsup.BusyDialog, Reason: "booking"})
		s := e.accept(politely(headsup.Policy{Name: p, With: "survey"}, e.message(c)))
		a := e.claimsOnly(1, e.start, s)[0]
		if a.As != p || a.Policy != s.Message.Policy {
			e.Errorf("%s: said as %q with %+v", p, a.As, a.Policy)
		}
		equal(e.T, "what goes on", a.Conversation.Busy, []headsup.Busy{{By: headsup.BusyDialog, Reason: "booking", Since: e.start}})
		e.ends(retryOf(a, e.start, e.at(time.Second)))
		if a = e.claimsOnly(1, e.at(time.Second), s)[0]; a.As != p {
			e.Errorf("%s: the second time said as %q", p, a.As)
		}
	}
}

func priorityPasses(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{Priority: 5})
	less := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait, Priority: 5}, e.message(c)))
	more := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait, Priority: 6}, e.message(c)))
	a := e.claimsOnly(10, e.start, more)[0]
	e.stands(less, outbox.StateReady, outbox.StateHeld)
	e.ends(outcomeOf(a, e.start))
	e.mark(c, headsup.Busy{Priority: 4}) // what goes on is less pressing now
	e.claimsOnly(10, e.start, less)
}

func heldUntilQuiet(e *env) {
	c := e.meet("a")
	p := headsup.Policy{Name: headsup.PolicyWait, Quiet: time.Minute}
	e.ends(outcomeOf(e.claimsOnly(1, e.start, e.accept(politely(p, e.message(c))))[0], e.start)) // nobody has said anything yet
	hear := func(id string, at time.Time) {
		l := e.lease(c.Key)
		defer l.Release()
		e.ok(e.Commit(e.ctx, l, []headsup.Op{headsup.RecordAnswer{Activity: activity.ID(id), Answer: headsup.Answer{Status: 200}, At: at}}))
	}
	hear("1", e.at(10*time.Second))
	s := e.accept(politely(p, e.message(c)))
	adhoc := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(10, e.at(20*time.Second), adhoc)[0], e.start))
	d := e.stands(s, outbox.StateReady, outbox.StateHeld)
	if d.Reason != outbox.ReasonTalking || !d.DueAt.Equal(e.at(70*time.Second)) {
		e.Errorf("held for %q until %v", d.Reason, d.DueAt)
	}
	hear("2", e.at(time.Minute))
	if next := e.claims(10, e.at(70*time.Second)).NextDue; !next.Equal(e.at(2 * time.Minute)) {
		e.Errorf("next due %v", next)
	}
	e.stands(s, outbox.StateReady, outbox.StateHeld) // it was held all the time
	e.claimsOnly(10, e.at(2*time.Minute), s)
}

func heldIsChanged(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	cancelled, recalled, later, now, edited := e.wait(c), e.wait(c), e.wait(c), e.wait(c), e.wait(c)
	collapsed := politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c))
	collapsed.Message.CollapseKey = "k"
	e.accept(collapsed)
	e.claimsOnly(10, e.start)
	e.counts(map[outbox.State]int64{outbox.StateHeld: 6})

	err := e.CancelMessage(e.ctx, cancelled.Message.ID, e.start)
	e.ok(err)
	e.stands(cancelled, outbox.StateReady, outbox.StateHeld, outbox.StateCancelled)
	err = e.ReviseMessage(e.ctx, outbox.Revision{Message: recalled.Message.ID, At: e.start, NextID: func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) }})
	e.ok(err)
	e.stands(recalled, outbox.StateReady, outbox.StateHeld, outbox.StateCancelled)
	body := jsontext.Value(`{"type":"message","text":"new"}`)
	err = e.ReviseMessage(e.ctx, outbox.Revision{Message: edited.Message.ID, Body: body, At: e.start, NextID: func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) }})
	e.ok(err)
	err = e.RescheduleMessage(e.ctx, later.Message.ID, e.at(time.Hour), e.start)
	e.ok(err)
	e.stands(later, outbox.StateReady, outbox.StateHeld, outbox.StateScheduled)
	err = e.RescheduleMessage(e.ctx, now.Message.ID, e.start, e.start)
	e.ok(err)
	e.stands(now, outbox.StateReady, outbox.StateHeld, outbox.StateReady)
	e.claimsOnly(10, e.start) // and it is held again
	e.stands(now, outbox.StateReady, outbox.StateHeld, outbox.StateReady, outbox.StateHeld)
	newer := politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c))
	newer.Message.CollapseKey = "k"
	e.accept(newer)
	e.stands(collapsed, outbox.StateReady, outbox.StateHeld, outbox.StateSuppressed)
	e.claimsOnly(10, e.start)
	e.counts(map[outbox.State]int64{outbox.StateHeld: 3, outbox.StateCancelled: 2, outbox.StateSuppressed: 1, outbox.StateScheduled: 1})

	e.free(c, "")
	a := e.claimsOnly(10, e.start, now)
	e.ends(outcomeOf(a[0], e.start))
	if a = e.claimsOnly(10, e.start, edited); string(a[0].Body) != string(body) {
		e.Errorf("it says %s", a[0].Body)
	}
	e.ends(outcomeOf(a[0], e.start))
	e.ends(outcomeOf(e.claimsOnly(10, e.start, newer)[0], e.start))

	e.mark(c, headsup.Busy{})
	forgotten := e.wait(c)
	e.claimsOnly(10, e.start)
	e.ok(e.Forget(e.ctx, c.Key, e.start))
	e.stands(forgotten, outbox.StateReady, outbox.StateHeld, outbox.StateCancelled)
	again := e.meet("a")
	e.going(again)

	e.mark(again, headsup.Busy{})
	parked := e.wait(again)
	e.claimsOnly(10, e.start)
	_, err = e.Park(e.ctx, e.start)
	e.ok(err)
	e.stands(parked, outbox.StateReady, outbox.StateHeld, outbox.StateUnknown)
	_, err = e.ReplayDelivery(e.ctx, parked.Deliveries[0].ID, outbox.Replay{At: e.start})
	e.ok(err)
	e.claimsOnly(10, e.start)
	e.stands(parked, outbox.StateReady, outbox.StateHeld, outbox.StateUnknown, outbox.StateReady, outbox.StateHeld)
}

func heldExpires(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	s := politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c))
	s.Message.ExpiresAt = e.at(time.Minute)
	e.accept(s)
	if next := e.claims(1, e.start).NextDue; !next.Equal(e.at(time.Minute)) {
		e.Errorf("next due %v", next)
	}
	e.claimsOnly(1, e.at(time.Minute))
	e.stands(s, outbox.StateReady, outbox.StateHeld, outbox.StateReady, outbox.StateExpired)
	e.counts(map[outbox.State]int64{outbox.StateExpired: 1})
}

func retriedIsHeld(e *env) {
	c := e.meet("a")
	s := e.wait(c)
	e.ends(retryOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Second)))
	e.mark(c, headsup.Busy{})
	e.claimsOnly(1, e.at(time.Second))
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateHeld)
	if last := d.History[3]; last.Attempt != 1 || d.Claims != 1 || d.Failures != 1 {
		e.Errorf("held after attempt %d, %d claims, %d failures", last.Attempt, d.Claims, d.Failures)
	}
	e.free(c, "")
	d = e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateHeld, outbox.StateReady)
	if last := d.History[4]; last.Attempt != 1 {
		e.Errorf("released after attempt %d", last.Attempt)
	}
	e.ends(outcomeOf(e.claimsOnly(1, e.at(time.Second), s)[0], e.at(time.Second)))
	e.mark(c, headsup.Busy{})
	err := e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, At: e.start, NextID: func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) }})
	e.ok(err)
	if a := e.claimsOnly(1, e.at(time.Second), s)[0]; a.Verb != outbox.VerbDelete || a.As != "" {
		e.Errorf("handed out: %q as %q", a.Verb, a.As)
	}
}

func spreadIsHeld(e *env) {
	a, b := e.meet("a"), e.meet("b")
	e.mark(a, headsup.Busy{})
	s := politely(headsup.Policy{Name: headsup.PolicyWait}, e.message())
	s.Spread = &outbox.Spread{Last: b.Row, Conversations: 2}
	e.accept(s)
	_, _, err := e.SpreadMessages(e.ctx, 10, e.start, func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) })
	e.ok(err)
	got := e.claimsOnly(10, e.start, s)
	if got[0].Conversation.Row != b.Row {
		e.Errorf("handed out in %v", got[0].Conversation.Key)
	}
	e.free(a, "")
	got = e.claimsOnly(10, e.start, s)
	if got[0].Conversation.Row != a.Row {
		e.Errorf("then handed out in %v", got[0].Conversation.Key)
	}
}

func failedCommitReleases(e *env) {
	c := e.meet("a")
	e.mark(c, headsup.Busy{By: headsup.BusyDialog})
	s := e.wait(c)
	e.claimsOnly(1, e.start)
	l := e.lease(c.Key)
	defer l.Release()
	key := state.Key{AppID: app, Tenant: tenant, Path: "x"}
	free := headsup.Mark{Busy: headsup.Busy{By: headsup.BusyDialog}, Free: true, At: e.start}
	e.is(e.Commit(e.ctx, l, []headsup.Op{
		free, state.Save{Writes: []state.Write{{Key: key, Value: jsontext.Value(`{}`), ETag: "wrong"}}},
	}), state.ErrConflict)
	e.stands(s, outbox.StateReady, outbox.StateHeld)
	e.going(c, headsup.Busy{By: headsup.BusyDialog, Since: e.start})
	e.ok(e.Commit(e.ctx, l, []headsup.Op{free, state.Save{Writes: []state.Write{{Key: key, Value: jsontext.Value(`{}`)}}}}))
	e.stands(s, outbox.StateReady, outbox.StateHeld, outbox.StateReady)
}

func manyHeld(e *env) {
	const n = 50
	c := e.meet("a")
	e.mark(c, headsup.Busy{})
	var all []outbox.Submission
	for i := range n {
		s := politely(headsup.Policy{Name: headsup.PolicyWait}, e.message(c))
		if i%3 == 0 { // some are released by another reason than the others
			s.Message.Policy.MaxWait = time.Minute
		}
		all = append(all, s)
	}
	results, err := e.SubmitMessages(e.ctx, all)
	e.ok(err)
	for _, r := range results {
		e.ok(r.Err)
	}
	e.claimsOnly(10, e.start)
	e.counts(map[outbox.State]int64{outbox.StateHeld: n})
	e.freeAt(c, "", e.at(time.Minute))
	e.counts(map[outbox.State]int64{outbox.StateReady: n})
	for i := range n {
		e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), all[i])[0], e.at(time.Minute)))
	}
}
