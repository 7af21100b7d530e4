package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

func (s suite) forget(t *testing.T) {
	s.promise(t, "EntryIsGoneAndItsRowIsNotReused", forgottenIsGone)
	s.promise(t, "WhatWaitsIsCancelled", forgottenIsCancelled)
	s.promise(t, "OthersAreLeftAlone", forgetLeavesOthers)
	s.promise(t, "StateGoes", forgottenState)
	s.promise(t, "JobsEndUntold", forgottenJobs)
	s.promise(t, "CancellationIsToldAndNothingIsAnswered", forgottenIsTold)
	s.promise(t, "WaitsForTheLease", forgetWaits)
	s.expiring(t, "AttemptThatLostItsLeaseEnds", forgetEndsLost)
	if s.Durable {
		s.promise(t, "StaysForgotten", func(e *env) {
			c := e.meet("a")
			said := e.sayIn(time.Hour, c)
			e.forgets(c)
			e.Store = s.Reopen(e.T, e.Store)
			_, err := e.Conversation(e.ctx, c.Key)
			e.is(err, book.ErrNotFound)
			if d := e.stands(said, outbox.StateScheduled, outbox.StateCancelled); d.Key != c.Key {
				e.Errorf("the delivery's key is %+v", d.Key)
			}
			if again := e.sight(sightingOf(c.Key, e.at(time.Hour))); again.Row <= c.Row {
				e.Errorf("row %d is used again", again.Row)
			}
		})
	}
}

func (e *env) forgets(c book.Conversation) {
	e.Helper()
	e.ok(e.Forget(e.ctx, c.Key, e.at(time.Minute)))
}

func forgottenIsGone(e *env) {
	e.is(e.Forget(e.ctx, keyOf("unknown"), e.start), book.ErrNotFound)
	c := e.meet("a")
	e.tags(c, "t")
	e.names(c, "x")
	e.forgets(c)
	e.is(e.Forget(e.ctx, c.Key, e.start), book.ErrNotFound)

	_, err := e.Conversation(e.ctx, c.Key)
	e.is(err, book.ErrNotFound)
	e.listed(book.Filter{})
	e.listed(book.Filter{Tag: "t"})
	for what, find := range map[string]func() ([]book.Conversation, error){
		"id":   func() ([]book.Conversation, error) { return e.ConversationsByID(e.ctx, app, "a") },
		"user": func() ([]book.Conversation, error) { return e.ConversationsByUser(e.ctx, app, "user-of-a") },
		"external id": func() ([]book.Conversation, error) {
			return e.ConversationsOf(e.ctx, app, book.PersonKey{ExternalID: "x"})
		},
	} {
		found, err := find()
		e.ok(err)
		if len(found) != 0 {
			e.Errorf("it is found by %s", what)
		}
	}
	_, err = e.SubmitMessage(e.ctx, e.message(c), false)
	e.is(err, book.ErrNotFound)
	e.ok(e.StrikeOut(e.ctx, c.Key, book.Standing{Reach: book.ReachBlocked, Cause: "", At: e.start}))

	again := e.sight(sightingOf(c.Key, e.at(time.Hour)))
	if again.Row <= c.Row || !again.CreatedAt.Equal(e.at(time.Hour)) {
		e.Errorf("met again in row %d after row %d, created at %v", again.Row, c.Row, again.CreatedAt)
	}
	d := e.details(again)
	if len(d.Tags) != 0 || len(d.People) != 1 || d.People[0].ID != "user-of-a" || d.People[0].ExternalID != "" {
		e.Errorf("details %+v", d)
	}
	e.say(again)
	e.claims(1, e.at(time.Hour))
}

func forgottenIsCancelled(e *env) {
	c := e.meet("a")
	delivered := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, delivered)[0], e.start))
	retried := e.say(c)
	e.ends(retryOf(e.claimsOnly(1, e.start, retried)[0], e.start, e.at(time.Hour)))
	behind, bulk := e.say(c), e.accept(inLane(outbox.LaneBulk, e.message(c)))
	later := e.sayIn(time.Hour, c)
	both := e.sayIn(time.Hour, c, e.meet("b"))
	e.forgets(c)

	e.stands(delivered, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	e.stands(retried, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateCancelled)
	e.stands(behind, outbox.StateReady, outbox.StateCancelled)
	e.stands(bulk, outbox.StateReady, outbox.StateCancelled)
	d := e.stands(later, outbox.StateScheduled, outbox.StateCancelled)
	if d.Reason != proactive.ReasonForgotten || !d.UpdatedAt.Equal(e.at(time.Minute)) || d.Key != c.Key {
		e.Errorf("cancelled because of %q at %v in %+v", d.Reason, d.UpdatedAt, d.Key)
	}
	if got := e.delivery(delivered); got.Key != c.Key {
		e.Errorf("a delivery of before tells the key %+v", got.Key)
	}
	if r := e.record(both); r.Deliveries[0].State != outbox.StateCancelled || r.Deliveries[1].State != outbox.StateScheduled {
		e.Errorf("of both: %s and %s", r.Deliveries[0].State, r.Deliveries[1].State)
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 1, outbox.StateCancelled: 5, outbox.StateScheduled: 1})
	e.claimsOnly(9, e.at(2*time.Hour), both)
}

