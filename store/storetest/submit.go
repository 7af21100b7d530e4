package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) submit(t *testing.T) {
	s.promise(t, "AcceptedIsKeptWhole", acceptedIsKept)
	s.promise(t, "MessageMayHaveNoDeliveries", noDeliveries)
	s.promise(t, "KeyIsAcceptedOnce", keyIsAcceptedOnce)
	s.promise(t, "KeyIsAcceptedOnceAmongManyAtOnce", keyAcceptedOnceAtOnce)
	s.promise(t, "KeysOfOtherAppsAndTenantsAreApart", keysAreApart)
	s.promise(t, "UnknownConversationAcceptsNothing", unknownConversation)
	s.promise(t, "IDThatIsTakenAcceptsNothing", takenID)
	s.promise(t, "BroadcastIsAcceptedAtOnce", broadcast)
	s.promise(t, "SubmissionWakesWorkers", submissionWakes)
	s.promise(t, "TakeHandsOutInOneStep", takeHandsOut)
	s.promise(t, "TakeHandsOutOnlyWhatClaimWould", takeHandsOutOnly)
	s.promise(t, "TakenIsTheHeadOfItsLane", takenIsHead)
	s.promise(t, "ManyTakesHandOutOne", manyTakes)
}

func acceptedIsKept(e *env) {
	a, b := e.meet("a"), e.meet("b")
	s := e.message(b, a)
	m := &s.Message
	m.Key, m.Fingerprint = "key é", []byte{0, 1, 255}
	m.Body = jsontext.Value(`{"type":"message","text":"🙂","channelData":{"id":9007199254740993}}`)
	m.Value = jsontext.Value(`{"id":9007199254740993}`)
	m.Topic, m.Lane, m.OnUnknown, m.Window = "topic", outbox.LaneBulk, headsup.OnUnknownHold, headsup.WindowNew
	m.Policy = headsup.Policy{
		Name: headsup.PolicyWait, MaxWait: time.Minute, Then: headsup.PolicyInterrupt, With: "dialog", Quiet: time.Second, Priority: 2,
		Expects: headsup.Reply{Wanted: true, To: "handler", Within: time.Minute},
	}
	m.CollapseKey, m.Target = "collapse", `{"everyone":true}`
	m.ExpiresAt, m.CreatedAt = e.at(time.Hour), e.at(-time.Second)
	s.Deliveries[1].DueAt = e.at(time.Minute)
	e.accept(s)

	want := outbox.Record{Summary: outbox.Summary{Message: *m, Counts: map[outbox.State]int64{
		outbox.StateReady: 1, outbox.StateScheduled: 1,
	}}, Deliveries: []outbox.Delivery{
		{
			ID: s.Deliveries[0].ID, Message: m.ID, Conversation: b.Row, Key: b.Key, State: outbox.StateReady,
			CreatedAt: e.start, UpdatedAt: e.start, History: []outbox.Change{{At: e.start, State: outbox.StateReady}},
		},
		{
			ID: s.Deliveries[1].ID, Message: m.ID, Conversation: a.Row, Key: a.Key, State: outbox.StateScheduled,
			DueAt: e.at(time.Minute), CreatedAt: e.start, UpdatedAt: e.start,
			History: []outbox.Change{{At: e.start, State: outbox.StateScheduled}},
		},
	}}
	equal(e.T, "record", e.record(s), want)

	plain := outbox.Submission{At: e.start, Message: outbox.Message{ID: 1 << 60, AppID: app, Lane: outbox.LaneUrgent}}
	plain.Message.Body, plain.Message.CreatedAt = jsontext.Value(`{}`), e.start
	equal(e.T, "plain", e.record(e.accept(plain)), bare(plain.Message))

	_, err := e.MessageRecord(e.ctx, 4711, every)
	e.is(err, outbox.ErrNotFound)
}

// bare is the record of a message without deliveries.
func bare(m outbox.Message) outbox.Record {
	return outbox.Record{Summary: outbox.Summary{Message: m, Counts: map[outbox.State]int64{}}}
}

