package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	caller "github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/server"
)

// scrape reads the metrics as lines: the value by name and labels.
func scrape(t *testing.T, s *server.Server) map[string]string {
	t.Helper()
	resp, body := request(t, http.MethodGet, s.AdminURL()+"/metrics", "")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	values := make(map[string]string)
	for line := range strings.Lines(body) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			values[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return values
}

// settled notifies and waits for the outcome.
func settled(t *testing.T, s *server.Server, body string) string {
	t.Helper()
	resp, answer := request(t, http.MethodPost, s.URL()+"/v1/notifications", body)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s", resp.Status, answer)
	}
	id := between(t, answer, `"id":"`, `"`)
	c, err := caller.New(caller.Config{BaseURL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := c.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return n.State
}

// hear has somebody say something in a conversation whose channel is at url.
func hear(t *testing.T, s *server.Server, url, conversation, text string, header ...string) {
	t.Helper()
	body := `{"type":"message","id":"` + text + `","channelId":"test","serviceUrl":"` + url + `","from":{"id":"u-` + conversation +
		`","name":"Probe Name"},"recipient":{"id":"bot"},"conversation":{"id":"` + conversation + `"},"text":"` + text + `"}`
	if resp, answer := request(t, http.MethodPost, s.URL()+"/api/messages", body, header...); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, answer)
	}
}

// TestMetricsCountWhatHappened scrapes a server after deliveries whose fate is known.
func TestMetricsCountWhatHappened(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"id":"1"}`))
	}))
	t.Cleanup(channel.Close)
	s, _ := start(t, server.Config{})
	hear(t, s, channel.URL, "c1", "1")
	hear(t, s, channel.URL, "c1", "1") // again: handled before
	hear(t, s, channel.URL, "c2", "2")
	for range 3 {
		if state := settled(t, s, `{"to":{"conversation":"c1"},"text":"x","lane":"urgent"}`); state != "delivered" {
			t.Fatalf("state %s", state)
		}
	}
	if state := settled(t, s, `{"to":{"everyone":true},"text":"x"}`); state != "delivered" {
		t.Fatalf("state %s", state)
	}
	refuse.Store(true)
	if state := settled(t, s, `{"to":{"conversation":"c2"},"text":"x","lane":"bulk"}`); state != "failed" {
		t.Fatalf("state %s", state)
	}
	_, later := request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"c1"},"text":"x","in":"1h"}`)
	_, _ = request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"c1"},"text":"x","in":"1h"}`)
	_, _ = request(t, http.MethodPost, s.URL()+"/v1/notifications/"+between(t, later, `"id":"`, `"`)+"/cancel", "")
	_, _ = request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"nobody"},"text":"x"}`)
	_, _ = request(t, http.MethodGet, s.URL()+"/v1/notifications/ntf_0000000000000", "")
	_, _ = request(t, http.MethodPost, s.URL()+"/api/messages", `{"type":"message","id":"9","channelId":"test","serviceUrl":"`+channel.URL+
		`","from":{"id":"u"},"recipient":{"id":"b"},"conversation":{"id":"c"}}`, "Authorization", "Basic x")
	_, _ = request(t, "BREW", s.URL()+"/healthz", "")
	_, _ = request(t, http.MethodGet, s.URL()+"/healthz", "", "Host", "evil.example")

	_, _ = request(t, http.MethodPost, s.URL()+"/v1/schedules", `{"rule":{"in":"1ms"},"notification":{"to":{"conversation":"nobody"},"text":"x"}}`)
	const occurred = `headsup_schedule_occurrences_total{reason="nobody",result="skipped"}`
	for end := time.Now().Add(time.Minute); scrape(t, s)[occurred] == "" && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}

	got := scrape(t, s)
	for series, want := range map[string]string{
		`headsup_notifications_accepted_total{lane="urgent"}`:                                   "3",
		`headsup_notifications_accepted_total{lane="normal"}`:                                   "3",
		`headsup_notifications_accepted_total{lane="bulk"}`:                                     "1",
		`headsup_deliveries_accepted_total{lane="normal"}`:                                      "4",
		`headsup_deliveries_ended_total{reason="none",state="delivered"}`:                       "5",
		`headsup_deliveries_ended_total{reason="forbidden",state="failed"}`:                     "1",
		`headsup_deliveries_ended_total{reason="none",state="cancelled"}`:                       "1",
		`headsup_deliveries{state="delivered"}`:                                                 "5",
		`headsup_deliveries{state="failed"}`:                                                    "1",
		`headsup_deliveries{state="scheduled"}`:                                                 "1",
		`headsup_deliveries{state="ready"}`:                                                     "0",
		occurred:                                                                                "1",
		`headsup_disk_short`:                                                                    "0",
		`headsup_queue_oldest_seconds`:                                                          "0",
		`headsup_delivery_lateness_seconds_count{lane="urgent"}`:                                "3",
		`headsup_delivery_lateness_seconds_count{lane="normal"}`:                                "2",
		`headsup_delivery_lateness_seconds_count{lane="bulk"}`:                                  "0",
		`headsup_attempts_total{channel="test",verdict="delivered"}`:                            "5",
		`headsup_attempts_total{channel="test",verdict="permanent"}`:                            "1",
		`headsup_attempt_duration_seconds_count{channel="test"}`:                                "6",
		`headsup_turns_total{kind="inbound",outcome="done"}`:                                    "2",
		`headsup_turns_total{kind="inbound",outcome="repeated"}`:                                "1",
		`headsup_turn_duration_seconds_count{kind="inbound"}`:                                   "3",
		`headsup_auth_refusals_total{reason="not_a_bearer_token"}`:                              "1",
		`headsup_http_requests_total{method="POST",route="/v1/notifications",status="202"}`:     "7",
		`headsup_http_requests_total{method="POST",route="/v1/notifications",status="422"}`:     "1",
		`headsup_http_requests_total{method="POST",route="/api/messages",status="200"}`:         "3",
		`headsup_http_requests_total{method="POST",route="/api/messages",status="401"}`:         "1",
		`headsup_http_requests_total{method="GET",route="/v1/notifications/{id}",status="404"}`: "1",
		`headsup_http_requests_total{method="other",route="/",status="405"}`:                    "1",
		`headsup_http_requests_total{method="GET",route="none",status="403"}`:                   "1",
		`headsup_directline_sockets`:                                                            "0",
		`headsup_directline_conversations`:                                                      "0",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %s", series, got[series], want)
		}
	}
	for _, series := range []string{"headsup_store_commit_duration_seconds_count", "headsup_store_commit_operations_count", "process_open_fds", "go_goroutines"} {
		if got[series] == "" || got[series] == "0" {
			t.Errorf("%s is %q", series, got[series])
		}
	}
	documented(t, got)
}

