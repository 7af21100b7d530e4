package server

import (
	"net/http"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/httpapi"
)

// routes is every path that the server answers.
func (s *Server) routes(bot *headsup.Bot, appID string, wire *console.Wire, faults *console.Faults, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/messages", wire.Inbound(bot))
	mux.HandleFunc("GET /api/notify", s.notify)
	mux.HandleFunc("POST /api/notify", s.notify)
	httpapi.Register(mux, httpapi.Config{Engine: s.engine, Transcripts: s.channel, Version: s.cfg.Version, Logger: s.log})
	mux.Handle("/v3/directline/", s.channel.ClientHandler())
	connector := wire.Connector(faults.Connector(s.channel.ConnectorHandler()))
	mux.Handle("/v3/conversations", connector)
	mux.Handle("/v3/conversations/", connector)
	mux.Handle("/v3/attachments/", s.channel.ConnectorHandler())
	playground := &console.Playground{
		Setup:   console.NewSetup(s.url, appID, s.botAccount(), s.cfg.BotURL, s.cfg.Demo),
		Channel: s.channel, Conversations: s.store, Wire: wire, Faults: faults, Logger: s.log, Closing: s.closing,
	}
	playground.Register(mux)
	mux.HandleFunc("GET /healthz", healthz)
	mux.Handle("/", fallback(mux, pages))
	return mux
}
