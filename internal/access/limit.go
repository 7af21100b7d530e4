package access

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Wrong keys that may come from one address: 30 at once, and one more every minute.
const (
	failureBurst = 30
	failureEvery = time.Minute
)

// maxAddresses bounds how many addresses are remembered for their failures.
const maxAddresses = 10_000

// bucket holds up to burst permits; one comes back every interval.
type bucket struct {
	left float64
	at   time.Time // when left was right
}

func (b *bucket) refill(now time.Time, burst int, every time.Duration) {
	if b.at.IsZero() {
		b.left = float64(burst)
	} else if passed := now.Sub(b.at); passed > 0 {
		b.left = min(float64(burst), b.left+float64(passed)/float64(every))
	}
	b.at = now
}

// take takes a permit, or tells how long it is until there is one.
func (b *bucket) take(now time.Time, burst int, every time.Duration) (wait time.Duration, ok bool) {
	b.refill(now, burst, every)
	if b.left >= 1 {
		b.left--
		return 0, true
	}
	return time.Duration((1 - b.left) * float64(every)), false
}

// failures counts wrong keys by address.
type failures struct {
	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket // guarded by mu
}

// failed counts one wrong key. It reports how long the address has to wait when it had too many.
func (f *failures) failed(from netip.Addr, now time.Time) (wait time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	network := networkOf(from)
	b := f.buckets[network]
	if b == nil {
		if len(f.buckets) >= maxAddresses {
			f.forget(now)
		}
		if f.buckets == nil {
			f.buckets = make(map[netip.Prefix]*bucket)
		}
		b = &bucket{}
		f.buckets[network] = b
	}
	return b.take(now, failureBurst, failureEvery)
}

// forget makes room for many: addresses that have all their tries back go first, then any.
func (f *failures) forget(now time.Time) {
	for network, b := range f.buckets {
		if b.refill(now, failureBurst, failureEvery); b.left >= failureBurst {
			delete(f.buckets, network)
		}
	}
	for network := range f.buckets {
		if len(f.buckets) <= maxAddresses*3/4 {
			return
		}
		delete(f.buckets, network)
	}
}

// networkOf is what one caller can be expected to have: an address, or in IPv6 a /64.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all of those share one
	}
	return p
}

// peer is the other end of a request's connection.
func peer(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}
