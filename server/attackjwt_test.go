package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

// refusals compares what is answered to those who are refused: the same to all of a kind.
type refusals map[int]string

// check looks at one refusal.
func (r refusals) check(t *testing.T, resp *http.Response, answer string, want ...int) {
	t.Helper()
	status := resp.StatusCode
	if !slices.Contains(want, status) {
		t.Fatalf("%s %s, want %d", resp.Status, answer, want)
	}
	if status == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", resp.Header.Get("WWW-Authenticate"))
	}
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return
	}
	if known, ok := r[status]; ok && known != answer || len(answer) > 100 {
		t.Errorf("answered %s, and to others %s", answer, known)
	}
	r[status] = answer
}

// TestAttackTokens is J01 to J58, as far as one call is all of the attack, on the binary as it is shipped: each is refused with
// the same few words as all others, nothing is kept of it, nobody is called, and it is counted once.
func TestAttackTokens(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	before, said := b.dump(), make(refusals)
	refused, first := 0, b.counted("headsup_auth_refusals_total")
	for _, attack := range b.forger.Attacks("http://" + b.canary.address() + "/keys") {
		t.Run(attack.Name, func(t *testing.T) {
			resp, answer := b.ask(attack.Authorization, b.encode(attack.Activity))
			// What is no header of HTTP, or too long for one, does not get as far as that.
			broken := slices.ContainsFunc(attack.Authorization, func(h string) bool { return strings.Contains(h, "\n") || len(h) > 32<<10 })
			want := []int{attack.Status}
			if broken {
				want = append(want, http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge)
			}
			said.check(t, resp, answer, want...)
			if resp.StatusCode == attack.Status {
				refused++
			}
			b.unchanged(t, before)
			b.canary.quietly(t)
		})
	}
	if n := b.counted("headsup_auth_refusals_total") - first; n != refused {
		t.Errorf("%d refusals are counted, there were %d", n, refused)
	}
	if n := b.azure.login.Entra.Fetches(); n != (fakelogin.Fetches{}) {
		t.Errorf("Entra was asked for keys: %+v", n)
	}
	b.endsQuietly(t, before, refused)
}

// endsQuietly stops the binary: what it kept in memory is not written now either, and the log has one line per refusal without
// anything of the token or the body.
func (b *besieged) endsQuietly(t *testing.T, before tables, refused int) {
	t.Helper()
	b.signal()
	if err := b.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
	b.unchanged(t, before, "settings")
	if n := len(b.logged("activity refused")); n < refused {
		t.Errorf("%d refusals are in the log, there were %d", n, refused)
	}
	good := b.forger.Good()
	b.neverLogged(t, good[:40], "eyJ", "PROBE", "etc/passwd", "evil.example")
}

// TestAttackTokensElsewhere is J05: a token counts in its header only.
func TestAttackTokensElsewhere(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	good, before, said := b.forger.Good(), b.dump(), make(refusals)
	body := b.encode(b.message("a:1", "1"))
	for name, raw := range map[string]string{
		"query":  "POST /api/messages?access_token=" + good + "&token=" + good + " HTTP/1.1\r\n",
		"cookie": "POST /api/messages HTTP/1.1\r\nCookie: access_token=" + good + "; Authorization=" + good + "\r\n",
		"header": "POST /api/messages HTTP/1.1\r\nX-Authorization: Bearer " + good + "\r\nProxy-Authorization: Bearer " + good + "\r\n",
		"body":   "POST /api/messages HTTP/1.1\r\n",
	} {
		t.Run("J05 "+name, func(t *testing.T) {
			body := body
			if name == "body" {
				body = strings.Replace(body, "{", `{"access_token":"`+good+`","authorization":"Bearer `+good+`",`, 1)
			}
			resp, answer := b.wire(raw + fmt.Sprintf("Host: %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
				b.listen, len(body), body))
			said.check(t, resp, answer, http.StatusUnauthorized)
			b.unchanged(t, before)
		})
	}
	b.endsQuietly(t, before, 4)
}

