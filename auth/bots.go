package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// BotsConfig says which bots a [Bots] lets in.
type BotsConfig struct {
	// Apps are the app ids of the bots. At least one is required.
	Apps []string

	// Tenants are those that the bots belong to. Empty means those of the Bot Framework, which bots that belong to no tenant
	// have their tokens from.
	Tenants []string

	// Cloud, RootCAs, Logger and Now are as in [Config].
	Cloud   Cloud
	RootCAs *x509.CertPool
	Logger  *slog.Logger
	Now     func() time.Time
}

// Bots is the other side: it lets in bots that call a channel's Connector API, with the token that they have from Microsoft Entra
// for that ("Authenticate requests from your bot to the Bot Connector service" in the Bot Framework's REST documentation). Its
// audience is the channel service, whose name is that of the issuer of the channel's own tokens. Make it with [NewBots]; safe for
// concurrent use.
type Bots struct {
	tokens *Tokens
	apps   []string
}

// NewBots makes a verifier. Nothing is fetched yet.
func NewBots(cfg BotsConfig) (*Bots, error) {
	if len(cfg.Apps) == 0 || slices.ContainsFunc(cfg.Apps, func(app string) bool { return strings.TrimSpace(app) == "" || app == "*" }) {
		return nil, errors.New("auth: config: Apps has to name the bots that are let in")
	}
	tenants := cfg.Tenants
	if len(tenants) == 0 {
		tenants = botFrameworkTenants
	}
	audience := cfg.Cloud.ChannelIssuer
	if audience == "" {
		audience = PublicCloud.ChannelIssuer
	}
	tokens, err := New(Config{
		AppID: audience, Cloud: cfg.Cloud, Entra: &Entra{Callers: cfg.Apps, Tenants: tenants},
		RootCAs: cfg.RootCAs, Logger: cfg.Logger, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	return &Bots{tokens: tokens, apps: cfg.Apps}, nil
}

// Verify returns the app id of the bot that a request comes from, by its Authorization headers. Its errors are those of
// [Tokens.Verify].
func (b *Bots) Verify(ctx context.Context, authorization []string) (app string, err error) {
	raw, err := bearer(authorization)
	if err != nil {
		return "", err
	}
	if raw == "" {
		return "", unproven("token_missing")
	}
	t, reason := readToken(raw)
	if reason != "" {
		return "", unproven(reason)
	}
	if _, known := b.tokens.tenants[t.claims.Issuer]; !known {
		return "", unproven("issuer_unknown")
	}
	app, err = b.tokens.callerOf(ctx, t)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(b.apps, func(known string) bool { return strings.EqualFold(known, app) }) {
		return "", forbidden("caller_not_allowed")
	}
	return app, nil
}

// callerOf checks a token that Entra has issued, and returns for which app.
func (v *Tokens) callerOf(ctx context.Context, t token) (app string, err error) {
	if _, err := v.proven(ctx, t, v.entra); err != nil {
		return "", err
	}
	c, of := t.claims, v.tenants[t.claims.Issuer]
	app = c.AppV2
	if of.version == "1.0" {
		app = c.AppV1
	}
	switch {
	case c.Version != of.version:
		return "", unproven("version_wrong")
	case !strings.EqualFold(c.Tenant, of.id):
		return "", unproven("tenant_wrong")
	case app == "" || strings.EqualFold(app, anonymousSkill):
		return "", unproven("caller_missing")
	}
	return app, nil
}
