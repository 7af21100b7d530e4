// Package webhook tells others of events: it posts them to the webhooks that want them, signed as Standard Webhooks says,
// and lets readers of the event stream know that there are some.
//
// [Service] is the whole: its methods make and change webhooks, and [Service.Run] posts until its context ends. What is
// posted comes from an [event.Store], which knows what was posted, so that a restart goes on where the last one stopped.
//
// A webhook receives every event of its types at least once, as long as it takes them within the retention. First
// attempts at the events of one conversation are made in their order, one after another; conversations, and webhooks, are
// posted side by side. An event that fails is tried again by itself and holds up nobody; a webhook that cannot be reached
// is tried with one event at a time until something gets through.
package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/netguard"
	"github.com/headsup-bot/headsup/internal/signed"
)

// Config makes a [Service].
type Config struct {
	// AppID is the bot whose events are told.
	AppID string

	// Store is required.
	Store event.Store

	// Private lets webhooks be on this machine and in private networks, with http too. Otherwise they are https, on the
	// public internet.
	Private bool

	// Timeout bounds an attempt, its answer's body included. Zero means 10 s.
	Timeout time.Duration

	// Retention is how long events are kept, and tried. Zero means 3 days.
	Retention time.Duration

	// DisableAfter is how long a webhook may fail without one success before it is disabled. Zero means 5 days.
	DisableAfter time.Duration

	// Parallel is how many events are posted to one webhook at once. Zero means 8.
	Parallel int

	// RootCAs and Resolver are for reaching webhooks; nil means those of the system. Transport replaces what is made of
	// them, and with it the check of addresses; it is for tests.
	RootCAs   *x509.CertPool
	Resolver  *net.Resolver
	Transport http.RoundTripper

	// UserAgent is sent with every request. Empty means "Headsup".
	UserAgent string

	// Logger receives structured logs. Nil discards them. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Retention == 0 {
		c.Retention = 72 * time.Hour
	}
	if c.DisableAfter == 0 {
		c.DisableAfter = 5 * 24 * time.Hour
	}
	if c.Parallel == 0 {
		c.Parallel = 8
	}
	if c.UserAgent == "" {
		c.UserAgent = "Headsup"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Store == nil:
		return errors.New("Store is required")
	case c.Timeout < 0 || c.Timeout > 15*time.Second:
		return fmt.Errorf("Timeout is %v; it must be positive and at most 15s", c.Timeout)
	case c.Retention < time.Minute:
		return fmt.Errorf("Retention is %v; it must be at least a minute", c.Retention)
	case c.DisableAfter < 0:
		return fmt.Errorf("DisableAfter is %v; it must be positive", c.DisableAfter)
	case c.Parallel < 1:
		return fmt.Errorf("Parallel is %d; it must be positive", c.Parallel)
	}
	return nil
}

// Service keeps webhooks and posts events to them. Safe for concurrent use.
type Service struct {
	cfg Config
	*works
}

// works is what all views of a service have in common.
type works struct {
	client  *http.Client
	changed chan struct{} // has a token when there may be another webhook

	mu       sync.Mutex
	watchers map[chan struct{}]struct{} // guarded by mu
}

// New makes a service. It posts nothing until it runs.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("webhook: config: %w", err)
	}
	transport := cfg.Transport
	if transport == nil {
		// All may be on one host, where a slow one must not keep the others waiting for a connection.
		guard := netguard.Config{RootCAs: cfg.RootCAs, Resolver: cfg.Resolver, MaxConns: cfg.Parallel * MaxWebhooks}
		if cfg.Private {
			guard.AllowLoopback, guard.AllowAddr = true, near
		}
		transport = netguard.Transport(guard)
	}
	return &Service{cfg, &works{
		changed: make(chan struct{}, 1), watchers: make(map[chan struct{}]struct{}),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}}, nil
}

// near reports whether an address is public, private or this machine's. Link-local ones, where clouds keep their
// metadata, are not.
func near(addr netip.Addr) bool {
	addr = addr.Unmap()
	return netguard.Public(addr) || addr.IsPrivate() && addr != awsMetadata || addr.IsLoopback()
}

