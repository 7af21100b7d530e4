package server

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/credential"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// Azure is the bot's registration in Azure. With an AppID, /api/messages lets in whoever proves to be one of its channels,
// in development mode too, and calls to channels carry tokens. The zero value is a bot that is registered nowhere.
type Azure struct {
	// AppID is the bot's, a GUID ("Microsoft App ID").
	AppID string

	// Tenant is the id of the tenant that the bot belongs to; empty for one that was registered for all tenants.
	Tenant string

	// Cloud is public, usgov or china. Empty means public.
	Cloud string

	// Secret, CertificateFile, TokenFile and ManagedIdentity are the ways to prove that the bot is the bot: one of them.
	// CertificateChain sends the certificate's whole chain. See package credential.
	Secret           string
	CertificateFile  string
	CertificateChain bool
	TokenFile        string
	ManagedIdentity  bool

	// SecretEnds is the day on which Secret expires, as 2006-01-02, for those who look after it; empty if nobody has said.
	SecretEnds string

	// Tenants are those whose people are heard. None means all.
	Tenants []string

	// Callers are the app ids of agents that may call with tokens of Entra; Emulator lets in the Bot Framework Emulator, which
	// has the bot's own secret.
	Callers  []string
	Emulator bool

	// ServiceHosts are hosts, with a port if it is not 443, to which tokens are sent beside Microsoft's own.
	ServiceHosts []string

	// LoginURL, MetadataURL and EntraMetadataURL replace the cloud's addresses, for clouds of one's own. RootsFile has
	// certificates, as PEM, that vouch for those and for ServiceHosts beside those that the system knows.
	LoginURL, MetadataURL, EntraMetadataURL, RootsFile string
}

// cloud is what a cloud has for those who come and for those who are called.
type cloud struct {
	in  auth.Cloud
	out credential.Cloud
}

var clouds = map[string]cloud{
	"":       {auth.PublicCloud, credential.PublicCloud},
	"public": {auth.PublicCloud, credential.PublicCloud},
	"usgov":  {auth.GovernmentCloud, credential.GovernmentCloud},
	"china":  {auth.ChinaCloud, credential.ChinaCloud},
}

func (a Azure) validate() error {
	if a.AppID == "" {
		return a.validateNone()
	}
	var errs []error
	if _, known := clouds[a.Cloud]; !known {
		errs = append(errs, wrong("azure.cloud", "%q is not public, usgov or china", a.Cloud))
	}
	if n := a.proofs(); n != 1 {
		errs = append(errs, wrong("azure.secret", "exactly one of azure.secret, azure.certificate_file, azure.token_file and "+
			"azure.managed_identity is needed; there are %d", n))
	}
	errs = append(errs, a.validateIDs(), closedFile("azure.certificate_file", a.CertificateFile), closedFile("azure.token_file", a.TokenFile))
	for _, host := range a.ServiceHosts {
		if !properHost(host) {
			errs = append(errs, wrong("azure.service_hosts", "%q is not a host, in lower case, or host:port", host))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if _, err := a.verifier(nil); err != nil {
		return err
	}
	_, err := a.tokens(nil)
	return err
}

// properHost reports whether a host is written as the connector compares it: with the port if it is not 443.
func properHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return netguard.PlainHost(host)
	}
	return netguard.PlainHost(name) && !badPort(port)
}

// validateNone looks for settings that do nothing without an app id.
func (a Azure) validateNone() error {
	if a.proofs() > 0 || a.Tenant != "" || len(a.Tenants)+len(a.Callers)+len(a.ServiceHosts) > 0 || a.Emulator || a.CertificateChain || a.SecretEnds != "" ||
		a.LoginURL != "" || a.MetadataURL != "" || a.EntraMetadataURL != "" || a.RootsFile != "" {
		return wrong("azure.app_id", "is needed with other settings of azure: without it nobody's tokens are looked at, and none are sent")
	}
	return nil
}

// proofs is how many ways there are for the bot to prove who it is.
func (a Azure) proofs() (n int) {
	for _, given := range []bool{a.Secret != "", a.CertificateFile != "", a.TokenFile != "", a.ManagedIdentity} {
		if given {
			n++
		}
	}
	return n
}

func (a Azure) proof() (credential.Proof, error) {
	switch {
	case a.Secret != "":
		return credential.Secret(a.Secret), nil
	case a.TokenFile != "":
		return credential.TokenFile(a.TokenFile), nil
	case a.ManagedIdentity:
		return credential.ManagedIdentity(), nil
	}
	data, err := os.ReadFile(a.CertificateFile)
	if err != nil {
		return nil, wrong("azure.certificate_file", "%w", err)
	}
	proof, err := credential.Certificate(data, nil, a.CertificateChain)
	if err != nil {
		return nil, wrong("azure.certificate_file", "%w", err)
	}
	return proof, nil
}

