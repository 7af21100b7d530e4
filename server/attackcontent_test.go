package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/server"
)

// TestAttackHeavyActivities is B11 and B12 wherever activities come in: a channel's, a client's of the embedded channel, the API's.
func TestAttackHeavyActivities(t *testing.T) {
	t.Parallel()
	b := besiegeDirectLine(t)
	b.welcome("a:1", "1")
	_, token := request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/tokens/generate", `{"user":{"id":"dl_ann"}}`, "Authorization", "Bearer "+nodesSecret)
	client, conversation := between(t, token, `"token":"`, `"`), between(t, token, `"conversationId":"`, `"`)
	if resp, answer := request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/conversations", "", "Authorization", "Bearer "+client); resp.StatusCode != http.StatusCreated {
		t.Fatal(answer)
	}
	before := b.dump("directline_conversations")
	list := func(item string) string { return "[" + strings.Repeat(item+",", 9_999) + item + "]" }
	for name, member := range map[string]string{
		"B11 broken base64":                 `"attachments":[{"contentType":"image/png","contentUrl":"data:image/png;base64,%%%"}]`,
		"B11 no data":                       `"attachments":[{"contentType":"image/png","contentUrl":"data:image/png;base64"}]`,
		"B11 broken base64 of a thumbnail":  `"attachments":[{"contentType":"image/png","contentUrl":"https://example.com/x.png","thumbnailUrl":"data:image/png;base64,a"}]`,
		"B12 10,000 attachments":            `"attachments":` + list(`{"contentType":"x/y"}`),
		"B12 10,000 empty attachments":      `"attachments":` + list(`{}`),
		"B12 10,000 actions of a card":      `"attachments":[{"contentType":"application/vnd.microsoft.card.hero","content":{"buttons":` + list(`{}`) + `}}]`,
		"B12 10,000 suggested actions":      `"suggestedActions":{"actions":` + list(`{}`) + `}`,
		"B12 10,000 people to suggest them": `"suggestedActions":{"to":` + list(`"x"`) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			good := b.encode(b.message("a:1", name))
			for where, ask := range map[string]func() (*http.Response, string){
				"/api/messages": func() (*http.Response, string) {
					return b.ask(fakelogin.Bearer(b.forger.Good()), strings.Replace(good, "{", "{"+member+",", 1))
				},
				"Direct Line": func() (*http.Response, string) {
					return request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/conversations/"+conversation+"/activities",
						`{"type":"message","from":{"id":"dl_ann"},`+member+`}`, "Authorization", "Bearer "+client)
				},
				"API": func() (*http.Response, string) {
					return request(t, http.MethodPost, "http://"+b.listen+"/v1/notifications", `{"to":{"everyone":true},"activity":{"type":"message",`+member+`}}`,
						"Authorization", "Bearer "+b.key)
				},
			} {
				want := []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}
				if where == "API" { // which says which field is wrong
					want = append(want, http.StatusUnprocessableEntity)
				}
				if resp, answer := ask(); !slices.Contains(want, resp.StatusCode) || len(answer) > 1000 {
					t.Errorf("%s: %s %.300s", where, resp.Status, answer)
				}
			}
			b.unchanged(t, before, "directline_conversations")
		})
	}
	card := `{"to":{"everyone":true},"card":{"type":"AdaptiveCard","version":"1.5","actions":` + list(`{"type":"Action.Submit"}`) + `}}`
	if status, answer := b.api(b.key, http.MethodPost, "/v1/notifications", card); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
		t.Errorf("B12 10,000 actions of an Adaptive Card: %d %.300s", status, answer)
	}
	b.unchanged(t, before, "directline_conversations")
}

// wildcards are what SQL, LIKE, GLOB and regular expressions take for something else than text.
var wildcards = []string{
	"%", "_", "a%", "%a%", "_____", "*", "?", "[a-z]*", ".*", "^", `\`, `\%`, "'", `"`, "' OR '1'='1", `" OR ""="`, "') OR 1=1 --", "1; DROP TABLE conversations; --",
	"x' UNION SELECT value FROM settings --", "$1", "?1", ":x", "@x", "NULL", "0 OR 1=1", "/**/", "%25", "{}", "{1,2}", "E'\\x27'",
}

