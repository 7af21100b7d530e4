package connector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

func TestRequestCarriesWhatTheProtocolAsksFor(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(201, `{"id":"1700"}`))
	source := &tokens{left: []string{"t1"}}
	c := newClient(t, connector.Config{TokenSource: source})

	a := activity.Message("hello")
	a.ID = "mine"
	sent, err := c.SendToConversation(t.Context(), s.URL+"/", "c", a)
	if err != nil || sent.ID != "1700" {
		t.Fatalf("%+v, %v", sent, err)
	}
	got := s.only(t)
	for name, want := range map[string]string{
		"Authorization":   "Bearer t1",
		"Content-Type":    "application/json; charset=utf-8",
		"Accept":          "application/json",
		"User-Agent":      "Headsup",
		"Idempotency-Key": "",
		"Accept-Encoding": "",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if string(got.Body) != `{"type":"message","text":"hello"}` { // A2031: no id
		t.Errorf("body %s", got.Body)
	}
	if a.ID != "mine" {
		t.Error("the caller's activity changed")
	}
	if want := strings.TrimPrefix(s.URL, "http://"); !slices.Equal(source.hosts, []string{want}) {
		t.Errorf("token asked for %q, want %q", source.hosts, want)
	}
}

func TestTargetedActivitiesAreMarked(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(200, `{}`))
	c := newClient(t, connector.Config{})
	entity, err := activity.NewEntity(activity.EntityActivityTreatment, map[string]string{"treatment": "targeted"})
	if err != nil {
		t.Fatal(err)
	}
	a := activity.Message("for you")
	a.Recipient = &activity.ChannelAccount{ID: "u"}
	a.Entities = []activity.Entity{entity}
	if _, err := c.SendToConversation(t.Context(), s.URL, "c", a); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateActivity(t.Context(), s.URL, "c", "1", a); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteActivity(t.Context(), s.URL, "c", "1", connector.Targeted()); err != nil {
		t.Fatal(err)
	}
	got := s.received()
	for _, r := range got {
		if r.Query.Get("isTargetedActivity") != "true" {
			t.Errorf("%s is not marked", r.Method)
		}
	}
	if !bytes.Contains(got[0].Body, []byte(`"recipient"`)) || bytes.Contains(got[1].Body, []byte(`"recipient"`)) || a.Recipient == nil {
		t.Errorf("recipient: sent with %s, updated with %s", got[0].Body, got[1].Body)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		source    connector.TokenSource
		accepted  string
		requests  int
		wantClass connector.Class // empty for success
	}{
		{"the second is good", &tokens{left: []string{"old", "new"}}, "Bearer new", 2, ""},
		{"the second is refused too", &tokens{left: []string{"old", "new", "newer"}}, "Bearer newer", 2, connector.ClassPermanent},
		{"there is no second", &tokens{left: []string{"old"}}, "Bearer new", 1, connector.ClassPermanent},
		{"the source cannot replace", connector.TokenFunc(func(context.Context, connector.TokenRequest) (string, error) { return "old", nil }), "Bearer new", 1, connector.ClassRefreshToken},
		{"there is no source", nil, "Bearer new", 1, connector.ClassRefreshToken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != test.accepted {
					answerWith(401, `{"error":{"code":"BotNotRegistered"}}`)(w, r)
					return
				}
				answerWith(200, `{"id":"1"}`)(w, r)
			})
			_, err := send(t, newClient(t, connector.Config{TokenSource: test.source}), s.URL)
			if n := len(s.received()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
			if test.wantClass == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := failure(t, err); e.Class != test.wantClass || e.Scope != connector.ScopeBot || e.Status != 401 || e.MaybeDelivered {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestForbiddenDoesNotReplaceTheToken(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(403, `{"error":{"code":"BotDisabledByAdmin"}}`))
	source := &tokens{left: []string{"old", "new"}}
	_, err := send(t, newClient(t, connector.Config{TokenSource: source}), s.URL)
	_ = failure(t, err)
	s.only(t)
	if len(source.invalidated) > 0 {
		t.Errorf("invalidated %q", source.invalidated)
	}
}

func TestNoTokenNoRequest(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(200, `{}`))
	down := errors.New("token service is down")
	for _, source := range []connector.TokenFunc{
		func(context.Context, connector.TokenRequest) (string, error) { return "", down },
		func(context.Context, connector.TokenRequest) (string, error) { return "", nil },
	} {
		_, err := send(t, newClient(t, connector.Config{TokenSource: source}), s.URL)
		if e := failure(t, err); e.Class != connector.ClassRetry || e.MaybeDelivered || e.Status != 0 {
			t.Errorf("got %+v", e)
		}
	}
	if len(s.received()) > 0 {
		t.Error("a request went out without its token")
	}
}

