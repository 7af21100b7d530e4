package cli_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/store/sqlite"
)

const openApp, openTenant = "2f7c1e0a-9d3b-4c55-8a10-b5d7f0e61234", "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"

// hiddenMark is in every secret of these tests, so that one that is told is found. The fake channel's tokens have a mark of
// their own.
const hiddenMark = "hunter2"

// clinic is an installation in good health, for tests that break one thing in it.
type clinic struct {
	t        *testing.T
	dir      string
	login    *fakelogin.Server
	key      *fakelogin.Key
	channel  *fakechannel.Server
	settings map[string]string // by path
	args     []string
}

// clinicKey signs for all clinics: to make one takes a while.
var clinicKey = sync.OnceValue(func() *fakelogin.Key { return fakelogin.NewKey("k1", "msteams", "webchat") })

func newClinic(t *testing.T, cfg fakechannel.Config) *clinic {
	t.Helper()
	c := &clinic{t: t, dir: t.TempDir(), key: clinicKey()}
	var err error
	if c.login, err = fakelogin.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.login.Close() })
	c.login.Channel.Publish(c.key)
	cfg.TLS, cfg.AppID, cfg.AppSecret = true, openApp, "secret-"+hiddenMark
	if c.channel, err = fakechannel.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.channel.Close() })
	c.settings = map[string]string{
		"listen": "127.0.0.1:0", "public_url": "https://bot.example.com", "data": filepath.Join(c.dir, "data"), "admin.listen": `"off"`,
		"azure.app_id": openApp, "azure.tenant": openTenant, "azure.secret_ends": "2099-01-01",
		"azure.secret_file":   c.file("azure-secret", cfg.AppSecret),
		"azure.roots_file":    c.file("roots.pem", string(c.channel.AuthorityPEM())),
		"azure.service_hosts": c.host(), "azure.login_url": c.channel.URL() + "/", "azure.metadata_url": c.login.Cloud().ChannelMetadata,
	}
	return c
}

func (c *clinic) host() string { return strings.TrimPrefix(c.channel.URL(), "https://") }

func (c *clinic) data() string { return c.settings["data"] }

func (c *clinic) file(name, content string) string {
	return write(c.t, filepath.Join(c.dir, name), content)
}

// without takes settings away.
func (c *clinic) without(paths ...string) {
	for _, p := range paths {
		delete(c.settings, p)
	}
}

// config writes the configuration file.
func (c *clinic) config() string {
	var b strings.Builder
	group := ""
	for _, path := range slices.Sorted(mapKeys(c.settings)) {
		if before, after, nested := strings.Cut(path, "."); nested {
			if before != group {
				b.WriteString(before + ":\n")
			}
			group = before
			b.WriteString("  " + after + ": " + c.settings[path] + "\n")
			continue
		}
		b.WriteString(path + ": " + c.settings[path] + "\n")
	}
	return c.file("headsup.yaml", b.String())
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// knows has the reference book know a conversation at a service URL.
func (c *clinic) knows(serviceURL string, source book.Source) {
	c.t.Helper()
	store, err := sqlite.Open(c.t.Context(), sqlite.Config{Dir: c.data()})
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = store.Sight(c.t.Context(), sighting(serviceURL, source))
	if closing := store.Close(); err != nil || closing != nil {
		c.t.Fatal(err, closing)
	}
}

func sighting(serviceURL string, source book.Source) book.Sighting {
	ref := activity.Reference{
		ChannelID: "msteams", ServiceURL: serviceURL, Bot: &activity.ChannelAccount{ID: "28:bot"}, User: &activity.ChannelAccount{ID: "29:ann"},
		Conversation: activity.ConversationAccount{ID: "a:1", TenantID: openTenant},
	}
	return book.Sighting{
		Key:       headsup.ConversationKey{AppID: openApp, Tenant: openTenant, Channel: "msteams", Bot: "28:bot", Conversation: "a:1"},
		Reference: ref, Source: source, At: time.Now(),
	}
}

// finding is a result of the doctor's.
type finding struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Status  string `json:"status"`
	Fault   string `json:"fault"`
	Found   string `json:"found"`
	Do      string `json:"do"`
}

