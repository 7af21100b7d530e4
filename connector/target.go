package connector

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
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
	url  string
	host string // lower case, with the port unless it is that of https
}

// target builds the URL of a call. A path is literal but for its {placeholders}, which take one id each, in order.
func (c *Client) target(serviceURL, path string, ids []string, query url.Values) (target, error) {
	base, err := c.service(serviceURL)
	if err != nil {
		return target{}, err
	}
	var b strings.Builder
	b.Grow(len(base.url) + len(path) + 64)
	b.WriteString(base.url)
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
	if len(query) > 0 {
		b.WriteByte('?')
		b.WriteString(query.Encode())
	}
	return target{url: b.String(), host: base.host}, nil
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

// service checks a service URL and returns it without its trailing slash.
func (c *Client) service(raw string) (target, error) {
	refuse := func(reason string) (target, error) {
		return target{}, &ArgumentError{Argument: "service url", Reason: reason}
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
	if !local && !c.cfg.AllowHost(full) {
		return target{}, fmt.Errorf("%w: %s", ErrHostNotAllowed, full)
	}
	return target{url: u.Scheme + "://" + full + strings.TrimSuffix(u.Path, "/"), host: full}, nil
}
