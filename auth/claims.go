package auth

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// claims are what a token says, as far as anybody looks at it.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  audience `json:"aud"`
	Expires   seconds  `json:"exp"`
	NotBefore seconds  `json:"nbf"`
	IssuedAt  seconds  `json:"iat"`

	// ServiceURL is what the channel vouches for.
	ServiceURL string `json:"serviceurl"`

	// Of Entra: its tenant, the version of the token, and which app asked for it, by the name that the version has for it.
	Tenant  string `json:"tid"`
	Version string `json:"ver"`
	AppV1   string `json:"appid"`
	AppV2   string `json:"azp"`

	Extra map[string]jsontext.Value `json:",embed"`
}

// ambiguous is the claim that is there again in another letter case; empty if there is none. Whoever compares without case
// would take it for the claim itself.
func (c *claims) ambiguous() string {
	for name := range c.Extra {
		for _, own := range []string{"iss", "aud", "exp", "nbf", "iat", "serviceurl", "tid", "ver", "appid", "azp"} {
			if strings.EqualFold(name, own) {
				return own
			}
		}
	}
	return ""
}

// audience is for whom a token is. A list counts if it has one entry: with another one beside ours the token was meant for
// others too.
type audience string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != jsontext.KindBeginArray {
		return json.UnmarshalDecode(dec, (*string)(a))
	}
	var list []string
	if err := json.UnmarshalDecode(dec, &list); err != nil {
		return err
	}
	if len(list) != 1 {
		return errors.New("the audience is not one")
	}
	*a = audience(list[0])
	return nil
}

// seconds is a time as tokens have it, in whole seconds since 1970; zero if the claim is missing. RFC 7519 allows fractions,
// which none of these issuers uses.
type seconds int64

// latest is in the year 9999.
const latest = 253402300799

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *seconds) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n <= 0 || n > latest {
		return errors.New("not a time")
	}
	*s = seconds(n)
	return nil
}

func (s seconds) time() time.Time { return time.Unix(int64(s), 0) }

// timely says what is wrong with the times of a token; empty if nothing is. Clocks may differ by leeway.
func (c *claims) timely(now time.Time, leeway, longest time.Duration) (reason string) {
	switch {
	case c.Expires == 0:
		return "expiry_missing"
	case now.After(c.Expires.time().Add(leeway)):
		return "expired"
	case c.Expires.time().After(now.Add(longest + leeway)):
		return "lives_too_long"
	case c.NotBefore != 0 && c.NotBefore.time().After(now.Add(leeway)):
		return "not_valid_yet"
	case c.IssuedAt != 0 && c.IssuedAt.time().After(now.Add(leeway)):
		return "issued_in_the_future"
	}
	return ""
}
