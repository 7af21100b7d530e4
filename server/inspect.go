package server

import (
	"crypto/x509"
	"log/slog"
	"net/netip"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/credential"
)

// Registration is what a server with a valid [Azure] uses, for looking at it from outside.
type Registration struct {
	// Callers says who is let in at /api/messages, and Tokens has what channels are called with.
	Callers *auth.Tokens
	Tokens  *credential.Source
	// Connector calls channels as the server does.
	Connector *connector.Client
	// Audience is who the tokens are for, and Login where they come from, with a slash at its end.
	Audience, Login string
	// Roots are the authorities that certificates are checked against; nil means those of the system.
	Roots *x509.CertPool

	azure Azure
}

// Inspect makes what a server would use. Nothing is fetched by it. The error is that of [Config.Validate].
func (a Azure) Inspect() (Registration, error) {
	r := Registration{azure: a}
	if err := a.validate(); err != nil || a.AppID == "" {
		return r, err
	}
	log := slog.New(slog.DiscardHandler)
	verifier, err := a.verifier(log)
	if err != nil {
		return r, err
	}
	r.Callers = verifier
	if r.Tokens, err = a.tokens(log); err != nil {
		return r, err
	}
	if r.Roots, err = a.roots(); err != nil {
		return r, err
	}
	c := a.cloud()
	r.Audience, r.Login = c.Audience(), c.Login
	r.Connector, err = connector.New(connector.Config{
		TokenSource: tokenSource{r.Tokens}, AllowHost: a.mayHaveToken, AllowAddr: a.mayDial, RootCAs: r.Roots, Logger: log,
	})
	return r, err
}

// MayHaveToken reports whether a host, in lower case and with the port if it is not 443, is one that tokens are sent to.
func (r Registration) MayHaveToken(host string) bool { return r.azure.mayHaveToken(host) }

// MayDial reports whether an address is one that is connected to.
func (r Registration) MayDial(addr netip.Addr) bool { return r.azure.mayDial(addr) }

// Exposed reports whether others than this machine's own programs could reach a server with this configuration; see
// [Server.Exposed].
func (c Config) Exposed() bool { return c.withDefaults().exposed() }
