package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) collapse(t *testing.T) {
	s.promise(t, "LaterMessageReplacesWhatWaits", laterReplaces)
	s.promise(t, "WhatIsBeingSentOrMayHaveArrivedIsNotReplaced", notReplaced)
	s.promise(t, "OnlyTheSameKeyIsReplaced", onlySameKey)
	s.promise(t, "ReplacedHeadFreesItsLane", replacedHeadFreesLane)
	s.promise(t, "ReplayedMayBeReplaced", replayedMayBeReplaced)
	s.promise(t, "TurnAndBatchReplaceToo", turnAndBatchReplace)
	s.promise(t, "SpreadReplacesWhatIsOlder", spreadReplaces)
	s.promise(t, "SpreadSaysNothingAfterWhatIsNewer", spreadIsOutdone)
}

// status is a message with the collapse key "status".
func (e *env) status(to ...book.Conversation) outbox.Submission {
	s := e.message(to...)
	s.Message.CollapseKey = "status"
	return s
}

func (e *env) replaced(s outbox.Submission) {
	e.Helper()
	if d := e.delivery(s); d.State != outbox.StateSuppressed || d.Reason != outbox.ReasonCollapsed {
		e.Fatalf("message %d is %s (%s)", s.Message.ID, d.State, d.Reason)
	}
}

func laterReplaces(e *env) {
	a, b := e.meet("a"), e.meet("b")
	waiting, later := e.accept(e.status(a)), e.accept(due(e.status(b), e.at(time.Hour)))
	both := e.status(a, b, a) // its own do not replace each other
	both.At = e.at(time.Second)
	e.quiet()
	e.accept(both)
	e.woken()
	e.replaced(waiting)
	e.replaced(later)
	d := e.delivery(waiting)
	equal(e.T, "change", d.History[1], outbox.Change{At: e.at(time.Second), State: outbox.StateSuppressed, Reason: outbox.ReasonCollapsed})
	if m := e.record(both).Message; m.CollapseKey != "status" {
		e.Errorf("the key is %q", m.CollapseKey)
	}
	e.counts(map[outbox.State]int64{outbox.StateSuppressed: 2, outbox.StateReady: 3})
	claimed := e.claims(10, e.at(time.Second))
	if len(claimed.Attempts) != 2 || !claimed.NextDue.IsZero() {
		e.Errorf("handed out %v, next due at %v", claimed.Attempts, claimed.NextDue)
	}

	// What is handed out at once has replaced the earlier one before.
	c := e.meet("c")
	old := e.accept(e.status(c))
	taken := e.status(c)
	r, err := e.SubmitMessage(e.ctx, taken, true)
	e.ok(err)
	if r.Attempt == nil {
		e.Error("it was not handed out at once although nobody waits any more")
	}
	e.replaced(old)
	e.stands(taken, outbox.StateSending)
}

func notReplaced(e *env) {
	a, b, c, d := e.meet("a"), e.meet("b"), e.meet("c"), e.meet("d")
	sending := e.accept(e.status(a))
	e.claimsOnly(1, e.start, sending)
	unsure := e.doubtful(e.status(b))
	retried := e.accept(e.status(c))
	e.ends(retryOf(e.claimsOnly(1, e.start, retried)[0], e.start, e.at(time.Minute)))
	over := e.accept(e.status(d))
	e.saidAs(e.claimsOnly(1, e.start, over)[0], "said", e.start)
	e.revises(over, edited, e.start)
	e.accept(e.status(a, b, c, d))
	e.stands(sending, outbox.StateReady, outbox.StateSending)
	e.stands(unsure, outbox.StateReady, outbox.StateSending, outbox.StateReady)
	e.stands(retried, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateSuppressed) // it is known not to have arrived
	e.standsAs(over, outbox.StateDelivered, outbox.StateReady)                                           // nor are revisions
}

