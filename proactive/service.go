package proactive

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
)

// service is where a channel is called.
type service struct {
	url        string
	source     book.Source
	verifiedAt time.Time
}

// rememberedTenants bounds of how many tenants it is remembered where they were heard from last.
const rememberedTenants = 10_000

// services remembers where authenticated activities of tenants of Microsoft Teams have come from last.
type services struct {
	mu sync.Mutex
	of map[activity.TenantID]service // guarded by mu
}

func (s *services) note(t activity.TenantID, at service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || len(s.of) >= rememberedTenants {
		s.of = make(map[activity.TenantID]service)
	}
	s.of[t] = at
}

func (s *services) last(t activity.TenantID) (service, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.of[t]
	return at, ok
}

// Middleware notes in the reference book where every turn's conversation can be continued, and what its channel tells of what
// was said there ([Receipt]).
func (e *Engine) Middleware() headsup.Middleware {
	note := book.Middleware(e.cfg.Store, e.cfg.Now)
	return func(next headsup.Handler) headsup.Handler {
		next = note(e.welcomes(e.receipts(next)))
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			key, id := t.Key(), t.Identity()
			if key.Channel == activity.ChannelTeams && key.Tenant != "" && id.Kind == auth.KindChannel && !id.Unlisted && !t.Proactive() {
				e.heard.note(key.Tenant, service{t.Reference().ServiceURL, book.SourceClaim, e.cfg.Now()})
			}
			return next.HandleTurn(ctx, t)
		})
	}
}

// newestAtOnce is how many of a tenant's conversations are looked at to find where it is.
const newestAtOnce = 50

// serviceOf is where a tenant of Microsoft Teams is called: where it was heard from last, or else the channel's global URL.
func (e *Engine) serviceOf(ctx context.Context, tenant activity.TenantID) (service, error) {
	at, err := e.heardFrom(ctx, tenant)
	if err == nil && at.url == "" {
		at = service{url: e.cfg.FirstContact.ServiceURL, source: book.SourceConfig}
	}
	return at, err
}

// heardFrom is where an authenticated activity of a tenant of Microsoft Teams has come from last; no URL if that is not known.
func (e *Engine) heardFrom(ctx context.Context, tenant activity.TenantID) (at service, err error) {
	if at, ok := e.heard.last(tenant); ok {
		return at, nil
	}
	found, err := e.cfg.Store.Newest(ctx, e.cfg.AppID, activity.ChannelTeams, tenant, newestAtOnce)
	if err != nil {
		return at, fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, c := range found {
		if c.Source == book.SourceClaim && c.Reach != book.ReachProspective && c.VerifiedAt.After(at.verifiedAt) {
			at = service{c.Reference.ServiceURL, book.SourceClaim, c.VerifiedAt}
		}
	}
	return at, nil
}
