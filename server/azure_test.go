package server_test

import (
	"context"
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
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

const azureApp, azureTenant, azureSecret = "2f7c1e0a-9d3b-4c55-8a10-b5d7f0e61234", "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d", "S3cret~value"

// azure is what a registered bot meets: the place where keys are published, and a channel with its token endpoint.
type azure struct {
	login   *fakelogin.Server
	key     *fakelogin.Key
	channel *fakechannel.Server
	roots   string
}

func newAzure(t *testing.T) azure {
	t.Helper()
	login, err := fakelogin.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = login.Close() })
	a := azure{login: login, key: fakelogin.NewKey("k1", "msteams"), roots: filepath.Join(t.TempDir(), "roots.pem")}
	login.Channel.Publish(a.key)
	if a.channel, err = fakechannel.New(fakechannel.Config{TLS: true, RequireToken: true, AppID: azureApp, AppSecret: azureSecret}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.channel.Close() })
	if err := os.WriteFile(a.roots, a.channel.AuthorityPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a azure) host() string { return strings.TrimPrefix(a.channel.URL(), "https://") }

func (a azure) config() server.Azure {
	return server.Azure{
		AppID: azureApp, Tenant: azureTenant, Secret: azureSecret, ServiceHosts: []string{a.host()}, RootsFile: a.roots,
		LoginURL: a.channel.URL() + "/", MetadataURL: a.login.Cloud().ChannelMetadata,
	}
}

// said is a message as a channel sends it, about a service URL, and its token.
func (a azure) said(conversation, serviceURL string) (body, authorization string) {
	now := time.Now().Unix()
	token := a.key.Sign(map[string]any{
		"iss": a.login.Channel.Issuer, "aud": azureApp, "serviceurl": serviceURL, "nbf": now, "exp": now + 600,
	})
	return fmt.Sprintf(`{"type":"message","id":"1","channelId":"msteams","serviceUrl":%q,"from":{"id":"29:ann"},"recipient":{"id":"28:bot"},`+
		`"conversation":{"id":%q,"tenantId":%q,"conversationType":"personal"},"text":"hi"}`, serviceURL, conversation, azureTenant), "Bearer " + token
}

// awaits waits until a text was said in the conversation "a:1".
func (a azure) awaits(t *testing.T, text string) {
	t.Helper()
	a.awaitsIn(t, "a:1", text)
}

func (a azure) awaitsIn(t *testing.T, conversation, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		before := a.channel.Report().Distinct
		if slices.Contains(a.channel.Ledger().Conversation(conversation).Texts(), text) {
			return
		}
		if err := a.channel.Ledger().Await(ctx, before+1); err != nil {
			t.Fatalf("%q is not said: %v", text, err)
		}
	}
}

// TestRegisteredBotTalksWithItsChannels: both ways with tokens, and with nobody else, in development mode too.
func TestRegisteredBotTalksWithItsChannels(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	s, _ := start(t, server.Config{Azure: a.config()})
	body, token := a.said("a:1", a.channel.ServiceURL(azureTenant))
	if r, answer := request(t, http.MethodPost, s.URL()+"/api/messages", body, "Authorization", token); r.StatusCode/100 != 2 {
		t.Fatalf("a channel with its token: %d %s", r.StatusCode, answer)
	}
	for name, header := range map[string][]string{
		"no token": nil, "another key's": {"Authorization", "Bearer " + fakelogin.NewKey("k1", "msteams").Sign(map[string]any{
			"iss": a.login.Channel.Issuer, "aud": azureApp, "serviceurl": a.channel.ServiceURL(azureTenant), "exp": time.Now().Unix() + 600,
		})},
	} {
		r, answer := request(t, http.MethodPost, s.URL()+"/api/messages", strings.Replace(body, "a:1", "a:2", 1), header...)
		if r.StatusCode != http.StatusUnauthorized || r.Header.Get("WWW-Authenticate") != "Bearer" || len(answer) > 200 {
			t.Errorf("%s: %d %s", name, r.StatusCode, answer)
		}
	}
	if r, answer := request(t, http.MethodPost, s.URL()+"/api/messages", "{}"); r.StatusCode != http.StatusUnauthorized || strings.Contains(answer, "type") {
		t.Errorf("no token and no activity: %d %s", r.StatusCode, answer)
	}
	elsewhere := strings.Replace(body, "a:1", "a:2", 1)
	bare := strings.TrimPrefix(token, "Bearer ")
	if r, answer := request(t, http.MethodPost, s.URL()+"/api/messages?access_token="+bare, elsewhere, "Cookie", "access_token="+bare); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token in the query and a cookie: %d %s", r.StatusCode, answer)
	}
	notify(t, s.URL(), "a:1", "first")
	a.awaits(t, "first")
	if r, answer := request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"a:2"},"text":"x"}`); r.StatusCode == http.StatusAccepted {
		t.Errorf("whoever was refused is in the book: %s", answer)
	}
	if r := a.channel.Report(); r.Unauthorized != 0 || r.Tokens != 1 {
		t.Errorf("%d calls without a good token, %d tokens", r.Unauthorized, r.Tokens)
	}
}

func notify(t *testing.T, url, conversation, text string) {
	t.Helper()
	r, answer := request(t, http.MethodPost, url+"/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":%q}`, conversation, text))
	if r.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", r.StatusCode, answer)
	}
}

