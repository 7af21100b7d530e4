// Package graph makes the few calls of Microsoft Graph that a bot needs to reach people who never wrote to it: who somebody
// is, which app of the catalog the bot is, whether it is installed for a person or a team, to install it there, the chat that
// this makes, and who is in a group.
//
//	g, err := graph.New(graph.Config{Tokens: tokens})
//	app, err := g.App(ctx, manifestID)
//	person, err := g.User(ctx, "nadia@contoso.example")
//	err = g.Install(ctx, graph.ForUser(person.ID), app.ID)
//	installed, err := g.Installation(ctx, graph.ForUser(person.ID), app.ID)
//	chat, err := g.Chat(ctx, person.ID, installed)
//
// A [Client] speaks to one tenant, the one that its tokens are of. It waits where Graph asks for it, tries again what may be
// repeated, and says in an [Error] which permission is missing. Paths and answers are those of "Microsoft Graph REST API
// v1.0"; what an installation takes is in "Proactive installation of apps using Graph API to send messages".
package graph

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// The addresses of Graph, by cloud ("Microsoft Graph national cloud deployments").
const (
	Public     = "https://graph.microsoft.com"
	Government = "https://graph.microsoft.us"
	Defense    = "https://dod-graph.microsoft.us"
	China      = "https://microsoftgraph.chinacloudapi.cn"
)

// Scope is what tokens for a Graph at an address are asked for.
func Scope(base string) string { return strings.TrimSuffix(base, "/") + "/.default" }

// Tokens gives the bearer token for a tenant's Graph; *credential.Source implements it. Invalidate is told of one that was
// refused.
type Tokens interface {
	Token(ctx context.Context) (string, error)
	Invalidate(token string)
}

// Config makes a [Client].
type Config struct {
	// Tokens are required.
	Tokens Tokens

	// BaseURL is where Graph is. Empty means [Public].
	BaseURL string

	// Timeout bounds one request. Zero means 10 s.
	Timeout time.Duration

	// Attempts is how often a call is made at most, where Graph is busy or cannot be reached. Zero means 4.
	Attempts int

	// Patience is the longest wait that Graph may ask for; a longer one is an error at once. Zero means 30 s.
	Patience time.Duration

	// RootCAs are the authorities that Graph's certificate is checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// AllowLoopback lets BaseURL lead to this machine, for tests.
	AllowLoopback bool

	// Logger receives structured logs, without tokens and without what is asked about people. Nil discards them.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = Public
	}
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Attempts == 0 {
		c.Attempts = 4
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	base, err := url.Parse(c.BaseURL)
	switch {
	case c.Tokens == nil:
		return errors.New("Tokens are missing")
	case err != nil || base.Scheme != "https" || !netguard.PlainHost(base.Hostname()) || base.User != nil || base.Path != "":
		return fmt.Errorf("BaseURL is %q, want https and a host", c.BaseURL)
	case c.Timeout < 0 || c.Attempts < 0 || c.Patience < 0:
		return errors.New("Timeout, Attempts and Patience must not be negative")
	}
	return nil
}

// Client calls Graph. Make it with [New]; safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
}

// New makes a client. Nothing is called by it.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("graph: config: %w", err)
	}
	return &Client{cfg, &http.Client{
		Transport:     netguard.Transport(netguard.Config{RootCAs: cfg.RootCAs, AllowLoopback: cfg.AllowLoopback, MaxConns: 16, HTTP2: true}),
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// retries are the waits where Graph says none.
var retries = backoff.Policy{Base: 500 * time.Millisecond, Min: 100 * time.Millisecond, Max: 10 * time.Second}

// maxAnswer bounds the bytes of an answer.
const maxAnswer = 8 << 20

// call is one of Graph's operations.
type call struct {
	name   string // for errors: "install the app for a user"
	method string
	url    string // whole
	body   any    // nil for none
	needs  []string
}

// at is the address of a path whose parts are given one by one, with a query.
func (c *Client) at(query url.Values, segments ...string) string {
	var b strings.Builder
	b.WriteString(c.cfg.BaseURL + "/v1.0")
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	if len(query) > 0 {
		b.WriteString("?" + strings.ReplaceAll(query.Encode(), "+", "%20"))
	}
	return b.String()
}

// do makes a call until it is answered, and reads the answer into out unless that is nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return fmt.Errorf("graph: %s: %w", k.name, err)
		}
	}
	renewed := false
	for attempt := 1; ; attempt++ {
		token, err := c.cfg.Tokens.Token(ctx)
		if err != nil {
			return &Error{Op: k.name, Err: err}
		}
		failed := c.once(ctx, k, token, body, out)
		if failed == nil {
			return nil
		}
		if failed.Status == http.StatusUnauthorized && !renewed {
			renewed = true
			c.cfg.Tokens.Invalidate(token)
			continue
		}
		wait := failed.RetryAfter
		switch {
		case !failed.busy() || attempt >= c.cfg.Attempts || wait > c.cfg.Patience || ctx.Err() != nil:
			return failed
		case wait == 0:
			wait = retries.Wait(attempt)
		}
		c.cfg.Logger.DebugContext(ctx, "graph is asked again", "op", k.name, "status", failed.Status, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return failed
		}
	}
}

// once makes one request.
func (c *Client) once(ctx context.Context, k call, token string, body []byte, out any) *Error {
	request, err := http.NewRequestWithContext(ctx, k.method, k.url, bytes.NewReader(body))
	if err != nil {
		return &Error{Op: k.name, Err: err}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Headsup")
	if k.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return &Error{Op: k.name, Err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return refusal(k, answer, content)
	case err != nil:
		return &Error{Op: k.name, Status: answer.StatusCode, Err: err}
	case len(content) > maxAnswer:
		return &Error{Op: k.name, Status: answer.StatusCode, Err: errors.New("the answer is too long")}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(content, out, jsontext.AllowDuplicateNames(true)); err != nil {
		return &Error{Op: k.name, Status: answer.StatusCode, Err: fmt.Errorf("the answer cannot be read: %w", err)}
	}
	return nil
}
