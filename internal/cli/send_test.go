package cli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/cli"
	"github.com/headsup-bot/headsup/server"
)

// running starts a server that knows Ann, and returns its address.
func running(t *testing.T) string {
	t.Helper()
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var token struct {
		Token string `json:"token"`
	}
	answer := post(t, s.URL()+"/playground/api/token", `{"user":{"id":"dl_ann","name":"Ann"}}`, "")
	if err := json.Unmarshal(answer, &token); err != nil {
		t.Fatal(err)
	}
	post(t, s.URL()+"/v3/directline/conversations", "{}", token.Token)
	return s.URL()
}

func post(t *testing.T, url, body, token string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s: %s %s %v", url, resp.Status, answer, err)
	}
	return answer
}

func pipe(t *testing.T, in string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Main(t.Context(), args, strings.NewReader(in), &out, &err)
	return code, out.String(), err.String()
}

func TestSendSaysItAndTellsTheOutcome(t *testing.T) {
	t.Parallel()
	url := running(t)
	for name, args := range map[string][]string{
		"argument": {"--user", "dl_ann", "look"}, "left out": {"--everyone"}, "dash": {"--everyone", "-"},
	} {
		code, out, stderr := pipe(t, "look\n", append([]string{"send", "--server", url}, args...)...)
		if code != 0 || out != "delivered to 1 conversation\n" {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, stderr)
		}
	}
	code, out, stderr := pipe(t, "look\n", "send", "--server", url, "--everyone", "--json", "--topic", "t", "--lane", "bulk")
	var n api.Notification
	if err := json.Unmarshal([]byte(out), &n); err != nil || code != 0 {
		t.Fatalf("exit code %d, %q, %q, %v", code, out, stderr, err)
	}
	if n.State != "delivered" || n.Topic != "t" || n.Lane != "bulk" || !strings.Contains(string(n.Activity), `"look"`) {
		t.Errorf("sent %+v", n)
	}
	code, out, _ = pipe(t, "", "notifications", "get", n.ID, "--server", url)
	if code != 0 || !strings.HasPrefix(out, n.ID+": delivered, to everyone") || strings.Count(out, n.Deliveries[0].ID) != 2 || !strings.Contains(out, "attempt 1") {
		t.Errorf("exit code %d, shown as\n%s", code, out)
	}
	if code, out, _ = pipe(t, "", "notifications", "get", n.ID, "--server", url, "--json"); code != 0 || !strings.Contains(out, `"id": "`+n.ID) {
		t.Errorf("exit code %d, %s", code, out)
	}
}

func TestSendLaterIsAcceptedOncePerKey(t *testing.T) {
	t.Parallel()
	url := running(t)
	args := []string{"send", "--server", url, "--everyone", "--in", "1h", "--key", "k", "later"}
	code, first, stderr := pipe(t, "", args...)
	if code != 0 || !strings.HasPrefix(first, "accepted for 1 conversation; see: headsup notifications get ntf_") {
		t.Fatalf("exit code %d, %q, %q", code, first, stderr)
	}
	if _, again, _ := pipe(t, "", args...); again != first {
		t.Errorf("first %q, again %q", first, again)
	}
	args[len(args)-1] = "other"
	if code, _, stderr := pipe(t, "", args...); code != 1 || !strings.Contains(stderr, "idempotency key") {
		t.Errorf("other text: exit code %d, %q", code, stderr)
	}
}

func TestWrongSendsAreOneClearLine(t *testing.T) {
	t.Parallel()
	url := running(t)
	cases := map[string]struct {
		args string
		in   string
		code int
		says string
	}{
		"no target":          {"send x", "", 2, "--everyone"},
		"two targets":        {"send --everyone --user u x", "", 2, "--user"},
		"empty target":       {"send --user= x", "", 2, "must not be empty"},
		"two times":          {"send --everyone --in 1s --at 2030-01-01T00:00:00Z x", "", 2, "--at"},
		"bad duration":       {"send --everyone --in soon x", "", 2, "--in"},
		"negative duration":  {"send --everyone --in=-1s x", "", 2, "--in"},
		"bad time":           {"send --everyone --at tomorrow x", "", 2, "--at"},
		"bad lane":           {"send --everyone --lane fast x", "", 2, "--lane"},
		"new for everyone":   {"send --everyone --new x", "", 2, "--new"},
		"nothing to say":     {"send --everyone", "\n", 2, "nothing to say"},
		"too much to say":    {"send --everyone", strings.Repeat("é", 65537), 2, "65536"},
		"not UTF-8":          {"send --everyone", "\xff", 2, "UTF-8"},
		"bad server":         {"send --everyone --server ftp://x x", "", 2, "--server"},
		"no server":          {"send --everyone --server http://127.0.0.1:1 x", "", 1, "headsup serve"},
		"another server":     {"send --everyone --server " + url + "/playground x", "", 1, "not an answer of a Headsup server"},
		"unknown person":     {"send --user eve --server " + url + " x", "", 1, "reference book"},
		"long key":           {"send --everyone --server " + url + " x --key " + strings.Repeat("k", 300), "", 1, "--key"},
		"no id":              {"notifications get", "", 2, "<id>"},
		"dots as id":         {"notifications get ..", "", 2, "not an id"},
		"unknown id":         {"notifications get ntf_0000000000001 --server " + url, "", 1, "no such notification"},
		"get from no server": {"notifications get x --server http://127.0.0.1:1", "", 1, "headsup serve"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := pipe(t, c.in, strings.Fields(c.args)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q, says %q; want %d and one line with %q", code, stdout, stderr, c.code, c.says)
			}
		})
	}
}