func forgetLeavesOthers(e *env) {
	gone := e.meet("a")
	var stay []book.Conversation
	for _, change := range []func(*headsup.ConversationKey){
		func(k *headsup.ConversationKey) { k.AppID = "other" },
		func(k *headsup.ConversationKey) { k.Tenant = "other" },
		func(k *headsup.ConversationKey) { k.Channel = activity.ChannelTeams },
		func(k *headsup.ConversationKey) { k.Bot = "other" },
		func(k *headsup.ConversationKey) { k.Conversation = "aa" },
	} {
		key := keyOf("a")
		change(&key)
		c := e.sight(sightingOf(key, e.start))
		e.tags(c, "t")
		stay = append(stay, c)
	}
	said := e.say(stay...)
	e.forgets(gone)
	for i, c := range stay {
		if _, err := e.Conversation(e.ctx, c.Key); err != nil {
			e.Errorf("%d: %v", i, err)
		}
		if d := e.details(c); len(d.Tags) != 1 || len(d.People) != 1 {
			e.Errorf("%d: %+v", i, d)
		}
	}
	for i, d := range e.record(said).Deliveries {
		if d.State != outbox.StateReady {
			e.Errorf("%d: is %s", i, d.State)
		}
	}
}

func forgottenState(e *env) {
	c, other := e.meet("a"), sightingOf(keyOf("b"), e.start)
	other.People = []activity.ChannelAccount{{ID: "ann"}}
	e.sight(other)
	s := sightingOf(c.Key, e.start)
	s.People = []activity.ChannelAccount{{ID: "ann"}}
	e.sight(s)
	gone := []string{
		"directline/conversations/a/", "directline/conversations/a/users/ann/", "directline/conversations/a/users/user-of-a/",
		"directline/users/user-of-a/",
	}
	stay := []string{
		"directline/conversations/b/", "directline/conversations/aa/", "directline/conversations/a0/", "directline/conversations/a",
		"directline/conversations/b/users/ann/", "directline/users/ann/", "msteams/conversations/a/", "a",
	}
	for _, path := range append(append([]string(nil), gone...), stay...) {
		e.writes(write(path, `{"n":1}`, ""))
	}
	elsewhere := state.Key{AppID: "other", Tenant: tenant, Path: gone[0]}
	e.writes(state.Write{Key: elsewhere, Value: jsontext.Value(`{"n":1}`)})
	e.forgets(c)
	for _, path := range gone {
		if e.doc(path).ETag != "" {
			e.Errorf("%s is still there", path)
		}
	}
	for _, path := range stay {
		if e.doc(path).ETag == "" {
			e.Errorf("%s is gone", path)
		}
	}
	found, err := e.ReadState(e.ctx, []state.Key{elsewhere})
	e.ok(err)
	if len(found) != 1 {
		e.Error("another bot's document is gone")
	}
}

func forgottenJobs(e *env) {
	c := e.meet("a")
	running, other := e.starts(e.jobIn("a")), e.starts(e.jobIn("b"))
	done := e.starts(e.jobIn("a"))
	done, err := e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: done.Number, At: e.start})
	e.ok(err)
	e.forgets(c)
	running.CompletedAt = e.at(time.Minute)
	e.isJob(running)
	e.isJob(done)
	e.isJob(other)
}

// forgetWaits: while something is said or answered, nothing is forgotten.
func forgetWaits(e *env) {
	c := e.meet("a")
	l := e.lease(c.Key)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	if err := e.Forget(ctx, c.Key, e.start); err == nil {
		e.Fatal("forgotten in the middle of a turn")
	}
	e.inBook(c)
	done := make(chan error, 1)
	go func() { done <- e.Forget(e.ctx, c.Key, e.start) }()
	e.ok(e.Commit(e.ctx, l, []headsup.Op{answered("1", e.start)}))
	l.Release()
	e.ok(<-done)
	soon, cancel := context.WithTimeout(e.ctx, headsup.LeaseTime/2) // before the lease runs out by itself
	defer cancel()
	l, err := e.Lease(soon, c.Key)
	if err != nil {
		e.Fatalf("the conversation is not free afterwards: %v", err)
	}
	l.Release()
}

func forgetEndsLost(e *env) {
	c := e.meet("a")
	said := e.say(c)
	a := e.claimsOnly(1, e.start, said)[0]
	e.forgets(c) // waits until the lease has run out
	e.stands(said, outbox.StateReady, outbox.StateSending, outbox.StateUnknown)
	e.is(e.RecordOutcome(e.ctx, outcomeOf(a, e.at(time.Minute))), headsup.ErrLeaseLost)
	e.stands(said, outbox.StateReady, outbox.StateSending, outbox.StateUnknown)
	e.counts(map[outbox.State]int64{outbox.StateUnknown: 1})
}

func forgottenIsTold(e *env) {
	e.wants()
	c := e.meet("a")
	e.delivers(c, "sent", e.start)
	e.sayIn(time.Hour, c)
	e.forgets(c)
	e.told(event.NotificationDelivered, event.NotificationCancelled)
	e.hears(e.meet("a"), "who are you", "sent", e.at(2*time.Minute))
	e.told(event.NotificationDelivered, event.NotificationCancelled, event.MessageReceived)
}
