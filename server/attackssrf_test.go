package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

// badPlaces are URLs to which nobody may be sent, by the row of docs/security.md.
func badPlaces(canary *canary) map[string][]string {
	port := ":" + canary.port()
	var local, private, hosts []string
	for _, host := range []string{
		"127.0.0.1", "127.1", "0.0.0.0", "0", "[::1]", "[::]", "localhost", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1",
		"127.0.0.1.example.invalid", "[::ffff:127.0.0.1]", "LOCALHOST",
	} {
		local = append(local, "https://"+host+port+"/", "http://"+host+port+"/")
	}
	for _, host := range []string{
		"10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.0.1", "192.0.2.1", "240.0.0.1", "224.0.0.1",
		"255.255.255.255", "[fc00::1]", "[fe80::1%25eth0]", "[fe80::1]", "[fec0::1]", "[2001:db8::1]",
	} {
		private = append(private, "https://"+host+"/teams/", "https://"+host+port+"/")
	}
	hosts = []string{
		"https://smba.trafficmanager.net@127.0.0.1" + port + "/", "https://smba.trafficmanager.net:443@127.0.0.1" + port + "/",
		"https://smba.trafficmanager.net.evil.invalid/", "https://evil.trafficmanager.net/", "https://xsmba.trafficmanager.net/",
		"https://x.blob.core.windows.net/", "https://evil.botframework.com/", "https://botframework.com.evil.invalid/",
		`https://smba.trafficmanager.net\@127.0.0.1` + port + "/", "https://smba.trafficmanager.net%2f@127.0.0.1" + port + "/",
		"https://smba.trafficmanager.net。evil.invalid/", "https://xn--smba-trafficmanager.net/", "https://smba.trafficmanager.net./",
		"https://smba.trafficmanager.net/\t/", "https://smba.trafficmanager.net\n/", "https://smba.trafficmanager.net/../x",
		"https://smba.trafficmanager.net/%2e%2e/x", "https://smba.trafficmanager.net:8443/", "https:smba.trafficmanager.net/", "//127.0.0.1" + port,
		"https://smba.trafficmanager.net/?x=1", "https://smba.trafficmanager.net/#x",
	}
	return map[string][]string{
		"N01-N06 metadata services": {
			"https://169.254.169.254/latest/", "http://169.254.169.254/latest/", "https://metadata.google.internal/", "https://100.100.100.200/",
			"https://[fd00:ec2::254]/", "https://168.63.129.16/", "https://192.0.0.192/",
		},
		"N07-N12 this machine": local, "N13-N18 other networks": private,
		"N19-N21 addresses in addresses": {
			"https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:a9fe:a9fe::1]/", "https://[::10.0.0.1]/",
			"https://[64:ff9b::7f00:1]" + port + "/",
		},
		"N25 hosts that look like others": hosts,
		"N26 other schemes": {
			"http://smba.trafficmanager.net/teams/", "file:///etc/passwd", "gopher://127.0.0.1" + port + "/", "unix:///var/run/docker.sock",
			"ftp://127.0.0.1" + port + "/", "data:text/plain,x", "ws://127.0.0.1" + port + "/", "javascript:alert(1)",
		},
	}
}

