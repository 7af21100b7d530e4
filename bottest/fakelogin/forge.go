package fakelogin

import (
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"strings"
	"time"

	_ "crypto/sha256" // for mac
	_ "crypto/sha512"
)

// in is a time as tokens have it.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// flipped is a token with one letter changed.
func flipped(token string, at int) string {
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

// trailing is a token whose last letter carries bits that no byte has: 256 bytes leave four of its six over.
func trailing(token string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, token[len(token)-1])
	return token[:len(token)-1] + string(letters[last|1])
}

// mac is a token that is signed with a secret instead of its own signature.
func mac(token, alg string, secret []byte) string {
	kind := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}[alg]
	signed := token[:strings.LastIndex(token, ".")]
	h := hmac.New(kind.New, secret)
	h.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
