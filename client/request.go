package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// Paths of the API.
const (
	notifications = "/v1/notifications"
	deliveries    = "/v1/deliveries"
	pauses        = "/v1/pauses"
	topics        = "/v1/topics"
	jobs          = "/v1/jobs"
	keys          = "/v1/keys"
	auditLog      = "/v1/audit"
	authRefresh   = "/v1/auth/refresh"
	signingKeys   = "/v1/signing-keys"
)

// Limits of a call.
const (
	attempts     = 4
	perAttempt   = 30 * time.Second
	firstBackoff = 200 * time.Millisecond
	longestWait  = 30 * time.Second // a server that asks for more gets no further attempt
	maxAnswer    = 64 << 20         // bytes; some 100,000 deliveries
	maxProblem   = 1 << 20
	firstPoll    = 50 * time.Millisecond
	slowestPoll  = 2 * time.Second
)

type request struct {
	method, path string
	body         []byte
	key          string // idempotency key
	once         bool   // a repeat of what was done means something else: only what was refused for the moment is repeated
}

// do calls the server until it answers, or it has been tried often enough, and reads the answer into out; nil is for an
// answer without a body.
func (c *Client) do(ctx context.Context, r request, out any) error {
	for n := 1; ; n++ {
		err := c.once(ctx, r, out)
		wait, again := retry(err, n)
		refused := refusedForNow(err)
		if !again || n == attempts || r.once && !refused || ctx.Err() != nil {
			return err
		}
		if sleep(ctx, wait) != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// refusedForNow reports whether the server itself has said that it did nothing and may be asked again.
func refusedForNow(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Problem.Status == http.StatusTooManyRequests || e.Problem.Status == http.StatusServiceUnavailable)
}

// retry reports whether the n-th attempt's error may pass, and how long to wait then. 429 is for keys with a rate; 502 and
// 504 are how a proxy says that it could not reach the server.
func retry(err error, n int) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	backoff := firstBackoff << (n - 1)
	backoff = backoff/2 + rand.N(backoff/2)
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Problem.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
			return max(backoff, e.RetryAfter), e.RetryAfter <= longestWait
		}
		return 0, false
	}
	return backoff, !errors.Is(err, errAnswer)
}

// errAnswer: the server has answered, and the answer is not one of this API.
var errAnswer = errors.New("the answer is not one of a Headsup server")

// introduce says in a request who calls.
func (c *Client) introduce(req *http.Request) {
	req.Header.Set("User-Agent", c.agent)
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
}

func (c *Client) once(ctx context.Context, r request, out any) error {
	ctx, cancel := context.WithTimeout(ctx, perAttempt)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	c.introduce(req)
	if r.method == http.MethodPost || r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problemOf(resp)
	}
	if out == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("%w: it is larger than %d MiB", errAnswer, maxAnswer>>20)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// problemOf reads a refusal, whoever it is from.
func problemOf(resp *http.Response) *Error {
	e := &Error{RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(body, &e.Problem) != nil || e.Problem.Code == "" {
		e.Problem = api.Problem{
			Type: "about:blank", Title: http.StatusText(resp.StatusCode),
			Detail: "answered " + resp.Status + ", which is not an answer of a Headsup server",
		}
	}
	e.Problem.Status = resp.StatusCode
	return e
}

// retryAfter reads the header, seconds or an instant (RFC 9110, section 10.2.3); 0 if it says neither.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
