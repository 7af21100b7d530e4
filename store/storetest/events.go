package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) events(t *testing.T) {
	s.promise(t, "NothingIsWrittenThatNobodyWants", nothingUnwanted)
	s.promise(t, "EveryFinalStateIsToldOnce", finalStatesAreTold)
	s.promise(t, "EventSaysWhatTheNotificationWas", eventSaysWhat)
	s.promise(t, "WhatExpiresOrIsCancelledIsTold", endsWithoutAttempt)
	s.promise(t, "WhatIsHeardIsToldWithTheTurn", heardIsTold)
	s.promise(t, "PressedButtonIsToldWithTheTurn", pressedIsTold)
	s.promise(t, "ChangedPreferencesAreTold", preferencesAreTold)
	s.promise(t, "PreferencesOfAHumanAreToldOnce", preferencesAreToldOnce)
	s.promise(t, "PreferencesOfAGroupAreTold", preferencesOfGroupAreTold)
	s.promise(t, "MergingTellsWhoWantsSomethingElse", mergingTells)
	s.promise(t, "NextMessageAnswersTheLatestDelivery", nextMessageAnswers)
	s.promise(t, "ReplyAnswersTheDeliveryThatItNames", replyAnswers)
	s.promise(t, "DayOldDeliveryIsNotAnswered", dayOldIsNotAnswered)
	s.promise(t, "EventsAreListedInOrder", eventsAreListed)
	s.promise(t, "WantingEnds", wantingEnds)
	s.promise(t, "EventsSayInWhichTenant", eventsOfTenants)
}

// wants makes all types wanted, or those that are given, beyond the end of the test.
func (e *env) wants(types ...event.Type) {
	e.Helper()
	if len(types) == 0 {
		types = event.Types()
	}
	e.ok(e.Want(e.ctx, app, types, time.Now().Add(time.Hour)))
}

// told lists the events so far, and expects these types.
func (e *env) told(want ...event.Type) []event.Event {
	e.Helper()
	found, err := e.Events(e.ctx, app, 0, 1000)
	e.ok(err)
	got := make([]event.Type, len(found))
	for i := range found {
		got[i] = found[i].Type
	}
	equal(e.T, "events", got, append([]event.Type{}, want...))
	return found
}

func dataOf[T any](e *env, ev event.Event) T {
	e.Helper()
	var data T
	if err := json.Unmarshal(ev.Data, &data); err != nil {
		e.Fatalf("%s: %v", ev.Data, err)
	}
	return data
}

// heard is what somebody said.
func heard(c book.Conversation, text string, replyTo activity.ID, at time.Time) event.Heard {
	return event.Heard{
		Message: api.MessageEvent{
			Channel: string(c.Key.Channel), Conversation: string(c.Key.Conversation), Person: api.Person{ID: "ann"}, Text: text,
			Activity: []byte(`{"type":"message","text":"` + text + `","big":9007199254740993}`),
		},
		ReplyTo: replyTo, At: at,
	}
}

// hears commits a turn in which somebody says something.
func (e *env) hears(c book.Conversation, text string, replyTo activity.ID, at time.Time) {
	e.Helper()
	l := e.lease(c.Key)
	defer l.Release()
	e.ok(e.Commit(e.ctx, l, []headsup.Op{heard(c, text, replyTo, at)}))
}

// delivers says something and has it delivered as an activity at a time.
func (e *env) delivers(c book.Conversation, as activity.ID, at time.Time) outbox.Submission {
	e.Helper()
	s := e.say(c)
	o := outcomeOf(e.claimsOnly(1, e.start, s)[0], at)
	o.Activity = as
	e.ends(o)
	return s
}

