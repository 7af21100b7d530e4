package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/server"
)

// audited is a server with a channel that answers each conversation as its name says, and a key with all rights.
type audited struct {
	*node
	channel string // its URL
	id, key string // of the key
	seen    int64  // entries that were read
}

func newAudited(t *testing.T, cfg server.Config) *audited {
	t.Helper()
	var met atomic.Bool
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !met.Load():
			_, _ = io.WriteString(w, `{"id":"1"}`)
		case strings.Contains(r.URL.Path, "refuses"):
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(r.URL.Path, "breaks"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.Contains(r.URL.Path, "throttles"):
			w.Header().Set("Retry-After", "3000")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			_, _ = io.WriteString(w, `{"id":"1"}`)
		}
	}))
	t.Cleanup(channel.Close)
	a := &audited{node: startNode(t, cfg), channel: channel.URL}
	for _, conversation := range []string{"likes", "refuses", "breaks", "throttles", "leaves"} {
		resp, answer := a.call("", http.MethodPost, "/api/messages", fmt.Sprintf(`{"type":"message","id":"1","channelId":"test","serviceUrl":%q,
			"from":{"id":"person-%s","name":"Ada Canary"},"recipient":{"id":"b"},"conversation":{"id":%q},"text":"hi"}`, channel.URL, conversation, conversation))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", conversation, resp.Status, answer)
		}
	}
	met.Store(true)
	a.id, a.key = a.node.key(`{"name":"ops","scopes":["admin","broadcast","send"]}`)
	a.seen = a.newest().Number
	return a
}

func (a *audited) newest() api.AuditEntry {
	a.t.Helper()
	return a.entries("?limit=1")[0]
}

func (a *audited) entries(query string) []api.AuditEntry {
	a.t.Helper()
	resp, answer := a.call(a.admin, http.MethodGet, "/v1/audit"+query, "")
	var page api.AuditEntries
	if err := json.Unmarshal([]byte(answer), &page); err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s: %s %v", resp.Status, answer, err)
	}
	return page.Entries
}

