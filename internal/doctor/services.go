package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/internal/netguard"
)

var serviceChecks = []Check{
	{
		ID:      "service.host",
		About:   "Each host of the service URLs in the reference book: tokens may be sent there, its name leads to a public address, and it answers by TLS. No token is sent to find out.",
		Network: true,
		Faults: []Fault{
			{"not_listed", Fail, "The host is neither Microsoft's nor in azure.service_hosts: it is never called, and what is to be said there fails.", "add {host} to azure.service_hosts if it is yours or your cloud's; otherwise find out who wrote from there"},
			{"development", Warn, "The service URL was learnt in development mode, from somebody who had proven nothing: it never gets a token.", "have the person write to the bot again, now that it has an app id"},
			{"bad_url", Fail, "The service URL is none that is called: not https, or oddly written.", "have the person write to the bot again; if it comes again, report it to whoever runs the channel"},
			{"unresolved", Fail, "The name is not found.", "look at this machine's DNS"},
			{"not_public", Fail, "The name leads to an address of a private network, which is not called.", "look at this machine's DNS: somebody may be playing tricks with it"},
			{"unreachable", Fail, "It does not answer.", "let this machine reach {host} by https; no proxy is used"},
			{"certificate", Fail, "Its certificate is not trusted, or is another host's.", "look at azure.roots_file, and for a proxy that opens TLS on the way"},
		},
		run: checkServices,
	},
	{
		ID:      "channel.answer",
		About:   "A channel is asked who takes part in a conversation, with the bot's token: one conversation for each host. It changes nothing and nobody sees it. 401 is about the bot and its token; 403 and 404 are about this conversation, or the bot's rights in its tenant.",
		Network: true,
		Faults: []Fault{
			{"token_refused", Fail, "401: the channel does not take the bot's token.", "look at identity.claims above: the app id must be that of the Azure Bot resource, whose app type and tenant must be those of azure.tenant; and look at the clock"},
			{"bot_not_registered", Fail, "401 BotNotRegistered: no Azure Bot resource has this app id, or it lacks the channel.", "make an Azure Bot resource with this app id, and add the channel to it"},
			{"not_installed", Warn, "403 ForbiddenOperationException: the app is not installed for this person in personal scope.", "have the app installed: by the person, or by a setup policy of Teams"},
			{"not_in_roster", Warn, "403 or 404 BotNotInConversationRoster: the bot has been removed from this conversation.", "have the app installed there again; until then nothing can be said there"},
			{"blocked", Warn, "403 ConversationBlockedByUser or MessageWritesBlocked: the person has blocked the bot, or taken the app away.", "nothing can be done from here: the person must unblock or install it"},
			{"disabled_by_admin", Fail, "403 BotDisabledByAdmin or TenantNoPermission: the administrator of the tenant has blocked the app.", "ask the administrator of the tenant to allow the app in the Teams admin centre"},
			{"other_host", Fail, "403 InvalidBotApiHost: the tenant is in the government's community cloud, which has a host of its own.", "have people of this tenant write to the bot again: their service URL must be https://smba.infra.gcc.teams.microsoft.com"},
			{"forbidden", Fail, "403 for another reason: the token is good, and the bot may not do this.", "look at the permissions of the app in its manifest and in the tenant"},
			{"conversation_gone", Warn, "404: the conversation is gone, or is another bot's.", "if it happens for many: look whether azure.app_id is that of the bot to whom people write"},
			{"throttled", Warn, "429: the channel wants to be left alone for a while.", "wait; look at headsup pauses list, and at pace"},
			{"broken", Warn, "5xx: the channel is not well.", "wait, and try again"},
			{"odd", Warn, "An answer that says nothing about the bot.", "look at what was found"},
			{"unreachable", Fail, "No answer, or none that could be read.", "look at service.host above"},
		},
		run: checkChannels,
	},
}

// serviceLook is a host of the reference book.
type serviceLook struct {
	host string // as the connector names it
	book.Service
	good bool // it can be called
}

// mostServices bounds how many service URLs are looked at.
const mostServices = 1000

// findServices reads the hosts from the book, those with the most conversations first.
func (p *patient) findServices(ctx context.Context) error {
	found, err := p.database.open.Services(ctx, strings.ToLower(p.Loaded.Azure.AppID), mostServices)
	if err != nil {
		return err
	}
	hosts := make(map[string]int)
	for _, s := range found {
		if s.Source == book.SourceConfig || p.Channel != "" && s.Channel != p.Channel {
			continue // the embedded channel is this server itself
		}
		host := serviceHost(s.URL)
		i, known := hosts[host]
		if !known {
			i = len(p.services)
			hosts[host] = i
			p.services = append(p.services, serviceLook{host: host, Service: s})
			continue
		}
		was := &p.services[i]
		n := was.Conversations + s.Conversations
		if was.Source == book.SourceDev { // one that may be called tells more
			was.Service = s
		}
		was.Conversations = n
	}
	slices.SortStableFunc(p.services, func(a, b serviceLook) int { return cmp.Compare(b.Conversations, a.Conversations) })
	return nil
}

// serviceHost is a service URL's host, with the port if it is not 443.
func serviceHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	host := strings.ToLower(u.Hostname())
	if port := u.Port(); port != "" && (u.Scheme != "https" || port != "443") {
		return net.JoinHostPort(host, port)
	}
	return host
}