// TestAttackBodies is J38, J39 and J42: activities with a good token that do not say clearly what it is checked against.
func TestAttackBodies(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	before := b.dump()
	good := b.encode(b.message("a:1", "2"))
	service := fmt.Sprintf(`"serviceUrl":%q`, b.forger.Service)
	for name, body := range map[string]string{
		"J38 service URL twice":              strings.Replace(good, service, service+`,"serviceUrl":"https://evil.example/"`, 1),
		"J38 service URL in another case":    strings.Replace(good, service, service+`,"SERVICEURL":"https://evil.example/"`, 1),
		"J38 service URL in capitals only":   strings.Replace(good, "serviceUrl", "ServiceUrl", 1),
		"J38 service URL with escapes":       strings.Replace(good, service, service+`,"service\u0055rl":"https://evil.example/"`, 1),
		"J39 no service URL":                 strings.Replace(good, service+",", "", 1),
		"J39 null service URL":               strings.Replace(good, service, `"serviceUrl":null`, 1),
		"J42 no channel":                     strings.Replace(good, `"channelId":"msteams",`, "", 1),
		"J42 empty channel":                  strings.Replace(good, `"channelId":"msteams"`, `"channelId":""`, 1),
		"J42 blank channel":                  strings.Replace(good, `"channelId":"msteams"`, `"channelId":" \t"`, 1),
		"J42 channels":                       strings.Replace(good, `"channelId":"msteams"`, `"channelId":["msteams","slack"]`, 1),
		"J42 channel twice":                  strings.Replace(good, `"channelId":"msteams"`, `"channelId":"msteams","channelId":"slack"`, 1),
		"J42 channel in another case":        strings.Replace(good, `"channelId":"msteams"`, `"channelId":"msteams","ChannelId":"slack"`, 1),
		"J49 conversation twice":             strings.Replace(good, `"conversation":`, `"conversation":{"id":"a:2"},"conversation":`, 1),
		"J49 conversation with another case": strings.Replace(good, `"conversation":`, `"Conversation":{"id":"a:2"},"conversation":`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if body == good {
				t.Fatal("nothing was changed")
			}
			resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), body)
			if resp.StatusCode != http.StatusBadRequest || len(answer) > 300 {
				t.Errorf("%s %s", resp.Status, answer)
			}
			b.unchanged(t, before)
		})
	}
	b.endsQuietly(t, before, 0)
}

// TestAttackEntra is J25 and J43 to J48, by those who have tokens of Microsoft Entra, on a bot that lets in some of them.
func TestAttackEntra(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	for name, change := range map[string]func(*server.Azure){
		"some": func(c *server.Azure) { c.Emulator, c.Callers = true, []string{strings.ToUpper(fakelogin.Agent)} },
		"any":  func(c *server.Azure) { c.Callers = []string{"*"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := besiegeAt(t, a, change)
			before, said, refused := b.dump(), make(refusals), 0
			for _, caller := range b.forger.Callers() {
				if caller.Status == 0 || caller.Entra.Emulator != (name == "some") {
					continue
				}
				refused++
				t.Run(caller.Name, func(t *testing.T) {
					resp, answer := b.ask(caller.Authorization, b.encode(b.message("a:1", "1")))
					said.check(t, resp, answer, caller.Status)
					b.unchanged(t, before)
				})
			}
			for _, caller := range b.forger.Callers() {
				if caller.Status == 0 && caller.Entra.Emulator == (name == "some") {
					if resp, answer := b.ask(caller.Authorization, b.encode(b.message("a:1", caller.Name))); resp.StatusCode/100 != 2 {
						t.Errorf("%s: %s %s", caller.Name, resp.Status, answer)
					}
				}
			}
			if n := b.counted("headsup_auth_refusals_total"); n != refused {
				t.Errorf("%d refusals are counted, there were %d", n, refused)
			}
		})
	}
}

// TestAttackTenants is J49: a bot with a list of tenants, and people of others.
func TestAttackTenants(t *testing.T) {
	t.Parallel()
	b := besiege(t, func(c *server.Azure) { c.Tenants = []string{azureTenant} })
	b.welcome("a:1", "1")
	before, said := b.dump(), make(refusals)
	for name, change := range map[string]func(*activity.Activity){
		"J49 another tenant": func(a *activity.Activity) {
			a.Conversation.TenantID, a.ChannelData = "x", []byte(`{"tenant":{"id":"x"}}`)
		},
		"J49 another tenant in the channel data":     func(a *activity.Activity) { a.ChannelData = []byte(`{"tenant":{"id":"x"}}`) },
		"J49 another tenant in the conversation":     func(a *activity.Activity) { a.Conversation.TenantID = "x" },
		"J49 no tenant":                              func(a *activity.Activity) { a.Conversation.TenantID, a.ChannelData = "", nil },
		"J49 another tenant, in the known conversat": func(a *activity.Activity) { a.Conversation.ID, a.Conversation.TenantID = "a:1", "x" },
	} {
		t.Run(name, func(t *testing.T) {
			m := b.message("a:2", "2")
			change(m)
			resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(m))
			said.check(t, resp, answer, http.StatusForbidden)
			b.unchanged(t, before)
		})
	}
	b.endsQuietly(t, before, 5)
}

