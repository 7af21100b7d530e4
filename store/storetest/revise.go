package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) batch(t *testing.T) {
	s.promise(t, "EachOfABatchIsAcceptedByItself", batchItems)
}

func batchItems(e *env) {
	c := e.meet("a")
	keyed := func(content string) outbox.Submission {
		s := e.message(c)
		s.Message.Key, s.Message.Fingerprint = "k", []byte(content)
		return s
	}
	first, repeat, other := keyed("1"), keyed("1"), keyed("2")
	nowhere := e.message(book.Conversation{Row: 4711})
	later, plain := due(e.message(c), e.at(time.Hour)), e.message(c)
	e.quiet()
	results, err := e.SubmitMessages(e.ctx, []outbox.Submission{first, repeat, nowhere, later, other, plain})
	e.ok(err)
	e.woken()
	for i, want := range []outbox.SubmitResult{
		{Accepted: outbox.Accepted{Message: first.Message.ID}},
		{Accepted: outbox.Accepted{Message: first.Message.ID, Replayed: true}},
		{Err: book.ErrNotFound},
		{Accepted: outbox.Accepted{Message: later.Message.ID}},
		{Err: outbox.ErrKeyReused},
		{Accepted: outbox.Accepted{Message: plain.Message.ID}},
	} {
		e.is(results[i].Err, want.Err)
		equal(e.T, "receipt", results[i].Accepted, want.Accepted)
	}
	e.stands(later, outbox.StateScheduled)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, first)[0], e.start))
	e.claimsOnly(10, e.start, plain)
	for _, s := range []outbox.Submission{repeat, nowhere, other} {
		_, err := e.MessageRecord(e.ctx, s.Message.ID, every)
		e.is(err, outbox.ErrNotFound)
	}
}

func (s suite) reschedule(t *testing.T) {
	s.promise(t, "WhatWaitsIsMoved", whatWaitsIsMoved)
	s.promise(t, "WhatIsHandedOutOrFinalIsNotMoved", whatIsHandedOutStays)
	s.promise(t, "MovedHeadFreesItsLane", movedHeadFreesLane)
	s.promise(t, "MovedToNowIsReady", movedToNow)
	s.promise(t, "RescheduleRacesWithClaimNeverBoth", rescheduleRaces)
}

func (e *env) moves(s outbox.Submission, due, at time.Time) outbox.Record {
	e.Helper()
	e.ok(e.RescheduleMessage(e.ctx, s.Message.ID, due, at))
	return e.record(s)
}

func whatWaitsIsMoved(e *env) {
	err := e.RescheduleMessage(e.ctx, 4711, e.start, e.start)
	e.is(err, outbox.ErrNotFound)
	c := e.meet("a")
	scheduled, ready := e.sayIn(time.Minute, c), e.say(e.meet("b"))
	e.quiet()
	for _, s := range []outbox.Submission{scheduled, ready} {
		e.moves(s, e.at(time.Hour), e.at(time.Second))
	}
	e.woken()
	d := e.stands(scheduled, outbox.StateScheduled, outbox.StateScheduled)
	if !d.DueAt.Equal(e.at(time.Hour)) || !d.UpdatedAt.Equal(e.at(time.Second)) {
		e.Errorf("due at %v, updated at %v", d.DueAt, d.UpdatedAt)
	}
	equal(e.T, "change", d.History[1], outbox.Change{
		At: e.at(time.Second), State: outbox.StateScheduled, Reason: outbox.ReasonRescheduled,
	})
	e.stands(ready, outbox.StateReady, outbox.StateScheduled)
	claimed := e.claims(10, e.at(30*time.Minute))
	if len(claimed.Attempts) != 0 || !claimed.NextDue.Equal(e.at(time.Hour)) {
		e.Errorf("handed out %v, next due %v", claimed.Attempts, claimed.NextDue)
	}
	e.moves(scheduled, e.at(45*time.Minute), e.at(31*time.Minute))
	e.claimsOnly(10, e.at(45*time.Minute), scheduled)
	e.claimsOnly(10, e.at(time.Hour), ready)
	e.counts(map[outbox.State]int64{outbox.StateSending: 2})
}