func TestTokenStaysOutOfErrorsAndLogs(t *testing.T) {
	t.Parallel()
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		answerWith(400, fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, r.Header.Get("Authorization"), "got "+r.Header.Get("Authorization")))(w, r)
	})
	var log bytes.Buffer
	_, err := send(t, newClient(t, connector.Config{
		TokenSource: &tokens{left: []string{"s3cret"}},
		Logger:      slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}), s.URL)
	e := failure(t, err)
	if all := fmt.Sprintf("%v %+v %s", e, *e, log.String()); strings.Contains(all, "s3cret") || !strings.Contains(all, "[token]") {
		t.Errorf("got %s", all)
	}
	if !strings.Contains(log.String(), `"status":400`) {
		t.Errorf("log %s", log.String())
	}
}

func TestErrorBodiesInEveryForm(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][3]string{ // code, sub-code, message
		``:                                      {},
		`null`:                                  {},
		`[]`:                                    {},
		`"text"`:                                {},
		`{"error":`:                             {},
		`{"error":null}`:                        {},
		`{"error":{"code":7,"message":[]}}`:     {},
		`<html><body>Bad gateway</body></html>`: {},
		"\xff\xfe":                              {},
		`{"error":"nope"}`:                      {"", "", "nope"},
		`{"message":"nope"}`:                    {"", "", "nope"},
		`{"code":"A","message":"b"}`:            {"A", "", "b"},
		`{"error":{"code":"A","message":"b","innerHttpError":{"statusCode":500,"body":{}}}}`:                                            {"A", "", "b"},
		`{"error":{"code":"A","code":"B"}}`:                                                                                             {"B", "", ""},
		`{"error":{"code":"ForbiddenOperationException","message":"{\r\n \"subCode\": \"MessageWritesBlocked\", \"details\":\"no\"}"}}`: {"ForbiddenOperationException", "MessageWritesBlocked", "no"},
		`{"errorCode":209,"message":"{\r\n  \"subCode\": \"MessageWritesBlocked\"\r\n}"}`:                                               {"MessageWritesBlocked", "MessageWritesBlocked", ""},
		`{"error":{"code":"A","message":"{ not json"}}`:                                                                                 {"A", "", "{ not json"},
		`{"error":{"code":"A\u0000\r\nB","message":"x\u001b[31my"}}`:                                                                    {"A B", "", "x [31my"},
		`{"error":{"message":"` + strings.Repeat("é", 5000) + `"}}`:                                                                     {"", "", strings.Repeat("é", 300) + "..."},
	} {
		s := newService(t, answerWith(403, body))
		_, err := send(t, newClient(t, connector.Config{}), s.URL)
		e := failure(t, err)
		if got := [3]string{e.Code, e.SubCode, e.Message}; got != want {
			t.Errorf("%.80s\n got %q\nwant %q", body, got, want)
		}
	}
}

func TestErrorNamesTheRequestToItsSupport(t *testing.T) {
	t.Parallel()
	for header, value := range map[string]string{"X-Correlating-OperationId": "op-1", "MS-CV": "cv-1", "ContextId": "ctx-1"} {
		s := newService(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(header, value)
			answerWith(500, ``)(w, r)
		})
		_, err := send(t, newClient(t, connector.Config{}), s.URL)
		if e := failure(t, err); e.CorrelationID != value {
			t.Errorf("%s: %q", header, e.CorrelationID)
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	const date = "Mon, 01 Jul 2024 08:00:00 GMT"
	for header, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-3": 0, "1.5": 0, "1e3": 0, "+5": 0,
		"0": time.Second, "1": time.Second, " 90 ": 90 * time.Second, "3600": time.Hour, "3601": time.Hour,
		"1000000000": time.Hour, "99999999999999999999999": time.Hour,
		"Mon, 01 Jul 2024 08:01:00 GMT": time.Minute,
		"Mon, 01 Jul 2024 07:00:00 GMT": time.Second,
		"Tue, 01 Jul 2036 08:00:00 GMT": time.Hour,
		"Mon, 99 Jul 2024 08:00:00 GMT": 0,
	} {
		s := newService(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", date)
			w.Header().Set("Retry-After", header)
			answerWith(503, ``)(w, r)
		})
		_, err := send(t, newClient(t, connector.Config{}), s.URL)
		if e := failure(t, err); e.RetryAfter != want {
			t.Errorf("%q: %s, want %s", header, e.RetryAfter, want)
		}
	}
}