func nothingUnwanted(e *env) {
	if e.Wanted(app, event.Types()...) {
		e.Error("something is wanted at first")
	}
	c := e.meet("a")
	e.delivers(c, "sent", e.start)
	e.hears(c, "hello", "", e.start)
	e.told()
	e.wants(event.NotificationFailed)
	if e.Wanted(app, event.MessageReceived) || e.Wanted("other", event.NotificationFailed) || !e.Wanted(app, event.MessageReceived, event.NotificationFailed) {
		e.Error("wanted is not what was asked for")
	}
	e.delivers(c, "sent", e.start)
	e.hears(c, "hello", "", e.start)
	e.told()
}

func finalStatesAreTold(e *env) {
	e.wants()
	c := e.meet("a")
	var want []event.Type
	for _, state := range allStates {
		if !state.Final() {
			continue
		}
		s := e.say(c)
		a := e.claimsOnly(1, e.start, s)[0]
		e.ends(retryOf(a, e.start, e.start)) // which is no end
		a = e.claimsOnly(1, e.start, s)[0]
		o := outcomeOf(a, e.at(time.Second))
		o.State, o.Reason = state, "some_reason"
		e.ends(o)
		e.is(e.RecordOutcome(e.ctx, o), headsup.ErrLeaseLost)
		want = append(want, event.OfState(state))
		found := e.told(want...)
		last := found[len(found)-1]
		data := dataOf[api.DeliveryEvent](e, last)
		if !last.At.Equal(e.at(time.Second)) || last.Conversation != c.Row || data.State != string(state) || data.Attempts != 2 ||
			data.Reason != "some_reason" || data.ActivityID != "sent" || data.Delivery != ident.Text("dlv", int64(a.Delivery)) {
			e.Errorf("told %+v: %s", last, last.Data)
		}
	}
	select {
	case <-e.EventNews():
	case <-e.ctx.Done():
		e.Error("no news")
	}
}

func eventSaysWhat(e *env) {
	e.wants()
	c := e.meet("a")
	s := e.message(c)
	s.Message.Topic, s.Message.Value = "builds", jsontext.Value(`{"n":9007199254740993}`)
	e.accept(s)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, s)[0], e.start))
	got := dataOf[api.DeliveryEvent](e, e.told(event.NotificationDelivered)[0])
	equal(e.T, "data", got, api.DeliveryEvent{
		Notification: ident.Text("ntf", int64(s.Message.ID)), Delivery: ident.Text("dlv", int64(s.Deliveries[0].ID)), State: "delivered",
		Attempts: 1, Channel: string(c.Key.Channel), Conversation: "a", Tenant: string(tenant), ActivityID: "sent",
		Person: &api.Person{ID: "user-of-a", Name: "Somebody"}, Topic: "builds", Value: []byte(`{"n":9007199254740993}`),
	})
}

func endsWithoutAttempt(e *env) {
	e.wants()
	c := e.meet("a")
	late := e.message(c)
	late.Message.ExpiresAt = e.at(time.Minute)
	e.accept(late)
	e.claimsOnly(1, e.at(time.Hour))
	waits := e.sayIn(time.Hour, c)
	err := e.CancelMessage(e.ctx, waits.Message.ID, e.start)
	e.ok(err)
	e.told(event.NotificationExpired, event.NotificationCancelled)

	// An attempt that is lost and must not repeat.
	hold := e.message(c)
	hold.Message.OnUnknown = headsup.OnUnknownHold
	e.accept(hold)
	a := e.claimsOnly(1, e.start, hold)[0]
	_, err = e.ReclaimExpired(e.ctx, a.LeaseUntil)
	e.ok(err)
	e.told(event.NotificationExpired, event.NotificationCancelled, event.NotificationUnknown)
}