func whatIsHandedOutStays(e *env) {
	a, b := e.meet("a"), e.meet("b")
	sending, over := e.say(a), e.say(b)
	attempts := e.claimsOnly(10, e.start, sending, over)
	e.ends(outcomeOf(attempts[1], e.start))
	for _, s := range []outbox.Submission{sending, over} {
		before := e.record(s)
		equal(e.T, "record", e.moves(s, e.at(time.Hour), e.start), before)
	}
	e.ends(retryOf(attempts[0], e.start, e.at(time.Minute)))
	e.moves(sending, e.at(time.Hour), e.at(time.Second)) // now it waits
	e.claimsOnly(10, e.at(time.Minute))
	again := e.claimsOnly(10, e.at(time.Hour), sending)[0]
	if again.Claims != 2 || again.Failures != 1 {
		e.Errorf("claims %d, failures %d", again.Claims, again.Failures)
	}
}

func movedHeadFreesLane(e *env) {
	c := e.meet("a")
	head, second, third := e.say(c), e.say(c), e.say(c)
	e.moves(second, e.at(time.Hour), e.start)
	e.quiet()
	e.moves(head, e.at(time.Hour), e.start)
	e.woken()
	a := e.claimsOnly(10, e.start, third)[0]
	e.moves(head, e.start, e.start) // its place is a new one, behind
	e.claimsOnly(10, e.start)
	e.ends(outcomeOf(a, e.start))
	e.ends(outcomeOf(e.claimsOnly(10, e.start, head)[0], e.start))
	e.claimsOnly(10, e.at(time.Hour), second)
}

func movedToNow(e *env) {
	c := e.meet("a")
	retried, behind, scheduled := e.say(c), e.say(c), e.sayIn(time.Hour, c)
	e.ends(retryOf(e.claimsOnly(10, e.start, retried)[0], e.start, e.at(time.Hour)))
	for _, s := range []outbox.Submission{retried, behind, scheduled} {
		e.moves(s, time.Time{}, e.at(time.Second))
	}
	d := e.stands(retried, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateReady)
	if !d.DueAt.IsZero() || d.History[3].Reason != outbox.ReasonRescheduled || d.History[3].Attempt != 1 {
		e.Errorf("due at %v after %+v", d.DueAt, d.History[3])
	}
	e.stands(behind, outbox.StateReady)
	e.stands(scheduled, outbox.StateScheduled, outbox.StateReady)
	for _, s := range []outbox.Submission{retried, behind, scheduled} {
		e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Second), s)[0], e.at(time.Second)))
	}
}

func rescheduleRaces(e *env) {
	const n = 40
	said := make([]outbox.Submission, n)
	for i := range said {
		said[i] = e.say(e.meet(string(rune('a' + i))))
	}
	records := make([]outbox.Record, n)
	var mu sync.Mutex
	handedOut := make(map[outbox.MessageID]bool)
	together(2, func(i int) {
		if i == 0 {
			for i := n - 1; i >= 0; i-- { // from the other end, so that they meet
				if err := e.RescheduleMessage(e.ctx, said[i].Message.ID, e.at(time.Hour), e.start); err != nil {
					e.Error(err)
				}
				r, err := e.MessageRecord(e.ctx, said[i].Message.ID, every)
				if err != nil {
					e.Error(err)
				}
				records[i] = r
			}
			return
		}
		for range n {
			c, err := e.Claim(e.ctx, 1, e.start)
			if err != nil {
				e.Error(err)
			}
			for _, a := range c.Attempts {
				mu.Lock()
				handedOut[a.Message] = true
				mu.Unlock()
			}
		}
	})
	for i, s := range said {
		want := outbox.StateScheduled
		if handedOut[s.Message.ID] {
			want = outbox.StateSending
		}
		if told := records[i].Deliveries[0].State; told != want {
			e.Errorf("message %d: was told %s; handed out: %v", i, told, handedOut[s.Message.ID])
		}
		e.stands(s, outbox.StateReady, want)
	}
}

func (s suite) revise(t *testing.T) {
	s.promise(t, "EditOfWhatWaitsReplacesIt", editOfWaiting)
	s.promise(t, "EditOfWhatWasSaidIsADeliveryBehindIt", editOfSaid)
	s.promise(t, "EditThatWaitsIsReplaced", editThatWaits)
	s.promise(t, "WhatWasNeverSaidIsNotRevised", neverSaid)
	s.promise(t, "RecallStopsAndTakesBack", recallStops)
	s.promise(t, "RecalledIsNotTriedAgain", recalledIsNotTriedAgain)
	s.promise(t, "RecalledCannotBeEdited", recalledCannotBeEdited)
	s.promise(t, "RevisionsDoNotExpireNorBecomeUnknown", revisionsDoNotExpire)
	s.promise(t, "RevisionsAreLeftAloneByCancelAndReschedule", revisionsAreLeftAlone)
	s.promise(t, "UnknownMessagesAreNotRevised", unknownNotRevised)
	s.promise(t, "RecallRacesWithClaimNeverLeavesAnythingSaid", recallRaces)
}

