package server

import (
	"cmp"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/proactive"
)

// Teams says how people of Microsoft Teams are reached who have never written to the bot; see [proactive.FirstContact]. The zero
// value leaves them alone.
type Teams struct {
	// FirstContact are the rungs that are allowed: find, create, install. None leaves people alone whom the bot has not met.
	// With reinstall, people who have taken the app away are not left alone either.
	FirstContact []string

	// AppID is the id in the app's manifest; empty is that of the registration. CatalogID is what the tenant's catalog calls the
	// app; empty has it looked up.
	AppID, CatalogID string

	// Tenant is where people are looked for, by its id. Empty is the one that the bot belongs to. Whoever has a key of a
	// tenant has people looked for there.
	Tenant string

	// Cloud of Microsoft 365 is public, gcc, gcc-high or dod. Empty is public, or gcc-high for a bot in Azure's usgov.
	Cloud string

	// ServiceURL and GraphURL replace the cloud's addresses.
	ServiceURL, GraphURL string

	// Wait is how long the bot waits to be told that its app was installed for somebody. Zero means 3 s.
	Wait time.Duration
}

// office is a cloud of Microsoft 365: where its Teams is called for a tenant that was never heard from, and its Graph.
type office struct{ teams, graph string }

// offices are as "Send proactive messages" and "Microsoft Graph national cloud deployments" have them.
var offices = map[string]office{
	"public":   {proactive.TeamsURL, graph.Public},
	"gcc":      {"https://smba.infra.gcc.teams.microsoft.com/teams/", graph.Public},
	"gcc-high": {"https://smba.infra.gov.teams.microsoft.us/teams/", graph.Government},
	"dod":      {"https://smba.infra.dod.teams.microsoft.us/teams/", graph.Defense},
}

// office is where a bot's Teams is.
func (t Teams) office(azure string) office {
	name := cmp.Or(t.Cloud, "public")
	if t.Cloud == "" && azure == "usgov" {
		name = "gcc-high"
	}
	o := offices[name]
	return office{cmp.Or(t.ServiceURL, o.teams), cmp.Or(strings.TrimSuffix(t.GraphURL, "/"), o.graph)}
}

// rungs of first contact.
const (
	rungFind      = "find"
	rungCreate    = "create"
	rungInstall   = "install"
	rungReinstall = "reinstall"
)

func (t Teams) validate(a Azure) error {
	if len(t.FirstContact) == 0 {
		return t.validateNone()
	}
	for _, rung := range t.FirstContact {
		if rung != rungFind && rung != rungCreate && rung != rungInstall && rung != rungReinstall {
			return wrong("teams.first_contact", "%q is not find, create, install or reinstall", rung)
		}
	}
	_, known := offices[t.Cloud]
	service, err := url.Parse(t.office(a.Cloud).teams)
	graphURL, bad := url.Parse(t.office(a.Cloud).graph)
	switch {
	case a.AppID == "":
		return wrong("teams.first_contact", "needs azure.app_id: Teams and Microsoft Graph are called with its tokens")
	case !slices.Contains(t.FirstContact, rungCreate) && !slices.Contains(t.FirstContact, rungInstall):
		return wrong("teams.first_contact", "has neither create nor install, so that nobody would be reached")
	case slices.Contains(t.FirstContact, rungReinstall) && !slices.Contains(t.FirstContact, rungInstall):
		return wrong("teams.first_contact", "has reinstall without install")
	case t.Cloud != "" && !known:
		return wrong("teams.cloud", "%q is not public, gcc, gcc-high or dod", t.Cloud)
	case t.Tenant != "" && !guid.MatchString(t.Tenant):
		return wrong("teams.tenant", "%q is not a GUID", t.Tenant)
	case t.AppID != "" && !guid.MatchString(t.AppID):
		return wrong("teams.app_id", "%q is not a GUID", t.AppID)
	case strings.ContainsAny(t.CatalogID, "/'"):
		return wrong("teams.catalog_id", "%q is no id of an app", t.CatalogID)
	case err != nil || service.Scheme != "https" || !a.mayHaveToken(strings.TrimSuffix(strings.ToLower(service.Host), ":443")):
		return wrong("teams.service_url", "%q is not https, or its host is none to which tokens are sent: azure.service_hosts can add it", t.ServiceURL)
	case bad != nil || graphURL.Scheme != "https" || graphURL.Host == "" || graphURL.Path != "" || graphURL.User != nil:
		return wrong("teams.graph_url", "%q is not https and a host", t.GraphURL)
	case t.Wait < 0:
		return wrong("teams.wait", "is negative")
	}
	return nil
}

