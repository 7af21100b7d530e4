// Package credential gets the tokens with which a bot calls its channels.
//
// A [Source] keeps one token and fetches the next before it is needed. What it proves itself with is a [Proof]: a client
// secret, a certificate, a token file of workload identity federation, or a managed identity of Azure.
//
//	tokens, err := credential.New(credential.Config{
//		AppID: appID, Tenant: tenant, Proof: credential.Secret(secret),
//	})
//	go tokens.Run(ctx)
//	token, err := tokens.Token(ctx)
//
// Tokens are Microsoft Entra's, by its own library (azidentity).
package credential

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/headsup-bot/headsup/internal/netguard"
)

// Cloud is where tokens come from and what they are for ("Authenticate requests from your bot to the Bot Connector service").
type Cloud struct {
	// Login is the address of Entra, before the tenant's id.
	Login string
	// Scope is what tokens are asked for.
	Scope string
	// AnyTenant is the tenant of bots that belong to none.
	AnyTenant string
}

// The clouds in which there are Azure bots.
var (
	PublicCloud = Cloud{
		Login: "https://login.microsoftonline.com/", Scope: "https://api.botframework.com/.default", AnyTenant: "botframework.com",
	}
	GovernmentCloud = Cloud{
		Login: "https://login.microsoftonline.us/", Scope: "https://api.botframework.us/.default", AnyTenant: "MicrosoftServices.onmicrosoft.us",
	}
	ChinaCloud = Cloud{
		Login: "https://login.partner.microsoftonline.cn/", Scope: "https://api.botframework.azure.cn/.default",
	}
)

// Audience is who the tokens are for, as they say it themselves.
func (c Cloud) Audience() string { return strings.TrimSuffix(c.Scope, "/.default") }

// Config makes a [Source].
type Config struct {
	// AppID is the bot's. Required.
	AppID string

	// Tenant is the id of the tenant in which the bot is registered. Empty is for bots that were registered for all tenants,
	// which cannot be made any more; a managed identity has none.
	Tenant string

	// Proof is what shows that the bot is the bot. Required.
	Proof Proof

	// Cloud is where the bot is registered. The zero value is [PublicCloud].
	Cloud Cloud

	// RootCAs are the authorities that Entra's certificate is checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// AllowLoopback lets Login lead to this machine, for tests.
	AllowLoopback bool

	// Logger receives structured logs, which never hold tokens or secrets. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Cloud == (Cloud{}) {
		c.Cloud = PublicCloud
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.AppID == "":
		return errors.New("AppID is empty")
	case c.Proof == nil:
		return errors.New("Proof is missing")
	case !strings.HasPrefix(c.Cloud.Login, "https://"):
		return fmt.Errorf("Cloud.Login is %q; secrets are sent by https only", c.Cloud.Login)
	case c.Cloud.Scope == "":
		return errors.New("Cloud.Scope is empty")
	}
	if _, managed := c.Proof.(managedIdentity); !managed && c.tenant() == "" {
		return errors.New("Tenant is empty; in this cloud every bot belongs to one")
	}
	return nil
}

func (c Config) tenant() string {
	if c.Tenant == "" {
		return c.Cloud.AnyTenant
	}
	return c.Tenant
}

// options are for what azidentity sends: to public addresses, through no proxy, without repeating anything by itself.
func (c Config) options(transport http.RoundTripper) azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: c.Cloud.Login},
		Retry: policy.RetryOptions{MaxRetries: -1},
		Transport: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
}

// Proof is how a bot proves to Entra who it is.
type Proof interface {
	// credential is for one token: azidentity keeps tokens, and a new one is wanted each time.
	credential(c Config, o azcore.ClientOptions) (azcore.TokenCredential, error)
}

// Secret is a client secret of the app registration. They expire; Azure shows when.
func Secret(secret string) Proof { return clientSecret(secret) }

type clientSecret string

func (s clientSecret) credential(c Config, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientSecretCredential(c.tenant(), c.AppID, string(s), &azidentity.ClientSecretCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true,
	})
}

// String keeps the secret out of logs.
func (clientSecret) String() string { return "client secret" }

// GoString keeps the secret out of logs.
func (clientSecret) GoString() string { return "credential.Secret(…)" }

// Certificate is a certificate of the app registration with its private key, as PEM or PKCS #12; the password is for the
// latter. With chain the whole chain is sent, for registrations that trust its subject and issuer.
func Certificate(data, password []byte, chain bool) (Proof, error) {
	certs, key, err := azidentity.ParseCertificates(data, password)
	if err != nil {
		return nil, fmt.Errorf("credential: certificate: %w", err)
	}
	return certificate{certs, key, chain}, nil
}

type certificate struct {
	certs []*x509.Certificate
	key   crypto.PrivateKey
	chain bool
}

func (p certificate) credential(c Config, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientCertificateCredential(c.tenant(), c.AppID, p.certs, p.key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true, SendCertificateChain: p.chain,
	})
}

// TokenFile is a file with a token of somebody whom the app registration trusts (workload identity federation): in
// Kubernetes that of the service account. It is read whenever a token is fetched.
func TokenFile(path string) Proof { return tokenFile(path) }

type tokenFile string

func (p tokenFile) credential(c Config, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	read := func(context.Context) (string, error) {
		raw, err := os.ReadFile(string(p))
		return strings.TrimSpace(string(raw)), err
	}
	return azidentity.NewClientAssertionCredential(c.tenant(), c.AppID, read, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true,
	})
}

// ManagedIdentity is the user-assigned managed identity whose client id is the app id, on a machine of Azure.
func ManagedIdentity() Proof { return managedIdentity{} }

type managedIdentity struct{}

// credential asks the machine's own service, whose address is no public one.
func (managedIdentity) credential(c Config, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	o.Transport = &http.Client{
		Transport:     &http.Transport{Proxy: nil, ResponseHeaderTimeout: fetchTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: o, ID: azidentity.ClientID(c.AppID),
	})
}

// New makes a source. Nothing is fetched yet.
func New(cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("credential: config: %w", err)
	}
	options := cfg.options(netguard.Transport(netguard.Config{RootCAs: cfg.RootCAs, AllowLoopback: cfg.AllowLoopback}))
	if _, err := cfg.Proof.credential(cfg, options); err != nil {
		return nil, fmt.Errorf("credential: config: %w", err)
	}
	s := &Source{cfg: cfg, changed: make(chan struct{}, 1)}
	s.ask = func(ctx context.Context) (azcore.AccessToken, error) {
		with, err := cfg.Proof.credential(cfg, options)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		return with.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{cfg.Cloud.Scope}})
	}
	return s, nil
}