var edited = jsontext.Value(`{"type":"message","text":"better"}`)

// revises edits, or recalls if body is empty.
func (e *env) revises(s outbox.Submission, body jsontext.Value, at time.Time) outbox.Record {
	e.Helper()
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, Body: body, At: at, NextID: e.nextDelivery}))
	return e.record(s)
}

func (e *env) nextDelivery() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) }

// states are where the deliveries of a record stand.
func states(r outbox.Record) []outbox.State {
	got := make([]outbox.State, len(r.Deliveries))
	for i, d := range r.Deliveries {
		got[i] = d.State
	}
	return got
}

func (e *env) standsAs(s outbox.Submission, want ...outbox.State) outbox.Record {
	e.Helper()
	r := e.record(s)
	if got := states(r); !slices.Equal(got, want) {
		e.Fatalf("message %d has deliveries that are %v, want %v", s.Message.ID, got, want)
	}
	return r
}

// saidAs ends an attempt well, with an id.
func (e *env) saidAs(a outbox.Attempt, id activity.ID, at time.Time) {
	e.Helper()
	o := outcomeOf(a, at)
	o.Activity = id
	e.ends(o)
}

func editOfWaiting(e *env) {
	c := e.meet("a")
	s, later := e.say(c), e.sayIn(time.Minute, c)
	for _, s := range []outbox.Submission{s, later} {
		r := e.revises(s, edited, e.at(time.Second))
		if len(r.Deliveries) != 1 || !r.Message.EditedAt.Equal(e.at(time.Second)) || !r.Message.RecalledAt.IsZero() {
			e.Errorf("edited at %v, recalled at %v, with %d deliveries", r.Message.EditedAt, r.Message.RecalledAt, len(r.Deliveries))
		}
		equal(e.T, "body", r.Message.Body, edited)
	}
	e.ends(retryOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Second)))
	again := jsontext.Value(`{"type":"message","text":"best"}`)
	e.revises(s, again, e.at(time.Second)) // waits for its next try
	a := e.claimsOnly(1, e.at(time.Second), s)[0]
	equal(e.T, "body", a.Body, again)
	e.ends(outcomeOf(a, e.at(time.Second)))
	equal(e.T, "body", e.claimsOnly(1, e.at(time.Minute), later)[0].Body, edited)
}

func editOfSaid(e *env) {
	a, b := e.meet("a"), e.meet("b")
	s := e.say(a, b)
	attempts := e.claims(10, e.start).Attempts
	e.saidAs(attempts[0], "said-1", e.start)
	e.quiet()
	e.revises(s, edited, e.at(time.Second)) // one is delivered, one is being sent
	e.woken()
	r := e.standsAs(s, outbox.StateDelivered, outbox.StateSending, outbox.StateReady, outbox.StateReady)
	want := outbox.Delivery{
		ID: r.Deliveries[2].ID, Message: s.Message.ID, Conversation: a.Row, Key: a.Key, State: outbox.StateReady,
		Verb: outbox.VerbUpdate, Revises: r.Deliveries[0].ID, CreatedAt: e.at(time.Second), UpdatedAt: e.at(time.Second),
		History: []outbox.Change{{At: e.at(time.Second), State: outbox.StateReady}},
	}
	equal(e.T, "delivery", r.Deliveries[2], want)

	next := e.say(a) // what is said later is behind
	got := e.claimsOnly(10, e.at(time.Second), s)[0]
	if got.Delivery != want.ID || got.Verb != outbox.VerbUpdate || got.Revises != want.Revises || got.Sent != "said-1" {
		e.Errorf("handed out %+v", got)
	}
	equal(e.T, "body", got.Body, edited)
	e.saidAs(attempts[1], "said-2", e.at(2*time.Second)) // the original's end lets the other come forward
	second := e.claimsOnly(10, e.at(2*time.Second), s)[0]
	if second.Delivery != r.Deliveries[3].ID || second.Sent != "said-2" {
		e.Errorf("handed out %+v", second)
	}
	e.ends(retryOf(second, e.at(2*time.Second), e.at(time.Minute)))
	e.saidAs(got, "said-1", e.at(2*time.Second))
	e.claimsOnly(10, e.at(2*time.Second), next)
	second = e.claimsOnly(10, e.at(time.Minute), s)[0]
	if second.Claims != 2 || second.Failures != 1 || second.Sent != "said-2" || second.Verb != outbox.VerbUpdate {
		e.Errorf("handed out again %+v", second)
	}
	e.saidAs(second, "", e.at(time.Minute))
	e.standsAs(s, outbox.StateDelivered, outbox.StateDelivered, outbox.StateDelivered, outbox.StateDelivered)
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 4, outbox.StateSending: 1})
}