func TestStatusesOutsideTheTable(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]connector.Error{
		300: {Class: connector.ClassPermanent},
		304: {Class: connector.ClassPermanent},
		402: {Class: connector.ClassPermanent},
		408: {Class: connector.ClassRetry},
		409: {Class: connector.ClassPermanent},
		410: {Class: connector.ClassPermanent},
		501: {Class: connector.ClassUnsupported},
		503: {Class: connector.ClassRetry},
		507: {Class: connector.ClassDoNotRetryPost, MaybeDelivered: true},
		520: {Class: connector.ClassDoNotRetryPost, MaybeDelivered: true},
	} {
		s := newService(t, answerWith(status, ``))
		_, err := send(t, newClient(t, connector.Config{}), s.URL)
		if e := failure(t, err); e.Status != status || e.Class != want.Class || e.MaybeDelivered != want.MaybeDelivered {
			t.Errorf("%d: %+v", status, e)
		}
	}
}

func TestReadingIsNeverMaybeDelivered(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 504} {
		s := newService(t, answerWith(status, ``))
		_, err := newClient(t, connector.Config{}).Members(t.Context(), s.URL, "c")
		if e := failure(t, err); e.MaybeDelivered || e.Class != connector.ClassRetry {
			t.Errorf("%d: %+v", status, e)
		}
	}
}

