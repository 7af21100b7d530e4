package auth

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// Config says whose tokens a [Tokens] believes.
type Config struct {
	// AppID is the bot's: tokens have to be for it. Required.
	AppID string

	// Cloud is where the bot is registered. The zero value is [PublicCloud]. Its addresses may be replaced one by one; those
	// of metadata begin with https, or lead to this machine.
	Cloud Cloud

	// Tenants are those whose conversations are heard, if an activity says of which it is. Empty means all.
	Tenants []activity.TenantID

	// Entra lets in callers with tokens that Microsoft Entra has issued. Nil lets in none.
	Entra *Entra

	// RootCAs are the authorities that the certificates of metadata are checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Logger receives structured logs, which never hold tokens. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// Entra says which callers that have their tokens from Microsoft Entra are let in.
type Entra struct {
	// Emulator lets in those that know the bot's own secret, as the Bot Framework Emulator does.
	Emulator bool

	// Callers are the app ids of the agents that may call. "*", if it stands alone, is any agent of the tenants.
	Callers []string

	// Tenants are the ids of the tenants in which callers may live. Emulator adds those of the Bot Framework. At least one is
	// required otherwise.
	Tenants []string
}

const (
	// leeway is how much clocks may differ ("Authenticate requests from the Bot Connector service to your bot").
	leeway = 5 * time.Minute
	// longest is how long a token may be good for, from now on.
	longest = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	c.Cloud = Cloud{
		Name:            cmp.Or(c.Cloud.Name, PublicCloud.Name),
		ChannelMetadata: cmp.Or(c.Cloud.ChannelMetadata, PublicCloud.ChannelMetadata),
		ChannelIssuer:   cmp.Or(c.Cloud.ChannelIssuer, PublicCloud.ChannelIssuer),
		EntraMetadata:   cmp.Or(c.Cloud.EntraMetadata, PublicCloud.EntraMetadata),
		EntraLogin:      cmp.Or(c.Cloud.EntraLogin, PublicCloud.EntraLogin),
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
	if strings.TrimSpace(c.AppID) == "" {
		return errors.New("AppID is empty; without one everybody would be let in")
	}
	if c.Entra == nil {
		return nil
	}
	switch e := c.Entra; {
	case !e.Emulator && len(e.Callers) == 0:
		return errors.New("Entra lets in nobody: Emulator is false and Callers is empty")
	case len(e.Callers) > 0 && len(e.Tenants) == 0:
		return errors.New("Entra.Tenants is empty; callers have to live somewhere")
	case slices.Contains(e.Callers, "*") && len(e.Callers) > 1:
		return errors.New(`Entra.Callers has "*" beside others`)
	case slices.Contains(e.Callers, ""), slices.Contains(e.Tenants, ""):
		return errors.New("Entra has an empty caller or tenant")
	}
	return nil
}

// Tokens lets in whoever has a token that says so: the channels of the Azure Bot Service, and, if configured, callers with
// tokens of Microsoft Entra. Make it with [New]. It implements [Verifier].
//
// A token is checked with the keys of the one issuer that it names, for which the issuer has to be among those configured;
// whatever else it says is believed only when its signature is proven. Keys are fetched when the first token comes, and kept.
type Tokens struct {
	cfg     Config
	channel *keys
	entra   *keys                  // nil if nobody from there is let in
	tenants map[string]entraTenant // by issuer
}

// entraTenant is what the tokens of an issuer have to say.
type entraTenant struct{ id, version string }

// New makes a verifier. Nothing is fetched yet.
func New(cfg Config) (*Tokens, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("auth: config: %w", err)
	}
	client := &http.Client{
		Transport: netguard.Transport(netguard.Config{RootCAs: cfg.RootCAs, AllowLoopback: true}),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("redirects are not followed")
		},
	}
	v := &Tokens{cfg: cfg}
	var err error
	if v.channel, err = newKeys(cfg.Cloud.ChannelMetadata, cfg.Cloud.ChannelIssuer, client, cfg.Now, cfg.Logger); err != nil {
		return nil, fmt.Errorf("auth: config: %w", err)
	}
	if cfg.Entra == nil {
		return v, nil
	}
	// The metadata of all tenants has a placeholder where an issuer has its tenant.
	anyTenant := cfg.Cloud.EntraLogin + "{tenantid}/v2.0"
	if v.entra, err = newKeys(cfg.Cloud.EntraMetadata, anyTenant, client, cfg.Now, cfg.Logger); err != nil {
		return nil, fmt.Errorf("auth: config: %w", err)
	}
	v.tenants = make(map[string]entraTenant)
	add := func(tenant string) {
		tenant = strings.ToLower(tenant)
		v.tenants[entraV1+tenant+"/"] = entraTenant{tenant, "1.0"}
		v.tenants[cfg.Cloud.EntraLogin+tenant+"/v2.0"] = entraTenant{tenant, "2.0"}
	}
	for _, tenant := range cfg.Entra.Tenants {
		add(tenant)
	}
	if cfg.Entra.Emulator {
		for _, tenant := range botFrameworkTenants {
			add(tenant)
		}
	}
	return v, nil
}

// Verify implements [Verifier]. An error that is no [*Error] means that nothing is known of the caller:
// [ErrKeysUnavailable], or that of ctx.
func (v *Tokens) Verify(ctx context.Context, authorization []string, a *activity.Activity) (Identity, error) {
	return verify(ctx, v, authorization, a)
}

