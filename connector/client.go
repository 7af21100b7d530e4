package connector

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/backoff"
)

// TokenSource provides the bearer token for a request. It is called for every request, from many goroutines, and is
// expected to keep tokens until they expire.
type TokenSource interface {
	Token(ctx context.Context, req TokenRequest) (string, error)
}

// TokenRequest says what a token is for.
type TokenRequest struct {
	// Host is where the token will be sent: lower case, with the port unless it is 443. It has passed Config.AllowHost.
	Host string
}

// TokenInvalidator is implemented by a TokenSource that can replace a token before it expires. Invalidate is called with
// a token that the service refused; the next call of Token must not return it. It may be called many times with one
// token.
type TokenInvalidator interface {
	Invalidate(token string)
}

// ErrNoToken is in the chain of the error for a call that was not made, or not made again, since there was no token for it.
var ErrNoToken = errors.New("no token")

// TokenFunc is a function as a TokenSource.
type TokenFunc func(ctx context.Context, req TokenRequest) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context, req TokenRequest) (string, error) { return f(ctx, req) }

// Config describes a Client. The zero value is a client that sends no tokens.
type Config struct {
	// TokenSource provides bearer tokens. Nil sends requests without an Authorization header.
	TokenSource TokenSource

	// AllowHost decides whether a service URL may have this host: lower case, with the port unless it is 443. Nil means
	// MicrosoftHost when there is a TokenSource, and every host when there is none.
	AllowHost func(host string) bool

	// AllowAddr decides whether to connect to an address, once a host was resolved. Nil means PublicAddr.
	AllowAddr func(addr netip.Addr) bool

	// AllowLoopback accepts service URLs on this machine, with http too. It is for development and tests.
	AllowLoopback bool

	// Timeout bounds a whole call: the token, the connection, the answer and its body. Zero means 10s.
	Timeout time.Duration

	// MaxResponse bounds the bytes read of an answer that only acknowledges or complains. Zero means 64 KiB.
	MaxResponse int64

	// MaxContent bounds the bytes read of an answer that was asked for its content: rosters and attachments. Zero means
	// 8 MiB.
	MaxContent int64

	// MaxConns bounds the connections to one host; as many are kept open while idle. Zero means 256.
	MaxConns int

	// UserAgent is sent with every request. Empty means "Headsup".
	UserAgent string

	// RootCAs are the authorities that certificates are checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Resolver looks up hosts. Nil means that of the system.
	Resolver *net.Resolver

	// Transport replaces the client's own, and with it the check of addresses. It is for tests.
	Transport http.RoundTripper

	// Logger receives one debug line per request, without tokens and bodies. Nil discards it.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.AllowHost == nil {
		c.AllowHost = MicrosoftHost
		if c.TokenSource == nil {
			c.AllowHost = func(string) bool { return true }
		}
	}
	if c.AllowAddr == nil {
		c.AllowAddr = PublicAddr
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxResponse == 0 {
		c.MaxResponse = 64 << 10
	}
	if c.MaxContent == 0 {
		c.MaxContent = 8 << 20
	}
	if c.MaxConns == 0 {
		c.MaxConns = 256
	}
	if c.UserAgent == "" {
		c.UserAgent = "Headsup"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Timeout < 0:
		return errors.New("Timeout is negative")
	case c.MaxResponse < 0:
		return errors.New("MaxResponse is negative")
	case c.MaxContent < 0:
		return errors.New("MaxContent is negative")
	case c.MaxConns < 0:
		return errors.New("MaxConns is negative")
	}
	return nil
}

// Client calls the Connector API. It is safe for concurrent use; make one and keep it, since it keeps connections.
type Client struct {
	cfg       Config
	transport http.RoundTripper
	services  services
	headers   atomic.Pointer[headers] // the last that were used
}

// New returns a client. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("connector: %w", err)
	}
	c := &Client{cfg: cfg, transport: cfg.Transport}
	if c.transport == nil {
		c.transport = newTransport(cfg)
	}
	return c, nil
}