func heardIsTold(e *env) {
	e.wants()
	c := e.meet("a")
	e.hears(c, "hello", "", e.at(time.Second))
	found := e.told(event.MessageReceived)
	got := dataOf[api.MessageEvent](e, found[0])
	if got.Text != "hello" || got.Kind != "personal" || got.Person.ID != "ann" || !found[0].At.Equal(e.at(time.Second)) ||
		string(got.Activity) != `{"type":"message","text":"hello","big":9007199254740993}` || found[0].Conversation != c.Row {
		e.Errorf("told %+v: %s", found[0], found[0].Data)
	}

	// A turn that does not commit tells nothing.
	nowhere := c
	nowhere.Row += 1000
	l := e.lease(c.Key)
	e.is(e.Commit(e.ctx, l, []headsup.Op{heard(c, "lost", "", e.start), outbox.Submit{Submissions: []outbox.Submission{e.message(nowhere)}}}), book.ErrNotFound)
	l.Release()
	e.told(event.MessageReceived)

	// A conversation that is not in the book is told of as well.
	e.hears(book.Conversation{Key: keyOf("stranger")}, "who is there", "", e.start)
	if found := e.told(event.MessageReceived, event.MessageReceived); found[1].Conversation != 0 {
		e.Errorf("a stranger's conversation has row %d", found[1].Conversation)
	}
}

func pressedIsTold(e *env) {
	presses := func(key headsup.ConversationKey, name string) {
		l := e.lease(key)
		defer l.Release()
		e.ok(e.Commit(e.ctx, l, []headsup.Op{event.Acted{Action: api.ActionEvent{Name: name, Value: []byte(`{"a":1}`)}, At: e.start}}))
	}
	c := e.meet("a")
	presses(c.Key, "unwanted")
	e.wants(event.CardAction)
	presses(c.Key, "approve")
	presses(keyOf("stranger"), "reject")
	found := e.told(event.CardAction, event.CardAction)
	if data := dataOf[api.ActionEvent](e, found[0]); data.Name != "approve" || string(data.Value) != `{"a":1}` || found[0].Conversation != c.Row {
		e.Errorf("told %+v", found[0])
	}
	if data := dataOf[api.ActionEvent](e, found[1]); data.Name != "reject" || found[1].Conversation != 0 {
		e.Errorf("told %+v", found[1])
	}
}

// answers lists which deliveries were answered, by the text that did.
func (e *env) answers() map[string]string {
	e.Helper()
	found, err := e.Events(e.ctx, app, 0, 1000)
	e.ok(err)
	answers := make(map[string]string)
	for _, ev := range found {
		if ev.Type == event.NotificationAnswered {
			data := dataOf[api.AnswerEvent](e, ev)
			answers[data.Message.Text] = data.Delivery
		}
	}
	return answers
}

func deliveryText(s outbox.Submission) string { return ident.Text("dlv", int64(s.Deliveries[0].ID)) }

func nextMessageAnswers(e *env) {
	e.wants(event.NotificationAnswered)
	a, b := e.meet("a"), e.meet("b")
	e.hears(a, "before", "", e.start)
	e.delivers(a, "1", e.at(time.Minute))
	second := e.delivers(a, "2", e.at(2*time.Minute))
	elsewhere := e.delivers(b, "3", e.at(time.Minute))
	e.hears(a, "yes", "", e.at(3*time.Minute))
	e.hears(a, "again", "", e.at(4*time.Minute))
	third := e.delivers(a, "4", e.at(5*time.Minute))
	e.hears(a, "third", "an activity that nobody knows", e.at(6*time.Minute))
	e.hears(b, "from b", "", e.at(6*time.Minute))
	equal(e.T, "answers", e.answers(), map[string]string{
		"yes": deliveryText(second), "third": deliveryText(third), "from b": deliveryText(elsewhere),
	})
	found, err := e.Events(e.ctx, app, 0, 1)
	e.ok(err)
	data := dataOf[api.AnswerEvent](e, found[0])
	if data.State != "delivered" || data.ActivityID != "2" || data.Attempts != 1 || data.Notification != ident.Text("ntf", int64(second.Message.ID)) {
		e.Errorf("told %s", found[0].Data)
	}
}

