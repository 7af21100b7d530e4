package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// signing are the states of keys of a purpose, the newest first.
func signing(t *testing.T, answer, purpose string) (states []string) {
	t.Helper()
	var found api.SigningKeys
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	for _, k := range found.Keys {
		if k.Purpose == purpose {
			states = append(states, k.State)
		}
	}
	return states
}

// TestSigningKeysAreReplaced: by admins, audited, without a token refused; or at once, with all of them.
func TestSigningKeysAreReplaced(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret})
	n.host = "bot.example.com"
	const rotate = "/v1/signing-keys/directline/rotate"
	token := func() string {
		_, answer := n.call(nodesSecret, http.MethodPost, "/v3/directline/tokens/generate", `{"user":{"id":"dl_ann"}}`)
		return between(t, answer, `"token":"`, `"`)
	}
	good := func(token string, want int) {
		t.Helper()
		if resp, answer := n.call(token, http.MethodPost, "/v3/directline/tokens/refresh", ""); resp.StatusCode != want {
			t.Errorf("a token: %s %s, want %d", resp.Status, answer, want)
		}
	}
	old := token()
	_, manage := n.key(`{"name":"x","scopes":["manage"]}`)
	for _, path := range []string{"/v1/signing-keys", rotate} {
		method := http.MethodGet
		if path == rotate {
			method = http.MethodPost
		}
		if resp, answer := n.call(manage, method, path, ""); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s with manage: %s %s", path, resp.Status, answer)
		}
	}
	resp, answer := n.call(n.admin, http.MethodPost, rotate, "")
	if got := signing(t, answer, "directline"); resp.StatusCode != http.StatusOK || !slices.Equal(got, []string{"next", "signing"}) {
		t.Errorf("replaced: %s %s", resp.Status, answer)
	}
	good(old, http.StatusOK)
	good(token(), http.StatusOK)
	if resp, answer := n.call(n.admin, http.MethodPost, rotate, ""); resp.StatusCode != http.StatusConflict || !strings.Contains(answer, api.CodeRotationUnderWay) {
		t.Errorf("again: %s %s", resp.Status, answer)
	}
	resp, answer = n.call(n.admin, http.MethodPost, rotate, `{"at_once":true}`)
	if got := signing(t, answer, "directline"); resp.StatusCode != http.StatusOK || !slices.Equal(got, []string{"signing"}) {
		t.Errorf("at once: %s %s", resp.Status, answer)
	}
	good(old, http.StatusForbidden)
	good(token(), http.StatusOK)
	resp, answer = n.call(n.admin, http.MethodPost, "/v1/signing-keys/actions/rotate", "")
	if got := signing(t, answer, "actions"); resp.StatusCode != http.StatusOK || !slices.Equal(got, []string{"next", "signing"}) {
		t.Errorf("replaced for actions: %s %s", resp.Status, answer)
	}
	for path, want := range map[string]int{"/v1/signing-keys/bot/rotate": http.StatusNotFound, "/v1/signing-keys/other/rotate": http.StatusUnprocessableEntity} {
		if resp, answer := n.call(n.admin, http.MethodPost, path, ""); resp.StatusCode != want {
			t.Errorf("%s: %s %s", path, resp.Status, answer)
		}
	}
	_, log := n.call(n.admin, http.MethodGet, "/v1/audit?action=signing_key.rotate", "")
	if strings.Count(log, `"purpose":"directline"`) != 2 || strings.Count(log, `"at_once":true`) != 1 || strings.Count(log, `"local"`) != 3 {
		t.Errorf("the audit log has %s", log)
	}
}