// Admit implements [Doorkeeper]: the token is looked at, and its signature proven. Its errors are those of Verify.
func (v *Tokens) Admit(ctx context.Context, authorization []string) (Admitted, error) {
	raw, err := bearer(authorization)
	if err != nil {
		return nil, err
	}
	if raw == "" {
		return nil, unproven("token_missing")
	}
	t, reason := readToken(raw)
	if reason != "" {
		return nil, unproven(reason)
	}
	switch c := t.claims; {
	case c.Issuer == v.cfg.Cloud.ChannelIssuer:
		signing, err := v.proven(ctx, t, v.channel)
		if err != nil {
			return nil, err
		}
		return func(_ context.Context, a *activity.Activity) (Identity, error) { return v.fromChannel(t, signing, a) }, nil
	case v.tenants[c.Issuer] != (entraTenant{}):
		caller, err := v.callerOf(ctx, t)
		if err != nil {
			return nil, err
		}
		return func(_ context.Context, a *activity.Activity) (Identity, error) { return v.fromEntra(t, caller, a) }, nil
	case v.entra == nil && v.ours(c.Audience) && v.isEntra(c.Issuer):
		return nil, forbidden("entra_tokens_not_allowed") // whoever it is
	default:
		return nil, unproven("issuer_unknown")
	}
}

// proven checks what every token has to be: signed by the issuer that it names, for this bot, now.
func (v *Tokens) proven(ctx context.Context, t token, by *keys) (key, error) {
	found, ok, err := by.find(ctx, t.keyID)
	switch {
	case err != nil:
		return key{}, err
	case !ok:
		return key{}, unproven("key_unknown")
	case !t.signedBy(found.public):
		return key{}, unproven("signature_wrong")
	case !v.ours(t.claims.Audience):
		return key{}, unproven("audience_wrong")
	}
	if reason := t.claims.timely(v.cfg.Now(), leeway, longest); reason != "" {
		return key{}, unproven(reason)
	}
	switch claim := t.claims.ambiguous(); claim {
	case "":
		return found, nil
	case "serviceurl":
		return key{}, forbidden("service_url_ambiguous")
	default:
		return key{}, unproven("claim_ambiguous")
	}
}

// fromChannel checks what a channel says of itself against what its token says. What the two do not name alike might be
// somebody else's conversation.
func (v *Tokens) fromChannel(t token, signing key, a *activity.Activity) (Identity, error) {
	switch claim := t.claims.ServiceURL; {
	case strings.TrimSpace(string(a.ChannelID)) == "":
		return Identity{}, malformed("channel_missing")
	case a.ServiceURL == "" && claim != "":
		return Identity{}, malformed("service_url_missing")
	case claim == "":
		return Identity{}, forbidden("service_url_not_vouched_for")
	case !sameService(claim, a.ServiceURL):
		return Identity{}, forbidden("service_url_of_another")
	case a.ChannelID == activity.ChannelEmulator || !slices.Contains(signing.endorsements, string(a.ChannelID)):
		return Identity{}, forbidden("channel_not_endorsed")
	}
	if err := v.tenant(a); err != nil {
		return Identity{}, err
	}
	return Identity{Kind: KindChannel, ServiceURL: t.claims.ServiceURL}, nil
}

// fromEntra checks what a caller that has asked Entra for its token may do.
func (v *Tokens) fromEntra(t token, caller string, a *activity.Activity) (Identity, error) {
	if err := v.tenant(a); err != nil {
		return Identity{}, err
	}
	if v.cfg.Entra.Emulator && strings.EqualFold(caller, v.cfg.AppID) {
		return Identity{Kind: KindEmulator, App: caller}, nil
	}
	if !v.mayCall(caller) || slices.Contains(botFrameworkTenants, v.tenants[t.claims.Issuer].id) {
		return Identity{}, forbidden("caller_not_allowed")
	}
	return Identity{Kind: KindAgent, App: caller}, nil
}

// anonymousSkill is what SDKs call a caller that has proven nothing.
const anonymousSkill = "AnonymousSkill"

// mayCall reports whether an agent is among the callers. The bot itself is none: its tokens are for channels.
func (v *Tokens) mayCall(app string) bool {
	if strings.EqualFold(app, v.cfg.AppID) {
		return false
	}
	return slices.ContainsFunc(v.cfg.Entra.Callers, func(c string) bool { return c == "*" || strings.EqualFold(c, app) })
}

// ours reports whether a token is for this bot. App ids are GUIDs, whose letters have no case.
func (v *Tokens) ours(a audience) bool { return strings.EqualFold(string(a), v.cfg.AppID) }

// isEntra reports whether an issuer is a tenant of Entra, in this cloud.
func (v *Tokens) isEntra(issuer string) bool {
	return strings.HasPrefix(issuer, entraV1) || strings.HasPrefix(issuer, v.cfg.Cloud.EntraLogin)
}

// tenant checks whether the conversations of a tenant are heard. Teams names it in two places, which have to agree.
func (v *Tokens) tenant(a *activity.Activity) error {
	of, agreed := a.AgreedTenantID()
	switch {
	case !agreed:
		return forbidden("tenant_ambiguous")
	case len(v.cfg.Tenants) > 0 && !slices.ContainsFunc(v.cfg.Tenants, func(t activity.TenantID) bool {
		return of != "" && strings.EqualFold(string(t), string(of))
	}):
		return forbidden("tenant_not_allowed")
	}
	return nil
}

// sameService reports whether two service URLs are the same: letter for letter, but for the case of scheme and host, and one
// slash at the end, in which channels are not consistent.
func sameService(claim, said string) bool {
	if claim == said {
		return true
	}
	a, errA := url.Parse(claim)
	b, errB := url.Parse(said)
	if errA != nil || errB != nil || a.User != nil || b.User != nil {
		return false
	}
	rest := func(u *url.URL) string {
		u.Scheme, u.Host = "", ""
		return strings.TrimSuffix(u.String(), "/")
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Host, b.Host) && rest(a) == rest(b)
}
