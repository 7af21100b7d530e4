package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
)

const (
	// memory is how long a key is known without asking the store again: so long may a key that was revoked on another node
	// be good here.
	memory = 2 * time.Second

	// touchEvery is how often the store is told when keys were used last.
	touchEvery = time.Minute

	// touchTimeout bounds the last time that it is told.
	touchTimeout = 5 * time.Second
)

// Config makes a [Keyring].
type Config struct {
	// AppID is the app whose keys are good here.
	AppID string

	// Store keeps the keys. Required.
	Store Store

	// Open lets callers without a key in as [KindDevelopment], with every scope. A caller who has one is held to it.
	Open bool

	// Local is the hash of the secret that callers on this machine may use in place of a key. Zero is none.
	Local Hash

	// ClientAddr tells from where a request comes; the zero Addr when nobody knows. Nil is the other end of the
	// connection.
	ClientAddr func(*http.Request) netip.Addr

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ClientAddr == nil {
		c.ClientAddr = peer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Keyring makes, revokes and checks keys. A nil one lets nobody in. Safe for concurrent use.
type Keyring struct {
	cfg      Config
	failures failures

	mu      sync.Mutex
	known   map[string]*known    // by id; guarded by mu
	changes int                  // counts revocations here; guarded by mu
	used    map[string]time.Time // since the store was told; guarded by mu
}

// known is a key in memory.
type known struct {
	key   Key
	until time.Time // when the store is asked again
	rate  bucket
}

// New makes a keyring.
func New(cfg Config) (*Keyring, error) {
	if cfg.Store == nil {
		return nil, errors.New("access: config: Store is required")
	}
	return &Keyring{
		cfg: cfg.withDefaults(), known: make(map[string]*known), used: make(map[string]time.Time),
	}, nil
}

// Enter says who calls. Who is not let in gets a [*Refusal]; any other error means that nobody could be asked. A wrong key
// counts against the address that it comes from, a good one against its own rate. Good keys come in from addresses that
// have tried too many wrong ones, too: 200 random bits are not found by trying, and one program with an old key would
// otherwise shut out all that share its address.
func (k *Keyring) Enter(r *http.Request) (Identity, error) {
	if k == nil {
		return Identity{}, &Refusal{Cause: "no_keys", Reason: "nobody is let in here"}
	}
	secret, present, refused := bearer(r)
	switch {
	case refused != nil:
		return Identity{}, k.failed(r, refused)
	case !present && k.cfg.Open:
		return Identity{Kind: KindDevelopment, Scopes: ScopesOf(Admin)}, nil
	case !present:
		return Identity{}, &Refusal{Cause: "missing", Reason: "a key is needed; send it as: Authorization: Bearer hup_…"}
	}
	if k.isLocal(r, secret) {
		return Identity{Kind: KindLocal, Scopes: ScopesOf(Admin)}, nil
	}
	return k.check(r, secret)
}

// check looks a key up and compares it, whether it is there or not.
func (k *Keyring) check(r *http.Request, secret Secret) (Identity, error) {
	now := k.cfg.Now()
	id, _ := idOf(secret.Reveal())
	key, err := k.find(r.Context(), id, now)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Identity{}, fmt.Errorf("look up the key: %w", err)
	}
	switch {
	case !key.Hash.matches(secret, err == nil):
		return Identity{}, k.failed(r, &Refusal{Invalid: true, Cause: "wrong", Reason: "the key is not valid"})
	case !key.RevokedAt.IsZero():
		return Identity{}, k.failed(r, &Refusal{Invalid: true, Cause: "revoked", Key: key.ID, Reason: "the key was revoked"})
	case key.Expired(now):
		return Identity{}, k.failed(r, &Refusal{Invalid: true, Cause: "expired", Key: key.ID, Reason: "the key has expired"})
	}
	if wait, ok := k.use(key, now); !ok {
		return Identity{}, &Refusal{Cause: "key_rate", Key: key.ID, Reason: "the key is good for fewer requests per minute", RetryAfter: wait}
	}
	return Identity{Kind: KindKey, KeyID: key.ID, Name: key.Name, Scopes: key.Scopes, Tenant: key.Tenant, Until: key.ExpiresAt}, nil
}

// failed counts a wrong key.
func (k *Keyring) failed(r *http.Request, refused *Refusal) *Refusal {
	wait, ok := k.failures.failed(k.cfg.ClientAddr(r), k.cfg.Now())
	if !ok {
		refused = &Refusal{Invalid: true, Cause: "too_many_wrong_keys", Reason: "too many wrong keys from this address", RetryAfter: wait}
	}
	k.cfg.Logger.DebugContext(r.Context(), "caller refused", "reason", refused.Reason, "limited", refused.Limited())
	return refused
}

// Wrong counts a credential that was wrong at another door of the server, such as the secret of Direct Line, as a wrong key:
// an address has its tries at all doors together. The result says whether it has to wait.
func (k *Keyring) Wrong(r *http.Request) *Refusal {
	return k.failed(r, &Refusal{Invalid: true, Cause: "wrong", Reason: "the credential is not valid"})
}

// isLocal reports whether the caller is on this machine and knows its secret.
func (k *Keyring) isLocal(r *http.Request, secret Secret) bool {
	got := secret.Hash()
	same := subtle.ConstantTimeCompare(got[:], k.cfg.Local[:]) == 1
	return same && k.cfg.Local != (Hash{}) && k.fromHere(r)
}

// fromHere reports whether a request was made on this machine: over loopback, or from the address that it arrived at.
func (k *Keyring) fromHere(r *http.Request) bool {
	from := k.cfg.ClientAddr(r)
	if from.IsLoopback() {
		return true
	}
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(at.String())
	return err == nil && from.IsValid() && here.Addr().Unmap() == from
}

// find returns a key from memory or the store.
func (k *Keyring) find(ctx context.Context, id string, now time.Time) (Key, error) {
	if id == "" || id == localID {
		return Key{}, ErrNotFound
	}
	key, changes, ok := k.recall(id, now)
	if ok {
		return key, nil
	}
	key, err := k.cfg.Store.APIKey(ctx, k.cfg.AppID, id)
	if err != nil {
		return Key{}, err
	}
	if !k.remember(key, changes, now) { // one was revoked meanwhile, perhaps this one
		return k.cfg.Store.APIKey(ctx, k.cfg.AppID, id)
	}
	return key, nil
}

// recall returns a key that was read a moment ago, and how many were revoked so far.
func (k *Keyring) recall(id string, now time.Time) (key Key, changes int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.known[id]
	if e == nil || !now.Before(e.until) {
		return Key{}, k.changes, false
	}
	return e.key, k.changes, true
}

// remember keeps what was read, unless a key was revoked since.
func (k *Keyring) remember(key Key, changes int, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changes != changes {
		return false
	}
	e := k.known[key.ID]
	if e == nil {
		e = &known{}
		k.known[key.ID] = e
	}
	e.key, e.until = key, now.Add(memory)
	return true
}

// use counts a request against the key's rate and notes the time.
func (k *Keyring) use(key Key, now time.Time) (wait time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.known[key.ID]
	if e == nil {
		e = &known{key: key}
		k.known[key.ID] = e
	}
	if key.RatePerMinute > 0 {
		if wait, ok := e.rate.take(now, key.RatePerMinute, time.Minute/time.Duration(key.RatePerMinute)); !ok {
			return wait, false
		}
	}
	k.used[key.ID] = now
	return 0, true
}

// Create makes a key for a caller, who cannot give what the caller does not have: that is an [*EscalationError]. A wish that
// cannot be is a [*FieldError]. The secret is told here and never again.
func (k *Keyring) Create(ctx context.Context, by Identity, want NewKey) (Key, Secret, error) {
	now := k.cfg.Now().UTC()
	if want.Scopes.Empty() {
		want.Scopes = ScopesOf(Send)
	}
	if want.ExpiresAt.IsZero() {
		want.ExpiresAt = by.Until
	}
	if err := want.check(now); err != nil {
		return Key{}, Secret{}, err
	}
	if err := want.allowedTo(by); err != nil {
		return Key{}, Secret{}, err
	}
	id := random(idLength)
	secret := newSecret(id)
	audit.FromContext(ctx).About(id)
	key, err := k.cfg.Store.CreateAPIKey(ctx, Key{
		ID: id, AppID: k.cfg.AppID, Name: want.Name, Scopes: want.Scopes, Tenant: want.Tenant, Hash: secret.Hash(),
		RatePerMinute: want.RatePerMinute, CreatedAt: now, CreatedBy: by.maker(), ExpiresAt: want.ExpiresAt,
	})
	if err != nil {
		return Key{}, Secret{}, fmt.Errorf("create the key: %w", err)
	}
	k.cfg.Logger.InfoContext(ctx, "key created", "key_id", key.ID, "scopes", key.Scopes.String(), "created_by", key.CreatedBy)
	return key, secret, nil
}

// Key returns a key, or [ErrNotFound].
func (k *Keyring) Key(ctx context.Context, id string) (Key, error) {
	key, err := k.cfg.Store.APIKey(ctx, k.cfg.AppID, id)
	return k.upToDate(key), err
}

// Keys returns the first limit keys after a row, oldest first, revoked and expired ones too.
func (k *Keyring) Keys(ctx context.Context, after int64, limit int) ([]Key, error) {
	keys, err := k.cfg.Store.APIKeys(ctx, k.cfg.AppID, after, limit)
	for i := range keys {
		keys[i] = k.upToDate(keys[i])
	}
	return keys, err
}

// upToDate adds what the store was not told yet.
func (k *Keyring) upToDate(key Key) Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	if used := k.used[key.ID]; used.After(key.LastUsedAt) {
		key.LastUsedAt = used.UTC()
	}
	return key
}

