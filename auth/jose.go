package auth

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxToken is how long a token may be, in bytes. Microsoft's have about two thousand.
	maxToken = 8 << 10
	maxKeyID = 256
)

// token is a signed token (RFC 7519, in the compact form of RFC 7515) that can be read. Nothing of it is proven but what
// [token.signedBy] says.
type token struct {
	keyID     string
	claims    claims
	signed    string // the two parts that the signature is of
	signature []byte
}

// header is the token's first part. Whatever could change what the signature means, or where its key is, has a member here
// so that it can be refused: keys come from metadata alone, and nothing is encrypted, compressed or detached.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`

	ContentType jsontext.Value `json:"cty"`
	Critical    jsontext.Value `json:"crit"`
	Detached    jsontext.Value `json:"b64"`
	Compressed  jsontext.Value `json:"zip"`
	Encryption  jsontext.Value `json:"enc"`
	Key         jsontext.Value `json:"jwk"`
	KeysAt      jsontext.Value `json:"jku"`
	Chain       jsontext.Value `json:"x5c"`
	ChainAt     jsontext.Value `json:"x5u"`

	Extra jsontext.Value `json:",embed"`
}

func (h header) reason() string {
	for _, v := range []jsontext.Value{
		h.ContentType, h.Critical, h.Detached, h.Compressed, h.Encryption, h.Key, h.KeysAt, h.Chain, h.ChainAt,
	} {
		if v != nil {
			return "header_not_allowed"
		}
	}
	switch {
	case h.Algorithm != jwt.SigningMethodRS256.Alg():
		return "algorithm_not_allowed"
	case h.Type != "" && !strings.EqualFold(h.Type, "JWT"):
		return "type_not_allowed"
	case h.KeyID == "" || len(h.KeyID) > maxKeyID:
		return "key_id_missing"
	}
	return ""
}

// readToken takes a token apart. Reason says why it cannot be one of ours; it is empty if it may be.
func readToken(raw string) (t token, reason string) {
	if len(raw) > maxToken {
		return token{}, "token_too_long"
	}
	if strings.Count(raw, ".") != 2 {
		return token{}, "not_a_signed_token"
	}
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, _ := strings.Cut(rest, ".")
	var h header
	if !readPart(head, &h) {
		return token{}, "header_unreadable"
	}
	if reason := h.reason(); reason != "" {
		return token{}, reason
	}
	t = token{keyID: h.KeyID, signed: raw[:len(head)+1+len(body)]}
	if !readPart(body, &t.claims) {
		return token{}, "claims_unreadable"
	}
	var ok bool
	if t.signature, ok = decodePart(signature); !ok || len(t.signature) == 0 {
		return token{}, "signature_unreadable"
	}
	return t, ""
}

// readPart decodes one part. JSON with two members of a name, or text that is not UTF-8, is refused by the decoder.
func readPart(part string, to any) bool {
	raw, ok := decodePart(part)
	if !ok || bytes.IndexByte(raw, '{') != 0 {
		return false
	}
	return json.Unmarshal(raw, to) == nil
}

// base64url has no padding, and no second way to write the same bytes.
var base64url = base64.RawURLEncoding.Strict()

func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") { // which the decoder would skip
		return nil, false
	}
	raw, err := base64url.DecodeString(part)
	return raw, err == nil
}

// signedBy reports whether the token was signed with a key.
func (t token) signedBy(key *rsa.PublicKey) bool {
	return jwt.SigningMethodRS256.Verify(t.signed, t.signature, key) == nil
}
