package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

func (s suite) durable(t *testing.T) {
	// again ends the store and opens it anew.
	again := func(e *env) {
		e.Helper()
		e.Store = s.Reopen(e.T, e.Store)
	}
	for name, f := range map[string]func(e *env, again func(*env)){
		"TurnsAreThere":                        turnsAreThere,
		"StateIsThere":                         stateIsThere,
		"BookIsThere":                          bookIsThere,
		"MessagesAreThere":                     messagesAreThere,
		"OrderAndTimesAreThere":                orderIsThere,
		"WhatWasBeingSentIsHandedOutAgain":     sentAgain,
		"WhatMustNotRepeatIsUnknown":           unknownAfterwards,
		"OutcomesFromBeforeAreRefused":         outcomesFromBefore,
		"HistoryOfTheEmbeddedChannelIsThere":   linesAreThere,
		"JobsAreThereAndNumbersAreNotReused":   jobsAreThere,
		"EventsAndWebhooksAreThere":            eventsAreThere,
		"KeysAreThereAndStayRevoked":           apiKeysAreThere,
		"SchedulesAreThereAndNotToldTwice":     schedulesAreThere,
		"WhatWasAcceptedByManyAtOnceIsThere":   acceptedByManyIsThere,
		"ReopeningAgainAndAgainChangesNothing": reopeningChangesNothing,
	} {
		s.promise(t, name, func(e *env) { f(e, again) })
	}
	s.expiring(t, "LeaseOfAProcessThatDiedRunsOut", func(e *env) { leaseOfTheDead(e, again) })
}

func turnsAreThere(e *env, again func(*env)) {
	c := e.meet("a")
	l := e.lease(c.Key)
	said := e.message(c)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{
		answered("1", e.start), saves("x", `{"n":1}`), outbox.Submit{Submissions: []outbox.Submission{said}},
	}))
	l.Release()
	again(e)

	got, ok, err := e.Answered(e.ctx, c.Key, "1")
	e.ok(err)
	if !ok {
		e.Fatal("the activity is not answered any more")
	}
	equal(e.T, "answer", got, answered("1", e.start).Answer)
	equal(e.T, "x", e.doc("x").Value, jsontext.Value(`{"n":1}`))
	e.stands(said, outbox.StateReady)
	if c, err = e.Conversation(e.ctx, c.Key); err != nil || !c.LastInboundAt.Equal(e.start) {
		e.Errorf("last inbound at %v, %v", c.LastInboundAt, err)
	}
}

func leaseOfTheDead(e *env, again func(*env)) {
	dead := e.lease(keyOf("a"))
	again(e)
	next := e.lease(keyOf("a"))
	if next.Fence() <= dead.Fence() {
		e.Errorf("fence %d follows %d", next.Fence(), dead.Fence())
	}
	next.Release()
}

func stateIsThere(e *env, again func(*env)) {
	e.writes(write("x", `{"n":1}`, ""), write("gone", `{"n":1}`, ""))
	gone := e.doc("gone")
	e.writes(write("gone", "", gone.ETag))
	x := e.doc("x")
	again(e)
	equal(e.T, "x", e.doc("x"), x)
	equal(e.T, "gone", e.doc("gone"), state.Document{})
	e.writes(write("gone", `{"n":1}`, ""))
	e.conflicts(write("gone", `{"n":2}`, gone.ETag))
	e.conflicts(write("x", `{"n":2}`, "stale"))
	e.writes(write("x", `{"n":2}`, x.ETag))
	if e.doc("x").ETag == x.ETag {
		e.Error("the ETag did not change with the write")
	}
}

func bookIsThere(e *env, again func(*env)) {
	s := sightingOf(keyOf("a"), e.start)
	s.Reference.Extra = jsontext.Value(`{"newMember":9007199254740993}`)
	want := e.sight(s)
	struck := e.meet("b")
	e.ok(e.StrikeOut(e.ctx, struck.Key, book.Standing{Reach: book.ReachBlocked, Cause: "why", At: e.at(time.Minute)}))
	struck, err := e.Conversation(e.ctx, struck.Key)
	e.ok(err)
	again(e)
	e.inBook(want)
	e.inBook(struck)
	found, err := e.ConversationsByUser(e.ctx, app, want.Reference.User.ID)
	e.ok(err)
	equal(e.T, "by user", found, []book.Conversation{want})
	if c := e.meet("c"); c.Row == want.Row || c.Row == struck.Row {
		e.Errorf("row %d is used twice", c.Row)
	}
}

