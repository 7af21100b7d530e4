package fakechannel

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/internal/mint"
)

// TokenMark begins every token that the token endpoint gives out, so that one that leaks into a log or a file is found.
const TokenMark = "SECRET-aad-"

// tokens are those given out.
type tokens struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu
}

func (t *tokens) issue(d time.Duration) string {
	token := TokenMark + rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until == nil {
		t.until = make(map[string]time.Time)
	}
	t.until[token] = time.Now().Add(d)
	return token
}

func (t *tokens) good(r *http.Request) bool {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return bearer && t.holds(token)
}

func (t *tokens) holds(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.until[token])
}

// Issued reports whether a token was given out by the token endpoint and still holds.
func (s *Server) Issued(token string) bool { return s.tokens.holds(token) }

// Revoke makes every token that was given out worthless.
func (s *Server) Revoke() {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	clear(s.tokens.until)
}

// TokenURL is the token endpoint of a tenant, for the grant "client_credentials" of OAuth 2.0 (RFC 6749 section 4.4), with
// a secret or an assertion, as Microsoft Entra has it.
func (s *Server) TokenURL(tenant string) string {
	return s.URL() + "/" + pathEscape(tenant) + "/oauth2/v2.0/token"
}

// discoveryPath ends the address where a tenant's token endpoint can be looked up.
const discoveryPath = "/v2.0/.well-known/openid-configuration"

// discovery answers with the OpenID metadata of a tenant (OpenID Connect Discovery 1.0 section 3).
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	of := s.URL() + strings.TrimSuffix(r.URL.EscapedPath(), discoveryPath)
	s.answer(w, http.StatusOK, map[string]any{
		"issuer": of + "/v2.0", "token_endpoint": of + "/oauth2/v2.0/token", "authorization_endpoint": of + "/oauth2/v2.0/authorize",
		"jwks_uri": of + "/discovery/v2.0/keys",
	})
}

// token answers the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	err := r.ParseForm()
	complain := func(status int, code, description string) {
		s.answer(w, status, map[string]any{"error": code, "error_description": description})
	}
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	switch form := r.PostForm; {
	case err != nil:
		complain(http.StatusBadRequest, "invalid_request", "the form cannot be read")
	case form.Get("grant_type") != "client_credentials":
		complain(http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials")
	case form.Get("scope") == "":
		complain(http.StatusBadRequest, "invalid_scope", "scope is required")
	case form.Get("client_id") == "" || s.cfg.AppID != "" && form.Get("client_id") != s.cfg.AppID:
		complain(http.StatusBadRequest, "unauthorized_client", "AADSTS700016: there is no such application")
	case form.Get("client_assertion") == "" && (form.Get("client_secret") == "" || s.cfg.AppSecret != "" && !same(form.Get("client_secret"), s.cfg.AppSecret)):
		complain(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: the client secret is wrong")
	default:
		life := int(s.cfg.TokenTime / time.Second)
		s.ledger.count(func(r *Report) { r.Tokens++ })
		s.answer(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": s.tokens.issue(s.cfg.TokenTime),
		})
	}
}

// ChannelIssuer is who issues the tokens that a channel sends to a bot ("Authenticate requests from the Bot Connector
// service to your bot").
const ChannelIssuer = "https://api.botframework.com"

// signer has the key that inbound tokens are signed with.
type signer struct {
	endorsements []string

	mu  sync.Mutex
	key *mint.Key // guarded by mu
}

func newSigner(endorsements []string) (*signer, error) {
	s := &signer{endorsements: endorsements}
	return s, s.rotate()
}

func (s *signer) rotate() error {
	key, err := mint.NewKey(rand.Text(), s.endorsements...)
	if err != nil {
		return fmt.Errorf("fakechannel: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return nil
}

func (s *signer) now() *mint.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// RotateKey replaces the key that inbound tokens are signed with, and the one that is published.
func (s *Server) RotateKey() error { return s.keys.rotate() }

// MetadataURL is the OpenID metadata of the channel's tokens.
func (s *Server) MetadataURL() string { return s.URL() + "/v1/.well-known/openidconfiguration" }

// Token is what the channel sends to a bot as its bearer token: for an app, about a service URL, good for five minutes.
func (s *Server) Token(appID, serviceURL string) (string, error) {
	now := time.Now().Unix()
	return s.Sign(map[string]any{
		"iss": ChannelIssuer, "aud": appID, "serviceurl": serviceURL, "nbf": now, "iat": now, "exp": now + 300,
	})
}

// Sign makes a token of any claims with the channel's key, RS256, for tests of what a bot refuses.
func (s *Server) Sign(claims map[string]any) (string, error) {
	token, err := s.keys.now().Sign(claims)
	if err != nil {
		return "", fmt.Errorf("fakechannel: %w", err)
	}
	return token, nil
}

// metadata answers with the OpenID metadata.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	s.ledger.count(func(r *Report) { r.Keys++ })
	s.answer(w, http.StatusOK, map[string]any{
		"issuer": ChannelIssuer, "jwks_uri": s.URL() + "/v1/.well-known/keys",
		"authorization_endpoint":                "https://invalid.botframework.com",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
	})
}

// jwks answers with the public key (RFC 7517), and the channels that it speaks for.
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.ledger.count(func(r *Report) { r.Keys++ })
	s.answer(w, http.StatusOK, map[string]any{"keys": []any{s.keys.now().Published()}})
}