// roots are the authorities that certificates are checked against; nil means those of the system.
func (a Azure) roots() (*x509.CertPool, error) {
	if a.RootsFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(a.RootsFile)
	if err != nil {
		return nil, wrong("azure.roots_file", "%w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, wrong("azure.roots_file", "%q has no certificates", a.RootsFile)
	}
	return pool, nil
}

// verifier says who is let in at /api/messages.
func (a Azure) verifier(log *slog.Logger) (*auth.Tokens, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	c := auth.Config{AppID: a.AppID, Cloud: clouds[a.Cloud].in, RootCAs: roots, Logger: log}
	c.Cloud.ChannelMetadata = cmp.Or(a.MetadataURL, c.Cloud.ChannelMetadata)
	c.Cloud.EntraMetadata = cmp.Or(a.EntraMetadataURL, c.Cloud.EntraMetadata)
	for _, t := range a.Tenants {
		c.Tenants = append(c.Tenants, activity.TenantID(t))
	}
	if a.Emulator || len(a.Callers) > 0 {
		c.Entra = &auth.Entra{Emulator: a.Emulator, Callers: a.Callers}
		if a.Tenant != "" {
			c.Entra.Tenants = []string{a.Tenant}
		}
	}
	v, err := auth.New(c)
	if err != nil {
		return nil, &ConfigError{"azure", err}
	}
	return v, nil
}

// cloud is where the bot's own tokens come from.
func (a Azure) cloud() credential.Cloud {
	c := clouds[a.Cloud].out
	c.Login = cmp.Or(a.LoginURL, c.Login)
	return c
}

// tokens are what channels are called with.
func (a Azure) tokens(log *slog.Logger) (*credential.Source, error) { return a.tokensFor("", log) }

// tokensFor are tokens for something else, if scope is not empty.
func (a Azure) tokensFor(scope string, log *slog.Logger) (*credential.Source, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	proof, err := a.proof()
	if err != nil {
		return nil, err
	}
	c := a.cloud()
	c.Scope = cmp.Or(scope, c.Scope)
	login, err := url.Parse(c.Login)
	s, err := credential.New(credential.Config{
		AppID: a.AppID, Tenant: a.Tenant, Proof: proof, Cloud: c, RootCAs: roots, Logger: log,
		AllowLoopback: err == nil && netguard.Loopback(login.Hostname()),
	})
	if err != nil {
		return nil, &ConfigError{"azure", err}
	}
	return s, nil
}

// mayHaveToken reports whether a host gets tokens: Microsoft's own, exactly, and those that the operator has named.
func (a Azure) mayHaveToken(host string) bool {
	return connector.MicrosoftHost(host) || slices.Contains(a.ServiceHosts, host)
}

// mayDial keeps connections on the internet, unless the operator has named a host of this machine.
func (a Azure) mayDial(addr netip.Addr) bool {
	return connector.PublicAddr(addr) || addr.IsLoopback() && slices.ContainsFunc(a.ServiceHosts, func(host string) bool {
		name, _, err := net.SplitHostPort(host)
		return err == nil && netguard.Loopback(name)
	})
}

// tokenSource is a [credential.Source] for the connector client. Which hosts get tokens is that one's to check.
type tokenSource struct{ *credential.Source }

// Token implements [connector.TokenSource].
func (s tokenSource) Token(ctx context.Context, _ connector.TokenRequest) (string, error) {
	return s.Source.Token(ctx)
}

// register makes what needs the registration: who is let in, and how channels are called. Without one, development mode lets
// in everybody on this machine, and any other server nobody, nor one that is for Direct Line only; calls carry no tokens then.
func (s *Server) register() (verifier auth.Verifier, client *connector.Client, err error) {
	a, development := s.cfg.Azure, !s.Exposed()
	if a.AppID == "" {
		if development && !s.cfg.DirectLineOnly {
			verifier = auth.Development{}
		}
		client, err = connector.New(connector.Config{AllowLoopback: development, Logger: s.log})
		return verifier, client, err
	}
	callers, err := a.verifier(s.log)
	if err != nil {
		return nil, nil, err
	}
	s.refreshes.add(callers.Refresh, "channels")
	if s.tokens, err = a.tokens(s.log); err != nil {
		return nil, nil, err
	}
	roots, err := a.roots()
	if err != nil {
		return nil, nil, err
	}
	client, err = connector.New(connector.Config{
		TokenSource: tokenSource{s.tokens}, AllowHost: a.mayHaveToken, AllowAddr: a.mayDial, RootCAs: roots, Logger: s.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return listed{callers, client, s.log}, client, nil
}

// listed does not take a channel's word for a service URL to which no tokens go: what the book knows of its conversation stays.
type listed struct {
	auth.Verifier
	client *connector.Client
	log    *slog.Logger
}

// Verify implements [auth.Verifier].
func (v listed) Verify(ctx context.Context, authorization []string, a *activity.Activity) (auth.Identity, error) {
	return verify(ctx, v, authorization, a)
}

// Admit implements [auth.Doorkeeper].
func (v listed) Admit(ctx context.Context, authorization []string) (auth.Admitted, error) {
	check, err := auth.Admit(ctx, v.Verifier, authorization)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, a *activity.Activity) (auth.Identity, error) {
		id, err := check(ctx, a)
		if err != nil || id.Kind != auth.KindChannel || v.client.Allows(id.ServiceURL) {
			return id, err
		}
		host := ""
		if u, err := url.Parse(id.ServiceURL); err == nil {
			host = u.Host
		}
		v.log.WarnContext(ctx, "a channel named a service URL to which no tokens go; azure.service_hosts can add its host",
			"channel", string(a.ChannelID), "host", host)
		id.Unlisted = true
		return id, nil
	}, nil
}

// verify is both parts of what a doorkeeper does.
func verify(ctx context.Context, d auth.Doorkeeper, authorization []string, a *activity.Activity) (auth.Identity, error) {
	check, err := d.Admit(ctx, authorization)
	if err != nil {
		return auth.Identity{}, err
	}
	return check(ctx, a)
}

// ownAppID is the registration's, or one that was made up for this data, once.
func (s *Server) ownAppID(ctx context.Context) (string, error) {
	if s.cfg.Azure.AppID != "" {
		return strings.ToLower(s.cfg.Azure.AppID), nil
	}
	id, err := s.store.SetSettingOnce(ctx, "app_id", placeholderAppID())
	if err != nil {
		return "", fmt.Errorf("app id: %w", err)
	}
	return id, nil
}