// TestAttackPlaces is N01 to N21 and N25 to N27, on the binary: a URL comes in an activity whose token vouches for it, in a
// notification's reference and address, and as that of a webhook. Nobody goes there.
func TestAttackPlaces(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	_, sender := b.newKey("send")
	for name, places := range badPlaces(b.canary) {
		t.Run(name, func(t *testing.T) {
			for i, place := range places {
				conversation := activity.ConversationID(fmt.Sprint(name, " ", i))
				m := b.message(conversation, "1")
				m.ServiceURL = place
				there := b.forger.At(place)
				if resp, answer := b.ask(fakelogin.Bearer(there.Good()), b.encode(m)); resp.StatusCode == http.StatusOK {
					t.Errorf("%q: the bot has answered there: %s", place, answer)
				}
				quoted, err := json.Marshal(place)
				if err != nil {
					t.Fatal(err)
				}
				reference := fmt.Sprintf(`{"channelId":"msteams","serviceUrl":%s,"bot":{"id":"28:bot"},"user":{"id":"29:ann"},"conversation":{"id":"%s ref"}}`, quoted, conversation)
				address := fmt.Sprintf(`{"channelId":"msteams","serviceUrl":%s,"bot":{"id":"28:bot"},"user":{"id":"29:ann"},"conversation":{"id":"%s addr"}}`, quoted, conversation)
				for to, body := range map[string]string{
					"conversation": fmt.Sprintf(`{"to":{"conversation":%q},"text":"PROBE"}`, conversation),
					"reference":    `{"to":{"reference":` + reference + `},"text":"PROBE"}`,
					"address":      `{"to":{"address":` + address + `},"text":"PROBE"}`,
				} {
					if to != "conversation" {
						if status, answer := b.api(sender, http.MethodPost, "/v1/notifications", body); status != http.StatusForbidden && status != http.StatusUnprocessableEntity {
							t.Errorf("N27 %q: with scope send: %d %s", place, status, answer)
						}
					}
					b.goesNowhere(t, place+" by "+to, body)
				}
				if status, answer := b.api(b.key, http.MethodPost, "/v1/webhooks", fmt.Sprintf(`{"url":%s,"events":["notification.answered"]}`, quoted)); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest &&
					!strings.Contains(name, "N25") {
					t.Errorf("%q: a webhook there: %d %s", place, status, answer)
				}
			}
			b.canary.quietly(t)
		})
	}
	if r := b.azure.channel.Report(); r.Tokens > 1 || r.Requests != 0 { // one is fetched at the start, to be there
		t.Errorf("%d tokens were fetched, and the channel called %d times", r.Tokens, r.Requests)
	}
}

// goesNowhere asks for a notification that is refused, or fails at once.
func (b *besieged) goesNowhere(t *testing.T, what, body string) {
	t.Helper()
	status, answer := b.api(b.key, http.MethodPost, "/v1/notifications", body)
	switch status {
	case http.StatusUnprocessableEntity, http.StatusNotFound:
	case http.StatusAccepted:
		var n struct{ ID string }
		if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if state, reason := b.over(n.ID); state != "failed" {
			t.Errorf("%q: %s %s", what, state, reason)
		}
	default:
		t.Errorf("%q: %d %s", what, status, answer)
	}
}

// TestAttackRedirects is N24: the channel itself sends the bot elsewhere, with its token.
func TestAttackRedirects(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"http://" + b.canary.address() + "/", "https://" + b.canary.address() + "/", "http://169.254.169.254/"} {
			t.Run(fmt.Sprint("N24 ", status), func(t *testing.T) {
				if err := b.azure.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpSend, Do: fakechannel.Redirect, Status: status, Location: to}); err != nil {
					t.Fatal(err)
				}
				b.goesNowhere(t, to, `{"to":{"conversation":"a:1"},"text":"PROBE"}`)
				b.canary.quietly(t)
			})
		}
	}
	if r := b.azure.channel.Report(); r.Strayed != 0 {
		t.Errorf("%d redirects were followed", r.Strayed)
	}
}

