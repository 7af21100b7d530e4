package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/web"
)

// assembly is what the parts of a server share while they are put together.
type assembly struct {
	appID       string
	development bool
	verifier    auth.Verifier
	out         headsup.Channel // every way to a person
	mayCall     func(serviceURL string) bool
	wire        *console.Wire   // what the playground shows of the traffic
	faults      *console.Faults // and what it makes go wrong
	bot         *headsup.Bot
}

// assemble puts the parts together: what each needs is there before it.
func (s *Server) assemble(ctx context.Context) (err error) {
	a := &assembly{development: !s.Exposed(), wire: &console.Wire{}, faults: &console.Faults{}}
	if a.appID, err = s.ownAppID(ctx); err != nil {
		return err
	}
	if err := s.openAudit(ctx, a.appID); err != nil {
		return err
	}
	if err := s.openKeyring(a.appID); err != nil {
		return err
	}
	if err := s.refreshes.open(ctx); err != nil {
		return err
	}
	if err := s.openActionKeys(ctx); err != nil {
		return err
	}
	if err := s.makeChannel(ctx, a); err != nil {
		return err
	}
	if err := s.makeMail(ctx, a.appID); err != nil {
		return err
	}
	if err := s.makePhone(a.appID); err != nil {
		return err
	}
	verifier, client, err := s.register()
	if err != nil {
		return err
	}
	a.verifier, a.out = watched{verifier, s.audit}, s.ways(client, a)
	a.mayCall = client.Allows
	if err := s.makeEngine(a); err != nil {
		return err
	}
	if err := s.makeBot(ctx, a); err != nil {
		return err
	}
	s.metrics.watch(s.store, s.channel)
	s.metrics.registry.MustRegister(newPaceGauges(s.limits))
	s.makeHTTP(a)
	return nil
}

// makeChannel makes the embedded channel, whose tokens are signed with a key that all nodes share.
func (s *Server) makeChannel(ctx context.Context, a *assembly) error {
	secret, err := s.store.SetSettingOnce(ctx, "directline_key", rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("direct line key: %w", err)
	}
	if err := s.openTokenKeys(ctx); err != nil {
		return fmt.Errorf("direct line key: %w", err)
	}
	bots, err := s.letInBots()
	if err != nil {
		return err
	}
	account := s.botAccount()
	s.channel, err = directline.New(directline.Config{
		AppID: a.appID, BotID: account.ID, BotName: account.Name, Store: s.store, PublicURL: s.URL,
		Opened: s.noteOpened(a.appID), Ended: s.noteEnded(a.appID), Said: s.noteSaid, Secret: []byte(secret), TokenSecrets: s.tokenSecrets,
		SiteSecret: s.cfg.DirectLineSecret, SecondSiteSecret: s.cfg.DirectLineSecondSecret,
		Wrong: s.wrongAtChannel, Origins: s.cfg.DirectLineOrigins,
		Development: a.development, AllowAnonymousBots: a.development && bots == nil, Bots: bots, Logger: s.log,
	})
	return err
}

// ways are the embedded channel, those that write to addresses, and the Connector API for everybody else.
func (s *Server) ways(client *connector.Client, a *assembly) headsup.Channel {
	var ways headsup.Switch
	ways.Way(s.channel.Takes, s.channel)
	if s.mail != nil {
		ways.Way(s.mail.Takes, s.mail)
	}
	if s.phone != nil {
		ways.Way(s.phone.Takes, s.phone)
	}
	ways.Otherwise(s.connectorChannel(client, a.appID))
	if a.development { // the wire keeps messages in memory, for the playground
		return a.wire.Tap(a.faults.Around(&ways), s.url)
	}
	return &ways
}

// makeEngine makes the engine, what tells others of its events, and what erases people. Nothing is delivered before Run.
func (s *Server) makeEngine(a *assembly) (err error) {
	profiles, err := s.cfg.profiles()
	if err != nil {
		return err
	}
	preferences, err := s.cfg.Preferences.defaults()
	if err != nil {
		return err
	}
	topics, err := s.cfg.topics()
	if err != nil {
		return err
	}
	s.engine, err = proactive.New(proactive.Config{
		AppID: a.appID, Store: s.store, Channel: a.out, DrainTimeout: s.cfg.DrainTimeout, Retention: s.cfg.Retention, Logger: s.log,
		MinInterval: s.cfg.MinInterval, MaxSchedules: s.cfg.MaxSchedules, Topics: topics, Preferences: preferences,
		Observer: endings{s.metrics, s.audit}, TracerProvider: s.tracing, Proven: s.cfg.Azure.AppID != "", MayCall: a.mayCall,
		NoticeAnswers: func(ctx context.Context, until time.Time) error {
			return s.store.Want(ctx, a.appID, []event.Type{event.NotificationAnswered}, until)
		},
		Profiles: profiles, Global: s.cfg.global(), FirstContact: s.cfg.firstContact(s.log), Addresses: s.addresses(),
		ActionKeys: s.signingActions, ActionURL: s.url + linkPath, Pressed: s.tellPressed, ButtonRefused: s.buttonRefused,
	})
	if err != nil {
		return err
	}
	s.webhooks, err = webhook.New(webhook.Config{
		AppID: a.appID, Store: s.store, Private: s.cfg.WebhookPrivate || a.development, Retention: s.cfg.WebhookRetention,
		UserAgent: "Headsup/" + strings.Trim(s.cfg.Version, "()"), Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.people, err = privacy.New(privacy.Config{
		AppID: a.appID, Store: s.store, Content: s.cfg.Retention.Content, Records: s.cfg.Retention.Records, Logger: s.log,
		Silenced: s.channel.Look,
	})
	return err
}

// makeBot makes the bot, and lets it hear the embedded channel.
func (s *Server) makeBot(ctx context.Context, a *assembly) (err error) {
	if s.handles, err = s.handler(ctx, a.appID, a.wire); err != nil {
		return err
	}
	a.bot, err = headsup.New(headsup.Config{
		AppID: a.appID, Verifier: a.verifier, Channel: a.out, Turns: s.store, Notifier: s.engine, Logger: s.log,
		Observer: s.metrics, TracerProvider: s.tracing,
		Middleware: []headsup.Middleware{s.engine.Middleware(), event.Middleware(s.store, time.Now), state.Middleware(s.store), s.engine.Actions(), s.words(), s.engine.Replies()},
	}, s.handles)
	if err != nil {
		return err
	}
	if err := s.converse(a.bot); err != nil {
		return err
	}
	if s.relay != nil || !a.development { // the relay's transport is tapped
		s.channel.Serve(a.bot)
	} else {
		s.channel.Serve(a.wire.Hear(a.bot, s.url+"/api/messages"))
	}
	return nil
}

// makeHTTP makes the HTTP server over all routes.
func (s *Server) makeHTTP(a *assembly) {
	pages := s.cfg.pages()
	routes := s.routes(a, console.Pages(pages, web.Built(pages), s.url))
	s.http = &http.Server{
		Handler: s.proxies.handler(traced(s.metrics.count(headers(s.guard(routes))))),
		// Bodies are small; streams lift the write limit for themselves.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
