package server_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
	"github.com/headsup-bot/headsup/server"
)

const nadia = "0b8e5a52-0000-4000-8000-000000000001"

// office is a registered bot's Teams and Microsoft Graph.
type office struct {
	azure
	graph *fakegraph.Server
}

func newOffice(t *testing.T) office {
	t.Helper()
	o := office{newAzure(t), fakegraph.New()}
	t.Cleanup(o.graph.Close)
	o.graph.AddUser(fakegraph.User{ID: nadia, Name: "Nadia", UPN: "nadia@contoso.example"})
	o.graph.AddApp(fakegraph.App{ID: "catalog-1", ExternalID: azureApp})
	o.graph.Grants(o.channel.Issued)
	if err := os.WriteFile(o.roots, slices.Concat(o.channel.AuthorityPEM(), o.graph.AuthorityPEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o office) config() server.Config {
	return server.Config{Azure: o.azure.config(), Teams: server.Teams{
		FirstContact: []string{"find", "create", "install"}, ServiceURL: o.channel.ServiceURL(azureTenant), GraphURL: o.graph.URL, Wait: 10 * time.Millisecond,
	}}
}

// TestPeopleWhoNeverWroteAreReached: from an address of mail, with the bot's own credentials and nothing else.
func TestPeopleWhoNeverWroteAreReached(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := o.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpCreate, Times: 1, Status: 403, Code: "ForbiddenOperationException"}); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, o.config())
	p := page{t, s.URL()}
	told := func(to, state string) (reasons []string) {
		t.Helper()
		var n api.Notification
		p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":%s,"text":"hello"}`, to), http.StatusAccepted, &n)
		eventually(t, func() string { return "it is " + n.State }, func() bool {
			p.do("GET", "/v1/notifications/"+n.ID, "", http.StatusOK, &n)
			return n.State == state
		})
		for _, change := range n.Deliveries[0].History {
			if change.Reason != "" {
				reasons = append(reasons, change.Reason)
			}
		}
		return reasons
	}
	want := []string{"rung_find", "rung_not_installed", "rung_install", "rung_create"}
	if got := told(`{"email":"Nadia@contoso.example"}`, "delivered"); !slices.Equal(got, want) {
		t.Errorf("the rungs were %v, want %v", got, want)
	}
	o.awaitsIn(t, "a:"+azureTenant+":"+nadia, "hello")
	if got := told(`{"upn":"olga@contoso.example"}`, "failed"); !slices.Equal(got, []string{"person_unknown"}) {
		t.Errorf("nobody was looked for: %v", got)
	}
	var found api.Conversations
	p.do("GET", "/v1/conversations?reach=prospective", "", http.StatusOK, &found)
	if len(found.Conversations) != 2 {
		t.Errorf("%d people were not met", len(found.Conversations))
	}
	for _, c := range found.Conversations {
		if c.Reach != "prospective" || c.Kind != "personal" || !strings.HasPrefix(string(c.ID), "prospect:") {
			t.Errorf("somebody whom the bot has not met is %+v", c)
		}
	}
	p.do("POST", "/v1/notifications", `{"to":{"everyone":true},"text":"to all"}`, http.StatusAccepted, nil)
	o.awaitsIn(t, "a:"+azureTenant+":"+nadia, "to all")
	if r := o.channel.Report(); r.Messages != 2 || r.Unauthorized != 0 {
		t.Errorf("%d messages, %d calls without a token", r.Messages, r.Unauthorized)
	}
}

// TestFirstContactThatIsRefused: each with the setting that is wrong.
func TestFirstContactThatIsRefused(t *testing.T) {
	t.Parallel()
	azure := server.Azure{AppID: azureApp, Tenant: azureTenant, Secret: azureSecret}
	for want, c := range map[string]server.Config{
		"teams.first_contact: needs":       {Teams: server.Teams{FirstContact: []string{"create"}}},
		`teams.first_contact: "climb"`:     {Azure: azure, Teams: server.Teams{FirstContact: []string{"climb"}}},
		"teams.first_contact: has neither": {Azure: azure, Teams: server.Teams{FirstContact: []string{"find"}}},
		"has reinstall without install":    {Azure: azure, Teams: server.Teams{FirstContact: []string{"create", "reinstall"}}},
		"teams.first_contact: is needed":   {Azure: azure, Teams: server.Teams{CatalogID: "x"}},
		"teams.cloud":                      {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, Cloud: "moon"}},
		"teams.tenant":                     {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, Tenant: "contoso"}},
		"teams.app_id":                     {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, AppID: "x"}},
		"teams.catalog_id":                 {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, CatalogID: "../x"}},
		"teams.service_url":                {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, ServiceURL: "https://evil.example/teams/"}},
		"teams.graph_url":                  {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, GraphURL: "http://graph.example"}},
		"teams.wait":                       {Azure: azure, Teams: server.Teams{FirstContact: []string{"create"}, Wait: -1}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	for _, cloud := range []string{"", "public", "gcc", "gcc-high", "dod"} {
		c := server.Config{Azure: azure, Teams: server.Teams{FirstContact: []string{"create", "install", "reinstall"}, Cloud: cloud}}
		if err := c.Validate(); err != nil {
			t.Errorf("%q: %v", cloud, err)
		}
	}
}