// TestAttackMemories: what a server was told in development mode, by whoever came, gets no token when it has some, not even on a
// host of the list.
func TestAttackMemories(t *testing.T) {
	t.Parallel()
	a, p := newAzure(t), build(t)
	r := launch(t, p)
	for _, kind := range []string{"personal", "channel"} {
		if status, answer := p.post("/api/messages", fmt.Sprintf(`{"type":"event","name":"x","id":"1","channelId":"msteams","serviceUrl":%q,`+
			`"from":{"id":"29:ann"},"recipient":{"id":"28:bot"},"conversation":{"id":"a:%s","conversationType":%[2]q}}`, a.channel.ServiceURL(azureTenant), kind)); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	r.signal()
	if err := r.exit(); err != nil {
		t.Fatal(err)
	}
	old := &besieged{process: r}
	old.open()
	var appID string
	if err := old.db.QueryRowContext(t.Context(), "SELECT value FROM settings WHERE name = 'app_id'").Scan(&appID); err != nil {
		t.Fatal(err)
	}
	p.listen = "127.0.0.1:0"
	b := besiegeOn(t, a, p, func(c *server.Azure) { c.AppID = appID })
	for _, to := range []string{
		`{"conversation":"a:personal"}`, `{"conversation":"a:channel"}`,
		fmt.Sprintf(`{"reference":{"channelId":"msteams","serviceUrl":%q,"bot":{"id":"28:bot"},"conversation":{"id":"a:personal"}}}`, a.channel.ServiceURL(azureTenant)),
	} {
		for _, how := range []string{`"text":"PROBE"`, `"text":"PROBE","policy":"wait"`, `"text":"PROBE","policy":"interrupt"`} {
			_, answer := b.api(b.key, http.MethodPost, "/v1/notifications", `{"to":`+to+`,`+how+`}`)
			var n struct{ ID string }
			if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil || n.ID == "" {
				t.Fatal(answer)
			}
			if state, reason := b.over(n.ID); state != "failed" || reason != "service_url_unproven" {
				t.Errorf("%s, %s: %s %s", to, how, state, reason)
			}
		}
	}
	if r := a.channel.Report(); r.Requests != 0 {
		t.Errorf("the channel was called %d times", r.Requests)
	}
	b.signal() // what was counted is written
	if err := b.exit(); err != nil {
		t.Error(err)
	}
	if rows := b.dumpAudit(`"unproven"`); len(rows) != 1 || !strings.Contains(rows[0], `"refused.service_url"`) || !strings.Contains(rows[0], `\"count\":9`) {
		t.Errorf("the audit log has %q", rows)
	}
}

// dumpAudit returns the rows of the audit log that contain a text, as they are quoted.
func (b *besieged) dumpAudit(text string) (found []string) {
	b.t.Helper()
	tx, err := b.db.BeginTx(b.t.Context(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, row := range b.rows(b.t.Context(), tx, "SELECT * FROM audit") {
		if line := fmt.Sprintf("%q", row); strings.Contains(strings.ReplaceAll(line, `\"`, `"`), text) {
			found = append(found, line)
		}
	}
	return found
}

// TestAttackProxies is N28: with proxies in the environment, none is asked, for tokens, keys, channels or webhooks. The hosts
// have no addresses, so whoever does not ask the proxy goes nowhere.
func TestAttackProxies(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	for name, change := range map[string]func(*server.Azure){
		"channel": func(c *server.Azure) { c.ServiceHosts = []string{"channel.invalid"} },
		"login": func(c *server.Azure) {
			c.LoginURL, c.ServiceHosts = "https://login.invalid/", append(c.ServiceHosts, "channel.invalid")
		},
		"keys": func(c *server.Azure) { c.MetadataURL = "https://login.invalid/keys" },
	} {
		t.Run("N28 "+name, func(t *testing.T) {
			t.Parallel()
			b := besiegeAt(t, a, change)
			there := b.forger.At("https://channel.invalid/teams/")
			m := b.message("a:1", "1")
			m.ServiceURL = there.Service
			if resp, answer := b.ask(fakelogin.Bearer(there.Good()), b.encode(m)); resp.StatusCode/100 == 2 {
				t.Errorf("the bot has answered: %s %s", resp.Status, answer)
			}
			status, answer := b.api(b.key, http.MethodPost, "/v1/webhooks", `{"url":"https://hook.example.com/","events":["notification.failed"]}`)
			var made struct{ ID string }
			if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusCreated {
				t.Fatalf("%d %s", status, answer)
			}
			if status, answer := b.api(b.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/test", ""); status != http.StatusOK {
				t.Errorf("%d %s", status, answer)
			}
			b.canary.quietly(t)
		})
	}
}

// TestAttackReflections is N29: what a webhook's place answers is told to nobody, and N30: what is attached is not fetched.
func TestAttackReflections(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil, "--webhook-private")
	place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Secret", "PROBE-HEADER")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, strings.Repeat("PROBE-BODY ", 1000))
	}))
	t.Cleanup(place.Close)
	_, answer := b.api(b.key, http.MethodPost, "/v1/webhooks", fmt.Sprintf(`{"url":%q,"events":["notification.answered"]}`, place.URL))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err, answer)
	}
	status, answer := b.api(b.key, http.MethodPost, "/v1/webhooks/"+made.ID+"/test", "")
	if status != http.StatusOK || strings.Contains(answer, "PROBE") || !strings.Contains(answer, "500") || len(answer) > 1<<10 {
		t.Errorf("N29: %d %s", status, answer)
	}
	m := b.message("a:1", "1")
	for _, host := range []string{b.canary.address(), "169.254.169.254", "smba.trafficmanager.net@" + b.canary.address()} {
		m.Attachments = append(m.Attachments,
			activity.Attachment{ContentType: "image/png", ContentURL: "http://" + host + "/x.png", ThumbnailURL: "http://" + host + "/y.png", Name: "../../x"},
			activity.Attachment{ContentType: "application/vnd.microsoft.teams.file.download.info", Name: "x",
				Content: []byte(`{"downloadUrl":"http://` + host + `/x"}`)})
	}
	if resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(m)); resp.StatusCode/100 != 2 {
		t.Errorf("N30: %s %s", resp.Status, answer)
	}
	b.canary.quietly(t)
	for _, path := range []string{"/v1/webhooks", "/v1/webhooks/" + made.ID, "/v1/webhooks/" + made.ID + "/deliveries"} {
		if _, answer := b.api(b.key, http.MethodGet, path, ""); strings.Contains(answer, "PROBE") {
			t.Errorf("N29: %s tells %s", path, answer)
		}
	}
	if where, found := b.dump().contains("PROBE"); found {
		t.Errorf("N29: what was answered is kept in %s", where)
	}
	b.neverLogged(t, "PROBE")
}

