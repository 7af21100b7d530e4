package auth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/internal/netguard"
)

const (
	// fresh is how old keys may be until they are fetched again, beside those who use them meanwhile; stale is how old they
	// may become when that fails. Channels ask to fetch them once in 24 hours at least.
	fresh = time.Hour
	stale = 24 * time.Hour

	// A key that nobody knows may be new, so keys are fetched again for its sake, at most unknownKeys times in unknownWindow.
	unknownKeys   = 2
	unknownWindow = 5 * time.Minute

	fetchTime   = 10 * time.Second
	maxMetadata = 1 << 20
	maxKeys     = 200
)

// retries is how long to wait before the next fetch after one that failed.
var retries = backoff.Policy{Base: 2 * time.Second, Min: time.Second, Max: time.Minute}

// ErrKeysUnavailable: the keys that tokens are checked with cannot be had, so nothing is known about a token. Whoever sends
// it may try again.
var ErrKeysUnavailable = errors.New("auth: the keys that tokens are signed with are not available")

// key is a public key and the channels whose tokens it signs.
type key struct {
	public       *rsa.PublicKey
	endorsements []string
}

// keys are those of one issuer, as its OpenID metadata has them (OpenID Connect Discovery 1.0 section 3; RFC 7517). They are
// fetched when they are first needed, kept, and fetched again now and then. Safe for concurrent use.
type keys struct {
	metadata *url.URL
	issuer   string // that the metadata has to name
	client   *http.Client
	now      func() time.Time
	log      *slog.Logger

	mu       sync.Mutex // guards all below
	known    map[string]key
	fetched  time.Time // when known was
	failures int
	retryAt  time.Time     // no fetch before
	unknown  []time.Time   // when keys were fetched for the sake of one that nobody knew
	flight   chan struct{} // closed when the fetch that is on its way has ended; nil if there is none
	failure  error         // of the last fetch; nil if it went well
	due      bool          // somebody has asked for a fetch that has not begun, or has failed
}

func newKeys(metadata, issuer string, client *http.Client, now func() time.Time, log *slog.Logger) (*keys, error) {
	u, err := url.Parse(metadata)
	if err != nil || !trustworthy(u) {
		return nil, fmt.Errorf("the address of the metadata is %q; it must begin with https, or lead to this machine", metadata)
	}
	return &keys{metadata: u, issuer: issuer, client: client, now: now, log: log}, nil
}

// trustworthy reports whether nobody on the way can change what is fetched from a URL.
func trustworthy(u *url.URL) bool {
	return u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && netguard.Loopback(u.Hostname()))
}

// find returns a key by its id. The error is [ErrKeysUnavailable] while there are none; ok is false for a key that the issuer
// does not have.
func (k *keys) find(ctx context.Context, id string) (found key, ok bool, err error) {
	found, ok, want := k.look(id)
	switch want {
	case wantNothing:
		return found, ok, nil
	case wantLater:
		k.fetch()
		return found, ok, nil
	case wantNow:
	}
	select {
	case <-k.fetch():
	case <-ctx.Done():
		return key{}, false, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.usable() {
		return key{}, false, ErrKeysUnavailable
	}
	found, ok = k.known[id]
	return found, ok, nil
}

type want int

const (
	wantNothing want = iota
	wantLater        // a fetch, for which nobody has to wait
	wantNow          // a fetch before anything can be said
)

// look says what is known of a key, and whether a fetch may tell more.
func (k *keys) look(id string) (found key, ok bool, w want) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if !k.usable() {
		return key{}, false, wantNow
	}
	found, ok = k.known[id]
	switch {
	case now.Before(k.retryAt):
		return found, ok, wantNothing
	case !ok && (k.flight != nil || k.mayAsk(now)):
		return found, ok, wantNow
	case k.due || now.Sub(k.fetched) >= fresh:
		return found, ok, wantLater
	}
	return found, ok, wantNothing
}

// usable reports whether there are keys that are not too old. k.mu is held.
func (k *keys) usable() bool { return k.known != nil && k.now().Sub(k.fetched) < stale }

// mayAsk reports whether keys may be fetched for the sake of one that nobody knows, and counts it. k.mu is held.
func (k *keys) mayAsk(now time.Time) bool {
	k.unknown = slices.DeleteFunc(k.unknown, func(t time.Time) bool { return now.Sub(t) >= unknownWindow })
	if len(k.unknown) >= unknownKeys {
		return false
	}
	k.unknown = append(k.unknown, now)
	return true
}

