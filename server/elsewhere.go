package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/mint"
	"github.com/headsup-bot/headsup/internal/relay"
	"github.com/headsup-bot/headsup/internal/rotation"
)

// BotAuth says how a bot in another process and this server prove to each other who they are. The zero value is that neither
// does, which is for development on loopback.
type BotAuth struct {
	// AppID is the bot's, a GUID. With it, whoever speaks as the bot on the embedded channel needs the bot's own token for
	// channels, and what is posted to the bot carries a token that its SDK accepts.
	AppID string

	// Tenant is the id of the tenant that the bot belongs to; empty for one that was registered for all tenants.
	Tenant string

	// Callers are app ids that may speak as the bot beside its own.
	Callers []string

	// Token is what is shown to the bot. "channel" (or empty) is a token as channels have it, signed with a key of this server: the bot's SDK is told
	// where that is published, below [MetadataPath]. "entra" is one that Microsoft Entra gives the app of Azure for the bot, as
	// one agent shows it to another.
	Token string

	// EntraMetadataURL replaces the public cloud's address, and RootsFile has certificates, as PEM, that vouch for it and for
	// BotURL beside those that the system knows.
	EntraMetadataURL, RootsFile string
}

// MetadataPath is where a server with [BotAuth] publishes the OpenID metadata about the tokens that it shows its bot.
const (
	MetadataPath = "/v3/.well-known/openidconfiguration"
	keysPath     = "/v3/.well-known/keys"
)

func (c Config) validateBotURL() error {
	a := c.BotAuth
	if c.BotURL == "" {
		if a.AppID+a.Tenant+a.Token+a.EntraMetadataURL+a.RootsFile != "" || len(a.Callers) > 0 {
			return wrong("bot.url", "is needed with other settings of bot")
		}
		return nil
	}
	if err := relay.CheckURL(c.BotURL); err != nil {
		return wrong("bot.url", "%w", err)
	}
	if a.AppID == "" {
		if c.exposed() {
			return wrong("bot.app_id", "is not set: without proof of who they are, bots in another process are for development, on loopback only")
		}
		return nil
	}
	return errors.Join(c.validateBotIDs(), c.validateBotWay())
}

func (c Config) validateBotIDs() error {
	var errs []error
	for _, id := range append([]string{c.BotAuth.AppID}, c.BotAuth.Callers...) {
		if !guid.MatchString(id) {
			errs = append(errs, wrong("bot.app_id", "%q is not a GUID", id))
		}
	}
	if t := c.BotAuth.Tenant; t != "" && !guid.MatchString(t) {
		errs = append(errs, wrong("bot.tenant", "%q is not a GUID: tokens name the tenant by its id", t))
	}
	return errors.Join(errs...)
}

func (c Config) validateBotWay() error {
	u, err := url.Parse(c.BotURL)
	switch {
	case err != nil || u.Scheme != "https" && !loopback(u.Hostname()):
		return wrong("bot.url", "%q is not https, and not on this machine: what is posted there carries a token", c.BotURL)
	case c.BotAuth.Token != "" && c.BotAuth.Token != "channel" && c.BotAuth.Token != "entra":
		return wrong("bot.token", "%q is not channel or entra", c.BotAuth.Token)
	case c.BotAuth.Token == "entra" && c.Azure.AppID == "":
		return wrong("bot.token", "is entra, which needs azure.app_id: Entra gives tokens to apps that it knows")
	}
	_, err = c.botVerifier(nil)
	return err
}

// botVerifier says which bots may speak on the embedded channel.
func (c Config) botVerifier(roots *x509.CertPool) (*auth.Bots, error) {
	cloud := clouds[c.Azure.Cloud].in
	cloud.EntraMetadata = cmp.Or(c.BotAuth.EntraMetadataURL, c.Azure.EntraMetadataURL, cloud.EntraMetadata)
	cfg := auth.BotsConfig{Apps: append([]string{c.BotAuth.AppID}, c.BotAuth.Callers...), Cloud: cloud, RootCAs: roots, Logger: c.Logger}
	if c.BotAuth.Tenant != "" {
		cfg.Tenants = []string{c.BotAuth.Tenant}
	}
	v, err := auth.NewBots(cfg)
	if err != nil {
		return nil, &ConfigError{"bot", err}
	}
	return v, nil
}

// letInBots is who may speak as a bot on the embedded channel; nil where nobody has to prove it.
func (s *Server) letInBots() (func(context.Context, []string) error, error) {
	if s.cfg.BotAuth.AppID == "" {
		return nil, nil
	}
	roots, err := Azure{RootsFile: cmp.Or(s.cfg.BotAuth.RootsFile, s.cfg.Azure.RootsFile)}.roots()
	if err != nil {
		return nil, err
	}
	bots, err := s.cfg.botVerifier(roots)
	if err != nil {
		return nil, err
	}
	s.refreshes.add(bots.Refresh, "bots")
	return func(ctx context.Context, authorization []string) error {
		_, err := bots.Verify(ctx, authorization)
		if refused, ok := errors.AsType[*auth.Error](err); ok {
			s.metrics.Refused(refused.Reason)
		}
		return err
	}, nil
}

