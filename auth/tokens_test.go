package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

const (
	appID   = "2f7c1e0a-9d3b-4c55-8a10-b5d7f0e61234"
	service = "https://smba.trafficmanager.net/teams/"
	tenant  = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"
	agent   = fakelogin.Agent
)

// forger has keys that take long to make; nothing changes them.
var forger = sync.OnceValue(func() *fakelogin.Forger { return fakelogin.NewForger(appID, tenant, service) })

func channelKey() *fakelogin.Key { return forger().Channel }
func otherKey() *fakelogin.Key   { return forger().Stranger }

func newLogin(t *testing.T) *fakelogin.Server {
	t.Helper()
	login, err := fakelogin.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = login.Close() })
	forger().Publish(login)
	return login
}

func newTokens(t *testing.T, login *fakelogin.Server, change func(*auth.Config)) *auth.Tokens {
	t.Helper()
	cfg := auth.Config{AppID: appID, Cloud: login.Cloud()}
	if change != nil {
		change(&cfg)
	}
	v, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func said(change func(*activity.Activity)) *activity.Activity { return forger().Activity(change) }

func claims(changes map[string]any) map[string]any { return forger().Claims(changes) }

func header(changes map[string]any) map[string]any { return forger().Header(changes) }

func bearer(token string) []string { return fakelogin.Bearer(token) }

// status is what a caller is answered for an error; 0 if there is none.
func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	refused, ok := errors.AsType[*auth.Error](err)
	if !ok {
		t.Fatalf("%v is no refusal", err)
	}
	return refused.Status
}

