package server_test

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// How an operation of the API answers a key that is bound to a tenant.
const (
	named  = "named"  // of what its path names: 404 for another tenant's
	listed = "listed" // 200, with what is the tenant's own
	aimed  = "aimed"  // of what its body names: nothing for another tenant's
	own    = "own"    // makes or follows what is the tenant's own; tried apart
	shared = "shared" // tells nothing of anybody
	shut   = "shut"   // 403
)

// boundTo says so of every operation, with a good body where it takes one: CONVERSATION and NOTIFICATION are another
// tenant's. An operation that is not here fails the test: decide what it is for keys that are bound to a tenant.
var boundTo = map[string]struct {
	how, body string
}{
	"list-notifications": {listed, ""}, "list-deliveries": {listed, ""}, "list-conversations": {listed, ""}, "list-jobs": {listed, ""},
	"list-people": {listed, ""}, "get-person": {named, ""}, "merge-people": {named, `{"with":["PERSON"]}`}, "split-person": {named, `{}`},
	"list-schedules": {listed, ""}, "list-templates": {listed, ""}, "list-webhooks": {listed, ""}, "list-pauses": {listed, ""},

	"get-notification": {named, ""}, "cancel-notification": {named, ""}, "recall-notification": {named, ""},
	"edit-notification": {named, `{"text":"edited"}`}, "reschedule-notification": {named, `{"in":"1h"}`},
	"get-delivery": {named, ""}, "replay-delivery": {named, ""}, "settle-delivery": {named, `{"state":"failed"}`},
	"get-conversation": {named, ""}, "update-conversation": {named, `{"add_tags":["x"]}`}, "delete-conversation": {named, ""},
	"get-transcript": {named, ""}, "note-roster": {named, ""}, "set-busy": {named, `{"reason":"x"}`}, "clear-busy": {named, ""},
	"get-job": {named, ""}, "report-job-progress": {named, `{"text":"x"}`}, "complete-job": {named, `{"text":"x"}`},
	"get-template": {named, ""}, "list-template-versions": {named, ""}, "delete-template": {named, ""},
	"get-schedule": {named, ""}, "change-schedule": {named, `{"name":"x"}`}, "delete-schedule": {named, ""},
	"pause-schedule": {named, ""}, "resume-schedule": {named, ""}, "next-occurrences": {named, ""}, "list-occurrences": {named, ""},
	"get-preferences": {named, ""}, "change-preferences": {named, `{"opted_out":true}`},
	"get-conversation-preferences": {named, ""}, "change-conversation-preferences": {named, `{"opted_out":true}`},
	"get-webhook": {named, ""}, "change-webhook": {named, `{"enabled":false}`}, "delete-webhook": {named, ""}, "test-webhook": {named, ""},
	"rotate-webhook-secret": {named, `{"keep":"1h"}`}, "list-webhook-deliveries": {named, ""},
	"replay-webhook": {named, `{"since":"2026-01-01T00:00:00Z"}`},
	"end-pause":      {named, ""},

	"create-notification":  {aimed, `{"to":{"conversation":"CONVERSATION"},"text":"x"}`},
	"create-notifications": {aimed, `{"notifications":[{"to":{"conversation":"CONVERSATION"},"text":"x"}]}`},
	"create-job":           {aimed, `{"to":{"conversation":"CONVERSATION"}}`},
	"replay-deliveries":    {aimed, `{"notification":"NOTIFICATION"}`},

	"notify-group": {own, ""}, "put-template": {own, ""}, "create-schedule": {own, ""}, "create-webhook": {own, ""}, "stream-events": {own, ""},

	"list-topics": {shared, ""}, "create-preview": {shared, `{"text":"x"}`}, "preview-schedule": {shared, `{"rule":{"cron":"@daily"}}`},

	"list-keys": {shut, ""}, "get-key": {shut, ""}, "create-key": {shut, `{"name":"x"}`}, "revoke-key": {shut, ""},
	"list-audit": {shut, ""}, "get-audit-head": {shut, ""}, "check-audit": {shut, ""}, "export-audit": {shut, ""}, "get-backup": {shut, ""},
	"find-person": {shut, `{}`}, "export-person": {shut, `{}`}, "erase-person": {shut, `{}`}, "get-erasure": {shut, ""},
	"list-signing-keys": {shut, ""}, "rotate-signing-key": {shut, `{}`}, "import-references": {shut, `{}`}, "refresh-auth": {shut, ""},
}

