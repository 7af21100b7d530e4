package httpapi_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/event"
)

const unknownHook = "/v1/webhooks/whk_0000000000001"

func TestWebhookIsMadeShownChangedAndDeleted(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/webhooks", `{"url":"https://a.example/x","description":"ours","events":["message.received"]}`)
	made := decode[api.CreatedWebhook](t, w)
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/webhooks/"+made.ID || !strings.HasPrefix(made.Secret, "whsec_") ||
		made.URL != "https://a.example/x" || made.Description != "ours" || !slices.Equal(made.Events, []string{"message.received"}) || !made.Enabled {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	path := "/v1/webhooks/" + made.ID
	for _, answer := range []*httptest.ResponseRecorder{f.call(t, "GET", path, ""), f.call(t, "GET", "/v1/webhooks", "")} {
		if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), made.ID) || strings.Contains(answer.Body.String(), "whsec_") {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	}
	w = f.call(t, "PATCH", path, `{"url":"https://b.example/","events":["notification.failed","notification.unknown"],"enabled":false,"description":""}`)
	got := decode[api.Webhook](t, w)
	if w.Code != http.StatusOK || got.URL != "https://b.example/" || len(got.Events) != 2 || got.Enabled || got.DisabledReason != "requested" ||
		got.DisabledAt == nil || got.Description != "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := decode[api.Webhook](t, f.call(t, "PATCH", path, `{"enabled":true}`)); !got.Enabled || got.DisabledReason != "" || len(got.Events) != 2 {
		t.Errorf("enabled, it is %+v", got)
	}
	rotated := decode[api.RotatedSecret](t, f.call(t, "POST", path+"/rotate", `{"keep":"1h"}`))
	if rotated.Secret == made.Secret || rotated.PreviousUntil == nil || time.Until(*rotated.PreviousUntil).Round(time.Minute) != time.Hour {
		t.Errorf("rotated %+v", rotated)
	}
	if rotated := decode[api.RotatedSecret](t, f.call(t, "POST", path+"/rotate", "")); rotated.PreviousUntil == nil {
		t.Errorf("rotated without a body: %+v", rotated)
	}
	if w := f.call(t, "DELETE", path, ""); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.call(t, "GET", path, ""); w.Code != http.StatusNotFound {
		t.Errorf("deleted, it is %d %s", w.Code, w.Body)
	}
}

