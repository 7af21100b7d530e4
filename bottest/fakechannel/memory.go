package fakechannel

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// pipes are a network in memory.
type pipes struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes {
	return &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.incoming:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements [net.Listener]: an address of this machine at which nobody listens.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.incoming <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Transport returns a client's side of the channel, with connections of its own: over the network that Config says, and
// trusting the server's authority. It speaks HTTP/1.1. Close its idle connections when it is not needed any more.
func (s *Server) Transport() *http.Transport {
	t := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.RootCAs()}, MaxIdleConnsPerHost: 256, DisableCompression: true,
	}
	if p, ok := s.listener.(*pipes); ok {
		t.DialContext = p.dial
	}
	return t
}
