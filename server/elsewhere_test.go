package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

// guarded is a bot elsewhere that lets in whoever its SDK lets in: the channel whose metadata it is pointed at.
type guarded struct {
	*httptest.Server
	login  *fakelogin.Server
	forger *fakelogin.Forger
	token  string // its own, for channels

	mu       sync.Mutex
	verifier auth.Verifier // guarded by mu, as what follows
	kind     auth.Kind
	once     bool // refuses the next
	refused  []string
	heard    []string
}

const botApp = fakelogin.Agent

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	login, err := fakelogin.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = login.Close() })
	g := &guarded{login: login, forger: forgers().At("")}
	g.forger.Publish(login)
	g.token = g.forger.Entra.Sign(g.forger.EntraClaims(map[string]any{"aud": "https://api.botframework.com"}))
	g.Server = httptest.NewServer(http.HandlerFunc(g.hear))
	t.Cleanup(g.Close)
	return g
}

func (g *guarded) hear(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a, err := activity.Decode(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	verifier := g.verifier
	g.mu.Unlock()
	check, err := auth.Admit(r.Context(), verifier, r.Header.Values("Authorization"))
	var id auth.Identity
	if err == nil {
		id, err = check(r.Context(), a)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	once := g.once
	g.once = false
	if err != nil || once || id.Kind != g.kind || id.Kind == auth.KindChannel && id.ServiceURL != a.ServiceURL {
		g.refused = append(g.refused, fmt.Sprint(err, id))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.heard = append(g.heard, a.Text)
	w.WriteHeader(http.StatusAccepted)
}

// pointed has the bot's SDK take its keys from a server.
func (g *guarded) pointed(t *testing.T, url string) {
	t.Helper()
	v, err := auth.New(auth.Config{AppID: botApp, Cloud: auth.Cloud{ChannelMetadata: url + server.MetadataPath}})
	if err != nil {
		t.Fatal(err)
	}
	g.trusts(v, auth.KindChannel)
}

// trusts has it let in who a verifier says is of a kind.
func (g *guarded) trusts(v auth.Verifier, kind auth.Kind) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.verifier, g.kind = v, kind
}

// refusesNext has it refuse whoever comes next.
func (g *guarded) refusesNext() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.once = true
}

// said is what it has heard, and whom it has refused.
func (g *guarded) said() (heard, refused []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.heard), slices.Clone(g.refused)
}

func (g *guarded) config() server.Config {
	return server.Config{BotURL: g.URL + "/api/messages", BotAuth: server.BotAuth{
		AppID: botApp, Tenant: azureTenant, EntraMetadataURL: g.login.Cloud().EntraMetadata,
	}}
}

// TestBotElsewhereAndServerProveWhoTheyAre to each other: what people say reaches the bot with a token that an SDK accepts which
// knows nothing but the server's metadata, and the bot speaks with its own.
func TestBotElsewhereAndServerProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	p := page{t, running(t, g.config())}
	g.pointed(t, p.url)
	ann := p.enter("dl_ann", "")
	ann.say("hello")
	ann.say("again")
	g.mu.Lock()
	if len(g.refused) > 0 || !slices.Contains(g.heard, "hello") || !slices.Contains(g.heard, "again") {
		t.Errorf("the bot has heard %q, and refused %q", g.heard, g.refused)
	}
	g.mu.Unlock()
	path := p.url + "/v3/conversations/" + ann.conversation + "/activities"
	if r, answer := request(t, http.MethodPost, path, `{"type":"message","text":"from the bot"}`, "Authorization", "Bearer "+g.token); r.StatusCode != http.StatusOK {
		t.Errorf("the bot speaks: %s %s", r.Status, answer)
	}
	ann.sees("hello", "again", "from the bot")
	id := ann.tell(`"text":"proactive"`)
	if d := ann.ends(id); d.State != "delivered" {
		t.Errorf("a notification is %s", d.State)
	}
}

// TestOnlyTheBotSpeaksAsTheBot asks for every operation of the bots' side with every token that is not the bot's.
func TestOnlyTheBotSpeaksAsTheBot(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	p := page{t, running(t, g.config())}
	g.pointed(t, p.url)
	ann := p.enter("dl_ann", "")
	ann.say("hello")
	f := g.forger
	entra := func(changes map[string]any) string {
		c := f.EntraClaims(map[string]any{"aud": "https://api.botframework.com"})
		for name, v := range changes {
			c[name] = v
		}
		return "Bearer " + f.Entra.Sign(c)
	}
	tokens := map[string]struct {
		header string
		status int
	}{
		"no token":              {"", 401},
		"nonsense":              {"Bearer x", 401},
		"basic":                 {"Basic " + g.token, 401},
		"another bot":           {entra(map[string]any{"azp": azureApp}), 403},
		"another tenant":        {entra(map[string]any{"tid": "x"}), 401},
		"for the bot, not us":   {entra(map[string]any{"aud": botApp}), 401},
		"expired":               {entra(map[string]any{"exp": 1}), 401},
		"a channel's token":     {"Bearer " + f.At(p.url).Good(), 401},
		"somebody else's key":   {"Bearer " + f.Stranger.SignWith(f.Header(map[string]any{"kid": f.Entra.ID}), f.EntraClaims(map[string]any{"aud": "https://api.botframework.com"})), 401},
		"a person's token":      {"Bearer " + ann.token, 401},
		"a good one, twice":     {"Bearer " + g.token + ", Bearer " + g.token, 401},
		"a good one, anonymous": {"Bearer AnonymousSkill", 401},
	}
	c := "/v3/conversations/" + ann.conversation
	for _, route := range []string{
		"GET /v3/conversations", "POST /v3/conversations", "POST " + c + "/activities", "POST " + c + "/activities/history",
		"POST " + c + "/activities/1", "PUT " + c + "/activities/1", "DELETE " + c + "/activities/1", "GET " + c + "/activities/1/members",
		"GET " + c + "/members", "GET " + c + "/members/dl_ann", "DELETE " + c + "/members/dl_ann", "GET " + c + "/pagedmembers",
		"POST " + c + "/attachments", "GET /v3/attachments/x", "HEAD /v3/conversations", "GET /v3/conversations/nobody/members",
		"POST " + c + "/Activities/", "GET /V3/conversations",
	} {
		method, path, _ := strings.Cut(route, " ")
		for name, token := range tokens {
			header := []string{}
			if token.header != "" {
				header = []string{"Authorization", token.header}
			}
			body := `{"type":"message","text":"forged"}`
			if method == http.MethodGet || method == http.MethodHead {
				body = ""
			}
			r, answer := request(t, method, p.url+path, body, header...)
			if r.StatusCode != token.status && (r.StatusCode != http.StatusNotFound || !strings.HasPrefix(path, "/V3")) {
				t.Errorf("%s with %s: %s %s, want %d", route, name, r.Status, answer, token.status)
			}
		}
	}
	ann.sees("hello")
	g.login.Entra.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil)
	if r, answer := request(t, http.MethodGet, p.url+c+"/members", "", "Authorization", "Bearer "+g.token); r.StatusCode != http.StatusOK {
		t.Errorf("the bot itself, with the keys' place down: %s %s", r.Status, answer)
	}
}

