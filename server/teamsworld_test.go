package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/server"
)

// world is a server and a Microsoft Teams in which people have never heard of the bot.
type world struct {
	page
	*faketeams.Teams
}

func newWorld(t *testing.T) world {
	t.Helper()
	return newWorldWith(t, server.Config{})
}

// newWorldWith is newWorld with more settings.
func newWorldWith(t *testing.T, cfg server.Config) world {
	t.Helper()
	teams, err := faketeams.New(faketeams.Config{
		AppID: azureApp, Tenant: azureTenant, Channel: fakechannel.Config{TLS: true, RequireToken: true, AppID: azureApp, AppSecret: azureSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = teams.Close() })
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, teams.Channel().AuthorityPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	at := teams.URL()
	cfg.Azure = server.Azure{
		AppID: azureApp, Tenant: azureTenant, Secret: azureSecret, ServiceHosts: []string{strings.TrimPrefix(at, "https://")}, RootsFile: roots,
		LoginURL: at + "/", MetadataURL: teams.Channel().MetadataURL(),
	}
	cfg.Teams = server.Teams{FirstContact: []string{"find", "create", "install"}, ServiceURL: teams.GlobalURL(), GraphURL: at, Wait: time.Second}
	s, _ := start(t, cfg)
	teams.SetMessages(s.URL() + "/api/messages")
	return world{page{t, s.URL()}, teams}
}

// told notifies somebody, and returns the reasons in the history of the delivery when that has come to a state.
func (w world) told(to, text, state string) (reasons string) {
	w.Helper()
	var n api.Notification
	w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":%s,"text":%q}`, to, text), http.StatusAccepted, &n)
	eventually(w.T, func() string { return fmt.Sprintf("it is %s: %+v", n.State, n.Deliveries[0].History) }, func() bool {
		w.do("GET", "/v1/notifications/"+n.ID, "", http.StatusOK, &n)
		return n.State == state
	})
	var all []string
	for _, change := range n.Deliveries[0].History {
		if change.Reason != "" && change.Reason != outbox.ReasonRescheduled { // the bot may be told before Graph answers, or after
			all = append(all, change.Reason)
		}
	}
	return strings.Join(all, " ")
}

func (w world) was(what, got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (w world) heard(objectID string, texts ...string) {
	w.Helper()
	if got := w.Channel().Ledger().Conversation(string(w.Personal(objectID))).Texts(); !slices.Equal(got, texts) {
		w.Errorf("they have heard %q, want %q", got, texts)
	}
}

// TestTeamsAsAWhole: from somebody who has never heard of the bot, through all that may happen to a conversation, to one that ends.
func TestTeamsAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nadia := w.AddPerson(faketeams.Person{Name: "Nadia Berg", UPN: "nadia@contoso.example"})
	ben := w.AddPerson(faketeams.Person{Name: "Ben Okri", UPN: "ben@contoso.example"})
	mail, object := `{"email":"Nadia@contoso.example"}`, fmt.Sprintf(`{"object_id":%q}`, nadia.ObjectID)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	w.was("never met", w.told(mail, "one", "delivered"), "rung_find rung_not_installed rung_install rung_known")
	w.was("met by then", w.told(object, "two", "delivered"), "")
	w.was("by mail, which Teams has not told", w.told(mail, "three", "delivered"), "")
	w.heard(nadia.ObjectID, "one", "two", "three")

	must(w.Install(t.Context(), ben.ObjectID, ben.ObjectID))
	must(w.Settle())
	w.was("installed by himself", w.told(fmt.Sprintf(`{"object_id":%q}`, ben.ObjectID), "hello", "delivered"), "")

	w.Move("amer") // the tenant
	_, err := w.Say(t.Context(), ben.ObjectID, w.Personal(ben.ObjectID), "still here")
	must(err)
	w.was("moved", w.told(object, "four", "delivered"), "service_url_refreshed")
	w.heard(nadia.ObjectID, "one", "two", "three", "four")

	must(w.Block(nadia.ObjectID))
	w.was("blocked", w.told(object, "x", "failed"), "blocked")
	w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":%s,"text":"x"}`, object), http.StatusUnprocessableEntity, nil)
	_, err = w.Say(t.Context(), nadia.ObjectID, w.Personal(nadia.ObjectID), "what was that?")
	must(err)
	w.was("unblocked", w.told(object, "five", "delivered"), "")

	must(w.Uninstall(t.Context(), nadia.ObjectID, nadia.ObjectID))
	must(w.Settle())
	w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":%s,"text":"x"}`, mail), http.StatusUnprocessableEntity, nil)
	w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":%s,"text":"x"}`, object), http.StatusUnprocessableEntity, nil)
	var people api.Conversations
	w.do("GET", "/v1/conversations?reach=uninstalled", "", http.StatusOK, &people)
	if len(people.Conversations) != 1 || people.Conversations[0].Cause != "uninstalled" {
		t.Errorf("whoever has taken it away is %+v", people.Conversations)
	}
}

// TestWholeGroupIsTold: a team with its guests, most of whom the bot has never met, over the API.
func TestWholeGroupIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 30
	var ids []string
	for i := range many {
		ids = append(ids, w.AddPerson(faketeams.Person{Name: fmt.Sprint("Person ", i)}).ObjectID)
	}
	guest := w.AddPerson(faketeams.Person{Name: "Gus", Guest: true})
	team := w.AddTeam("All of us", append(ids, guest.ObjectID)...)
	if err := w.Install(t.Context(), ids[0], ids[0]); err != nil {
		t.Fatal(err)
	}
	tell := func(group, text string, status int) (told api.GroupResult, problem api.Problem) {
		t.Helper()
		resp, answer := request(t, http.MethodPost, w.url+"/v1/groups/"+group+"/notifications", fmt.Sprintf(`{"text":%q,"topic":"all"}`, text), "Idempotency-Key", "once")
		into := any(&told)
		if status >= 400 {
			into = &problem
		}
		if err := json.Unmarshal([]byte(answer), into); err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s %v, want %d", resp.Status, answer, err, status)
		}
		return told, problem
	}
	if told, _ := tell(team.Group, "hello all", http.StatusAccepted); told != (api.GroupResult{Group: team.Group, Accepted: many, Guests: 1, Complete: true}) {
		t.Errorf("%+v", told)
	}
	if told, _ := tell(team.Group, "hello all", http.StatusAccepted); told != (api.GroupResult{Group: team.Group, Replayed: many, Guests: 1, Complete: true}) {
		t.Errorf("repeated: %+v", told)
	}
	eventually(t, func() string { return fmt.Sprint(w.Channel().Report().Messages) }, func() bool { return w.Channel().Report().Messages >= many })
	for _, id := range ids {
		w.heard(id, "hello all")
	}
	var acts api.AuditEntries
	w.do("GET", "/v1/audit?action=broadcast.send", "", http.StatusOK, &acts)
	if len(acts.Entries) != 1 || acts.Entries[0].Object != team.Group || string(acts.Entries[0].Detail) != `{"to":"group"}` {
		t.Errorf("the audit log has %+v", acts.Entries)
	}
	if _, p := tell(team.Group, "another text", http.StatusConflict); p.Code != api.CodeKeyReused {
		t.Errorf("another text: %+v", p)
	}
	if _, p := tell("no-such-group", "hello all", http.StatusNotFound); p.Code != api.CodeNotFound {
		t.Errorf("no group: %+v", p)
	}
	w.Graph().Deny("GET /v1.0/groups/", "GroupMember.Read.All")
	if _, p := tell(team.Group, "hello all", http.StatusBadGateway); p.Code != api.CodeGraphRefused || !strings.Contains(p.Detail, "GroupMember.Read.All") {
		t.Errorf("without the permission: %+v", p)
	}
}

// TestWindowsOfTeamsHoldWhileCreating: many are met at once, with two calls each, and none is refused.
func TestWindowsOfTeamsHoldWhileCreating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 150
	w.SetMessages("") // so that it knows of none of them
	for i := range many {
		p := w.AddPerson(faketeams.Person{Name: fmt.Sprint("Person ", i)})
		if err := w.Install(t.Context(), p.ObjectID, p.ObjectID); err != nil {
			t.Fatal(err)
		}
		w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"object_id":%q},"text":"hello"}`, p.ObjectID), http.StatusAccepted, nil)
	}
	eventually(t, func() string { return fmt.Sprint(w.Channel().Report().Messages) }, func() bool { return w.Channel().Report().Messages >= many })
	if r := w.Channel().Report(); r.Refused != 0 || r.Messages != many || r.Duplicates != 0 || r.Created != many {
		t.Errorf("%d refused, %d made, %d said, %d twice", r.Refused, r.Created, r.Messages, r.Duplicates)
	}
}
