package server_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

// entra is the place where apps have their tokens from: it gives those that the forger signs, for the app that the scope names.
type entra struct {
	*httptest.Server
	forger *fakelogin.Forger
	roots  string

	mu    sync.Mutex
	asked []string // scopes; guarded by mu
}

func newEntra(t *testing.T, f *fakelogin.Forger) *entra {
	t.Helper()
	e := &entra{forger: f, roots: filepath.Join(t.TempDir(), "entra.pem")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		of := e.URL + "/" + r.PathValue("tenant")
		answerJSON(w, map[string]any{
			"issuer": of + "/v2.0", "token_endpoint": of + "/oauth2/v2.0/token", "authorization_endpoint": of + "/oauth2/v2.0/authorize",
		})
	})
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.token)
	e.Server = httptest.NewTLSServer(mux)
	t.Cleanup(e.Close)
	if err := os.WriteFile(e.roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, v)
}

func (e *entra) token(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	scope := r.PostFormValue("scope")
	e.asked = append(e.asked, scope)
	audience, _, _ := strings.Cut(scope, "/.default")
	claims := map[string]any{"aud": audience, "azp": r.PostFormValue("client_id"), "jti": fmt.Sprint(len(e.asked))}
	if r.PostFormValue("client_secret") != azureSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answerJSON(w, map[string]any{
		"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": e.forger.Entra.Sign(e.forger.EntraClaims(claims)),
	})
}

// scopes are what was asked for.
func (e *entra) scopes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

// TestBotElsewhereIsShownATokenOfEntra: what people say reaches a bot whose SDK knows nothing but Entra's keys, with a token for
// that bot. One that the bot refuses is replaced once, and what was said is posted again.
func TestBotElsewhereIsShownATokenOfEntra(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	e := newEntra(t, g.forger)
	verifier, err := auth.New(auth.Config{
		AppID: botApp, Cloud: g.login.Cloud(), Entra: &auth.Entra{Callers: []string{azureApp}, Tenants: []string{azureTenant}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.trusts(verifier, auth.KindAgent)
	cfg := g.config()
	cfg.BotAuth.Token = "entra"
	cfg.Azure = server.Azure{AppID: azureApp, Tenant: azureTenant, Secret: azureSecret, LoginURL: e.URL + "/", RootsFile: e.roots,
		MetadataURL: g.login.Cloud().ChannelMetadata}
	p := page{t, running(t, cfg)}
	ann := p.enter("dl_ann", "")
	ann.say("hello")
	ann.say("again")
	heard, refused := g.said()
	if len(refused) > 0 || !slices.Contains(heard, "hello") || !slices.Contains(heard, "again") {
		t.Fatalf("the bot has heard %q, and refused %q", heard, refused)
	}
	forBot := func() (n int) {
		for _, scope := range e.scopes() {
			if strings.HasPrefix(scope, botApp+"/.default") {
				n++
			}
		}
		return n
	}
	if forBot() != 1 {
		t.Errorf("tokens were asked for %q", e.scopes())
	}
	// The bot forgets whom it knew: the token is replaced once, and what was said is not lost.
	g.refusesNext()
	ann.say("after a refusal")
	if heard, refused = g.said(); len(refused) != 1 || !slices.Contains(heard, "after a refusal") || forBot() != 2 {
		t.Errorf("the bot has heard %q, and refused %q; tokens were asked for %q", heard, refused, e.scopes())
	}
	// A bot that takes none is not asked again and again for the same message.
	g.trusts(nil, auth.KindAgent)
	if status := ann.call("POST", "/v3/directline/conversations/"+ann.conversation+"/activities", `{"type":"message","text":"to nobody"}`, nil); status != http.StatusBadGateway {
		t.Errorf("a bot that takes no token: %d", status)
	}
	if _, again := g.said(); len(again) > len(refused)+2 {
		t.Errorf("it was posted %d times", len(again)-len(refused))
	}
}
