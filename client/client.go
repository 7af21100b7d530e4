// Package client talks to a Headsup server over its HTTP API.
//
// [New] makes a [Client], which says things and looks what became of them with the types of package api. What the server
// refuses is an [*Error] with a stable code.
//
//	c, err := client.New(client.Config{}) // the server on this machine
//	if err != nil {
//		return err
//	}
//	n, err := c.CreateNotification(ctx, api.NotificationRequest{
//		To: api.Target{User: "dl_ann"}, Text: "Your build is done.",
//	})
//	if err != nil {
//		return err
//	}
//	n, err = c.Wait(ctx, n.ID)
//
// A call is repeated when the server cannot be reached or is unavailable, a few times within seconds. Nothing is said
// twice by that: every creation carries an idempotency key, the caller's or one that is made for the call.
package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// DefaultBaseURL is where a server listens unless it is told otherwise.
const DefaultBaseURL = "http://127.0.0.1:3978"

// Config makes a [Client]. The zero value is for the server on this machine.
type Config struct {
	// BaseURL is the server's address, http or https, with the path under which a proxy may have it. Empty means
	// [DefaultBaseURL].
	BaseURL string

	// HTTPClient sends the requests, none of which takes longer than 30 s. Nil means one with Go's default transport.
	// Redirects are not followed, whatever it says.
	HTTPClient *http.Client

	// Key is the API key, hup_<id>_<secret>, that is sent with every request. Empty sends none, which is enough for a server
	// in development mode.
	Key string

	// UserAgent is sent with every request. Empty means headsup-client.
	UserAgent string
}

// Client is a Headsup server, seen from afar. It is safe for concurrent use.
type Client struct {
	base  string // without a slash at the end
	http  http.Client
	agent string
	key   string
}

// New makes a client. It does not call the server; the error is about the configuration.
func New(cfg Config) (*Client, error) {
	base := cmp.Or(cfg.BaseURL, DefaultBaseURL)
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: base URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("client: base URL %q is not an http or https URL", base)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("client: base URL %q must be scheme, host and path only", u.Redacted())
	case strings.ContainsFunc(cfg.Key, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("client: the key has characters that no key has") // and is a secret
	case strings.ContainsFunc(cfg.UserAgent, control):
		return nil, fmt.Errorf("client: user agent %q has control characters", cfg.UserAgent)
	}
	c := &Client{base: strings.TrimRight(u.String(), "/"), agent: cmp.Or(cfg.UserAgent, "headsup-client"), key: cfg.Key}
	if cfg.HTTPClient != nil {
		c.http = *cfg.HTTPClient
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// CallOption changes one call.
type CallOption func(*call)

type call struct {
	key string
}

// IdempotencyKey names what is created, in up to 255 characters: the same key with the same request is accepted once and
// answered the same for at least 24 hours, with another request it is refused with [api.CodeKeyReused]. It protects
// over several calls and restarts of the caller; an empty key is as good as none.
func IdempotencyKey(key string) CallOption {
	return func(c *call) { c.key = key }
}

// Error is what the server answered instead of what was asked for. Get at it with [errors.As].
type Error struct {
	// Problem is the server's own description. Status is always set; Code is empty when something else answered, such
	// as a proxy.
	Problem api.Problem
	// RetryAfter is how long the server asks to wait before the next try. 0 when it did not say.
	RetryAfter time.Duration
}

// Error returns the problem's sentence for people.
func (e *Error) Error() string {
	if e.Problem.Code == "" {
		return e.Problem.Detail
	}
	return e.Problem.Detail + " (" + e.Problem.Code + ")"
}

// control reports whether a character cannot be in a header.
func control(r rune) bool { return r < ' ' || r == 0x7f }