// narrows are the parameters of lists that may name something of another tenant's. All others are harmless.
// Nobody here is in a team, and a view of a tenant stays that, whatever else is asked for.
var narrows, harmless = []string{"conversation", "notification", "user", "external_id", "tag", "name", "topic", "cursor", "tenant"},
	strings.Fields("team limit kind channel reach state reason created_after created_before deliveries n zone cancel version")

// besiegedTenant is one of two in the binary's database, and has something of every kind.
type besiegedTenant struct {
	id, mark, key string
	ids           map[string]string // what it has, by the kind that paths begin with
}

// value is what a parameter has to be to name something of the tenant's.
func (a *besiegedTenant) value(parameter string) string {
	switch parameter {
	case "notification":
		return a.ids["notifications"]
	case "conversation":
		return a.ids["conversations"]
	case "user":
		return "29:" + a.mark
	case "tenant":
		return a.id
	}
	return parameter + "-" + a.mark
}

// tells is the word that an answer has of what is the tenant's; empty if there is none.
func (a *besiegedTenant) tells(answer string) string {
	for _, word := range append(slices.Collect(maps.Values(a.ids)), a.id, a.mark) {
		if len(word) > 3 && strings.Contains(answer, word) { // jobs have small numbers
			return word
		}
	}
	return ""
}

// say has a person of the tenant's say something.
func (b *besieged) say(a *besiegedTenant, conversation, id, text string) {
	b.t.Helper()
	resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(b.forger.Activity(func(m *activity.Activity) {
		m.ID, m.Text, m.ChannelData = activity.ID(id), text, []byte(`{"tenant":{"id":"`+a.id+`"}}`)
		m.Conversation = &activity.ConversationAccount{
			ID: activity.ConversationID(conversation), TenantID: activity.TenantID(a.id), ConversationType: activity.ConversationPersonal,
		}
		m.From, m.Recipient = &activity.ChannelAccount{ID: activity.AccountID("29:" + a.mark)}, &activity.ChannelAccount{ID: "28:bot"}
	})))
	if resp.StatusCode/100 != 2 {
		b.t.Fatalf("somebody of %s: %s %s", a.mark, resp.Status, answer)
	}
}

// made calls an operation that must be carried out, and returns a member of the answer.
func (b *besieged) made(key, method, path, body, member string) string {
	b.t.Helper()
	status, answer := b.api(key, method, path, body)
	if status/100 != 2 {
		b.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(answer), &members); err != nil {
		b.t.Fatalf("%s: %v", answer, err)
	}
	return fmt.Sprint(members[member])
}

// tenant makes something of every kind for a tenant, with a key that is bound to it.
func (b *besieged) tenant(id, mark string) *besiegedTenant {
	b.t.Helper()
	a := &besiegedTenant{id: id, mark: mark, ids: map[string]string{"conversations": "a:" + mark}}
	a.key = b.made(b.key, http.MethodPost, "/v1/keys", fmt.Sprintf(`{"name":"bound","scopes":["broadcast","manage"],"tenant":%q}`, id), "secret")
	for i, conversation := range []string{"a:" + mark, "a:slow-" + mark} {
		b.say(a, conversation, fmt.Sprint(mark, i), "hi")
	}
	post := func(path, body, member string) string {
		return b.made(a.key, http.MethodPost, path, strings.ReplaceAll(body, "MARK", mark), member)
	}
	b.made(a.key, http.MethodPatch, "/v1/conversations/"+url.PathEscape("a:"+mark),
		strings.ReplaceAll(`{"add_tags":["tag-MARK"],"external_id":"external_id-MARK"}`, "MARK", mark), "id")
	said := post("/v1/notifications", `{"to":{"conversation":"a:MARK"},"text":"said-MARK"}`, "id")
	if state, reason := b.over(said); state != "delivered" {
		b.t.Fatalf("%s is %s (%s)", said, state, reason)
	}
	var n struct{ Deliveries []struct{ ID string } }
	_, answer := b.api(a.key, http.MethodGet, "/v1/notifications/"+said, "")
	if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil || len(n.Deliveries) != 1 {
		b.t.Fatalf("%s %v", answer, err)
	}
	a.ids["deliveries"] = n.Deliveries[0].ID
	a.ids["notifications"] = post("/v1/notifications", `{"to":{"conversation":"a:MARK"},"text":"later-MARK","in":"48h","topic":"topic-MARK"}`, "id")
	a.ids["jobs"] = post("/v1/jobs", `{"to":{"conversation":"a:MARK"},"name":"job-MARK"}`, "number")
	a.ids["schedules"] = post("/v1/schedules", `{"name":"name-MARK","rule":{"in":"48h"},"notification":{"to":{"everyone":true},"text":"x"}}`, "id")
	a.ids["templates"] = b.made(a.key, http.MethodPut, "/v1/templates/template-"+mark, `{"default_language":"en","languages":{"en":{"text":"x"}}}`, "name")
	a.ids["webhooks"] = post("/v1/webhooks", `{"url":"https://hooks.example.com/MARK","events":["notification.expired"],"description":"MARK"}`, "id")
	post("/v1/notifications", `{"to":{"conversation":"a:slow-MARK"},"text":"slow"}`, "id") // the channel wants to be left alone there
	var pauses struct{ Pauses []struct{ ID string } }
	eventually(b.t, func() string { return fmt.Sprintf("%s has the pauses %+v", mark, pauses) }, func() bool {
		_, answer := b.api(a.key, http.MethodGet, "/v1/pauses", "")
		if err := json.Unmarshal([]byte(answer), &pauses, json.MatchCaseInsensitiveNames(true)); err != nil {
			b.t.Fatal(err)
		}
		return len(pauses.Pauses) == 1
	})
	a.ids["pauses"] = pauses.Pauses[0].ID
	var people struct{ People []struct{ ID string } }
	_, answer = b.api(a.key, http.MethodGet, "/v1/people", "")
	if err := json.Unmarshal([]byte(answer), &people, json.MatchCaseInsensitiveNames(true)); err != nil || len(people.People) != 1 {
		b.t.Fatalf("%s %v", answer, err)
	}
	a.ids["people"], a.ids["preferences"] = people.People[0].ID, people.People[0].ID
	return a
}

