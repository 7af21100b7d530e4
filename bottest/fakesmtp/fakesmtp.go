// Package fakesmtp is a mail server for tests: it speaks SMTP with TLS and passwords over real connections, puts what it takes
// into a maildir, and refuses what it is told to.
//
//	mail, err := fakesmtp.Start(fakesmtp.Config{Dir: t.TempDir()})
//	…
//	mail.Addr()  // for whoever sends
//	mail.Inbox() // what has arrived
package fakesmtp

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Config says how a server behaves. The zero value offers STARTTLS and takes everything.
type Config struct {
	// Dir is the maildir (tmp, new, cur), which is made if it is missing. Empty keeps mails in memory only.
	Dir string

	// Plain offers no TLS, and TLS speaks it from the first byte.
	Plain, TLS bool

	// Username and Password must be shown, if they are set.
	Username, Password string

	// Token tells whether an access token is good, which must be shown with Username by XOAUTH2 in place of a password, if it is
	// set.
	Token func(token string) bool

	// MaxSize is the largest mail in bytes. Zero means no limit.
	MaxSize int64

	// Answer is asked before each command is done; an answer that is not nil is given instead. The argument is an address; for
	// DATA it is the whole mail, which is not kept then.
	Answer func(command, argument string) *Reply

	// Taken is called when a mail is kept, before the client is told. Hanging up there loses the answer. May be nil.
	Taken func(m Mail, hangUp func())
}

// Reply is an answer of a mail server: 550 5.1.1 and words. A zero Code ends the connection without one.
type Reply struct {
	Code     int
	Enhanced [3]int
	Words    string
}

// Mail is what was taken.
type Mail struct {
	From string
	To   []string
	// Raw is the mail as it came, without the dots that SMTP adds.
	Raw []byte
}

// Server is a mail server on a loopback address.
type Server struct {
	cfg      Config
	server   *smtp.Server
	listener *tap
	roots    *x509.CertPool
	cert     []byte

	mu       sync.Mutex
	inbox    []Mail        // guarded by mu
	sessions int           // guarded by mu
	news     chan struct{} // guarded by mu; closed when something arrives
	done     chan struct{}
}

// Start starts a server.
func Start(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, news: make(chan struct{}), done: make(chan struct{})}
	if cfg.Dir != "" {
		for _, sub := range [...]string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(cfg.Dir, sub), 0o700); err != nil {
				return nil, err
			}
		}
	}
	pair, err := s.certificate()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		return nil, err
	}
	s.listener = &tap{Listener: l}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions++
		return &session{server: s, conn: c}, nil
	}))
	s.server.Domain = "mail.example.test"
	s.server.MaxMessageBytes = cfg.MaxSize
	s.server.MaxLineLength = 2000
	s.server.AllowInsecureAuth = cfg.Plain
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	s.server.ErrorLog = quiet{}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	var serve net.Listener = s.listener
	switch {
	case cfg.TLS:
		serve = tls.NewListener(serve, secure)
	case !cfg.Plain:
		s.server.TLSConfig = secure
	}
	go func() { // ends with Close
		defer close(s.done)
		_ = s.server.Serve(serve)
	}()
	return s, nil
}

// quiet drops what the library logs of connections that break, which is what tests are about.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Roots vouch for the server's certificate, and RootsPEM does as PEM.
func (s *Server) Roots() *x509.CertPool { return s.roots }

// RootsPEM is the certificate that vouches for the server.
func (s *Server) RootsPEM() []byte { return s.cert }

// Inbox is what has arrived, the first first.
func (s *Server) Inbox() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.inbox...)
}

// Sessions is how many connections there were that began to speak SMTP.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Wait waits until n mails have arrived, and returns all there are.
func (s *Server) Wait(n int, patience time.Duration) ([]Mail, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		inbox, news := append([]Mail(nil), s.inbox...), s.news
		s.mu.Unlock()
		if len(inbox) >= n {
			return inbox, nil
		}
		select {
		case <-news:
		case <-limit.C:
			return inbox, fmt.Errorf("%d of %d mails have arrived in %v", len(inbox), n, patience)
		}
	}
}

// Wire is every byte that clients have sent, which can be read as long as there was no TLS.
func (s *Server) Wire() []byte { return s.listener.wire() }