// TestAttackFilters is B13: no text in a filter, a cursor or an order means more than itself, over either store. There is
// something of everything, so that a pattern would find it.
func TestAttackFilters(t *testing.T) {
	t.Parallel()
	for store, database := range map[string]func() string{
		"SQLite": func() string { return "" }, "PostgreSQL": func() string { return pgtest.Shared(t).Database(t) },
	} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, server.Config{Database: database()})
			filled(t, s.URL())
			whole := counts(t, s.URL())
			for _, q := range queries(t, s.URL()) {
				for _, text := range wildcards {
					resp, answer := request(t, http.MethodGet, s.URL()+q.path+"?"+q.name+"="+url.QueryEscape(text), "")
					switch {
					case resp.StatusCode == http.StatusUnprocessableEntity || resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusNotFound:
					case resp.StatusCode != http.StatusOK || items(t, answer) != 0:
						t.Errorf("%s?%s=%s: %s %.300s", q.path, q.name, text, resp.Status, answer)
					}
				}
			}
			for _, text := range wildcards {
				quoted, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				for _, member := range []string{"user", "tag", "external_id", "conversation"} {
					resp, answer := request(t, http.MethodPost, s.URL()+"/v1/notifications", fmt.Sprintf(`{"to":{%q:%s},"text":"x"}`, member, quoted))
					if resp.StatusCode != http.StatusUnprocessableEntity {
						t.Errorf("to %s %s: %s %.300s", member, text, resp.Status, answer)
					}
				}
				segment := url.PathEscape(text)
				for _, path := range []string{"/v1/notifications/", "/v1/deliveries/", "/v1/conversations/", "/v1/schedules/", "/v1/webhooks/", "/v1/keys/"} {
					if resp, answer := request(t, http.MethodGet, s.URL()+path+segment, ""); resp.StatusCode == http.StatusOK || resp.StatusCode >= 500 {
						t.Errorf("%s%s: %s %.300s", path, text, resp.Status, answer)
					}
				}
			}
			if now := counts(t, s.URL()); now != whole {
				t.Errorf("there was %s, and is %s", whole, now)
			}
		})
	}
}

// filled makes something of everything that can be listed.
func filled(t *testing.T, url string) {
	t.Helper()
	for _, user := range []string{"dl_ann", "dl_a", "dl_abcde"} {
		p := page{t, url}.enter(user, "")
		p.say("hello")
		if r, answer := request(t, http.MethodPatch, url+"/v1/conversations/"+p.conversation, fmt.Sprintf(`{"tags":["abcde"],"external_id":%q}`, user)); r.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", r.Status, answer)
		}
	}
	for path, body := range map[string]string{
		"/v1/notifications": `{"to":{"everyone":true},"text":"x","topic":"abcde","in":"1h"}`,
		"/v1/schedules":     `{"name":"abcde","rule":{"in":"1h"},"notification":{"to":{"everyone":true},"text":"x","topic":"abcde"}}`,
		"/v1/webhooks":      `{"url":"http://127.0.0.1:1/","events":["notification.failed"]}`,
		"/v1/keys":          `{"name":"abcde"}`,
		"/v1/jobs":          `{"to":{"user":"dl_ann"},"name":"abcde"}`,
	} {
		if r, answer := request(t, http.MethodPost, url+path, body); r.StatusCode >= 300 {
			t.Fatalf("%s: %s %s", path, r.Status, answer)
		}
	}
}

// counts tells how much there is of everything.
func counts(t *testing.T, url string) string {
	t.Helper()
	var all []string
	for _, list := range []string{"notifications", "deliveries", "conversations", "schedules", "webhooks", "keys", "jobs"} {
		_, answer := request(t, http.MethodGet, url+"/v1/"+list+"?limit=100", "")
		all = append(all, fmt.Sprintf("%d %s", items(t, answer), list))
	}
	return strings.Join(all, ", ")
}

// items is how many there are on a page: the length of the only list in the answer.
func items(t *testing.T, answer string) int {
	t.Helper()
	var page map[string]any
	if err := json.Unmarshal([]byte(answer), &page); err != nil {
		t.Fatalf("%v: %.300s", err, answer)
	}
	for _, member := range page {
		if list, ok := member.([]any); ok {
			return len(list)
		}
	}
	return 0
}

// query is a parameter of an operation that takes text.
type query struct{ path, name string }

