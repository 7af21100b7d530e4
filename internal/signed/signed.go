// Package signed signs and verifies webhooks as the Standard Webhooks specification 1.0.0 says: three headers, of which
// the last has an HMAC-SHA256 of the id, the time and the body for each [Secret].
package signed

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Tolerance is how far the timestamp may be from the receiver's clock.
const Tolerance = 5 * time.Minute

// prefix makes secrets easy to recognise; version is the scheme's (specification, "Signature scheme").
const (
	prefix  = "whsec_"
	version = "v1"
)

// The lengths of a key in bytes (specification, "Signature scheme").
const (
	shortestKey = 24
	longestKey  = 64
	newKey      = 32
)

// Errors of verification.
var (
	// ErrSecret: the secret is not "whsec_" and the base64 of 24 to 64 bytes.
	ErrSecret = errors.New(`the secret must be "whsec_" and the base64 of 24 to 64 bytes`)
	// ErrHeaders: one of the three headers is missing or makes no sense.
	ErrHeaders = errors.New("the webhook headers are missing or malformed")
	// ErrTime: the request was signed more than [Tolerance] from now.
	ErrTime = errors.New("the webhook's timestamp is too far from now")
	// ErrSignature: no signature fits.
	ErrSignature = errors.New("no signature of the webhook fits")
)

// Secret is a signing key. It never prints itself.
type Secret struct{ key []byte }

// NewSecret makes a random secret.
func NewSecret() Secret {
	key := make([]byte, newKey)
	_, _ = rand.Read(key) // never fails
	return Secret{key}
}

// ParseSecret reads what [Secret.Text] wrote. The prefix may be missing.
func ParseSecret(text string) (Secret, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(text, prefix))
	if err != nil || len(key) < shortestKey || len(key) > longestKey {
		return Secret{}, ErrSecret
	}
	return Secret{key}, nil
}

// Is reports whether a text is the secret, in a time that does not tell how much of it is right.
func (s Secret) Is(text string) bool {
	other, err := ParseSecret(text)
	return err == nil && hmac.Equal(other.key, s.key)
}

// Text is the secret in words, for its owner.
func (s Secret) Text() string { return prefix + base64.StdEncoding.EncodeToString(s.key) }

// String keeps the secret out of logs.
func (Secret) String() string { return prefix + "…" }

// GoString keeps the secret out of logs.
func (s Secret) GoString() string { return s.String() }

// sign is the signature's bytes.
func (s Secret) sign(id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write([]byte(id + "." + timestamp + "."))
	_, _ = mac.Write(body)
	return mac.Sum(nil)
}

// Headers sets the headers of a request with body that is sent at a time, with one signature for each secret. The id
// has no full stop in it.
func Headers(h http.Header, secrets []Secret, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = version + "," + base64.StdEncoding.EncodeToString(s.sign(id, timestamp, body))
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, strings.Join(signatures, " "))
}

// Verify reports whether the body was signed with one of the secrets, at a time near now. It returns the id, which is
// the same however often the webhook comes. Signatures of other versions are passed over.
func Verify(secrets []Secret, h http.Header, body []byte, now time.Time) (id string, err error) {
	id, timestamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || strings.Contains(id, ".") || h.Get(HeaderSignature) == "" {
		return "", ErrHeaders
	}
	if off := now.Sub(time.Unix(seconds, 0)); off.Abs() > Tolerance {
		return "", ErrTime
	}
	fits := false
	for _, s := range secrets {
		want := s.sign(id, timestamp, body)
		for one := range strings.SplitSeq(h.Get(HeaderSignature), " ") {
			text, ok := strings.CutPrefix(one, version+",")
			got, err := base64.StdEncoding.Strict().DecodeString(text)
			if ok && err == nil && hmac.Equal(got, want) {
				fits = true
			}
		}
	}
	if !fits {
		return "", ErrSignature
	}
	return id, nil
}
