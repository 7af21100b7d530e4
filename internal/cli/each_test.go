package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// inbox is a server that accepts what it is sent, a batch or one at a time, once for each key. It refuses whoever is
// called nobody, and breaks off after so many calls if fail is set.
type inbox struct {
	mu    sync.Mutex
	calls []int // how many notifications each brought
	items []api.BatchItem
	keys  map[string]bool
	fail  int // the call that is answered with 403; 0 for none
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	var batch api.BatchRequest
	single := !strings.HasSuffix(r.URL.Path, "/batch")
	if single {
		batch.Notifications = make([]api.BatchItem, 1)
		_ = json.Unmarshal(raw, &batch.Notifications[0].NotificationRequest)
		batch.Notifications[0].IdempotencyKey = r.Header.Get("Idempotency-Key")
	} else if err := json.Unmarshal(raw, &batch); err != nil {
		panic(err)
	}
	b.calls = append(b.calls, len(batch.Notifications))
	if len(b.calls) == b.fail {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"forbidden","detail":"no more"}`)
		return
	}
	var result api.BatchResult
	for i, n := range batch.Notifications {
		if n.To.User == "nobody" {
			field := api.ProblemField{Field: fmt.Sprintf("body.notifications[%d].to.user", i), Message: "is nobody"}
			result.Results = append(result.Results, api.BatchItemResult{
				Problem: &api.Problem{Code: api.CodeInvalidField, Detail: "d", Errors: []api.ProblemField{field}},
			})
			continue
		}
		if !b.keys[n.IdempotencyKey] {
			b.keys[n.IdempotencyKey] = true
			b.items = append(b.items, n)
		}
		result.Results = append(result.Results, api.BatchItemResult{ID: "ntf_" + n.IdempotencyKey, State: "ready"})
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case single && result.Results[0].Problem != nil:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.MarshalWrite(w, result.Results[0].Problem)
	case single:
		_ = json.MarshalWrite(w, api.Notification{ID: result.Results[0].ID, State: "ready"})
	default:
		_ = json.MarshalWrite(w, result)
	}
}

func receiving(t *testing.T) (*inbox, string) {
	t.Helper()
	b := &inbox{keys: make(map[string]bool)}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	return b, srv.URL
}

func TestEachLineIsANotification(t *testing.T) {
	t.Parallel()
	b, url := receiving(t)
	file := write(t, filepath.Join(t.TempDir(), "people.ndjson"), "\ufeffdl_ann\r\n\n"+
		`{"to": {"conversation": "c"}, "text": "your own", "lane": "urgent", "idempotency_key": "mine"}`+"\n  dl_bob  \n"+
		`{"to": {"external_id": "4711"}, "markdown": "**yours**", "in": "1h", "topic": "other"}`)
	code, out, stderr := pipe(t, "", "send", "--server", url, "--each", file, "--key", "k", "--topic", "news", "--in", "5m", "for all")
	if code != 0 || out != "accepted 4 notifications\n" || stderr != "" {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	want := []api.BatchItem{
		{NotificationRequest: api.NotificationRequest{To: api.Target{User: "dl_ann"}, Text: "for all", In: "5m0s", Topic: "news", Lane: "normal"}, IdempotencyKey: "k:1"},
		{NotificationRequest: api.NotificationRequest{To: api.Target{Conversation: "c"}, Text: "your own", In: "5m0s", Topic: "news", Lane: "urgent"}, IdempotencyKey: "mine"},
		{NotificationRequest: api.NotificationRequest{To: api.Target{User: "dl_bob"}, Text: "for all", In: "5m0s", Topic: "news", Lane: "normal"}, IdempotencyKey: "k:4"},
		{NotificationRequest: api.NotificationRequest{To: api.Target{ExternalID: "4711"}, Markdown: "**yours**", In: "1h", Topic: "other", Lane: "normal"}, IdempotencyKey: "k:5"},
	}
	got, _ := json.Marshal(b.items)
	if expected, _ := json.Marshal(want); string(got) != string(expected) {
		t.Errorf("sent\n%s\nwant\n%s", got, expected)
	}
	if !slices.Equal(b.calls, []int{4}) {
		t.Errorf("calls with %v notifications", b.calls)
	}
}

func TestManyLinesGoInBatchesAndGoOnAfterABreak(t *testing.T) {
	t.Parallel()
	b, url := receiving(t)
	b.fail = 2
	var people strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&people, "p%d\n", i)
	}
	code, _, stderr := pipe(t, people.String(), "send", "--server", url, "--each", "-", "hello")
	if code != 1 || !strings.Contains(stderr, "after line 1000") || !strings.Contains(stderr, "1000 accepted") {
		t.Fatalf("exit code %d, %q", code, stderr)
	}
	_, rest, _ := strings.Cut(stderr, "--key ")
	key, _, _ := strings.Cut(rest, " ")
	code, out, stderr := pipe(t, people.String(), "send", "--server", url, "--each", "-", "--key", key, "hello")
	if code != 0 || out != "accepted 2500 notifications\n" {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if !slices.Equal(b.calls, []int{1000, 1000, 1000, 1000, 500}) || len(b.items) != 2500 {
		t.Errorf("calls with %v notifications, %d said", b.calls, len(b.items))
	}
}

func TestLargeOnesAndThoseForManyGoByThemselves(t *testing.T) {
	t.Parallel()
	b, url := receiving(t)
	long := strings.Repeat("x", 60<<10)
	lines := strings.Repeat(`{"to": {"user": "u"}, "text": "`+long+`"}`+"\n", 200) + `{"to": {"everyone": true}, "text": "x"}` + "\nu\n"
	code, out, stderr := pipe(t, lines, "send", "--server", url, "--each", "-", "--", "text")
	if code != 0 || out != "accepted 202 notifications\n" {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if len(b.calls) != 4 || b.calls[2] != 1 || b.calls[3] != 1 || b.calls[0]*len(long) > 8<<20 {
		t.Errorf("calls with %v notifications", b.calls)
	}
}

func TestWhatIsRefusedIsToldByItsLine(t *testing.T) {
	t.Parallel()
	_, url := receiving(t)
	code, out, stderr := pipe(t, "a\nnobody\nb\n", "send", "--server", url, "--each", "-", "x")
	want := "headsup: line 2: to.user: is nobody\nheadsup: accepted 2 of 3 notifications, 1 refused\n"
	if code != 1 || out != "" || stderr != want {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	code, out, _ = pipe(t, "a\nnobody\nb\n", "send", "--server", url, "--each", "-", "--key", "k", "--json", "x")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(lines) != 3 || lines[0] != `{"line":1,"id":"ntf_k:1","state":"ready"}` || !strings.HasPrefix(lines[1], `{"line":2,"problem":{`) {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestMistakesInAFileAreToldBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		lines, says string
		args        []string
	}{
		"not JSON":       {"a\n{\"to\"\n", "line 2", []string{"x"}},
		"unknown member": {"a\n\n{\"to\": {\"user\": \"u\"}, \"txt\": \"x\"}\n", "line 3", []string{"x"}},
		"says nothing":   {"{\"to\": {\"user\": \"u\"}, \"text\": \"x\"}\na\n", "line 2: nothing to say", nil},
		"a long line":    {"a\n" + strings.Repeat("x", 1<<20+1) + "\n", "line 2: is longer", []string{"x"}},
		"and wait":       {"a\n", "--wait", []string{"x", "--wait"}},
		"and everyone":   {"a\n", "--each", []string{"x", "--everyone"}},
	} {
		b, url := receiving(t)
		file := write(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), c.lines)
		code, out, stderr := pipe(t, "", append([]string{"send", "--server", url, "--each", file}, c.args...)...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 || len(b.calls) > 0 {
			t.Errorf("%s: exit code %d, %q, %q, %d calls", name, code, out, stderr, len(b.calls))
		}
	}
	if code, _, stderr := pipe(t, "a\n", "send", "--each", "-", "-"); code != 2 || !strings.Contains(stderr, "standard input cannot be both") {
		t.Errorf("two inputs: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := pipe(t, "", "send", "--each", filepath.Join(dir, "none"), "x"); code != 2 || !strings.Contains(stderr, "none") {
		t.Errorf("no file: exit code %d, %q", code, stderr)
	}
	b, url := receiving(t)
	code, _, stderr := pipe(t, "a\n{\n", "send", "--server", url, "--each", "-", "x")
	if code != 1 || !strings.Contains(stderr, "after line 1: line 2: ") || len(b.items) != 1 {
		t.Errorf("a mistake in the input: exit code %d, %q, %d sent", code, stderr, len(b.items))
	}
}

// TestEachLineMaySayATemplate, or have it from the flags, with other ways.
func TestEachLineMaySayATemplate(t *testing.T) {
	t.Parallel()
	url := running(t)
	template := filepath.Join(t.TempDir(), "t.json")
	if err := os.WriteFile(template, []byte(`{"parameters":[{"name":"n","type":"number"}],"languages":{"en":{"text":"Number ${data.n}."}},"default_language":"en"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	called(t, url, "templates", "put", "number", template)
	values := filepath.Join(t.TempDir(), "v.json")
	if err := os.WriteFile(values, []byte(`{"n":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := `{"to":{"user":"dl_ann"}}` + "\n" + `{"to":{"user":"dl_ann"},"template":{"name":"number","data":{"n":8}}}` + "\n"
	code, out, stderr := pipe(t, lines, "send", "--server", url, "--each", "-", "--template", "number", "--values", values,
		"--fallback", "email after 5m unless read", "--fallback", "boss", "--json")
	if code != 0 || strings.Count(out, "\n") != 2 || strings.Contains(out, `"error"`) {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
}

// TestEachLineReachesARealServer: what the inbox above takes is what the API takes.
func TestEachLineReachesARealServer(t *testing.T) {
	t.Parallel()
	url := running(t)
	lines := "dl_ann\n" + `{"to": {"everyone": true}, "markdown": "**all**"}` + "\neve\n" + `{"to": {"user": "dl_ann"}, "text": "own", "in": "1h"}` + "\n"
	for range 2 { // the second time under the same keys
		code, out, stderr := pipe(t, lines, "send", "--server", url, "--each", "-", "--key", "k", "--topic", "each", "hello")
		if code != 1 || out != "" || !strings.Contains(stderr, "headsup: line 3: ") || !strings.Contains(stderr, "accepted 3 of 4 notifications, 1 refused") {
			t.Errorf("exit code %d, %q, %q", code, out, stderr)
		}
	}
	if out := called(t, url, "notifications", "list", "--topic", "each"); strings.Count(out, "\n") != 4 {
		t.Errorf("listed as\n%s", out)
	}
}