// queries reads the server's document.
func queries(t *testing.T, url string) (all []query) {
	t.Helper()
	_, text := request(t, http.MethodGet, url+"/openapi.json", "")
	var document struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name   string
					In     string
					Schema struct{ Type any }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &document, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		if strings.Contains(path, "{") || path == "/v1/events" { // which goes on for ever
			continue
		}
		for _, p := range methods.Get.Parameters {
			if p.In == "query" && p.Schema.Type != "integer" && p.Schema.Type != "boolean" {
				all = append(all, query{path, p.Name})
			}
		}
	}
	if len(all) < 25 {
		t.Fatalf("the document has only %v", all)
	}
	return all
}

// TestAttackOptOuts is P04, as far as people can opt out so far, by removing the bot: once that was acknowledged, a broadcast that
// was accepted before says nothing more there, whether it is under way or waits, and the next one does not know them.
func TestAttackOptOuts(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	const people = 20
	name := func(i int) activity.ConversationID { return activity.ConversationID(fmt.Sprintf("a:%d", i)) }
	for i := range people {
		b.welcome(name(i), fmt.Sprint("hello", i))
	}
	tell := func(body string) (id string, deliveries int) {
		var n struct {
			ID     string
			Counts map[string]int
		}
		status, answer := b.api(b.key, http.MethodPost, "/v1/notifications", body)
		if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusAccepted {
			t.Fatalf("%d %s %v", status, answer, err)
		}
		for _, of := range n.Counts {
			deliveries += of
		}
		return n.ID, deliveries
	}
	later, _ := tell(`{"to":{"everyone":true},"text":"later","in":"1h"}`)
	now, _ := tell(`{"to":{"everyone":true},"text":"now"}`)
	heard := func(i int) (n int) {
		for _, text := range b.azure.channel.Ledger().Conversation(string(name(i))).Texts() {
			if text == "now" || text == "later" { // and not the welcome
				n++
			}
		}
		return n
	}
	said := make([]int, people)
	var leaving sync.WaitGroup
	for i := range people / 2 {
		leaving.Go(func() {
			m := b.message(name(i), fmt.Sprint("bye", i))
			m.Type, m.Text, m.Action = activity.TypeInstallationUpdate, "", activity.UpdateRemove
			if resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(m)); resp.StatusCode/100 != 2 {
				t.Errorf("%s %s", resp.Status, answer)
			}
			said[i] = heard(i)
		})
	}
	leaving.Wait()
	if status, answer := b.api(b.key, http.MethodPost, "/v1/notifications/"+later+"/reschedule", `{"in":"0s"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	b.over(now)
	b.over(later)
	for i := range people {
		switch n := heard(i); {
		case i < people/2 && n != said[i]:
			t.Errorf("%s was told %d things after it was left", name(i), n-said[i])
		case i >= people/2 && n != 2:
			t.Errorf("%s was told %d things, want both", name(i), n)
		}
	}
	if _, n := tell(`{"to":{"everyone":true},"text":"the next"}`); n != people/2 {
		t.Errorf("the next broadcast goes to %d", n)
	}
}

// TestAttackLocations is O12: nothing in a request leads anybody elsewhere, or puts a header into an answer. There is no login to
// come back from; names of files are in TestUploadedFilesRunNothing.
func TestAttackLocations(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	for _, path := range []string{
		"//evil.example/", "//evil.example/%2e%2e", `/\evil.example`, "/%5cevil.example/", "/playground//evil.example", "/playground", "/docs/..//evil.example",
		"/x%0d%0aSet-Cookie:%20a=b", "/%0d%0a%0d%0a<script>", "/?to=//evil.example&next=https://evil.example", "/playground?next=https://evil.example",
		"/..//evil.example/%0d%0aX-Injected:%20y", "/v1//evil.example", "/v3/directline//evil.example/%0aX-Injected:y", "http://evil.example/", "/%2f%2fevil.example",
	} {
		for _, header := range []string{"", "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n", "Forwarded: host=evil.example\r\n", "Referer: https://evil.example/\r\n"} {
			resp, answer := b.wire("GET " + path + " HTTP/1.1\r\nHost: " + b.listen + "\r\n" + header + "Connection: close\r\n\r\n")
			to := resp.Header.Get("Location")
			home := to == "" || strings.HasPrefix(to, public+"/") || strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, `/\`)
			if !home || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("X-Injected") != "" || len(resp.Header.Values("Location")) > 1 {
				t.Errorf("%s with %q: %s %v %.100s", path, header, resp.Status, resp.Header, answer)
			}
		}
	}
}
