package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/cli"
)

// listening runs "headsup listen" until the test ends, and returns its lines.
func listening(t *testing.T, args ...string) <-chan string {
	t.Helper()
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(ctx, append([]string{"listen"}, args...), strings.NewReader(""), w, io.Discard)
		_ = w.Close()
	}()
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		_ = r.Close()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d", code)
		}
		for range lines {
		}
	})
	return lines
}

// line waits for a line that contains a text, and has the bot say something until there is one: a listener that is not
// there yet is told of a later thing.
func line(t *testing.T, url string, lines <-chan string, text string) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		if code, _, stderr := pipe(t, "", "send", "--server", url, "--everyone", "look up"); code != 0 {
			t.Fatalf("send: %s", stderr)
		}
		select {
		case l := <-lines:
			if strings.Contains(l, text) {
				return l
			}
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatalf("no line with %q", text)
		}
	}
}

func TestListenPrintsEvents(t *testing.T) {
	t.Parallel()
	url := running(t)
	if l := line(t, url, listening(t, "--server", url), "notification.delivered"); !strings.Contains(l, " to Ann") || !strings.Contains(l, "ntf_") {
		t.Errorf("printed %q", l)
	}
	var e api.Event
	l := line(t, url, listening(t, "--server", url, "--json", "--events", "notification.delivered"), "{")
	if err := json.Unmarshal([]byte(l), &e); err != nil || e.Type != "notification.delivered" || !strings.HasPrefix(e.ID, "evt_") {
		t.Errorf("%v in %s", err, l)
	}
}

// TestListenSaysWhatHappened: which button was pressed, who answered, why a message came back.
func TestListenSaysWhatHappened(t *testing.T) {
	t.Parallel()
	const of = `"notification":"ntf_1","delivery":"dlv_1","person":{"id":"dl_ann","name":"Ann"}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i, e := range [][2]string{
			{"card.action", `{"name":"approve","value":{"invoice":2041},` + of + `}`},
			{"delivery.bounced", `{"receipt":{"kind":"bounced","detail":"mailbox_unknown"},` + of + `}`},
			{"notification.answered", `{"message":{"person":{"id":"dl_ann","name":"Ann"},"text":"Yes."},` + of + `}`},
			{"message.received", `{"person":{"id":"dl_ann"},"text":""}`},
			{"preferences.changed", `{"by":"word","changed":["opted_out","topics"],"person":{"id":"dl_ann","name":"Ann"}}`},
		} {
			_, _ = fmt.Fprintf(w, "id: evt_%d\nevent: %s\ndata: {\"id\":\"evt_%d\",\"type\":%q,\"timestamp\":\"2026-12-24T18:00:00Z\",\"data\":%s}\n\n", i, e[0], i, e[0], e[1])
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	lines := listening(t, "--server", srv.URL)
	for _, want := range []string{
		`card.action  Ann pressed approve of ntf_1: {"invoice":2041}`, "delivery.bounced  ntf_1 to Ann: mailbox_unknown",
		"notification.answered  Ann answers ntf_1: Yes.", "message.received  dl_ann: (no text)",
		"preferences.changed  Ann: opted_out, topics, by word",
	} {
		select {
		case l := <-lines:
			if _, said, _ := strings.Cut(l, "  "); said != want {
				t.Errorf("printed %q, want %q", said, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no line %q", want)
		}
	}
}

func TestListenForwards(t *testing.T) {
	t.Parallel()
	url := running(t)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	got := make(chan api.Event, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		e, err := client.VerifyWebhook([]string{secret}, r.Header, body, time.Now())
		if err != nil {
			t.Errorf("%v: %s", err, body)
		}
		got <- e
	}))
	t.Cleanup(srv.Close)
	line(t, url, listening(t, "--server", url, "--forward", srv.URL, "--secret", secret), "notification.delivered")
	if e := <-got; e.Type != "notification.delivered" {
		t.Errorf("forwarded %+v", e)
	}
}

func TestListenIsRefused(t *testing.T) {
	t.Parallel()
	url := running(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such type": {[]string{"--server", url, "--events", "x"}, 1, "types"},
		"no URL":       {[]string{"--server", url, "--forward", "localhost:3000"}, 2, "--forward"},
		"bad secret":   {[]string{"--server", url, "--forward", "http://localhost:3000", "--secret", "s"}, 2, "--secret"},
	} {
		code, _, stderr := run(t, append([]string{"listen"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	url := running(t)
	answer := http.StatusNoContent
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	t.Cleanup(srv.Close)
	call := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := run(t, append(append([]string{"webhooks"}, args...), "--server", url)...)
		if code != want {
			t.Fatalf("%v: exit code %d, %q, %q", args, code, stdout, stderr)
		}
		return stdout, stderr
	}
	out, _ := call(0, "create", srv.URL, "--events", "message.received,notification.answered", "--json")
	var made api.CreatedWebhook
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Events) != 2 || !strings.HasPrefix(made.Secret, "whsec_") {
		t.Fatalf("%v: %s", err, out)
	}
	if out, _ := call(0, "create", srv.URL+"/2"); !strings.Contains(out, "secret: whsec_") || !strings.Contains(out, "posts to "+srv.URL+"/2") {
		t.Errorf("made: %s", out)
	}
	out, _ = call(0, "list")
	if strings.Count(out, "\n") != 3 || !strings.Contains(out, made.ID+"  ok ") || strings.Contains(out, "whsec_") {
		t.Errorf("listed: %s", out)
	}
	if out, _ := call(0, "test", made.ID); !strings.HasPrefix(out, "HTTP 204 after ") {
		t.Errorf("tested: %s", out)
	}
	answer = http.StatusInternalServerError
	if out, stderr := call(1, "test", made.ID); !strings.HasPrefix(out, "HTTP 500 after ") || !strings.Contains(stderr, "did not take the event: refused") {
		t.Errorf("tested: %s, %s", out, stderr)
	}
	call(0, "delete", made.ID)
	if _, stderr := call(1, "delete", made.ID); !strings.Contains(stderr, "no such webhook") {
		t.Errorf("deleted again: %s", stderr)
	}
	if _, stderr := call(1, "create", "ftp://a.example"); !strings.Contains(stderr, "url: is not https") {
		t.Errorf("made: %s", stderr)
	}
	call(2, "test", "..")
}
