package connector

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// ErrHostNotAllowed is in the chain of the error for a service URL whose host is not on the list of [Config.AllowHost].
var ErrHostNotAllowed = errors.New("host not allowed")

// ArgumentError says that a call was not made because one of its arguments cannot be part of a URL.
type ArgumentError struct {
	Argument string // such as "conversation id" or "service url"
	Reason   string
}

// Error names the argument and the reason.
func (e *ArgumentError) Error() string { return e.Argument + " " + e.Reason }

// teamsHosts serve Teams in the public cloud, GCC, GCC High and DoD. They are whole names, since anybody can register
// one under trafficmanager.net.
var teamsHosts = []string{
	"smba.trafficmanager.net",
	"smba.infra.gcc.teams.microsoft.com",
	"smba.infra.gov.teams.microsoft.us",
	"smba.infra.dod.teams.microsoft.us",
}

// channelDomains are the domains under which every other channel has a host named after it.
var channelDomains = []string{".botframework.com", ".botframework.azure.us", ".botframework.us", ".botframework.azure.cn"}

var channelHosts = []activity.ChannelID{
	activity.ChannelAlexa, activity.ChannelCortana, activity.ChannelDirectLine, activity.ChannelDirectLineSpeech,
	activity.ChannelEmail, activity.ChannelFacebook, activity.ChannelGroupMe, activity.ChannelKik, activity.ChannelLine,
	activity.ChannelOmnichannel, activity.ChannelOutlook, activity.ChannelSkype, activity.ChannelSlack, activity.ChannelSMS,
	activity.ChannelTelegram, activity.ChannelTelephony, activity.ChannelTwilioSMS, activity.ChannelWebChat,
	"europe.directline", "india.directline",
}

// MicrosoftHost reports whether host is exactly one on which Microsoft is known to run a channel, on its standard port.
// It is the default of [Config.AllowHost] when there are tokens to protect.
func MicrosoftHost(host string) bool {
	for _, h := range teamsHosts {
		if host == h {
			return true
		}
	}
	for _, domain := range channelDomains {
		label, ok := strings.CutSuffix(host, domain)
		if !ok {
			continue
		}
		for _, channel := range channelHosts {
			if label == string(channel) {
				return true
			}
		}
	}
	return false
}

// target is where a request goes.
type target struct {
	base  *url.URL // of the service, with the path up to the call's own
	path  string   // the call's own, escaped
	query string
	host  string // lower case, with the port unless it is that of https
}

// url is where the request goes, for a request's own use.
func (t target) url() *url.URL {
	u := *t.base
	u.RawQuery = t.query
	full := u.Path + t.path
	if u.Path = full; strings.Contains(t.path, "%") {
		if plain, err := url.PathUnescape(full); err == nil {
			u.Path, u.RawPath = plain, full
		}
	}
	return &u
}

// target builds the URL of a call. A path is literal but for its {placeholders}, which take one id each, in order.
func (c *Client) target(serviceURL, path string, ids []string, query url.Values) (target, error) {
	to, err := c.service(serviceURL)
	if err != nil {
		return target{}, err
	}
	var b strings.Builder
	b.Grow(len(path) + 64)
	for {
		before, rest, ok := strings.Cut(path, "{")
		b.WriteString(before)
		if !ok {
			break
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok || len(ids) == 0 {
			return target{}, &ArgumentError{Argument: "path", Reason: "has a placeholder without an id"}
		}
		segment, err := escape(name, ids[0])
		if err != nil {
			return target{}, err
		}
		b.WriteString(segment)
		path, ids = after, ids[1:]
	}
	if len(ids) > 0 {
		return target{}, &ArgumentError{Argument: "path", Reason: "has fewer placeholders than there are ids"}
	}
	to.path, to.query = b.String(), query.Encode()
	return to, nil
}

// escape returns id as one path segment. Nothing but letters, digits and -_.~ is left bare, since some servers decode
// a segment as if it were a form.
func escape(name, id string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", &ArgumentError{Argument: name, Reason: reason}
	}
	switch {
	case id == "":
		return refuse("is empty")
	case id == "." || id == "..":
		return refuse("would change the path")
	case !utf8.ValidString(id):
		return refuse("is not valid UTF-8")
	case strings.ContainsFunc(id, unicode.IsControl):
		return refuse("holds control characters")
	}
	return strings.ReplaceAll(url.QueryEscape(id), "+", "%20"), nil
}

// services remembers service URLs that were checked: nearly all calls go to a few. Safe for concurrent use.
type services struct {
	mu    sync.RWMutex
	known map[string]service // guarded by mu
}

// mostServices bounds the memory that it takes.
const mostServices = 1000

// service is a service URL that was checked.
type service struct {
	base  *url.URL
	host  string
	local bool // on this machine, where that is allowed
}

// Allows reports whether calls to a service URL are made at all: its host is on the list, and nothing is wrong with the rest.
func (c *Client) Allows(serviceURL string) bool {
	_, err := c.service(serviceURL)
	return err == nil
}

// service checks a service URL.
func (c *Client) service(raw string) (target, error) {
	c.services.mu.RLock()
	s, known := c.services.known[raw]
	c.services.mu.RUnlock()
	if !known {
		var err error
		if s, err = c.parseService(raw); err != nil {
			return target{}, err
		}
		c.services.put(raw, s)
	}
	if !s.local && !c.cfg.AllowHost(s.host) {
		return target{}, fmt.Errorf("%w: %s", ErrHostNotAllowed, s.host)
	}
	return target{base: s.base, host: s.host}, nil
}

func (all *services) put(raw string, s service) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.known == nil || len(all.known) >= mostServices {
		all.known = make(map[string]service)
	}
	all.known[strings.Clone(raw)] = s
}

func (c *Client) parseService(raw string) (service, error) {
	refuse := func(reason string) (service, error) {
		return service{}, &ArgumentError{Argument: "service url", Reason: reason}
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf || r == '\\' || r == '#' || r == '?' }) {
		return refuse("holds characters that do not belong there")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("cannot be parsed")
	}
	host := strings.ToLower(u.Hostname())
	local := c.cfg.AllowLoopback && netguard.Loopback(host)
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local):
		return refuse("is not https")
	case u.User != nil:
		return refuse("holds credentials")
	case !netguard.PlainHost(host):
		return refuse("has no proper host")
	case strings.Contains(u.EscapedPath(), "%"):
		return refuse("has an escaped path")
	case strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"):
		return refuse("has dots for path segments")
	}
	full := strings.ToLower(u.Host)
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return refuse("has no proper port")
		}
		if u.Scheme == "https" {
			full = strings.TrimSuffix(full, ":443")
		}
	} else if strings.HasSuffix(full, ":") {
		return refuse("has no proper port")
	}
	return service{
		base: &url.URL{Scheme: u.Scheme, Host: full, Path: strings.TrimSuffix(u.Path, "/")}, host: full, local: local,
	}, nil
}
