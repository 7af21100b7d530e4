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
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/web"
)

// drainTimeout is how long requests and deliveries may finish when the server stops.
const drainTimeout = 10 * time.Second

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
	store    *sqlite.Store
	engine   *proactive.Engine
	channel  *directline.Channel
	webhooks *webhook.Service
	listener net.Listener
	http     *http.Server
	closing  chan struct{}
}

// New opens the data directory and the listening socket; both fail here, not in Run. A server that is not run must be
// closed.
func New(ctx context.Context, cfg Config) (_ *Server, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Logger, closing: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if s.store, err = sqlite.Open(ctx, sqlite.Config{Dir: cfg.DataDir, Logger: cfg.Logger}); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listen: %s is in use by another program; choose another address with --listen", cfg.Listen)
		}
		return nil, fmt.Errorf("listen: %w", err)
	}
	if s.url = strings.TrimSuffix(cfg.PublicURL, "/"); s.url == "" {
		s.url = "http://" + s.listener.Addr().String()
	}
	return s, s.wire(ctx)
}

// development reports whether the server takes messages from anybody, which it does on loopback only.
func (s *Server) development() bool { return true }

// URL is where the server is reached.
func (s *Server) URL() string { return s.url }

// Pages reports whether there are pages to open, not only the APIs.
func (s *Server) Pages() bool { return web.Built(s.cfg.pages()) }

// wire puts the parts together.
func (s *Server) wire(ctx context.Context) error {
	appID, err := s.store.SetSettingOnce(ctx, "app_id", placeholderAppID())
	if err != nil {
		return fmt.Errorf("app id: %w", err)
	}
	secret, err := s.store.SetSettingOnce(ctx, "directline_key", rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("direct line key: %w", err)
	}
	s.channel, err = directline.New(directline.Config{
		AppID: appID, BotID: botID, BotName: botName, Store: s.store, PublicURL: s.URL,
		Secret: []byte(secret), SiteSecret: s.cfg.DirectLineSecret, Development: true, AllowAnonymousBots: true, Logger: s.log,
	})
	if err != nil {
		return err
	}
	client, err := connector.New(connector.Config{AllowLoopback: true, Logger: s.log})
	if err != nil {
		return err
	}
	var ways headsup.Switch
	ways.Way(s.channel.Takes, s.channel)
	ways.Otherwise(headsup.NewConnectorChannel(client))
	wire := &console.Wire{}
	out := wire.Tap(&ways)

	s.engine, err = proactive.New(proactive.Config{
		AppID: appID, Store: s.store, Channel: out, DrainTimeout: drainTimeout, Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.webhooks, err = webhook.New(webhook.Config{
		AppID: appID, Store: s.store, Private: s.cfg.WebhookPrivate || s.development(), Retention: s.cfg.WebhookRetention,
		UserAgent: "Headsup/" + strings.Trim(s.cfg.Version, "()"), Logger: s.log,
	})
	if err != nil {
		return err
	}
	bot, err := headsup.New(headsup.Config{
		AppID: appID, Verifier: auth.Development{}, Channel: out, Turns: s.store, Notifier: s.engine, Logger: s.log,
		Middleware: []headsup.Middleware{wire.Middleware, s.engine.Middleware(), event.Middleware(s.store, time.Now), state.Middleware(s.store)},
	}, s.handler(appID))
	if err != nil {
		return err
	}
	s.channel.Serve(bot)
	pages := s.cfg.pages()
	s.http = &http.Server{
		Handler: s.guard(s.routes(bot, appID, wire, console.Pages(pages, web.Built(pages), s.url))),
		// Bodies are small; streams lift the write limit for themselves.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// handler is what the bot does.
func (s *Server) handler(appID string) headsup.Handler {
	if s.cfg.Bot != nil {
		return s.cfg.Bot(s.engine)
	}
	return welcomer(func() bool { return s.store.Wanted(appID, event.MessageReceived) })
}

// placeholderAppID is a GUID for a bot that is registered nowhere.
func placeholderAppID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

// Run serves and delivers until ctx ends, then drains: it takes no more requests, lets those that run and the
// deliveries that are being sent finish, and closes the store. A clean drain returns nil. Run it once.
func (s *Server) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	delivered := make(chan error, 1)
	go func() { delivered <- s.engine.Run(work) }()
	posted := make(chan error, 1)
	go func() { posted <- s.webhooks.Run(work) }()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-served:
		failure = fmt.Errorf("serve: %w", failure)
	}
	close(s.closing)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := s.channel.Close(drain); err != nil {
		s.log.WarnContext(ctx, "streams cut off", "error", err.Error())
	}
	if err := s.http.Shutdown(drain); err != nil {
		s.log.WarnContext(ctx, "requests cut off", "error", err.Error())
		_ = s.http.Close()
	}
	stop()
	failure = errors.Join(failure, <-delivered, <-posted)
	return errors.Join(failure, s.release())
}

// Close gives back what New took, for a server that is not run.
func (s *Server) Close() error { return s.release() }

func (s *Server) release() error {
	var errs []error
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
