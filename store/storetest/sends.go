package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/state"
)

func (s suite) sends(t *testing.T) {
	s.promise(t, "WhatAHandlerSendsComesWithLaterAttempts", sendsComeAgain)
	s.promise(t, "PartsOfAMessageComeWithLaterAttempts", partsComeAgain)
	s.promise(t, "SendsOfALostAttemptAreRefused", lostSendsAreRefused)
	s.promise(t, "TurnAndOutcomeCommitTogether", concludes)
	s.promise(t, "AttemptsLeaseIsTheConversations", attemptsLease)
	if s.Durable {
		s.promise(t, "SendsOutliveACrash", func(e *env) {
			m, a := e.handled("h")
			e.sends(a, outbox.Send{Ordinal: 0, Taken: true, Activity: "id", At: e.at(time.Second)})
			e.Store = s.Reopen(e.T, e.Store)
			again := e.claimsOnly(1, e.start, m)[0]
			equal(e.T, "sends", again.Sends, []outbox.Send{
				{Delivery: a.Delivery, Fence: a.Fence, Ordinal: 0, Taken: true, Activity: "id", At: e.at(time.Second)},
			})
		})
	}
}

// handled claims a message that a handler says.
func (e *env) handled(conversation string) (outbox.Submission, outbox.Attempt) {
	e.Helper()
	s := e.message(e.meet(conversation))
	s.Message.Handler = "price_drop"
	e.accept(s)
	a := e.claimsOnly(1, e.start, s)[0]
	if a.Handler != "price_drop" || len(a.Sends) != 0 || e.record(s).Message.Handler != "price_drop" {
		e.Fatalf("claimed with the handler %q and %v", a.Handler, a.Sends)
	}
	return s, a
}

func (e *env) sends(a outbox.Attempt, s outbox.Send) {
	e.Helper()
	s.Delivery, s.Fence = a.Delivery, a.Fence
	e.ok(e.RecordSend(e.ctx, s))
}

func sendsComeAgain(e *env) {
	m, a := e.handled("a")
	e.sends(a, outbox.Send{Ordinal: 0, At: e.start})
	e.sends(a, outbox.Send{Ordinal: 0, Taken: true, Activity: "first", At: e.at(time.Second)})
	e.sends(a, outbox.Send{Ordinal: 1, At: e.at(2 * time.Second)})
	e.ends(retryOf(a, e.start, time.Time{}))
	want := []outbox.Send{
		{Delivery: a.Delivery, Fence: a.Fence, Taken: true, Activity: "first", At: e.at(time.Second)},
		{Delivery: a.Delivery, Fence: a.Fence, Ordinal: 1, At: e.at(2 * time.Second)},
	}
	second := e.claimsOnly(1, e.start, m)[0]
	equal(e.T, "sends", second.Sends, want)
	o := outcomeOf(second, e.at(time.Minute))
	o.Activity = "first"
	e.ends(o)

	r := e.revises(m, nil, e.at(time.Minute))
	undo := e.claims(10, e.at(time.Minute)).Attempts
	if len(undo) != 1 || undo[0].Delivery != r.Deliveries[1].ID || undo[0].Sent != "first" {
		e.Fatalf("handed out is %v, want the deletion", undo)
	}
	equal(e.T, "sends to delete", undo[0].Sends, want)

	m, a = e.handled("b")
	e.sends(a, outbox.Send{Ordinal: 0, At: e.start})
	failed := outcomeOf(a, e.start)
	failed.State, failed.Activity = outbox.StateFailed, ""
	e.ends(failed)
	_, err := e.ReplayDelivery(e.ctx, a.Delivery, outbox.Replay{At: e.at(time.Hour)})
	e.ok(err)
	if again := e.claimsOnly(1, e.at(time.Hour), m)[0]; len(again.Sends) != 0 {
		e.Errorf("what was replayed comes with %v", again.Sends)
	}
}

