package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the reverse proxies whose word counts.
type proxies []netip.Prefix

// parseProxies reads addresses and networks.
func parseProxies(list []string) (proxies, error) {
	var ps proxies
	var errs []error
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || !prefix.IsValid() {
			errs = append(errs, wrong("trusted_proxies", "%q is neither an address nor a network such as 10.0.0.0/8", text))
			continue
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-(prefix.Addr().BitLen()-prefix.Addr().Unmap().BitLen())).Masked()
		if everybody(prefix) {
			errs = append(errs, wrong("trusted_proxies", "%q is everybody, or a large part of the internet: whoever connects could say "+
				"that he calls from anywhere, this machine included. Name the addresses of your proxies, or their network", text))
			continue
		}
		ps = append(ps, prefix)
	}
	return ps, errors.Join(errs...)
}

// everybody reports whether a network is too large to be that of somebody's proxies: larger than any that one owner has, and
// not private, as fc00::/7 is (RFC 4193).
func everybody(network netip.Prefix) bool {
	least := 8
	if network.Addr().Is6() {
		least = 16
	}
	return network.Bits() < least && !(network.Addr().IsPrivate() && network.Bits() >= 7)
}

func (p proxies) trusted(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// heard is what is known of the way that a request has come, once its headers have been looked at.
type heard struct {
	client netip.Addr
	https  bool // between the client and the first of us
}

type heardKey struct{}

// handler reads what trusted proxies say, takes their word for the Host, and drops these headers, so that nobody further
// in believes them by mistake.
func (p proxies) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := heard{client: p.client(r), https: r.TLS != nil}
		if p.trusted(peer(r)) {
			host, proto := said(r.Header)
			if host != "" {
				r.Host = host
			}
			if proto != "" {
				h.https = proto == "https"
			}
		}
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), heardKey{}, h)))
	})
}

// client is the address that a request comes from: the last one on its way that is no trusted proxy's. Whom nobody
// trusts names himself with his connection. It is the zero Addr, which is nobody's and not this machine's, when that is no
// address, when what a trusted proxy has noted cannot be read, and when its two ways to note it lead to different clients: a
// proxy writes one of the headers, and may pass the other one on as a client has made it up.
func (p proxies) client(r *http.Request) netip.Addr {
	if h, ok := r.Context().Value(heardKey{}).(heard); ok {
		return h.client
	}
	old, standard := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	from := p.farthest(peer(r), list(old), func(part string) string { return part })
	other := p.farthest(peer(r), list(standard), func(part string) string { return parameter(part, "for") })
	switch {
	case len(standard) == 0 || from == other:
		return from
	case len(old) == 0:
		return other
	}
	return netip.Addr{}
}

// farthest goes back from the other end of a connection, as far as trusted proxies tell the way.
func (p proxies) farthest(addr netip.Addr, hops []string, text func(string) string) netip.Addr {
	for i := len(hops) - 1; i >= 0 && p.trusted(addr); i-- {
		addr = address(text(hops[i]))
	}
	return addr
}

// secure reports whether the client speaks TLS, with us or with a trusted proxy.
func secure(r *http.Request) bool {
	h, ok := r.Context().Value(heardKey{}).(heard)
	return ok && h.https || !ok && r.TLS != nil
}

// peer is the other end of the connection.
func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap().WithZone("")
}

// said is the Host and the scheme that the nearest proxy names; empty when it names none that could be one.
func said(h http.Header) (host, proto string) {
	host, proto = last(h["X-Forwarded-Host"]), last(h["X-Forwarded-Proto"])
	if element := last(h["Forwarded"]); element != "" {
		if host == "" {
			host = parameter(element, "host")
		}
		if proto == "" {
			proto = parameter(element, "proto")
		}
	}
	if strings.ContainsAny(host, "/\\@?# \t") {
		host = ""
	}
	if proto = strings.ToLower(proto); proto != "http" && proto != "https" {
		proto = ""
	}
	return host, proto
}

// list takes the values of a header apart at commas that are not within quotes.
func list(values []string) (parts []string) {
	for _, v := range values {
		quoted, from := false, 0
		for i := range len(v) {
			switch {
			case v[i] == '"':
				quoted = !quoted
			case v[i] == ',' && !quoted:
				parts = append(parts, strings.TrimSpace(v[from:i]))
				from = i + 1
			}
		}
		parts = append(parts, strings.TrimSpace(v[from:]))
	}
	return parts
}

func last(values []string) string {
	parts := list(values)
	if len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1]
}

// parameter is the value of a parameter of an element of Forwarded (RFC 7239, section 4).
func parameter(element, name string) string {
	for pair := range strings.SplitSeq(element, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// address reads an address with or without a port and brackets.
func address(text string) netip.Addr {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap().WithZone("")
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
