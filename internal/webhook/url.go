package webhook

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headsup-bot/headsup/internal/netguard"
)

// longestURL bounds a webhook's URL in bytes.
const longestURL = 2048

// localNames are the last labels of names that are never public.
var localNames = []string{"localhost", "local", "internal", "lan", "home", "corp", "intranet", "test", "invalid"}

// checkURL reports what is wrong with a webhook's URL. Where it leads is checked again when it is dialled, since a name
// may change its mind.
func (s *Service) checkURL(raw string) error {
	refuse := func(reason string) error { return &FieldError{"url", reason} }
	if raw == "" || len(raw) > longestURL {
		return refuse("must have between 1 and " + strconv.Itoa(longestURL) + " characters")
	}
	if strings.ContainsFunc(raw, func(r rune) bool {
		return r <= ' ' || r >= utf8.RuneSelf || r == 0x7f || strings.ContainsRune("\\#\"<>^`{|}", r)
	}) {
		return refuse("holds characters that do not belong there; escape what is not ASCII, and leave out the fragment")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("cannot be parsed")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !s.cfg.Private):
		return refuse("is not https")
	case u.Opaque != "" || u.User != nil:
		return refuse("holds credentials, or is not of the form https://host/path")
	case !netguard.PlainHost(host):
		return refuse("has no proper host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return refuse("has no proper port")
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return refuse("has no proper port")
	}
	if !s.cfg.Private && !publicHost(host) {
		return refuse("does not lead to a host on the public internet")
	}
	return nil
}

// publicHost reports whether a host can be public, as far as its name tells.
func publicHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return netguard.Public(addr)
	}
	labels := strings.Split(host, ".")
	return len(labels) > 1 && !slices.Contains(localNames, labels[len(labels)-1])
}