// does makes a call that must succeed, and returns the answer's id.
func (a *audited) does(method, path, body string, header ...string) (id string) {
	a.t.Helper()
	resp, answer := a.call(a.key, method, path, body, header...)
	if resp.StatusCode >= http.StatusMultipleChoices {
		a.t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	var named struct {
		ID string `json:"id"`
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal([]byte(answer), &named); err != nil {
			a.t.Fatal(err)
		}
	}
	return named.ID
}

// sent says something to a conversation and returns the delivery's id once it is in a state.
func (a *audited) sent(conversation, state string) (delivery string) {
	a.t.Helper()
	id := a.does(http.MethodPost, "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"x","on_unknown":"hold"}`, conversation))
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var n api.Notification
		_, answer := a.call(a.key, http.MethodGet, "/v1/notifications/"+id, "")
		if err := json.Unmarshal([]byte(answer), &n); err != nil {
			a.t.Fatal(err)
		}
		if len(n.Deliveries) == 1 && n.Deliveries[0].State == state {
			return n.Deliveries[0].ID
		}
	}
	a.t.Fatalf("the delivery to %s does not become %s", conversation, state)
	return ""
}

// wrote fails the test unless exactly one entry was added, and returns it.
func (a *audited) wrote(what string) api.AuditEntry {
	a.t.Helper()
	e := a.newest()
	if e.Number != a.seen+1 {
		a.t.Errorf("%s: %d entries were added: %+v", what, e.Number-a.seen, a.entries("?limit=5"))
	}
	a.seen = e.Number
	return e
}

// TestEveryActOverTheAPIHasItsEntry goes through all operations that stand in the log.
func TestEveryActOverTheAPIHasItsEntry(t *testing.T) {
	t.Parallel()
	a := newAudited(t, server.Config{RequireKey: true})
	refused, broken := a.sent("refuses", "failed"), a.sent("breaks", "unknown")
	again, later := a.sent("refuses", "failed"), `{"in":"24h","to":{"conversation":"likes"},"text":"x"}`
	a.does(http.MethodPost, "/v1/notifications", `{"to":{"conversation":"throttles"},"text":"x"}`)
	pause := ""
	for deadline := time.Now().Add(time.Minute); pause == "" && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var p api.Pauses
		if _, answer := a.call(a.key, http.MethodGet, "/v1/pauses", ""); json.Unmarshal([]byte(answer), &p) == nil && len(p.Pauses) > 0 {
			pause = p.Pauses[0].ID
		}
	}
	schedule := func() string {
		return a.does(http.MethodPost, "/v1/schedules", `{"name":"s","rule":{"cron":"0 9 * * *"},"notification":{"to":{"conversation":"likes"},"text":"x"}}`)
	}
	hook := func() string {
		return a.does(http.MethodPost, "/v1/webhooks", `{"url":"https://hooks.example.com/SECRET-path?token=SECRET-query"}`)
	}
	notification := func() string { return a.does(http.MethodPost, "/v1/notifications", later) }
	var known api.People
	if _, answer := a.call(a.key, http.MethodGet, "/v1/people?limit=2", ""); json.Unmarshal([]byte(answer), &known) != nil || len(known.People) < 2 {
		t.Fatalf("the book has %s", answer)
	}
	people := []string{known.People[0].ID, known.People[1].ID}
	covered := make(map[string]bool)
	for _, c := range []struct {
		operation, method, path, body string
		object                        string // empty: the answer's id
		before                        func() string
		detail                        string
	}{
		{"create-key", "POST", "/v1/keys", `{"name":"SECRET-name","scopes":["read"]}`, "", nil, `{"scopes":["read"]}`},
		{"revoke-key", "DELETE", "/v1/keys/%", ``, "%", func() string { return a.does("POST", "/v1/keys", `{"name":"k"}`) }, ``},
		{"create-webhook", "POST", "/v1/webhooks", `{"url":"https://hooks.example.com/SECRET-path"}`, "", nil, `{"host":"hooks.example.com"}`},
		{"change-webhook", "PATCH", "/v1/webhooks/%", `{"enabled":false,"description":"SECRET"}`, "%", hook, `{"changed":["description","enabled"],"enabled":false}`},
		{"rotate-webhook-secret", "POST", "/v1/webhooks/%/rotate", `{}`, "%", hook, ``},
		{"replay-webhook", "POST", "/v1/webhooks/%/replay", `{"since":"2026-01-01T00:00:00Z"}`, "%", hook, `{"since":"2026-01-01T00:00:00Z"}`},
		{"delete-webhook", "DELETE", "/v1/webhooks/%", ``, "%", hook, ``},
		{"create-schedule", "POST", "/v1/schedules", `{"name":"SECRET","rule":{"cron":"0 9 * * *"},"notification":{"to":{"everyone":true},"text":"SECRET"}}`, "", nil, `{"to":"everyone"}`},
		{"change-schedule", "PATCH", "/v1/schedules/%", `{"name":"SECRET"}`, "%", schedule, `{"changed":["name"]}`},
		{"pause-schedule", "POST", "/v1/schedules/%/pause", ``, "%", schedule, ``},
		{"resume-schedule", "POST", "/v1/schedules/%/resume", ``, "%", func() string { id := schedule(); a.does("POST", "/v1/schedules/"+id+"/pause", ""); return id }, ``},
		{"put-template", "PUT", "/v1/templates/welcome", `{"default_language":"en","languages":{"en":{"text":"SECRET"}}}`, "welcome", nil, ``},
		{"delete-template", "DELETE", "/v1/templates/%", ``, "%", func() string {
			a.does("PUT", "/v1/templates/gone", `{"default_language":"en","languages":{"en":{"text":"SECRET"}}}`)
			return "gone"
		}, ``},
		{"delete-schedule", "DELETE", "/v1/schedules/%", ``, "%", schedule, ``},
		{"create-notification", "POST", "/v1/notifications", `{"to":{"everyone":true},"text":"SECRET"}`, "", nil, `{"to":"everyone"}`},
		{"create-notifications", "POST", "/v1/notifications/batch", `{"notifications":[{"to":{"conversation":"likes"},"text":"SECRET"},{"to":{"everyone":true},"text":"SECRET"}]}`, "ntf_", nil, `{"broadcasts":1,"notifications":2}`},
		{"cancel-notification", "POST", "/v1/notifications/%/cancel", ``, "%", notification, ``},
		{"recall-notification", "POST", "/v1/notifications/%/recall", ``, "%", notification, ``},
		{"edit-notification", "POST", "/v1/notifications/%/edit", `{"text":"SECRET"}`, "%", notification, ``},
		{"reschedule-notification", "POST", "/v1/notifications/%/reschedule", `{"in":"1h"}`, "%", notification, ``},
		{"replay-delivery", "POST", "/v1/deliveries/%/replay", ``, "%", func() string { return refused }, ``},
		{"settle-delivery", "POST", "/v1/deliveries/%/settle", `{"state":"failed"}`, "%", func() string { return broken }, `{"state":"failed"}`},
		{"replay-deliveries", "POST", "/v1/deliveries/replay", `{"state":"failed","conversation":"refuses"}`, "-", func() string { return again }, `{"conversation":"conversation:HASH","limit":1000,"state":"failed"}`},
		{"end-pause", "DELETE", "/v1/pauses/%", ``, "%", func() string { return pause }, `{"level":"conversation","reason":"throttled"}`},
		{"update-conversation", "PATCH", "/v1/conversations/likes", `{"tags":["SECRET"],"external_id":"SECRET"}`, "conversation:", nil, `{"changed":["external_id","tags"]}`},
		{"change-conversation-preferences", "PATCH", "/v1/conversations/leaves/preferences", `{"topics":{"SECRET":"off"},"opted_out":false}`, "conversation:", nil, `{"changed":["opted_out","topics"]}`},
		{"change-preferences", "PATCH", "/v1/preferences/%", `{"time_zone":"Europe/Berlin","cap":{"per_day":5}}`, "%", func() string { return people[0] }, `{"changed":["cap","time_zone"]}`},
		{"delete-conversation", "DELETE", "/v1/conversations/leaves", ``, "conversation:", nil, ``},
		{"export-person", "POST", "/v1/people/export", `{"user":"person-throttles"}`, "person:", nil, ``},
		{"erase-person", "POST", "/v1/people/erasures", `{"user":"person-throttles"}`, "person:", nil, ``},
		{"import-references", "POST", "/v1/references", fmt.Sprintf(`{"references":[{"reference":{"channelId":"test","serviceUrl":%q,"bot":{"id":"b"},"user":{"id":"SECRET-user"},"conversation":{"id":"SECRET"}}}]}`, a.channel), "-", nil, `{"references":1}`},
		{"refresh-auth", "POST", "/v1/auth/refresh", ``, "-", nil, ``},
		{"rotate-signing-key", "POST", "/v1/signing-keys/directline/rotate", `{}`, "-", nil, `{"at_once":false,"purpose":"directline"}`},
		{"merge-people", "POST", "/v1/people/%/merge", fmt.Sprintf(`{"with":[%q]}`, people[1]), "%", func() string { return people[0] }, `{"with":["PERSON"]}`},
		{"split-person", "POST", "/v1/people/%/split", `{}`, "%", func() string { return people[0] }, `{"with":[]}`},
		{"get-backup", "GET", "/v1/backup", ``, "-", nil, ``},
	} {
		id := ""
		if c.before != nil {
			id = c.before()
		}
		a.seen = a.newest().Number
		made := a.does(c.method, strings.ReplaceAll(c.path, "%", id), c.body, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		e := a.wrote(c.operation)
		covered[c.operation] = true
		want := strings.ReplaceAll(c.object, "%", id)
		ok := e.Object == want
		switch c.object {
		case "":
			ok = made != "" && e.Object == made
		case "-":
			ok = e.Object == ""
		case "ntf_", "conversation:", "person:":
			ok = strings.HasPrefix(e.Object, c.object)
		}
		if !ok {
			t.Errorf("%s: the object is %q, want %q or %q", c.operation, e.Object, want, made)
		}
		if got := regexp.MustCompile(`conversation:[0-9a-f]{24}`).ReplaceAllString(string(e.Detail), "conversation:HASH"); strings.ReplaceAll(got, people[1], "PERSON") != c.detail {
			t.Errorf("%s: the detail is %s, want %s", c.operation, got, c.detail)
		}
		if e.Action != string(httpapi.Acts()[c.operation]) || e.Actor != "key:"+a.id || e.From != "127.0.0.1" || e.Trace != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s: %+v", c.operation, e)
		}
	}
	covered["notify-group"] = true // in TestWholeGroupIsTold, which has a Microsoft Graph
	for operation := range httpapi.Acts() {
		if !covered[operation] {
			t.Errorf("%s is not tried here", operation)
		}
	}
	all := a.entries("?limit=500")
	if raw, err := json.Marshal(all); err != nil || strings.Contains(string(raw), "SECRET") || strings.Contains(string(raw), "Canary") || strings.Contains(string(raw), "person-") {
		t.Errorf("the log tells what was said, or of whom: %s, %v", raw, err)
	}
	if found := a.entries("?conversation=leaves"); len(found) != 2 || found[0].Action != string(audit.ConversationForget) ||
		found[1].Action != string(audit.PreferencesChange) {
		t.Errorf("found by the conversation's id: %+v", found)
	}
}

