package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/server"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(tidy{withDatabase(m)}, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

// running starts a server that ends with the test.
func running(t *testing.T, cfg server.Config) string {
	t.Helper()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s.URL()
}

func request(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func TestServerIsToldWhereOthersReachIt(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:80"} {
		_, err := server.New(t.Context(), server.Config{Listen: listen, DataDir: filepath.Join(t.TempDir(), "data")})
		if !errors.Is(err, server.ErrNoPublicURL) {
			t.Errorf("%s: error %v, want ErrNoPublicURL", listen, err)
		}
	}
}

// TestForeignPagesAreRefused checks every route: a page of another site, and a name that was made to point here, get
// nothing.
func TestForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	port := url[strings.LastIndex(url, ":"):]
	routes := []string{"/", "/playground", "/api/messages", "/api/notify", "/v1/notifications", "/openapi.json",
		"/v3/directline/conversations", "/v3/conversations", "/playground/api/token", "/playground/api/wire", "/healthz"}
	bad := map[string][]string{
		"foreign host":          {"Host", "evil.example"},
		"rebound host":          {"Host", "rebind.example" + port},
		"suffix of our name":    {"Host", "localhost.evil.example" + port},
		"other port":            {"Host", "127.0.0.1:1"},
		"foreign origin":        {"Origin", "https://evil.example"},
		"opaque origin":         {"Origin", "null"},
		"origin on other port":  {"Origin", "http://127.0.0.1:1"},
		"garbage origin":        {"Origin", "::"},
		"https origin":          {"Origin", "https://127.0.0.1" + port},
		"cross-site, no origin": {"Sec-Fetch-Site", "cross-site"},
		"same-site, no origin":  {"Sec-Fetch-Site", "same-site"}, // a page on another port of this machine
	}
	for name, header := range bad {
		for _, route := range routes {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				resp, body := request(t, method, url+route, "", header...)
				if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, `"code":"forbidden"`) {
					t.Errorf("%s: %s %s answers %d %s", name, method, route, resp.StatusCode, body)
				}
			}
		}
	}
	for name, header := range map[string][]string{
		"our own page":       {"Origin", url},
		"localhost's page":   {"Origin", "http://localhost" + port, "Host", "localhost" + port},
		"typed address":      {"Sec-Fetch-Site", "none"},
		"localhost's socket": {"Origin", "http://localhost" + port, "Sec-Fetch-Site", "cross-site"}, // to 127.0.0.1
		"link from a site":   {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"},
		"link from a port":   {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate"},
		"no browser at all":  {},
	} {
		if resp, _ := request(t, http.MethodGet, url+"/openapi.json", "", header...); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, want 200", name, resp.StatusCode)
		}
	}
	for _, site := range []string{"cross-site", "same-site"} {
		if resp, _ := request(t, http.MethodGet, url+"/api/notify", "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("a link on a %s page makes the bot speak: status %d", site, resp.StatusCode)
		}
	}
}

func TestNotifyEndpoint(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	if _, body := request(t, http.MethodGet, url+"/api/notify", ""); body != `{"conversations":0,"delivered":0}` {
		t.Errorf("with nobody known: %s", body)
	}
	_, token := request(t, http.MethodPost, url+"/playground/api/token", `{"user":{"id":"dl_ann","name":"Ann"}}`)
	bearer := "Bearer " + between(t, token, `"token":"`, `"`)
	conversation := between(t, token, `"conversationId":"`, `"`)
	if resp, body := request(t, http.MethodPost, url+"/v3/directline/conversations", "{}", "Authorization", bearer); resp.StatusCode >= 300 {
		t.Fatalf("start: %s %s", resp.Status, body)
	}
	if _, body := request(t, http.MethodGet, url+"/api/notify", "", "Accept", "text/html"); !strings.Contains(body, "<h1>Proactive messages have been sent.</h1>") {
		t.Errorf("a browser is told %s", body)
	}
	if _, body := request(t, http.MethodPost, url+"/api/notify", `{"text":"look up"}`); !strings.Contains(body, `"conversations":1,"delivered":1`) {
		t.Errorf("a program is told %s", body)
	}
	for _, bad := range []string{`{"text":""}`, `{"txt":"x"}`, `hello`, `{"text":"\u0000"}`, `{"text":"` + strings.Repeat("x", 70_000) + `"}`} {
		if resp, body := request(t, http.MethodPost, url+"/api/notify", bad); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20s: %s %s", bad, resp.Status, body)
		}
	}
	if resp, _ := request(t, http.MethodHead, url+"/api/notify", ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD, which is to do nothing, answers %s", resp.Status)
	}
	_, history := request(t, http.MethodGet, url+"/v3/directline/conversations/"+conversation+"/activities", "", "Authorization", bearer)
	hello, look := strings.Index(history, `"text":"proactive hello"`), strings.Index(history, `"text":"look up"`)
	if hello < 0 || look < hello {
		t.Errorf("the conversation has %s", history)
	}
}

func TestPlaygroundTokensAreForDirectLineUsers(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	for body, want := range map[string]int{
		`{"user":{"id":"ann"}}`:                                  http.StatusBadRequest,
		`{"user":{"id":"dl_ann"},"conversationId":"unknown-hu"}`: http.StatusNotFound,
		`{"user":{"id":"dl_ann"},"x":1}`:                         http.StatusBadRequest,
		`x`:                                                      http.StatusBadRequest,
		`{"user":{"id":"dl_ann","name":"Ann"}}`:                  http.StatusOK,
	} {
		if resp, answer := request(t, http.MethodPost, url+"/playground/api/token", body); resp.StatusCode != want {
			t.Errorf("%s: %s %s, want %d", body, resp.Status, answer, want)
		}
	}
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	found, _, closed := strings.Cut(rest, to)
	if !ok || !closed {
		t.Fatalf("no %s…%s in %s", from, to, s)
	}
	return found
}

func TestPagesAreServedWhereTheirSocketsAre(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	port := url[strings.LastIndex(url, ":"):]
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, page := range []string{"/", "/playground"} {
		for host, want := range map[string]string{"localhost" + port: url + page, "127.0.0.1" + port: ""} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+page, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := resp.Header.Get("Location"); got != want {
				t.Errorf("%s at %s leads to %q, want %q", page, host, got, want)
			}
		}
	}
	client.CloseIdleConnections()
}
