// Package mint makes keys, signs tokens with them as the issuers of the Bot Framework do, and has the form in which their public
// halves are published. [Key] is all of it. It does not check tokens: that is package auth.
//
//	key, err := mint.NewKey("k1", "directline")
//	token, err := key.Sign(map[string]any{"iss": issuer, "aud": appID, …})
package mint

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"
)

// Key signs tokens with RS256 (RFC 7518 section 3.3). Its members do not change once it is used; it is safe for concurrent use
// then.
type Key struct {
	// ID is the key's id ("kid").
	ID string
	// Endorsements are the channels for which the key speaks.
	Endorsements []string
	Private      *rsa.PrivateKey
}

// NewKey makes a key of 2,048 bits. It takes a moment.
func NewKey(id string, endorsements ...string) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("mint: %w", err)
	}
	return &Key{ID: id, Endorsements: endorsements, Private: private}, nil
}

// Published is the key as an issuer publishes it (RFC 7517), with the endorsements that the Bot Framework adds. The caller may
// change it.
func (k *Key) Published() map[string]any {
	return map[string]any{
		"kty": "RSA", "use": "sig", "kid": k.ID, "x5t": k.ID, "endorsements": k.Endorsements,
		"n": encode(k.Private.N.Bytes()), "e": encode(big.NewInt(int64(k.Private.E)).Bytes()),
	}
}

// Sign makes a token of claims.
func (k *Key) Sign(claims map[string]any) (string, error) {
	return k.SignWith(map[string]any{"alg": "RS256", "typ": "JWT", "kid": k.ID}, claims)
}

// SignWith makes a token with a header of the caller's own. Header and claims are anything that encodes to JSON, or a string
// that is taken as it is.
func (k *Key) SignWith(header, claims any) (string, error) {
	head, err := part(header)
	if err != nil {
		return "", err
	}
	body, err := part(claims)
	if err != nil {
		return "", err
	}
	signed := head + "." + body
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.Private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("mint: %w", err)
	}
	return signed + "." + encode(signature), nil
}

func part(v any) (string, error) {
	if raw, ok := v.(string); ok {
		return encode([]byte(raw)), nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("mint: a part of a token: %w", err)
	}
	return encode(raw), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