func TestWhatIsNoActHasNoEntry(t *testing.T) {
	t.Parallel()
	a := newAudited(t, server.Config{RequireKey: true})
	a.does("POST", "/v1/notifications", `{"to":{"everyone":true},"text":"x"}`, "Idempotency-Key", "k")
	a.wrote("broadcast")
	a.does("POST", "/v1/schedules", `{"name":"s","rule":{"cron":"0 9 * * *"},"notification":{"to":{"conversation":"likes"},"text":"x"}}`, "Idempotency-Key", "s")
	a.wrote("schedule")
	a.does("POST", "/v1/notifications/batch", `{"notifications":[{"to":{"everyone":true},"text":"x","idempotency_key":"b"}]}`)
	a.wrote("batch")
	for _, c := range []struct{ method, path, body, key string }{
		{"POST", "/v1/notifications", `{"to":{"everyone":true},"text":"x"}`, "k"}, // repetitions
		{"POST", "/v1/schedules", `{"name":"s","rule":{"cron":"0 9 * * *"},"notification":{"to":{"conversation":"likes"},"text":"x"}}`, "s"},
		{"POST", "/v1/notifications/batch", `{"notifications":[{"to":{"everyone":true},"text":"x","idempotency_key":"b"}]}`, ""},
		{"POST", "/v1/notifications", `{"to":{"everyone":true},"text":"other"}`, "k"}, // refused
		{"POST", "/v1/keys", `{"name":""}`, ""},
		{"DELETE", "/v1/keys/000000000000", ``, ""},
		{"DELETE", "/v1/webhooks/whk_0000000000001", ``, ""},
		{"DELETE", "/v1/conversations/nobody", ``, ""},
		{"POST", "/v1/notifications/ntf_0000000000001/cancel", ``, ""},
		{"POST", "/v1/notifications", `{"to":{"conversation":"likes"},"text":"x"}`, ""}, // to one
		{"PUT", "/v1/conversations/likes/busy", `{"reason":"x"}`, ""},
		{"POST", "/v1/schedule-preview", `{"rule":{"cron":"0 9 * * *"}}`, ""},
		{"HEAD", "/v1/backup", ``, ""},
		{"GET", "/v1/keys", ``, ""},
	} {
		var header []string
		if c.key != "" {
			header = []string{"Idempotency-Key", c.key}
		}
		if resp, answer := a.call(a.key, c.method, c.path, c.body, header...); resp.StatusCode >= 500 {
			t.Errorf("%s %s: %s %s", c.method, c.path, resp.Status, answer)
		}
		if e := a.newest(); e.Number != a.seen {
			t.Errorf("%s %s %s: %+v", c.method, c.path, c.body, e)
			a.seen = e.Number
		}
	}
	if resp, answer := a.call(a.key, "POST", "/api/notify", ``); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, answer)
	}
	if e := a.wrote("the notify endpoint"); e.Action != string(audit.BroadcastSend) || !strings.HasPrefix(e.Object, "ntf_") || e.Actor != "key:"+a.id {
		t.Errorf("the notify endpoint: %+v", e)
	}
}

