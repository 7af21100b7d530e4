// Package server is the operator's side in one piece: a bot, its channels, the engine and their HTTP surface over one
// store.
//
//	s, err := server.New(ctx, server.Config{DataDir: "headsup-data"})
//	if err != nil {
//		return err
//	}
//	fmt.Println("listening on", s.URL())
//	return s.Run(ctx)
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/channel/sms"
	"github.com/headsup-bot/headsup/credential"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/internal/relay"
	"github.com/headsup-bot/headsup/internal/rotation"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/teams"
	"github.com/headsup-bot/headsup/web"
)

// botName and botID are what people see on the embedded channel.
const (
	botID   = "headsup"
	botName = "Headsup"
)

// Server is a running or startable Headsup. Make it with [New].
type Server struct {
	cfg      Config
	url      string
	log      *slog.Logger
	store    database
	node     io.Closer  // the lock of the node's name; nil where one process has the data for itself
	backup   backupFunc // nil where the database has tools of its own
	engine   *proactive.Engine
	channel  *directline.Channel
	mail     *email.Channel // nil unless there is a mail server
	phone    *sms.Channel   // nil unless there is an account for text messages
	webhooks *webhook.Service
	people   *privacy.Service
	limits   *pace.Limiter
	rosters  *teams.Client
	handles  headsup.Handler    // the bot's
	relay    *relay.Bot         // nil unless the bot runs in another process
	office   *console.Office    // nil unless the playground has one
	tokens   *credential.Source // nil unless the bot is registered in Azure
	// What a bot in another process is shown: one of them, if it is to be shown anything.
	issuer     *issuer
	tokenKeys  *rotation.Ring // of the embedded channel
	actionKeys *rotation.Ring // of buttons and links
	tickets    *ticket.Signer // with the actionKeys
	botTokens  *credential.Source
	listener   net.Listener
	admin      net.Listener // may be nil
	plain      net.Listener // for TLS.HTTPListen; may be nil
	redirect   http.Handler // what plain serves
	proxies    proxies
	metrics    *metrics
	tracing    trace.TracerProvider
	flush      func(context.Context) error // sends the last traces
	phase      phase
	http       *http.Server
	closing    chan struct{}

	audit     *audit.Log
	refreshes refreshes // of the keys by which callers' tokens are checked
	keys      *access.Keyring
	local     access.Secret // for commands on this machine
}

// New opens the data directory and the listening sockets; all fail here, not in Run. A server that is not run must be
// closed. What is wrong with the configuration are [*ConfigError] values, joined.
func New(ctx context.Context, cfg Config) (_ *Server, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Logger, closing: make(chan struct{}), metrics: newMetrics(cfg.Version)}
	s.refreshes.server = s
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if s.proxies, err = parseProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if s.limits, err = cfg.limits(s.log); err != nil {
		return nil, err
	}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	if s.tracing, s.flush, err = cfg.Trace.provider(ctx, cfg.Version, s.log); err != nil {
		return nil, err
	}
	if cfg.TracerProvider != nil {
		s.tracing = cfg.TracerProvider
	}
	return s, s.assemble(ctx)
}

// listen opens the sockets, and finds out where the server is reached.
func (s *Server) listen(ctx context.Context) (err error) {
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("listen: %s is in use by another program; choose another address with --listen", s.cfg.Listen)
		}
		return fmt.Errorf("listen: %w", err)
	}
	if s.url = strings.TrimSuffix(s.cfg.PublicURL, "/"); s.url == "" {
		s.url = "http://" + s.listener.Addr().String()
		if s.cfg.TLS.on() {
			s.url = "https://" + s.listener.Addr().String()
		}
	}
	if s.cfg.TLS.on() {
		c, redirect, err := s.cfg.TLS.config(s.cfg.DataDir, s.url, s.log)
		if err != nil {
			return err
		}
		s.listener, s.redirect = tls.NewListener(s.listener, c), redirect
	}
	if s.cfg.TLS.HTTPListen != "" {
		if s.plain, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.TLS.HTTPListen); err != nil {
			return fmt.Errorf("tls.http_listen: %w", err)
		}
	}
	s.admin, err = s.cfg.Admin.listen(ctx, s.log)
	return err
}

// URL is where the server is reached.
func (s *Server) URL() string { return s.url }

// AdminURL is where /readyz and /metrics are; empty when there is no admin listener.
func (s *Server) AdminURL() string {
	if s.admin == nil {
		return ""
	}
	return "http://" + s.admin.Addr().String()
}

// Pages reports whether there are pages to open, not only the APIs.
func (s *Server) Pages() bool { return web.Built(s.cfg.pages()) }