func noDeliveries(e *env) {
	s := e.say()
	equal(e.T, "record", e.record(s), bare(s.Message))
	e.counts(nil)
	e.claimsOnly(10, e.start)
}

// keyed gives a submission an idempotency key.
func keyed(s outbox.Submission, key, fingerprint string) outbox.Submission {
	s.Message.Key, s.Message.Fingerprint = key, []byte(fingerprint)
	return s
}

func keyIsAcceptedOnce(e *env) {
	c := e.meet("a")
	_, _, err := e.MessageByKey(e.ctx, app, tenant, "k")
	e.is(err, outbox.ErrNotFound)
	first := e.accept(keyed(e.message(c), "k", "1"))
	id, mark, err := e.MessageByKey(e.ctx, app, tenant, "k")
	e.ok(err)
	equal(e.T, "message of the key", id, first.Message.ID)
	equal(e.T, "fingerprint", string(mark), "1")
	for _, take := range []bool{false, true} {
		again := keyed(e.message(c), "k", "1")
		r, err := e.SubmitMessage(e.ctx, again, take)
		e.ok(err)
		equal(e.T, "receipt", r, outbox.Accepted{Message: first.Message.ID, Replayed: true})
		_, err = e.MessageRecord(e.ctx, again.Message.ID, every)
		e.is(err, outbox.ErrNotFound)

		_, err = e.SubmitMessage(e.ctx, keyed(e.message(c), "k", "2"), take)
		e.is(err, outbox.ErrKeyReused)
	}
	e.counts(map[outbox.State]int64{outbox.StateReady: 1})

	e.ends(outcomeOf(e.claimsOnly(10, e.start, first)[0], e.start))
	r, err := e.SubmitMessage(e.ctx, keyed(e.message(c), "k", "1"), true)
	e.ok(err)
	equal(e.T, "receipt after the delivery", r, outbox.Accepted{Message: first.Message.ID, Replayed: true})

	e.say(c)
	e.say(c) // no key is never the same
	e.accept(keyed(e.message(c), "K", "1"))
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 1, outbox.StateReady: 3})
}

func keyAcceptedOnceAtOnce(e *env) {
	c := e.meet("a")
	const n = 50
	subs := make([]outbox.Submission, n)
	receipts := make([]outbox.Accepted, n)
	for i := range n {
		subs[i] = keyed(e.message(c), "k", "1")
	}
	var accepted, taken atomic.Int32
	together(n, func(i int) {
		r, err := e.SubmitMessage(e.ctx, subs[i], i%2 == 0)
		if err != nil {
			e.Error(err)
		}
		if !r.Replayed {
			accepted.Add(1)
		}
		if r.Attempt != nil {
			taken.Add(1)
		}
		receipts[i] = r
	})
	for _, r := range receipts {
		if r.Message != receipts[0].Message {
			e.Errorf("answered with messages %d and %d", receipts[0].Message, r.Message)
		}
	}
	if accepted.Load() != 1 || taken.Load() > 1 {
		e.Errorf("accepted %d times, taken %d times", accepted.Load(), taken.Load())
	}
	found := 0
	for _, s := range subs {
		if _, err := e.MessageRecord(e.ctx, s.Message.ID, every); err == nil {
			found++
		}
	}
	if found != 1 {
		e.Errorf("%d messages are kept, want 1", found)
	}
	e.counts(map[outbox.State]int64{
		outbox.StateReady: int64(1 - taken.Load()), outbox.StateSending: int64(taken.Load()),
	})
}

func keysAreApart(e *env) {
	c := e.meet("a")
	for i, owner := range []struct {
		app    string
		tenant activity.TenantID
	}{{app, tenant}, {"other", tenant}, {app, "other"}, {app, ""}, {"", "tenant"}} {
		s := keyed(e.message(c), "k", string(rune('0'+i)))
		s.Message.AppID, s.Message.Tenant = owner.app, owner.tenant
		e.accept(s)
		id, _, err := e.MessageByKey(e.ctx, owner.app, owner.tenant, "k")
		e.ok(err)
		equal(e.T, "message of the key", id, s.Message.ID)
	}
	e.counts(map[outbox.State]int64{outbox.StateReady: 5})
}

