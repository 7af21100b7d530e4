package server

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/channel/sms"
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

// Inspect makes the channel that a server would use, for looking at the mail server: its ids are nobody's. Nobody is called by it.
// There must be a mail server. A token is of the app.
func (e Email) Inspect(a Azure) (*email.Channel, error) {
	cfg, err := e.config()
	if err != nil {
		return nil, err
	}
	if cfg.Token, err = e.token(a, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	cfg.Secret = make([]byte, 32)
	return email.New(cfg)
}

// Inspect makes the channel that a server would use, for looking at the account. Nobody is called by it. There must be an
// account.
func (c SMS) Inspect() (*sms.Channel, error) { return sms.New(c.config()) }

// BotPass is what a server shows a bot in another process, for looking at it from outside.
type BotPass struct {
	// Token is what it would show now. Empty where it shows none, or has made no key for it yet.
	Token string
	// Roots are the authorities that the bot's certificate is checked against; nil means those of the system.
	Roots *x509.CertPool
}

// BotPass makes what a server with a valid configuration would show its bot; a token of Entra is fetched. setting reads what the
// server keeps in its database.
func (c Config) BotPass(ctx context.Context, setting func(ctx context.Context, name string) (string, bool, error)) (p BotPass, err error) {
	a := c.BotAuth
	if p.Roots, err = (Azure{RootsFile: a.RootsFile}).roots(); err != nil || a.AppID == "" {
		return p, err
	}
	if a.Token == "entra" {
		tokens, err := c.Azure.tokensFor(a.AppID+"/.default", slog.New(slog.DiscardHandler))
		if err != nil {
			return p, err
		}
		p.Token, err = tokens.Token(ctx)
		return p, err
	}
	if _, found, err := setting(ctx, channelKeys); err != nil || !found {
		return p, err
	}
	i, err := issuerOf(ctx, onlyReads(setting), c, a.AppID, c.ServiceURL())
	if err != nil {
		return p, err
	}
	p.Token, err = i.token(ctx, c.ServiceURL())
	return p, err
}

// onlyReads are the settings of a server that is looked at, and left as it is.
type onlyReads func(ctx context.Context, name string) (string, bool, error)

// Setting implements [rotation.Store].
func (s onlyReads) Setting(ctx context.Context, name string) (string, bool, error) {
	return s(ctx, name)
}

// SetSettingOnce implements [rotation.Store].
func (onlyReads) SetSettingOnce(context.Context, string, string) (string, error) {
	return "", errOnlyReads
}

// SwapSetting implements [rotation.Store].
func (onlyReads) SwapSetting(context.Context, string, string, string) (bool, error) {
	return false, errOnlyReads
}

var errOnlyReads = errors.New("the database is only looked at")

// ServiceURL is the address by which others reach a server with this configuration, as far as that is known before it listens.
func (c Config) ServiceURL() string {
	c = c.withDefaults()
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	if c.TLS.on() {
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}

// MayHaveToken reports whether a host, in lower case and with the port if it is not 443, is one that tokens are sent to.
func (r Registration) MayHaveToken(host string) bool { return r.azure.mayHaveToken(host) }

// MayDial reports whether an address is one that is connected to.
func (r Registration) MayDial(addr netip.Addr) bool { return r.azure.mayDial(addr) }

// Exposed reports whether others than this machine's own programs could reach a server with this configuration; see
// [Server.Exposed].
func (c Config) Exposed() bool { return c.withDefaults().exposed() }