func messagesAreThere(e *env, again func(*env)) {
	c := e.meet("a")
	first := e.accept(keyed(e.message(c), "k", "1"))
	e.ends(outcomeOf(e.claimsOnly(1, e.start, first)[0], e.start))
	taken := e.message(e.meet("b"))
	r, err := e.SubmitMessage(e.ctx, taken, true)
	e.ok(err)
	e.ends(outcomeOf(*r.Attempt, e.start))
	cancelled := e.sayIn(time.Hour, c)
	err = e.CancelMessage(e.ctx, cancelled.Message.ID, e.start)
	e.ok(err)
	waiting := e.say(c, c)
	all := []outbox.Submission{first, taken, cancelled, waiting}
	before := make([]outbox.Record, len(all))
	for i, s := range all {
		before[i] = e.record(s)
	}
	again(e)
	for i, s := range all {
		equal(e.T, "record", e.record(s), before[i])
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 2, outbox.StateCancelled: 1, outbox.StateReady: 2})
	replay, err := e.SubmitMessage(e.ctx, keyed(e.message(c), "k", "1"), false)
	e.ok(err)
	equal(e.T, "receipt", replay, outbox.Accepted{Message: first.Message.ID, Replayed: true})
	_, err = e.SubmitMessage(e.ctx, keyed(e.message(c), "k", "2"), false)
	e.is(err, outbox.ErrKeyReused)
	e.claimsOnly(10, e.start, waiting)
}

func orderIsThere(e *env, again func(*env)) {
	a, b := e.meet("a"), e.meet("b")
	scheduled := e.sayIn(time.Minute, a)
	first := e.say(a)
	e.ends(retryOf(e.claimsOnly(1, e.start, first)[0], e.start, e.at(2*time.Minute)))
	second, urgent, other := e.say(a), e.accept(inLane(outbox.LaneUrgent, e.message(a))), e.say(b)
	again(e)
	attempts := e.claimsOnly(10, e.start, urgent, other)
	e.ends(outcomeOf(attempts[0], e.start))
	if next := e.claims(10, e.start).NextDue; !next.Equal(e.at(time.Minute)) {
		e.Errorf("the next is due at %v, want %v", next, e.at(time.Minute))
	}
	e.ends(outcomeOf(attempts[1], e.start))
	e.claimsOnly(10, e.at(time.Minute)) // what was scheduled becomes ready here
	again(e)
	third := e.say(a)
	attempts = e.claimsOnly(10, e.at(2*time.Minute), first)
	for _, want := range []outbox.Submission{second, scheduled, third} {
		e.ends(outcomeOf(attempts[0], e.at(2*time.Minute)))
		attempts = e.claimsOnly(10, e.at(2*time.Minute), want)
	}
}

// afterwards is when every lease from before the end has run out.
func (e *env) afterwards() time.Time {
	e.Helper()
	now := e.at(2 * headsup.LeaseTime)
	_, err := e.ReclaimExpired(e.ctx, now)
	e.ok(err)
	return now
}

func sentAgain(e *env, again func(*env)) {
	a, b := e.meet("a"), e.meet("b")
	claimed, next := e.say(a), e.say(a)
	e.claimsOnly(1, e.start, claimed)
	taken := e.message(b)
	if r, err := e.SubmitMessage(e.ctx, taken, true); err != nil || r.Attempt == nil {
		e.Fatalf("attempt %v, %v", r.Attempt, err)
	}
	again(e)
	now := e.afterwards()
	attempts := e.claims(10, now).Attempts
	if len(attempts) != 2 {
		e.Fatalf("%d are handed out, want the two that were being sent", len(attempts))
	}
	for _, at := range attempts {
		if at.Claims != 2 {
			e.Errorf("attempt %d of delivery %d, want 2", at.Claims, at.Delivery)
		}
		e.ends(outcomeOf(at, now))
	}
	d := e.stands(claimed, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateSending,
		outbox.StateDelivered)
	if reason := d.History[2].Reason; !takenBack(reason) {
		e.Errorf("it became ready again with reason %q", reason)
	}
	e.stands(taken, outbox.StateSending, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	e.claimsOnly(10, now, next)
}

func unknownAfterwards(e *env, again func(*env)) {
	c := e.meet("a")
	s := e.message(c)
	s.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(s)
	e.claimsOnly(1, e.start, s)
	next := e.say(c)
	again(e)
	now := e.afterwards()
	e.claimsOnly(10, now, next)
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateUnknown)
	if !takenBack(d.Reason) {
		e.Errorf("reason %q", d.Reason)
	}
}

// takenBack: a driver that knows at the start that nobody else is at work on its data says so.
func takenBack(reason string) bool { return reason == "lease_lost" || reason == "process_stopped" }

func outcomesFromBefore(e *env, again func(*env)) {
	s := e.say(e.meet("a"))
	old := e.claimsOnly(1, e.start, s)[0]
	again(e)
	now := e.afterwards()
	e.refuses(outcomeOf(old, now), s)
	fresh := e.claimsOnly(1, now, s)[0]
	if fresh.Fence <= old.Fence {
		e.Errorf("fence %d follows %d", fresh.Fence, old.Fence)
	}
	e.refuses(outcomeOf(old, now), s)
	e.ends(outcomeOf(fresh, now))
}