// partsComeAgain: a message with attachments may be said in several activities, without a handler.
func partsComeAgain(e *env) {
	m := e.message(e.meet("a"))
	m.Message.Body = []byte(`{"type":"message","text":"x","attachments":[{"contentType":"y"}]}`)
	e.accept(m)
	a := e.claimsOnly(1, e.start, m)[0]
	want := []outbox.Send{{Delivery: a.Delivery, Fence: a.Fence, Taken: true, Activity: "first", At: e.start}}
	e.sends(a, want[0])
	e.ends(retryOf(a, e.start, time.Time{}))
	a = e.claimsOnly(1, e.start, m)[0]
	equal(e.T, "sends", a.Sends, want)
	e.ends(outcomeOf(a, e.start))
	for _, body := range []string{`{"type":"message","text":"z"}`, ""} {
		e.revises(m, []byte(body), e.at(time.Minute))
		r := e.claims(10, e.at(time.Minute)).Attempts[0]
		equal(e.T, "sends to revise", r.Sends, want)
		e.ends(outcomeOf(r, e.at(time.Minute)))
	}
}

func lostSendsAreRefused(e *env) {
	_, a := e.handled("a")
	stale := outbox.Send{Delivery: a.Delivery, Fence: a.Fence - 1, At: e.start}
	e.is(e.RecordSend(e.ctx, stale), headsup.ErrLeaseLost)
	e.ends(outcomeOf(a, e.start))
	e.is(e.RecordSend(e.ctx, outbox.Send{Delivery: a.Delivery, Fence: a.Fence, At: e.start}), headsup.ErrLeaseLost)
}

func concludes(e *env) {
	m, a := e.handled("a")
	next := e.say(e.meet("a"))
	key := state.Key{AppID: app, Tenant: tenant, Path: "p"}
	save := state.Save{Writes: []state.Write{{Key: key, Value: []byte(`{"n":1}`)}}}
	bad := outcomeOf(a, e.start)
	bad.Fence--
	e.is(e.Commit(e.ctx, a.Lease, []headsup.Op{save, outbox.Conclude{Outcome: bad}}), headsup.ErrLeaseLost)
	if docs, err := e.ReadState(e.ctx, []state.Key{key}); err != nil || len(docs) != 0 {
		e.Errorf("after a commit that was refused there are %v, %v", docs, err)
	}
	retry := retryOf(a, e.start, e.at(time.Minute))
	if err := e.Commit(e.ctx, a.Lease, []headsup.Op{save, outbox.Conclude{Outcome: retry}}); err == nil {
		e.Error("a turn has ended with an outcome that is no end")
	}
	e.ok(e.Commit(e.ctx, a.Lease, []headsup.Op{save, outbox.Conclude{Outcome: outcomeOf(a, e.at(time.Second))}}))
	if docs, err := e.ReadState(e.ctx, []state.Key{key}); err != nil || len(docs) != 1 {
		e.Errorf("after the commit there are %v, %v", docs, err)
	}
	e.stands(m, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	e.is(e.RecordOutcome(e.ctx, outcomeOf(a, e.start)), headsup.ErrLeaseLost)
	e.claimsOnly(10, e.at(time.Second), next) // the lease is free
}

func attemptsLease(e *env) {
	_, a := e.handled("a")
	if a.Lease.Key() != keyOf("a") || a.Lease.Fence() != a.Fence {
		e.Errorf("the lease is of %v with fence %d, the attempt of %v with fence %d", a.Lease.Key(), a.Lease.Fence(), keyOf("a"), a.Fence)
	}
	e.ok(e.Commit(e.ctx, a.Lease, []headsup.Op{state.Save{Writes: []state.Write{
		{Key: state.Key{AppID: app, Tenant: tenant, Path: "p"}, Value: []byte(`{}`)},
	}}}))
	e.ends(outcomeOf(a, e.start))
	e.lease(keyOf("a")).Release()
}
