package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// everyRoute lists what can be asked for: the documented operations, and the routes that have no document.
func everyRoute(t *testing.T, url string) (paths []string) {
	t.Helper()
	_, document := request(t, http.MethodGet, url+"/openapi.json", "")
	var parsed struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(document), &parsed); err != nil || len(parsed.Paths) == 0 {
		t.Fatalf("no document: %v, %s", err, document)
	}
	for path := range parsed.Paths {
		paths = append(paths, path)
	}
	return append(paths, "/", "/playground", "/healthz", "/openapi.json", "/api/messages", "/api/notify",
		"/playground/api/token", "/playground/api/people", "/v3/directline/tokens/generate", "/v3/directline/conversations",
		"/v3/directline/conversations/x/activities", "/v3/directline/conversations/x/stream", "/v3/conversations",
		"/v3/conversations/x/activities", "/v3/attachments/x/views/original",
		"/assets/none.js", "/vendor/none.js", "/nowhere", "/v1", "/v1/nowhere", "/v3/nowhere", "/api", "/api/nowhere",
		"/playground/api/nowhere", "/playground/api/teams/state", "/playground/api/teams/do", "/playground/teams/x/v3/conversations", "/proactive/nowhere", "/proactive/sendactivity", "/proactive/sendactivity/x", "/proactive/continue/x", "/proactive/create", "/docs", "//double", "/v1/../x")
}

// TestEveryAnswerIsGuarded asks for every route by every method, with good and bad bodies.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	answers := 0
	for _, path := range everyRoute(t, url) {
		path = strings.NewReplacer("{id}", "x", "{number}", "1").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			for _, body := range []string{"", "{}", "{"} {
				for _, header := range [][2]string{{"Accept", "*/*"}, {"Host", "evil.example"}, {"Origin", "https://evil.example"}} {
					r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Content-Type", "application/json")
					if r.Header.Set(header[0], header[1]); header[0] == "Host" {
						r.Host = header[1]
					}
					resp, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
					answers++
					h := resp.Header
					if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" ||
						!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Server") != "" ||
						h.Get("X-Powered-By") != "" || h.Get("Strict-Transport-Security") != "" {
						t.Errorf("%s %s: %s with %v", method, path, resp.Status, h)
					}
					if kind := h.Get("Content-Type"); resp.StatusCode >= 400 && strings.HasPrefix(kind, "text/html") {
						t.Errorf("%s %s: %s is a page", method, path, resp.Status)
					}
				}
			}
		}
	}
	t.Logf("%d answers", answers)
}

func TestProgramsAreToldInJSONThatThereIsNothing(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	cases := []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/api/nowhere", 404, api.CodeNotFound, ""},
		{"GET", "/v1", 404, api.CodeNotFound, ""},
		{"GET", "/v1/nowhere", 404, api.CodeNotFound, ""},
		{"GET", "/v3/nowhere", 404, api.CodeNotFound, ""},
		{"POST", "/proactive/nowhere", 404, api.CodeNotFound, ""},
		{"GET", "/playground/api/nowhere", 404, api.CodeNotFound, ""},
		{"DELETE", "/api/notify", 405, api.CodeMethodNotAllowed, "GET, POST"},
		{"POST", "/healthz", 405, api.CodeMethodNotAllowed, "GET"},
		{"DELETE", "/openapi.json", 405, api.CodeMethodNotAllowed, "GET"},
		{"DELETE", "/v1/notifications/x", 405, api.CodeMethodNotAllowed, "GET"},
	}
	for _, c := range cases {
		resp, body := request(t, c.method, url+c.path, "")
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != c.status || p.Code != c.code ||
			p.Status != c.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s %s %s", c.method, c.path, resp.Status, resp.Header.Get("Content-Type"), body)
		}
		if got := strings.Join(resp.Header.Values("Allow"), ", "); got != c.allow {
			t.Errorf("%s %s allows %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	if resp, _ := request(t, "GET", url+"/nowhere", ""); resp.StatusCode != 404 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("a person's 404: %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
}
