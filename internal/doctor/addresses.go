package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/channel/sms"
	"github.com/headsup-bot/headsup/internal/config"
)

var addressChecks = []Check{
	{
		ID: "email.server",
		About: "The mail server (email.server) is reached, keeps the connection to itself as email.security says, with a certificate that is " +
			"trusted, takes the password, and lets the bot send from email.from. No mail is sent to find out: it is told who one would be from, and no more.",
		Network: true,
		Faults: []Fault{
			{"unreachable", Fail, "It does not answer, or not as mail servers do.", "look at email.server, and let this machine reach {server}; a port that speaks TLS from the first byte, as 465 does, needs email.security tls"},
			{"no_tls", Fail, "It does not offer STARTTLS, or with email.security tls does not speak TLS from the first byte: nothing is sent.", "look at email.security and the port: as a rule 587 goes with starttls, and 465 with tls"},
			{"certificate", Fail, "Its certificate is not trusted, has expired, or is another host's.", "call the server in email.server what its certificate calls it; for a company's own authority set email.roots_file"},
			{"login", Fail, "It does not take the user name and the password, or the token.", "look at email.username and email.password_file; some providers want a password that is made for programs, and some take none, such as Exchange Online: set email.oauth"},
			{"login_unknown", Fail, "It takes no password in a way that is spoken here (SCRAM-SHA-256, PLAIN and LOGIN are), or with email.oauth no token (XOAUTH2).", "set email.oauth for Exchange Online, and leave it out for others; or use a relay that takes passwords"},
			{"no_token", Fail, "There is no token to show it: Microsoft Entra gives none.", "look at what was found, at identity.token, and at email.oauth_tenant"},
			{"login_needed", Fail, "It wants a user name and a password, and is shown none.", "set email.username and email.password_file"},
			{"sender_refused", Fail, "It does not let this user send from email.from.", "let the user send from {from} at the mail server, or change email.from"},
			{"refused", Fail, "It wants nothing from this machine.", "look at what was found, and have whoever runs the mail server let this machine in"},
			{"busy", Warn, "It takes nothing for now. Mails wait.", "wait, and try again"},
		},
		run: checkMailServer,
	},
	{
		ID:    "email.sender",
		About: "Who mails are from (email.from) may be somebody's address. SPF, DKIM and DMARC of its domain are not looked at.",
		Faults: []Fault{
			{"reserved", Warn, "The domain is one that nobody has, kept for examples, tests and machines' own names: mails from there are refused or taken for spam, and no bounce or answer arrives.", "set email.from to an address at a domain of yours"},
		},
		run: checkMailSender,
	},
	{
		ID:    "email.links",
		About: "The public URL is https, to which links lead by which people take themselves off (List-Unsubscribe).",
		Faults: []Fault{
			{"no_https", Warn, "It is not: mails have no List-Unsubscribe, which large providers want, and the links in them lead nowhere for others.", "set public_url to the https address that leads here"},
		},
		run: checkMailLinks,
	},
	{
		ID:    "email.answers",
		About: "What people answer to mails, and the bounces, can come in.",
		Faults: []Fault{
			{"unset", Warn, "There is no secret for them: nothing is taken, so that answers are not heard, and addresses where nobody is are written to again.", "set email.answers_secret_file, and have what comes for email.from posted to {url}; docs/email-and-sms.md says how"},
		},
		run: checkMailAnswers,
	},
	{
		ID:      "sms.account",
		About:   "Twilio takes the credentials (sms.account_sid with sms.auth_token, or sms.api_key), and the account is active. Nothing is sent to find out. Twilio shows accounts to no API key but a main one; others are tried by asking for numbers.",
		Network: true,
		Faults: []Fault{
			{"unreachable", Fail, "Twilio does not answer.", "let this machine reach {host} by https; no proxy is used"},
			{"certificate", Fail, "The certificate is not trusted, or is another host's.", "look at sms.url, and for a proxy that opens TLS on the way"},
			{"login", Fail, "Twilio does not take the credentials.", "look at sms.account_sid, and at sms.auth_token_file, or sms.api_key and sms.api_key_secret_file: keys and tokens are of one account, and test credentials send nothing"},
			{"suspended", Fail, "The account is suspended or closed.", "look at the account in Twilio's console: as a rule something is to be paid or confirmed"},
			{"not_shown", Warn, "The API key may not see numbers, which is all that could be asked for: whether it may send is not known.", "nothing, if messages arrive; else let the key read phone numbers and send messages"},
			{"busy", Warn, "Twilio takes nothing for now. Messages wait.", "wait, and try again"},
			{"odd", Warn, "An answer that says nothing about the account.", "look at what was found, and at sms.url"},
		},
		run: checkPhoneAccount,
	},
	{
		ID:      "sms.number",
		About:   "The number that text messages are from (sms.from) is the account's, can send them, and has the webhook by which people are heard. A messaging service, a short code and a name are not looked up.",
		Network: true,
		Faults: []Fault{
			{"not_owned", Fail, "The account has no such number: messages are refused.", "set sms.from to a number of the account, or sms.account_sid to the account that has the number"},
			{"no_sms", Fail, "The number cannot send text messages.", "choose another number of the account, or buy one that can"},
			{"unheard", Warn, "What people write to the number is posted nowhere, or to somebody else: the bot does not hear them, STOP included.", "in Twilio's console, set the number's webhook for messages to {url}, by POST"},
			{"unknown", Warn, "Twilio does not tell.", "look at sms.account above"},
		},
		run: checkPhoneNumber,
	},
	{
		ID:    "sms.inbound",
		About: "What people write, and what becomes of messages, can come in: Twilio signs it with the auth token, and reaches the public URL.",
		Faults: []Fault{
			{"no_token", Warn, "There is no auth token: nothing is taken, so that nobody is heard, STOP included, and no receipts come.", "set sms.auth_token_file too; the API key goes on being what Twilio is shown"},
			{"no_https", Warn, "The public URL is not https: Twilio is not told where to post what becomes of messages, and reaches nobody on this machine.", "set public_url to the https address that leads here, and the webhook for messages in Twilio's console to that with " + sms.InboundPath},
			{"one_way", Warn, "Messages are from a name, which nobody can answer, not with STOP either.", "have another way out in the texts, or use a number; some countries take no names"},
		},
		run: checkPhoneInbound,
	},
}

