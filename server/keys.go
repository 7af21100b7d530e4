package server

import (
	"net"
	"net/http"
	"path/filepath"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
)

// Exposed reports whether others than this machine's own programs can reach the server. Then it asks for API keys, the
// embedded channel asks for its secret or tokens, and what is for development is off.
func (s *Server) Exposed() bool { return s.cfg.exposed() }

// KeysRequired reports whether the HTTP API lets nobody in without a key.
func (s *Server) KeysRequired() bool { return s.cfg.RequireKey || s.cfg.exposed() }

// Doors says which ways in, beside the HTTP API, let anybody in where others can reach the server.
type Doors struct {
	Messages   bool // /api/messages, for channels with their tokens
	Bots       bool // /v3/conversations, for a bot in another process with its token
	DirectLine bool // /v3/directline, for clients with its secret or the tokens that it gives
	Mails      bool // /v1/channels/email/inbound, for whoever signs mails with their secret
	Texts      bool // /v1/channels/sms/inbound, for Twilio with its signature
}

// Doors says which doors are open to those who can prove who they are.
func (s *Server) Doors() Doors {
	return Doors{
		Messages: s.cfg.Azure.AppID != "", Bots: s.cfg.BotURL != "" && s.cfg.BotAuth.AppID != "", DirectLine: s.cfg.DirectLineSecret != "",
		Mails: s.cfg.Email.AnswersSecret != "", Texts: s.cfg.SMS.AuthToken != "",
	}
}

// openKeyring says who may use the API of an app, and writes the secret for the commands on this machine.
func (s *Server) openKeyring(appID string) (err error) {
	s.local = access.NewLocal()
	s.keys, err = access.New(access.Config{
		AppID: appID, Store: s.store, Open: !s.KeysRequired(), Local: s.local.Hash(), ClientAddr: s.proxies.client, Logger: s.log,
	})
	if err != nil {
		return err
	}
	return adminkey.Write(s.cfg.DataDir, s.entry())
}

// entry is how commands on this machine reach the server: past a proxy that may stand before it, and with TLS by the
// name that the certificate is for.
func (s *Server) entry() adminkey.Entry {
	here := s.listener.Addr().String()
	if host, port, err := net.SplitHostPort(here); err == nil && net.ParseIP(host).IsUnspecified() {
		here = net.JoinHostPort("localhost", port)
	}
	if s.cfg.TLS.on() {
		shown, err := filepath.Abs(s.cfg.TLS.CertFile)
		if s.cfg.TLS.CertFile == "" || err != nil {
			shown = ""
		}
		return adminkey.Entry{Secret: s.local, URL: s.url, Dial: here, Admin: s.AdminURL(), CertFile: shown}
	}
	return adminkey.Entry{Secret: s.local, URL: "http://" + here, Admin: s.AdminURL()}
}

// forDevelopment answers in place of what is only there in development mode.
func forDevelopment(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		writeProblem(w, http.StatusNotFound, api.CodeDevelopmentOnly,
			what+" is for development, and off since others can reach this server")
	})
}