// placeholderAppID is a GUID for a bot that is registered nowhere.
func placeholderAppID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

// Run serves and delivers until ctx ends, then drains: /readyz says so, after DrainDelay it takes no more requests, lets
// those that run and the deliveries that are being sent finish for at most DrainTimeout, and closes the store. A clean
// drain returns nil. Run it once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.auditStart(ctx); err != nil {
		return errors.Join(err, s.release())
	}
	stopBeside := serveBeside(s.plain, s.redirect, s.log)
	var routes http.Handler
	if s.admin != nil {
		routes = s.adminRoutes()
	}
	stopAdmin := serveBeside(s.admin, routes, s.log)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	delivered := make(chan error, 1)
	posted := make(chan error, 1)
	go func() { posted <- s.webhooks.Run(work) }()
	s.phase.delivering.Store(true)
	go func() {
		defer s.phase.delivering.Store(false)
		delivered <- s.engine.Run(work)
	}()
	keep, endKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer endKeeping()
	var keeping sync.WaitGroup
	keeping.Go(func() { s.keys.Run(keep) })
	keeping.Go(func() { s.audit.Run(keep) })
	keeping.Go(func() { s.refreshes.run(keep) })
	keeping.Go(func() { s.people.Run(keep) })
	for _, ring := range s.signingKeys() {
		keeping.Go(func() { ring.Run(keep, s.ringFailed) })
	}
	if s.tokens != nil {
		keeping.Go(func() { s.tokens.Run(keep) })
	}
	if s.botTokens != nil {
		keeping.Go(func() { s.botTokens.Run(keep) })
	}
	hearing := make(chan error, 1)
	go func() { hearing <- s.channel.Run(keep) }()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	s.log.InfoContext(ctx, "started", "address", s.url, "listen", s.listener.Addr().String(), "admin", s.AdminURL(),
		"version", s.cfg.Version, "data", s.cfg.DataDir, "database", s.kept(), "exposed", s.Exposed(), "keys_required", s.KeysRequired())

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-served:
		failure = fmt.Errorf("serve: %w", failure)
	}
	began := time.Now()
	s.phase.draining.Store(true)
	s.log.InfoContext(ctx, "drain begun", "delay", s.cfg.DrainDelay.String(), "timeout", s.cfg.DrainTimeout.String())
	if failure == nil && s.cfg.DrainDelay > 0 {
		select {
		case failure = <-served:
			failure = fmt.Errorf("serve: %w", failure)
		case <-time.After(s.cfg.DrainDelay):
		}
	}
	stop() // claims no more; what is being sent goes on
	clean := s.drain(context.WithoutCancel(ctx))
	failure = errors.Join(failure, <-delivered, <-posted)
	endKeeping()
	keeping.Wait()
	failure = errors.Join(failure, <-hearing)
	s.auditStop(ctx)
	s.log.InfoContext(ctx, "drain ended", "clean", clean, "took", time.Since(began).Round(time.Millisecond).String())
	stopBeside()
	stopAdmin()
	return errors.Join(failure, s.release())
}

// drain lets requests finish and reports whether all did.
func (s *Server) drain(ctx context.Context) (clean bool) {
	close(s.closing)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	clean = true
	// Sockets are not requests that end: the channel closes them, while no new ones come in.
	shut := make(chan error, 1)
	go func() { shut <- s.http.Shutdown(ctx) }()
	if err := s.channel.Close(ctx); err != nil {
		s.log.WarnContext(ctx, "streams cut off", "error", err.Error())
		clean = false
	}
	if err := <-shut; err != nil {
		s.log.WarnContext(ctx, "requests cut off", "error", err.Error())
		_ = s.http.Close()
		clean = false
	}
	return clean
}

// flushPatience is how long the last traces may take on their way out.
const flushPatience = 2 * time.Second

// Close gives back what New took, for a server that is not run.
func (s *Server) Close() error { return s.release() }

func (s *Server) release() error {
	var errs []error
	if s.relay != nil {
		s.relay.Close()
	}
	if s.mail != nil {
		s.mail.Close()
	}
	if s.phone != nil {
		s.phone.Close()
	}
	for _, l := range []net.Listener{s.listener, s.admin, s.plain} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.local != (access.Secret{}) {
		errs = append(errs, adminkey.Remove(s.cfg.DataDir, s.local))
	}
	if s.flush != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
		defer cancel()
		if err := s.flush(ctx); err != nil { // traces are no reason to fail
			s.log.WarnContext(ctx, "traces not sent", "error", err.Error())
		}
	}
	if s.office != nil {
		errs = append(errs, s.office.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.node != nil {
		errs = append(errs, s.node.Close())
	}
	return errors.Join(errs...)
}