// awsMetadata is the one metadata service with a private address.
var awsMetadata = netip.MustParseAddr("fd00:ec2::254")

// FieldError says which member of a request is wrong, by its name in the API.
type FieldError struct {
	Field, Reason string
}

// Error names the field and the reason.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// ErrTooMany: there are as many webhooks as there may be.
var ErrTooMany = errors.New("webhook: there are too many webhooks")

// MaxWebhooks is how many webhooks there may be, and MaxTenantWebhooks how many of them may be bound to the same tenant.
const (
	MaxWebhooks       = 100
	MaxTenantWebhooks = 10
)

// Request describes a webhook that is to be made.
type Request struct {
	URL         string
	Types       []event.Type
	Description string
	// Secret is the text form of a secret; empty makes one.
	Secret string
}

// Create makes a webhook, which receives what happens from now on.
func (s *Service) Create(ctx context.Context, r Request) (event.Webhook, error) {
	if err := s.checkURL(r.URL); err != nil {
		return event.Webhook{}, err
	}
	if err := checkDescription(r.Description); err != nil {
		return event.Webhook{}, err
	}
	secret := signed.NewSecret()
	if r.Secret != "" {
		var err error
		if secret, err = signed.ParseSecret(r.Secret); err != nil {
			return event.Webhook{}, &FieldError{"secret", `must be "whsec_" and the base64 of 24 to 64 bytes`}
		}
	}
	all, err := s.cfg.Store.Webhooks(ctx, s.cfg.AppID)
	if err != nil {
		return event.Webhook{}, err
	}
	if len(all) >= MaxWebhooks {
		return event.Webhook{}, ErrTooMany
	}
	id := event.WebhookID(ident.New())
	audit.FromContext(ctx).About(id.String())
	w, err := s.cfg.Store.CreateWebhook(ctx, event.Webhook{
		ID: id, AppID: s.cfg.AppID, URL: r.URL, Types: r.Types, Description: r.Description,
		Secrets: []event.Secret{{Text: secret.Text()}}, CreatedAt: s.cfg.Now(),
	})
	s.nudge()
	return w, err
}

// checkDescription refuses what PostgreSQL cannot keep.
func checkDescription(text string) error {
	if strings.Contains(text, "\x00") {
		return &FieldError{"description", "contains NUL"}
	}
	return nil
}

// Webhook returns one, or [event.ErrNotFound].
func (s *Service) Webhook(ctx context.Context, id event.WebhookID) (event.Webhook, error) {
	return s.cfg.Store.Webhook(ctx, s.cfg.AppID, id)
}

// Webhooks returns all, in the order in which they were made.
func (s *Service) Webhooks(ctx context.Context) ([]event.Webhook, error) {
	return s.cfg.Store.Webhooks(ctx, s.cfg.AppID)
}

// Change says what is to be another; nil is what stays.
type Change struct {
	URL         *string
	Types       []event.Type
	Description *string
	Enabled     *bool
}

// Change changes a webhook. One that is enabled begins with a clean record.
func (s *Service) Change(ctx context.Context, id event.WebhookID, c Change) (event.Webhook, error) {
	if c.URL != nil {
		if err := s.checkURL(*c.URL); err != nil {
			return event.Webhook{}, err
		}
	}
	if c.Description != nil {
		if err := checkDescription(*c.Description); err != nil {
			return event.Webhook{}, err
		}
	}
	w, err := s.cfg.Store.ChangeWebhook(ctx, s.cfg.AppID, id, func(w *event.Webhook) error {
		if c.URL != nil && *c.URL != w.URL {
			w.URL, w.Away, w.NotBefore = *c.URL, 0, time.Time{}
		}
		if c.Types != nil {
			w.Types = c.Types
		}
		if c.Description != nil {
			w.Description = *c.Description
		}
		switch {
		case c.Enabled == nil:
		case *c.Enabled && w.Disabled != "":
			w.Disabled, w.DisabledAt, w.FailingSince, w.Away, w.NotBefore = "", time.Time{}, time.Time{}, 0, time.Time{}
		case !*c.Enabled && w.Disabled == "":
			w.Disabled, w.DisabledAt = event.Requested, s.cfg.Now()
		}
		return nil
	})
	s.nudge()
	return w, err
}