// From is the address that a request comes from; the zero Addr when nobody knows.
func (k *Keyring) From(r *http.Request) netip.Addr {
	if k == nil {
		return peer(r)
	}
	return k.cfg.ClientAddr(r)
}

// Now is the keyring's clock, by which keys expire.
func (k *Keyring) Now() time.Time { return k.cfg.Now() }

// Revoke ends a key: at once here, within 5 s on other nodes. It may be repeated. A key that is not there is [ErrNotFound].
func (k *Keyring) Revoke(ctx context.Context, by Identity, id string) (Key, error) {
	key, err := k.cfg.Store.RevokeAPIKey(ctx, k.cfg.AppID, id, k.cfg.Now().UTC())
	if err != nil {
		return Key{}, err
	}
	k.mu.Lock()
	k.changes++
	delete(k.known, id)
	k.mu.Unlock()
	k.cfg.Logger.InfoContext(ctx, "key revoked", "key_id", id, "revoked_by", by.KeyID)
	return k.upToDate(key), nil
}

// Run tells the store when keys were used last, once a minute and when ctx ends, so that no request waits for that.
func (k *Keyring) Run(ctx context.Context) {
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.tell(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), touchTimeout)
			k.tell(last)
			cancel()
			return
		}
	}
}

func (k *Keyring) tell(ctx context.Context) {
	k.mu.Lock()
	used := k.used
	k.used = make(map[string]time.Time)
	k.mu.Unlock()
	if len(used) == 0 {
		return
	}
	if err := k.cfg.Store.TouchAPIKeys(ctx, k.cfg.AppID, used); err != nil {
		k.cfg.Logger.WarnContext(ctx, "last use of keys not stored", "error", err.Error())
		k.mu.Lock()
		defer k.mu.Unlock()
		for id, at := range used { // again next time
			if at.After(k.used[id]) {
				k.used[id] = at
			}
		}
	}
}
