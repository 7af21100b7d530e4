package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// move checks deliveries that go on in another conversation.
func (s suite) move(t *testing.T) {
	s.promise(t, "ADeliveryGoesOnElsewhere", goesOnElsewhere)
	s.promise(t, "WhoeverIsThereIsFirst", whoIsThereIsFirst)
	s.promise(t, "OrderIsKeptOnTheWay", orderIsKeptOnTheWay)
	s.promise(t, "WhereNobodyIsItStays", staysWhereItIs)
	s.promise(t, "WhatWasRecalledGoesNowhere", recalledGoesNowhere)
	s.promise(t, "OneMoves", oneMoves)
	s.promise(t, "WhatIsLostBeforeThereIsAConversationWasNotSaid", lostBefore)
}

// goesTo ends an attempt whose delivery goes on in another conversation.
func goesTo(a outbox.Attempt, to book.Row, at time.Time) outbox.Outcome {
	return outbox.Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateReady, RetryAt: at.Add(time.Hour), To: to,
		Reason: "known", Detail: "there is another one", At: at,
	}
}

func goesOnElsewhere(e *env) {
	from, to := e.meet("from"), e.sight(sightingOf(teamsKey("to"), e.start)) // another route
	s := e.say(from)
	a := e.claimsOnly(10, e.start, s)[0]
	e.quiet()
	e.ends(goesTo(a, to.Row, e.at(time.Second)))
	e.woken()
	e.lease(from.Key).Release()
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateReady)
	equal(e.T, "delivery", d, outbox.Delivery{
		ID: a.Delivery, Message: s.Message.ID, Conversation: to.Row, Key: to.Key, State: outbox.StateReady, Reason: "known",
		Claims: 1, CreatedAt: e.start, UpdatedAt: e.at(time.Second), History: d.History,
	})
	equal(e.T, "history", d.History[2], outbox.Change{
		At: e.at(time.Second), State: outbox.StateReady, Attempt: 1, Reason: "known", Detail: "there is another one",
	})
	e.is(e.RecordOutcome(e.ctx, goesTo(a, from.Row, e.at(time.Second))), headsup.ErrLeaseLost)
	again := e.claimsOnly(10, e.at(2*time.Second), s)[0]
	if again.Conversation.Row != to.Row || again.Lease.Key() != to.Key || again.Fence <= a.Fence || again.Claims != 2 {
		e.Errorf("it is attempted in %s under the lease of %s, fence %d, claim %d", again.Conversation.Key, again.Lease.Key(), again.Fence, again.Claims)
	}
	e.lease(from.Key).Release() // nobody has it
	e.ends(outcomeOf(again, e.at(3*time.Second)))
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 1})
	next := e.say(from)
	e.ends(outcomeOf(e.claimsOnly(10, e.at(4*time.Second), next)[0], e.at(4*time.Second)))
}

func whoIsThereIsFirst(e *env) {
	from, to := e.meet("from"), e.meet("to")
	s := e.say(from)
	a := e.claimsOnly(10, e.start, s)[0]
	there := e.say(to)
	e.ends(goesTo(a, to.Row, e.at(time.Second)))
	b := e.claimsOnly(10, e.at(time.Minute), there)[0]
	e.ends(retryOf(b, e.at(time.Minute), e.at(time.Hour))) // which holds up its lane
	e.claimsOnly(10, e.at(2*time.Minute))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Hour), there)[0], e.at(time.Hour)))
	e.claimsOnly(10, e.at(time.Hour), s)
}

func orderIsKeptOnTheWay(e *env) {
	from, to := e.meet("from"), e.meet("to")
	var all []outbox.Submission
	for range 5 {
		all = append(all, e.say(from))
	}
	there := e.lease(to.Key)
	for _, s := range all {
		e.ends(goesTo(e.claimsOnly(10, e.start, s)[0], to.Row, e.at(time.Second)))
	}
	there.Release()
	for _, s := range all {
		e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), s)[0], e.at(time.Minute)))
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 5})
}

func staysWhereItIs(e *env) {
	from, gone := e.meet("from"), e.meet("gone")
	e.ok(e.Forget(e.ctx, gone.Key, e.start))
	for _, to := range []book.Row{gone.Row, from.Row} {
		s := e.say(from)
		e.ends(goesTo(e.claimsOnly(10, e.start, s)[0], to, e.start))
		e.claimsOnly(10, e.at(time.Minute)) // as long as it was to wait
		a := e.claimsOnly(10, e.at(time.Hour), s)[0]
		if a.Conversation.Row != from.Row {
			e.Errorf("it went to %s", a.Conversation.Key)
		}
		e.ends(outcomeOf(a, e.at(time.Hour)))
	}
}

func recalledGoesNowhere(e *env) {
	from, to := e.meet("from"), e.meet("to")
	s := e.say(from)
	a := e.claimsOnly(10, e.start, s)[0]
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, At: e.at(time.Second), NextID: e.nextDelivery}))
	e.ends(goesTo(a, to.Row, e.at(2*time.Second)))
	r, err := e.DeliveryRecord(e.ctx, a.Delivery)
	e.ok(err)
	if r.State != outbox.StateCancelled || r.Reason != outbox.ReasonRecalled {
		e.Errorf("it is %s (%s)", r.State, r.Reason)
	}
}

// oneMoves: of several who end the same attempt, one does.
func oneMoves(e *env) {
	from, to := e.meet("from"), e.meet("to")
	s := e.say(from)
	a := e.claimsOnly(10, e.start, s)[0]
	errs := make([]error, 6)
	together(len(errs), func(i int) {
		o := goesTo(a, to.Row, e.at(time.Second))
		if i%2 == 0 {
			o = retryOf(a, e.at(time.Second), e.at(time.Second))
		}
		errs[i] = e.RecordOutcome(e.ctx, o)
	})
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		e.is(err, headsup.ErrLeaseLost)
	}
	if good != 1 {
		e.Errorf("%d have ended it", good)
	}
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), s)[0], e.at(time.Minute)))
}

// lostBefore: an attempt in a conversation that is not there yet says nothing, so that it may be repeated whenever it is lost.
func lostBefore(e *env) {
	s := sightingOf(book.Prospect(app, activity.ChannelTeams, tenant, "bot", "ann"), e.start)
	s.Prospect = book.Standing{Reach: book.ReachProspective, At: e.start}
	m := e.message(e.sight(s))
	m.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(m)
	a := e.claimsOnly(10, e.start, m)[0]
	if n, err := e.ReclaimExpired(e.ctx, a.LeaseUntil.Add(time.Second)); err != nil || n != 1 {
		e.Fatalf("%d were taken back, %v", n, err)
	}
	if d := e.stands(m, outbox.StateReady, outbox.StateSending, outbox.StateReady); d.MayHaveArrived {
		e.Error("it may have arrived")
	}
}