// TestMistakesOfABotElsewhereAreNamed: a server that others can reach talks to no bot without proof.
func TestMistakesOfABotElsewhereAreNamed(t *testing.T) {
	t.Parallel()
	const url = "https://bot.example.com/api/messages"
	good := server.BotAuth{AppID: botApp}
	exposed := server.Config{PublicURL: public, DirectLineOnly: true, DirectLineSecret: nodesSecret}
	for name, c := range map[string]struct {
		cfg   server.Config
		field string
	}{
		"on loopback without proof":  {server.Config{BotURL: "http://localhost:3979/api/messages"}, ""},
		"on loopback with proof":     {server.Config{BotURL: url, BotAuth: good}, ""},
		"exposed with proof":         {with(exposed, url, good), ""},
		"exposed, bot beside it":     {with(exposed, "http://127.0.0.1:3979/api/messages", good), ""},
		"exposed without proof":      {with(exposed, url, server.BotAuth{}), "bot.app_id"},
		"a token by http":            {with(exposed, "http://bot.example.com/", good), "bot.url"},
		"no app id":                  {with(exposed, url, server.BotAuth{AppID: "bot"}), "bot.app_id"},
		"no caller":                  {with(exposed, url, server.BotAuth{AppID: botApp, Callers: []string{"*"}}), "bot.app_id"},
		"no tenant":                  {with(exposed, url, server.BotAuth{AppID: botApp, Tenant: "example.com"}), "bot.tenant"},
		"no such token":              {with(exposed, url, server.BotAuth{AppID: botApp, Token: "x"}), "bot.token"},
		"entra without registration": {with(exposed, url, server.BotAuth{AppID: botApp, Token: "entra"}), "bot.token"},
		"proof without a bot":        {with(exposed, "", good), "bot.url"},
	} {
		err := c.cfg.Validate()
		if c.field == "" && err != nil || c.field != "" && (err == nil || !strings.Contains(err.Error(), c.field)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(cfg server.Config, url string, a server.BotAuth) server.Config {
	cfg.BotURL, cfg.BotAuth = url, a
	return cfg
}

// TestRefusedBotsDoNotFillTheLog: of each reason one line a minute counts.
func TestRefusedBotsDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	g, log := newGuarded(t), &safeBuffer{}
	cfg := g.config()
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	p := page{t, running(t, cfg)}
	for range 20 {
		if r, answer := request(t, http.MethodGet, p.url+"/v3/conversations", ""); r.StatusCode != http.StatusUnauthorized {
			t.Fatalf("without a token: %s %s", r.Status, answer)
		}
	}
	if n := strings.Count(log.String(), `msg="bot refused"`); n != 1 {
		t.Errorf("%d lines for one reason", n)
	}
}

// TestEndedConversationsLeaveTheBook: whichever side has ended one, nobody is sent there any more.
func TestEndedConversationsLeaveTheBook(t *testing.T) {
	t.Parallel()
	p := page{t, running(t, server.Config{})}
	const end = `{"type":"endOfConversation"}`
	for who, ends := range map[string]func(c seat){
		"the person": func(c seat) { c.post(end) },
		"the bot": func(c seat) {
			if r, answer := request(t, http.MethodPost, p.url+"/v3/conversations/"+c.conversation+"/activities", end); r.StatusCode >= 300 {
				t.Fatalf("%s %s", r.Status, answer)
			}
		},
	} {
		c := p.enter("dl_"+strings.TrimPrefix(who, "the "), "")
		c.say("hello")
		ends(c)
		_, answer := request(t, http.MethodGet, p.url+"/v1/conversations/"+c.conversation, "")
		if !strings.Contains(answer, `"reach":"uninstalled"`) || !strings.Contains(answer, `"ended"`) {
			t.Errorf("%s has ended it, and the book says %s", who, answer)
		}
		r, answer := request(t, http.MethodPost, p.url+"/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"x"}`, c.conversation))
		if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(answer, "target_uninstalled") {
			t.Errorf("%s has ended it, and it is spoken to: %s %s", who, r.Status, answer)
		}
	}
}