func linesAreThere(e *env, again func(*env)) {
	want := e.opens(e.line("a"))
	_, err := e.StartConversation(e.ctx, "a")
	e.ok(err)
	want.Started = true
	e.opens(e.line("ended"))
	e.ok(e.EndConversation(e.ctx, "ended"))
	e.appends("a", "k", `{"n":1}`, 1)
	e.appends("a", "", `{"n":2}`, 2)
	file := directline.Attachment{
		ID: "f", Conversation: "a", Name: "n", ContentType: "t", Data: []byte{0, 255}, CreatedAt: e.start,
	}
	e.ok(e.SaveAttachment(e.ctx, file))
	again(e)
	e.isLine(want)
	if started, err := e.StartConversation(e.ctx, "a"); err != nil || started {
		e.Errorf("started again: %v, %v", started, err)
	}
	_, _, err = e.Append(e.ctx, "ended", "", jsontext.Value(`{}`), e.start)
	e.is(err, directline.ErrEnded)
	if seq, added, err := e.Append(e.ctx, "a", "k", jsontext.Value(`{}`), e.start); seq != 1 || added || err != nil {
		e.Errorf("the key's second use: number %d, added %v, %v", seq, added, err)
	}
	e.appends("a", "", `{"n":3}`, 3)
	got, err := e.History(e.ctx, "a", 0, 10)
	e.ok(err)
	equal(e.T, "history", got, []directline.Stored{
		{Seq: 1, Body: jsontext.Value(`{"n":1}`)}, {Seq: 2, Body: jsontext.Value(`{"n":2}`)},
		{Seq: 3, Body: jsontext.Value(`{"n":3}`)},
	})
	loaded, err := e.LoadAttachment(e.ctx, "f")
	e.ok(err)
	equal(e.T, "attachment", loaded, file)
}

func jobsAreThere(e *env, again func(*env)) {
	c := e.meet("a")
	first := e.starts(e.jobIn("a"))
	once := e.jobIn("a")
	once.Once = "x"
	running := e.starts(once)
	tell := e.message(c)
	end := proactive.JobEnd{AppID: app, Number: first.Number, At: e.start, Once: "y", Tell: &tell}
	done, err := e.CompleteJob(e.ctx, end)
	e.ok(err)
	again(e)
	e.isJob(done)
	e.isJob(running)
	repeat := e.message(c)
	end.Tell = &repeat
	got, err := e.CompleteJob(e.ctx, end)
	e.ok(err)
	equal(e.T, "completed again", got, done)
	equal(e.T, "started again", e.starts(once), running)
	if j := e.starts(e.jobIn("a")); j.Number != 3 {
		e.Errorf("number %d, want 3", j.Number)
	}
	e.claimsOnly(10, e.start, tell)
}

func acceptedByManyIsThere(e *env, again func(*env)) {
	c := e.meet("a")
	subs := make([]outbox.Submission, 50)
	for i := range subs {
		subs[i] = e.message(c)
	}
	together(len(subs), func(i int) {
		if _, err := e.SubmitMessage(e.ctx, subs[i], false); err != nil {
			e.Error(err)
		}
	})
	again(e)
	for _, s := range subs {
		e.stands(s, outbox.StateReady)
	}
	e.counts(map[outbox.State]int64{outbox.StateReady: int64(len(subs))})
}

func reopeningChangesNothing(e *env, again func(*env)) {
	said := e.say(e.meet("a"))
	e.writes(write("x", `{"n":1}`, ""))
	doc, record := e.doc("x"), e.record(said)
	for i := range 3 {
		again(e)
		equal(e.T, fmt.Sprintf("document after %d", i+1), e.doc("x"), doc)
		equal(e.T, fmt.Sprintf("record after %d", i+1), e.record(said), record)
	}
	e.claimsOnly(10, e.start, said)
}

func eventsAreThere(e *env, again func(*env)) {
	e.wants(event.NotificationUnknown)
	w := e.hooks(event.MessageReceived)
	ev := e.says(1, e.start)[0]
	e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.start, Status: 503}, NextAt: e.at(time.Minute), Away: true, NotBefore: e.at(time.Second)})
	before := e.hook(w.ID)
	hold := e.message(e.meet("a"))
	hold.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(hold)
	e.claimsOnly(1, e.start, hold)
	again(e)

	equal(e.T, "webhook", e.hook(w.ID), before)
	e.works(w.ID, e.at(time.Minute), 1, 0)
	// What a dead process was sending is told by the next one.
	if found := e.told(event.MessageReceived, event.NotificationUnknown); found[0].ID != ev.ID {
		e.Errorf("the event is %d, was %d", found[0].ID, ev.ID)
	}
	if !e.Wanted(app, event.MessageReceived) || !e.Wanted(app, event.NotificationUnknown) || e.Wanted(app, event.NotificationFailed) {
		e.Error("what is wanted is not what was")
	}
	e.ok(e.Advance(e.ctx, w.ID, ev.ID+1<<40)) // as if the clock had been set back since
	again(e)
	if next := e.says(1, e.start)[0]; next.ID <= ev.ID+1<<40 {
		e.Errorf("event %d is behind a cursor", next.ID)
	}
}