func replyAnswers(e *env) {
	e.wants(event.NotificationAnswered)
	c := e.meet("a")
	first := e.delivers(c, "1", e.at(time.Minute))
	second := e.delivers(c, "2", e.at(2*time.Minute))
	e.hears(c, "the first", "1", e.at(3*time.Minute))
	e.hears(c, "no more", "", e.at(4*time.Minute)) // a message has followed the second
	e.hears(c, "twice", "1", e.at(5*time.Minute))
	e.hears(c, "the second", "2", e.at(6*time.Minute))
	equal(e.T, "answers", e.answers(), map[string]string{"the first": deliveryText(first), "the second": deliveryText(second)})

	// What was said in a conversation of its own is not answered here.
	s := e.message(c)
	s.Message.Window = headsup.WindowNew
	e.accept(s)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, s)[0], e.at(7*time.Minute)))
	e.hears(c, "not that", "", e.at(8*time.Minute))
	if _, wrong := e.answers()["not that"]; wrong {
		e.Error("a message answers what was said in another conversation")
	}
}

func dayOldIsNotAnswered(e *env) {
	e.wants(event.NotificationAnswered)
	a, b := e.meet("a"), e.meet("b")
	e.delivers(a, "1", e.start)
	last := e.delivers(b, "2", e.start)
	e.hears(a, "late", "1", e.at(event.AnswerWithin))
	e.hears(b, "in time", "", e.at(event.AnswerWithin-time.Millisecond))
	equal(e.T, "answers", e.answers(), map[string]string{"in time": deliveryText(last)})
}

func eventsAreListed(e *env) {
	e.wants()
	c := e.meet("a")
	const n = 7
	for i := range n {
		e.hears(c, fmt.Sprint(i), "", e.start)
	}
	last, err := e.LastEvent(e.ctx)
	e.ok(err)
	for _, limit := range []int{1, 3, n, n + 1} {
		var texts []string
		after := event.ID(0)
		for {
			page, err := e.Events(e.ctx, app, after, limit)
			e.ok(err)
			if len(page) == 0 {
				break
			}
			for _, ev := range page {
				if ev.ID <= after {
					e.Fatalf("%d follows %d", ev.ID, after)
				}
				after = ev.ID
				texts = append(texts, dataOf[api.MessageEvent](e, ev).Text)
			}
		}
		equal(e.T, "texts", texts, []string{"0", "1", "2", "3", "4", "5", "6"})
		if after != last {
			e.Errorf("the last is %d, was told %d", after, last)
		}
	}
	if other, err := e.Events(e.ctx, "other", 0, n); err != nil || len(other) != 0 {
		e.Errorf("another app sees %v, %v", other, err)
	}

	// Old ones are dropped, the rest stays.
	e.hears(c, "new", "", e.at(time.Hour))
	more, err := e.DropEvents(e.ctx, e.at(time.Minute), e.at(time.Hour))
	for more && err == nil {
		more, err = e.DropEvents(e.ctx, e.at(time.Minute), e.at(time.Hour))
	}
	e.ok(err)
	if left := e.told(event.MessageReceived); dataOf[api.MessageEvent](e, left[0]).Text != "new" {
		e.Errorf("left is %s", left[0].Data)
	}
}

func wantingEnds(e *env) {
	e.ok(e.Want(e.ctx, app, []event.Type{event.MessageReceived}, time.Now().Add(-time.Second)))
	if e.Wanted(app, event.MessageReceived) {
		e.Error("what was wanted until a second ago is wanted still")
	}
	e.wants(event.MessageReceived)
	e.ok(e.Want(e.ctx, app, []event.Type{event.MessageReceived}, time.Now().Add(-time.Second)))
	if !e.Wanted(app, event.MessageReceived) {
		e.Error("an earlier time has shortened a later one")
	}
	if err := e.Want(e.ctx, app, []event.Type{"garbage"}, time.Now().Add(time.Hour)); err == nil {
		e.Error("an unknown type can be wanted")
	}
}
