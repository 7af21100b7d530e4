package connector_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// receipt is one request as a service received it.
type receipt struct {
	Method   string
	Segments []string // of the path, each decoded once
	Query    url.Values
	Header   http.Header
	Body     []byte
}

// service is a connector that answers as it is told and remembers what it received.
type service struct {
	*httptest.Server

	mu       sync.Mutex
	receipts []receipt
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(s.recording(t, answer))
	t.Cleanup(s.Close)
	return s
}

func (s *service) recording(t *testing.T, answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		got := receipt{Method: r.Method, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body}
		for segment := range strings.SplitSeq(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/") {
			decoded, err := url.PathUnescape(segment)
			if err != nil {
				t.Errorf("segment %q: %v", segment, err)
			}
			got.Segments = append(got.Segments, decoded)
		}
		s.mu.Lock()
		s.receipts = append(s.receipts, got)
		s.mu.Unlock()
		answer(w, r)
	})
}

func (s *service) received() []receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]receipt(nil), s.receipts...)
}

// only returns the one request that the service received.
func (s *service) only(t *testing.T) receipt {
	t.Helper()
	all := s.received()
	if len(all) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(all))
	}
	return all[0]
}

func answerWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// newClient returns a client that may talk to services on this machine.
func newClient(t *testing.T, cfg connector.Config) *connector.Client {
	t.Helper()
	cfg.AllowLoopback = true
	c, err := connector.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func send(t *testing.T, c *connector.Client, serviceURL string) (activity.ResourceResponse, error) {
	t.Helper()
	return c.SendToConversation(t.Context(), serviceURL, "c", activity.Message("hello"))
}

// failure returns the *connector.Error that err must be.
func failure(t *testing.T, err error) *connector.Error {
	t.Helper()
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		t.Fatalf("got %T %v, want a *connector.Error", err, err)
	}
	return e
}

// tokens is a source whose tokens are refused one after the other.
type tokens struct {
	mu          sync.Mutex
	left        []string
	invalidated []string
	hosts       []string
}

func (s *tokens) Token(_ context.Context, req connector.TokenRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts = append(s.hosts, req.Host)
	return s.left[0], nil
}

func (s *tokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, token)
	if token == s.left[0] && len(s.left) > 1 {
		s.left = s.left[1:]
	}
}

func readCases[T any](t *testing.T, file string) []T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Cases []T `json:"cases"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(list.Cases) == 0 {
		t.Fatalf("%s has no cases", file)
	}
	return list.Cases
}

func sameJSON(t *testing.T, what string, got, want jsontext.Value) {
	t.Helper()
	got, want = got.Clone(), want.Clone()
	for _, v := range []*jsontext.Value{&got, &want} {
		if err := v.Format(jsontext.ReorderRawObjects(true)); err != nil {
			t.Fatalf("%s: %v in %s", what, err, *v)
		}
	}
	if got.String() != want.String() {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}
