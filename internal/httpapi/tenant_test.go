package httpapi_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// tenanted is the API over a database of two tenants, in each of which every kind of object exists. No engine runs, so
// that nothing moves by itself.
type tenanted struct {
	*guarded
	bound map[string]string // keys with every scope but admin, by their tenant; of none for ""
	hers  string            // a notification of hers
	said  string            // its delivery
	job   int               // and a job
	of    map[string]string // what is hers, by the kind that paths begin with
}

const (
	hers   = "tenant-hers"
	theirs = "tenant-theirs"
)

func newTenanted(t *testing.T) *tenanted {
	t.Helper()
	store := memory.New()
	f := fixture{mux: http.NewServeMux(), channel: &bottest.Recorder{}, store: store}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: f.channel})
	must(err)
	f.hooks, err = webhook.New(webhook.Config{AppID: "app", Store: store, Private: true})
	must(err)
	f.limits, err = pace.New(pace.Config{})
	must(err)
	f.keys, err = access.New(access.Config{AppID: "app", Store: store})
	must(err)
	log, err := audit.New(audit.Config{AppID: "app", Store: store, People: make([]byte, 32)})
	must(err)
	closed := make(chan struct{})
	close(closed)
	httpapi.Register(f.mux, httpapi.Config{
		Engine: f.engine, Keys: f.keys, Transcripts: transcripts{}, Webhooks: f.hooks, Closing: closed, Limits: f.limits, Audit: log,
		Version: "test",
	})
	d := &tenanted{guarded: &guarded{fixture: f, scoped: make(map[access.Scope]string)}, bound: make(map[string]string)}
	local := access.Identity{Kind: access.KindLocal, Scopes: access.ScopesOf(access.Admin)}
	for _, tenant := range []string{"", hers, theirs} {
		_, secret, err := f.keys.Create(t.Context(), local, access.NewKey{
			Name: "of " + tenant, Tenant: tenant, Scopes: access.ScopesOf(access.Broadcast, access.Manage),
		})
		must(err)
		d.bound[tenant] = secret.Reveal()
	}
	_, secret, err := f.keys.Create(t.Context(), local, access.NewKey{Name: "admin", Scopes: access.ScopesOf(access.Admin)})
	must(err)
	d.scoped[access.Admin] = secret.Reveal()
	for tenant, conversation := range map[string]string{hers: "line", theirs: "elsewhere"} {
		d.meet(t, tenant, conversation)
		said := decode[api.Notification](t, d.does(t, d.bound[tenant], "POST", "/v1/notifications",
			`{"to":{"conversation":"`+conversation+`"},"text":"for `+tenant+`"}`, http.StatusAccepted))
		job := decode[api.Job](t, d.does(t, d.bound[tenant], "POST", "/v1/jobs",
			`{"to":{"conversation":"`+conversation+`"},"name":"for `+tenant+`"}`, http.StatusCreated))
		schedule := decode[api.Schedule](t, d.does(t, d.bound[tenant], "POST", "/v1/schedules",
			`{"name":"for `+tenant+`","rule":{"cron":"@daily"},"notification":{"to":{"everyone":true},"text":"x"}}`, http.StatusCreated))
		hook := decode[api.CreatedWebhook](t, d.does(t, d.bound[tenant], "POST", "/v1/webhooks",
			`{"url":"http://127.0.0.1:9/`+tenant+`"}`, http.StatusCreated))
		template := decode[api.Template](t, d.does(t, d.bound[tenant], "PUT", "/v1/templates/of-"+tenant,
			`{"default_language":"en","languages":{"en":{"text":"x"}}}`, http.StatusCreated))
		if template.Tenant != tenant {
			t.Errorf("the template of %s is of %s", tenant, template.Tenant)
		}
		if schedule.Tenant != tenant || hook.Tenant != tenant {
			t.Errorf("what is made with the key of %s is of %s and %s", tenant, schedule.Tenant, hook.Tenant)
		}
		route := pace.Route{App: "app", Channel: "kept", Tenant: tenant, Host: "c.example.net"}
		f.limits.Pause(route.OfTenant(), time.Now().Add(time.Hour), pace.ReasonThrottled)
		f.limits.Pause(route.OfConversation(conversation), time.Now().Add(time.Hour), pace.ReasonThrottled)
		f.limits.Pause(route.OfHost(), time.Now().Add(time.Hour), pace.ReasonUnreachable)
		pauses := decode[api.Pauses](t, d.does(t, d.bound[tenant], "GET", "/v1/pauses", "", http.StatusOK))
		if pauses.Total != 2 || len(pauses.Pauses) != 2 || pauses.Pauses[0].Tenant != tenant || pauses.Pauses[1].Conversation != conversation {
			t.Errorf("the pauses of %s are %+v", tenant, pauses)
		}
		people := decode[api.People](t, d.does(t, d.bound[tenant], "GET", "/v1/people", "", http.StatusOK))
		if len(people.People) != 1 || people.People[0].Tenant != tenant {
			t.Errorf("the people of %s are %+v", tenant, people)
		}
		if tenant == hers {
			d.hers, d.said, d.job = said.ID, said.Deliveries[0].ID, int(job.Number)
			d.of = map[string]string{
				"notifications": said.ID, "deliveries": d.said, "conversations": conversation, "jobs": strconv.Itoa(d.job),
				"schedules": schedule.ID, "webhooks": hook.ID, "pauses": pauses.Pauses[0].ID, "people": people.People[0].ID, "preferences": people.People[0].ID,
				"templates": template.Name,
			}
		}
	}
	d.does(t, d.scoped[access.Admin], "POST", "/v1/notifications", `{"to":{"everyone":true},"text":"to all"}`, http.StatusAccepted)
	d.does(t, d.scoped[access.Admin], "POST", "/v1/schedules", `{"rule":{"cron":"@daily"},"notification":{"to":{"everyone":true},"text":"x"}}`, http.StatusCreated)
	d.does(t, d.scoped[access.Admin], "POST", "/v1/webhooks", `{"url":"http://127.0.0.1:9/x"}`, http.StatusCreated)
	return d
}

