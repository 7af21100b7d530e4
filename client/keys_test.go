package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

const aKey = "hup_000000000000_0000000000000000000000000000000000000000"

func TestKeyGoesWithEveryRequest(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if got := r.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+aKey || strings.Contains(r.URL.String(), aKey) {
			t.Errorf("%s %s is sent with %q", r.Method, r.URL, got)
		}
		says(200, "application/json", `{"id":"x","secret":"y","keys":[{"id":"x"}]}`)(w, r)
	}))
	defer srv.Close()
	c, err := client.New(client.Config{BaseURL: srv.URL, Key: aKey})
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := c.CreateNotification(t.Context(), api.NotificationRequest{})
	_, err2 := c.CreateKey(t.Context(), api.KeyRequest{Name: "x"})
	_, err3 := c.Key(t.Context(), "x")
	_, err4 := c.RevokeKey(t.Context(), "x")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Error(err)
	}
	for k, err := range c.Keys(t.Context()) {
		if err != nil || k.ID != "x" {
			t.Errorf("listed %+v, %v", k, err)
		}
	}
	if calls.Load() != 5 {
		t.Errorf("%d calls, want 5", calls.Load())
	}
	for _, id := range []string{"", aKey, "../jobs", "x/y", "X"} {
		_, err1 := c.Key(t.Context(), id)
		_, err2 := c.RevokeKey(t.Context(), id)
		for _, err := range []error{err1, err2} {
			if err == nil || strings.Contains(err.Error(), aKey) {
				t.Errorf("the id %q: %v", id, err)
			}
		}
	}
	if calls.Load() != 5 {
		t.Error("the server was asked for what is no id")
	}
	for _, bad := range []string{"a b", "a\nb", "é"} {
		if _, err := client.New(client.Config{Key: bad}); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("the key %q: %v", bad, err)
		}
	}
}

func TestKeysAreNotMadeTwice(t *testing.T) {
	t.Parallel()
	c, s := serve(t, lost)
	if _, err := c.CreateKey(t.Context(), api.KeyRequest{Name: "x"}); err == nil {
		t.Error("made without an answer")
	}
	if len(s.asked()) != 1 {
		t.Errorf("asked %d times for one key", len(s.asked()))
	}
}

func TestWaitsForTheRateOfItsKey(t *testing.T) {
	t.Parallel()
	c, s := serve(t, says(429, problem, `{"code":"rate_limited"}`, "Retry-After", "0"), says(200, "application/json", `{"id":"ntf_1"}`))
	if _, err := c.Notification(t.Context(), "ntf_1"); err != nil || len(s.asked()) != 2 {
		t.Errorf("%v after %d tries", err, len(s.asked()))
	}
	c, s = serve(t, says(429, problem, `{"code":"rate_limited"}`, "Retry-After", "60"))
	_, err := c.Notification(t.Context(), "ntf_1")
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Problem.Code != api.CodeRateLimited || len(s.asked()) != 1 {
		t.Errorf("%v after %d tries", err, len(s.asked()))
	}
}
