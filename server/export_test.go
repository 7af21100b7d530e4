package server

import (
	"crypto/tls"
	"log/slog"
	"net/http"
)

// Addr is where the server listens, whatever its URL is.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Material is what the settings make: the listener's, and the handler for plain HTTP.
func (t TLS) Material(dataDir, publicURL string) (*tls.Config, http.Handler, error) {
	return t.withDefaults().config(dataDir, publicURL, slog.New(slog.DiscardHandler))
}