// Delete forgets a webhook. A request that is on its way goes its way.
func (s *Service) Delete(ctx context.Context, id event.WebhookID) error {
	err := s.cfg.Store.DeleteWebhook(ctx, s.cfg.AppID, id)
	s.nudge()
	return err
}

// LongestKeep is how long an old secret may be kept.
const LongestKeep = 7 * 24 * time.Hour

// Rotate gives a webhook a new secret, and returns it. Requests are signed with the old ones too for as long as keep
// says, or they would have been.
func (s *Service) Rotate(ctx context.Context, id event.WebhookID, keep time.Duration) (secret string, w event.Webhook, err error) {
	if keep < 0 || keep > LongestKeep {
		return "", w, &FieldError{"keep", "must be at most 168h"}
	}
	secret = signed.NewSecret().Text()
	w, err = s.cfg.Store.ChangeWebhook(ctx, s.cfg.AppID, id, func(w *event.Webhook) error {
		now := s.cfg.Now()
		next := []event.Secret{{Text: secret}}
		for _, old := range w.Secrets {
			if end := now.Add(keep); old.Until.IsZero() || old.Until.After(end) {
				old.Until = end
			}
			if old.Until.After(now) && len(next) < 4 {
				next = append(next, old)
			}
		}
		w.Secrets = next
		return nil
	})
	return secret, w, err
}

// Posts lists what was posted to a webhook before an event, the newest event first.
func (s *Service) Posts(ctx context.Context, id event.WebhookID, before event.ID, limit int) ([]event.Post, error) {
	return s.cfg.Store.Posts(ctx, s.cfg.AppID, id, before, limit)
}

// ReplayEvent posts one event again, as long as it is kept.
func (s *Service) ReplayEvent(ctx context.Context, id event.WebhookID, e event.ID) error {
	return s.cfg.Store.ReplayEvent(ctx, s.cfg.AppID, id, e, s.cfg.Now())
}

// ReplaySince posts everything again that happened since a time and the webhook wants, and returns how many events these
// are.
func (s *Service) ReplaySince(ctx context.Context, id event.WebhookID, since time.Time) (int, error) {
	return s.cfg.Store.ReplaySince(ctx, s.cfg.AppID, id, since, s.cfg.Now())
}

func (s *Service) nudge() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
	s.tell() // those that post look at their webhook again
}

// Watch returns a channel that has a token when there are new events, and a function to stop.
func (s *Service) Watch() (news <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, c)
	}
}

func (s *Service) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// WantFor is how long events go on being written for a reader of the stream who has gone away.
const WantFor = 10 * time.Minute

// Want has events of these types written for a reader of the stream, for [WantFor] from now.
func (s *Service) Want(ctx context.Context, types []event.Type) error {
	return s.cfg.Store.Want(ctx, s.cfg.AppID, types, s.cfg.Now().Add(WantFor))
}

// Last is the last event so far, or one as good to read on from.
func (s *Service) Last(ctx context.Context) (event.ID, error) { return s.cfg.Store.LastEvent(ctx) }

// readAtOnce is how many events are read at once.
const readAtOnce = 100

// Read returns some events of these types after one, in order, and how far it has looked. When that is no further than
// after, there are no more.
func (s *Service) Read(ctx context.Context, types []event.Type, after event.ID) (found []event.Event, through event.ID, err error) {
	page, err := s.cfg.Store.Events(ctx, s.cfg.AppID, after, readAtOnce)
	if err != nil || len(page) == 0 {
		return nil, after, err
	}
	through = page[len(page)-1].ID
	return slices.DeleteFunc(page, func(e event.Event) bool { return !slices.Contains(types, e.Type) }), through, nil
}
