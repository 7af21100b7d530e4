package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"ntf_1","state":"delivered"}`)
	}))
	defer srv.Close()
	c, err := client.New(client.Config{BaseURL: srv.URL})
	if err != nil {
		panic(err)
	}
	n, err := c.CreateNotification(context.Background(), api.NotificationRequest{
		To: api.Target{User: "dl_ann"}, Text: "Your build is done.",
	}, client.IdempotencyKey("build-1234"))
	fmt.Println(n.ID, n.State, err)
	// Output: ntf_1 delivered <nil>
}

// script answers request n with the n-th answer, the last one again and again, and keeps the keys.
type script struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	keys    []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	answer := s.answers[min(len(s.keys), len(s.answers)-1)]
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	s.mu.Unlock()
	answer(w, r)
}

// asked is the keys of the requests so far.
func (s *script) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// journal is what a server was asked, in order.
type journal struct {
	mu    sync.Mutex
	calls []string
}

func (j *journal) add(call string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, call)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

func says(status int, kind, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func lost(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const problem = "application/problem+json"

func serve(t *testing.T, answers ...http.HandlerFunc) (*client.Client, *script) {
	t.Helper()
	s := &script{answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{BaseURL: srv.URL + "/", HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestRetriesCarryOneKey(t *testing.T) {
	t.Parallel()
	c, s := serve(t, lost, says(503, problem, `{"code":"unavailable"}`, "Retry-After", "0"), says(202, "application/json", `{"id":"ntf_1"}`))
	for range 2 {
		if n, err := c.CreateNotification(t.Context(), api.NotificationRequest{Text: "x"}); err != nil || n.ID != "ntf_1" {
			t.Fatalf("%+v, %v", n, err)
		}
	}
	if len(s.asked()) != 4 || s.asked()[0] == "" || len(slices.Compact(s.asked())) != 2 || s.asked()[2] == s.asked()[3] {
		t.Errorf("keys %q, want one for each call", s.asked())
	}
}

func TestRefusalsAreErrorsAndNotRepeated(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		answer http.HandlerFunc
		status int
		code   string
		after  time.Duration
	}{
		"problem":    {says(422, problem, `{"code":"no_target","detail":"d"}`), 422, api.CodeNoTarget, 0},
		"long pause": {says(503, problem, `{"code":"unavailable"}`, "Retry-After", "3600"), 503, api.CodeUnavailable, time.Hour},
		"a proxy":    {says(404, "text/html", "<html>"), 404, "", 0},
		"redirect":   {says(307, "", "", "Location", "/elsewhere"), 307, "", 0},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := serve(t, want.answer)
			_, err := c.CreateNotification(t.Context(), api.NotificationRequest{Text: "x"}, client.IdempotencyKey("k"))
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Problem.Status != want.status || e.Problem.Code != want.code || e.RetryAfter != want.after {
				t.Errorf("error %+v", err)
			}
			if !slices.Equal(s.asked(), []string{"k"}) {
				t.Errorf("asked with keys %q", s.asked())
			}
		})
	}
}

func TestWaitReturnsTheOutcomeOrWhatWasSeenLast(t *testing.T) {
	t.Parallel()
	sending := says(200, "application/json", `{"id":"ntf_1","state":"sending"}`)
	c, _ := serve(t, sending, says(200, "application/json", `{"id":"ntf_1","state":"failed"}`))
	if n, err := c.Wait(t.Context(), "ntf_1"); err != nil || n.State != "failed" {
		t.Errorf("%+v, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, _ = serve(t, sending, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		sending(w, r)
	})
	if n, err := c.Wait(ctx, "ntf_1"); !errors.Is(err, context.Canceled) || n.State != "sending" {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestManyAreFollowedByTheirCounts: while a broadcast goes on, its deliveries are not asked for again and again.
func TestManyAreFollowedByTheirCounts(t *testing.T) {
	t.Parallel()
	var asked journal
	answers := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.add(r.URL.RequestURI())
			says(200, "application/json", body)(w, r)
		}
	}
	c, _ := serve(t,
		answers(`{"id":"ntf_1","state":"ready","more_deliveries":true,"deliveries":[{"id":"dlv_1"}]}`),
		answers(`{"id":"ntf_1","state":"sending","more_deliveries":true,"deliveries":[]}`),
		answers(`{"id":"ntf_1","state":"delivered","more_deliveries":true,"deliveries":[]}`),
		answers(`{"id":"ntf_1","state":"delivered","more_deliveries":true,"deliveries":[{"id":"dlv_1"}]}`))
	n, err := c.Wait(t.Context(), "ntf_1")
	if err != nil || n.State != "delivered" || len(n.Deliveries) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	const path = "/v1/notifications/ntf_1"
	if got, want := asked.all(), []string{path, path + "?deliveries=0", path + "?deliveries=0", path}; !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"localhost:3978", "ftp://x", "http://", "http://u:p@x", "http://x?q", "http://x/#f", "::"} {
		if _, err := client.New(client.Config{BaseURL: url}); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
}
