package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
)

func (s suite) webhooks(t *testing.T) {
	s.promise(t, "WebhookIsKeptAsItWasMade", webhookIsKept)
	s.promise(t, "EnabledWebhookMakesItsTypesWanted", webhookWants)
	s.promise(t, "ChangeIsAllOrNothing", changeIsAll)
	s.promise(t, "WorkBeginsAfterTheWebhookWasMade", workBegins)
	s.promise(t, "PostIsDueAgainUntilItIsDelivered", postIsDue)
	s.promise(t, "SuccessMakesWhatWaitedForItDue", successMakesDue)
	s.promise(t, "FailureCanDisable", failureDisables)
	s.promise(t, "AttemptsAreKeptUpToABound", attemptsAreBounded)
	s.promise(t, "ReplayMakesDueWhatWasDelivered", replayMakesDue)
	s.promise(t, "WhatIsTooOldIsDroppedAndCounted", tooOldIsDropped)
	s.promise(t, "UnknownWebhooks", unknownWebhooks)
	s.promise(t, "WebhookOfATenantIsToldOfThatAlone", webhookOfATenant)
	s.promise(t, "WebhookOfATenantMissesOnlyItsOwn", dropsUnseen)
}

// hooks makes a webhook for all types, or those that are given.
func (e *env) hooks(types ...event.Type) event.Webhook {
	e.Helper()
	if len(types) == 0 {
		types = event.Types()
	}
	w, err := e.CreateWebhook(e.ctx, event.Webhook{
		ID: event.WebhookID(e.nextID()), AppID: app, URL: "https://example.com/hook", Types: types, Description: "ours",
		Secrets: []event.Secret{{Text: "new"}, {Text: "old", Until: e.at(time.Hour)}}, CreatedAt: e.start,
	})
	e.ok(err)
	return w
}

func (e *env) hook(id event.WebhookID) event.Webhook {
	e.Helper()
	w, err := e.Webhook(e.ctx, app, id)
	e.ok(err)
	return w
}

// works expects that many posts to be due again and fresh.
func (e *env) works(id event.WebhookID, now time.Time, again, fresh int) event.Work {
	e.Helper()
	w, err := e.Work(e.ctx, id, now, 100)
	e.ok(err)
	if len(w.Again) != again || len(w.Fresh) != fresh {
		e.Fatalf("%d again and %d fresh, want %d and %d", len(w.Again), len(w.Fresh), again, fresh)
	}
	return w
}

// says writes n events.
func (e *env) says(n int, at time.Time) []event.Event {
	e.Helper()
	last, err := e.LastEvent(e.ctx)
	e.ok(err)
	for i := range n {
		e.hears(e.meet("a"), fmt.Sprint(i), "", at)
	}
	found, err := e.Events(e.ctx, app, last, n)
	e.ok(err)
	if len(found) != n {
		e.Fatalf("%d events, want %d", len(found), n)
	}
	return found
}

func (e *env) posted(o event.Outcome) {
	e.Helper()
	e.ok(e.RecordPost(e.ctx, o))
}

func webhookIsKept(e *env) {
	e.wants()
	last := e.says(1, e.start)[0]
	w := e.hooks(event.MessageReceived)
	want := event.Webhook{
		ID: w.ID, AppID: app, URL: "https://example.com/hook", Types: []event.Type{event.MessageReceived}, Description: "ours",
		Secrets: []event.Secret{{Text: "new"}, {Text: "old", Until: e.at(time.Hour)}}, CreatedAt: e.start, Cursor: last.ID,
	}
	equal(e.T, "made", w, want)
	equal(e.T, "kept", e.hook(w.ID), want)
	second := e.hooks()
	all, err := e.Webhooks(e.ctx, app)
	e.ok(err)
	equal(e.T, "all", all, []event.Webhook{want, second})
	if others, err := e.Webhooks(e.ctx, "other"); err != nil || len(others) != 0 {
		e.Errorf("another app sees %v, %v", others, err)
	}
	e.ok(e.DeleteWebhook(e.ctx, app, w.ID))
	_, err = e.Webhook(e.ctx, app, w.ID)
	e.is(err, event.ErrNotFound)
}

