package doctor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/credential"
	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/server"
)

// entraFaults are the codes of Entra that people meet, with words of ours. What to do is the credential package's to say.
var entraFaults = []struct{ code, word, means string }{
	{"AADSTS700016", "unknown_app", "The tenant knows no such app id: one of the two is wrong, or the app type is: a single-tenant bot without azure.tenant, or a multi-tenant one with it."},
	{"AADSTS90002", "unknown_tenant", "There is no such tenant."},
	{"AADSTS900023", "bad_tenant", "The tenant is written as no tenant can be."},
	{"AADSTS7000215", "secret_wrong", "The client secret is not the app registration's. Often it is the secret's id, which Azure shows beside its value."},
	{"AADSTS7000222", "secret_expired", "The client secret has expired."},
	{"AADSTS7000112", "app_disabled", "The application is disabled."},
	{"AADSTS700027", "certificate_unknown", "The certificate is not the app registration's, or has expired."},
	{"AADSTS700024", "assertion_time", "The assertion is too old or too new: the clock is wrong, or the token file is not kept fresh."},
	{"AADSTS70021", "no_trust", "The app registration trusts no such issuer of token files."},
	{"AADSTS700213", "no_trust_subject", "The app registration trusts no such subject of token files."},
	{"AADSTS500011", "unknown_scope", "The tenant does not know the Bot Framework: the cloud is another one."},
	{"AADSTS53003", "policy", "Conditional Access forbids it."},
}

func tokenFaults() []Fault {
	var all []Fault
	for _, f := range entraFaults {
		all = append(all, Fault{f.word, Fail, f.means + " (" + f.code + ")", credential.Advice(f.code)})
	}
	return append(all,
		Fault{"refused", Fail, "Entra refuses, for a reason that is not listed here.", "look the code up at https://login.microsoftonline.com/error"},
		Fault{"no_identity", Fail, "The service for managed identities of this machine gives no token.", "give this machine the user-assigned managed identity whose client id is azure.app_id; outside of Azure use a secret, a certificate or a token file"},
		Fault{"unreachable", Fail, "Entra does not answer.", "let this machine reach {host} by https; no proxy is used"},
	)
}

const multiTenantEnd = "since 31 July 2025 no multi-tenant bots can be created"

