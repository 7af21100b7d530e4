// Package relay is a bot that runs in another process, in any language, as a handler in this one: what people say is
// posted to its messaging endpoint, and what that answers is the turn's answer. What the bot says otherwise it says
// itself, to the channel's Connector API. A notification that is left to the bot is posted there, too, as the event
// ContinueConversation.
//
// [New] makes a [Bot]; its HandleTurn goes into a headsup.Bot, so that conversations are known here, too.
package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/backoff"
)

// Config makes a [Bot].
type Config struct {
	// URL is the bot's messaging endpoint, such as http://localhost:3979/api/messages. Required.
	URL string

	// Patience is how long a bot that does not listen, because it is being restarted, is tried again. Nothing has
	// reached it then. Zero means 3 s.
	Patience time.Duration

	// Token returns the token that the bot is shown with what is posted to it about a service URL. Nil shows none.
	Token func(ctx context.Context, serviceURL string) (string, error)

	// Refused is told of a token that the bot has refused with 401. What was posted is posted once more then, with the token
	// that Token returns next, if that is another. Nil leaves it at the refusal.
	Refused func(token string)

	// RootCAs are the authorities that the bot's certificate is checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Tap is put around the transport, to see what is posted. Nil is none.
	Tap func(http.RoundTripper) http.RoundTripper
}

// Bot is a bot in another process. It implements headsup.Handler. Safe for concurrent use.
type Bot struct {
	url     string
	token   func(ctx context.Context, serviceURL string) (string, error)
	refused func(token string)
	client  *http.Client
	ears    ears
}

// CheckURL checks that a text is the URL of a messaging endpoint.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%q is not an http or https URL such as http://localhost:3979/api/messages", text)
	case u.User != nil || u.Fragment != "":
		return errors.New("must not hold a user or a fragment")
	}
	return nil
}

// New makes a bot. It connects to nothing yet.
func New(cfg Config) (*Bot, error) {
	if err := CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("relay: URL: %w", err)
	}
	if cfg.Patience == 0 {
		cfg.Patience = 3 * time.Second
	}
	transport := &http.Transport{
		Proxy: nil, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	var way http.RoundTripper = patient{transport, cfg.Patience}
	if cfg.Tap != nil {
		way = cfg.Tap(way)
	}
	return &Bot{url: cfg.URL, token: cfg.Token, refused: cfg.Refused, client: &http.Client{
		Transport: way,
		// An endpoint does not move, and a body must not be posted elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes connections that are not used.
func (b *Bot) Close() { b.client.CloseIdleConnections() }

// mostAnswer is the largest answer that is read.
const mostAnswer = 1 << 20

// HandleTurn implements headsup.Handler. A bot that cannot be reached, or answers with a status that is no success, fails
// the turn, except to an invoke, whose sender is told what the bot answered. In a proactive turn the bot gets the event.
func (b *Bot) HandleTurn(ctx context.Context, t *headsup.Turn) error {
	if t.Proactive() {
		return b.continues(ctx, t)
	}
	a := t.Activity()
	status, answer, err := b.post(ctx, a)
	switch {
	case err != nil:
		return err
	case a.Type == activity.TypeInvoke:
		return respond(ctx, t, status, answer)
	case status < 200 || status > 299:
		return fmt.Errorf("relay: the bot answered with status %d", status)
	case a.DeliveryMode == activity.DeliveryExpectReplies:
		return repeat(ctx, t, answer)
	}
	return nil
}

// post gives the bot an activity. A token that the bot refuses is replaced once.
func (b *Bot) post(ctx context.Context, a *activity.Activity) (status int, answer []byte, err error) {
	body, err := activity.Encode(a)
	if err != nil {
		return 0, nil, fmt.Errorf("relay: encode: %w", err)
	}
	token, err := b.tokenFor(ctx, a)
	if err != nil {
		return 0, nil, err
	}
	status, answer, err = b.send(ctx, body, token)
	if err != nil || status != http.StatusUnauthorized || b.refused == nil || token == "" {
		return status, answer, err
	}
	b.refused(token)
	other, err := b.tokenFor(ctx, a)
	if err != nil || other == token {
		return status, answer, err
	}
	return b.send(ctx, body, other)
}

// tokenFor is what the bot is shown with an activity; empty for nothing.
func (b *Bot) tokenFor(ctx context.Context, a *activity.Activity) (string, error) {
	if b.token == nil {
		return "", nil
	}
	token, err := b.token(ctx, a.ServiceURL)
	if err != nil {
		return "", fmt.Errorf("relay: a token for the bot: %w", err)
	}
	return token, nil
}

func (b *Bot) send(ctx context.Context, body []byte, token string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("relay: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Headsup")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("relay: the bot could not be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("relay: read the bot's answer: %w", err)
	case len(answer) > mostAnswer:
		return 0, nil, fmt.Errorf("relay: the bot's answer has more than %d bytes", mostAnswer)
	}
	return resp.StatusCode, answer, nil
}

// respond answers an invoke as the bot did.
func respond(ctx context.Context, t *headsup.Turn, status int, answer []byte) error {
	if t.Activity().DeliveryMode == activity.DeliveryExpectReplies && status < 300 {
		var expected activity.ExpectedReplies
		if json.Unmarshal(answer, &expected) == nil && expected.Activities != nil {
			answer = expected.Body
			if err := say(ctx, t, expected.Activities); err != nil {
				return err
			}
		}
	}
	r := headsup.InvokeResponse{Status: status}
	if v := jsontext.Value(answer); len(v) > 0 {
		if !v.IsValid() {
			return errors.New("relay: the bot's answer to an invoke is not JSON")
		}
		r.Body = v
	}
	t.Respond(r)
	return nil
}

// repeat says what the bot put into its answer.
func repeat(ctx context.Context, t *headsup.Turn, answer []byte) error {
	if len(answer) == 0 {
		return nil // it has replied in the ordinary way
	}
	var expected activity.ExpectedReplies
	if err := json.Unmarshal(answer, &expected); err != nil {
		return fmt.Errorf("relay: the bot's replies are not readable: %w", err)
	}
	return say(ctx, t, expected.Activities)
}

func say(ctx context.Context, t *headsup.Turn, as []*activity.Activity) error {
	for _, a := range as {
		if a == nil {
			continue
		}
		if _, err := t.Send(ctx, a); err != nil {
			return fmt.Errorf("relay: say what the bot replied: %w", err)
		}
	}
	return nil
}

// pauses are how long a bot that does not listen is left alone.
var pauses = backoff.Policy{Base: 200 * time.Millisecond, Min: 100 * time.Millisecond, Max: 500 * time.Millisecond}

// patient tries a bot that does not listen again for a while.
type patient struct {
	*http.Transport
	limit time.Duration
}

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	give := time.NewTimer(p.limit)
	defer give.Stop()
	for try := 1; ; try++ {
		resp, err := p.Transport.RoundTrip(r)
		e, ok := errors.AsType[*net.OpError](err)
		if !ok || e.Op != "dial" || r.GetBody == nil {
			return resp, err
		}
		again := time.NewTimer(pauses.Wait(try))
		select {
		case <-again.C:
		case <-give.C:
			again.Stop()
			return nil, err
		case <-r.Context().Done():
			again.Stop()
			return nil, err
		}
		body, gone := r.GetBody()
		if gone != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = body
	}
}
