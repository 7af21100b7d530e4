package access

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Refusal is a caller who is not let in.
type Refusal struct {
	// Reason is a sentence for people. It repeats nothing that the caller sent.
	Reason string
	// Cause is a stable word for the reason.
	Cause string
	// Key is the id of the key that was presented, where it was the right text of one that is not good; empty otherwise.
	Key string
	// Invalid reports that a key was given, and was not good. Otherwise there was none.
	Invalid bool
	// RetryAfter is how long to wait when there were too many requests. 0 when that is not the reason.
	RetryAfter time.Duration
}

func (e *Refusal) Error() string { return e.Reason }

// Limited reports whether the caller is refused for coming too often.
func (e *Refusal) Limited() bool { return e.RetryAfter > 0 }

// bearer reads the key that a request carries in its Authorization header (RFC 6750, section 2.1). present is false when
// it has no such header at all.
func bearer(r *http.Request) (s Secret, present bool, refused *Refusal) {
	if inQuery(r.URL) {
		return Secret{}, true, &Refusal{Invalid: true, Cause: "in_url",
			Reason: "a key in the URL ends in logs and histories: revoke it, and send the new one in the Authorization header"}
	}
	values := r.Header.Values("Authorization")
	switch len(values) {
	case 0:
		return Secret{}, false, nil
	case 1:
	default:
		return Secret{}, true, &Refusal{Invalid: true, Cause: "malformed", Reason: "there is more than one Authorization header"}
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Secret{}, true, &Refusal{Invalid: true, Cause: "malformed", Reason: "the Authorization header must be Bearer, a space and the key"}
	}
	if _, ok := idOf(text); !ok {
		text = "" // hashed all the same
	}
	return Secret{&text}, true, nil
}

// inQuery reports whether a URL's query has a key, or is where other APIs want one (RFC 6750, section 2.3).
func inQuery(u *url.URL) bool {
	if u.RawQuery == "" {
		return false
	}
	if looksLikeKey(u.RawQuery) {
		return true
	}
	plain, err := url.QueryUnescape(u.RawQuery)
	if err == nil && looksLikeKey(plain) {
		return true
	}
	q := u.Query()
	return q.Has("access_token") || q.Has("api_key")
}

// looksLikeKey reports whether a text has a key in it.
func looksLikeKey(text string) bool {
	for {
		_, rest, found := strings.Cut(text, prefix)
		if !found {
			return false
		}
		id, secret, _ := strings.Cut(rest, "_")
		if (id == localID || len(id) == idLength) && len(secret) >= secretLength && digits(secret[:secretLength]) {
			return true
		}
		text = rest
	}
}
