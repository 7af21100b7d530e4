package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/event"
)

// Bound returns a view of the service for one tenant of a channel, which must not be empty. It reads what happened there, and
// knows the webhooks that were made with it, which are told no more. Whatever else there is, it does not find. The service
// posts to its webhooks; the view itself is not run. The view of a view stays bound as it was.
func (s *Service) Bound(tenant activity.TenantID) *Service {
	if tenant == "" {
		panic("webhook: a service is bound to no tenant")
	}
	if _, bound := s.cfg.Store.(tenantStore); bound {
		return s
	}
	cfg := s.cfg
	cfg.Store = tenantStore{s.cfg.Store, tenant}
	return &Service{cfg, s.works}
}

// errTenantless is what a view says to what only the service itself does, for all tenants.
var errTenantless = errors.New("webhook: this is not done for one tenant")

// tenantStore is what of a store is one tenant's. It embeds nothing, so that every method which a store gets has to be bound
// here, or refused.
type tenantStore struct {
	in     event.Store
	tenant activity.TenantID
}

var _ event.Store = tenantStore{}

// Wanted implements [event.Store]. What is wanted is so for all tenants.
func (s tenantStore) Wanted(appID string, types ...event.Type) bool {
	return s.in.Wanted(appID, types...)
}

// Want implements [event.Store].
func (s tenantStore) Want(ctx context.Context, appID string, types []event.Type, until time.Time) error {
	return s.in.Want(ctx, appID, types, until)
}

// LastEvent implements [event.Store]. It is a time.
func (s tenantStore) LastEvent(ctx context.Context) (event.ID, error) { return s.in.LastEvent(ctx) }

// Events implements [event.Store]. What is not the tenant's is there without what happened, so that readers get on.
func (s tenantStore) Events(ctx context.Context, appID string, after event.ID, limit int) ([]event.Event, error) {
	found, err := s.in.Events(ctx, appID, after, limit)
	for i := range found {
		if found[i].Tenant != s.tenant {
			found[i] = event.Event{ID: found[i].ID, AppID: appID}
		}
	}
	return found, err
}

// EventNews implements [event.Store].
func (s tenantStore) EventNews() <-chan struct{} { return nil }

// DropEvents implements [event.Store].
func (tenantStore) DropEvents(context.Context, time.Time, time.Time) (bool, error) {
	return false, errTenantless
}

// CreateWebhook implements [event.Store].
func (s tenantStore) CreateWebhook(ctx context.Context, w event.Webhook) (event.Webhook, error) {
	all, err := s.in.Webhooks(ctx, w.AppID)
	if err != nil {
		return w, err
	}
	if len(all) >= MaxWebhooks || len(s.own(all)) >= MaxTenantWebhooks {
		return w, ErrTooMany
	}
	w.Tenant = s.tenant
	return s.in.CreateWebhook(ctx, w)
}

// own leaves out what is not the tenant's.
func (s tenantStore) own(all []event.Webhook) []event.Webhook {
	return slices.DeleteFunc(slices.Clone(all), func(w event.Webhook) bool { return w.Tenant != s.tenant })
}

// Webhook implements [event.Store].
func (s tenantStore) Webhook(ctx context.Context, appID string, id event.WebhookID) (event.Webhook, error) {
	w, err := s.in.Webhook(ctx, appID, id)
	if err == nil && w.Tenant != s.tenant {
		return event.Webhook{}, event.ErrNotFound
	}
	return w, err
}

// Webhooks implements [event.Store].
func (s tenantStore) Webhooks(ctx context.Context, appID string) ([]event.Webhook, error) {
	all, err := s.in.Webhooks(ctx, appID)
	return s.own(all), err
}

// ChangeWebhook implements [event.Store]. Whose a webhook is never changes.
func (s tenantStore) ChangeWebhook(
	ctx context.Context, appID string, id event.WebhookID, change func(*event.Webhook) error,
) (event.Webhook, error) {
	if w, err := s.Webhook(ctx, appID, id); err != nil {
		return w, err
	}
	return s.in.ChangeWebhook(ctx, appID, id, change)
}

// DeleteWebhook implements [event.Store].
func (s tenantStore) DeleteWebhook(ctx context.Context, appID string, id event.WebhookID) error {
	if _, err := s.Webhook(ctx, appID, id); err != nil {
		return err
	}
	return s.in.DeleteWebhook(ctx, appID, id)
}

// Work implements [event.Store].
func (tenantStore) Work(context.Context, event.WebhookID, time.Time, int) (event.Work, error) {
	return event.Work{}, errTenantless
}

// RecordPost implements [event.Store].
func (tenantStore) RecordPost(context.Context, event.Outcome) error { return errTenantless }

// Advance implements [event.Store].
func (tenantStore) Advance(context.Context, event.WebhookID, event.ID) error { return errTenantless }

// Posts implements [event.Store].
func (s tenantStore) Posts(
	ctx context.Context, appID string, id event.WebhookID, before event.ID, limit int,
) ([]event.Post, error) {
	if _, err := s.Webhook(ctx, appID, id); err != nil {
		return nil, err
	}
	return s.in.Posts(ctx, appID, id, before, limit)
}

// ReplayEvent implements [event.Store].
func (s tenantStore) ReplayEvent(ctx context.Context, appID string, id event.WebhookID, e event.ID, now time.Time) error {
	if _, err := s.Webhook(ctx, appID, id); err != nil {
		return err
	}
	return s.in.ReplayEvent(ctx, appID, id, e, now)
}

// ReplaySince implements [event.Store].
func (s tenantStore) ReplaySince(ctx context.Context, appID string, id event.WebhookID, since, now time.Time) (int, error) {
	if _, err := s.Webhook(ctx, appID, id); err != nil {
		return 0, err
	}
	return s.in.ReplaySince(ctx, appID, id, since, now)
}
