package httpapi_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

var update = flag.Bool("update", false, "rewrite golden files")

type fixture struct {
	mux     *http.ServeMux
	keys    *access.Keyring
	engine  *proactive.Engine
	channel *bottest.Recorder
	store   *memory.Store
	hooks   *webhook.Service
	limits  *pace.Limiter
}

// newAPI serves the API on an engine that knows Ann in conversation c.
func newAPI(t testing.TB) fixture {
	t.Helper()
	store := memory.New()
	f := fixture{mux: http.NewServeMux(), channel: &bottest.Recorder{}, store: store}
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: f.channel})
	if err != nil {
		t.Fatal(err)
	}
	ref := activity.Reference{
		ChannelID: "test", ServiceURL: "https://c.example.net", Conversation: activity.ConversationAccount{ID: "c"},
		User: &activity.ChannelAccount{ID: "ann"}, Bot: &activity.ChannelAccount{ID: "b"},
	}
	_, err = store.Sight(t.Context(), book.Sighting{
		Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceDev, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := webhook.New(webhook.Config{AppID: "app", Store: store, Private: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- engine.Run(ctx) }()
	go func() { done <- hooks.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	if f.limits, err = pace.New(pace.Config{}); err != nil {
		t.Fatal(err)
	}
	f.engine, f.keys, f.hooks = engine, everybody(t, store), hooks
	log, err := audit.New(audit.Config{AppID: "app", Store: store, People: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	httpapi.Register(f.mux, httpapi.Config{
		Engine: engine, Keys: f.keys, Transcripts: transcripts{}, Webhooks: hooks, Closing: ctx.Done(), Limits: f.limits, Audit: log, Version: "test",
	})
	return f
}

// everybody lets callers without a key do everything.
func everybody(t testing.TB, store access.Store) *access.Keyring {
	t.Helper()
	keys, err := access.New(access.Config{AppID: "app", Store: store, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// transcripts is a channel that keeps one conversation, "line", of five activities.
type transcripts struct{}

func (transcripts) Takes(channel activity.ChannelID, _ activity.ConversationID) bool {
	return channel == "kept"
}

func (transcripts) Transcript(
	_ context.Context, id activity.ConversationID, after int64, limit int,
) (page []directline.Stored, err error) {
	if id != "line" {
		return nil, directline.ErrNotFound
	}
	for n := after + 1; n <= 5 && len(page) < limit; n++ {
		page = append(page, directline.Stored{Seq: n, Body: jsontext.Value(fmt.Sprintf(`{"type":"message","text":"%d"}`, n))})
	}
	return page, nil
}

func (f fixture) call(t *testing.T, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

func TestNotificationIsAcceptedDeliveredAndShown(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"done","topic":"builds","value":{"n":9007199254740993}}`)
	if w.Code != http.StatusAccepted {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	n := decode[api.Notification](t, w)
	if w.Header().Get("Location") != "/v1/notifications/"+n.ID || !strings.HasPrefix(n.ID, "ntf_") {
		t.Errorf("location %q of %q", w.Header().Get("Location"), n.ID)
	}
	for deadline := time.Now().Add(time.Minute); n.State != "delivered"; {
		if time.Now().After(deadline) {
			t.Fatalf("not delivered: %+v", n)
		}
		n = decode[api.Notification](t, f.call(t, "GET", "/v1/notifications/"+n.ID, ""))
	}
	d := n.Deliveries[0]
	if n.To.User != "ann" || n.Topic != "builds" || n.Lane != "normal" || n.OnUnknown != "retry" ||
		string(n.Value) != `{"n":9007199254740993}` || d.Conversation != "c" || d.Channel != "test" || d.Attempts != 1 || d.ActivityID == "" {
		t.Errorf("shown as %+v", n)
	}
	if first, last := d.History[0], d.History[len(d.History)-1]; last.State != "delivered" || last.Attempt != 1 || last.At.Before(first.At) {
		t.Errorf("history %+v", d.History)
	}
	if got := f.channel.Texts("c"); len(got) != 1 || got[0] != "done" {
		t.Errorf("said %q", got)
	}
}

func TestActivityIsSentAsItIs(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/notifications",
		`{"to":{"conversation":"c"},"activity":{"text":"*hi*","textFormat":"markdown","channelData":{"big":9007199254740993},"future":[1]}}`)
	if w.Code != http.StatusAccepted {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == 1 })
	a := f.channel.Sent()[0].Activity
	if a.Type != "message" || a.Text != "*hi*" || string(a.ChannelData) != `{"big":9007199254740993}` || string(a.Extra) != `{"future":[1]}` {
		t.Errorf("sent %+v", a)
	}
}

func TestSameKeySameAnswer(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	body := `{"to":{"user":"ann"},"text":"x","in":"1h"}`
	first := f.call(t, "POST", "/v1/notifications", body, "Idempotency-Key", "k")
	again := f.call(t, "POST", "/v1/notifications", body, "Idempotency-Key", "k")
	if again.Code != http.StatusAccepted || first.Body.String() != again.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %s\nagain %d %s", first.Body, again.Code, again.Body)
	}
	other := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"y","in":"1h"}`, "Idempotency-Key", "k")
	if p := decode[api.Problem](t, other); other.Code != http.StatusConflict || p.Code != api.CodeKeyReused {
		t.Errorf("other body: %d %+v", other.Code, p)
	}
}

func TestCancelStopsWhatIsNotSent(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	n := decode[api.Notification](t, f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"later","in":"1h"}`))
	for range 2 { // cancelling again changes nothing
		w := f.call(t, "POST", "/v1/notifications/"+n.ID+"/cancel", "", "Content-Type", "")
		got := decode[api.Notification](t, w)
		if w.Code != http.StatusOK || got.ID != n.ID || got.State != "cancelled" || len(got.Deliveries) != 1 ||
			got.Deliveries[0].State != "cancelled" || len(got.Deliveries[0].History) != 2 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

func TestCancelLeavesWhatIsFinal(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	n := decode[api.Notification](t, f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"now"}`))
	for deadline := time.Now().Add(time.Minute); n.State != "delivered"; {
		if time.Now().After(deadline) {
			t.Fatalf("not delivered: %+v", n)
		}
		n = decode[api.Notification](t, f.call(t, "GET", "/v1/notifications/"+n.ID, ""))
	}
	w := f.call(t, "POST", "/v1/notifications/"+n.ID+"/cancel", "")
	if got := decode[api.Notification](t, w); w.Code != http.StatusOK || got.State != "delivered" || got.Deliveries[0].State != "delivered" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWrongCancels(t *testing.T) {
	t.Parallel()
	const unknown = "/v1/notifications/ntf_0000000000001/cancel"
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"unknown":        {"POST", unknown, "", nil, 404, api.CodeNotFound, ""},
		"no id":          {"POST", "/v1/notifications/x/cancel", "", nil, 404, api.CodeNotFound, ""},
		"another method": {"GET", unknown, "", nil, 405, api.CodeMethodNotAllowed, ""},
		"by a form":      {"POST", unknown, "", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, api.CodeUnsupported, ""},
	}, func(fixture) {})
}

// TestWrongRequests checks that what is wrong is named, and that nothing happens.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body   string
		status int
		code   string
		field  string
	}{
		"no body":               {``, 400, api.CodeBadRequest, ""},
		"not JSON":              {`hello`, 400, api.CodeBadRequest, "body"},
		"not an object":         {`[]`, 422, api.CodeInvalidField, "body"},
		"duplicate member":      {`{"to":{"user":"ann"},"text":"x","text":"y"}`, 400, api.CodeBadRequest, "body"},
		"trailing data":         {`{"to":{"user":"ann"},"text":"x"}{}`, 400, api.CodeBadRequest, "body"},
		"invalid UTF-8":         {"{\"to\":{\"user\":\"ann\"},\"text\":\"\xff\"}", 400, api.CodeBadRequest, "body"},
		"unknown member":        {`{"to":{"user":"ann"},"text":"x","txt":"y"}`, 422, api.CodeInvalidField, "body.txt"},
		"unknown nested member": {`{"to":{"usr":"ann"},"text":"x"}`, 422, api.CodeInvalidField, "body.to.usr"},
		"wrong letter case":     {`{"to":{"user":"ann"},"Text":"x"}`, 422, api.CodeInvalidField, "body.Text"},
		"wrong type":            {`{"to":{"user":7},"text":"x"}`, 422, api.CodeInvalidField, "body.to.user"},
		"no target":             {`{"to":{},"text":"x"}`, 422, api.CodeInvalidField, "body.to"},
		"two targets":           {`{"to":{"user":"ann","everyone":true},"text":"x"}`, 422, api.CodeInvalidField, "body.to"},
		"missing target":        {`{"text":"x"}`, 422, api.CodeInvalidField, "body.to"},
		"unknown person":        {`{"to":{"user":"eve"},"text":"x"}`, 422, api.CodeNoTarget, "body.to"},
		"nothing to say":        {`{"to":{"user":"ann"}}`, 422, api.CodeInvalidField, "body.text"},
		"bad lane":              {`{"to":{"user":"ann"},"text":"x","lane":"fast"}`, 422, api.CodeInvalidField, "body.lane"},
		"bad duration":          {`{"to":{"user":"ann"},"text":"x","in":"soon"}`, 422, api.CodeInvalidField, "body.in"},
		"huge duration":         {`{"to":{"user":"ann"},"text":"x","in":"99999999999999999h"}`, 422, api.CodeInvalidField, "body.in"},
		"bad time":              {`{"to":{"user":"ann"},"text":"x","at":"tomorrow"}`, 422, api.CodeInvalidField, "body.at"},
		"past expiry":           {`{"to":{"user":"ann"},"text":"x","expires_at":"2001-01-01T00:00:00Z"}`, 422, api.CodeInvalidField, "body.expires_at"},
		"activity of no kind":   {`{"to":{"user":"ann"},"activity":[]}`, 422, api.CodeInvalidField, "body.activity"},
		"bad activity member":   {`{"to":{"user":"ann"},"activity":{"text":7}}`, 422, api.CodeInvalidField, "body.activity.text"},
		"NUL in the activity":   {`{"to":{"user":"ann"},"activity":{"type":"message","summary":"a\u0000"}}`, 422, api.CodeInvalidField, "body.activity.summary"},
		"NUL in the text":       {`{"to":{"user":"ann"},"text":"a\u0000b"}`, 422, api.CodeInvalidField, "body.text"},
		"lone surrogate":        {`{"to":{"user":"ann"},"text":"\ud800"}`, 400, api.CodeBadRequest, "body"},
		"too deep":              {`{"to":{"user":"ann"},"text":"x","value":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 422, api.CodeInvalidField, "body.value"},
	}
	f := newAPI(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := f.call(t, "POST", "/v1/notifications", c.body)
			p := decode[api.Problem](t, w)
			if w.Code != c.status || p.Status != c.status || p.Code != c.code {
				t.Fatalf("%d %s, want %d %s: %s", w.Code, p.Code, c.status, c.code, w.Body)
			}
			if w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			if c.field != "" && (len(p.Errors) == 0 || p.Errors[0].Field != c.field) {
				t.Errorf("errors %+v, want one of %s", p.Errors, c.field)
			}
		})
	}
	if len(f.channel.Sent()) > 0 {
		t.Error("a refused request made the bot speak")
	}
}

func TestUnknownNotificationIsNotFound(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for _, id := range []string{"ntf_0000000000001", "x", "..%2f"} {
		w := f.call(t, "GET", "/v1/notifications/"+id, "")
		if p := decode[api.Problem](t, w); w.Code != http.StatusNotFound || p.Code != api.CodeNotFound {
			t.Errorf("%s: %d %+v", id, w.Code, p)
		}
	}
}

func TestOtherRoutesAndMethodsAreProblems(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	cases := []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/v1/", 404, api.CodeNotFound},
		{"POST", "/v1/notification", 404, api.CodeNotFound},
		{"GET", "/v1/notifications/ntf_1/x", 404, api.CodeNotFound},
		{"PUT", "/v1/notifications", 405, api.CodeMethodNotAllowed},
		{"DELETE", "/v1/notifications/ntf_1", 405, api.CodeMethodNotAllowed},
	}
	for _, c := range cases {
		w := f.call(t, c.method, c.path, "")
		if p := decode[api.Problem](t, w); w.Code != c.status || p.Code != c.code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %+v", c.method, c.path, w.Code, p)
		}
	}
	if allow := f.call(t, "DELETE", "/v1/notifications/ntf_1", "").Header().Get("Allow"); allow != "GET" {
		t.Errorf("allows %q, want GET", allow)
	}
}

// broken is an engine that accepts and cannot read.
type broken struct{ httpapi.Engine }

func (broken) StatusWith(context.Context, headsup.NotificationID, int) (proactive.Status, error) {
	return proactive.Status{}, errors.New("the disk is gone")
}

func (broken) Notify(context.Context, headsup.Notification) (proactive.Accepted, error) {
	return proactive.Accepted{ID: "ntf_0000000000001"}, nil
}

func TestWhatIsAcceptedIsCalledAccepted(t *testing.T) {
	t.Parallel()
	f := fixture{mux: http.NewServeMux()}
	httpapi.Register(f.mux, httpapi.Config{Engine: broken{}, Keys: everybody(t, memory.New())})
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"x"}`)
	if n := decode[api.Notification](t, w); w.Code != http.StatusAccepted || n.ID != "ntf_0000000000001" ||
		w.Header().Get("Location") != "/v1/notifications/ntf_0000000000001" {
		t.Errorf("%d %s: it will be delivered, whether or not it can be read now", w.Code, w.Body)
	}
	w = f.call(t, "GET", "/v1/notifications/ntf_0000000000001", "")
	if p := decode[api.Problem](t, w); w.Code != http.StatusServiceUnavailable || strings.Contains(p.Detail, "accepted") {
		t.Errorf("%d %+v: nothing was to be accepted", w.Code, p)
	}
}

func TestOtherContentTypesAreRefused(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for _, kind := range []string{"text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""} {
		w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"x"}`, "Content-Type", kind)
		if w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: status %d, want 415", kind, w.Code)
		}
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"`+strings.Repeat("x", 1<<20)+`"}`)
	if p := decode[api.Problem](t, w); w.Code != http.StatusRequestEntityTooLarge || p.Code != api.CodeTooLarge {
		t.Errorf("%d %+v", w.Code, p)
	}
}

// TestOpenAPIDocument compares the document with the reviewed copy. Run with -update after a change that is meant.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	w := newAPI(t).call(t, "GET", "/openapi.json", "")
	got := jsontext.Value(w.Body.Bytes())
	if err := got.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	if err := got.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the document differs from %s; review the change and run the test with -update", golden)
	}
}

func TestNobodyToTellIsSaidInWords(t *testing.T) {
	t.Parallel()
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: memory.New(), Channel: &bottest.Recorder{}})
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{mux: http.NewServeMux()}
	httpapi.Register(f.mux, httpapi.Config{Engine: engine, Keys: everybody(t, memory.New()), Version: "test"})
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"everyone":true},"text":"x"}`)
	p := decode[api.Problem](t, w)
	if w.Code != http.StatusUnprocessableEntity || p.Code != api.CodeNoTarget || !strings.Contains(p.Detail, "nobody has talked to the bot yet") {
		t.Errorf("%d %+v", w.Code, p)
	}
}
