package cli_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/server"
)

// answering is a bot that always answers the same, and hears that somebody types.
func answering(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body [4096]byte
		n, _ := r.Body.Read(body[:])
		if a, err := activity.Decode(body[:n]); err != nil || a.Type != activity.TypeTyping || a.Text != "" {
			t.Errorf("the bot was told %s: %v", body[:n], err)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/api/messages"
}

// TestDoctorLooksAtABotElsewhere with a message that no bot takes notice of.
func TestDoctorLooksAtABotElsewhere(t *testing.T) {
	t.Parallel()
	unknown := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(unknown.Close)
	alone := func(c *clinic, url string) {
		c.directLineOnly()
		c.without("public_url", "directline_secret_file")
		c.settings["bot.url"] = url
	}
	proving := func(c *clinic, url string) {
		c.directLineOnly()
		c.settings["bot.url"], c.settings["bot.app_id"] = url, openTenant
	}
	entra := func(c *clinic, url string) {
		c.settings["bot.url"], c.settings["bot.app_id"], c.settings["bot.token"] = url, openTenant, "entra"
	}
	for name, c := range map[string]struct {
		change func(c *clinic, url string)
		url    string
		status int
		want   string
	}{
		"it listens":                     {alone, "", http.StatusOK, ""},
		"it wants to see a token":        {alone, "", http.StatusUnauthorized, "bot.endpoint wants_token: set bot.app_id"},
		"by http, elsewhere":             {alone, "http://bot.example.com/api/messages", 0, "bot.endpoint clear: speak https"},
		"it is away":                     {alone, "http://127.0.0.1:1/api/messages", 0, "bot.endpoint unreachable: start the bot"},
		"a certificate of nobody":        {alone, unknown.URL, 0, "bot.endpoint certificate: bot.roots_file"},
		"another program":                {alone, "", http.StatusNotFound, "bot.endpoint no_endpoint: /api/messages"},
		"it fails":                       {alone, "", http.StatusInternalServerError, "bot.endpoint broken: the bot's log"},
		"no server, and it lets none in": {proving, "", http.StatusUnauthorized, ""},
		"it lets everybody in":           {proving, "", http.StatusOK, "bot.endpoint open: check tokens"},
		"it takes a token of Entra":      {entra, "", http.StatusOK, ""},
		"it takes none of Entra":         {entra, "", http.StatusForbidden, "bot.endpoint token_refused: azure.app_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clinic := newClinic(t, fakechannel.Config{})
			if c.url == "" {
				c.url = answering(t, c.status)
			}
			c.change(clinic, c.url)
			_, wrong := clinic.examine()
			clinic.finds(wrong, c.want)
		})
	}
	t.Run("Entra gives no token", func(t *testing.T) {
		t.Parallel()
		c := newClinic(t, fakechannel.Config{})
		entra(c, answering(t, http.StatusOK))
		c.refuses("AADSTS7000222")
		_, wrong := c.examine()
		if !slices.ContainsFunc(wrong, func(f finding) bool {
			return f.ID+" "+f.Fault == "bot.endpoint no_token" && strings.Contains(f.Found, "AADSTS7000222")
		}) {
			t.Errorf("finds %v", wrong)
		}
	})
}

// TestDoctorShowsABotTheServersToken: a bot that knows the server's metadata takes it, one that does not, not.
func TestDoctorShowsABotTheServersToken(t *testing.T) {
	t.Parallel()
	var verifier atomic.Pointer[auth.Tokens]
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body [4096]byte
		n, _ := r.Body.Read(body[:])
		a, err := activity.Decode(body[:n])
		if err == nil {
			_, err = verifier.Load().Verify(r.Context(), r.Header.Values("Authorization"), a)
		}
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(bot.Close)
	c := newClinic(t, fakechannel.Config{})
	c.directLineOnly()
	c.without("public_url", "directline_secret_file")
	c.settings["bot.url"], c.settings["bot.app_id"] = bot.URL+"/api/messages", openTenant
	s, err := server.New(t.Context(), server.Config{
		Listen: "127.0.0.1:0", DataDir: filepath.Clean(c.data()), DirectLineOnly: true, Version: "x",
		BotURL: c.settings["bot.url"], BotAuth: server.BotAuth{AppID: openTenant},
	})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	for _, knows := range []struct{ app, want string }{{openTenant, ""}, {openApp, "bot.endpoint token_refused: bot.app_id"}} {
		v, err := auth.New(auth.Config{AppID: knows.app, Cloud: auth.Cloud{ChannelMetadata: s.URL() + server.MetadataPath}})
		if err != nil {
			t.Fatal(err)
		}
		verifier.Store(v)
		_, wrong := c.examine()
		wrong = slices.DeleteFunc(wrong, func(f finding) bool { return f.ID == "server.version" || f.ID == "server.ready" })
		c.finds(wrong, knows.want)
	}
}