// fetch fetches the keys, once for all who ask meanwhile, even if none of them waits for it. What it returns is closed when
// that has ended, well or not.
func (k *keys) fetch() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight
	}
	landed := make(chan struct{})
	if k.now().Before(k.retryAt) {
		close(landed)
		return landed
	}
	due := k.due
	k.flight, k.due = landed, false
	go func() {
		defer close(landed)
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		known, err := k.read(ctx)
		k.keep(known, err, due)
	}()
	return landed
}

// keep takes over what was fetched, or notes when to try again. What was due is so still after a failure.
func (k *keys) keep(known map[string]key, err error, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	now := k.now()
	k.failure = err
	if err == nil {
		k.known, k.fetched, k.failures, k.retryAt = known, now, 0, time.Time{}
		return
	}
	k.failures++
	k.due = k.due || due
	k.retryAt = now.Add(retries.Wait(k.failures))
	k.log.Warn("keys that tokens are checked with were not fetched",
		"metadata", k.metadata.Host, "error", err.Error(), "failures", k.failures, "keys_kept", k.usable())
}

// read fetches the metadata and the keys that it names.
func (k *keys) read(ctx context.Context) (map[string]key, error) {
	var m struct {
		Issuer     string   `json:"issuer"`
		KeysAt     string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := k.get(ctx, k.metadata, &m); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if m.Issuer != k.issuer {
		return nil, fmt.Errorf("metadata: the issuer is %q, not %q", shown(m.Issuer), k.issuer)
	}
	if !slices.Contains(m.Algorithms, "RS256") {
		return nil, errors.New("metadata: tokens are not signed with RS256")
	}
	at, err := url.Parse(m.KeysAt)
	if err != nil || at.Host != k.metadata.Host || at.Scheme != k.metadata.Scheme || at.User != nil {
		return nil, fmt.Errorf("metadata: the keys are at %q, elsewhere than the metadata", shown(m.KeysAt))
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := k.get(ctx, at, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	known := usableKeys(set.Keys)
	if len(known) == 0 {
		return nil, fmt.Errorf("keys: none of %d can be used", len(set.Keys))
	}
	return known, nil
}

// get fetches a JSON document. It follows no redirects: the client that keys are made with does not.
func (k *keys) get(ctx context.Context, from *url.URL, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %d", res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata+1))
	switch {
	case err != nil:
		return err
	case len(raw) > maxMetadata:
		return fmt.Errorf("the answer is longer than %d bytes", maxMetadata)
	}
	return json.Unmarshal(raw, to)
}

// published is a key as issuers publish it (RFC 7517 section 4, RFC 7518 section 6.3.1). Endorsements are the Bot Framework's
// own.
type published struct {
	Type         string   `json:"kty"`
	Use          string   `json:"use"`
	Algorithm    string   `json:"alg"`
	ID           string   `json:"kid"`
	Modulus      string   `json:"n"`
	Exponent     string   `json:"e"`
	Endorsements []string `json:"endorsements"`
}

// usableKeys are those that sign tokens; what is weak, of another kind, unreadable, or has the id of another one is left out.
func usableKeys(all []jsontext.Value) map[string]key {
	ids, known := make(map[string]int), make(map[string]key)
	for _, raw := range all[:min(len(all), maxKeys)] {
		var p published
		if json.Unmarshal(raw, &p) != nil {
			continue
		}
		if ids[p.ID]++; ids[p.ID] > 1 {
			delete(known, p.ID)
		} else if public, ok := p.rsa(); ok {
			known[p.ID] = key{public: public, endorsements: p.Endorsements}
		}
	}
	return known
}

// rsa is the key, if it is one for signatures, of at least 2,048 bits, with the exponent that everybody uses.
func (p published) rsa() (*rsa.PublicKey, bool) {
	const least, most, usual = 2048, 8192, 65537
	if p.Type != "RSA" || p.Use != "" && p.Use != "sig" || p.Algorithm != "" && p.Algorithm != "RS256" || p.ID == "" {
		return nil, false
	}
	modulus, ok := decodePart(p.Modulus)
	exponent, readable := decodePart(p.Exponent)
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if !ok || !readable || n.BitLen() < least || n.BitLen() > most || n.Bit(0) == 0 || e.Cmp(big.NewInt(usual)) != 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: n, E: usual}, true
}

// shown is a text of others, short enough for a log.
func shown(s string) string {
	const longest = 200
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(s, "?")
}