var identityChecks = []Check{
	{
		ID:    "identity.app_id",
		About: "The bot's app id (\"Microsoft App ID\"): without one there are no channels of Azure.",
		Faults: []Fault{
			{"missing", Warn, "There is no app id: the server is in development mode, and takes messages from programs on this machine only.", "set azure.app_id, or directline_only if that is what you want"},
			{"open", Fail, "There is no app id, and others can reach the server, which does not start so.", "set azure.app_id and one credential, or directline_only"},
			{"needed", Fail, "There is no app id, and other settings of azure are set, which do nothing without it.", "set azure.app_id, or take the others away"},
			{"invalid", Fail, "It is not a GUID.", "copy \"Microsoft App ID\" from the configuration of the Azure Bot resource"},
		},
		run: checkAppID,
	},
	{
		ID:    "identity.registration",
		About: "Tenant, cloud and kind of credential fit together.",
		Faults: []Fault{
			{"invalid", Fail, "A setting cannot be what it is.", "change {setting}: the directory (tenant) id is in the overview of the app registration"},
			{"unusable", Fail, "The settings do not fit together, or the credential is of a kind that Entra does not take.", "look at what was found; docs/azure-and-teams.md has the steps"},
			{"multi_tenant", Warn, "There is no tenant, which is right for multi-tenant bots only; " + multiTenantEnd + ".", "set azure.tenant, unless the Azure Bot resource says Multi Tenant"},
		},
		run: checkRegistration,
	},
	{
		ID:    "identity.credential",
		About: "There is one credential, and it is not about to end. The end of a client secret cannot be seen from outside: azure.secret_ends tells it to the doctor.",
		Faults: []Fault{
			{"invalid", Fail, "There is none, more than one, or it cannot be used.", "set exactly one of azure.secret_file, azure.certificate_file, azure.token_file and azure.managed_identity"},
			{"secret_is_an_id", Warn, "The client secret looks like a GUID, which is what its id looks like.", "give its value, which Azure shows once, when the secret is made; make a new one if it is lost"},
			{"expired", Fail, "The certificate or the secret has expired.", "add a new one to the app registration, give it here, and take the old one away"},
			{"not_yet", Fail, "The certificate is not good yet.", "look at the clock; use the one before until then"},
			{"expires", Warn, "It expires within 30 days.", "add a new one to the app registration beside it, give it here, and take the old one away"},
		},
		run: checkCredential,
	},
	{
		ID:      "identity.token",
		About:   "A token is fetched for the Connector, as for every call to a channel.",
		Network: true,
		Faults:  tokenFaults(),
		run:     checkToken,
	},
	{
		ID:      "identity.claims",
		About:   "The token is for the Connector, of this bot and of its tenant.",
		Network: true,
		Faults: []Fault{
			{"other_audience", Fail, "It is for somebody else than the Connector: channels refuse it.", "look at azure.cloud and azure.login_url"},
			{"other_app", Fail, "It names another app id: channels refuse it.", "look at azure.app_id; with a managed identity it is that one's client id, not its object id"},
			{"other_tenant", Fail, "It is of another tenant than azure.tenant.", "look at azure.tenant, and at azure.login_url"},
			{"ended", Fail, "It has ended already, by this machine's clock.", "set the clock"},
		},
		run: checkClaims,
	},
	{
		ID:      "metadata.channels",
		About:   "The keys by which channels' tokens are verified can be fetched and read, and say for which channels they speak.",
		Network: true,
		Faults: []Fault{
			{"unavailable", Fail, "They cannot be fetched, or cannot be used: whoever writes to the bot gets 503.", "let this machine reach {host} by https, without a proxy that changes what it says; look at azure.cloud and azure.metadata_url"},
			{"no_endorsements", Fail, "They speak for no channel: everybody who writes to the bot is refused.", "look at azure.metadata_url"},
		},
		run: func(ctx context.Context, p *patient) []Result { return checkMetadata(ctx, p, false) },
	},
	{
		ID:      "metadata.entra",
		About:   "The keys by which tokens of agents and of the Emulator are verified, where azure.callers or azure.emulator let any in.",
		Network: true,
		Faults: []Fault{
			{"unavailable", Fail, "They cannot be fetched, or cannot be used: agents that call get 503.", "let this machine reach {host} by https; look at azure.cloud and azure.entra_metadata_url"},
		},
		run: func(ctx context.Context, p *patient) []Result { return checkMetadata(ctx, p, true) },
	},
}

// identityLook is what is known of the registration.
type identityLook struct {
	made  bool // registration and err were
	reg   server.Registration
	err   error
	token string
}

// registration is what the server would use; ok is false if it would use none.
func (p *patient) registration() (r server.Registration, ok bool) {
	if l := &p.identity; !l.made {
		l.made = true
		l.reg, l.err = p.Server.Azure.Inspect()
	}
	return p.identity.reg, p.identity.err == nil && p.Loaded.Azure.AppID != ""
}

// unregistered is why there is no registration to look at.
func (p *patient) unregistered() []Result {
	if p.Loaded.Azure.AppID == "" {
		return p.skip("there is no app id")
	}
	return p.skip("the registration cannot be used as it is configured")
}

func checkAppID(_ context.Context, p *patient) []Result {
	problem, wrong := p.problem("azure.app_id")
	switch id := p.Loaded.Azure.AppID; {
	case id == "" && p.Loaded.DirectLineOnly:
		return p.ok("none, for Direct Line only")
	case id == "" && wrong && p.Server.Exposed():
		return p.fault("open", "the app id is empty: it "+problem.Message)
	case id == "" && wrong:
		return p.fault("needed", "the app id is empty: it "+problem.Message)
	case id == "":
		return p.fault("missing", "the app id is empty")
	case wrong:
		return p.fault("invalid", problem.Message)
	default:
		return p.ok("%s", id)
	}
}

