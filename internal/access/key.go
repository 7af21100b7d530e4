package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// A key's text is hup_<id>_<secret>: the prefix lets people and secret scanners see what it is, the id is for looking it
// up and may be shown, the secret is for nobody but its holder.
const (
	prefix       = "hup_"
	idLength     = 12 // of 5 bits: 60
	secretLength = 40 // of 5 bits: 200
	localID      = "local"
)

// alphabet is Crockford's base 32 in lower case: no i, l, o, u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// maxName bounds a key's name in characters, maxRate its rate in requests per minute.
const (
	maxName = 100
	maxRate = 1_000_000
)

// maxTenant bounds a tenant in bytes.
const maxTenant = 255

// Key is what is kept of an API key.
type Key struct {
	// Row is the key's place among all keys. The store sets it.
	Row int64
	// ID names the key. It is part of the key's text, and no secret.
	ID string
	// AppID is the app that the key is for; other apps do not know it.
	AppID string
	// Name says what it is for, in its maker's words.
	Name string
	// Scopes is what its holder may do.
	Scopes Scopes
	// Tenant is the tenant of a channel that the key is bound to: of others it sees and does nothing. Empty is none: it is good
	// for all of the app.
	Tenant string
	// Hash is the SHA-256 of the key's text. A plain hash does: there is nothing to guess in 200 random bits.
	Hash Hash
	// RatePerMinute is how many requests it is good for in a minute; 0 for as many as come.
	RatePerMinute int
	// CreatedAt is when it was made, CreatedBy the id of the key that it was made with, or what its
	// maker came in as: local, on the server's machine, or development.
	CreatedAt time.Time
	CreatedBy string
	// ExpiresAt, RevokedAt and LastUsedAt are zero for never.
	ExpiresAt, RevokedAt, LastUsedAt time.Time
}

// Active reports whether the key is good at an instant.
func (k Key) Active(at time.Time) bool { return k.RevokedAt.IsZero() && !k.Expired(at) }

// Expired reports whether the key's time is over at an instant.
func (k Key) Expired(at time.Time) bool { return !k.ExpiresAt.IsZero() && !at.Before(k.ExpiresAt) }

// Hash is the SHA-256 of a key's text.
type Hash [sha256.Size]byte

// Secret is a key's text. It prints as redacted wherever it gets into; [Secret.Reveal] tells it.
type Secret struct {
	text *string // a pointer, since fmt prints unexported strings wherever a Secret is a field
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns the part that may be seen.
func (s Secret) String() string {
	id, ok := idOf(s.Reveal())
	if !ok {
		return "REDACTED"
	}
	return prefix + id + "_REDACTED"
}

// GoString is as String.
func (s Secret) GoString() string { return s.String() }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Hash returns the text's hash.
func (s Secret) Hash() Hash { return sha256.Sum256([]byte(s.Reveal())) }

// newSecret makes a key's text with an id.
func newSecret(id string) Secret { return Secret{new(prefix + id + "_" + random(secretLength))} }

// NewLocal makes a secret for callers on this machine, to be given to them by a file that only they can read. It is no key:
// nobody keeps it.
func NewLocal() Secret { return newSecret(localID) }

// ParseSecret reads a key's text as a person or a file has it, with space around it.
func ParseSecret(text string) (Secret, error) {
	text = strings.TrimSpace(text)
	if _, ok := idOf(text); !ok {
		return Secret{}, errors.New("is not an API key, which looks like hup_<id>_<secret>")
	}
	return Secret{&text}, nil
}

// random returns n random digits of 5 bits each.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b)
}

// idOf reads the id out of a key's text.
func idOf(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return "", false
	}
	id, secret, ok := strings.Cut(rest, "_")
	if !ok || len(secret) != secretLength || !digits(secret) || id != localID && (len(id) != idLength || !digits(id)) {
		return "", false
	}
	return id, true
}

func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }) < 0
}

// matches compares in a time that tells nothing, and takes that time for a key that does not exist too.
func (h Hash) matches(presented Secret, exists bool) bool {
	got := presented.Hash()
	return subtle.ConstantTimeCompare(got[:], h[:]) == 1 && exists
}

// NewKey says what key is wanted.
type NewKey struct {
	// Name says what it is for. Required; at most 100 characters.
	Name string
	// Scopes is what its holder may do. Empty is Send alone.
	Scopes Scopes
	// Tenant binds it to a tenant of a channel; at most 255 bytes. Empty binds it to none. What is bound cannot have the scope
	// Admin, which is for the whole app.
	Tenant string
	// ExpiresAt is when it ends by itself. Zero is never, or when the key expires that it is made with.
	ExpiresAt time.Time
	// RatePerMinute is how many requests it is good for in a minute, at most a million. 0 is as many as come.
	RatePerMinute int
}

// FieldError is a wish for a key that cannot be.
type FieldError struct {
	// Field is the field's name in the API.
	Field string
	// Reason is the rest of a sentence that begins with the field's name.
	Reason string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// EscalationError is a wish for a key that could do what the caller may not.
type EscalationError struct {
	// Missing is a scope that the caller lacks. Empty when it is the time that the key would last.
	Missing Scope
}

func (e *EscalationError) Error() string {
	if e.Missing == "" {
		return "a key that expires cannot make one that lasts longer"
	}
	return fmt.Sprintf("a key cannot give what it does not have: the scope %s", e.Missing)
}

func (n NewKey) check(now time.Time) error {
	switch {
	case strings.TrimSpace(n.Name) == "":
		return &FieldError{"name", "must not be empty"}
	case utf8.RuneCountInString(n.Name) > maxName:
		return &FieldError{"name", fmt.Sprintf("is longer than %d characters", maxName)}
	case !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &FieldError{"name", "has characters that cannot be shown"}
	case looksLikeKey(n.Name):
		return &FieldError{"name", "contains a key, which is a secret"}
	case len(n.Tenant) > maxTenant:
		return &FieldError{"tenant", fmt.Sprintf("is longer than %d bytes", maxTenant)}
	case !utf8.ValidString(n.Tenant) || strings.ContainsFunc(n.Tenant, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return &FieldError{"tenant", "has characters that no tenant has"}
	case n.Tenant != "" && n.Scopes.Has(Admin):
		return &FieldError{"tenant", "cannot be given together with the scope admin, which is for all tenants"}
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now):
		return &FieldError{"expires_at", "must be in the future"}
	case n.RatePerMinute < 0 || n.RatePerMinute > maxRate:
		return &FieldError{"rate_per_minute", fmt.Sprintf("must be between 0 and %d", maxRate)}
	}
	return nil
}

// allowedTo refuses what goes beyond what the caller may do.
func (n NewKey) allowedTo(by Identity) error {
	if !by.Scopes.Covers(n.Scopes) {
		for _, s := range AllScopes {
			if n.Scopes.Has(s) && !by.Scopes.Has(s) {
				return &EscalationError{Missing: s}
			}
		}
	}
	if !by.Until.IsZero() && (n.ExpiresAt.IsZero() || n.ExpiresAt.After(by.Until)) {
		return &EscalationError{}
	}
	return nil
}