func (f finding) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s: %s; %s", f.Status, f.ID, f.Fault, f.Found, f.Do))
}

// examine runs the command, as text and as JSON, and returns what is wrong or to be looked at.
func (c *clinic) examine() (code int, wrong []finding) {
	c.t.Helper()
	args := append([]string{"doctor", "--config", c.config()}, c.args...)
	code, stdout, stderr := run(c.t, append(args, "--json")...)
	c.tellsNoSecret(stdout, stderr)
	var report struct {
		OK      bool           `json:"ok"`
		Summary map[string]int `json:"summary"`
		Checks  []finding      `json:"checks"`
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		c.t.Fatalf("%v: %d, %s, %s", err, code, stdout, stderr)
	}
	counts := map[string]int{"ok": 0, "warn": 0, "fail": 0, "skipped": 0}
	for _, f := range report.Checks {
		counts[f.Status]++
		if f.Status == "warn" || f.Status == "fail" {
			wrong = append(wrong, f)
		} else if f.Fault != "" || f.Do != "" || f.Found == "" {
			c.t.Errorf("%s", f)
		}
	}
	for status, n := range counts {
		if report.Summary[status] != n {
			c.t.Errorf("the summary has %d %s of %d", report.Summary[status], status, n)
		}
	}
	if report.OK != (counts["fail"] == 0) || (code == 0) != report.OK || code > 1 || (stderr == "") != report.OK || strings.Count(stderr, "\n") > 1 {
		c.t.Errorf("ok is %v, the exit code %d, with %d failed: %q", report.OK, code, counts["fail"], stderr)
	}
	return code, wrong
}

// tellsNoSecret looks for secrets, tokens and keys in a text.
func (c *clinic) tellsNoSecret(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		for _, mark := range []string{hiddenMark, fakechannel.TokenMark, "eyJ", "hup_", "PRIVATE KEY"} {
			if strings.Contains(text, mark) {
				c.t.Errorf("it tells a secret (%s): %s", mark, text)
			}
		}
	}
}