// described is an operation as the document has it.
type described struct {
	ID         string `json:"operationId"`
	Parameters []struct{ Name, In string }
	Security   []map[string][]string
}

func twoTenants(t *testing.T) (b *besieged, hers, theirs *besiegedTenant) {
	t.Helper()
	b = besiege(t, nil)
	slow := func(mark string) fakechannel.Rule {
		return fakechannel.Rule{Op: fakechannel.OpSend, Conversation: "a:slow-" + mark, Status: http.StatusTooManyRequests, RetryAfter: "3000"}
	}
	if err := b.azure.channel.SetRules(slow("HERS"), slow("THEIRS")); err != nil {
		t.Fatal(err)
	}
	return b, b.tenant("11111111-aaaa-4aaa-8aaa-111111111111", "HERS"), b.tenant("22222222-bbbb-4bbb-8bbb-222222222222", "THEIRS")
}

// TestAttackKeysOfTwoTenants is A08, T01 and T03 through the binary, on every operation of the reviewed document and in both
// directions: of another tenant's a bound key finds nothing, lists nothing and changes nothing.
func TestAttackKeysOfTwoTenants(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../internal/httpapi/testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]described
	}
	if err := json.Unmarshal(raw, &document, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	b, hers, theirs := twoTenants(t)
	if all := b.operations(); len(all) != len(boundTo) {
		t.Errorf("the binary has %d operations, the test knows %d", len(all), len(boundTo))
	}
	for _, who := range [][2]*besiegedTenant{{theirs, hers}, {hers, theirs}} {
		walked := 0
		for path, methods := range document.Paths {
			for method, op := range methods {
				walked++
				before := b.dump("api_keys")
				b.trespass(t, who[0], who[1], strings.ToUpper(method), path, op)
				if changes := before.changes(b.dump("api_keys")); len(changes) > 0 {
					t.Errorf("%s has changed the database: %s", op.ID, strings.Join(changes, "; "))
				}
			}
		}
		if walked != len(boundTo) {
			t.Errorf("%d operations were walked, the test knows %d", walked, len(boundTo))
		}
	}
	for _, who := range [][2]*besiegedTenant{{theirs, hers}, {hers, theirs}} { // nor is another tenant's person made one with one's own
		status, answer := b.api(who[0].key, http.MethodPost, "/v1/people/"+who[0].ids["people"]+"/merge", fmt.Sprintf(`{"with":[%q]}`, who[1].ids["people"]))
		if status != http.StatusNotFound {
			t.Errorf("two tenants' people are merged: %d %s", status, answer)
		}
	}
	for _, a := range []*besiegedTenant{hers, theirs} { // everything is there still, and its owner finds it
		for kind, id := range a.ids {
			if kind == "pauses" {
				continue // they have no page of their own
			}
			if status, answer := b.api(a.key, http.MethodGet, "/v1/"+kind+"/"+url.PathEscape(id), ""); status != http.StatusOK {
				t.Errorf("%s of %s: %d %s", kind, a.mark, status, answer)
			}
		}
	}
}