// CloseIdleConnections closes the connections that no call is using.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Call is one request to a service URL. Most have a method of Client; this is for those that only one channel has.
type Call struct {
	// Op says what is being done, for errors and logs.
	Op string
	// Method is the HTTP method. All but GET count as having an effect.
	Method string
	// ServiceURL is the base, with or without a trailing slash.
	ServiceURL string
	// Path is appended to the base. Each {placeholder} in it takes one of IDs, escaped as one segment; its name is used
	// when the id is refused.
	Path string
	IDs  []string
	// Query is appended, encoded.
	Query url.Values
	// Body is sent as JSON unless it is nil. A [jsontext.Value] is sent as it is.
	Body any
}

func (call Call) encode() ([]byte, error) {
	switch body := call.Body.(type) {
	case nil:
		return nil, nil
	case jsontext.Value:
		return body, nil
	default:
		return json.Marshal(body)
	}
}

// Call makes the call and, unless result is nil, reads the JSON of the answer into result. The error is an *Error.
func (c *Client) Call(ctx context.Context, call Call, result any) error {
	limit := c.cfg.MaxContent
	if result == nil {
		limit = c.cfg.MaxResponse
	}
	got, err := c.do(ctx, call, limit)
	if err != nil || result == nil {
		return err
	}
	return call.content(got, result)
}

// content reads the content that an answer was asked for.
func (call Call) content(got answer, result any) error {
	err := got.readError
	switch {
	case got.tooLarge:
		err = errors.New("answer too large")
	case err == nil:
		err = json.Unmarshal(got.body, result, lenient)
	}
	if err == nil {
		return nil
	}
	failed := &Error{Op: call.Op, Status: got.status, Class: ClassRetry, CorrelationID: correlationID(got.header), Err: fmt.Errorf("read answer: %w", err)}
	if call.effect() { // the status said that it was done
		failed.Class, failed.MaybeDelivered = ClassDoNotRetryPost, true
	}
	return failed
}

func (call Call) effect() bool { return call.Method != http.MethodGet }

// acknowledge makes a call whose answer matters for an id at most. The status alone tells success: a body that is
// empty, broken or nonsense leaves result as it is (Teams answers some sends without one).
func (c *Client) acknowledge(ctx context.Context, call Call, result any) error {
	got, err := c.do(ctx, call, c.cfg.MaxResponse)
	if err != nil || result == nil {
		return err
	}
	if sent, ok := result.(*activity.ResourceResponse); ok {
		if id, ok := got.id(); ok {
			sent.ID = id
			return nil
		}
	}
	got.hint(result)
	return nil
}

// do makes a call and returns its answer if the status tells success, or is one of those in also.
func (c *Client) do(ctx context.Context, call Call, limit int64, also ...int) (answer, error) {
	to, err := c.target(call.ServiceURL, call.Path, call.IDs, call.Query)
	if err != nil {
		return answer{}, call.refused(err)
	}
	body, err := call.encode()
	if err != nil {
		return answer{}, call.refused(fmt.Errorf("encode body: %w", err))
	}
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > c.cfg.Timeout { // the caller's may be tighter
		bounded, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
		ctx = bounded
	}
	token, err := c.token(ctx, to)
	if err != nil {
		return answer{}, &Error{Op: call.Op, Class: ClassRetry, Scope: ScopeBot, Err: err}
	}
	got, err := c.send(ctx, call, to, body, token, limit)
	if err != nil {
		return answer{}, err
	}
	replaced := false
	if got.status == http.StatusUnauthorized && token != "" {
		if source, ok := c.cfg.TokenSource.(TokenInvalidator); ok {
			replaced = true
			source.Invalidate(token)
			fresh, err := c.token(ctx, to)
			if err != nil {
				return answer{}, &Error{Op: call.Op, Status: got.status, Class: ClassRetry, Scope: ScopeBot, Err: err}
			}
			if fresh != token {
				token = fresh
				if got, err = c.send(ctx, call, to, body, token, limit); err != nil {
					return answer{}, err
				}
			}
		}
	}
	if !got.success() && !slices.Contains(also, got.status) {
		return answer{}, call.failed(got, token, replaced)
	}
	return got, nil
}

func (c *Client) token(ctx context.Context, to target) (string, error) {
	if c.cfg.TokenSource == nil {
		return "", nil
	}
	token, err := c.cfg.TokenSource.Token(ctx, TokenRequest{Host: to.host})
	if err != nil {
		return "", fmt.Errorf("%w for %s: %w", ErrNoToken, to.host, err)
	}
	if token == "" {
		return "", fmt.Errorf("%w for %s: the source returned none", ErrNoToken, to.host)
	}
	return token, nil
}