// accessToken has Entra give out a token with claims. The doctor and azidentity look the endpoint up before they ask there.
func (c *clinic) accessToken(claims map[string]any) {
	c.t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		c.t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"none"}`)) + "." + part(raw) + "." + part([]byte(hiddenMark))
	c.entra(200, `{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"`+token+`"}`)
}

// entra has the token endpoint answer so.
func (c *clinic) entra(status int, body string) {
	c.t.Helper()
	if err := c.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpToken, Skip: 2, Status: status, Body: body}); err != nil {
		c.t.Fatal(err)
	}
}

// refuses has Entra refuse with a code, and repeat what it was sent, as nobody should.
func (c *clinic) refuses(code string) {
	c.entra(400, `{"error":"invalid_client","error_description":"`+code+`: no, not with secret-`+hiddenMark+`"}`)
}

// answers has the channel answer who takes part in a conversation.
func (c *clinic) answers(status int, code string) {
	c.t.Helper()
	if err := c.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpMembers, Status: status, Code: code}); err != nil {
		c.t.Fatal(err)
	}
}

// certificate writes one that is good for a while, with its key.
func (c *clinic) certificate(key crypto.Signer, from, until time.Duration) string {
	c.t.Helper()
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a bot"}, NotBefore: now.Add(from), NotAfter: now.Add(until)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.file("bot.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// ellipticCertificate is one that Entra's library does not take.
func (c *clinic) ellipticCertificate() string {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.certificate(key, -time.Hour, 9000*time.Hour)
}

// dated has the keys' publisher tell a time that is off.
func (c *clinic) dated(off time.Duration) {
	c.login.Channel.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, c.login.Channel.Metadata())
	}, nil)
}

func (c *clinic) claims() map[string]any {
	return map[string]any{"aud": "https://api.botframework.com", "appid": openApp, "tid": openTenant, "exp": time.Now().Add(time.Hour).Unix()}
}

// TestDoctorFindsWhatIsWrong: in each installation exactly its faults, each with its advice.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		channel fakechannel.Config
		change  func(*clinic)
		want    []string // check, fault and a part of what to do
	}{
		"nothing":                           {change: func(*clinic) {}},
		"nothing, and the token has claims": {change: func(c *clinic) { c.accessToken(c.claims()) }},

		"unknown setting":  {change: func(c *clinic) { c.settings["lisen"] = "x" }, want: []string{"config.settings invalid: config check"}},
		"several settings": {change: func(c *clinic) { c.settings["log_level"], c.settings["drain_timeout"] = "loud", "soon" }, want: []string{"config.settings invalid: config check", "config.settings invalid: config check"}},
		"missing secret file": {change: func(c *clinic) { c.settings["azure.secret_file"] = filepath.Join(c.dir, "none") },
			want: []string{"config.secrets unreadable: who may read it"}},
		"public URL without https": {change: func(c *clinic) { c.settings["public_url"] = "http://bot.example.com" }, want: []string{"config.address refused: public_url"}},
		"insecure in public": {change: func(c *clinic) {
			c.settings["public_url"], c.settings["insecure_http"] = "http://bot.example.com", "true"
		}, want: []string{"config.address refused: insecure_http"}},
		"nobody knows where":   {change: func(c *clinic) { c.without("public_url"); c.settings["listen"] = ":3978" }, want: []string{"config.address refused: listen"}},
		"on this machine only": {change: func(c *clinic) { c.without("public_url") }, want: []string{"config.address local_only: messaging endpoint"}},

		"other program's database": {change: func(c *clinic) { c.foreignDatabase() }, want: []string{"database.open foreign: another data directory"}},
		"no database":              {change: func(c *clinic) { c.garbage() }, want: []string{"database.open damaged: restore a backup"}},
		"damaged database":         {change: func(c *clinic) { c.damage() }, want: []string{"database.integrity damaged: restore a backup"}},
		"newer database":           {change: func(c *clinic) { c.newer() }, want: []string{"database.schema newer: run the newer version"}},
		"full disk": {change: func(c *clinic) {
			c.knows("https://smba.trafficmanager.net/amer/", book.SourceConfig)
			c.settings["disk_reserve"] = "8000000000"
		}, want: []string{"database.space full: make room"}},
		"no such database server": {change: func(c *clinic) { c.settings["database"] = "postgres://u@127.0.0.1:1/x" }, want: []string{"database.open unreachable: pg_hba.conf", "database.hosts down: take it out"}},
		"password in the database's URL": {change: func(c *clinic) { c.settings["database"] = "postgres://u:" + hiddenMark + "@127.0.0.1:1/x" },
			want: []string{"database.open refused: docs/configuration.md"}},

		"empty app id in public":  {change: func(c *clinic) { c.unregister() }, want: []string{"identity.app_id open: directline_only"}},
		"empty app id at home":    {change: func(c *clinic) { c.unregister(); c.without("public_url") }, want: []string{"identity.app_id missing: azure.app_id"}},
		"empty app id on purpose": {change: func(c *clinic) { c.directLineOnly() }},
		"Direct Line, no secret":  {change: func(c *clinic) { c.directLineOnly(); c.without("directline_secret_file") }, want: []string{"config.address nobody: openssl rand -hex 32"}},
		"the same at home":        {change: func(c *clinic) { c.directLineOnly(); c.without("directline_secret_file", "public_url") }},
		"app id lost":             {change: func(c *clinic) { c.without("azure.app_id", "public_url") }, want: []string{"identity.app_id needed: take the others away"}},
		"app id is a name":        {change: func(c *clinic) { c.settings["azure.app_id"] = "my-bot" }, want: []string{"identity.app_id invalid: Microsoft App ID"}},
		"tenant is a name":        {change: func(c *clinic) { c.settings["azure.tenant"] = "ours" }, want: []string{"identity.registration invalid: directory (tenant) id"}},
		"cloud is none":           {change: func(c *clinic) { c.settings["azure.cloud"] = "moon" }, want: []string{"identity.registration invalid: azure.cloud"}},
		"no tenant":               {change: func(c *clinic) { c.without("azure.tenant") }, want: []string{"identity.registration multi_tenant: Multi Tenant"}},
		"no credential":           {change: func(c *clinic) { c.without("azure.secret_file") }, want: []string{"identity.credential invalid: exactly one"}},
		"two credentials":         {change: func(c *clinic) { c.settings["azure.managed_identity"] = "true" }, want: []string{"identity.credential invalid: exactly one"}},
		"secret's id": {channel: fakechannel.Config{}, change: func(c *clinic) { c.settings["azure.secret_file"] = c.file("id", openTenant) },
			want: []string{"identity.credential secret_is_an_id: give its value", "identity.token secret_wrong: give its value"}},
		"secret about to expire": {change: func(c *clinic) {
			c.settings["azure.secret_ends"] = time.Now().Add(72 * time.Hour).Format(time.DateOnly)
		}, want: []string{"identity.credential expires: add a new one"}},
		"secret that has ended":       {change: func(c *clinic) { c.settings["azure.secret_ends"] = "2020-01-01" }, want: []string{"identity.credential expired: add a new one"}},
		"secret's end is no day":      {change: func(c *clinic) { c.settings["azure.secret_ends"] = "soon" }, want: []string{"identity.credential invalid: "}},
		"certificate about to expire": {change: func(c *clinic) { c.certified(-time.Hour, 48*time.Hour) }, want: []string{"identity.credential expires: beside it"}},
		"certificate that has ended":  {change: func(c *clinic) { c.certified(-48*time.Hour, -time.Hour) }, want: []string{"identity.credential expired: add a new one"}},
		"certificate of tomorrow":     {change: func(c *clinic) { c.certified(24*time.Hour, 9000*time.Hour) }, want: []string{"identity.credential not_yet: the clock"}},
		"certificate of another kind": {change: func(c *clinic) {
			c.without("azure.secret_file", "azure.secret_ends")
			c.settings["azure.certificate_file"] = c.ellipticCertificate()
		}, want: []string{"identity.registration unusable: docs/azure-and-teams.md"}},
		"certificate of long life":   {change: func(c *clinic) { c.certified(-time.Hour, 9000*time.Hour) }},
		"wrong secret":               {change: func(c *clinic) { c.settings["azure.secret_file"] = c.file("other", "other-"+hiddenMark) }, want: []string{"identity.token secret_wrong: its value, not its id"}},
		"expired secret":             {change: func(c *clinic) { c.refuses("AADSTS7000222") }, want: []string{"identity.token secret_expired: make a new one"}},
		"unknown app":                {change: func(c *clinic) { c.refuses("AADSTS700016") }, want: []string{"identity.token unknown_app: single-tenant or multi-tenant"}},
		"unknown tenant":             {change: func(c *clinic) { c.refuses("AADSTS90002") }, want: []string{"identity.token unknown_tenant: the tenant's id"}},
		"tenant that cannot be":      {change: func(c *clinic) { c.refuses("AADSTS900023") }, want: []string{"identity.token bad_tenant: neither a GUID"}},
		"disabled app":               {change: func(c *clinic) { c.refuses("AADSTS7000112") }, want: []string{"identity.token app_disabled: disabled"}},
		"unknown certificate":        {change: func(c *clinic) { c.refuses("AADSTS700027") }, want: []string{"identity.token certificate_unknown: not one of"}},
		"old assertion":              {change: func(c *clinic) { c.refuses("AADSTS700024") }, want: []string{"identity.token assertion_time: the clock"}},
		"untrusted issuer":           {change: func(c *clinic) { c.refuses("AADSTS70021") }, want: []string{"identity.token no_trust: federated credentials"}},
		"untrusted subject":          {change: func(c *clinic) { c.refuses("AADSTS700213") }, want: []string{"identity.token no_trust_subject: federated credentials"}},
		"other cloud":                {change: func(c *clinic) { c.refuses("AADSTS500011") }, want: []string{"identity.token unknown_scope: the cloud"}},
		"forbidden by policy":        {change: func(c *clinic) { c.refuses("AADSTS53003") }, want: []string{"identity.token policy: Conditional Access"}},
		"refused for another reason": {change: func(c *clinic) { c.refuses("AADSTS99999") }, want: []string{"identity.token refused: look the code up"}},
		"Entra is away":              {change: func(c *clinic) { c.settings["azure.login_url"] = "https://127.0.0.1:1/" }, want: []string{"identity.token unreachable: 127.0.0.1:1"}},
		"token for somebody else":    {change: func(c *clinic) { c.claimed("aud", "https://graph.microsoft.com") }, want: []string{"identity.claims other_audience: azure.cloud"}},
		"token of another app":       {change: func(c *clinic) { c.claimed("appid", openTenant) }, want: []string{"identity.claims other_app: azure.app_id"}},
		"token of another tenant":    {change: func(c *clinic) { c.claimed("tid", openApp) }, want: []string{"identity.claims other_tenant: azure.tenant"}},
		"token of yesterday":         {change: func(c *clinic) { c.claimed("exp", time.Now().Add(-24*time.Hour).Unix()) }, want: []string{"identity.claims ended: set the clock"}},

		"no keys": {change: func(c *clinic) { c.settings["azure.metadata_url"] = "http://127.0.0.1:1/" }, want: []string{"metadata.channels unavailable: 127.0.0.1:1"}},
		"keys that are a page": {change: func(c *clinic) {
			c.login.Channel.Answer(nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		}, want: []string{"metadata.channels unavailable: what it says"}},
		"keys for no channel": {change: func(c *clinic) { c.login.Channel.Publish(fakelogin.NewKey("k2")) }, want: []string{"metadata.channels no_endorsements: azure.metadata_url"}},
		"agents, and no keys for them": {change: func(c *clinic) {
			c.settings["azure.callers"], c.settings["azure.entra_metadata_url"] = openTenant, c.login.Cloud().EntraMetadata
		}, want: []string{"metadata.entra unavailable: azure.entra_metadata_url"}},

		"clock off by ten minutes": {change: func(c *clinic) { c.clockOff(10 * time.Minute) }, want: []string{"clock wrong: set-ntp"}},
		"clock off by two minutes": {change: func(c *clinic) { c.clockOff(-2 * time.Minute) }, want: []string{"clock drifts: set-ntp"}},

		"host that is not listed": {change: func(c *clinic) {
			c.without("azure.service_hosts")
			c.knows(c.channel.ServiceURL(openTenant), book.SourceClaim)
		}, want: []string{"service.host not_listed: azure.service_hosts"}},
		"learnt in development": {change: func(c *clinic) { c.knows("http://localhost:53211", book.SourceDev) }, want: []string{"service.host development: write to the bot again"}},
		"service without https": {change: func(c *clinic) { c.knows("http://smba.trafficmanager.net/amer/", book.SourceClaim) }, want: []string{"service.host bad_url: write to the bot again"}},
		"service inside": {change: func(c *clinic) {
			c.settings["azure.service_hosts"] = "169.254.169.254"
			c.knows("https://169.254.169.254/x", book.SourceClaim)
		}, want: []string{"service.host not_public: DNS"}},
		"no such name": {change: func(c *clinic) {
			c.settings["azure.service_hosts"] = "channel.invalid"
			c.knows("https://channel.invalid/", book.SourceClaim)
		}, want: []string{"service.host unresolved: DNS"}},
		"service is away": {change: func(c *clinic) {
			c.settings["azure.service_hosts"] = "127.0.0.1:1"
			c.knows("https://127.0.0.1:1/", book.SourceClaim)
		}, want: []string{"service.host unreachable: 127.0.0.1:1"}},
		"service shows a wrong certificate": {change: func(c *clinic) { c.strange() }, want: []string{"service.host certificate: roots_file"}},

		"401":                               {change: func(c *clinic) { c.asked(401, "") }, want: []string{"channel.answer token_refused: app type and tenant"}},
		"401 without a registration":        {change: func(c *clinic) { c.asked(401, "BotNotRegistered") }, want: []string{"channel.answer bot_not_registered: Azure Bot resource"}},
		"403 for who has not the app":       {change: func(c *clinic) { c.asked(403, "ForbiddenOperationException") }, want: []string{"channel.answer not_installed: setup policy"}},
		"403 for who is not in the roster":  {change: func(c *clinic) { c.asked(403, "BotNotInConversationRoster") }, want: []string{"channel.answer not_in_roster: installed there again"}},
		"403 for who is blocked":            {change: func(c *clinic) { c.asked(403, "MessageWritesBlocked") }, want: []string{"channel.answer blocked: must unblock"}},
		"403 by the administrator":          {change: func(c *clinic) { c.asked(403, "BotDisabledByAdmin") }, want: []string{"channel.answer disabled_by_admin: admin centre"}},
		"403 at the wrong host":             {change: func(c *clinic) { c.asked(403, "InvalidBotApiHost") }, want: []string{"channel.answer other_host: smba.infra.gcc"}},
		"403 for another reason":            {change: func(c *clinic) { c.asked(403, "NotEnoughPermissions") }, want: []string{"channel.answer forbidden: manifest"}},
		"404":                               {change: func(c *clinic) { c.asked(404, "ConversationNotFound") }, want: []string{"channel.answer conversation_gone: azure.app_id"}},
		"429":                               {change: func(c *clinic) { c.asked(429, "Throttled") }, want: []string{"channel.answer throttled: pauses list"}},
		"502":                               {change: func(c *clinic) { c.asked(502, "") }, want: []string{"channel.answer broken: try again"}},
		"400":                               {change: func(c *clinic) { c.asked(400, "BadArgument") }, want: []string{"channel.answer odd: look at what was found"}},
		"a channel that does not tell: 405": {change: func(c *clinic) { c.asked(405, "") }},
		"a channel that takes the token":    {channel: fakechannel.Config{RequireToken: true}, change: func(c *clinic) { c.knows(c.channel.ServiceURL(openTenant), book.SourceClaim) }},
		"a conversation of another channel": {change: func(c *clinic) { c.asked(401, ""); c.args = []string{"--channel", "webchat"} }},
		"everything wrong there is, offline": {change: func(c *clinic) {
			c.refuses("AADSTS7000222")
			c.asked(401, "")
			c.dated(time.Hour)
			c.args = []string{"--offline"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clinic := newClinic(t, c.channel)
			c.change(clinic)
			_, wrong := clinic.examine()
			clinic.finds(wrong, c.want...)
		})
	}
}

// foreignDatabase puts another program's database in place of ours.
func (c *clinic) foreignDatabase() {
	c.knows("http://localhost:1", book.SourceDev)
	c.overwrite(68, []byte{0, 0, 0, 7})
}

// newer has a later version of the program have written the database.
func (c *clinic) newer() {
	c.knows("https://smba.trafficmanager.net/amer/", book.SourceConfig)
	c.alter("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
}

// garbage puts something in place of the database.
func (c *clinic) garbage() {
	c.t.Helper()
	if err := os.Mkdir(c.data(), 0o700); err != nil {
		c.t.Fatal(err)
	}
	write(c.t, filepath.Join(c.data(), "headsup.db"), strings.Repeat("not a database ", 1000))
}

// damage writes over the last page of the database.
func (c *clinic) damage() {
	c.t.Helper()
	c.knows("https://smba.trafficmanager.net/amer/", book.SourceConfig)
	path := filepath.Join(c.data(), "headsup.db")
	info, err := os.Stat(path)
	if err != nil {
		c.t.Fatal(err)
	}
	const page = 8192
	c.overwrite(info.Size()-2*page, slices.Repeat([]byte{0xff}, page))
}

func (c *clinic) overwrite(at int64, with []byte) {
	c.t.Helper()
	f, err := os.OpenFile(filepath.Join(c.data(), "headsup.db"), os.O_RDWR, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = f.WriteAt(with, at)
	if closing := f.Close(); err != nil || closing != nil {
		c.t.Fatal(err, closing)
	}
}

// unregister takes the registration away.
func (c *clinic) unregister() {
	for path := range c.settings {
		if strings.HasPrefix(path, "azure.") {
			delete(c.settings, path)
		}
	}
}

// directLineOnly takes the bot out of Azure, on purpose.
func (c *clinic) directLineOnly() {
	c.unregister()
	c.settings["directline_only"] = "true"
	c.settings["directline_secret_file"] = c.file("directline", strings.Repeat(hiddenMark, 5))
}

// certified gives the bot a certificate in place of its secret.
func (c *clinic) certified(from, until time.Duration) {
	c.without("azure.secret_file", "azure.secret_ends")
	c.settings["azure.certificate_file"] = c.certificate(c.key.Private, from, until)
}

// claimed has Entra give out a token with one claim that is wrong.
func (c *clinic) claimed(name string, value any) {
	claims := c.claims()
	claims[name] = value
	c.accessToken(claims)
}

// asked has the book know a conversation, and the channel answer so when it is asked about it.
func (c *clinic) asked(status int, code string) {
	c.knows(c.channel.ServiceURL(openTenant), book.SourceClaim)
	c.answers(status, code)
}

// clockOff has all who tell the time tell that it is later, so that this machine is behind.
func (c *clinic) clockOff(by time.Duration) {
	c.settings["azure.login_url"] = c.channel.URL() + "/"
	c.dated(by)
	c.t.Helper()
	c.args = append(c.args, "--timeout", "20s")
}

// strange has the channel show a certificate that is another host's.
func (c *clinic) strange() {
	c.t.Helper()
	other, err := fakechannel.New(fakechannel.Config{TLS: true, Certificate: fakechannel.SelfSigned})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = other.Close() })
	c.settings["azure.service_hosts"] = strings.TrimPrefix(other.URL(), "https://")
	c.knows(other.URL(), book.SourceClaim)
}

// TestDoctorWithoutAReadableConfiguration examines nothing.
func TestDoctorWithoutAReadableConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"none.yaml":      {"--config", filepath.Join(dir, "none.yaml")},
		"not valid YAML": {"--config", write(t, filepath.Join(dir, "bad.yaml"), ":\n\t- x")},
		"--timeout":      {"--timeout", "0s"},
		"--ofline":       {"--ofline"},
	} {
		code, stdout, stderr := run(t, append([]string{"doctor"}, args...)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, name) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d, %q, %q", name, code, stdout, stderr)
		}
	}
}

// TestDoctorTellsInPlainLines: with words, not with colours, and one line at the end.
func TestDoctorTellsInPlainLines(t *testing.T) {
	t.Parallel()
	c := newClinic(t, fakechannel.Config{})
	c.refuses("AADSTS7000222")
	c.settings["azure.secret_ends"] = "2020-01-01"
	c.without("public_url")
	code, stdout, stderr := run(t, "doctor", "--all", "--config", c.config())
	c.tellsNoSecret(stdout, stderr)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if code != 1 || stderr != "headsup: 2 checks failed\n" || strings.Contains(stdout, "\x1b") {
		t.Errorf("%d, %q", code, stderr)
	}
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "2 failed, 1 warning, ") || !strings.HasSuffix(last, " skipped") {
		t.Errorf("it ends with %q", last)
	}
	for _, want := range []string{
		"ok    config.settings        ", "warn  config.address         ", "FAIL  identity.credential    ", "FAIL  identity.token         Entra gives no token: AADSTS7000222",
		"skip  server.running         ", "                             do: ",
	} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line begins with %q:\n%s", want, stdout)
		}
	}
	_, short, _ := run(t, "doctor", "--config", c.config())
	if strings.Contains(short, "\nskip ") || !strings.HasSuffix(short, " skipped (--all shows why)\n") {
		t.Errorf("what was skipped is told unasked:\n%s", short)
	}
}

// alter changes the database as another program would.
func (c *clinic) alter(statement string) {
	c.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(c.data(), "headsup.db"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = db.ExecContext(c.t.Context(), statement)
	if closing := db.Close(); err != nil || closing != nil {
		c.t.Fatal(err, closing)
	}
}