// documented holds the series that were scraped, and the page that describes them, to each other.
func documented(t *testing.T, series map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string][]string)
	label := regexp.MustCompile("`([a-z_]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `(headsup_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		var labels []string
		for _, l := range label.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, l[1])
		}
		name := row[1]
		if row[2] == "histogram" {
			name += "_count"
		}
		described[name] = labels
	}
	exist := make(map[string]bool)
	names := regexp.MustCompile(`([a-z_]+)="`)
	for s := range series {
		name, labels, _ := strings.Cut(s, "{")
		if !strings.HasPrefix(name, "headsup_") || strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") {
			continue
		}
		exist[name] = true
		want, ok := described[name]
		if !ok {
			t.Errorf("docs/observability.md does not describe %s", name)
			continue
		}
		got := names.FindAllStringSubmatch(labels, -1)
		if len(got) != len(want) {
			t.Errorf("%s has the labels %s, the page says %v", name, labels, want)
		}
		for _, l := range want {
			if !strings.Contains(labels, l+`="`) {
				t.Errorf("%s has no label %s", name, l)
			}
		}
	}
	for name := range described {
		if !strings.HasPrefix(name, "headsup_database_") && !exist[name] {
			t.Errorf("docs/observability.md describes %s, which there is not", name)
		}
	}
}

// TestNothingThatIsSentBecomesALabel sends rubbish where words are expected.
func TestNothingThatIsSentBecomesALabel(t *testing.T) {
	t.Parallel()
	s, _ := start(t, server.Config{})
	const probe = "zzprobe"
	_, _ = request(t, strings.ToUpper(probe), s.URL()+"/"+probe, "")
	_, _ = request(t, http.MethodGet, s.URL()+"/v1/notifications/"+probe, "")
	_, _ = request(t, http.MethodGet, s.URL()+"/v1/"+probe, "")
	_, _ = request(t, http.MethodGet, s.URL()+"/v3/directline/"+probe, "")
	_, _ = request(t, http.MethodGet, s.URL()+"/v3/conversations/"+probe+"/activities", "")
	_, _ = request(t, http.MethodPost, s.URL()+"/api/messages", `{"type":"`+probe+`","id":"9","channelId":"`+probe+`","serviceUrl":"http://127.0.0.1:1/`+
		probe+`","from":{"id":"`+probe+`"},"recipient":{"id":"b"},"conversation":{"id":"`+probe+`"}}`)
	_, _ = request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"`+probe+`"},"text":"`+probe+`","topic":"`+probe+`"}`)
	_, _ = request(t, http.MethodPost, s.URL()+"/api/messages", "{}", "Authorization", probe)
	deadline := time.Now().Add(time.Minute)
	for scrape(t, s)[`headsup_attempts_total{channel="other",verdict="transient"}`] == "" {
		if time.Now().After(deadline) {
			t.Fatal("the attempt is not counted")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for series := range scrape(t, s) {
		if strings.Contains(strings.ToLower(series), probe) {
			t.Error(series)
		}
	}
}

func TestSocketsAreCounted(t *testing.T) {
	t.Parallel()
	s, _ := start(t, server.Config{})
	_, token := request(t, http.MethodPost, s.URL()+"/playground/api/token", `{"user":{"id":"dl_ann"}}`)
	_, started := request(t, http.MethodPost, s.URL()+"/v3/directline/conversations", "{}", "Authorization", "Bearer "+between(t, token, `"token":"`, `"`))
	socket, _, err := websocket.Dial(t.Context(), between(t, started, `"streamUrl":"`, `"`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := scrape(t, s); got["headsup_directline_sockets"] != "1" || got["headsup_directline_conversations"] != "1" {
		t.Errorf("%s sockets, %s conversations", got["headsup_directline_sockets"], got["headsup_directline_conversations"])
	}
	_ = socket.Close(websocket.StatusNormalClosure, "")
	const ended = `headsup_http_requests_total{method="GET",route="/v3/directline/conversations/{id}/stream",status="101"}`
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got := scrape(t, s)
		if got["headsup_directline_sockets"] == "0" && got[ended] == "1" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v", got)
		}
	}
}
