package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// telling is a server that accepts one notification and then tells, call by call, how its deliveries stand; the last
// answer again and again.
func telling(t *testing.T, accepted string, then ...string) string {
	t.Helper()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		states := accepted
		if r.Method == http.MethodGet {
			states = then[min(int(asked.Add(1))-1, len(then)-1)]
		}
		if states == "" {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, notificationOf(strings.Fields(states)))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// notificationOf has a delivery in each state, which may have a reason after a slash.
func notificationOf(states []string) string {
	whole := "delivered"
	var deliveries []string
	for i, s := range states {
		state, reason, _ := strings.Cut(s, "/")
		if state != "delivered" {
			whole = state
		}
		deliveries = append(deliveries, fmt.Sprintf(`{"id":"dlv_%d","state":%q,"reason":%q}`, i, state, reason))
	}
	return fmt.Sprintf(`{"id":"ntf_1","state":%q,"deliveries":[%s]}`, whole, strings.Join(deliveries, ","))
}

func TestWhatIsNotDeliveredIsAFailure(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ states, says string }{
		"one":       {"failed/not_found", "delivered to 0 of 1 conversation, 1 failed (not_found)"},
		"some":      {"failed/not_found delivered failed/not_found expired", "delivered to 1 of 4 conversations, 2 failed (not_found), 1 expired"},
		"unknown":   {"unknown/answer_lost delivered", "delivered to 1 of 2 conversations, 1 unknown (answer_lost)"},
		"by policy": {"suppressed/blocked cancelled", "delivered to 0 of 2 conversations, 1 cancelled, 1 suppressed (blocked)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := telling(t, "ready", "sending", c.states)
			code, out, stderr := pipe(t, "", "send", "--everyone", "--server", url, "x")
			if want := "headsup: " + c.says + "; see: headsup notifications get ntf_1\n"; code != 1 || out != "" || stderr != want {
				t.Errorf("exit code %d, %q, %q, want %q", code, out, stderr, want)
			}
			url = telling(t, "ready", c.states)
			code, out, _ = pipe(t, "", "send", "--everyone", "--json", "--server", url, "x")
			var n api.Notification
			if err := json.Unmarshal([]byte(out), &n); err != nil || code != 1 || len(n.Deliveries) == 0 {
				t.Errorf("as JSON: exit code %d, %q", code, out)
			}
		})
	}
}

func TestPatienceIsForWhatDoesNotMove(t *testing.T) {
	t.Parallel()
	t.Run("Nothing", func(t *testing.T) {
		t.Parallel()
		url := telling(t, "ready ready", "delivered sending")
		code, out, stderr := pipe(t, "", "send", "--everyone", "--patience", "3s", "--server", url, "x")
		if code != 0 || out != "delivered to 1 of 2 conversations so far; see: headsup notifications get ntf_1\n" {
			t.Errorf("exit code %d, %q, %q", code, out, stderr)
		}
	})
	t.Run("Held", func(t *testing.T) {
		t.Parallel()
		url := telling(t, "ready ready", "delivered held/quiet_hours")
		code, out, stderr := pipe(t, "", "send", "--everyone", "--patience", "1s", "--server", url, "x")
		if code != 0 || out != "delivered to 1 of 2 conversations, 1 held (quiet_hours) so far; see: headsup notifications get ntf_1\n" {
			t.Errorf("exit code %d, %q, %q", code, out, stderr)
		}
	})
	t.Run("OneAfterTheOther", func(t *testing.T) {
		t.Parallel()
		// The client asks after 50, 100, 200 … ms and then every 2 s: longer in all than patience lasts, but each time something
		// moved.
		const n = 9
		var then []string
		for done := range n + 1 {
			then = append(then, strings.Repeat("delivered ", done)+strings.Repeat("ready ", n-done))
		}
		code, out, stderr := pipe(t, "", "send", "--everyone", "--patience", "6s", "--server", telling(t, then[0], then...), "x")
		if code != 0 || out != "delivered to 9 conversations\n" {
			t.Errorf("exit code %d, %q, %q", code, out, stderr)
		}
	})
	t.Run("NoWait", func(t *testing.T) {
		t.Parallel()
		url := telling(t, "ready")
		if code, out, _ := pipe(t, "", "send", "--everyone", "--no-wait", "--server", url, "x"); code != 0 || !strings.HasPrefix(out, "accepted for 1 conversation") {
			t.Errorf("exit code %d, %q", code, out)
		}
	})
	t.Run("TheServerGoesAway", func(t *testing.T) {
		t.Parallel()
		url := telling(t, "ready", "")
		if code, _, stderr := pipe(t, "", "send", "--everyone", "--server", url, "x"); code != 1 || !strings.Contains(stderr, "accepted as ntf_1, but then") {
			t.Errorf("exit code %d, %q", code, stderr)
		}
	})
}