// TestSigningKeysAreReplacedUnderLoad: on two nodes that share a database, whose clients get tokens from one and show them to the
// other all the time, nobody is refused before, while and after the key is replaced.
func TestSigningKeysAreReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	b := newNodes(t, 2, server.Config{SigningLead: 6 * time.Second})
	stop := make(chan struct{})
	var used, refused atomic.Int64
	var clients sync.WaitGroup
	ask := func(path, token string) (int, string) {
		resp, answer := request(t, http.MethodPost, b.URL+path, "{}", "Authorization", "Bearer "+token)
		return resp.StatusCode, answer
	}
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, answer := ask("/v3/directline/tokens/generate", nodesSecret)
				for _, path := range []string{"/v3/directline/conversations", "/v3/directline/tokens/refresh", "/v3/directline/conversations"} {
					if status/100 != 2 {
						refused.Add(1)
						t.Errorf("%d %s", status, answer)
						return
					}
					_, rest, _ := strings.Cut(answer, `"token":"`)
					token, _, _ := strings.Cut(rest, `"`)
					status, answer = ask(path, token)
					used.Add(1)
				}
			}
		})
	}
	_, answer := request(t, http.MethodPost, b.URL+"/v1/signing-keys/directline/rotate", "{}")
	if got := signing(t, answer, "directline"); !slices.Equal(got, []string{"next", "signing"}) {
		t.Errorf("replaced: %s", answer)
	}
	var list string
	for range 2 { // on both: the balancer takes turns, and clients ask in between
		eventually(t, func() string { return "the keys are " + list }, func() bool {
			_, list = request(t, http.MethodGet, b.URL+"/v1/signing-keys", "")
			return slices.Equal(signing(t, list, "directline"), []string{"signing", "retired"})
		})
	}
	after := used.Load()
	eventually(t, func() string { return fmt.Sprintf("%d tokens were used after it", used.Load()-after) }, func() bool {
		return used.Load() > after+50 || refused.Load() > 0
	})
	close(stop)
	clients.Wait()
}

// TestBotsKeysAreReplaced: both are published, and the bot goes on taking what it is shown.
func TestBotsKeysAreReplaced(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	cfg := g.config()
	cfg.SigningLead = time.Second
	p := page{t, running(t, cfg)}
	g.pointed(t, p.url)
	ann := p.enter("dl_ann", "")
	ann.say("before")
	keys := func() int {
		_, answer := request(t, http.MethodGet, p.url+"/v3/.well-known/keys", "")
		return strings.Count(answer, `"kid"`)
	}
	if n := keys(); n != 1 {
		t.Errorf("%d keys are published", n)
	}
	_, list := request(t, http.MethodPost, p.url+"/v1/signing-keys/bot/rotate", "")
	if n := keys(); n != 2 {
		t.Errorf("%d keys are published while one is replaced: %s", n, list)
	}
	eventually(t, func() string { return "the keys are " + list }, func() bool {
		_, list = request(t, http.MethodGet, p.url+"/v1/signing-keys", "")
		return slices.Equal(signing(t, list, "bot"), []string{"signing", "retired"})
	})
	g.pointed(t, p.url) // as a bot that looks again
	ann.say("after")
	if n := keys(); n != 2 {
		t.Errorf("%d keys are published after one was replaced", n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.refused) > 0 || !slices.Contains(g.heard, "before") || !slices.Contains(g.heard, "after") {
		t.Errorf("the bot has heard %q, and refused %q", g.heard, g.refused)
	}
}

// TestTwoDirectLineSecrets are as good as each other, so that one can be replaced.
func TestTwoDirectLineSecrets(t *testing.T) {
	t.Parallel()
	second := strings.Repeat("s", 40)
	n := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret, DirectLineSecondSecret: second})
	n.host = "bot.example.com"
	for secret, want := range map[string]int{nodesSecret: http.StatusOK, second: http.StatusOK, second + "x": http.StatusForbidden} {
		if resp, answer := n.call(secret, http.MethodPost, "/v3/directline/tokens/generate", ""); resp.StatusCode != want {
			t.Errorf("%.10s…: %s %s", secret, resp.Status, answer)
		}
	}
	for name, cfg := range map[string]server.Config{
		"short": {DirectLineSecret: nodesSecret, DirectLineSecondSecret: "short"}, "the same": {DirectLineSecret: nodesSecret, DirectLineSecondSecret: nodesSecret},
		"alone": {DirectLineSecondSecret: second},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "directline_second_secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