// TestRefusalsAreInTheAuditLog, counted by reason and address, once the server stops.
func TestRefusalsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	n := startNode(t, server.Config{DataDir: dir, PublicURL: public, TrustedProxies: []string{"127.0.0.1"}})
	n.host = "bot.example.com"
	id, reader := n.key(`{"name":"reader","scopes":["send"]}`)
	slow, _ := n.key(`{"name":"slow","rate_per_minute":1,"scopes":["read"]}`)
	_ = slow
	for range 5 {
		n.call("hup_000000000000_0000000000000000000000000000000000000000", "GET", "/v1/keys", "", "X-Forwarded-For", "192.0.2.9")
		n.call("", "GET", "/v1/keys", "", "X-Forwarded-For", "192.0.2.9")
		n.call("", "POST", "/api/messages", aMessage, "X-Forwarded-For", "2001:db8::7")
	}
	n.call(reader, "GET", "/v1/keys", "")
	n.call(reader, "POST", "/v1/notifications", `{"to":{"everyone":true},"text":"x"}`)
	n.stop()

	again := startNode(t, server.Config{DataDir: dir, PublicURL: public})
	again.host = "bot.example.com"
	a := &audited{node: again}
	got := make(map[string]bool)
	for _, e := range a.entries("?action=refused.&limit=500") {
		var d struct {
			Reason string `json:"reason"`
			Count  int    `json:"count"`
			First  string `json:"first"`
			Last   string `json:"last"`
		}
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprintf("%s %s %s %s %d", e.Action, d.Reason, e.Actor, e.From, d.Count)] = true
	}
	for _, want := range []string{
		"refused.key wrong  192.0.2.9 5", "refused.key missing  192.0.2.9 5", "refused.token no_verifier  2001:db8::/64 5",
		"refused.scope admin key:" + id + " 127.0.0.1 1", "refused.scope broadcast key:" + id + " 127.0.0.1 1",
	} {
		if !got[want] {
			t.Errorf("%q is not in the log: %v", want, got)
		}
	}
	starts := a.entries("?action=server.")
	if len(starts) != 3 || starts[0].Action != "server.start" || starts[1].Action != "server.stop" {
		t.Errorf("starts and stops: %+v", starts)
	}
}