// HangUp ends all connections without a word, as a server does that is restarted.
func (s *Server) HangUp() { s.listener.hangUp() }

// Close ends the server.
func (s *Server) Close() error {
	err := s.server.Close()
	_ = s.listener.Close() // which the library does not know yet if it was quick
	s.listener.hangUp()
	<-s.done
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// keep puts a mail into the maildir.
func (s *Server) keep(m Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Dir != "" {
		name := fmt.Sprintf("%d.%d.fakesmtp", time.Now().UnixNano(), len(s.inbox))
		tmp := filepath.Join(s.cfg.Dir, "tmp", name)
		if err := os.WriteFile(tmp, m.Raw, 0o600); err != nil {
			return err
		}
		if err := os.Rename(tmp, filepath.Join(s.cfg.Dir, "new", name)); err != nil {
			return err
		}
	}
	s.inbox = append(s.inbox, m)
	close(s.news)
	s.news = make(chan struct{})
	return nil
}

// session is one client.
type session struct {
	server *Server
	conn   *smtp.Conn
	known  bool
	mail   Mail
}

// errCut: the connection is gone.
var errCut = errors.New("cut")

// answered is what the test wants answered to a command; nil for what is usual.
func (s *session) answered(command, argument string) error {
	if s.server.cfg.Answer == nil {
		return nil
	}
	r := s.server.cfg.Answer(command, argument)
	switch {
	case r == nil:
		return nil
	case r.Code == 0:
		_ = s.conn.Conn().Close()
		return errCut
	}
	enhanced := smtp.EnhancedCode(r.Enhanced)
	if r.Enhanced == [3]int{} {
		enhanced = smtp.NoEnhancedCode
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: enhanced, Message: r.Words}
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.server.cfg.Username == "" {
		return nil
	}
	if s.server.cfg.Token != nil {
		return []string{"XOAUTH2"}
	}
	return []string{sasl.Plain}
}

// xoauth2 is the server's side of XOAUTH2: "user=NAME^Aauth=Bearer TOKEN^A^A". Who is refused is told why, and answers with
// nothing, before the refusal itself.
type xoauth2 struct {
	check func(username, token string) error
	err   error
}

// Next implements sasl.Server.
func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.err != nil {
		return nil, true, x.err
	}
	user, rest, _ := strings.Cut(strings.TrimPrefix(string(response), "user="), "\x01")
	token, ends := strings.CutSuffix(strings.TrimPrefix(rest, "auth=Bearer "), "\x01\x01")
	if x.err = x.check(user, token); x.err == nil && ends {
		return nil, true, nil
	}
	x.err = cmp.Or(x.err, error(smtp.ErrAuthFailed))
	return []byte(`{"status":"401","schemes":"bearer"}`), false, nil
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	if good := s.server.cfg.Token; good != nil {
		return &xoauth2{check: func(username, token string) error {
			if username != s.server.cfg.Username || !good(token) {
				return smtp.ErrAuthFailed
			}
			s.known = true
			return nil
		}}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error {
		if err := s.answered("AUTH", username); err != nil {
			return err
		}
		if username != s.server.cfg.Username || password != s.server.cfg.Password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.cfg.Username != "" && !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.mail = Mail{From: from}
	return s.answered("MAIL", from)
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.answered("RCPT", to); err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.answered("DATA", string(raw)); err != nil {
		return err
	}
	m := s.mail
	m.Raw = raw
	if err := s.server.keep(m); err != nil {
		return err
	}
	if s.server.cfg.Taken != nil {
		s.server.cfg.Taken(m, func() { _ = s.conn.Conn().Close() })
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.mail = Mail{} }

// Logout implements smtp.Session.
func (*session) Logout() error { return nil }

// certificate makes the server's own, for loopback addresses.
func (s *Server) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fakesmtp"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	s.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(s.cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// tap is a listener that keeps what clients send.
type tap struct {
	net.Listener

	mu    sync.Mutex
	sent  []byte     // guarded by mu
	conns []net.Conn // guarded by mu
}

func (t *tap) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = append(t.conns, c)
	return &tapped{Conn: c, tap: t}, nil
}

func (t *tap) wire() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.sent...)
}

func (t *tap) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		_ = c.Close()
	}
	t.conns = nil
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.sent = append(c.tap.sent, p[:n]...)
	return n, err
}