// TestTokensGoToHostsOfTheListOnly: a channel vouches for its service URL, and still gets no token elsewhere.
func TestTokensGoToHostsOfTheListOnly(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	cfg := a.config()
	cfg.ServiceHosts = nil
	s := startNode(t, server.Config{Azure: cfg})
	body, token := a.said("a:1", a.channel.ServiceURL(azureTenant))
	request(t, http.MethodPost, s.URL()+"/api/messages", body, "Authorization", token)
	_, answer := request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"a:1"},"text":"x"}`)
	var accepted api.Notification
	if err := json.Unmarshal([]byte(answer), &accepted); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(answer, `"failed"`); time.Sleep(20 * time.Millisecond) {
		if _, answer = request(t, http.MethodGet, s.URL()+"/v1/notifications/"+accepted.ID, ""); time.Now().After(deadline) {
			t.Fatalf("it does not fail: %s", answer)
		}
	}
	if r := a.channel.Report(); r.Requests != 0 {
		t.Errorf("the host was called %d times", r.Requests)
	}
	s.stop() // which writes what was counted
	again := startNode(t, server.Config{DataDir: s.dir, Azure: cfg})
	if _, log := again.call("", http.MethodGet, "/v1/audit?action=refused.service_url", ""); strings.Count(log, `"reason":"host_not_allowed"`) != 1 ||
		!strings.Contains(log, `"actor":"server"`) {
		t.Errorf("the audit log has %s", log)
	}
}

// TestRestartedServerSendsAtOnce: killed and started again, with nobody having written since, the bot reaches everybody.
func TestRestartedServerSendsAtOnce(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	p := build(t)
	cfg := a.config()
	p.env = []string{
		"HEADSUP_AZURE_APP_ID=" + cfg.AppID, "HEADSUP_AZURE_TENANT=" + cfg.Tenant, "HEADSUP_AZURE_SECRET=" + cfg.Secret,
		"HEADSUP_AZURE_SERVICE_HOSTS=" + a.host(), "HEADSUP_AZURE_ROOTS_FILE=" + a.roots,
		"HEADSUP_AZURE_LOGIN_URL=" + cfg.LoginURL, "HEADSUP_AZURE_METADATA_URL=" + cfg.MetadataURL,
	}
	p.start()
	body, token := a.said("a:1", a.channel.ServiceURL(azureTenant))
	if status, answer := p.post("/api/messages", body, "Authorization", token); status/100 != 2 {
		t.Fatalf("%d %s", status, answer)
	}
	for n := range 3 {
		p.kill()
		p.start()
		text := fmt.Sprint("after kill ", n)
		if status, answer := p.post("/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"a:1"},"text":%q}`, text)); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
		a.awaits(t, text)
	}
	if r := a.channel.Report(); r.Unauthorized != 0 {
		t.Errorf("%d calls without a good token", r.Unauthorized)
	}
}

// TestARevokedTokenIsReplaced, and what it was for is delivered.
func TestARevokedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	s, _ := start(t, server.Config{Azure: a.config()})
	body, token := a.said("a:1", a.channel.ServiceURL(azureTenant))
	request(t, http.MethodPost, s.URL()+"/api/messages", body, "Authorization", token)
	notify(t, s.URL(), "a:1", "first")
	a.awaits(t, "first")
	a.channel.Revoke()
	notify(t, s.URL(), "a:1", "second")
	a.awaits(t, "second")
	if r := a.channel.Report(); r.Unauthorized != 1 || r.Tokens != 2 {
		t.Errorf("%d calls with a token that was refused, %d tokens", r.Unauthorized, r.Tokens)
	}
}

func TestMistakesInARegistrationAreNamed(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	for want, change := range map[string]func(*server.Azure){
		"azure.app_id":                      func(c *server.Azure) { c.AppID = "" },
		"azure.cloud":                       func(c *server.Azure) { c.Cloud = "moon" },
		"there are 0":                       func(c *server.Azure) { c.Secret = "" },
		"there are 2":                       func(c *server.Azure) { c.ManagedIdentity = true },
		"azure.certificate_file":            func(c *server.Azure) { c.Secret, c.CertificateFile = "", "none.pem" },
		"azure.service_hosts":               func(c *server.Azure) { c.ServiceHosts = []string{"https://x.example"} },
		"azure.roots_file":                  func(c *server.Azure) { c.RootsFile = "none.pem" },
		"https":                             func(c *server.Azure) { c.MetadataURL = "http://login.example/" },
		"by https only":                     func(c *server.Azure) { c.LoginURL = "http://login.example/" },
		"Tenants is empty":                  func(c *server.Azure) { c.Tenant, c.Callers = "", []string{azureTenant} },
		"azure.app_id: \"x\" is not a GUID": func(c *server.Azure) { c.AppID = "x" },
		"neither a GUID nor a domain":       func(c *server.Azure) { c.Tenant = "our tenant" },
		"must be the tenant's id":           func(c *server.Azure) { c.Tenant, c.Emulator = "example.onmicrosoft.com", true },
		"azure.tenants: \"y\"":              func(c *server.Azure) { c.Tenants = []string{azureTenant, "y"} },
		"azure.callers: \"z\"":              func(c *server.Azure) { c.Callers = []string{"z"} },
		"azure.token_file":                  func(c *server.Azure) { c.Secret, c.TokenFile = "", "none.token" },
	} {
		cfg := a.config()
		change(&cfg)
		if err := (server.Config{Azure: cfg}).Validate(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "azure") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