func TestWebhookIsTestedAndNothingIsShownOfTheAnswer(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "internal secrets", http.StatusTeapot) }))
	defer srv.Close()
	made := decode[api.CreatedWebhook](t, f.call(t, "POST", "/v1/webhooks", fmt.Sprintf(`{"url":%q,"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, srv.URL)))
	if made.Secret != "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" || len(made.Events) != len(event.Types()) {
		t.Errorf("made %+v", made)
	}
	w := f.call(t, "POST", "/v1/webhooks/"+made.ID+"/test", "")
	if got := decode[api.WebhookTest](t, w); w.Code != http.StatusOK || got.Status != 418 || got.Error != "refused" || strings.Contains(w.Body.String(), "secrets") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// hears has Ann say something in conversation c.
func (f fixture) hears(t *testing.T, text string) {
	t.Helper()
	key := headsup.ConversationKey{AppID: "app", Channel: "test", Bot: "b", Conversation: activity.ConversationID("c")}
	l, err := f.store.Lease(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := f.store.Commit(t.Context(), l, []headsup.Op{event.Heard{Message: api.MessageEvent{Text: text, Activity: []byte(`{}`)}, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}

func TestDeliveriesAreListedAndReplayed(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	visits := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { visits <- r.Header.Get("webhook-id") }))
	defer srv.Close()
	made := decode[api.CreatedWebhook](t, f.call(t, "POST", "/v1/webhooks", fmt.Sprintf(`{"url":%q,"events":["message.received"]}`, srv.URL)))
	path := "/v1/webhooks/" + made.ID
	for i := range 3 {
		f.hears(t, fmt.Sprint(i))
	}
	ids := []string{<-visits, <-visits, <-visits}
	list := func(query string) api.WebhookDeliveries {
		t.Helper()
		return decode[api.WebhookDeliveries](t, f.call(t, "GET", path+"/deliveries"+query, ""))
	}
	// An attempt is written down a little after the webhook has seen it.
	written := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			attempts := 0
			for _, d := range list("").Deliveries {
				attempts += len(d.Attempts)
			}
			if attempts == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d attempts, want %d", attempts, n)
			}
		}
	}
	written(3)
	first := list("?limit=2")
	rest := list("?limit=2&cursor=" + first.NextCursor)
	var listed []string
	for _, d := range append(first.Deliveries, rest.Deliveries...) {
		listed = append(listed, d.Event)
		if d.State != "delivered" || d.Type != "message.received" || len(d.Attempts) != 1 || d.Attempts[0].Status != 200 || d.NextAt != nil {
			t.Errorf("listed %+v", d)
		}
	}
	slices.Reverse(listed)
	if !slices.Equal(listed, ids) || rest.NextCursor != "" {
		t.Errorf("listed %v, want %v", listed, ids)
	}
	if got := decode[api.WebhookReplayed](t, f.call(t, "POST", path+"/replay", `{"event":"`+ids[1]+`"}`)); got.Events != 1 {
		t.Errorf("replayed %+v", got)
	}
	if again := <-visits; again != ids[1] {
		t.Errorf("%s came again, want %s", again, ids[1])
	}
	written(4)
	if got := decode[api.WebhookReplayed](t, f.call(t, "POST", path+"/replay", `{"since":"2026-01-01T00:00:00Z"}`)); got.Events != 3 {
		t.Errorf("replayed %+v", got)
	}
	for range 3 {
		<-visits
	}
}

func TestWrongWebhooks(t *testing.T) {
	t.Parallel()
	made := ""
	post := func(path, body string, status int, code, field string) wrong {
		return wrong{"POST", path, body, nil, status, code, field}
	}
	checkProblems(t, func(f fixture) {
		made = "/v1/webhooks/" + decode[api.CreatedWebhook](t, f.call(t, "POST", "/v1/webhooks", `{"url":"https://a.example"}`)).ID
	}, map[string]wrong{
		"no url":           post("/v1/webhooks", `{}`, 422, api.CodeInvalidField, "body.url"),
		"bad url":          post("/v1/webhooks", `{"url":"ftp://a.example"}`, 422, api.CodeInvalidField, "body.url"),
		"no such event":    post("/v1/webhooks", `{"url":"https://a.example","events":["x"]}`, 422, api.CodeInvalidField, "body.events[0]"),
		"test event":       post("/v1/webhooks", `{"url":"https://a.example","events":["webhook.test"]}`, 422, api.CodeInvalidField, "body.events[0]"),
		"no events":        post("/v1/webhooks", `{"url":"https://a.example","events":[]}`, 422, api.CodeInvalidField, "body.events"),
		"events twice":     post("/v1/webhooks", `{"url":"https://a.example","events":["message.received","message.received"]}`, 422, api.CodeInvalidField, "body.events"),
		"short secret":     post("/v1/webhooks", `{"url":"https://a.example","secret":"whsec_c2hvcnQ="}`, 422, api.CodeInvalidField, "body.secret"),
		"unknown member":   post("/v1/webhooks", `{"url":"https://a.example","hmac":true}`, 422, api.CodeInvalidField, "body.hmac"),
		"long description": post("/v1/webhooks", `{"url":"https://a.example","description":"`+strings.Repeat("x", 256)+`"}`, 422, api.CodeInvalidField, "body.description"),
		"by a form":        {"POST", "/v1/webhooks", "url=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, api.CodeUnsupported, ""},
		"changed by text":  {"PATCH", unknownHook, "x", []string{"Content-Type", "text/plain"}, 415, api.CodeUnsupported, ""},
		"unknown":          {"GET", unknownHook, "", nil, 404, api.CodeNotFound, ""},
		"no id":            {"GET", "/v1/webhooks/x", "", nil, 404, api.CodeNotFound, ""},
		"another's id":     {"GET", "/v1/webhooks/evt_0000000000001", "", nil, 404, api.CodeNotFound, ""},
		"change unknown":   {"PATCH", unknownHook, `{"enabled":true}`, nil, 404, api.CodeNotFound, ""},
		"delete unknown":   {"DELETE", unknownHook, "", nil, 404, api.CodeNotFound, ""},
		"test unknown":     post(unknownHook+"/test", "", 404, api.CodeNotFound, ""),
		"rotate unknown":   post(unknownHook+"/rotate", "", 404, api.CodeNotFound, ""),
		"rotate for years": post(unknownHook+"/rotate", `{"keep":"9999h"}`, 422, api.CodeInvalidField, "body.keep"),
		"rotate for long":  post(unknownHook+"/rotate", `{"keep":"soon"}`, 422, api.CodeInvalidField, "body.keep"),
		"list unknown":     {"GET", unknownHook + "/deliveries", "", nil, 404, api.CodeNotFound, ""},
		"bad cursor":       {"GET", unknownHook + "/deliveries?cursor=x", "", nil, 422, api.CodeInvalidField, "query.cursor"},
		"bad limit":        {"GET", unknownHook + "/deliveries?limit=0", "", nil, 422, api.CodeInvalidField, "query.limit"},
		"replay nothing":   post(unknownHook+"/replay", `{}`, 422, api.CodeInvalidField, "body"),
		"replay both":      post(unknownHook+"/replay", `{"event":"evt_0000000000001","since":"2026-01-01T00:00:00Z"}`, 422, api.CodeInvalidField, "body"),
		"replay no event":  post(unknownHook+"/replay", `{"event":"x"}`, 422, api.CodeInvalidField, "body.event"),
		"replay unknown":   post(unknownHook+"/replay", `{"event":"evt_0000000000001"}`, 404, api.CodeNotFound, ""),
		"no such type":     {"GET", "/v1/events?types=x", "", nil, 422, api.CodeInvalidField, "query.types[0]"},
		"bad last event":   {"GET", "/v1/events", "", []string{"Last-Event-ID", "x"}, 422, api.CodeInvalidField, "header.Last-Event-ID"},
		"unknown query":    {"GET", "/v1/events?type=message.received", "", nil, 422, api.CodeInvalidField, "query.type"},
	}, func(f fixture) {
		if all := decode[api.Webhooks](t, f.call(t, "GET", "/v1/webhooks", "")); len(all.Webhooks) != 1 || "/v1/webhooks/"+all.Webhooks[0].ID != made {
			t.Errorf("after wrong requests there are %+v", all)
		}
	})
}

// TestStream reads events, is cut off, and goes on.
func TestStream(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	srv := httptest.NewServer(f.mux)
	t.Cleanup(srv.Close)
	open := func(query, last string) *bufio.Scanner {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
			t.Fatalf("%s %s", resp.Status, kind)
		}
		return bufio.NewScanner(resp.Body)
	}
	// block is what comes before the next empty line.
	block := func(s *bufio.Scanner) map[string]string {
		t.Helper()
		got := make(map[string]string)
		for s.Scan() && s.Text() != "" {
			name, value, _ := strings.Cut(s.Text(), ": ")
			got[name] = value
		}
		return got
	}
	s := open("?types=message.received,notification.failed", "")
	first := block(s)
	if first["retry"] == "" || !strings.HasPrefix(first["id"], "evt_") || first["data"] != "" {
		t.Errorf("it begins with %v", first)
	}
	if f.store.Wanted("app", event.NotificationDelivered) {
		t.Error("types that were not asked for are written down")
	}
	f.hears(t, "one")
	one := block(s)
	if one["event"] != "message.received" || !strings.Contains(one["data"], `"id":"`+one["id"]+`"`) || !strings.Contains(one["data"], `"text":"one"`) {
		t.Errorf("told %v", one)
	}
	f.hears(t, "two")
	again := open("", one["id"])
	if begin := block(again); begin["id"] != one["id"] {
		t.Errorf("it goes on with %v", begin)
	}
	if two := block(again); !strings.Contains(two["data"], `"text":"two"`) {
		t.Errorf("told %v", two)
	}
	fromStart := open("", first["id"])
	block(fromStart)
	for _, text := range []string{"one", "two"} {
		if got := block(fromStart); !strings.Contains(got["data"], `"text":"`+text+`"`) {
			t.Errorf("told %v, want %s", got, text)
		}
	}
}