func editThatWaits(e *env) {
	c := e.meet("a")
	s := e.say(c)
	e.saidAs(e.claimsOnly(1, e.start, s)[0], "said", e.start)
	e.revises(s, edited, e.start)
	last := jsontext.Value(`{"type":"message","text":"last"}`)
	e.revises(s, last, e.start)
	e.standsAs(s, outbox.StateDelivered, outbox.StateReady)
	a := e.claimsOnly(10, e.start, s)[0]
	equal(e.T, "body", a.Body, last)
	e.revises(s, edited, e.start) // it is being told: another one is needed
	e.standsAs(s, outbox.StateDelivered, outbox.StateSending, outbox.StateReady)
	e.ends(outcomeOf(a, e.start))
	a = e.claimsOnly(10, e.start, s)[0]
	equal(e.T, "body", a.Body, edited)
	if a.Sent != "said" {
		e.Errorf("revises %q", a.Sent)
	}
}

func neverSaid(e *env) {
	c := e.meet("a")
	s, next := e.say(c), e.say(c)
	a := e.claimsOnly(1, e.start, s)[0]
	e.revises(s, edited, e.start)
	o := outcomeOf(a, e.start)
	o.State, o.Activity = outbox.StateFailed, ""
	e.ends(o)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, next)[0], e.start)) // was in the lane before the edit
	e.claimsOnly(10, e.at(time.Second))
	r := e.standsAs(s, outbox.StateFailed, outbox.StateSuppressed)
	d := r.Deliveries[1]
	if d.Reason != outbox.ReasonNothingSent || !d.UpdatedAt.Equal(e.at(time.Second)) {
		e.Errorf("suppressed at %v for %q", d.UpdatedAt, d.Reason)
	}
	e.revises(s, edited, e.start) // has failed: there is nothing to edit
	e.standsAs(s, outbox.StateFailed, outbox.StateSuppressed)
}

func recallStops(e *env) {
	a, b, c := e.meet("a"), e.meet("b"), e.meet("c")
	s := e.message(a, b, c)
	s.Deliveries[2].DueAt = e.at(time.Hour)
	e.accept(s)
	attempts := e.claims(10, e.start).Attempts
	e.saidAs(attempts[0], "said-1", e.start)
	e.revises(s, edited, e.start)
	r := e.revises(s, nil, e.at(time.Second))
	if !r.Message.RecalledAt.Equal(e.at(time.Second)) {
		e.Errorf("recalled at %v", r.Message.RecalledAt)
	}
	equal(e.T, "body", r.Message.Body, edited)
	// Sends, then the two updates that were waiting, then the two that take back.
	e.standsAs(s, outbox.StateDelivered, outbox.StateSending, outbox.StateCancelled, outbox.StateCancelled,
		outbox.StateCancelled, outbox.StateReady, outbox.StateReady)
	for _, i := range []int{2, 3, 4} {
		if d := r.Deliveries[i]; d.Reason != outbox.ReasonRecalled {
			e.Errorf("cancelled for %q", d.Reason)
		}
	}
	equal(e.T, "recalled again", e.revises(s, nil, e.at(time.Minute)), r)
	del := e.claimsOnly(10, e.at(time.Second), s)[0]
	if del.Verb != outbox.VerbDelete || del.Sent != "said-1" || del.Revises != s.Deliveries[0].ID {
		e.Errorf("handed out %+v", del)
	}
	e.ends(retryOf(del, e.at(time.Second), e.at(2*time.Second))) // is tried again all the same
	e.saidAs(attempts[1], "said-2", e.at(2*time.Second))
	for _, a := range e.claimsOnly(10, e.at(2*time.Second), s, s) {
		e.ends(outcomeOf(a, e.at(2*time.Second)))
	}
	e.claimsOnly(10, e.at(2*time.Hour))
}