func webhookWants(e *env) {
	w := e.hooks(event.MessageReceived)
	wanted := func(want bool) {
		e.Helper()
		if got := e.Wanted(app, event.MessageReceived); got != want {
			e.Errorf("wanted is %v, want %v", got, want)
		}
		if e.Wanted(app, event.NotificationFailed) || e.Wanted("other", event.MessageReceived) {
			e.Error("something else is wanted")
		}
	}
	wanted(true)
	_, err := e.ChangeWebhook(e.ctx, app, w.ID, func(w *event.Webhook) error { w.Disabled = event.Requested; return nil })
	e.ok(err)
	wanted(false)
	_, err = e.ChangeWebhook(e.ctx, app, w.ID, func(w *event.Webhook) error { w.Disabled = ""; return nil })
	e.ok(err)
	wanted(true)
	e.ok(e.DeleteWebhook(e.ctx, app, w.ID))
	wanted(false)
}

func changeIsAll(e *env) {
	w := e.hooks()
	refused := errors.New("no")
	_, err := e.ChangeWebhook(e.ctx, app, w.ID, func(w *event.Webhook) error { w.URL, w.Types[0] = "x", "x"; return refused })
	e.is(err, refused)
	equal(e.T, "unchanged", e.hook(w.ID), w)
	got, err := e.ChangeWebhook(e.ctx, app, w.ID, func(w *event.Webhook) error {
		*w = event.Webhook{URL: "https://example.com/2", Types: []event.Type{event.NotificationFailed}, Cursor: 9, Dropped: 9}
		return nil
	})
	e.ok(err)
	want := event.Webhook{
		ID: w.ID, AppID: app, URL: "https://example.com/2", Types: []event.Type{event.NotificationFailed}, CreatedAt: w.CreatedAt,
		Secrets: got.Secrets, Cursor: w.Cursor,
	}
	equal(e.T, "changed", got, want)
	if len(got.Secrets) != 0 {
		e.Errorf("secrets %v", got.Secrets)
	}
}

func workBegins(e *env) {
	e.wants()
	e.says(2, e.start)
	w := e.hooks(event.MessageReceived)
	e.works(w.ID, e.start, 0, 0)
	events := e.says(3, e.start)
	e.delivers(e.meet("a"), "sent", e.start) // whose type it does not want
	work := e.works(w.ID, e.start, 0, 3)
	for i := range events {
		equal(e.T, "fresh", work.Fresh[i], events[i])
	}
	if work.Through <= events[2].ID {
		e.Errorf("through %d, want beyond %d", work.Through, events[2].ID)
	}
	first, err := e.Work(e.ctx, w.ID, e.start, 2)
	e.ok(err)
	if len(first.Fresh) != 2 || first.Through != events[1].ID {
		e.Errorf("two are %v through %d, want through %d", first.Fresh, first.Through, events[1].ID)
	}
	e.ok(e.Advance(e.ctx, w.ID, first.Through))
	e.ok(e.Advance(e.ctx, w.ID, first.Through-1)) // never back
	e.works(w.ID, e.start, 0, 1)

	// What has a post is not fresh, though the cursor did not move.
	e.posted(event.Outcome{Webhook: w.ID, Event: events[2].ID, Attempt: event.Attempt{At: e.start, Status: 200}})
	e.works(w.ID, e.start, 0, 0)
}

func postIsDue(e *env) {
	w := e.hooks()
	ev := e.says(1, e.start)[0]
	failed := event.Attempt{At: e.start, Status: 500, LatencyMS: 15, Error: "refused"}
	e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: failed, NextAt: e.at(time.Minute)})
	if work := e.works(w.ID, e.start, 0, 0); !work.Next.Equal(e.at(time.Minute)) {
		e.Errorf("next at %v", work.Next)
	}
	if got := e.hook(w.ID); !got.FailingSince.Equal(e.start) || got.Away != 0 || !got.NotBefore.IsZero() {
		e.Errorf("health is %+v", got)
	}
	want := event.Post{Event: ev, NextAt: e.at(time.Minute), Tries: 1, Attempts: []event.Attempt{failed}}
	equal(e.T, "again", e.works(w.ID, e.at(time.Minute), 1, 0).Again[0], want)
	went := event.Attempt{At: e.at(time.Minute), Status: 204}
	e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: went})
	e.works(w.ID, e.at(time.Hour), 0, 0)
	posts, err := e.Posts(e.ctx, app, w.ID, 0, 10)
	e.ok(err)
	equal(e.T, "posts", posts, []event.Post{{Event: ev, Delivered: true, Tries: 2, Attempts: []event.Attempt{failed, went}}})
	if got := e.hook(w.ID); !got.FailingSince.IsZero() {
		e.Errorf("health is %+v", got)
	}
}