func unknownConversation(e *env) {
	c := e.meet("a")
	nowhere := c
	nowhere.Row += 1000
	for _, take := range []bool{false, true} {
		s := keyed(e.message(c, nowhere), "k", "1")
		if take {
			s = keyed(e.message(nowhere), "k", "1")
		}
		_, err := e.SubmitMessage(e.ctx, s, take)
		e.is(err, book.ErrNotFound)
		_, err = e.MessageRecord(e.ctx, s.Message.ID, every)
		e.is(err, outbox.ErrNotFound)
	}
	e.counts(nil)
	e.claimsOnly(10, e.start)
	e.accept(keyed(e.message(c), "k", "2")) // the key is still free
}

func takenID(e *env) {
	c := e.meet("a")
	first := e.say(c)
	before := e.record(first)
	sameMessage, sameDelivery := e.message(c), e.message(c)
	sameMessage.Message.ID = first.Message.ID
	sameDelivery.Deliveries[0].ID = first.Deliveries[0].ID
	twice := e.message(c, c)
	twice.Deliveries[1].ID = twice.Deliveries[0].ID
	for _, s := range []outbox.Submission{sameMessage, sameDelivery, twice} {
		if _, err := e.SubmitMessage(e.ctx, s, false); err == nil {
			e.Error("an id that is taken was accepted")
		}
	}
	l := e.lease(c.Key)
	for _, one := range []outbox.Submission{e.message(), e.message(c)} {
		if e.Commit(e.ctx, l, []headsup.Op{outbox.Submit{Submissions: []outbox.Submission{one, one}}}) == nil {
			e.Error("one id was accepted twice in a commit")
		}
	}
	l.Release()
	equal(e.T, "record", e.record(first), before)
	_, err := e.MessageRecord(e.ctx, sameDelivery.Message.ID, every)
	e.is(err, outbox.ErrNotFound)
	e.counts(map[outbox.State]int64{outbox.StateReady: 1})
}

// broadcast: one message to many, here to few conversations many times, since the book is not what is tested.
func broadcast(e *env) {
	const people, each = 10, 200
	var to []book.Conversation
	for i := range people {
		to = append(to, e.meet(string(rune('a'+i))))
	}
	s := e.message()
	for i := range people * each {
		nd := outbox.NewDelivery{ID: outbox.DeliveryID(e.nextID()), Conversation: to[i%people].Row}
		s.Deliveries = append(s.Deliveries, nd)
	}
	e.accept(s)
	e.counts(map[outbox.State]int64{outbox.StateReady: people * each})
	for round := range 3 {
		attempts := e.claims(people+1, e.start).Attempts
		if len(attempts) != people {
			e.Fatalf("round %d hands out %d, want one for each conversation", round, len(attempts))
		}
		for i, a := range attempts {
			if want := s.Deliveries[round*people+i].ID; a.Delivery != want {
				e.Errorf("round %d: place %d is delivery %d, want %d", round, i, a.Delivery, want)
			}
		}
		together(len(attempts), func(i int) {
			if err := e.RecordOutcome(e.ctx, outcomeOf(attempts[i], e.start)); err != nil {
				e.Error(err)
			}
		})
	}
	e.counts(map[outbox.State]int64{
		outbox.StateDelivered: 3 * people, outbox.StateReady: people * (each - 3),
	})
	if r := e.record(s); len(r.Deliveries) != people*each {
		e.Errorf("the record has %d deliveries, want %d", len(r.Deliveries), people*each)
	}
	r, err := e.cancels(s.Message.ID, e.start)
	e.ok(err)
	for i, d := range r.Deliveries {
		want := outbox.StateCancelled
		if i < 3*people {
			want = outbox.StateDelivered
		}
		if d.ID != s.Deliveries[i].ID || d.State != want {
			e.Fatalf("delivery %d (%d) is %s, want %s", i, d.ID, d.State, want)
		}
	}
}

func submissionWakes(e *env) {
	c := e.meet("a")
	e.quiet()
	e.say(c)
	e.woken()
	e.sayIn(time.Hour, c) // somebody may wait for a later time, or for none
	e.woken()
}