func recalledIsNotTriedAgain(e *env) {
	a, b := e.meet("a"), e.meet("b")
	s := e.say(a, b)
	attempts := e.claims(10, e.start).Attempts
	e.revises(s, nil, e.start)
	e.ends(retryOf(attempts[0], e.start, e.at(time.Minute)))
	late := e.at(headsup.LeaseTime + time.Second)
	_, err := e.ReclaimExpired(e.ctx, late)
	e.ok(err)
	r := e.standsAs(s, outbox.StateCancelled, outbox.StateUnknown, outbox.StateReady, outbox.StateReady)
	for i, detail := range []string{"unavailable", "lease_lost"} {
		d := r.Deliveries[i]
		if last := d.History[len(d.History)-1]; d.Reason != outbox.ReasonRecalled || last.Detail != detail || !last.RetryAt.IsZero() {
			e.Errorf("ended as %+v", last)
		}
	}
	// The first was never said; what the second may have said is to be found and removed.
	if del := e.claimsOnly(10, late, s)[0]; del.Verb != outbox.VerbDelete || del.Revises != attempts[1].Delivery || del.Sent != "" {
		e.Errorf("handed out %+v", del)
	}
	e.standsAs(s, outbox.StateCancelled, outbox.StateUnknown, outbox.StateSuppressed, outbox.StateSending)
}

func recalledCannotBeEdited(e *env) {
	s := e.say(e.meet("a"))
	r := e.revises(s, nil, e.start)
	err := e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, Body: edited, At: e.start, NextID: e.nextDelivery})
	e.is(err, outbox.ErrRecalled)
	equal(e.T, "record", e.record(s), r)
}

func revisionsDoNotExpire(e *env) {
	s := e.message(e.meet("a"))
	s.Message.ExpiresAt, s.Message.OnUnknown = e.at(time.Minute), headsup.OnUnknownHold
	e.accept(s)
	e.saidAs(e.claimsOnly(1, e.start, s)[0], "said", e.start)
	e.revises(s, edited, e.at(time.Hour))
	a := e.claimsOnly(1, e.at(time.Hour), s)[0]
	if !a.ExpiresAt.IsZero() || a.OnUnknown != headsup.OnUnknownRetry {
		e.Errorf("expires at %v, on unknown %s", a.ExpiresAt, a.OnUnknown)
	}
	if n, err := e.ReclaimExpired(e.ctx, e.at(2*time.Hour)); n != 1 || err != nil {
		e.Errorf("reclaimed %d, %v", n, err)
	}
	e.standsAs(s, outbox.StateDelivered, outbox.StateReady)
}

func revisionsAreLeftAlone(e *env) {
	s := e.say(e.meet("a"))
	e.saidAs(e.claimsOnly(1, e.start, s)[0], "said", e.start)
	want := e.revises(s, edited, e.start)
	r, err := e.cancels(s.Message.ID, e.start)
	e.ok(err)
	equal(e.T, "cancelled", r, want)
	equal(e.T, "moved", e.moves(s, e.at(time.Hour), e.start), want)
}

func unknownNotRevised(e *env) {
	for _, body := range []jsontext.Value{nil, edited} {
		err := e.ReviseMessage(e.ctx, outbox.Revision{Message: 4711, Body: body, At: e.start, NextID: e.nextDelivery})
		e.is(err, outbox.ErrNotFound)
	}
}

// recallRaces: whatever the order, each is either stopped or taken back, and nothing is said afterwards.
func recallRaces(e *env) {
	const n = 30
	said := make([]outbox.Submission, n)
	for i := range said {
		said[i] = e.say(e.meet(string(rune('a' + i))))
	}
	together(2, func(i int) {
		if i == 0 {
			for i := n - 1; i >= 0; i-- {
				if err := e.ReviseMessage(e.ctx, outbox.Revision{Message: said[i].Message.ID, At: e.start, NextID: e.nextDelivery}); err != nil {
					e.Error(err)
				}
			}
			return
		}
		for range n {
			c, err := e.Claim(e.ctx, 1, e.start)
			if err != nil {
				e.Error(err)
			}
			for _, a := range c.Attempts {
				if err := e.RecordOutcome(e.ctx, outcomeOf(a, e.start)); err != nil {
					e.Error(err)
				}
			}
		}
	})
	for {
		c := e.claims(10, e.start)
		if len(c.Attempts) == 0 {
			break
		}
		for _, a := range c.Attempts {
			if a.Verb != outbox.VerbDelete {
				e.Errorf("message %d is said after it was recalled", a.Message)
			}
			e.ends(outcomeOf(a, e.start))
		}
	}
	for _, s := range said {
		if got := states(e.record(s)); !slices.Equal(got, []outbox.State{outbox.StateCancelled}) &&
			!slices.Equal(got, []outbox.State{outbox.StateDelivered, outbox.StateDelivered}) {
			e.Errorf("message %d: %v", s.Message.ID, got)
		}
	}
}