func TestSendAtAnInstant(t *testing.T) {
	t.Parallel()
	url := running(t)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	code, out, stderr := pipe(t, "", "send", "--everyone", "--at", at.Format(time.RFC3339), "--json", "--server", url, "x")
	var n api.Notification
	if err := json.Unmarshal([]byte(out), &n); err != nil || code != 0 {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if n.State != "scheduled" || n.Deliveries[0].DueAt == nil || !n.Deliveries[0].DueAt.Equal(at) {
		t.Errorf("state %s, %+v", n.State, n.Deliveries)
	}
	soon := time.Now().Add(300 * time.Millisecond).Format(time.RFC3339Nano)
	if code, out, stderr := pipe(t, "", "send", "--everyone", "--at", soon, "--wait", "--server", url, "x"); code != 0 || out != "delivered to 1 conversation\n" {
		t.Errorf("soon, and waited for: exit code %d, %q, %q", code, out, stderr)
	}
	past := time.Now().Add(-time.Hour).Format(time.RFC3339)
	if code, out, stderr := pipe(t, "", "send", "--everyone", "--at", past, "--server", url, "x"); code != 0 || out != "delivered to 1 conversation\n" {
		t.Errorf("in the past, which is now: exit code %d, %q, %q", code, out, stderr)
	}
}

func TestSendInANewConversation(t *testing.T) {
	t.Parallel()
	url := running(t)
	said := func(args ...string) api.Notification {
		t.Helper()
		code, out, stderr := pipe(t, "", append([]string{"send", "--json", "--server", url}, args...)...)
		var n api.Notification
		if err := json.Unmarshal([]byte(out), &n); err != nil || code != 0 || n.State != "delivered" {
			t.Fatalf("exit code %d, %q, %q", code, out, stderr)
		}
		return n
	}
	old, fresh := said("--user", "dl_ann", "x"), said("--user", "dl_ann", "--new", "x")
	if old.Deliveries[0].ActivityID == "" || strings.HasPrefix(fresh.Deliveries[0].ActivityID, old.Deliveries[0].Conversation) {
		t.Errorf("old %+v, new %+v", old.Deliveries, fresh.Deliveries)
	}
}

func TestToIsAPersonOrAConversation(t *testing.T) {
	t.Parallel()
	url := running(t)
	_, out, stderr := pipe(t, "", "send", "--to", "dl_ann", "--key", "p", "--json", "--server", url, "x")
	var n api.Notification
	if err := json.Unmarshal([]byte(out), &n); err != nil || n.To.User != "dl_ann" {
		t.Fatalf("%q, %q, %v", out, stderr, err)
	}
	conversation := n.Deliveries[0].Conversation
	for range 2 { // the same key, the same answer
		_, out, stderr = pipe(t, "", "send", "--to", conversation, "--key", "c", "--json", "--server", url, "x")
		var c api.Notification
		if err := json.Unmarshal([]byte(out), &c); err != nil || c.To.Conversation != conversation || c.State != "delivered" {
			t.Errorf("%q, %q, %v", out, stderr, err)
		}
	}
	if code, _, stderr := pipe(t, "", "send", "--to", "eve", "--server", url, "x"); code != 1 || !strings.Contains(stderr, "--to: nobody in the reference book has the id eve") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestSendAnActivity(t *testing.T) {
	t.Parallel()
	url := running(t)
	body := `{"type": "message", "text": "", "attachments": [{"contentType": "text/html", "content": "<b>x</b>"}]}`
	file := write(t, filepath.Join(t.TempDir(), "activity.json"), body)
	for name, args := range map[string][]string{"a file": {"--activity", file}, "the input": {"--activity", "-"}} {
		code, out, stderr := pipe(t, body, append([]string{"send", "--to", "dl_ann", "--json", "--server", url}, args...)...)
		if code != 0 || !strings.Contains(out, "text/html") || !strings.Contains(out, `"state": "delivered"`) {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, stderr)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	t.Parallel()
	url := running(t)
	if code, out, stderr := pipe(t, strings.Repeat("x", 65536)+"\r\n", "send", "--everyone", "--server", url); code != 0 || out != "delivered to 1 conversation\n" {
		t.Errorf("as long as can be: exit code %d, %q, %q", code, out, stderr)
	}
	large := `{"type":"message","value":"` + strings.Repeat("x", 1<<20) + `"}`
	if code, _, stderr := pipe(t, large, "send", "--everyone", "--activity", "-", "--server", url); code != 2 || !strings.Contains(stderr, "1048576") {
		t.Errorf("a large activity: exit code %d, %q", code, stderr)
	}
	medium := `{"type":"message","value":"` + strings.Repeat("x", 900<<10) + `"}`
	if code, _, stderr := pipe(t, medium, "send", "--everyone", "--activity", "-", "--server", url); code != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("one that only the server finds large: exit code %d, %q", code, stderr)
	}
}

func TestTheServersAddressMayBeInTheEnvironment(t *testing.T) {
	url := running(t)
	t.Setenv("HEADSUP_SERVER", url)
	if code, out, stderr := pipe(t, "", "send", "--everyone", "x"); code != 0 || out != "delivered to 1 conversation\n" {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr := pipe(t, "", "send", "--everyone", "--server", "http://127.0.0.1:1", "x"); code != 1 || !strings.Contains(stderr, "127.0.0.1:1;") {
		t.Errorf("the flag goes first: exit code %d, %q", code, stderr)
	}
}