func checkServices(ctx context.Context, p *patient) (all []Result) {
	reg, ok := p.registration()
	switch {
	case !ok:
		return p.unregistered()
	case p.database.open == nil:
		return p.skip("%s", p.database.none)
	case p.database.empty:
		return p.skip("the database has no tables yet")
	}
	if err := p.findServices(ctx); err != nil {
		return p.skip("the reference book cannot be read: %v", err)
	}
	if len(p.services) == 0 {
		return p.skip("the reference book has no conversations of channels")
	}
	client := asking(reg)
	defer client.CloseIdleConnections()
	for i := range p.services {
		s := &p.services[i]
		results := p.lookAt(ctx, reg.MayHaveToken, reg.MayDial, client, s)
		s.good = results[0].Status == OK
		all = append(all, about(s.host, results)...)
	}
	return all
}

func (p *patient) lookAt(ctx context.Context, mayHaveToken func(string) bool, mayDial func(netip.Addr) bool, client *http.Client, s *serviceLook) []Result {
	many := many(s.Conversations, "conversation")
	u, err := url.Parse(s.URL)
	switch {
	case s.Source == book.SourceDev:
		return p.fault("development", many+" learnt in development mode")
	case err != nil || u.Scheme != "https" || u.User != nil || !netguard.PlainHost(strings.ToLower(u.Hostname())):
		return p.fault("bad_url", fmt.Sprintf("%s at %q", many, s.URL))
	case !mayHaveToken(s.host):
		return p.fault("not_listed", many+", on a host that gets no tokens", "host", s.host)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return p.fault("unresolved", err.Error())
	}
	if !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return mayDial(a.Unmap()) }) {
		return p.fault("not_public", fmt.Sprintf("leads to %v", addresses))
	}
	if err := p.askTime(ctx, client, "https://"+u.Host+"/"); err != nil {
		var authority x509.UnknownAuthorityError
		var name x509.HostnameError
		var invalid x509.CertificateInvalidError
		var verification *tls.CertificateVerificationError
		if errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid) || errors.As(err, &verification) {
			return p.fault("certificate", err.Error())
		}
		return p.fault("unreachable", err.Error(), "host", s.host)
	}
	return p.ok("%s, answers by TLS", many)
}

func checkChannels(ctx context.Context, p *patient) (all []Result) {
	reg, ok := p.registration()
	switch {
	case !ok:
		return p.unregistered()
	case p.identity.token == "":
		return p.skip("there is no token to ask with")
	}
	defer reg.Connector.CloseIdleConnections()
	for _, s := range p.services {
		if s.good {
			all = append(all, about(s.host, p.ask(ctx, reg.Connector, s))...)
		}
	}
	if len(all) == 0 {
		return p.skip("there is no service that can be asked")
	}
	return all
}

// ask asks for the members of a conversation: of Teams a page of them, since a whole roster may be long.
func (p *patient) ask(ctx context.Context, c *connector.Client, s serviceLook) []Result {
	_, err := c.PagedMembers(ctx, s.URL, s.Conversation, 50, "")
	failed, is := errors.AsType[*connector.Error](err)
	if is && (failed.Status == http.StatusNotFound && failed.Code == "" || failed.Class == connector.ClassUnsupported) { // a channel without pages
		_, err = c.Members(ctx, s.URL, s.Conversation)
		failed, is = errors.AsType[*connector.Error](err)
	}
	where := fmt.Sprintf(" for a conversation of %s", s.Channel)
	switch {
	case err == nil:
		return p.ok("the bot's token is taken%s", where)
	case !is || failed.Status == 0:
		return p.fault("unreachable", err.Error())
	case failed.Class == connector.ClassUnsupported:
		return p.ok("the bot's token is taken%s; it does not tell who takes part", where)
	}
	code := cmp.Or(failed.SubCode, failed.Code)
	found := strings.TrimSpace(fmt.Sprintf("%d %s", failed.Status, code)) + where
	return p.fault(verdict(failed.Status, failed.Code, failed.SubCode), found)
}

// verdict names an answer.
func verdict(status int, codes ...string) string {
	is := func(names ...string) bool {
		return slices.ContainsFunc(codes, func(c string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(c, n) })
		})
	}
	switch {
	case status == http.StatusUnauthorized && is("BotNotRegistered"):
		return "bot_not_registered"
	case status == http.StatusUnauthorized:
		return "token_refused"
	case is("BotNotInConversationRoster"):
		return "not_in_roster"
	case status == http.StatusForbidden && is("ForbiddenOperationException"):
		return "not_installed"
	case status == http.StatusForbidden && is("ConversationBlockedByUser", "MessageWritesBlocked"):
		return "blocked"
	case status == http.StatusForbidden && is("BotDisabledByAdmin", "TenantNoPermission"):
		return "disabled_by_admin"
	case status == http.StatusForbidden && is("InvalidBotApiHost"):
		return "other_host"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusNotFound:
		return "conversation_gone"
	case status == http.StatusTooManyRequests:
		return "throttled"
	case status >= http.StatusInternalServerError:
		return "broken"
	}
	return "odd"
}