// sentWith posts something that the bot does not answer, with a good token that a key has signed.
func (b *besieged) sentWith(key *fakelogin.Key, id string) (status int) {
	m := b.message(activity.ConversationID("a:"+id), id)
	m.Type, m.Name, m.Text = activity.TypeEvent, "probe", ""
	resp, _ := b.ask(fakelogin.Bearer(key.Sign(b.forger.Claims(nil))), b.encode(m))
	return resp.StatusCode
}

// named is another key with an id.
func (b *besieged) named(id string) *fakelogin.Key {
	k := *b.forger.Stranger
	k.ID = id
	return &k
}

// crowd does something in 50 places at once, 20 times in each.
func crowd(do func(name string)) {
	var all sync.WaitGroup
	for worker := range 50 {
		all.Go(func() {
			for n := range 20 {
				do(fmt.Sprint(worker, "-", n))
			}
		})
	}
	all.Wait()
}

// TestAttackFirstCallers is J59 and J16: a thousand who come first, and a thousand whose keys nobody knows.
func TestAttackFirstCallers(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	fetches := b.azure.login.Channel.Fetches
	crowd(func(name string) {
		if status := b.sentWith(b.forger.Channel, name); status/100 != 2 {
			t.Errorf("J59: a good token: %d", status)
		}
	})
	if n := fetches(); n != (fakelogin.Fetches{Metadata: 1, Keys: 1}) {
		t.Errorf("J59: fetched %+v", n)
	}
	crowd(func(name string) {
		if status := b.sentWith(b.named(name), "x"); status != http.StatusUnauthorized {
			t.Errorf("J16: an unknown key: %d", status)
		}
		if strings.HasSuffix(name, "5") {
			if status := b.sentWith(b.forger.Channel, "meanwhile "+name); status/100 != 2 {
				t.Errorf("J16: a good key meanwhile: %d", status)
			}
		}
	})
	if n := fetches(); n.Keys > 3 {
		t.Errorf("J16: for the sake of unknown keys they were fetched %d times", n.Keys-1)
	}
}

// TestAttackChangedKeys is J17, J18 and J57: keys that are new, withdrawn, or weak.
func TestAttackChangedKeys(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	fresh, weak := b.named("channel-2"), b.named("weak").Published()
	fresh.Endorsements, weak["e"] = b.forger.Channel.Endorsements, "AQ"
	b.azure.login.Channel.Publish(weak, b.named("twice"), fresh, b.named("twice"))
	if status := b.sentWith(fresh, "2"); status/100 != 2 {
		t.Errorf("J18: a new key: %d", status)
	}
	before := b.dump()
	for what, key := range map[string]*fakelogin.Key{
		"J17: a key that was withdrawn": b.forger.Channel, "J57: a weak key": b.named("weak"), "J57: an id that two keys have": b.named("twice"),
	} {
		if status := b.sentWith(key, "3"); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, status)
		}
	}
	b.unchanged(t, before)
}

// TestAttackWithoutKeys is J54 and J56: who is let in while there are no keys, or bad ones.
func TestAttackWithoutKeys(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	bad := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<html>welcome to this network</html>")
	}
	a.login.Channel.Answer(bad, nil)
	b := besiegeAt(t, a, nil)
	before := b.dump()
	for _, authorization := range [][]string{fakelogin.Bearer(b.forger.Good()), fakelogin.Bearer(b.forger.Stranger.Sign(b.forger.Claims(nil)))} {
		resp, answer := b.ask(authorization, b.encode(b.message("a:1", "1")))
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("J54, J56: without keys: %s %s", resp.Status, answer)
		}
	}
	b.unchanged(t, before)
	a.login.Channel.Answer(nil, nil)
	eventually(t, func() string { return "J54: it does not recover by itself" }, func() bool {
		resp, _ := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(b.message("a:1", "1")))
		return resp.StatusCode/100 == 2
	})
	// Bad answers later replace no keys.
	a.login.Channel.Answer(nil, bad)
	unknown := *b.forger.Stranger
	unknown.ID = "unknown"
	if resp, answer := b.ask(fakelogin.Bearer(unknown.Sign(b.forger.Claims(nil))), b.encode(b.message("a:1", "2"))); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("J56: an unknown key: %s %s", resp.Status, answer)
	}
	b.welcome("a:1", "3")
}