// validateNone looks for settings that do nothing without rungs.
func (t Teams) validateNone() error {
	if t.AppID != "" || t.CatalogID != "" || t.Tenant != "" || t.Cloud != "" || t.ServiceURL != "" || t.GraphURL != "" {
		return wrong("teams.first_contact", "is needed with other settings of teams")
	}
	return nil
}

// tenant is where people are looked for.
func (t Teams) tenant(a Azure) activity.TenantID {
	if t.Tenant == "" && guid.MatchString(a.Tenant) {
		return activity.TenantID(strings.ToLower(a.Tenant))
	}
	return activity.TenantID(strings.ToLower(t.Tenant))
}

// firstContact is what the engine needs for people whom the bot has not met; nil where they are left alone.
func (c Config) firstContact(log *slog.Logger) *proactive.FirstContact {
	t := c.Teams
	if len(t.FirstContact) == 0 {
		return nil
	}
	where := t.office(c.Azure.Cloud)
	graphs := directories{azure: c.Azure, url: where.graph, log: log, byTenant: make(map[activity.TenantID]*graph.Client)}
	patient := directories{azure: c.Azure, url: where.graph, log: log, byTenant: make(map[activity.TenantID]*graph.Client), patient: true}
	return &proactive.FirstContact{
		Find: slices.Contains(t.FirstContact, rungFind), Create: slices.Contains(t.FirstContact, rungCreate),
		Install: slices.Contains(t.FirstContact, rungInstall), Reinstall: slices.Contains(t.FirstContact, rungReinstall), Tenant: t.tenant(c.Azure), ServiceURL: where.teams,
		Graph: graphs.of, Groups: patient.groups, App: cmp.Or(t.AppID, strings.ToLower(c.Azure.AppID)), Catalog: t.CatalogID, Wait: t.Wait,
	}
}

// global is where channels are called whose conversations are not found where they were.
func (c Config) global() map[activity.ChannelID]string {
	if c.Azure.AppID == "" || c.Azure.Cloud == "china" && c.Teams.ServiceURL == "" {
		return nil
	}
	return map[activity.ChannelID]string{activity.ChannelTeams: c.Teams.office(c.Azure.Cloud).teams}
}

// directories are clients of Microsoft Graph, one for each tenant, with tokens of that tenant.
type directories struct {
	azure Azure
	url   string
	log   *slog.Logger
	// patient clients wait where Graph asks for it.
	patient bool

	mu       sync.Mutex
	byTenant map[activity.TenantID]*graph.Client // guarded by mu
}

// callTime bounds one call of Microsoft Graph, so that two fit an attempt.
const callTime = 4 * time.Second

// of is who finds people of a tenant.
func (d *directories) of(tenant activity.TenantID) (proactive.Directory, error) {
	g, err := d.client(tenant)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// groups is who reads the groups of a tenant.
func (d *directories) groups(tenant activity.TenantID) (proactive.Groups, error) {
	g, err := d.client(tenant)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// client is that of a tenant.
func (d *directories) client(tenant activity.TenantID) (*graph.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g, ok := d.byTenant[tenant]; ok {
		return g, nil
	}
	there := d.azure
	if !there.ManagedIdentity { // which is of one tenant
		there.Tenant = string(tenant)
	}
	tokens, err := there.tokensFor(graph.Scope(d.url), d.log)
	if err != nil {
		return nil, err
	}
	roots, err := there.roots()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(d.url)
	cfg := graph.Config{
		Tokens: tokens, BaseURL: d.url, RootCAs: roots, Attempts: 1, Timeout: callTime, Logger: d.log,
		AllowLoopback: err == nil && netguard.Loopback(at.Hostname()),
	}
	if d.patient {
		cfg.Attempts, cfg.Timeout = 0, 0
	}
	g, bad := graph.New(cfg)
	if bad != nil {
		return nil, bad
	}
	d.byTenant[tenant] = g
	return g, nil
}
