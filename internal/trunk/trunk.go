// Package trunk sends many HTTP/2 requests over few connections.
//
// [Transport] is a round tripper for a process that has thousands of requests to one host under way. net/http by itself
// dials for each request that finds no free connection, so that a burst of thousands becomes thousands of TLS handshakes,
// nearly all for nothing; and it writes each request to its connection by itself. Here a host is dialled by few at a
// time, while the others wait for a place on what there is, and what many requests have to write at the same moment
// leaves in one piece. Hosts that speak only HTTP/1.1 are left to net/http.
//
// A request is never repeated once its body was begun to be read: only its caller knows whether it may be.
package trunk

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Unbegun is implemented by the body of a request which may be put on another connection when the one that it was given
// turns out to be gone.
type Unbegun interface {
	// Unbegun reports whether nobody has read from the body: then nothing of the request can have had an effect.
	Unbegun() bool
}

const (
	// dialTimeout bounds the making of a connection. Whoever waits for it has deadlines of their own.
	dialTimeout = 10 * time.Second
	// pingAfter is how long a connection may be silent under requests before it is asked for a sign of life, and
	// pingTimeout how long it has for that.
	pingAfter, pingTimeout = 15 * time.Second, 10 * time.Second
	// plainFor is how long a host that spoke HTTP/1.1 is taken to speak nothing else.
	plainFor = 10 * time.Minute
	// tries bounds how often a request is put on another connection.
	tries = 4
)

// Transport is a [http.RoundTripper]. Make one with [New]; it is safe for concurrent use.
type Transport struct {
	plain *http.Transport // for http, and for hosts that speak only HTTP/1.1
	many  *http.Transport // makes HTTP/2 of the connections that it is given
	dial  func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	hosts map[string]*host // guarded by mu; by address
}

// New returns a transport which connects as base would, and takes base for what is not HTTP/2: base belongs to it from
// then on. It honours DialContext, TLSClientConfig, MaxConnsPerHost, MaxResponseHeaderBytes, IdleConnTimeout and
// DisableCompression; base has no proxy.
func New(base *http.Transport) *Transport {
	var one, two http.Protocols
	one.SetHTTP1(true)
	two.SetUnencryptedHTTP2(true) // the encryption is ours
	t := &Transport{
		plain: base,
		many: &http.Transport{
			DialContext: given, Protocols: &two, DisableCompression: base.DisableCompression,
			MaxResponseHeaderBytes: base.MaxResponseHeaderBytes, IdleConnTimeout: base.IdleConnTimeout,
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		dial:  base.DialContext,
		hosts: make(map[string]*host),
	}
	if t.dial == nil {
		t.dial = new(net.Dialer).DialContext
	}
	if base.TLSClientConfig == nil {
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	base.Protocols = &one
	base.DialTLSContext = t.dialPlain
	return t
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return t.plain.RoundTrip(plainly(req))
	}
	h := t.host(req.URL.Hostname(), req.URL.Port())
	for try := 1; ; try++ {
		line, err := h.acquire(req.Context())
		switch {
		case errors.Is(err, errPlain):
			return t.plain.RoundTrip(plainly(req))
		case err != nil:
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, err
		}
		resp, err := line.RoundTrip(req)
		if err == nil || try == tries || req.Context().Err() != nil || !unbegun(req) {
			return resp, err
		}
	}
}

// unbegun reports whether nothing of a request can have had an effect.
func unbegun(req *http.Request) bool {
	b, ok := req.Body.(Unbegun)
	return ok && b.Unbegun()
}

// Plain is implemented by the body of a request which is better sent in another form where it goes by HTTP/1.1.
type Plain interface {
	// Plain returns the request in that form. It changes nothing of the one that it is given.
	Plain(req *http.Request) *http.Request
}

func plainly(req *http.Request) *http.Request {
	if b, ok := req.Body.(Plain); ok {
		return b.Plain(req)
	}
	return req
}

// CloseIdleConnections closes the connections that no request is using.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	hosts := make([]*host, 0, len(t.hosts))
	for _, h := range t.hosts {
		hosts = append(hosts, h)
	}
	t.mu.Unlock()
	for _, h := range hosts {
		h.closeIdle()
	}
	t.plain.CloseIdleConnections()
}

func (t *Transport) host(name, port string) *host {
	if port == "" {
		port = "443"
	}
	address := net.JoinHostPort(name, port)
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.hosts[address]
	if !ok {
		h = &host{t: t, name: name, address: address, most: t.plain.MaxConnsPerHost, dials: make(map[*dial]struct{})}
		t.hosts[address] = h
	}
	return h
}

// dialPlain makes a connection for the requests that go by HTTP/1.1, if none was left over when that was found out.
func (t *Transport) dialPlain(ctx context.Context, _, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if c := t.host(name, port).takeSpare(); c != nil {
		return c, nil
	}
	return t.handshake(ctx, name, address, "http/1.1")
}

// handshake connects to a host and agrees with it on one of the protocols.
func (t *Transport) handshake(ctx context.Context, name, address string, protocols ...string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := t.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	cfg := t.plain.TLSClientConfig.Clone()
	cfg.NextProtos = protocols
	cfg.DynamicRecordSizingDisabled = true // what is written is small, or is many requests at once
	if cfg.ServerName == "" {
		cfg.ServerName = name
	}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// handed carries a connection to the transport that is to make HTTP/2 of it.
type handed struct{}

// given is the dialler of that transport: it takes what the context carries.
func given(ctx context.Context, _, _ string) (net.Conn, error) {
	if c, ok := ctx.Value(handed{}).(net.Conn); ok {
		return c, nil
	}
	return nil, errors.New("trunk: no connection was handed over")
}
