// Package access says who may use the HTTP API, and for what: API keys and their scopes.
//
// A [Key] is what is kept of a key: everything but its secret, of which there is only a hash. A [Keyring] makes and revokes
// keys and answers [Keyring.Enter], which names the caller of a request as an [Identity]; [FromContext] finds it
// again further in. The zero Identity is nobody and may do nothing.
//
//	who, err := keys.Enter(r)
//	if err != nil {
//		return err // a *Refusal: 401, or 429 with a time to wait
//	}
//	if !who.Scopes.Has(access.Broadcast) {
//		return errMissingScope
//	}
//
// The package reads and writes nothing itself; where keys are kept is a [Store]'s business.
package access

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store] and a [Keyring].
var (
	// ErrNotFound: the app has no key with that id.
	ErrNotFound = errors.New("access: there is no such key")
	// ErrExists: there is a key with that id.
	ErrExists = errors.New("access: there is a key with that id")
)

// Store keeps keys. Its methods are safe for concurrent use. Keys of different apps do not know of each other, though ids
// are unique among all of them.
type Store interface {
	// CreateAPIKey keeps a new key and returns it with its Row set: greater than that of every key before. An id that is
	// there already is [ErrExists]. Times are kept to the microsecond, in UTC.
	CreateAPIKey(ctx context.Context, k Key) (Key, error)

	// APIKey returns a key, revoked and expired ones too, or [ErrNotFound].
	APIKey(ctx context.Context, appID, id string) (Key, error)

	// APIKeys returns the first limit keys after a row, oldest first, revoked and expired ones too. A row of 0 is before
	// all.
	APIKeys(ctx context.Context, appID string, after int64, limit int) ([]Key, error)

	// RevokeAPIKey revokes a key and returns it. One that is revoked keeps the time at which that was done. [ErrNotFound]
	// is for keys that were never there.
	RevokeAPIKey(ctx context.Context, appID, id string, at time.Time) (Key, error)

	// TouchAPIKeys notes when keys were used last, by id; a time before the one that is kept changes nothing, and ids that
	// are not there are passed over.
	TouchAPIKeys(ctx context.Context, appID string, used map[string]time.Time) error
}

// Kind says what an identity rests on.
type Kind string

const (
	// KindKey is a caller with an API key.
	KindKey Kind = "key"
	// KindLocal is a caller on this machine who can read the secret that the server keeps in its data directory.
	KindLocal Kind = "local"
	// KindDevelopment is a caller without a key, where development mode asks for none.
	KindDevelopment Kind = "development"
)

// Identity is who calls. The zero value is nobody, who may do nothing.
type Identity struct {
	// Kind says what the identity rests on. Empty means that there is none.
	Kind Kind

	// KeyID and Name are the key's; empty for other kinds.
	KeyID, Name string

	// Scopes is what the caller may do.
	Scopes Scopes

	// Tenant is what the key is bound to; empty for one that is good for all tenants, and for other kinds.
	Tenant string

	// Until is when the key expires; zero for never.
	Until time.Time
}

// maker names who makes a key: by the id of their own, or as what they came in without one.
func (who Identity) maker() string {
	if who.Kind == KindKey {
		return who.KeyID
	}
	return string(who.Kind)
}

type contextKey struct{}

// NewContext returns a context that knows who calls.
func NewContext(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, who)
}

// FromContext returns who calls, or nobody.
func FromContext(ctx context.Context) Identity {
	who, _ := ctx.Value(contextKey{}).(Identity)
	return who
}