// meet has the bot know a person in a tenant's conversation, who has the same id and tag in each.
func (d *tenanted) meet(t *testing.T, tenant, conversation string) {
	t.Helper()
	ref := activity.Reference{
		ChannelID: "kept", ServiceURL: "https://c.example.net",
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(conversation), TenantID: activity.TenantID(tenant)},
		User:         &activity.ChannelAccount{ID: activity.AccountID("user-of-" + tenant)}, Bot: &activity.ChannelAccount{ID: "b"},
	}
	key := headsup.KeyOf("app", ref)
	if key.Tenant != activity.TenantID(tenant) {
		t.Fatalf("the conversation's tenant is %q", key.Tenant)
	}
	if _, err := d.store.Sight(t.Context(), book.Sighting{
		Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim, VerifiedAt: time.Now(), At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	name := "boss-of-" + tenant
	if err := d.store.Label(t.Context(), key, book.Labels{AddTags: []string{"on-call"}, ExternalID: &name}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func (d *tenanted) does(t *testing.T, key, method, path, body string, status int) *httptest.ResponseRecorder {
	t.Helper()
	w := d.as(t, key, method, path, body)
	if w.Code != status {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w
}

// everything is what a caller who may see all of it sees.
func (d *tenanted) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{
		"/v1/notifications", "/v1/deliveries", "/v1/conversations", "/v1/conversations/line", "/v1/conversations/elsewhere", "/v1/jobs",
		"/v1/schedules", "/v1/webhooks", "/v1/pauses", "/v1/people", "/v1/notifications/" + d.hers, "/v1/webhooks/" + d.of["webhooks"] + "/deliveries",
	} {
		all.WriteString(d.does(t, d.scoped[access.Admin], "GET", path, "", http.StatusOK).Body.String() + "\n")
	}
	return all.String()
}

// bodies are good requests for operations that need a body, about whatever the path names or hers.
var bodies = map[string]string{
	"create-notification":             `{"to":{"conversation":"WHERE"},"text":"x"}`,
	"import-references":               `{"references":[{"reference":{"channelId":"test","serviceUrl":"https://c.example.net","bot":{"id":"b"},"conversation":{"id":"WHERE"}}}]}`,
	"create-notifications":            `{"notifications":[{"to":{"conversation":"WHERE"},"text":"x"}]}`,
	"reschedule-notification":         `{"in":"1h"}`,
	"edit-notification":               `{"text":"other"}`,
	"update-conversation":             `{"add_tags":["x"]}`,
	"set-busy":                        `{"reason":"x"}`,
	"settle-delivery":                 `{"state":"failed"}`,
	"replay-deliveries":               `{"notification":"ID"}`,
	"create-job":                      `{"to":{"conversation":"WHERE"}}`,
	"report-job-progress":             `{"text":"x"}`,
	"complete-job":                    `{"text":"x"}`,
	"create-preview":                  `{"text":"x"}`,
	"preview-schedule":                `{"rule":{"cron":"@daily"}}`,
	"change-schedule":                 `{"name":"x"}`,
	"change-webhook":                  `{"enabled":false}`,
	"rotate-webhook-secret":           `{"keep":"1h"}`,
	"merge-people":                    `{"with":["per_0000000000000"]}`,
	"split-person":                    `{}`,
	"change-preferences":              `{"opted_out":true}`,
	"change-conversation-preferences": `{"opted_out":true}`,
	"replay-webhook":                  `{"since":"2026-01-01T00:00:00Z"}`,
}

// makes are operations that make something of the caller's own, whatever they are told.
var makes = map[string]bool{"create-schedule": true, "create-webhook": true, "notify-group": true, "put-template": true}

// kind is of what a path is about.
var kind = regexp.MustCompile("^/v1/([a-z]+)")

// closed are the operations that a bound key is not good for, and why.
var closed = map[string]string{
	"auth": "for admins, and of everything", "keys": "for admins", "signing": "for admins, and of everything", "backup": "for admins, and of everything", "audit": "for admins",
}

// TestTenantOfAnotherKeySeesAndChangesNothing is A08, T01 and T03 on every operation of the document: whatever a key of
// another tenant asks for of hers is answered as something that nobody has ever made, or is closed to it, and stays as it is.
func TestTenantOfAnotherKeySeesAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	before := d.everything(t)
	opened := 0
	for path, operations := range d.document(t).Paths {
		for method, op := range operations {
			method := strings.ToUpper(method)
			what := kind.FindStringSubmatch(path)[1]
			needed := access.Scope(op.Security[0]["key"][0])
			if closed[what] != "" || what == "people" && needed == access.Admin {
				w := d.as(t, d.bound[theirs], method, place.ReplaceAllString(path, "1"), "{}")
				want := api.CodeTenantBound
				if needed == access.Admin {
					want = api.CodeMissingScope
				}
				if p := decode[api.Problem](t, w); w.Code != http.StatusForbidden || p.Code != want {
					t.Errorf("%s, which is closed (%s): %d %s", op.ID, closed[what], w.Code, w.Body)
				}
				continue
			}
			opened++
			if makes[op.ID] {
				continue
			}
			if (method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch) && op.RequestBody != nil && bodies[op.ID] == "" {
				t.Errorf("the test has no body for %s", op.ID)
			}
			ask := func(id, conversation, notification string) *httptest.ResponseRecorder {
				body := strings.NewReplacer("WHERE", conversation, "ID", notification).Replace(bodies[op.ID])
				return d.as(t, d.bound[theirs], method, place.ReplaceAllString(path, id), body)
			}
			if strings.Contains(path, "{") && d.of[what] == "" {
				t.Errorf("the test has nothing of hers for %s", op.ID)
			}
			foreign, nothing := ask(d.of[what], "line", d.hers), ask("4711", "nowhere", "ntf_0000000000000")
			if foreign.Code != nothing.Code || foreign.Body.String() != nothing.Body.String() {
				t.Errorf("%s: of hers it answers %d %s\nof nothing %d %s", op.ID, foreign.Code, foreign.Body, nothing.Code, nothing.Body)
			}
			if strings.Contains(path, "{") && foreign.Code != http.StatusNotFound {
				t.Errorf("%s of hers: %d %s", op.ID, foreign.Code, foreign.Body)
			}
			if strings.Contains(foreign.Body.String(), hers) || strings.Contains(foreign.Body.String(), d.hers) || strings.Contains(foreign.Body.String(), "to all") {
				t.Errorf("%s tells what is hers: %s", op.ID, foreign.Body)
			}
		}
	}
	if opened < 20 {
		t.Errorf("only %d operations are open to bound keys", opened)
	}
	if after := d.everything(t); after != before {
		t.Errorf("something changed; it was\n%s\nand is\n%s", before, after)
	}
}

// TestTenantsOwnKeyFindsWhatIsItsOwn: what the matrix refuses to others is there for the tenant's own key and for a key that is
// bound to none.
func TestTenantsOwnKeyFindsWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	for _, path := range []string{
		"/v1/notifications/" + d.hers, "/v1/deliveries/" + d.said, "/v1/conversations/line", "/v1/conversations/line/activities",
		"/v1/jobs/" + strconv.Itoa(d.job), "/v1/topics", "/v1/schedules/" + d.of["schedules"], "/v1/schedules/" + d.of["schedules"] + "/occurrences",
		"/v1/webhooks/" + d.of["webhooks"], "/v1/webhooks/" + d.of["webhooks"] + "/deliveries",
	} {
		for _, who := range []string{hers, ""} {
			d.does(t, d.bound[who], "GET", path, "", http.StatusOK)
		}
	}
	d.does(t, d.bound[hers], "GET", "/v1/templates/"+d.of["templates"], "", http.StatusOK)
	d.does(t, d.bound[""], "GET", "/v1/templates/"+d.of["templates"], "", http.StatusNotFound) // names are a tenant's own
	for path, lists := range map[string]map[string]int{
		"/v1/notifications?": {hers: 1, "": 3}, "/v1/deliveries?": {hers: 1, "": 4}, "/v1/conversations?": {hers: 1, "": 2},
		"/v1/jobs?": {hers: 1, "": 2}, "/v1/schedules?": {hers: 1, "": 3}, "/v1/conversations?tag=on-call&": {hers: 1, "": 2},
		"/v1/conversations?tenant=" + theirs + "&": {hers: 0, "": 1}, "/v1/conversations?tenant=" + hers + "&": {hers: 1, "": 1},
		"/v1/conversations?user=" + url.QueryEscape("user-of-"+theirs) + "&": {hers: 0, "": 1},
	} {
		for who, want := range lists {
			if n := strings.Count(d.does(t, d.bound[who], "GET", path+"limit=100", "", http.StatusOK).Body.String(), `"created_at"`) +
				strings.Count(d.does(t, d.bound[who], "GET", path+"limit=100", "", http.StatusOK).Body.String(), `"started_at"`); n != want {
				t.Errorf("%s shows %q %d, want %d", path, who, n, want)
			}
		}
	}
	d.does(t, d.bound[hers], "POST", "/v1/notifications/"+d.hers+"/cancel", "", http.StatusOK)
	d.does(t, d.bound[hers], "POST", "/v1/deliveries/"+d.said+"/replay", "", http.StatusOK)
	d.does(t, d.bound[hers], "POST", "/v1/notifications/"+d.hers+"/edit", `{"text":"other"}`, http.StatusOK)
	d.does(t, d.bound[hers], "POST", "/v1/notifications/"+d.hers+"/reschedule", `{"in":"1h"}`, http.StatusOK)
	d.does(t, d.bound[hers], "POST", "/v1/notifications/"+d.hers+"/recall", "", http.StatusOK)
	d.does(t, d.bound[hers], "PUT", "/v1/conversations/line/busy", `{}`, http.StatusOK)
	d.does(t, d.bound[hers], "PATCH", "/v1/conversations/line", `{"add_tags":["x"]}`, http.StatusOK)
	d.does(t, d.bound[hers], "POST", "/v1/jobs/"+strconv.Itoa(d.job)+"/progress", `{"text":"half"}`, http.StatusOK)
	done := decode[api.Job](t, d.does(t, d.bound[hers], "POST", "/v1/jobs/"+strconv.Itoa(d.job)+"/complete", `{"text":"done"}`, http.StatusOK))
	d.does(t, d.bound[hers], "GET", "/v1/notifications/"+done.Notification, "", http.StatusOK)
	d.does(t, d.bound[theirs], "GET", "/v1/notifications/"+done.Notification, "", http.StatusNotFound)
	d.does(t, d.bound[hers], "DELETE", "/v1/conversations/line", "", http.StatusNoContent)
}

// TestTenantChangesNobodysPreferencesElsewhere: whoever was merged with somebody of another tenant wants the same in both, so that
// a key of either changes nothing, be it asked for the person or for the conversation with them.
func TestTenantChangesNobodysPreferencesElsewhere(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	const wants = "/v1/conversations/line/preferences"
	d.does(t, d.bound[hers], "PATCH", wants, `{"opted_out":true}`, http.StatusOK)
	other := decode[api.People](t, d.does(t, d.bound[theirs], "GET", "/v1/people", "", http.StatusOK)).People[0].ID
	d.does(t, d.bound[""], "POST", "/v1/people/"+d.of["people"]+"/merge", `{"with":["`+other+`"]}`, http.StatusOK)
	d.does(t, d.bound[theirs], "PATCH", "/v1/conversations/elsewhere/preferences", `{"opted_out":false}`, http.StatusNotFound)
	d.does(t, d.bound[theirs], "PATCH", "/v1/preferences/"+other, `{"opted_out":false}`, http.StatusNotFound)
	if now := decode[api.Preferences](t, d.does(t, d.bound[hers], "GET", wants, "", http.StatusOK)); !now.OptedOut {
		t.Error("a key of another tenant has taken an opt-out back")
	}
	d.does(t, d.bound[""], "PATCH", wants, `{"opted_out":false}`, http.StatusOK)
}

// TestTenantsEveryoneIsEveryoneThere: targets of a bound key reach nobody of another tenant.
func TestTenantsEveryoneIsEveryoneThere(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	const more = 600 // more than are named at once, so that it is spread
	for i := range more {
		d.meet(t, hers, "line"+strconv.Itoa(i))
		d.meet(t, theirs, "elsewhere"+strconv.Itoa(i))
	}
	ctx := t.Context()
	for _, to := range []string{`{"everyone":true}`, `{"tag":"on-call"}`} {
		n := decode[api.Notification](t, d.does(t, d.bound[hers], "POST", "/v1/notifications", `{"to":`+to+`,"text":"x"}`, http.StatusAccepted))
		for next := outbox.DeliveryID(1 << 40); ; {
			_, left, err := d.store.SpreadMessages(ctx, 100, time.Now(), func() outbox.DeliveryID { next++; return next })
			if err != nil {
				t.Fatal(err)
			}
			if !left {
				break
			}
		}
		in := make(map[activity.TenantID]int)
		for f := (proactive.DeliveryFilter{Notification: headsup.NotificationID(n.ID), Limit: 100}); ; {
			page, err := d.engine.Deliveries(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Deliveries {
				in[s.Key.Tenant]++
			}
			if f.Before = page.Next; f.Before == 0 {
				break
			}
		}
		if want := map[activity.TenantID]int{hers: more + 1}; !maps.Equal(in, want) {
			t.Errorf("%s goes to %v, want %v", to, in, want)
		}
	}
	for _, to := range []string{`{"conversation":"elsewhere"}`, `{"user":"user-of-` + theirs + `"}`, `{"external_id":"boss-of-` + theirs + `"}`} {
		w := d.does(t, d.bound[hers], "POST", "/v1/notifications", `{"to":`+to+`,"text":"x"}`, http.StatusUnprocessableEntity)
		if p := decode[api.Problem](t, w); p.Code != api.CodeNoTarget {
			t.Errorf("%s: %s", to, w.Body)
		}
		d.does(t, d.bound[hers], "POST", "/v1/jobs", `{"to":`+to+`}`, http.StatusUnprocessableEntity)
	}
	address := `{"channelId":"kept","serviceUrl":"https://c.example.net","conversation":{"id":"line"},"bot":{"id":"b"}}`
	w := d.does(t, d.bound[hers], "POST", "/v1/notifications", `{"to":{"reference":`+address+`},"text":"x"}`, http.StatusForbidden)
	if p := decode[api.Problem](t, w); p.Code != api.CodeMissingScope {
		t.Errorf("a reference: %s", w.Body)
	}
}

// TestTenantsIdempotencyKeysAreItsOwn is A11: the same key of another tenant is another key.
func TestTenantsIdempotencyKeysAreItsOwn(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	made := make(map[string]bool)
	for who, conversation := range map[string]string{hers: "line", theirs: "elsewhere", "": "line"} {
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/notifications",
				strings.NewReader(`{"to":{"conversation":"`+conversation+`"},"text":"for `+who+`"}`))
			r.Header = http.Header{"Authorization": {"Bearer " + d.bound[who]}, "Content-Type": {"application/json"}, "Idempotency-Key": {"once"}}
			w := httptest.NewRecorder()
			d.mux.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Fatalf("%q: %d %s", who, w.Code, w.Body)
			}
			made[decode[api.Notification](t, w).ID] = true
		}
	}
	if len(made) != 3 {
		t.Errorf("three callers made %d notifications with one key each: %v", len(made), slices.Collect(maps.Keys(made)))
	}
}

