package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/credential"
	"github.com/headsup-bot/headsup/internal/netguard"
)

var botChecks = []Check{
	{
		ID: "bot.endpoint",
		About: "The messaging endpoint of a bot in another process (bot.url): whether it answers and, with bot.app_id, takes the token that it is " +
			"shown. To find out, it is told that somebody types, in a conversation that is not there; bots take no notice of that.",
		Network: true,
		Faults: []Fault{
			{"clear", Warn, "It is reached by http, and is not on this machine: what people say can be read on its way, and anybody there can speak for the bot.", "have the bot speak https, and set bot.app_id"},
			{"unreachable", Fail, "It does not answer.", "start the bot, look at bot.url, and let this machine reach {host}; no proxy is used"},
			{"certificate", Fail, "Its certificate is not trusted, or is another host's.", "look at bot.roots_file, and for a proxy that opens TLS on the way"},
			{"no_token", Fail, "There is no token to show it.", "look at what was found; with bot.token entra, the app of azure must be known to Entra, and so must that of the bot"},
			{"token_refused", Fail, "It does not take the token that it is shown.", "with bot.token channel, point the bot's SDK at {metadata} of public_url, as docs/security.md has it, and look whether the bot reaches that; with entra, let the bot accept azure.app_id; look whether bot.app_id is the bot's"},
			{"wants_token", Fail, "It wants a token, and bot.app_id is not set, so that it is shown none.", "set bot.app_id; docs/security.md says what the bot's SDK has to be told"},
			{"open", Warn, "It takes messages from anybody, without a token.", "have the bot's SDK check tokens: give it its app id"},
			{"no_endpoint", Fail, "There is something else at this address: 404 or 405.", "look at bot.url; most bots have /api/messages"},
			{"broken", Warn, "It fails, or answers something that bots do not.", "look at the bot's log; with bot.token channel, a bot that does not reach public_url fails, too"},
		},
		run: checkBot,
	},
}

func checkBot(ctx context.Context, p *patient) []Result {
	b := p.Loaded.Bot
	u, err := url.Parse(b.URL)
	if b.URL == "" || err != nil {
		return p.skip("there is no bot in another process")
	}
	if _, wrong := p.problem("bot.url"); wrong {
		return p.skip("bot.url cannot be used: config.settings tells why")
	}
	if u.Scheme == "http" && !netguard.Loopback(u.Hostname()) {
		return about(u.Host, p.fault("clear", "reached by http"))
	}
	return about(u.Host, p.greet(ctx, u))
}

// greet posts to the bot, with the token that the server shows it if that can be had.
func (p *patient) greet(ctx context.Context, u *url.URL) []Result {
	shown, err := p.Server.BotPass(ctx, p.setting)
	if failed, refused := errors.AsType[*credential.Error](err); refused && failed.Code != "" {
		return p.fault("no_token", err.Error())
	}
	if err != nil {
		return p.skip("%v", err)
	}
	token, why := shown.Token, ""
	switch {
	case p.Loaded.Bot.AppID == "":
	case token == "":
		why = "the server makes its key when it starts first"
	case p.Loaded.Bot.Token != "entra" && p.running.client == nil:
		token, why = "", "the server does not run, which tells the bot how its tokens are signed"
	}
	status, err := p.post(ctx, u, &tls.Config{RootCAs: shown.Roots, MinVersion: tls.VersionTLS12}, token)
	switch {
	case untrusted(err):
		return p.fault("certificate", err.Error())
	case err != nil:
		return p.fault("unreachable", err.Error(), "host", u.Host)
	}
	return p.welcome(status, token != "", why)
}

// welcome says what the bot's answer means. why is why it was shown no token, though it should be.
func (p *patient) welcome(status int, shown bool, why string) []Result {
	found := fmt.Sprintf("answers %d", status)
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden
	taken := status >= 200 && status < 300
	switch {
	case refused && shown:
		return p.fault("token_refused", found+" to the token", "metadata", "/v3/.well-known/openidconfiguration")
	case refused && why == "":
		return p.fault("wants_token", found+" without a token")
	case refused:
		return p.ok("%s without a token, as it should; no token was shown: %s", found, why)
	case taken && shown:
		return p.ok("%s, and takes the token", found)
	case taken && why != "":
		return p.fault("open", found+" without a token")
	case taken:
		return p.ok("%s", found)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return p.fault("no_endpoint", found)
	}
	return p.fault("broken", found)
}

// post tells the bot that somebody types.
func (p *patient) post(ctx context.Context, u *url.URL, trust *tls.Config, token string) (status int, err error) {
	body, err := activity.Encode(&activity.Activity{
		Type: activity.TypeTyping, ID: activity.ID(rand.Text()), ChannelID: activity.ChannelDirectLine, ServiceURL: p.Server.ServiceURL(),
		From: &activity.ChannelAccount{ID: "dl_headsup_doctor"}, Recipient: &activity.ChannelAccount{ID: "bot"},
		Conversation: &activity.ConversationAccount{ID: "headsup-doctor"},
	})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "Headsup")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: trust}
	res, err := (&http.Client{Transport: transport, CheckRedirect: stay}).Do(r)
	if err != nil {
		return 0, err
	}
	p.observe(u.Host, res, p.Now())
	return res.StatusCode, res.Body.Close()
}

// setting reads what the server has made up once; found is false where there is no database.
func (p *patient) setting(ctx context.Context, name string) (value string, found bool, err error) {
	if p.database.open == nil || p.database.empty {
		return "", false, nil
	}
	return p.database.open.Setting(ctx, name)
}

// untrusted reports whether an error is about a certificate.
func untrusted(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	return verification || err != nil && strings.Contains(err.Error(), "x509: ")
}
