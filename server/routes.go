package server

import (
	"io"
	"net/http"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/httpapi"
)

// routes is every path that the server answers.
func (s *Server) routes(bot *headsup.Bot, appID string, wire *console.Wire, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/messages", bot)
	mux.HandleFunc("GET /api/notify", s.notify)
	mux.HandleFunc("POST /api/notify", s.notify)
	httpapi.Register(mux, httpapi.Config{
		Engine: s.engine, Webhooks: s.webhooks, Closing: s.closing, Version: s.cfg.Version, Logger: s.log,
	})
	mux.Handle("/v3/directline/", s.channel.ClientHandler())
	mux.Handle("/v3/conversations", s.channel.ConnectorHandler())
	mux.Handle("/v3/conversations/", s.channel.ConnectorHandler())
	mux.Handle("/v3/attachments/", s.channel.ConnectorHandler())
	playground := &console.Playground{
		AppID: appID, Minter: s.channel, Conversations: s.store, Wire: wire, Logger: s.log, Closing: s.closing,
	}
	playground.Register(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.Handle("/", pages)
	return mux
}
