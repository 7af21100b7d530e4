// Package netguard keeps requests to addresses that others have supplied on the public internet: a name is checked at
// the address that it resolved to, on every connection.
//
// [Transport] is an HTTP transport that connects where its [Config] allows and nowhere else; [PlainHost] and [Loopback]
// are for looking at a URL before it is taken.
package netguard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrAddressBlocked is in the chain of the error for a host that resolved to an address that is not connected to.
var ErrAddressBlocked = errors.New("address blocked")

// blocked are the ranges inside the public address space, as IANA's special-purpose registries list them, that do not
// lead to a host on the internet, and Azure's own service address.
var blocked = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers; Alibaba's metadata service
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's wire server
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local; metadata services
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // relays for 6to4
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),   // Teredo, ORCHID, benchmarking
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 carries any IPv4 address
	netip.MustParsePrefix("3fff::/20"),
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
)

// Public reports whether addr belongs to a host on the public internet. Private, loopback, link-local, shared,
// documentation, multicast and reserved addresses do not, in whatever form IPv6 wraps them.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	if nat64.Contains(addr) { // how a network without IPv4 reaches it
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range blocked {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// control returns a check for net.Dialer that runs on the address of every connection, after the name was resolved, so
// that a name cannot change its mind between check and use.
func control(allow func(netip.Addr) bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrAddressBlocked, address)
		}
		if !allow(to.Addr().Unmap()) {
			return fmt.Errorf("%w: %s", ErrAddressBlocked, to.Addr())
		}
		return nil
	}
}

// Config says where a transport may connect. The zero value is the public internet.
type Config struct {
	// AllowAddr decides whether to connect to an address, once a host was resolved. Nil means [Public].
	AllowAddr func(addr netip.Addr) bool

	// AllowLoopback lets hosts that are [Loopback] be reached, at loopback addresses.
	AllowLoopback bool

	// RootCAs are the authorities that certificates are checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Resolver looks up hosts. Nil means that of the system.
	Resolver *net.Resolver

	// MaxConns bounds the connections to one host; as many are kept open while idle. Zero means 256.
	MaxConns int

	// HTTP2 speaks HTTP/2 where the host does, with many requests on one connection. The transport repeats a request by
	// itself after a GOAWAY if it can get the body again, so it is for those whose requests have no GetBody.
	HTTP2 bool
}

func (c Config) withDefaults() Config {
	if c.AllowAddr == nil {
		c.AllowAddr = Public
	}
	if c.MaxConns == 0 {
		c.MaxConns = 256
	}
	return c
}

// Transport returns a transport that connects where cfg allows and nowhere else, through no proxy. A loopback host is
// dialled at loopback addresses only, so that development mode opens nothing to names that merely resolve there.
func Transport(cfg Config) *http.Transport {
	cfg = cfg.withDefaults()
	public := &net.Dialer{Resolver: cfg.Resolver, Control: control(cfg.AllowAddr)}
	loopback := &net.Dialer{Resolver: cfg.Resolver, Control: control(netip.Addr.IsLoopback)}

	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(cfg.HTTP2)

	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err == nil && cfg.AllowLoopback && Loopback(host) {
				return loopback.DialContext(ctx, network, address)
			}
			return public.DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            cfg.RootCAs,
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
		},
		Protocols:              &protocols,
		DisableCompression:     true, // nothing to decompress, nothing that grows
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           4 * cfg.MaxConns,
		MaxIdleConnsPerHost:    cfg.MaxConns,
		MaxConnsPerHost:        cfg.MaxConns,
		IdleConnTimeout:        90 * time.Second,
	}
}

// PlainHost reports whether host is an IP address in its usual form, or a name of letters, digits, hyphens and dots that
// nothing can take for an IP address: some resolvers read 127.1 and 0x7f000001 as one.
func PlainHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == ""
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return last[0] < '0' || last[0] > '9'
}

// Loopback reports whether host names this machine by convention or by address.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