// mailInbound is where mails come in, below the public URL.
const mailInbound = "/v1/channels/email/inbound"

// absent is why a channel to addresses is not looked at; nil if it is.
func (p *patient) absent(channel string, configured bool) []Result {
	switch {
	case slices.ContainsFunc(p.Problems, func(q config.Problem) bool { return q.Path == channel || strings.HasPrefix(q.Path, channel+".") }):
		return p.skip("%s cannot be used as it is configured", channel)
	case !configured:
		return p.skip("%s is not configured", channel)
	}
	return nil
}

// https reports whether others reach the server by https, as far as the configuration says.
func (p *patient) https() bool { return strings.HasPrefix(p.Server.ServiceURL(), "https://") }

func (p *patient) noMail() []Result { return p.absent("email", p.Loaded.Email.Server != "") }

func (p *patient) noPhone() []Result { return p.absent("sms", p.Loaded.SMS.AccountSID != "") }

func checkMailServer(ctx context.Context, p *patient) []Result {
	if absent := p.noMail(); absent != nil {
		return absent
	}
	c, err := p.Server.Email.Inspect(p.Server.Azure)
	if err != nil {
		return p.skip("email cannot be used as it is configured: %v", err)
	}
	defer c.Close()
	server := p.Loaded.Email.Server
	if err := c.Check(ctx); err != nil {
		return about(server, p.mailFault(err))
	}
	how := "reached with " + map[string]string{"starttls": "STARTTLS", "tls": "TLS", "none": "no TLS, on this machine"}[p.Loaded.Email.Security]
	switch {
	case p.Loaded.Email.OAuth:
		how += ", takes the token"
	case p.Loaded.Email.Username != "":
		how += ", takes the password"
	}
	return about(server, p.ok("%s, and lets the bot send from email.from", how))
}

// mailFault names what a mail server has answered, or that it has not.
func (p *patient) mailFault(err error) []Result {
	told, found := headsup.MeaningOf(err), err.Error()
	reply, answered := errors.AsType[*email.ReplyError](err)
	if answered {
		found = reply.Error()
	} else if told.Err != nil {
		found = told.Err.Error()
	}
	_, clear := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case told.Reason == email.ReasonNoToken:
		return p.fault("no_token", found)
	case told.Reason == email.ReasonNoTLS, clear:
		return p.fault("no_tls", found)
	case told.Reason == headsup.ReasonTLS:
		return p.fault("certificate", found)
	case !answered && told.Reason == email.ReasonUnauthorized:
		return p.fault("login_unknown", found)
	case !answered:
		return p.fault("unreachable", found, "server", p.Loaded.Email.Server)
	case reply.Status < 500:
		return p.fault("busy", found)
	case told.Reason == email.ReasonUnauthorized && p.Loaded.Email.Username == "" && reply.Stage == email.StageSender:
		return p.fault("login_needed", found)
	case reply.Stage == email.StageSender:
		return p.fault("sender_refused", found, "from", p.Loaded.Email.From)
	case reply.Status == 530 || reply.Status >= 534 && reply.Status <= 538: // RFC 4954, section 6
		return p.fault("login", found)
	}
	return p.fault("refused", found)
}

// reserved are domains that nobody has (RFC 2606; RFC 6762 for local).
var reserved = []string{"example.com", "example.net", "example.org", "example", "test", "invalid", "localhost", "local", "internal"}

func checkMailSender(_ context.Context, p *patient) []Result {
	if absent := p.noMail(); absent != nil {
		return absent
	}
	from, err := mail.ParseAddress(p.Loaded.Email.From)
	if err != nil {
		return p.skip("email.from is no address")
	}
	domain := strings.ToLower(from.Address[strings.LastIndex(from.Address, "@")+1:])
	if slices.ContainsFunc(reserved, func(r string) bool { return domain == r || strings.HasSuffix(domain, "."+r) }) {
		return p.fault("reserved", from.Address)
	}
	return p.ok("%s", from.Address)
}