func successMakesDue(e *env) {
	w := e.hooks()
	events := e.says(4, e.start)
	away := func(ev event.Event, notBefore time.Duration) {
		e.posted(event.Outcome{
			Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.start, Error: "timeout"}, NextAt: e.at(time.Hour),
			Away: true, NotBefore: e.at(notBefore),
		})
	}
	went := func(ev event.Event, at time.Duration) {
		e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.at(at), Status: 200}})
	}
	// One that fails between others that do not is no outage.
	for range event.Outage {
		away(events[1], time.Second)
		went(events[0], time.Second)
	}
	e.works(w.ID, e.at(time.Minute), 0, 2)

	away(events[1], time.Minute)
	for range event.Outage - 1 {
		away(events[2], time.Second)
	}
	e.posted(event.Outcome{Webhook: w.ID, Event: events[3].ID, Attempt: event.Attempt{At: e.at(time.Second), Status: 400, Error: "refused"}, NextAt: e.at(time.Hour)})
	if got := e.hook(w.ID); got.Away != event.Outage || !got.NotBefore.Equal(e.at(time.Minute)) || !got.FailingSince.Equal(e.start) {
		e.Errorf("health is %+v", got)
	}
	e.works(w.ID, e.at(time.Minute), 0, 0)
	went(events[1], time.Minute)
	if work := e.works(w.ID, e.at(time.Minute), 1, 0); work.Again[0].Event.ID != events[2].ID {
		e.Errorf("due is %v", work.Again[0].Event.ID)
	}
	if got := e.hook(w.ID); got.Away != 0 || !got.NotBefore.IsZero() || !got.FailingSince.IsZero() {
		e.Errorf("health is %+v", got)
	}
}

func failureDisables(e *env) {
	w := e.hooks()
	ev := e.says(1, e.start)[0]
	o := event.Outcome{
		Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.at(time.Second), Status: 410, Error: "gone"}, NextAt: e.at(time.Hour),
		Disable: event.Gone,
	}
	e.posted(o)
	if got := e.hook(w.ID); got.Disabled != event.Gone || !got.DisabledAt.Equal(e.at(time.Second)) {
		e.Errorf("it is %+v", got)
	}
	if e.Wanted(app, event.Types()...) {
		e.Error("events are wanted still")
	}
	o.Disable, o.Attempt.At = event.Failing, e.at(time.Minute)
	e.posted(o)
	if got := e.hook(w.ID); got.Disabled != event.Gone || !got.DisabledAt.Equal(e.at(time.Second)) {
		e.Errorf("disabled again, it is %+v", got)
	}
}

func attemptsAreBounded(e *env) {
	w := e.hooks()
	ev := e.says(1, e.start)[0]
	const n = event.KeepAttempts + 5
	for i := range n {
		e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.at(time.Duration(i) * time.Second), Status: 500}, NextAt: e.at(time.Hour)})
	}
	p := e.works(w.ID, e.at(time.Hour), 1, 0).Again[0]
	if p.Tries != n || len(p.Attempts) != event.KeepAttempts || !p.Attempts[event.KeepAttempts-1].At.Equal(e.at((n-1)*time.Second)) {
		e.Errorf("%d tries, %d attempts kept: %v", p.Tries, len(p.Attempts), p.Attempts)
	}
}

