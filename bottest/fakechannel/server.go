package fakechannel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config describes a [Server]. The zero value listens on a free port of this machine, over HTTP, and behaves well.
type Config struct {
	// Listen is where to listen. Empty means 127.0.0.1:0.
	Listen string

	// InMemory listens nowhere: only [Server.Transport] reaches the channel. Then it may be used in a bubble of
	// testing/synctest, where hours pass at once.
	InMemory bool

	// TLS serves https, HTTP/1.1 and HTTP/2, with a certificate of the server's own authority; see [Server.RootCAs].
	// Certificate may make it a bad one, and [Server.SetCertificate] another one.
	TLS         bool
	Certificate Certificate

	// Delay is how far away the channel is: what an answer takes at least. A request counts as arrived after half of it.
	// Jitter is added to or taken from each half, evenly, up to so much.
	Delay, Jitter time.Duration

	// Limits are enforced by time of arrival. Nil enforces none.
	Limits []Limit

	// Rules say when and how the channel misbehaves. They can be replaced, see [Server.SetRules].
	Rules []Rule

	// Grace is for how long after a refusal, beside Delay, requests may still come without being early, since they were on
	// their way. Zero means 50 ms.
	Grace time.Duration

	// Members is how many people take part in every conversation. Zero means 1.
	Members int

	// RequireToken refuses requests without a token of the token endpoint. AppID and AppSecret are what that endpoint asks
	// for; empty ones are not looked at. TokenTime is how long tokens hold; zero means an hour.
	RequireToken     bool
	AppID, AppSecret string
	TokenTime        time.Duration

	// World answers in place of the plain channel. Nil has every conversation exist.
	World World

	// Beside answers what is none of the channel's own paths. Nil answers 404.
	Beside http.Handler

	// Endorsements are the channels that the key of inbound tokens speaks for. Nil means those of the protocol's examples.
	Endorsements []string

	// Seed decides chance.
	Seed uint64
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Grace == 0 {
		c.Grace = 50 * time.Millisecond
	}
	if c.Members == 0 {
		c.Members = 1
	}
	if c.TokenTime == 0 {
		c.TokenTime = time.Hour
	}
	if c.Endorsements == nil {
		c.Endorsements = []string{"msteams", "webchat", "directline", "emulator", "test"}
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Delay < 0, c.Jitter < 0, c.Grace < 0, c.TokenTime < 0:
		return errors.New("a duration is negative")
	case 2*c.Jitter > c.Delay:
		return errors.New("Jitter is more than half of Delay")
	case c.Members < 1:
		return errors.New("Members is not positive")
	case c.Certificate != Good && !c.TLS:
		return errors.New("Certificate needs TLS")
	}
	return nil
}

// Server is a fake channel. Make it with [New]; safe for concurrent use.
type Server struct {
	cfg       Config
	ledger    *Ledger
	authority *authority // nil without TLS
	keys      *signer
	tokens    tokens
	listener  net.Listener
	http      *http.Server
	served    chan struct{}
	closing   chan struct{}

	mu      sync.Mutex
	rules   *rules        // guarded by mu, and what it has counted
	limits  *limits       // guarded by mu
	jitter  *rand.Rand    // guarded by mu
	release chan struct{} // guarded by mu; closed to let hanging requests go
}

// New starts a channel. Close ends it.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	s := &Server{
		cfg: cfg, ledger: newLedger(), served: make(chan struct{}), closing: make(chan struct{}),
		jitter: rand.New(rand.NewPCG(cfg.Seed, 0)), release: make(chan struct{}),
	}
	var err error
	if s.rules, err = newRules(cfg.Seed, cfg.Rules); err != nil {
		return nil, err
	}
	if s.limits, err = newLimits(cfg.Limits); err != nil {
		return nil, err
	}
	if s.keys, err = newSigner(cfg.Endorsements); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.served)
		if s.authority != nil {
			_ = s.http.ServeTLS(s.listener, "", "") // ends when it is closed
			return
		}
		_ = s.http.Serve(s.listener)
	}()
	return s, nil
}

// connKey is where a request's context has its connection.
type connKey struct{}

func (s *Server) listen() (err error) {
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.ledger.count(func(r *Report) { r.Connections++ })
			}
		},
	}
	if s.cfg.TLS {
		if s.authority, err = newAuthority(s.cfg.Certificate); err != nil {
			return err
		}
		// A thousand streams on one connection, so that a caller that is far away needs few.
		s.http.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1000}
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.authority.now.Load(), nil
		}}
	}
	if s.cfg.InMemory {
		s.listener = newPipes()
		return nil
	}
	if s.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", s.cfg.Listen); err != nil {
		return fmt.Errorf("fakechannel: %w", err)
	}
	return nil
}

// URL is where the channel is, without a slash at its end. It is a service URL for conversations whose tenant the
// activities name.
func (s *Server) URL() string {
	scheme := "http://"
	if s.authority != nil {
		scheme = "https://"
	}
	return scheme + s.listener.Addr().String()
}

// Handler is all that the channel answers, for a server of somebody else's. Rules that reset connections need the channel's own.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// ServiceURL is the service URL for conversations of a tenant. Like those of Teams it names the tenant, so that requests
// without a body are counted for it too.
func (s *Server) ServiceURL(tenant string) string {
	if tenant == "" {
		return s.URL()
	}
	return s.URL() + "/" + pathEscape(tenant)
}

// RootCAs has the authority that the server's certificate comes from; nil without TLS.
func (s *Server) RootCAs() *x509.CertPool {
	if s.authority == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.authority.pem)
	return pool
}

// AuthorityPEM is the authority's certificate, for programs that read it from a file; nil without TLS.
func (s *Server) AuthorityPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return s.authority.pem
}

// Ledger is what people have seen.
func (s *Server) Ledger() *Ledger { return s.ledger }

// Report returns the ledger's figures, with those that only the server knows.
func (s *Server) Report() Report {
	r := s.ledger.Report()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.limits.limits {
		r.Peaks[l.Name()] = s.limits.peaks[i]
	}
	return r
}

// SetRules replaces the rules; what the old ones have counted is forgotten. The error says which one makes no sense, and
// nothing is changed then.
func (s *Server) SetRules(list ...Rule) error {
	rs, err := newRules(s.cfg.Seed, list)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rs
	return nil
}

// Release lets requests go that hang: their connections end without an answer.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}

// Close ends the channel and all its connections.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.closing:
	default:
		close(s.closing)
	}
	s.mu.Unlock()
	err := s.http.Close()
	<-s.served
	return err
}

// way is one direction of a request's travel.
func (s *Server) way(ctx context.Context) bool {
	d := s.cfg.Delay / 2
	if s.cfg.Jitter > 0 {
		s.mu.Lock()
		d += time.Duration(s.jitter.Int64N(int64(2*s.cfg.Jitter)+1)) - s.cfg.Jitter
		s.mu.Unlock()
	}
	return s.wait(ctx, d)
}

// wait reports whether the time has passed with the caller still there.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}

// hang returns when a hanging request is to end.
func (s *Server) hang(ctx context.Context) {
	s.mu.Lock()
	release := s.release
	s.mu.Unlock()
	select {
	case <-release:
	case <-ctx.Done():
	case <-s.closing:
	}
}