func checkMailLinks(_ context.Context, p *patient) []Result {
	if absent := p.noMail(); absent != nil {
		return absent
	}
	if !p.https() {
		return p.fault("no_https", "others reach the server at "+p.Server.ServiceURL())
	}
	return p.ok("below %s", p.Server.ServiceURL())
}

func checkMailAnswers(_ context.Context, p *patient) []Result {
	if absent := p.noMail(); absent != nil {
		return absent
	}
	url := p.Server.ServiceURL() + mailInbound
	if !p.Loaded.Email.AnswersSecret.Set() {
		return p.fault("unset", "email.answers_secret is not set", "url", url)
	}
	if !p.https() {
		return p.ok("taken at %s, from programs on this machine", url)
	}
	return p.ok("taken at %s", url)
}

func checkPhoneAccount(ctx context.Context, p *patient) []Result {
	if absent := p.noPhone(); absent != nil {
		return absent
	}
	c, err := p.Server.SMS.Inspect()
	if err != nil {
		return p.skip("sms cannot be used as it is configured: %v", err)
	}
	defer c.Close()
	if err := c.Check(ctx); err != nil {
		return p.phoneFault(err)
	}
	p.phone.good = true
	if p.Loaded.SMS.APIKey != "" {
		return p.ok("the API key is taken, for %s", p.Loaded.SMS.AccountSID)
	}
	return p.ok("%s is active, and the auth token is taken", p.Loaded.SMS.AccountSID)
}

// phoneLook is what is known of the account for text messages.
type phoneLook struct{ good bool }

// phoneFault names what Twilio has answered, or that it has not.
func (p *patient) phoneFault(err error) []Result {
	told, found := headsup.MeaningOf(err), err.Error()
	if told.Err != nil {
		found = told.Err.Error()
	}
	switch status := told.Status; {
	case told.Reason == sms.ReasonSuspended:
		return p.fault("suspended", found)
	case told.Reason == headsup.ReasonTLS:
		return p.fault("certificate", found)
	case status == 0:
		return p.fault("unreachable", found, "host", hostOf(cmp.Or(p.Loaded.SMS.URL, sms.API)))
	case status == http.StatusForbidden && p.Loaded.SMS.APIKey != "":
		return p.fault("not_shown", found)
	case told.Reason == sms.ReasonUnauthorized:
		return p.fault("login", found)
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return p.fault("busy", found)
	}
	return p.fault("odd", found)
}

func checkPhoneNumber(ctx context.Context, p *patient) []Result {
	if absent := p.noPhone(); absent != nil {
		return absent
	}
	from := p.Loaded.SMS.From
	switch {
	case from == "":
		return p.ok("the messaging service %s chooses; it is to post what people write to %s", p.Loaded.SMS.MessagingService, p.Server.ServiceURL()+sms.InboundPath)
	case !strings.HasPrefix(from, "+"):
		return p.ok("%s, which is no number that can be looked up", from)
	case !p.phone.good:
		return p.skip("Twilio does not show the account")
	}
	c, err := p.Server.SMS.Inspect()
	if err != nil {
		return p.skip("sms cannot be used as it is configured: %v", err)
	}
	defer c.Close()
	number, owned, err := c.Number(ctx)
	url := p.Server.ServiceURL() + sms.InboundPath
	switch {
	case err != nil:
		return p.fault("unknown", err.Error())
	case !owned:
		return p.fault("not_owned", fmt.Sprintf("%s has no number %s", p.Loaded.SMS.AccountSID, from))
	case !number.SMS:
		return p.fault("no_sms", from)
	case number.Elsewhere:
		return p.ok("%s, whose messages a TwiML application of Twilio's takes; it is to post them to %s", from, url)
	case number.Inbound == "":
		return p.fault("unheard", from+" posts nowhere", "url", url)
	case number.Inbound != url:
		return p.fault("unheard", from+" posts to "+number.Inbound, "url", url)
	case number.Method != http.MethodPost:
		return p.fault("unheard", from+" uses "+number.Method, "url", url)
	}
	return p.ok("%s, which posts what people write to %s", from, url)
}

func checkPhoneInbound(_ context.Context, p *patient) (all []Result) {
	if absent := p.noPhone(); absent != nil {
		return absent
	}
	if !p.Loaded.SMS.AuthToken.Set() {
		all = append(all, p.fault("no_token", "sms.auth_token is not set")...)
	}
	if !p.https() {
		all = append(all, p.fault("no_https", "others reach the server at "+p.Server.ServiceURL())...)
	}
	if from := p.Loaded.SMS.From; strings.ContainsFunc(from, func(r rune) bool { return r != '+' && (r < '0' || r > '9') }) {
		all = append(all, p.fault("one_way", from)...)
	}
	if len(all) > 0 {
		return all
	}
	return p.ok("taken at %s", p.Server.ServiceURL()+sms.InboundPath)
}