// TestWhatWasAnsweredIsInTheAuditLogAfterAKill: the real binary is killed in the middle of acts by many at once.
func TestWhatWasAnsweredIsInTheAuditLogAfterAKill(t *testing.T) {
	t.Parallel()
	p := build(t)
	p.start()
	var mu sync.Mutex
	answered := make(map[string]bool)
	for round := range 3 {
		var enough atomic.Int32
		var acting sync.WaitGroup
		dead := make(chan struct{})
		for range 8 {
			acting.Go(func() {
				for {
					select {
					case <-dead:
						return
					default:
					}
					id, ok := tryKey(p.listen)
					if !ok {
						return // killed
					}
					mu.Lock()
					answered[id] = true
					mu.Unlock()
					enough.Add(1)
				}
			})
		}
		for deadline := time.Now().Add(time.Minute); enough.Load() < 40 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
		p.kill()
		close(dead)
		acting.Wait()
		p.start()
		if enough.Load() < 40 {
			t.Fatalf("round %d: only %d were answered", round, enough.Load())
		}
	}
	logged := make(map[string]bool)
	cursor, last := "", audit.Mark{}
	v := audit.NewVerifier(last)
	for {
		var page api.AuditEntries
		status, body := p.call(http.MethodGet, "/v1/audit?order=oldest&limit=500"+cursor, "")
		if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		for _, e := range page.Entries {
			entry, err := audit.FromAPI(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Add(entry); err != nil {
				t.Fatal(err)
			}
			if e.Action == string(audit.KeyCreate) {
				logged[e.Object] = true
			}
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	for id := range answered {
		if !logged[id] {
			t.Errorf("key %s was answered, and is not in the log", id)
		}
	}
	kept := make(map[string]bool)
	for cursor := ""; ; {
		var page api.Keys
		_, body := p.call(http.MethodGet, "/v1/keys?limit=500"+cursor, "")
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Keys {
			kept[k.ID] = true
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if len(kept) != len(logged) {
		t.Errorf("%d keys were made, and %d are in the log", len(kept), len(logged))
	}
	for id := range logged {
		if !kept[id] {
			t.Errorf("key %s is in the log, and was not made", id)
		}
	}
}

// tryKey makes a key at a server that may be killed meanwhile.
func tryKey(address string) (id string, ok bool) {
	resp, err := http.Post("http://"+address+"/v1/keys", "application/json", strings.NewReader(`{"name":"k"}`))
	if err != nil {
		return "", false
	}
	defer func() { _ = resp.Body.Close() }()
	var made api.CreatedKey
	if err := json.UnmarshalRead(resp.Body, &made); err != nil || resp.StatusCode != http.StatusCreated {
		return "", false
	}
	return made.ID, true
}

// TestSecretsAreNotInTheAuditLog looks for them in everything that is on disk about it.
func TestSecretsAreNotInTheAuditLog(t *testing.T) {
	t.Parallel()
	const sealing = "CANARY-of-the-audit-key-0123456789"
	a := newAudited(t, server.Config{RequireKey: true, Audit: server.Audit{Key: sealing}})
	_, secret := a.node.key(`{"name":"k"}`)
	resp, body := a.call(a.key, "POST", "/v1/webhooks", `{"url":"https://hooks.example.com/x"}`)
	var hook api.CreatedWebhook
	if err := json.Unmarshal([]byte(body), &hook); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s", resp.Status, body)
	}
	a.call("hup_000000000000_0000000000000000000000000000000000000000", "GET", "/v1/keys", "")
	raw, err := json.Marshal(a.entries("?limit=500"))
	if err != nil {
		t.Fatal(err)
	}
	a.stop()
	file, err := os.ReadFile(filepath.Join(a.dir, "headsup.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, canary := range map[string]string{"the seal's key": sealing, "an API key": secret[len(secret)-40:], "the admin's": a.admin[len(a.admin)-40:]} {
		if strings.Contains(string(raw), canary) || strings.Contains(string(file), canary) {
			t.Errorf("%s is on disk", name)
		}
	}
	if strings.Contains(string(raw), hook.Secret) {
		t.Error("a webhook's secret is in the log")
	}
}