// TestAttackReplays is J50: an activity that comes again with its token is processed once.
func TestAttackReplays(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	authorization, body := fakelogin.Bearer(b.forger.Good()), b.encode(b.message("a:1", "once"))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if resp, answer := b.ask(authorization, body); resp.StatusCode/100 != 2 {
				t.Errorf("J50: %s %s", resp.Status, answer)
			}
		})
	}
	all.Wait()
	before := b.dump()
	if resp, answer := b.ask(authorization, body); resp.StatusCode/100 != 2 {
		t.Errorf("J50: much later: %s %s", resp.Status, answer)
	}
	b.unchanged(t, before)
	if n := len(before["inbound"]); n != 1 {
		t.Errorf("J50: %d inbound activities are recorded", n)
	}
	if r := b.azure.channel.Report(); r.Messages != 1 {
		t.Errorf("J50: the bot has answered %d times", r.Messages)
	}
}

// TestAttackOtherConversations is J51: whoever has a token may name any conversation, which is why what it says of where that is
// counts only if tokens go there.
func TestAttackOtherConversations(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:victim", "1")
	evil := b.forger.At("https://" + b.canary.address() + "/teams/")
	m := b.message("a:victim", "2")
	m.ServiceURL = evil.Service
	if resp, answer := b.ask(fakelogin.Bearer(evil.Good()), b.encode(m)); resp.StatusCode/100 == 5 && !strings.Contains(answer, "ServiceError") {
		t.Errorf("J51: %s %s", resp.Status, answer)
	}
	if where, found := b.dump().contains(b.canary.address()); found {
		t.Errorf("J51: the service URL of a host that is not on the list is in %s", where)
	}
	resp, answer := request(t, http.MethodPost, "http://"+b.listen+"/v1/notifications", `{"to":{"conversation":"a:victim"},"text":"for the victim"}`,
		"Authorization", "Bearer "+b.key)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s", resp.Status, answer)
	}
	eventually(t, func() string { return "the victim hears nothing" }, func() bool {
		return slices.Contains(b.azure.channel.Ledger().Conversation("a:victim").Texts(), "for the victim")
	})
	// Teams moves conversations to other hosts of its own; those are followed.
	moved := b.forger.At(strings.Replace(b.forger.Service, azureTenant, "amer", 1))
	m = b.message("a:victim", "3")
	m.ServiceURL = moved.Service
	if resp, answer := b.ask(fakelogin.Bearer(moved.Good()), b.encode(m)); resp.StatusCode/100 != 2 {
		t.Errorf("%s %s", resp.Status, answer)
	}
	if _, found := b.dump().contains(moved.Service); !found {
		t.Error("a conversation that has moved is not followed")
	}
}

// TestAttackOpenDoors is J52 and J53: a server that others can reach and that knows nobody does not start, or lets nobody in.
func TestAttackOpenDoors(t *testing.T) {
	t.Parallel()
	p := build(t)
	p.env, p.listen = []string{"HEADSUP_AZURE_APP_ID=", "HEADSUP_PUBLIC_URL=" + public}, "0.0.0.0:0"
	said, up := p.tries()
	if !up {
		if !strings.Contains(said, "app_id") && !strings.Contains(said, "app id") {
			t.Errorf("J52: it does not start, and says %s", said)
		}
		return
	}
	for _, authorization := range []string{"", "Bearer " + forgers().At("https://smba.trafficmanager.net/teams/").Good()} {
		header := []string{}
		if authorization != "" {
			header = []string{"Authorization", authorization}
		}
		if status, answer := p.post("/api/messages", aMessage, header...); status != http.StatusUnauthorized {
			t.Errorf("J52: %d %s", status, answer)
		}
	}
}

// TestAttackTimes records J60: how long it takes to refuse a bad signature of a key that there is, and one of a key that there is
// not. Which keys there are is public, so nothing depends on it.
func TestAttackTimes(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	unknown := *b.forger.Stranger
	unknown.ID = "unknown"
	body := b.encode(b.message("a:1", "2"))
	for name, key := range map[string]*fakelogin.Key{"a known key's id": b.forger.Stranger, "an unknown one": &unknown} {
		authorization, took := fakelogin.Bearer(key.Sign(b.forger.Claims(nil))), make([]time.Duration, 200)
		for i := range took {
			began := time.Now()
			if resp, answer := b.ask(authorization, body); resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("J60: %s %s", resp.Status, answer)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		t.Logf("J60: with %s a refusal takes %v (median of %d)", name, took[len(took)/2], len(took))
	}
}
