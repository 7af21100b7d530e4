package cli_test

import (
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/bottest/faketwilio"
)

// mails gives the bot a mail server, with a password and everything that belongs to it.
func (c *clinic) mails(cfg fakesmtp.Config) *fakesmtp.Server {
	c.t.Helper()
	if !cfg.Plain {
		cfg.Username, cfg.Password = "bot", "mail-"+hiddenMark
	}
	mail, err := fakesmtp.Start(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if n := len(mail.Inbox()); n != 0 {
			c.t.Errorf("the doctor has sent %d mails", n)
		}
		_ = mail.Close()
	})
	c.settings["email.server"], c.settings["email.from"] = mail.Addr(), "Deals <bot@contoso.com>"
	c.settings["email.username"], c.settings["email.password_file"] = "bot", c.file("mail-password", "mail-"+hiddenMark)
	c.settings["email.roots_file"] = c.file("mail-roots.pem", string(mail.RootsPEM()))
	c.settings["email.answers_secret_file"] = c.file("mail-answers", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	return mail
}

// TestDoctorLooksAtTheMailServer without sending a mail.
func TestDoctorLooksAtTheMailServer(t *testing.T) {
	t.Parallel()
	answers := func(command string, code int, words string) fakesmtp.Config {
		return fakesmtp.Config{Answer: func(c, _ string) *fakesmtp.Reply {
			if c == command {
				return &fakesmtp.Reply{Code: code, Words: words}
			}
			return nil
		}}
	}
	oauth := func(c *clinic) {
		c.without("email.password_file")
		c.settings["email.oauth"] = "true"
	}
	for name, c := range map[string]struct {
		mail   fakesmtp.Config
		change func(*clinic)
		want   []string
	}{
		"it takes mails": {},
		"with TLS from the first byte": {mail: fakesmtp.Config{TLS: true}, change: func(c *clinic) {
			c.settings["email.security"] = "tls"
		}},
		"without TLS, on this machine": {mail: fakesmtp.Config{Plain: true}, change: func(c *clinic) {
			c.settings["email.security"] = "none"
			c.without("email.username", "email.password_file")
		}},
		"nobody is there": {change: func(c *clinic) { c.settings["email.server"] = "127.0.0.1:1" },
			want: []string{"email.server unreachable: 127.0.0.1:1"}},
		"no STARTTLS": {mail: fakesmtp.Config{Plain: true}, want: []string{"email.server no_tls: email.security"}},
		"no TLS from the first byte": {change: func(c *clinic) { c.settings["email.security"] = "tls" },
			want: []string{"email.server no_tls: email.security"}},
		"a certificate of nobody": {change: func(c *clinic) { c.without("email.roots_file") },
			want: []string{"email.server certificate: email.roots_file"}},
		"another password": {change: func(c *clinic) { c.settings["email.password_file"] = c.file("other", "other-"+hiddenMark) },
			want: []string{"email.server login: email.password_file"}},
		"a password that it repeats": {mail: answers("AUTH", 535, "not with mail-"+hiddenMark), want: []string{"email.server login: email.username"}},
		"a password for nobody": {mail: fakesmtp.Config{Plain: true}, change: func(c *clinic) { c.settings["email.security"] = "none" },
			want: []string{"email.server login_unknown: email.oauth"}},
		"with a token": {mail: fakesmtp.Config{Token: func(string) bool { return true }}, change: oauth},
		"a token for nobody": {mail: fakesmtp.Config{Token: func(string) bool { return false }}, change: oauth,
			want: []string{"email.server login: email.oauth"}},
		"no way for a token": {change: oauth, want: []string{"email.server login_unknown: email.oauth"}},
		"no token": {mail: fakesmtp.Config{Token: func(string) bool { return true }}, change: func(c *clinic) {
			oauth(c)
			c.settings["email.oauth_tenant"] = "99999999-9999-4999-8999-999999999999"
			c.entra(401, `{"error":"invalid_client","error_description":"AADSTS7000215: no"}`)
		}, want: []string{"identity.token secret_wrong: ", "email.server no_token: email.oauth_tenant"}},
		"no password": {change: func(c *clinic) { c.without("email.username", "email.password_file") },
			want: []string{"email.server login_needed: email.username"}},
		"another's address": {mail: answers("MAIL", 553, "not yours"), want: []string{"email.server sender_refused: Deals <bot@contoso.com>"}},
		"a stranger":        {mail: answers("AUTH", 550, "go away"), want: []string{"email.server refused: let this machine in"}},
		"it is busy":        {mail: answers("MAIL", 451, "later"), want: []string{"email.server busy: try again"}},
		"an example's domain": {change: func(c *clinic) { c.settings["email.from"] = "bot@mail.example.com" },
			want: []string{"email.sender reserved: a domain of yours"}},
		"a machine's own name": {change: func(c *clinic) { c.settings["email.from"] = "headsup@localhost" }, want: []string{"email.sender reserved: email.from"}},
		"at home": {change: func(c *clinic) {
			c.directLineOnly()
			c.without("public_url", "directline_secret_file")
		}, want: []string{"email.links no_https: public_url"}},
		"nothing comes in": {change: func(c *clinic) { c.without("email.answers_secret_file") },
			want: []string{"email.answers unset: posted to https://bot.example.com/v1/channels/email/inbound"}},
		"settings that cannot be": {change: func(c *clinic) { c.settings["email.from"] = "nobody" }, want: []string{"config.settings invalid: config check"}},
		"away, offline": {change: func(c *clinic) {
			c.settings["email.server"] = "127.0.0.1:1"
			c.args = []string{"--offline"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clinic := newClinic(t, fakechannel.Config{})
			clinic.mails(c.mail)
			if c.change != nil {
				c.change(clinic)
			}
			_, wrong := clinic.examine()
			clinic.finds(wrong, c.want...)
		})
	}
}

// texts gives the bot an account for text messages.
func (c *clinic) texts(cfg faketwilio.Config) {
	c.t.Helper()
	twilio := faketwilio.Start(cfg)
	c.t.Cleanup(func() {
		if n := len(twilio.Messages()); n != 0 {
			c.t.Errorf("the doctor has sent %d messages", n)
		}
		twilio.Close()
	})
	c.settings["sms.url"], c.settings["sms.account_sid"], c.settings["sms.from"] = twilio.URL, twilio.AccountSID(), `"+15550001111"`
	c.settings["sms.auth_token_file"] = c.file("twilio-token", twilio.AuthToken())
}

// TestDoctorLooksAtTheAccountForTextMessages without sending one.
func TestDoctorLooksAtTheAccountForTextMessages(t *testing.T) {
	t.Parallel()
	const hears = "https://bot.example.com/v1/channels/sms/inbound"
	number := faketwilio.Number{Number: "+15550001111", URL: hears}
	own := faketwilio.Config{Numbers: []faketwilio.Number{{Number: "+155500011112", URL: "https://other.example"}, number}}
	key := own
	key.APIKey, key.APIKeySecret = "SK"+strings.Repeat("a", 32), "key-"+hiddenMark
	with := func(change func(*faketwilio.Number)) faketwilio.Config {
		n := number
		change(&n)
		return faketwilio.Config{Numbers: []faketwilio.Number{n}}
	}
	answers := func(cfg faketwilio.Config, path string, status, code int) faketwilio.Config {
		cfg.Asked = func(asked string) *faketwilio.Reply {
			if strings.HasSuffix(asked, path) {
				return &faketwilio.Reply{Status: status, Code: code, Message: "no, not with " + cfg.APIKeySecret}
			}
			return nil
		}
		return cfg
	}
	byKey := func(c *clinic) {
		c.settings["sms.api_key"], c.settings["sms.api_key_secret_file"] = key.APIKey, c.file("twilio-key", key.APIKeySecret)
	}
	const account, numbers = ".json", "IncomingPhoneNumbers.json"
	closed := own
	closed.Status = "suspended"
	for name, c := range map[string]struct {
		twilio faketwilio.Config
		change func(*clinic)
		want   []string
	}{
		"it takes messages":    {twilio: own},
		"by an API key":        {twilio: key, change: byKey},
		"an application hears": {twilio: with(func(n *faketwilio.Number) { n.URL, n.Application = "", "AP"+strings.Repeat("b", 32) })},
		"by a messaging service": {change: func(c *clinic) {
			c.without("sms.from")
			c.settings["sms.messaging_service"] = "MG" + strings.Repeat("c", 32)
		}},
		"from a short code":          {change: func(c *clinic) { c.settings["sms.from"] = `"12345"` }},
		"nobody is there":            {twilio: own, change: func(c *clinic) { c.settings["sms.url"] = "http://127.0.0.1:1" }, want: []string{"sms.account unreachable: 127.0.0.1:1"}},
		"another's token":            {twilio: own, change: func(c *clinic) { c.settings["sms.auth_token_file"] = c.file("other", "other-"+hiddenMark) }, want: []string{"sms.account login: sms.auth_token_file"}},
		"another's account":          {twilio: own, change: func(c *clinic) { c.settings["sms.account_sid"] = "AC" + strings.Repeat("d", 32) }, want: []string{"sms.account login: sms.account_sid"}},
		"an account that is closed":  {twilio: closed, want: []string{"sms.account suspended: Twilio's console"}},
		"a key that may see nothing": {twilio: answers(key, numbers, 403, 70051), change: byKey, want: []string{"sms.account not_shown: read phone numbers"}},
		"it is busy":                 {twilio: answers(own, account, 503, 0), want: []string{"sms.account busy: try again"}},
		"it is something else":       {twilio: answers(own, account, 302, 0), want: []string{"sms.account odd: sms.url"}},
		"another's number":           {want: []string{"sms.number not_owned: a number of the account"}},
		"a number for calls":         {twilio: with(func(n *faketwilio.Number) { n.NoSMS = true }), want: []string{"sms.number no_sms: another number"}},
		"nobody hears":               {twilio: with(func(n *faketwilio.Number) { n.URL = "" }), want: []string{"sms.number unheard: " + hears}},
		"somebody else hears":        {twilio: with(func(n *faketwilio.Number) { n.URL = "https://demo.twilio.com/welcome/sms/reply" }), want: []string{"sms.number unheard: " + hears}},
		"it hears by GET":            {twilio: with(func(n *faketwilio.Number) { n.Method = "GET" }), want: []string{"sms.number unheard: by POST"}},
		"numbers are not told":       {twilio: answers(own, numbers, 500, 20500), want: []string{"sms.number unknown: sms.account"}},
		"a key, and no token":        {twilio: key, change: func(c *clinic) { byKey(c); c.without("sms.auth_token_file") }, want: []string{"sms.inbound no_token: sms.auth_token_file too"}},
		"a name":                     {change: func(c *clinic) { c.settings["sms.from"] = "Deals" }, want: []string{"sms.inbound one_way: use a number"}},
		"settings that cannot be":    {change: func(c *clinic) { c.settings["sms.from"] = "+1" }, want: []string{"config.settings invalid: config check"}},
		"another's account, offline": {change: func(c *clinic) { c.settings["sms.url"], c.args = "http://127.0.0.1:1", []string{"--offline"} }},
		"at home, with a number of it": {twilio: with(func(n *faketwilio.Number) { n.URL = "" }), change: func(c *clinic) {
			c.directLineOnly()
			c.without("public_url", "directline_secret_file")
		}, want: []string{"sms.number unheard: by POST", "sms.inbound no_https: public_url"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clinic := newClinic(t, fakechannel.Config{})
			clinic.texts(c.twilio)
			if c.change != nil {
				c.change(clinic)
			}
			_, wrong := clinic.examine()
			clinic.finds(wrong, c.want...)
		})
	}
}