func TestChannelWithAGoodTokenIsLetIn(t *testing.T) {
	t.Parallel()
	v := newTokens(t, newLogin(t), nil)
	for name, c := range map[string]struct {
		header []string
		a      *activity.Activity
	}{
		"as it is":                  {bearer(channelKey().Sign(claims(nil))), said(nil)},
		"scheme in lower case":      {[]string{"bearer " + channelKey().Sign(claims(nil))}, said(nil)},
		"app id in upper case":      {bearer(channelKey().Sign(claims(map[string]any{"aud": strings.ToUpper(appID)}))), said(nil)},
		"audience in a list of one": {bearer(channelKey().Sign(claims(map[string]any{"aud": []string{appID}}))), said(nil)},
		"no type":                   {bearer(channelKey().SignWith(header(map[string]any{"typ": nil}), claims(nil))), said(nil)},
		"thumbprint in the header":  {bearer(channelKey().SignWith(header(map[string]any{"x5t": "abc"}), claims(nil))), said(nil)},
		"another channel": {
			bearer(channelKey().Sign(claims(map[string]any{"serviceurl": "https://webchat.botframework.com/"}))),
			said(func(a *activity.Activity) {
				a.ChannelID, a.ServiceURL = activity.ChannelWebChat, "https://webchat.botframework.com/"
			}),
		},
		"host in another case, no slash at the end": {
			bearer(channelKey().Sign(claims(map[string]any{"serviceurl": "https://SMBA.trafficmanager.net/teams"}))), said(nil),
		},
		"claims that nobody asks for": {
			bearer(channelKey().Sign(claims(map[string]any{"roles": []string{"x"}, "uti": "1"}))), said(nil),
		},
	} {
		id, err := v.Verify(t.Context(), c.header, c.a)
		if err != nil || id.Kind != auth.KindChannel || !id.Verified() || id.ServiceURL == "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// TestCallersAreRefused has the rows J01 to J58 of the attacks on a bot's endpoint, as far as one call is all of them.
func TestCallersAreRefused(t *testing.T) {
	t.Parallel()
	login := newLogin(t)
	v := newTokens(t, login, nil)
	for _, c := range forger().Attacks(login.Cloud().EntraMetadata) {
		id, err := v.Verify(t.Context(), c.Authorization, c.Activity)
		if id.Verified() || id != (auth.Identity{}) || status(t, err) != c.Status {
			t.Errorf("%s: %+v, %v; want %d", c.Name, id, err, c.Status)
		}
	}
	if n := login.Entra.Fetches(); n != (fakelogin.Fetches{}) {
		t.Errorf("addresses in tokens were asked: %+v", n)
	}
	if n := login.Channel.Fetches(); n.Keys > 3 {
		t.Errorf("keys were fetched %d times", n.Keys)
	}
}

// TestClocksMayDifferByFiveMinutes (J31, J33).
func TestClocksMayDifferByFiveMinutes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	v := newTokens(t, newLogin(t), func(c *auth.Config) { c.Now = func() time.Time { return now } })
	for name, c := range map[string]struct {
		claim string
		at    time.Duration
		in    bool
	}{
		"just expired":     {"exp", -5*time.Minute + time.Second, true},
		"expired":          {"exp", -5*time.Minute - time.Second, false},
		"good for a day":   {"exp", 24 * time.Hour, true},
		"for longer":       {"exp", 24*time.Hour + 6*time.Minute, false},
		"valid soon":       {"nbf", 5*time.Minute - time.Second, true},
		"valid later":      {"nbf", 5*time.Minute + time.Second, false},
		"just issued":      {"iat", 5*time.Minute - time.Second, true},
		"not yet issued":   {"iat", 5*time.Minute + time.Second, false},
		"issued years ago": {"iat", -1000 * 24 * time.Hour, true},
	} {
		token := channelKey().Sign(claims(map[string]any{
			"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(), c.claim: now.Add(c.at).Unix(),
		}))
		if _, err := v.Verify(t.Context(), bearer(token), said(nil)); (err == nil) != c.in {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTenantsOfTheListAreHeard(t *testing.T) {
	t.Parallel()
	v := newTokens(t, newLogin(t), func(c *auth.Config) { c.Tenants = []activity.TenantID{activity.TenantID(strings.ToUpper(tenant))} })
	for name, c := range map[string]struct {
		change func(*activity.Activity)
		status int
	}{
		"on it":                        {nil, 0},
		"only in the channel data":     {func(a *activity.Activity) { a.Conversation.TenantID = "" }, 0},
		"no tenant":                    {func(a *activity.Activity) { a.Conversation.TenantID, a.ChannelData = "", nil }, 403},
		"another in the channel data":  {func(a *activity.Activity) { a.ChannelData = []byte(`{"tenant":{"id":"x"}}`) }, 403},
		"another one":                  {func(a *activity.Activity) { a.Conversation.TenantID, a.ChannelData = "x", nil }, 403},
		"another in the conversation":  {func(a *activity.Activity) { a.Conversation.TenantID = "x" }, 403},
		"channel data of another kind": {func(a *activity.Activity) { a.ChannelData = []byte(`[1]`) }, 0},
	} {
		_, err := v.Verify(t.Context(), bearer(channelKey().Sign(claims(nil))), said(c.change))
		if status(t, err) != c.status {
			t.Errorf("%s: %v; want %d", name, err, c.status)
		}
	}
}

// TestCallersFromEntra has J25 and J43 to J48.
func TestCallersFromEntra(t *testing.T) {
	t.Parallel()
	for _, c := range forger().Callers() {
		v := newTokens(t, newLogin(t), func(cfg *auth.Config) { cfg.Entra = &c.Entra })
		id, err := v.Verify(t.Context(), c.Authorization, said(nil))
		if id.Kind != c.Kind || id.App != c.App || id.ServiceURL != "" || status(t, err) != c.Status {
			t.Errorf("%s: %+v, %v", c.Name, id, err)
		}
	}
}

// TestNobodyIsLetInByConfiguration (J52): what would let in everybody, or nobody knows whom, makes no verifier.
func TestNobodyIsLetInByConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  auth.Config
		want string
	}{
		"no app id":        {auth.Config{}, "AppID"},
		"blank app id":     {auth.Config{AppID: " "}, "AppID"},
		"nobody":           {auth.Config{AppID: appID, Entra: &auth.Entra{}}, "lets in nobody"},
		"no tenants":       {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{"*"}}}, "Tenants"},
		"star and others":  {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{"*", agent}, Tenants: []string{tenant}}}, `"*"`},
		"empty caller":     {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{""}, Tenants: []string{tenant}}}, "empty"},
		"metadata by http": {auth.Config{AppID: appID, Cloud: auth.Cloud{ChannelMetadata: "http://login.example/x"}}, "https"},
		"metadata nowhere": {auth.Config{AppID: appID, Cloud: auth.Cloud{ChannelMetadata: "https:///x"}}, "https"},
		"metadata of a file": {
			auth.Config{AppID: appID, Cloud: auth.Cloud{EntraMetadata: "file:///x"}, Entra: &auth.Entra{Emulator: true}}, "https",
		},
	} {
		if _, err := auth.New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
