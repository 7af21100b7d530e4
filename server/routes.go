package server

import (
	"context"
	"net/http"

	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/httpapi"
)

// anonymous reports whether whoever is on this machine may speak as a channel.
func (s *Server) anonymous() bool {
	return !s.Exposed() && s.cfg.Azure.AppID == "" && !s.cfg.DirectLineOnly && !s.cfg.TLS.on()
}

// routes is every path that the server answers.
func (s *Server) routes(a *assembly, pages http.Handler) http.Handler {
	bot, appID, wire, faults := a.bot, a.appID, a.wire, a.faults
	mux := http.NewServeMux()
	var inbound, connector http.Handler = bot, s.channel.ConnectorHandler()
	if !s.Exposed() {
		inbound, connector = wire.Inbound(bot), wire.Connector(faults.Connector(connector))
	}
	mux.Handle("/api/messages", inbound)
	notify := s.door().Require(access.Broadcast, http.HandlerFunc(s.notify))
	mux.Handle("POST /api/notify", notify)
	httpapi.Register(mux, httpapi.Config{
		Engine: s.engine, Keys: s.keys, Audit: s.audit, Transcripts: s.channel, Rosters: s.rosters, Proven: s.cfg.Azure.AppID != "", Webhooks: s.webhooks, People: s.people, Closing: s.closing,
		Backup: s.backup, RefreshAuth: s.refreshes.now, SigningKeys: s.signingKeys(), Limits: s.limits, Version: s.cfg.Version, Logger: s.log,
	})
	s.hearAddresses(mux, bot)
	s.links(mux)
	sdk := &agents{
		engine: s.engine, bot: bot, appID: appID, serviceURL: s.serviceURLFor, mayCall: a.mayCall,
		own: s.botAccount(),
		acts: func(r *http.Request) context.Context {
			ctx, _ := httpapi.Do(s.audit, s.keys, r, audit.ConversationImport, nil)
			return ctx
		},
	}
	sdk.register(mux, s.door())
	if s.issuer != nil {
		s.issuer.publish(mux, s.log)
	}
	mux.Handle("/v3/directline/", s.channel.ClientHandler())
	mux.Handle("/v3/conversations", connector)
	mux.Handle("/v3/conversations/", connector)
	mux.Handle("/v3/attachments/", s.channel.ConnectorHandler())
	if s.Exposed() {
		mux.Handle("GET /api/notify", forDevelopment("GET /api/notify"))
		mux.Handle("/playground", forDevelopment("the playground"))
		mux.Handle("/playground/", forDevelopment("the playground"))
	} else {
		mux.Handle("GET /api/notify", notify)
		playground := &console.Playground{
			Setup:   console.NewSetup(s.url, appID, s.botAccount(), s.cfg.BotURL, s.cfg.Demo),
			Channel: s.channel, Conversations: s.store, Talks: s.engine, State: s.store, Wire: wire, Faults: faults, Logger: s.log, Closing: s.closing,
		}
		if s.anonymous() { // Teams' activities come without tokens then
			s.office = console.NewOffice(s.url, appID, s.botAccount().Name, s.closing)
			s.office.Register(mux)
			playground.Setup.Teams = true
		}
		playground.Register(mux)
		if o, ok := s.handles.(outsider); ok && s.cfg.Demo {
			mux.Handle("/demo/", http.StripPrefix("/demo", o.Outside()))
		}
	}
	mux.HandleFunc("GET /healthz", healthz)
	mux.Handle("/", fallback(mux, pages))
	return mux
}