func TestStatusAloneTellsDelivery(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"empty":        answerWith(202, ``),
		"no content":   answerWith(204, ``),
		"HTML":         answerWith(200, `<html>`),
		"a number":     answerWith(200, `7`),
		"a list":       answerWith(200, `[]`),
		"id no string": answerWith(200, `{"id":7}`),
		"null":         answerWith(200, `null`),
		"cut off":      answerWith(200, `{"i`),
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":"17`)
		},
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"x":"`+strings.Repeat("x", 100_000)+`","id":"17"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, answer)
			sent, err := send(t, newClient(t, connector.Config{}), s.URL)
			if err != nil || sent.ID != "" {
				t.Errorf("%+v, %v", sent, err)
			}
			s.only(t)
		})
	}
}

func TestCreatedConversationNeedsAnID(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(201, `{"activityId":"1"}`))
	_, err := newClient(t, connector.Config{}).CreateConversation(t.Context(), s.URL, activity.ConversationParameters{})
	if e := failure(t, err); !errors.Is(err, connector.ErrNoConversation) || e.Class != connector.ClassDoNotRetryPost || !e.MaybeDelivered || e.Status != 201 {
		t.Errorf("got %+v", e)
	}
}

func TestContentMustArriveWhole(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"empty":     answerWith(200, ``),
		"cut off":   answerWith(200, `[{"id":"u"`),
		"an object": answerWith(200, `{}`),
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `[]`)
		},
		"too large": answerWith(200, `[{"id":"`+strings.Repeat("x", 2000)+`"}]`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, answer)
			members, err := newClient(t, connector.Config{MaxContent: 1000}).Members(t.Context(), s.URL, "c")
			if e := failure(t, err); e.Status != 200 || e.Class != connector.ClassRetry || e.MaybeDelivered || members != nil {
				t.Errorf("%+v, %+v", members, e)
			}
		})
	}
}

func TestRostersMayBeLarge(t *testing.T) {
	t.Parallel()
	roster := `[` + strings.Repeat(`{"id":"29:u","name":"Somebody","email":"somebody@example.com"},`, 10_000) + `{"id":"last"}]`
	s := newService(t, answerWith(200, roster))
	members, err := newClient(t, connector.Config{}).Members(t.Context(), s.URL, "c")
	if err != nil || len(members) != 10_001 || members[10_000].ID != "last" {
		t.Errorf("%d members, %v", len(members), err)
	}
	if email, _ := activity.Member(members[0].Extra, "email"); string(email) != `"somebody@example.com"` {
		t.Errorf("email %s", email)
	}
}

func TestConversationsAreListedByPage(t *testing.T) {
	t.Parallel()
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("continuationToken") == "n+1" {
			answerWith(200, `{"conversations":[{"id":"b"}]}`)(w, r)
			return
		}
		answerWith(200, `{"conversations":[{"id":"a","members":[{"id":"u"}]}],"continuationToken":"n+1"}`)(w, r)
	})
	c := newClient(t, connector.Config{})
	first, err := c.Conversations(t.Context(), s.URL, "")
	if err != nil || first.Conversations[0].Members[0].ID != "u" {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := c.Conversations(t.Context(), s.URL, first.ContinuationToken)
	if err != nil || second.Conversations[0].ID != "b" || second.ContinuationToken != "" {
		t.Errorf("%+v, %v", second, err)
	}
}

func TestAttachmentsAreReadAndNeverFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newService(t, answerWith(200, `secret`))
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/views/original"):
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "\x89PNG")
		case strings.HasSuffix(r.URL.Path, "/views/thumbnail"):
			http.Redirect(w, r, elsewhere.URL+"/x", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/views/huge"):
			_, _ = w.Write(make([]byte, 2000))
		default:
			answerWith(200, `{"name":"a.png","type":"image/png","views":[{"viewId":"original","size":4}]}`)(w, r)
		}
	})
	c := newClient(t, connector.Config{MaxContent: 1000})
	info, err := c.AttachmentInfo(t.Context(), s.URL, "att")
	if err != nil || info.Views[0].Size != 4 {
		t.Errorf("%+v, %v", info, err)
	}
	view, err := c.AttachmentView(t.Context(), s.URL, "att", "original")
	if err != nil || string(view.Data) != "\x89PNG" || view.ContentType != "image/png" {
		t.Errorf("%+v, %v", view, err)
	}
	view, err = c.AttachmentView(t.Context(), s.URL, "att", "thumbnail")
	if err != nil || view.Location != elsewhere.URL+"/x" || view.Data != nil {
		t.Errorf("%+v, %v", view, err)
	}
	_, err = c.AttachmentView(t.Context(), s.URL, "att", "huge")
	_ = failure(t, err)
	if len(elsewhere.received()) > 0 {
		t.Error("a redirect was followed")
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	const senders = 256
	var opened atomic.Int64
	inside := make(chan struct{}, senders)
	release := make(chan struct{})
	s := &service{}
	s.Server = httptest.NewUnstartedServer(s.recording(t, func(w http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		<-release
		answerWith(201, `{"id":"1"}`)(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)

	c := newClient(t, connector.Config{})
	for round := range 3 {
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				if _, err := send(t, c, s.URL); err != nil {
					t.Error(err)
				}
			})
		}
		for range senders {
			<-inside // all of them at once
		}
		for range senders {
			release <- struct{}{}
		}
		wg.Wait()
		if n := opened.Load(); n != senders {
			t.Fatalf("round %d: %d connections for %d senders", round, n, senders)
		}
	}
	if n := len(s.received()); n != 3*senders {
		t.Errorf("%d requests", n)
	}
}

func TestErrorAnswersKeepTheConnection(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(answerWith(429, `{"error":{"code":"Throttled","message":"m"}}`))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := newClient(t, connector.Config{})
	for range 20 {
		_, err := send(t, c, server.URL)
		_ = failure(t, err)
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []connector.Config{{Timeout: -1}, {MaxResponse: -1}, {MaxContent: -1}, {MaxConns: -1}} {
		if _, err := connector.New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestBodyThatCannotBeEncodedIsNotSent(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(200, `{}`))
	a := activity.Message("x")
	a.Value = []byte(`{"broken":`)
	_, err := newClient(t, connector.Config{}).SendToConversation(t.Context(), s.URL, "c", a)
	if e := failure(t, err); e.Class != connector.ClassPermanent || e.MaybeDelivered || len(s.received()) > 0 {
		t.Errorf("got %+v", e)
	}
}

func TestAcknowledgementsInEveryForm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]activity.ID{
		`{"id":"1:x-y"}`:      "1:x-y",
		`{"id":""}`:           "",
		`{"id":"a\u0062"}`:    "ab",
		`{"id":"ä"}`:          "ä",
		` {"id":"a"} `:        "a",
		`{"id":"a","x":"b"}`:  "a",
		`{"id":"a","id":"b"}`: "b",
		`{"id":"a}`:           "",
		`{"id":7}`:            "",
		``:                    "",
	} {
		s := newService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		c := newClient(t, connector.Config{AllowLoopback: true})
		body := jsontext.Value(`{"type":"message","text":"hello"}`)
		sent, err := c.SendBody(t.Context(), s.URL, "a/b", body)
		if err != nil || sent.ID != want {
			t.Errorf("%s: sent as %q, %v, want %q", answer, sent.ID, err, want)
		}
		if got := s.only(t); string(got.Body) != string(body) || got.Segments[2] != "a/b" {
			t.Errorf("posted %s to %q", got.Body, got.Segments)
		}
	}
}