// refused is the error for a call that was not made.
func (call Call) refused(err error) error {
	return &Error{Op: call.Op, Class: ClassPermanent, Err: err}
}

// failed is the error for an answer that tells failure. The body is a stranger's: the token is taken out of it first.
func (call Call) failed(got answer, token string, replaced bool) error {
	body := got.body
	if token != "" {
		body = bytes.ReplaceAll(body, []byte(token), []byte("[token]"))
	}
	said := readComplaint(body)
	r := ruleFor(got.status, said.subCode, said.code)
	e := &Error{
		Op:             call.Op,
		Status:         got.status,
		Code:           said.code,
		SubCode:        said.subCode,
		Message:        said.message,
		Class:          r.class,
		Scope:          r.scope,
		RetryAfter:     backoff.RetryAfter(got.header, time.Now()),
		MaybeDelivered: r.maybe && call.effect(),
		CorrelationID:  correlationID(got.header),
		Host:           r.host,
	}
	switch {
	case r.class == ClassRefreshToken && replaced:
		e.Class = ClassPermanent
	case r.class == ClassDoNotRetryPost && !call.effect():
		e.Class = ClassRetry // nothing can be done twice
	}
	return e
}

// send makes one HTTP request and reads the answer. It is the only place that talks to the network.
func (c *Client) send(ctx context.Context, call Call, to target, body []byte, token string, limit int64) (answer, error) {
	start := time.Now()
	content := newContent(body)
	if body == nil && call.effect() {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { content.begun.Store(true) }})
	}
	req, err := c.request(ctx, call.Method, to.url(), content, token)
	if err != nil {
		return answer{}, call.refused(err)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		c.cfg.Logger.DebugContext(ctx, "connector request failed", "op", call.Op, "host", to.host, "elapsed", time.Since(start), "error", err)
		return answer{}, call.broken(ctx, err, content.begun.Load())
	}
	got := answer{status: resp.StatusCode, header: resp.Header}
	got.body, got.readError = io.ReadAll(io.LimitReader(resp.Body, limit+1)) // to the end, so that the connection can be used again
	_ = resp.Body.Close()
	if int64(len(got.body)) > limit {
		got.body, got.tooLarge = got.body[:limit], true
	}
	if c.cfg.Logger.Enabled(ctx, slog.LevelDebug) { // a line per request costs, even when nobody reads it
		c.cfg.Logger.DebugContext(ctx, "connector request", "op", call.Op, "host", to.host, "status", got.status,
			"elapsed", time.Since(start), "correlation", correlationID(got.header))
	}
	return got, nil
}

func (c *Client) request(ctx context.Context, method string, to *url.URL, body *content, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, "", nil)
	if err != nil {
		return nil, err
	}
	if body.all != nil { // it has no GetBody: without it net/http cannot send a body twice
		req.Body, req.ContentLength = body, body.Size()
	}
	req.URL, req.Host, req.Header = to, to.Host, c.header(token, req.Body != nil)
	return req, nil
}

// headers are those of requests with a token, or without one if it is empty. Transports do not change them
// ([http.RoundTripper]), so all requests share them.
type headers struct {
	token          string
	content, plain http.Header
}

// header is what a request says of itself.
func (c *Client) header(token string, content bool) http.Header {
	h := c.headers.Load()
	if h == nil || h.token != token {
		h = &headers{token: token, plain: http.Header{"Accept": {"application/json"}, "User-Agent": {c.cfg.UserAgent}}}
		if token != "" {
			h.plain.Set("Authorization", "Bearer "+token)
		}
		h.content = h.plain.Clone()
		h.content.Set("Content-Type", "application/json; charset=utf-8")
		c.headers.Store(h)
	}
	if content {
		return h.content
	}
	return h.plain
}

// broken is the error for a request without an answer. Until the request was written nothing can have happened.
func (call Call) broken(ctx context.Context, err error, written bool) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	e := &Error{Op: call.Op, Class: ClassRetry, MaybeDelivered: written && call.effect(), Err: err}
	if errors.Is(err, ErrAddressBlocked) {
		e.Class = ClassPermanent
	}
	return e
}
