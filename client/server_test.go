package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// live is a client of the real API, whose engine knows Ann in conversation c.
type live struct {
	*client.Client
	channel *bottest.Recorder
	// refuse is what the channel answers; nil accepts.
	refuse atomic.Pointer[headsup.SendError]
}

func goLive(t *testing.T) *live {
	t.Helper()
	l := &live{}
	l.channel = &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		if e := l.refuse.Load(); e != nil {
			return e
		}
		return nil
	}}
	store := memory.New()
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: l.channel})
	if err != nil {
		t.Fatal(err)
	}
	ref := activity.Reference{
		ChannelID: "test", ServiceURL: "https://c.example.net", Conversation: activity.ConversationAccount{ID: "c"},
		User: &activity.ChannelAccount{ID: "ann"}, Bot: &activity.ChannelAccount{ID: "b"},
	}
	if _, err := store.Sight(t.Context(), book.Sighting{
		Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceDev, At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	keys, err := access.New(access.Config{AppID: "app", Store: store, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	httpapi.Register(mux, httpapi.Config{Engine: engine, Keys: keys})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	if l.Client, err = client.New(client.Config{BaseURL: srv.URL, HTTPClient: srv.Client()}); err != nil {
		t.Fatal(err)
	}
	return l
}

var ann = api.Target{User: "ann"}

func (l *live) say(t *testing.T, r api.NotificationRequest) api.Notification {
	t.Helper()
	r.To = ann
	n, err := l.CreateNotification(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settled waits for a notification's outcome.
func (l *live) settled(t *testing.T, id, state string) api.Notification {
	t.Helper()
	n, err := l.Wait(t.Context(), id)
	if err != nil || n.State != state {
		t.Fatalf("%s %v, want %s", n.State, err, state)
	}
	return n
}

// refused checks that an error is the server's refusal with a code.
func refused(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Problem.Status != status || e.Problem.Code != code {
		t.Errorf("%s: %v, want %d %s", what, err, status, code)
	}
}

func TestFailedDeliveryIsSeenAndTriedAgain(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	l.refuse.Store(&headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "blocked", Status: 403, Err: errors.New("they blocked it")})
	n := l.settled(t, l.say(t, api.NotificationRequest{Text: "x"}).ID, "failed")
	d := n.Deliveries[0]
	last := d.History[len(d.History)-1]
	if d.Reason != "blocked" || last.Status != 403 || last.Detail != "they blocked it" || d.ActivityID != "" {
		t.Errorf("shown as %+v", d)
	}
	page, err := l.DeliveriesPage(t.Context(), client.DeliveryFilter{State: "failed", Reason: "blocked", Conversation: "c", Notification: n.ID}, "", 1)
	if err != nil || len(page.Deliveries) != 1 || page.Deliveries[0].ID != d.ID {
		t.Errorf("listed %+v, %v", page, err)
	}
	if one, err := l.Delivery(t.Context(), d.ID); err != nil || one.State != "failed" {
		t.Errorf("%+v, %v", one, err)
	}
	l.refuse.Store(nil)
	if d, err = l.ReplayDelivery(t.Context(), d.ID); err != nil || d.State != "ready" && d.State != "sending" && d.State != "delivered" {
		t.Errorf("%+v, %v", d, err)
	}
	l.settled(t, n.ID, "delivered")
	_, err = l.ReplayDelivery(t.Context(), d.ID)
	refused(t, "replay of what is delivered", err, 409, api.CodeWrongState)
	_, err = l.Delivery(t.Context(), "dlv_0000000000001")
	refused(t, "a delivery that is not", err, 404, api.CodeNotFound)
}

func TestUnknownDeliveryIsSettled(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	l.refuse.Store(&headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"})
	var ids []string
	for range 2 {
		n := l.settled(t, l.say(t, api.NotificationRequest{Text: "x", OnUnknown: "hold"}).ID, "unknown")
		ids = append(ids, n.Deliveries[0].ID)
	}
	d, err := l.SettleDelivery(t.Context(), ids[0], api.SettleRequest{State: "delivered"})
	if err != nil || d.State != "delivered" || d.Reason != "settled" {
		t.Errorf("%+v, %v", d, err)
	}
	l.refuse.Store(nil)
	if n, err := l.ReplayDeliveries(t.Context(), api.ReplayRequest{State: "unknown"}); n != 1 || err != nil {
		t.Errorf("replayed %d, %v", n, err)
	}
	if d, err = l.Delivery(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	l.settled(t, d.Notification, "delivered")
}

func TestScheduledNotificationIsMovedEditedAndCancelled(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	n := l.say(t, api.NotificationRequest{Text: "x", At: &at})
	if d := n.Deliveries[0]; n.State != "scheduled" || d.DueAt == nil || !d.DueAt.Equal(at) {
		t.Fatalf("accepted as %+v", n)
	}
	later := at.Add(time.Hour)
	n, err := l.Reschedule(t.Context(), n.ID, api.RescheduleRequest{At: &later})
	if err != nil || !n.Deliveries[0].DueAt.Equal(later) {
		t.Errorf("%+v, %v", n, err)
	}
	if n, err = l.Edit(t.Context(), n.ID, api.EditRequest{Activity: []byte(`{"text":"y"}`)}); err != nil || !strings.Contains(string(n.Activity), `"y"`) {
		t.Errorf("%s, %v", n.Activity, err)
	}
	if n, err = l.Cancel(t.Context(), n.ID); err != nil || n.State != "cancelled" {
		t.Errorf("%s, %v", n.State, err)
	}
	_, err = l.Reschedule(t.Context(), n.ID, api.RescheduleRequest{})
	refused(t, "no time", err, 422, api.CodeInvalidField)
	for _, id := range []string{"", ".", ".."} {
		if _, err := l.Cancel(t.Context(), id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

func TestEditAndRecallReachWhatWasSaid(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	n := l.settled(t, l.say(t, api.NotificationRequest{Text: "x"}).ID, "delivered")
	if _, err := l.Edit(t.Context(), n.ID, api.EditRequest{Text: "y"}); err != nil {
		t.Fatal(err)
	}
	l.settled(t, n.ID, "delivered")
	if got := l.channel.Texts("c"); !slices.Equal(got, []string{"y"}) {
		t.Errorf("says %q", got)
	}
	n, err := l.Recall(t.Context(), n.ID)
	if err != nil || n.RecalledAt == nil || n.Deliveries[len(n.Deliveries)-1].Verb != "delete" {
		t.Errorf("%+v, %v", n, err)
	}
	if n, err = l.Wait(t.Context(), n.ID); err != nil || n.State != "recalled" {
		t.Errorf("it is %s, %v", n.State, err)
	}
	if got := l.channel.Texts("c"); len(got) != 0 {
		t.Errorf("says %q", got)
	}
	_, err = l.Edit(t.Context(), n.ID, api.EditRequest{Text: "z"})
	refused(t, "edit of what was recalled", err, 409, api.CodeRecalled)
}

func TestBatchAndListOfNotifications(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	var all []api.BatchItem
	for i := range 7 {
		all = append(all, api.BatchItem{NotificationRequest: api.NotificationRequest{To: ann, Text: fmt.Sprint(i), Topic: "t"}})
	}
	all[3].Text = ""
	r, err := l.CreateNotifications(t.Context(), all)
	if err != nil || r.Accepted != 6 || r.Refused != 1 || r.Results[3].Problem == nil || r.Results[3].Problem.Errors[0].Field != "body.notifications[3].text" {
		t.Fatalf("%+v, %v", r, err)
	}
	if all[0].IdempotencyKey != "" {
		t.Error("the caller's items were changed")
	}
	l.settled(t, r.Results[6].ID, "delivered")
	f := client.NotificationFilter{
		Topic: "t", Conversation: "c", CreatedAfter: time.Now().Add(-time.Hour), CreatedBefore: time.Now().Add(time.Hour), State: "delivered",
	}
	var got []string
	for cursor := ""; ; {
		page, err := l.NotificationsPage(t.Context(), f, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Notifications {
			got = append(got, n.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	var gone, tried []string
	for n, err := range l.Notifications(t.Context(), client.NotificationFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, n.ID)
	}
	for d, err := range l.Deliveries(t.Context(), client.DeliveryFilter{Conversation: "c"}) {
		if err != nil {
			t.Fatal(err)
		}
		tried = append(tried, d.Notification)
	}
	if !slices.Equal(gone, got) || !slices.Equal(tried, got) {
		t.Errorf("gone over %q and %q, listed %q", gone, tried, got)
	}
	var want []string
	for _, i := range []int{6, 5, 4, 2, 1, 0} {
		want = append(want, r.Results[i].ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	_, err = l.CreateNotifications(t.Context(), nil)
	refused(t, "batch of none", err, 422, api.CodeInvalidField)
	_, err = l.NotificationsPage(t.Context(), client.NotificationFilter{}, "", 201)
	refused(t, "a page too large", err, 422, api.CodeInvalidField)
}

func TestJobIsStartedReportedAndCompleted(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	j, err := l.StartJob(t.Context(), api.JobRequest{To: api.JobTarget{User: "ann"}, Name: "build"}, client.IdempotencyKey("k"))
	if err != nil || j.Number != 1 {
		t.Fatalf("%+v, %v", j, err)
	}
	if j, err = l.ReportProgress(t.Context(), 1, api.JobProgress{Text: "half", Percent: new(50)}); err != nil || *j.Progress.Percent != 50 {
		t.Fatalf("%+v, %v", j, err)
	}
	l.settled(t, j.Progress.Notification, "delivered")
	if j, err = l.CompleteJob(t.Context(), 1, api.JobCompletion{Text: "done"}); err != nil || j.State != "completed" {
		t.Fatalf("%+v, %v", j, err)
	}
	l.settled(t, j.Notification, "delivered")
	if got := l.channel.Texts("c"); !slices.Equal(got, []string{"half", "done"}) {
		t.Errorf("says %q", got)
	}
	if j, err = l.Job(t.Context(), 1); err != nil || j.Name != "build" {
		t.Errorf("%+v, %v", j, err)
	}
	_, err = l.ReportProgress(t.Context(), 1, api.JobProgress{Text: "x"})
	refused(t, "progress after the end", err, 409, api.CodeJobCompleted)
	_, err = l.Job(t.Context(), 2)
	refused(t, "no job", err, 404, api.CodeNotFound)
}

func TestSizesAreLimitedOnBothSides(t *testing.T) {
	t.Parallel()
	l := goLive(t)
	text := strings.Repeat("x", proactive.MaxText)
	if n := l.say(t, api.NotificationRequest{Text: text}); !strings.Contains(string(n.Activity), text) {
		t.Error("the largest text was cut")
	}
	for name, c := range map[string]struct {
		r      api.NotificationRequest
		status int
		code   string
	}{
		"text":  {api.NotificationRequest{Text: text + "x"}, 422, api.CodeInvalidField},
		"value": {api.NotificationRequest{Text: "x", Value: []byte(`"` + strings.Repeat("x", proactive.MaxBody) + `"`)}, 422, api.CodeInvalidField},
		"body":  {api.NotificationRequest{Text: "x", Value: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}, 413, api.CodeTooLarge},
	} {
		c.r.To = ann
		_, err := l.CreateNotification(t.Context(), c.r)
		refused(t, name, err, c.status, c.code)
	}
	huge, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		filler := []byte(strings.Repeat(" ", 1<<20))
		for range 65 {
			if _, err := w.Write(filler); err != nil {
				return
			}
		}
	})
	if _, err := huge.Notification(t.Context(), "ntf_1"); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("an answer without end: %v", err)
	}
}

// TestReplaysAreNotRepeated: when the answer to a replay is lost nobody knows whether it was done, and a second one would
// be another.
func TestReplaysAreNotRepeated(t *testing.T) {
	t.Parallel()
	c, s := serve(t, lost)
	_, err := c.ReplayDelivery(t.Context(), "dlv_1")
	if _, ok := errors.AsType[*client.Error](err); err == nil || ok || len(s.asked()) != 1 {
		t.Errorf("%v after %d requests, want one", err, len(s.asked()))
	}
	c, s = serve(t, says(503, problem, `{"code":"unavailable"}`, "Retry-After", "0"), says(200, "application/json", `{"replayed":3}`))
	if n, err := c.ReplayDeliveries(t.Context(), api.ReplayRequest{}); n != 3 || err != nil || len(s.asked()) != 2 {
		t.Errorf("%d, %v after %d requests", n, err, len(s.asked()))
	}
}
