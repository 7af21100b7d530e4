package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/internal/signed"
)

// What may be wrong with an attempt. The words do not change.
const (
	wrongAddress    = "address_blocked"
	wrongConnection = "connection_failed"
	wrongDNS        = "dns"
	wrongGone       = "gone"
	wrongRedirect   = "redirect"
	wrongRefused    = "refused"
	wrongReset      = "reset"
	wrongThrottled  = "throttled"
	wrongTimeout    = "timeout"
	wrongTLS        = "tls"
)

// longestAnswer is how much of an answer is read, so that its connection can be used again. It is not looked at.
const longestAnswer = 64 << 10

// slowPart is the part of the timeout, as its divisor, from which on a failure is slow.
const slowPart = 3

// answer is what came of a request.
type answer struct {
	event.Attempt
	retryAfter time.Duration
	// slow: it took long to say that it is out of order, so that to ask it for every event would hold up all of them.
	slow bool
}

// away reports whether the answer, or its absence, tells that it is better to post nothing there for a while.
func (a answer) away() bool {
	switch a.Error {
	case "", wrongGone, wrongRedirect, wrongRefused:
		return a.slow
	}
	return true
}

// post makes one request and waits for its answer.
func (s *Service) post(ctx context.Context, w *event.Webhook, id string, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	a := answer{Attempt: event.Attempt{At: s.cfg.Now()}}
	began := time.Now()
	status, header, err := s.request(ctx, w, id, a.At, body)
	a.Status, a.LatencyMS = status, time.Since(began).Milliseconds()
	switch {
	case err != nil:
		a.Error = wordOf(err)
	case status < 200, status >= 300:
		a.Error = wordOfStatus(status)
		a.retryAfter = backoff.RetryAfter(header, s.cfg.Now())
		a.slow = status >= http.StatusInternalServerError && time.Since(began) >= s.cfg.Timeout/slowPart
	}
	return a
}

func (s *Service) request(
	ctx context.Context, w *event.Webhook, id string, at time.Time, body []byte,
) (status int, header http.Header, err error) {
	secrets, err := secretsOf(w, at)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", s.cfg.UserAgent)
	signed.Headers(r.Header, secrets, id, at, body)
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, longestAnswer) // the status has been given; the rest changes nothing
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header, nil
}

// secretsOf are the secrets that a webhook has now.
func secretsOf(w *event.Webhook, now time.Time) ([]signed.Secret, error) {
	var secrets []signed.Secret
	for _, one := range w.Secrets {
		if !one.Until.IsZero() && !now.Before(one.Until) {
			continue
		}
		secret, err := signed.ParseSecret(one.Text)
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", w.ID, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func wordOfStatus(status int) string {
	switch status {
	case http.StatusGone:
		return wrongGone
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return wrongThrottled
	}
	if status >= 300 && status < 400 {
		return wrongRedirect
	}
	return wrongRefused
}

func wordOf(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, netguard.ErrAddressBlocked):
		return wrongAddress
	case errors.As(err, &dns):
		return wrongDNS
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		return wrongTLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return wrongTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return wrongReset
	}
	return wrongConnection
}

// Test posts an event of type webhook.test, once and at once, and tells what was answered. It works on a disabled
// webhook too, and changes nothing.
func (s *Service) Test(ctx context.Context, id event.WebhookID) (event.Attempt, error) {
	w, err := s.Webhook(ctx, id)
	if err != nil {
		return event.Attempt{}, err
	}
	test := event.Event{ID: event.ID(ident.New()), Type: api.EventWebhookTest, At: s.cfg.Now()}
	if test.Data, err = event.Encode(map[string]string{"webhook": w.ID.String()}); err != nil {
		return event.Attempt{}, err
	}
	body, err := test.JSON()
	if err != nil {
		return event.Attempt{}, err
	}
	return s.post(ctx, &w, test.ID.String(), body).Attempt, nil
}
