package connector

import (
	"net/http"
	"net/netip"

	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/internal/trunk"
)

// ErrAddressBlocked is in the chain of the error for a host that resolved to an address the client does not connect to.
var ErrAddressBlocked = netguard.ErrAddressBlocked

// PublicAddr reports whether addr belongs to a host on the public internet. Private, loopback, link-local, shared,
// documentation, multicast and reserved addresses do not, in whatever form IPv6 wraps them. It is the default of
// [Config.AllowAddr].
func PublicAddr(addr netip.Addr) bool { return netguard.Public(addr) }

// newTransport returns a transport that connects where cfg allows and nowhere else. It speaks HTTP/2 where the host does.
func newTransport(cfg Config) http.RoundTripper {
	return trunk.New(netguard.Transport(netguard.Config{
		AllowAddr: cfg.AllowAddr, AllowLoopback: cfg.AllowLoopback, RootCAs: cfg.RootCAs, Resolver: cfg.Resolver,
		MaxConns: cfg.MaxConns,
	}))
}