// TestTenantIsOfTheKeyAlone: nothing in a request names a tenant but what makes a key, and none that may do everything is bound.
func TestTenantIsOfTheKeyAlone(t *testing.T) {
	t.Parallel()
	d := newTenanted(t)
	admin := d.scoped[access.Admin]
	for _, body := range []string{
		`{"name":"x","tenant":"a","scopes":["admin"]}`, `{"name":"x","tenant":"a b"}`, `{"name":"x","tenant":"` + strings.Repeat("a", 256) + `"}`,
	} {
		w := d.does(t, admin, "POST", "/v1/keys", body, http.StatusUnprocessableEntity)
		if p := decode[api.Problem](t, w); len(p.Errors) != 1 || p.Errors[0].Field != "body.tenant" {
			t.Errorf("%s: %s", body, w.Body)
		}
	}
	k := decode[api.CreatedKey](t, d.does(t, admin, "POST", "/v1/keys", `{"name":"x","tenant":"a"}`, http.StatusCreated))
	if got := decode[api.Key](t, d.does(t, admin, "GET", "/v1/keys/"+k.ID, "", http.StatusOK)); got.Tenant != "a" {
		t.Errorf("the key is bound to %q", got.Tenant)
	}
	narrows := map[string]bool{"list-conversations": true, "list-people": true} // a view stays that of its tenant
	named := 0
	doc := d.document(t)
	for _, operations := range doc.Paths {
		for _, op := range operations {
			for _, p := range op.Parameters {
				if strings.Contains(p.Name, "tenant") && !narrows[op.ID] {
					t.Errorf("%s takes %s", op.ID, p.Name)
				}
			}
			if op.RequestBody == nil {
				continue
			}
			if doc.resolve(op.RequestBody.Content["application/json"].Schema).Properties["tenant"] != nil {
				named++
				if op.ID != "create-key" && op.ID != "import-references" && !strings.Contains(op.ID, "person") {
					t.Errorf("%s takes a tenant", op.ID)
				}
			}
		}
	}
	if named == 0 {
		t.Error("nothing takes a tenant")
	}
	d.does(t, d.bound[hers], "POST", "/v1/notifications", `{"to":{"conversation":"line"},"tenant":"`+theirs+`","text":"x"}`, http.StatusUnprocessableEntity)
	d.does(t, d.bound[hers], "POST", "/v1/notifications", `{"to":{"conversation":"elsewhere","tenant":"`+theirs+`"},"text":"x"}`, http.StatusUnprocessableEntity)
	d.does(t, d.bound[hers], "GET", "/v1/notifications?tenant="+theirs, "", http.StatusUnprocessableEntity)
}