// TestAttackLargeAnswers is N32 and N33: a channel that answers without an end.
func TestAttackLargeAnswers(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	if err := b.azure.channel.SetRules(fakechannel.Rule{Op: fakechannel.OpSend, Do: fakechannel.Huge, Times: 1}); err != nil {
		t.Fatal(err)
	}
	status, answer := b.api(b.key, http.MethodPost, "/v1/notifications", `{"to":{"conversation":"a:1"},"text":"huge"}`)
	var n struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	if state, reason := b.over(n.ID); state != "delivered" {
		t.Errorf("N33: %s %s", state, reason)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := b.azure.channel.Ledger().AwaitFunc(ctx, func(r fakechannel.Report) bool { return r.Faults[fakechannel.Huge] == 1 }); err != nil {
		t.Error(err)
	}
}

// TestAttackHostHeaders is N34: what the server tells of its own addresses comes from its public URL.
func TestAttackHostHeaders(t *testing.T) {
	t.Parallel()
	const secret = "SECRET-directline-0123456789abcdef"
	b := besiege(t, nil, "--directline-secret-file", secretFile(t, secret))
	for _, header := range [][]string{
		nil, {"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Proto", "http"}, {"Forwarded", "host=evil.example;proto=http"}, {"Host", "bot.example.com"},
	} {
		resp, answer := request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/conversations", `{"user":{"id":"dl_ann"}}`,
			append(header, "Authorization", "Bearer "+secret)...)
		if resp.StatusCode/100 != 2 || !strings.Contains(answer, `"streamUrl":"wss://bot.example.com/`) {
			t.Errorf("N34 %v: %s %s", header, resp.Status, answer)
		}
	}
	for _, host := range []string{"evil.example", "bot.example.com:1", "bot.example.com.evil.example", "evil.example:" + b.listen[strings.LastIndexByte(b.listen, ':')+1:]} {
		resp, answer := request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/conversations", "{}", "Host", host, "Authorization", "Bearer "+secret)
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("N34 %s: %s %s", host, resp.Status, answer)
		}
	}
}