// newRelay makes the way to a bot in another process.
func (s *Server) newRelay(ctx context.Context, tap func(http.RoundTripper) http.RoundTripper) (*relay.Bot, error) {
	cfg := relay.Config{URL: s.cfg.BotURL, Tap: tap}
	a := s.cfg.BotAuth
	if a.AppID == "" {
		return relay.New(cfg)
	}
	var err error
	if cfg.RootCAs, err = (Azure{RootsFile: a.RootsFile}).roots(); err != nil {
		return nil, err
	}
	if a.Token == "entra" {
		if s.botTokens, err = s.cfg.Azure.tokensFor(a.AppID+"/.default", s.log); err != nil {
			return nil, err
		}
		cfg.Token = func(ctx context.Context, _ string) (string, error) { return s.botTokens.Token(ctx) }
		cfg.Refused = s.botTokens.Invalidate
		return relay.New(cfg)
	}
	if s.issuer, err = s.newIssuer(ctx, a.AppID); err != nil {
		return nil, err
	}
	cfg.Token = s.issuer.token
	return relay.New(cfg)
}

// issuer makes the tokens that a bot elsewhere is shown, as a channel's.
type issuer struct {
	name, audience, url string
	ring                *rotation.Ring // of keys as PEM

	mu     sync.Mutex // guards all below
	tokens map[string]shown
	parsed map[string]*mint.Key // by the ids of their secrets
}

// shown is a token that is shown until another one is made.
type shown struct {
	text  string
	until time.Time
	key   string // the id of its secret
}

const (
	tokenLife = time.Hour
	// mostShown bounds how many tokens are remembered: there is one per service URL, and hardly more than one of these.
	mostShown = 100
	// keyLead is how long a key is published before it signs: the SDKs of bots look for a key that they do not know once an
	// hour, and not more often.
	keyLead = 65 * time.Minute
)

// newIssuer reads the keys that all nodes share, or makes the first.
func (s *Server) newIssuer(ctx context.Context, audience string) (*issuer, error) {
	return issuerOf(ctx, s.store, s.cfg, audience, s.url)
}

// channelKeys is the setting that has the keys by which the tokens for a bot elsewhere are signed.
const channelKeys = "channel_keys"

// issuerOf reads the keys that are stored, or makes the first.
func issuerOf(ctx context.Context, store rotation.Store, cfg Config, audience, url string) (*issuer, error) {
	ring, err := rotation.Open(ctx, rotation.Config{
		Store: store, Name: channelKeys, Make: newChannelKey, Life: tokenLife, Lead: cmp.Or(cfg.SigningLead, keyLead),
	})
	if err != nil {
		return nil, fmt.Errorf("channel key: %w", err)
	}
	i := &issuer{
		name: clouds[cfg.Azure.Cloud].in.ChannelIssuer, audience: audience, url: url, ring: ring,
		tokens: make(map[string]shown), parsed: make(map[string]*mint.Key),
	}
	_, err = i.keys()
	return i, err
}

func newChannelKey() (string, error) {
	made, err := mint.NewKey("")
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(made.Private)})), nil
}

// keys are those that are good, the one that signs first.
func (i *issuer) keys() (all []*mint.Key, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.ring.Secrets() {
		key, err := i.key(s)
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

// key is a secret's. i.mu is held.
func (i *issuer) key(s rotation.Secret) (*mint.Key, error) {
	if key := i.parsed[s.ID]; key != nil {
		return key, nil
	}
	block, _ := pem.Decode([]byte(s.Text))
	if block == nil {
		return nil, errors.New("channel key: what is stored is none")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("channel key: %w", err)
	}
	sum := sha256.Sum256(private.N.Bytes())
	key := &mint.Key{ID: hex.EncodeToString(sum[:10]), Endorsements: []string{string(activity.ChannelDirectLine)}, Private: private}
	if len(i.parsed) >= mostShown {
		clear(i.parsed)
	}
	i.parsed[s.ID] = key
	return key, nil
}

// token is for what is posted about a service URL.
func (i *issuer) token(_ context.Context, serviceURL string) (string, error) {
	signs := i.ring.Secrets()[0]
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	if t, ok := i.tokens[serviceURL]; ok && now.Before(t.until) && t.key == signs.ID {
		return t.text, nil
	}
	key, err := i.key(signs)
	if err != nil {
		return "", err
	}
	text, err := key.Sign(map[string]any{
		"iss": i.name, "aud": i.audience, "serviceurl": serviceURL, "nbf": now.Unix(), "exp": now.Add(tokenLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	if len(i.tokens) >= mostShown {
		clear(i.tokens)
	}
	i.tokens[serviceURL] = shown{text, now.Add(tokenLife / 2), signs.ID}
	return text, nil
}

// publish serves the metadata about the tokens, and the keys: that which signs, the one before until its last token has
// ended, and the next before it signs (OpenID Connect Discovery 1.0 section 3; RFC 7517).
func (i *issuer) publish(mux *http.ServeMux, log *slog.Logger) {
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.MarshalWrite(w, v, json.Deterministic(true))
	}
	metadata := map[string]any{
		"issuer": i.name, "jwks_uri": i.url + keysPath, "id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "authorization_endpoint": "https://invalid.botframework.com",
	}
	mux.HandleFunc("GET "+MetadataPath, func(w http.ResponseWriter, _ *http.Request) { answer(w, metadata) })
	mux.HandleFunc("GET "+keysPath, func(w http.ResponseWriter, r *http.Request) {
		keys, err := i.keys()
		if err != nil {
			log.ErrorContext(r.Context(), "keys of tokens not published", "error", err.Error())
			http.Error(w, "the keys cannot be read", http.StatusServiceUnavailable)
			return
		}
		published := make([]any, len(keys))
		for n, key := range keys {
			published[n] = key.Published()
		}
		answer(w, map[string]any{"keys": published})
	})
}