func checkRegistration(_ context.Context, p *patient) (all []Result) {
	if problem, wrong := p.problem("azure"); wrong {
		all = p.fault("unusable", problem.Message)
	}
	for _, path := range []string{"azure.tenant", "azure.cloud"} {
		if problem, wrong := p.problem(path); wrong {
			all = append(all, about(path, p.fault("invalid", problem.Message, "setting", path))...)
		}
	}
	a := p.Loaded.Azure
	switch {
	case len(all) > 0:
		return all
	case a.AppID == "":
		return p.skip("there is no app id")
	case a.ManagedIdentity:
		return p.ok("a user-assigned managed identity, in the %s cloud; its client id is the app id", a.Cloud)
	case a.Tenant == "":
		return p.fault("multi_tenant", "azure.tenant is empty: a multi-tenant bot")
	}
	return p.ok("a single-tenant bot of %s, in the %s cloud", a.Tenant, a.Cloud)
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func checkCredential(_ context.Context, p *patient) []Result {
	for _, path := range []string{"azure.secret", "azure.secret_ends"} {
		if problem, wrong := p.problem(path); wrong {
			return about(path, p.fault("invalid", problem.Message))
		}
	}
	reg, ok := p.registration()
	if !ok {
		return p.unregistered()
	}
	a := p.Loaded.Azure
	switch {
	case a.Secret.Set() && guid.MatchString(strings.TrimSpace(a.Secret.Reveal())):
		return p.fault("secret_is_an_id", "a client secret that looks like a GUID")
	case a.Secret.Set() && a.SecretEnds == "":
		return p.ok("a client secret; when it ends cannot be seen from outside, and azure.secret_ends does not say")
	case a.Secret.Set():
		ends, err := time.Parse(time.DateOnly, a.SecretEnds)
		if err != nil {
			return about("azure.secret_ends", p.fault("invalid", "is not a day"))
		}
		return p.ends("a client secret", time.Time{}, ends)
	case a.TokenFile != "":
		return p.ok("a token file, which is read for each token")
	case a.ManagedIdentity:
		return p.ok("the managed identity of this machine")
	}
	begin, end, known := reg.Tokens.Ends()
	if !known {
		return p.ok("a certificate")
	}
	return p.ends("a certificate", begin, end)
}

// ends says how long a credential is good.
func (p *patient) ends(what string, begin, end time.Time) []Result {
	const soon = 30 * 24 * time.Hour
	now, found := p.Now(), what+" that ends on "+end.Format(time.DateOnly)
	switch {
	case now.Before(begin):
		return p.fault("not_yet", what+" that begins on "+begin.Format(time.DateTime))
	case !now.Before(end):
		return p.fault("expired", what+" that ended on "+end.Format(time.DateOnly))
	case end.Sub(now) < soon:
		return p.fault("expires", found)
	}
	return p.ok("%s", found)
}

func checkToken(ctx context.Context, p *patient) []Result {
	reg, ok := p.registration()
	if !ok {
		return p.unregistered()
	}
	p.askLogin(ctx, reg)
	token, err := reg.Tokens.Token(ctx)
	if err == nil {
		p.identity.token = token
		return p.ok("fetched, for %s", reg.Audience)
	}
	failed, _ := errors.AsType[*credential.Error](err)
	if failed != nil {
		for _, f := range entraFaults {
			if f.code == failed.Code {
				return p.fault(f.word, "Entra gives no token: "+f.code)
			}
		}
	}
	switch {
	case p.Loaded.Azure.ManagedIdentity:
		return p.fault("no_identity", err.Error())
	case failed != nil && failed.Code != "":
		return p.fault("refused", err.Error())
	}
	return p.fault("unreachable", err.Error(), "host", hostOf(reg.Login))
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

// asking calls addresses of the operator's or Microsoft's own, with nothing that is secret.
func asking(reg server.Registration) *http.Client {
	return &http.Client{
		Transport:     netguard.Transport(netguard.Config{RootCAs: reg.Roots, AllowAddr: reg.MayDial, AllowLoopback: true}),
		CheckRedirect: stay,
	}
}

// askTime asks for anything, for the sake of the time that the answer tells.
func (p *patient) askTime(ctx context.Context, c *http.Client, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	asked := p.Now()
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	p.observe(r.URL.Host, res, asked)
	return res.Body.Close()
}

func (p *patient) askLogin(ctx context.Context, reg server.Registration) {
	if p.Loaded.Azure.ManagedIdentity {
		return // which asks nobody there
	}
	c := asking(reg)
	defer c.CloseIdleConnections()
	tenant := p.Loaded.Azure.Tenant
	if tenant == "" {
		tenant = "common"
	}
	_ = p.askTime(ctx, c, reg.Login+url.PathEscape(tenant)+"/v2.0/.well-known/openid-configuration") // the token tells what is wrong there
}

// claims are what a token of Entra says ("Access tokens in the Microsoft identity platform").
type claims struct {
	Audience string `json:"aud"`
	App      string `json:"appid"` // of version 1.0
	Party    string `json:"azp"`   // of version 2.0
	Tenant   string `json:"tid"`
	Ends     int64  `json:"exp"`
}

// readClaims reads a token without verifying it: it has come from Entra by https, and only we believe it.
func readClaims(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(raw, &c) == nil && c.Audience != ""
}

func checkClaims(_ context.Context, p *patient) []Result {
	reg, ok := p.registration()
	if !ok || p.identity.token == "" {
		return p.skip("there is no token")
	}
	c, ok := readClaims(p.identity.token)
	if !ok {
		return p.skip("the token is none that can be read")
	}
	app := c.App
	if app == "" {
		app = c.Party
	}
	want, tenant := p.Loaded.Azure.AppID, p.Loaded.Azure.Tenant
	ends := time.Unix(c.Ends, 0)
	switch {
	case strings.TrimSuffix(c.Audience, "/") != reg.Audience:
		return p.fault("other_audience", fmt.Sprintf("for %q, not %q", c.Audience, reg.Audience))
	case !strings.EqualFold(app, want):
		return p.fault("other_app", fmt.Sprintf("of app %q, not %q", app, want))
	case guid.MatchString(tenant) && !strings.EqualFold(c.Tenant, tenant):
		return p.fault("other_tenant", fmt.Sprintf("of tenant %q, not %q", c.Tenant, tenant))
	case !p.Now().Before(ends):
		return p.fault("ended", "ended at "+ends.UTC().Format(time.RFC3339))
	}
	return p.ok("for %s, of this app and tenant, good until %s", c.Audience, ends.UTC().Format(time.RFC3339))
}

func checkMetadata(ctx context.Context, p *patient, entra bool) []Result {
	reg, ok := p.registration()
	if !ok {
		return p.unregistered()
	}
	for _, m := range reg.Callers.Inspect(ctx) {
		if m.Entra != entra {
			continue
		}
		c := asking(reg)
		defer c.CloseIdleConnections()
		_ = p.askTime(ctx, c, m.Metadata) // what is wrong was found by Inspect
		switch {
		case m.Err != nil:
			return p.fault("unavailable", m.Metadata+": "+m.Err.Error(), "host", hostOf(m.Metadata))
		case !entra && len(m.Endorsements) == 0:
			return p.fault("no_endorsements", fmt.Sprintf("%s from %s, without endorsements", many(int64(m.Keys), "key"), hostOf(m.Metadata)))
		case entra:
			return p.ok("%s from %s", many(int64(m.Keys), "key"), hostOf(m.Metadata))
		}
		teams := ""
		if slices.Contains(m.Endorsements, "msteams") {
			teams = ", Teams among them"
		}
		return p.ok("%s from %s, for %s%s", many(int64(m.Keys), "key"), hostOf(m.Metadata), many(int64(len(m.Endorsements)), "channel"), teams)
	}
	return p.skip("neither azure.callers nor azure.emulator is set")
}
