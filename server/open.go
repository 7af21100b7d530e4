package server

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/internal/secretfile"
)

// validateOpen refuses to start open: where others can reach the server, somebody must have said who is let in.
func (c Config) validateOpen() error {
	_, _, unreadable := net.SplitHostPort(c.Listen)
	switch {
	case c.DirectLineOnly && c.Azure.AppID != "":
		return wrong("directline_only", "is set, and azure.app_id too: with an app id the channels of Azure are let in")
	case c.BotURL != "" && c.BotAuth.AppID == "" || unreadable != nil: // which is refused by itself
	case c.exposed() && c.Azure.AppID == "" && !c.DirectLineOnly:
		return wrong("azure.app_id", "is not set, and others can reach the server (%s): set it with azure.secret_file or another "+
			"credential; or directline_only, for a server that only the embedded Direct Line channel, e-mail and SMS lead to", c.reached())
	case c.exposed() && c.DirectLineOnly && c.DirectLineSecret == "" && !c.Email.on() && !c.SMS.on(): // in development mode the server's own page needs none
		return wrong("directline_secret", "is not set, and directline_only is: people come by tokens that are had with the secret, so "+
			"nobody could talk with the bot. Set directline_secret_file; \"openssl rand -hex 32\" makes a secret. A server with email or sms needs none")
	}
	return nil
}

// reached is the setting by which others reach the server.
func (c Config) reached() string {
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || !loopback(u.Hostname())) {
		return "public_url " + c.PublicURL
	}
	return "listen " + c.Listen
}

// privateName is a name that no public directory has, or one of the endings that are kept for private networks (RFC 6762
// appendix G; RFC 8375; ICANN resolution 2024.07.29.06 for "internal").
var privateName = regexp.MustCompile(`^[^.]+$|\.(local|internal|intranet|private|corp|home|lan|home\.arpa|test|localhost)$`)

// number is an IPv4 address in a spelling that clients read as one, though it has no dots.
var number = regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`)

// privateHost reports whether a host is in a network of one's own. Names are not looked up.
func privateHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return privateName.MatchString(host) && !number.MatchString(host)
}

// validateInsecure keeps what is sent in the clear within private networks.
func (c Config) validateInsecure(public *url.URL) error {
	switch host := public.Hostname(); {
	case public.Scheme != "http" || loopback(host):
		return nil
	case !c.InsecureHTTP:
		return wrong("public_url", "%q is not https: keys and messages could be read on their way. Have the server speak TLS, or a "+
			"reverse proxy before it; insecure_http allows it all the same in a private network", c.PublicURL)
	case !privateHost(host):
		return wrong("insecure_http", "is for private networks, and public_url %q is not in one: keys and messages could be read on "+
			"their way. Have the server speak TLS, or a reverse proxy before it", c.PublicURL)
	}
	return nil
}

// closedFile refuses a file with a secret in it that others can read.
func closedFile(field, path string) error {
	if path == "" {
		return nil
	}
	if err := secretfile.Check(path); err != nil {
		return &ConfigError{field, err}
	}
	return nil
}

var (
	guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	// domain has a dot in it, and letters, digits and hyphens on both sides.
	domain = regexp.MustCompile(`^([0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?\.)+[A-Za-z][0-9A-Za-z-]*[0-9A-Za-z]$`)
)

// validateIDs checks that what Azure gives GUIDs to has one.
func (a Azure) validateIDs() error {
	var errs []error
	if !guid.MatchString(a.AppID) {
		errs = append(errs, wrong("azure.app_id", "%q is not a GUID, such as 00001111-aaaa-2222-bbbb-3333cccc4444", a.AppID))
	}
	if a.Tenant != "" && !guid.MatchString(a.Tenant) && !domain.MatchString(a.Tenant) {
		errs = append(errs, wrong("azure.tenant", "%q is neither a GUID nor a domain of the tenant, such as example.onmicrosoft.com", a.Tenant))
	}
	if domain.MatchString(a.Tenant) && (a.Emulator || len(a.Callers) > 0) {
		errs = append(errs, wrong("azure.tenant", "must be the tenant's id, a GUID, with azure.emulator and azure.callers: tokens name it so"))
	}
	if _, err := time.Parse(time.DateOnly, a.SecretEnds); err != nil && a.SecretEnds != "" {
		errs = append(errs, wrong("azure.secret_ends", "%q is not a day such as 2027-05-31", a.SecretEnds))
	}
	for _, t := range a.Tenants {
		if !guid.MatchString(t) {
			errs = append(errs, wrong("azure.tenants", "%q is not a GUID", t))
		}
	}
	for _, c := range a.Callers {
		if !guid.MatchString(c) && c != "*" {
			errs = append(errs, wrong("azure.callers", "%q is not a GUID", c))
		}
	}
	return errors.Join(errs...)
}
