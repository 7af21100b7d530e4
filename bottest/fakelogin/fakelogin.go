// Package fakelogin stands for the two places from which a bot learns how tokens are signed: login.botframework.com, for those
// of channels, and login.microsoftonline.com, for those of Microsoft Entra. It publishes metadata and keys over real HTTP and
// signs whatever a test wants to have signed.
//
//	login, err := fakelogin.New()
//	defer login.Close()
//	key := fakelogin.NewKey("k1", "msteams")
//	login.Channel.Publish(key)
//	token := key.Sign(map[string]any{"iss": login.Channel.Issuer, "aud": appID, …})
package fakelogin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/mint"
)

// Server is both places, on a port of this machine. Make it with [New].
type Server struct {
	// Channel and Entra are the issuers that it speaks for. Entra's name has a placeholder where that of a tenant stands.
	Channel, Entra *Issuer

	url    string
	http   *http.Server
	served chan struct{}
}

// New starts a server. Close ends it.
func New() (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fakelogin: %w", err)
	}
	s := &Server{url: "http://" + l.Addr().String(), served: make(chan struct{})}
	s.Channel = &Issuer{Issuer: auth.PublicCloud.ChannelIssuer, url: s.url + "/channel/"}
	s.Entra = &Issuer{Issuer: auth.PublicCloud.EntraLogin + "{tenantid}/v2.0", url: s.url + "/entra/"}
	mux := http.NewServeMux()
	for name, i := range map[string]*Issuer{"channel": s.Channel, "entra": s.Entra} {
		mux.HandleFunc("GET /"+name+"/metadata", i.metadata)
		mux.HandleFunc("GET /"+name+"/keys", i.keys)
	}
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l)
	}()
	return s, nil
}

// Close ends the server, and the requests that are running.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.served
	return err
}

// Cloud is the public cloud with the server's addresses.
func (s *Server) Cloud() auth.Cloud {
	c := auth.PublicCloud
	c.ChannelMetadata, c.EntraMetadata = s.Channel.url+"metadata", s.Entra.url+"metadata"
	return c
}

// Issuer is one of the two. Safe for concurrent use.
type Issuer struct {
	// Issuer is its name, as metadata has it. It does not change.
	Issuer string

	url string

	mu      sync.Mutex // guards all below
	set     []any
	fetches Fetches
	onMeta  http.HandlerFunc
	onKeys  http.HandlerFunc
}

// Fetches is how often something was asked for.
type Fetches struct{ Metadata, Keys int }

// Fetches is how often metadata and keys were asked for.
func (i *Issuer) Fetches() Fetches {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Publish replaces the keys that are published: each is a [Key], or anything that is to stand in the list as it is.
func (i *Issuer) Publish(keys ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.set = keys
}

// Answer replaces the answers to requests for metadata and keys. Nil is the usual one.
func (i *Issuer) Answer(metadata, keys http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.onMeta, i.onKeys = metadata, keys
}

func (i *Issuer) metadata(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches.Metadata++
	answer := i.onMeta
	i.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	write(w, i.Metadata())
}

// Metadata is what is published of the issuer (OpenID Connect Discovery 1.0 section 3). The caller may change it.
func (i *Issuer) Metadata() map[string]any {
	return map[string]any{
		"issuer": i.Issuer, "jwks_uri": i.url + "keys", "id_token_signing_alg_values_supported": []string{"RS256"},
	}
}

func (i *Issuer) keys(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches.Keys++
	answer, set := i.onKeys, i.set
	i.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	published := make([]any, len(set))
	for n, k := range set {
		if own, ok := k.(*Key); ok {
			k = own.Published()
		}
		published[n] = k
	}
	write(w, map[string]any{"keys": published})
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, v)
}

// Key signs tokens. What cannot be signed is a mistake of the test, and panics.
type Key struct{ mint.Key }

// NewKey makes a key of 2,048 bits for the tokens of channels. It takes a moment.
func NewKey(id string, endorsements ...string) *Key {
	k, err := mint.NewKey(id, endorsements...)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return &Key{*k}
}

// Sign makes a token of claims.
func (k *Key) Sign(claims map[string]any) string { return must(k.Key.Sign(claims)) }

// SignWith makes a token with a header of the test's own. Header and claims are anything that encodes to JSON, or a string that
// is taken as it is.
func (k *Key) SignWith(header, claims any) string { return must(k.Key.SignWith(header, claims)) }

func must(token string, err error) string {
	if err != nil {
		panic(err)
	}
	return token
}

// JSON answers with a value.
func JSON(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, v) }
}