func replayMakesDue(e *env) {
	w, other := e.hooks(event.MessageReceived), e.hooks()
	old := e.says(2, e.start)
	young := e.says(2, e.at(time.Minute))
	e.delivers(e.meet("a"), "sent", e.at(time.Minute))
	for _, ev := range append(old, young...) {
		e.posted(event.Outcome{Webhook: w.ID, Event: ev.ID, Attempt: event.Attempt{At: e.start, Status: 200}})
	}
	e.works(w.ID, e.at(time.Hour), 0, 0)
	for len(e.EventNews()) > 0 {
		<-e.EventNews()
	}
	e.ok(e.ReplayEvent(e.ctx, app, w.ID, old[0].ID, e.at(time.Hour)))
	select {
	case <-e.EventNews():
	case <-e.ctx.Done():
		e.Error("no news of a replay")
	}
	if p := e.works(w.ID, e.at(time.Hour), 1, 0).Again[0]; p.Event.ID != old[0].ID || p.Tries != 1 || len(p.Attempts) != 1 {
		e.Errorf("due is %+v", p)
	}
	if n, err := e.ReplaySince(e.ctx, app, w.ID, e.at(time.Minute), e.at(time.Hour)); err != nil || n != 2 {
		e.Errorf("%d events again, %v, want 2", n, err)
	}
	e.works(w.ID, e.at(time.Hour), 3, 0)
	if n, err := e.ReplaySince(e.ctx, app, w.ID, time.Time{}, e.at(time.Hour)); err != nil || n != 4 {
		e.Errorf("%d events again, %v, want 4", n, err)
	}
	e.works(w.ID, e.at(time.Hour), 4, 0)
	e.works(other.ID, e.at(time.Hour), 0, 5)
	e.is(e.ReplayEvent(e.ctx, app, w.ID, young[1].ID+1000, e.start), event.ErrNotFound)
}

func tooOldIsDropped(e *env) {
	w, rest := e.hooks(event.MessageReceived), e.hooks(event.NotificationFailed)
	old := e.says(3, e.start)
	e.posted(event.Outcome{Webhook: w.ID, Event: old[0].ID, Attempt: event.Attempt{At: e.start, Status: 200}})
	e.posted(event.Outcome{Webhook: w.ID, Event: old[1].ID, Attempt: event.Attempt{At: e.start, Status: 500}, NextAt: e.at(time.Minute)})
	young := e.says(1, e.at(time.Hour))[0]
	for more := true; more; {
		var err error
		more, err = e.DropEvents(e.ctx, e.at(time.Minute), e.at(time.Hour))
		e.ok(err)
	}
	got := e.hook(w.ID)
	if got.Dropped != 2 || got.Cursor != old[2].ID {
		e.Errorf("dropped %d through %d, want 2 through %d", got.Dropped, got.Cursor, old[2].ID)
	}
	if other := e.hook(rest.ID); other.Dropped != 0 || other.Cursor != old[2].ID {
		e.Errorf("the other has dropped %d through %d", other.Dropped, other.Cursor)
	}
	if work := e.works(w.ID, e.at(time.Hour), 0, 1); work.Fresh[0].ID != young.ID {
		e.Errorf("fresh is %v", work.Fresh[0].ID)
	}
	if posts, err := e.Posts(e.ctx, app, w.ID, 0, 10); err != nil || len(posts) != 0 {
		e.Errorf("posts %v, %v", posts, err)
	}
	// An attempt that ends afterwards makes no post.
	e.posted(event.Outcome{Webhook: w.ID, Event: old[1].ID, Attempt: event.Attempt{At: e.start, Status: 500}, NextAt: e.at(time.Minute)})
	e.works(w.ID, e.at(time.Hour), 0, 1)
}

func unknownWebhooks(e *env) {
	w := e.hooks()
	ev := e.says(1, e.start)[0]
	for _, c := range []struct {
		app string
		id  event.WebhookID
	}{{"other", w.ID}, {app, w.ID + 1000}} {
		_, err := e.Webhook(e.ctx, c.app, c.id)
		e.is(err, event.ErrNotFound)
		_, err = e.ChangeWebhook(e.ctx, c.app, c.id, func(*event.Webhook) error { return nil })
		e.is(err, event.ErrNotFound)
		e.is(e.DeleteWebhook(e.ctx, c.app, c.id), event.ErrNotFound)
		_, err = e.Posts(e.ctx, c.app, c.id, 0, 10)
		e.is(err, event.ErrNotFound)
		e.is(e.ReplayEvent(e.ctx, c.app, c.id, ev.ID, e.start), event.ErrNotFound)
		_, err = e.ReplaySince(e.ctx, c.app, c.id, e.start, e.start)
		e.is(err, event.ErrNotFound)
	}
	_, err := e.Work(e.ctx, w.ID+1000, e.start, 1)
	e.is(err, event.ErrNotFound)
	e.is(e.Advance(e.ctx, w.ID+1000, 1), event.ErrNotFound)
	e.is(e.RecordPost(e.ctx, event.Outcome{Webhook: w.ID + 1000, Event: ev.ID}), event.ErrNotFound)
}