func takeHandsOut(e *env) {
	c := e.meet("a")
	s := e.message(c)
	s.Message.ExpiresAt = e.at(time.Hour)
	r, err := e.SubmitMessage(e.ctx, s, true)
	e.ok(err)
	if r.Attempt == nil {
		e.Fatal("nothing was handed out")
	}
	a := *r.Attempt
	equal(e.T, "receipt", r, outbox.Accepted{Message: s.Message.ID, Attempt: &a})
	e.isAttempt(a, s, c, 1, 0, e.start)
	e.stands(s, outbox.StateSending)
	if !e.busy(c.Key) {
		e.Error("the conversation is free although a delivery is on its way")
	}
	e.claimsOnly(10, e.start)
	e.ends(outcomeOf(a, e.at(time.Second)))
	e.stands(s, outbox.StateSending, outbox.StateDelivered)
	e.lease(c.Key).Release()
}

// isAttempt checks all that an attempt tells.
func (e *env) isAttempt(
	got outbox.Attempt, s outbox.Submission, c book.Conversation, claims, failures int, now time.Time,
) {
	e.Helper()
	m := s.Message
	want := outbox.Attempt{
		Delivery: s.Deliveries[0].ID, Message: m.ID, Conversation: c, Body: m.Body, OnUnknown: m.OnUnknown,
		Window: m.Window, Lane: m.Lane, Topic: m.Topic, ExpiresAt: m.ExpiresAt, CreatedAt: m.CreatedAt, WantedAt: s.At,
		Fence: got.Fence, Claims: claims, Failures: failures, LeaseUntil: now.Add(headsup.LeaseTime),
	}
	equal(e.T, "attempt", got, want)
}

func takeHandsOutOnly(e *env) {
	a, b := e.meet("a"), e.meet("b")
	left := func(why string, s outbox.Submission) outbox.Submission {
		e.Helper()
		r, err := e.SubmitMessage(e.ctx, s, true)
		e.ok(err)
		if r.Attempt != nil {
			e.Errorf("handed out although %s", why)
		}
		return s
	}
	l := e.lease(a.Key)
	e.quiet()
	busy := left("the conversation is busy", e.message(a))
	e.woken()
	l.Release()
	e.woken() // the submission had asked for the conversation
	behind := left("it is not the head", e.message(a))
	left("it is not due", due(e.message(b), e.at(time.Hour)))
	left("it has two deliveries", e.message(a, b))
	gone := e.message(b)
	gone.Message.ExpiresAt = e.at(-time.Second)
	left("it has expired", gone)

	first := e.claims(1, e.start).Attempts[0]
	if first.Message != busy.Message.ID {
		e.Errorf("message %d is first, want %d", first.Message, busy.Message.ID)
	}
	left("another lane of the conversation is on its way", inLane(outbox.LaneUrgent, e.message(a)))
	e.stands(behind, outbox.StateReady)
}

func takenIsHead(e *env) {
	c := e.meet("a")
	taken := e.message(c)
	r, err := e.SubmitMessage(e.ctx, taken, true)
	e.ok(err)
	next := e.say(c)
	e.ends(retryOf(*r.Attempt, e.start, e.start))
	e.ends(retryOf(e.claimsOnly(10, e.start, taken)[0], e.start, e.at(time.Minute)))
	e.claimsOnly(10, e.start)
	err = e.CancelMessage(e.ctx, taken.Message.ID, e.start)
	e.ok(err)
	e.claimsOnly(10, e.start, next)
}

func manyTakes(e *env) {
	c := e.meet("a")
	subs := make([]outbox.Submission, 20)
	for i := range subs {
		subs[i] = e.message(c)
	}
	var taken atomic.Int32
	together(len(subs), func(i int) {
		r, err := e.SubmitMessage(e.ctx, subs[i], true)
		if err != nil {
			e.Error(err)
		}
		if r.Attempt != nil {
			taken.Add(1)
		}
	})
	if n := taken.Load(); n != 1 {
		e.Errorf("%d deliveries to one conversation were handed out at once, want 1", n)
	}
	e.counts(map[outbox.State]int64{outbox.StateSending: 1, outbox.StateReady: 19})
}
