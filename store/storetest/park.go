package storetest

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) park(t *testing.T) {
	s.promise(t, "WhatMayHaveBeenSaidSinceTheBackupIsParked", parksWhatIsDue)
	s.promise(t, "ParkedIsNotHandedOutAndCanBeReplayed", parkedIsReplayed)
	s.promise(t, "ManyAreParked", parksMany)
}

func parksWhatIsDue(e *env) {
	a, b, c := e.meet("a"), e.meet("b"), e.meet("c")
	retried, over := e.say(b), e.say(c)
	attempts := e.claimsOnly(2, e.start, retried, over)
	e.ends(retryOf(attempts[0], e.start, e.at(time.Hour)))
	e.ends(outcomeOf(attempts[1], e.start))
	edited := e.revises(over, jsontext.Value(`{"text":"new"}`), e.start)
	ready, behind := e.say(a), e.say(a)
	due, later := e.sayIn(time.Minute, a), e.sayIn(time.Hour, a)

	n, err := e.Park(e.ctx, e.at(time.Minute))
	e.ok(err)
	if n != 4 {
		e.Errorf("%d are parked, want 4", n)
	}
	for _, s := range []outbox.Submission{ready, behind, due, retried} {
		d := e.delivery(s)
		last := d.History[len(d.History)-1]
		want := outbox.Change{
			At: e.at(time.Minute), State: outbox.StateUnknown, Attempt: d.Claims, Reason: outbox.ReasonRestored,
		}
		if equal(e.T, "last change", last, want); d.State != outbox.StateUnknown || !d.DueAt.IsZero() {
			e.Errorf("it is %s and due at %v", d.State, d.DueAt)
		}
	}
	if d := e.delivery(later); d.State != outbox.StateScheduled || !d.DueAt.Equal(e.at(time.Hour)) {
		e.Errorf("what is due later is %s at %v", d.State, d.DueAt)
	}
	e.counts(map[outbox.State]int64{
		outbox.StateUnknown: 4, outbox.StateScheduled: 1, outbox.StateDelivered: 1, outbox.StateReady: 1,
	})
	if got := e.claims(10, e.at(2*time.Minute)).Attempts; len(got) != 1 || got[0].Delivery != edited.Deliveries[1].ID {
		e.Errorf("handed out is %v, want the edit, which may be repeated", got)
	}
	again, err := e.Park(e.ctx, e.at(time.Minute))
	if e.ok(err); again != 0 {
		e.Errorf("%d are parked again", again)
	}
}

func parkedIsReplayed(e *env) {
	c := e.meet("a")
	first, second := e.say(c), e.say(c)
	_, err := e.Park(e.ctx, e.at(time.Minute))
	e.ok(err)
	e.claimsOnly(10, e.at(time.Hour))
	fresh := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, fresh)[0], e.start))
	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{
		AppID: first.Message.AppID, State: outbox.StateUnknown, Reason: outbox.ReasonRestored, Limit: 1,
	}, outbox.Replay{At: e.at(time.Hour)})
	if e.ok(err); n != 1 {
		e.Errorf("%d are replayed, want 1", n)
	}
	e.claimsOnly(10, e.at(time.Hour), first)
	_, err = e.SettleDelivery(e.ctx, e.delivery(second).ID, outbox.Settlement{State: outbox.StateDelivered, At: e.at(time.Hour)})
	e.ok(err)
}

func parksMany(e *env) {
	const many = 2500
	c := e.meet("a")
	var subs []outbox.Submission
	for range many {
		subs = append(subs, e.message(c))
	}
	results, err := e.SubmitMessages(e.ctx, subs)
	e.ok(err)
	for _, r := range results {
		e.ok(r.Err)
	}
	n, err := e.Park(e.ctx, e.at(time.Minute))
	if e.ok(err); n != many {
		e.Errorf("%d are parked, want %d", n, many)
	}
	e.counts(map[outbox.State]int64{outbox.StateUnknown: many})
	e.claimsOnly(10, e.at(time.Hour))
}