// trespass calls an operation with the key of one tenant about what is another's.
func (b *besieged) trespass(t *testing.T, who, of *besiegedTenant, method, path string, op described) {
	t.Helper()
	known, ok := boundTo[op.ID]
	if !ok {
		t.Errorf("%s is not known here: what is it for keys that are bound to a tenant?", op.ID)
		return
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	if begin, end := strings.Index(path, "{"), strings.Index(path, "}"); begin >= 0 {
		id := of.ids[kind]
		if id == "" && known.how == named {
			t.Errorf("%s: there is nothing of the kind %s", op.ID, kind)
		}
		path = path[:begin] + url.PathEscape(cmp.Or(id, "nobody")) + path[end+1:]
	}
	body := strings.NewReplacer("CONVERSATION", of.ids["conversations"], "NOTIFICATION", of.ids["notifications"],
		"PERSON", who.ids["people"]).Replace(known.body)
	ask := func(query string) (int, string) { return b.api(who.key, method, path+query, body) }
	switch known.how {
	case own:
	case listed:
		b.lists(t, who, of, path, op)
	case named:
		if status, answer := ask(""); status != http.StatusNotFound || of.tells(strings.ReplaceAll(answer, path, "")) != "" {
			t.Errorf("%s: %d %s", op.ID, status, answer)
		}
	case aimed:
		status, answer := ask("")
		good := status == http.StatusUnprocessableEntity || status == http.StatusMultiStatus && strings.Contains(answer, "no_target") ||
			op.ID == "replay-deliveries" && (status == http.StatusOK || status == http.StatusNotFound)
		if !good {
			t.Errorf("%s: %d %s", op.ID, status, answer)
		}
	case shared:
		if status, answer := ask(""); status != http.StatusOK || of.tells(answer) != "" {
			t.Errorf("%s: %d %s", op.ID, status, answer)
		}
	case shut:
		status, answer := ask("")
		if status != http.StatusForbidden || !strings.Contains(answer, "missing_scope") && !strings.Contains(answer, "tenant_bound") {
			t.Errorf("%s: %d %s", op.ID, status, answer)
		}
	}
}

// lists asks for a list, whole and narrowed to what is another's in every way that there is.
func (b *besieged) lists(t *testing.T, who, of *besiegedTenant, path string, op described) {
	t.Helper()
	status, answer := b.api(who.key, http.MethodGet, path, "")
	if status != http.StatusOK || of.tells(answer) != "" || who.tells(answer) == "" {
		t.Errorf("%s: %d %s", op.ID, status, answer)
	}
	for _, p := range op.Parameters {
		if p.In != "query" || slices.Contains(harmless, p.Name) {
			continue
		}
		if !slices.Contains(narrows, p.Name) {
			t.Errorf("%s: the parameter %s is not known here: can it name what is another tenant's?", op.ID, p.Name)
			continue
		}
		value := of.value(p.Name)
		if p.Name == "cursor" { // where a page of everything goes on
			var page struct {
				Next string `json:"next_cursor"`
			}
			_, answer := b.api(b.key, http.MethodGet, path+"?limit=1", "")
			if err := json.Unmarshal([]byte(answer), &page); err != nil {
				t.Fatal(err)
			}
			value = page.Next
		}
		narrowed := path + "?" + p.Name + "=" + url.QueryEscape(value)
		if status, answer := b.api(who.key, http.MethodGet, narrowed, ""); status != http.StatusOK || of.tells(answer) != "" {
			t.Errorf("%s: %d %s", narrowed, status, answer)
		}
		if status, answer := b.api(of.key, http.MethodGet, narrowed, ""); p.Name != "cursor" && (status != http.StatusOK || of.tells(answer) == "") {
			t.Errorf("%s, with its owner's key: %d %s", narrowed, status, answer)
		}
	}
}

// follow reads the stream of events with a key.
func (b *besieged) follow(t *testing.T, key string) (next func() string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.listen+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream: %s", resp.Status)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	watch := time.AfterFunc(time.Minute, func() { _ = resp.Body.Close() }) // a reader who is told nothing hangs
	t.Cleanup(func() { watch.Stop() })
	return func() string {
		var lines strings.Builder
		for in.Scan() {
			lines.WriteString(in.Text() + "\n")
			if in.Text() == "" {
				return lines.String()
			}
		}
		t.Fatalf("the stream has ended: %v", in.Err())
		return ""
	}
}

// TestAttackKeysOfTwoTenantsAreToldTheirOwn: what the keys of two tenants may follow, have told and schedule stays in their tenants.
func TestAttackKeysOfTwoTenantsAreToldTheirOwn(t *testing.T) {
	t.Parallel()
	b, hers, theirs := twoTenants(t)
	streams, hooks := make(map[*besiegedTenant]func() string), make(map[*besiegedTenant]string)
	for _, a := range []*besiegedTenant{hers, theirs} {
		streams[a] = b.follow(t, a.key)
		streams[a]() // where it begins
		hooks[a] = b.made(a.key, http.MethodPost, "/v1/webhooks", `{"url":"https://hooks.example.com/all"}`, "id")
	}
	told := make(map[*besiegedTenant]string)
	for _, who := range [][2]*besiegedTenant{{hers, theirs}, {theirs, hers}} {
		a, other := who[0], who[1]
		b.say(other, "a:"+other.mark, "others-"+other.mark, "of "+other.mark)
		b.say(a, "a:"+a.mark, "own-"+a.mark, "for "+a.mark)
		for !strings.Contains(told[a], "for "+a.mark) {
			told[a] += streams[a]()
		}
		if word := other.tells(told[a]); word != "" {
			t.Errorf("%s is told %q: %s", a.mark, word, told[a])
		}
	}
	for _, who := range [][2]*besiegedTenant{{hers, theirs}, {theirs, hers}} {
		a, other := who[0], who[1]
		text := "everyone of " + a.mark
		id := b.made(a.key, http.MethodPost, "/v1/schedules", fmt.Sprintf(`{"rule":{"in":"1s"},"notification":{"to":{"tag":"tag-%s"},"text":%q}}`, a.mark, text), "id")
		lost := b.made(a.key, http.MethodPost, "/v1/schedules", fmt.Sprintf(`{"rule":{"in":"1s"},"notification":{"to":{"conversation":"a:%s"},"text":%q}}`, other.mark, text), "id")
		all := b.made(a.key, http.MethodPost, "/v1/schedules", fmt.Sprintf(`{"rule":{"in":"1s"},"notification":{"to":{"everyone":true},"text":%q}}`, "all: "+text), "id")
		for schedule, want := range map[string]string{id: "fired", lost: "skipped", all: "fired"} {
			var page struct {
				Occurrences []struct{ State, Reason, Notification string }
			}
			eventually(t, func() string { return fmt.Sprintf("%s has had %+v", schedule, page) }, func() bool {
				_, answer := b.api(a.key, http.MethodGet, "/v1/schedules/"+schedule+"/occurrences", "")
				if err := json.Unmarshal([]byte(answer), &page, json.MatchCaseInsensitiveNames(true)); err != nil {
					t.Fatal(err)
				}
				return len(page.Occurrences) == 1
			})
			o := page.Occurrences[0]
			if o.State != want || want == "skipped" && o.Reason != "nobody" {
				t.Errorf("the schedule of %s: %+v, want %s", a.mark, o, want)
			}
			if want == "fired" {
				if status, _ := b.api(other.key, http.MethodGet, "/v1/notifications/"+o.Notification, ""); status != http.StatusNotFound {
					t.Errorf("what it told is found by %s: %d", other.mark, status)
				}
			}
		}
		b.azure.awaitsIn(t, "a:"+a.mark, text)
		b.azure.awaitsIn(t, "a:"+a.mark, "all: "+text)
		for _, said := range b.azure.channel.Ledger().Conversation("a:" + other.mark).Texts() {
			if strings.Contains(said, text) {
				t.Errorf("in the tenant %s it is said: %s", other.mark, said)
			}
		}
	}
	for a, hook := range hooks {
		var page struct {
			Deliveries []struct{ Event string }
		}
		eventually(t, func() string { return fmt.Sprintf("%s was posted %+v", hook, page) }, func() bool {
			_, answer := b.api(a.key, http.MethodGet, "/v1/webhooks/"+hook+"/deliveries", "")
			if err := json.Unmarshal([]byte(answer), &page, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatal(err)
			}
			return len(page.Deliveries) > 0
		})
		for _, p := range page.Deliveries {
			for !strings.Contains(told[a], p.Event) { // what is posted was, or will be, told by the stream too
				told[a] += streams[a]()
			}
		}
	}
	for _, who := range [][2]*besiegedTenant{{hers, theirs}, {theirs, hers}} {
		if word := who[1].tells(told[who[0]]); word != "" {
			t.Errorf("%s is told %q: %s", who[0].mark, word, told[who[0]])
		}
	}
}