func onlySameKey(e *env) {
	a, b := e.meet("a"), e.meet("b")
	other, none, elsewhere := e.status(a), e.message(a), e.status(b)
	other.Message.CollapseKey = "statu"
	foreign, app2 := e.status(a), e.status(a)
	foreign.Message.Tenant = "another"
	app2.Message.AppID = "another"
	rest := []outbox.Submission{other, none, elsewhere, foreign, app2}
	for _, s := range rest {
		e.accept(s)
	}
	e.accept(e.status(a))
	e.accept(e.message(a))
	for _, s := range rest {
		e.stands(s, outbox.StateReady)
	}
	first := e.accept(keyed(e.status(b), "k", "1")) // replaces elsewhere
	e.replaced(elsewhere)
	repeat, err := e.SubmitMessage(e.ctx, keyed(e.status(b), "k", "1"), false)
	e.ok(err)
	if !repeat.Replayed {
		e.Errorf("the receipt is %+v", repeat)
	}
	e.stands(first, outbox.StateReady) // a repeat is no later message
}

func replacedHeadFreesLane(e *env) {
	c := e.meet("a")
	head, second := e.accept(e.status(c)), e.say(c)
	e.ends(retryOf(e.claimsOnly(10, e.start, head)[0], e.start, e.at(time.Hour)))
	e.claimsOnly(10, e.start)
	e.quiet()
	urgent := e.accept(inLane(outbox.LaneUrgent, e.status(c))) // in whichever lane
	e.woken()
	e.replaced(head)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, urgent)[0], e.start))
	e.claimsOnly(10, e.start, second)
}

func replayedMayBeReplaced(e *env) {
	c := e.meet("a")
	old, next := e.accept(e.status(c)), e.accept(e.status(c))
	e.replaced(old)
	_, err := e.ReplayDelivery(e.ctx, old.Deliveries[0].ID, outbox.Replay{At: e.start})
	e.ok(err)
	e.stands(next, outbox.StateReady) // somebody wants both
	e.accept(e.status(c))
	e.replaced(next)
	e.stands(old, outbox.StateReady, outbox.StateSuppressed, outbox.StateReady, outbox.StateSuppressed)
}

func turnAndBatchReplace(e *env) {
	c := e.meet("a")
	first, second, third := e.accept(e.status(c)), e.status(c), e.status(c)
	results, err := e.SubmitMessages(e.ctx, []outbox.Submission{second, third})
	e.ok(err)
	for _, r := range results {
		e.ok(r.Err)
	}
	e.replaced(first)
	e.replaced(second)
	l := e.lease(c.Key)
	last := e.status(c)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{outbox.Submit{Submissions: []outbox.Submission{last}}}))
	l.Release()
	e.replaced(third)
	e.claimsOnly(10, e.start, last)
}

// spreading accepts a message to everybody with the collapse key "status".
func (e *env) spreading(to ...book.Conversation) outbox.Submission {
	e.Helper()
	_, last, err := e.Extent(e.ctx, app, book.Filter{})
	e.ok(err)
	s := e.status()
	s.Spread = &outbox.Spread{Last: last, Conversations: len(to)}
	return e.accept(s)
}

func spreadReplaces(e *env) {
	all := e.crowd(3)
	old, later := e.accept(e.status(all[0])), e.accept(due(e.status(all[2]), e.at(time.Hour)))
	first := e.spreading(all...)
	e.stands(old, outbox.StateReady) // until it comes there
	e.spreads(2, 2, true)
	e.replaced(old)
	e.stands(later, outbox.StateScheduled)
	second := e.spreading(all...) // overtakes the other
	e.spreads(10, 3, true)
	e.replaced(later)
	e.spreads(10, 1, false)
	e.standsAs(first, outbox.StateSuppressed, outbox.StateSuppressed, outbox.StateSuppressed)
	e.standsAs(second, outbox.StateReady, outbox.StateReady, outbox.StateReady)
}

func spreadIsOutdone(e *env) {
	all := e.crowd(3)
	spread := e.spreading(all...)
	newer := e.accept(e.status(all[1]))
	e.ends(outcomeOf(e.claimsOnly(1, e.start, newer)[0], e.start))
	e.spreads(10, 3, false)
	r := e.standsAs(spread, outbox.StateReady, outbox.StateSuppressed, outbox.StateReady)
	if d := r.Deliveries[1]; d.Reason != outbox.ReasonCollapsed || d.Conversation != all[1].Row {
		e.Errorf("delivery to %d ended for %q", d.Conversation, d.Reason)
	}
	again := e.accept(e.status(all[0])) // what was made is replaced as always
	e.standsAs(spread, outbox.StateSuppressed, outbox.StateSuppressed, outbox.StateReady)
	e.stands(again, outbox.StateReady)
}
