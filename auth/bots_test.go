package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// TestBotsShowTheirOwnTokens: those that they have from Entra for the channel service, and no others.
func TestBotsShowTheirOwnTokens(t *testing.T) {
	t.Parallel()
	const framework = "d6d49420-f39b-4df7-a1dc-d59a935871db"
	f, login := forger(), newLogin(t)
	v1 := func(tid string, changes map[string]any) map[string]any {
		c := map[string]any{
			"iss": "https://sts.windows.net/" + tid + "/", "tid": tid, "ver": "1.0", "azp": nil, "appid": agent, "aud": "https://api.botframework.com",
		}
		for name, v := range changes {
			c[name] = v
		}
		return c
	}
	v2 := map[string]any{"aud": "https://api.botframework.com"}
	entra := func(changes map[string]any) []string { return bearer(f.Entra.Sign(f.EntraClaims(changes))) }
	for name, c := range map[string]struct {
		tenants []string
		header  []string
		status  int
	}{
		"of a tenant":                 {[]string{tenant}, entra(v1(tenant, nil)), 0},
		"of a tenant, version 2.0":    {[]string{tenant}, entra(v2), 0},
		"of no tenant":                {nil, entra(v1(framework, nil)), 0},
		"no token":                    {nil, nil, 401},
		"two":                         {nil, append(entra(v2), entra(v2)...), 401},
		"basic":                       {nil, []string{"Basic " + strings.TrimPrefix(entra(v2)[0], "Bearer ")}, 401},
		"of another tenant":           {[]string{tenant}, entra(v1(framework, nil)), 401},
		"of a tenant, where none is":  {nil, entra(v1(tenant, nil)), 401},
		"another tenant's claim":      {[]string{tenant}, entra(v1(tenant, map[string]any{"tid": framework})), 401},
		"another bot":                 {[]string{tenant}, entra(v1(tenant, map[string]any{"appid": appID})), 403},
		"no app":                      {[]string{tenant}, entra(v1(tenant, map[string]any{"appid": nil})), 401},
		"for an agent":                {[]string{tenant}, entra(v1(tenant, map[string]any{"aud": appID})), 401},
		"for another cloud":           {[]string{tenant}, entra(v1(tenant, map[string]any{"aud": "https://api.botframework.us"})), 401},
		"expired":                     {[]string{tenant}, entra(v1(tenant, map[string]any{"exp": 1})), 401},
		"a channel's":                 {[]string{tenant}, bearer(f.Good()), 401},
		"a channel's key":             {[]string{tenant}, bearer(f.Channel.Sign(f.EntraClaims(v1(tenant, nil)))), 401},
		"nobody's key":                {[]string{tenant}, bearer(f.Stranger.SignWith(f.Header(map[string]any{"kid": f.Entra.ID}), f.EntraClaims(v1(tenant, nil)))), 401},
		"unsigned":                    {[]string{tenant}, bearer(f.Entra.SignWith(map[string]any{"alg": "none"}, f.EntraClaims(v1(tenant, nil)))), 401},
		"issued by the channel's own": {[]string{tenant}, entra(v1(tenant, map[string]any{"iss": "https://api.botframework.com"})), 401},
	} {
		v, err := auth.NewBots(auth.BotsConfig{Apps: []string{strings.ToUpper(agent)}, Tenants: c.tenants, Cloud: login.Cloud()})
		if err != nil {
			t.Fatal(err)
		}
		app, err := v.Verify(t.Context(), c.header)
		if status(t, err) != c.status || (err == nil) != (app == agent) {
			t.Errorf("%s: %s, %v; want %d", name, app, err, c.status)
		}
	}
	if n := login.Channel.Fetches(); n != (fakelogin.Fetches{}) {
		t.Errorf("the channel's keys were fetched: %+v", n)
	}
	for name, apps := range map[string][]string{"nobody": nil, "an empty one": {""}, "anybody": {"*"}} {
		if _, err := auth.NewBots(auth.BotsConfig{Apps: apps}); err == nil || !strings.Contains(err.Error(), "Apps") {
			t.Errorf("%s is let in: %v", name, err)
		}
	}
	v, err := auth.NewBots(auth.BotsConfig{Apps: []string{agent}, Cloud: login.Cloud(), Tenants: []string{tenant}})
	if err != nil {
		t.Fatal(err)
	}
	login.Entra.Answer(serve(http.StatusServiceUnavailable, ""), nil)
	if _, err := v.Verify(t.Context(), entra(v2)); err == nil || strings.Contains(err.Error(), "auth: 4") {
		t.Errorf("without keys: %v", err)
	}
}
