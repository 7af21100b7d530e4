package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
)

func copyWebhook(w event.Webhook) event.Webhook {
	w.Types, w.Secrets = slices.Clone(w.Types), slices.Clone(w.Secrets)
	return w
}

// own finds a webhook of an app. The store's lock is held.
func (l *eventTables) own(appID string, id event.WebhookID) (*webhook, error) {
	w, ok := l.webhooks[id]
	if !ok || w.AppID != appID {
		return nil, event.ErrNotFound
	}
	return w, nil
}

// CreateWebhook implements [event.Store].
func (s *Store) CreateWebhook(_ context.Context, w event.Webhook) (event.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w = copyWebhook(w)
	w.Cursor, w.Dropped = s.events.last, 0
	if s.events.webhooks[w.ID] != nil {
		return w, fmt.Errorf("memory: webhook %s exists", w.ID)
	}
	s.events.webhooks[w.ID] = &webhook{Webhook: w, posts: make(map[event.ID]*post)}
	return copyWebhook(w), nil
}

// Webhook implements [event.Store].
func (s *Store) Webhook(_ context.Context, appID string, id event.WebhookID) (event.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.events.own(appID, id)
	if err != nil {
		return event.Webhook{}, err
	}
	return copyWebhook(w.Webhook), nil
}

// Webhooks implements [event.Store].
func (s *Store) Webhooks(_ context.Context, appID string) ([]event.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []event.Webhook
	for _, w := range s.events.webhooks {
		if w.AppID == appID {
			found = append(found, copyWebhook(w.Webhook))
		}
	}
	slices.SortFunc(found, func(a, b event.Webhook) int { return cmp.Compare(a.ID, b.ID) })
	return found, nil
}

// ChangeWebhook implements [event.Store].
func (s *Store) ChangeWebhook(
	_ context.Context, appID string, id event.WebhookID, change func(*event.Webhook) error,
) (event.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.events.own(appID, id)
	if err != nil {
		return event.Webhook{}, err
	}
	next := copyWebhook(w.Webhook)
	if err := change(&next); err != nil {
		return next, err
	}
	next.ID, next.AppID, next.Tenant, next.CreatedAt = w.ID, w.AppID, w.Tenant, w.CreatedAt
	next.Cursor, next.Dropped = w.Cursor, w.Dropped
	w.Webhook = next
	return copyWebhook(next), nil
}

// DeleteWebhook implements [event.Store].
func (s *Store) DeleteWebhook(_ context.Context, appID string, id event.WebhookID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.events.own(appID, id); err != nil {
		return err
	}
	delete(s.events.webhooks, id)
	return nil
}

func (p *post) copy() event.Post {
	c := p.Post
	c.Event = copyEvent(c.Event)
	c.Attempts = slices.Clone(c.Attempts)
	return c
}

// Work implements [event.Store].
func (s *Store) Work(_ context.Context, id event.WebhookID, now time.Time, limit int) (event.Work, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.events.webhooks[id]
	if !ok {
		return event.Work{}, event.ErrNotFound
	}
	work := event.Work{Through: w.Cursor}
	for _, p := range w.posts {
		switch {
		case p.Delivered:
		case !p.NextAt.After(now):
			work.Again = append(work.Again, p.copy())
		case work.Next.IsZero() || p.NextAt.Before(work.Next):
			work.Next = p.NextAt
		}
	}
	slices.SortFunc(work.Again, func(a, b event.Post) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.Event.ID, b.Event.ID))
	})
	work.Again = work.Again[:min(limit, len(work.Again))]
	for _, e := range s.events.after(w.Cursor) {
		if len(work.Again)+len(work.Fresh) == limit {
			break
		}
		work.Through = e.ID
		if _, posted := w.posts[e.ID]; w.Covers(&e) && !posted {
			work.Fresh = append(work.Fresh, copyEvent(e))
		}
	}
	return work, nil
}

// RecordPost implements [event.Store].
func (s *Store) RecordPost(_ context.Context, o event.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.events.webhooks[o.Webhook]
	if !ok {
		return event.ErrNotFound
	}
	if e, kept := s.events.event(o.Event); kept {
		p := w.posts[o.Event]
		if p == nil {
			p = &post{Post: event.Post{Event: e}}
			w.posts[o.Event] = p
		}
		p.Tries++
		p.Attempts = append(p.Attempts, o.Attempt)
		p.Attempts = p.Attempts[max(0, len(p.Attempts)-event.KeepAttempts):]
		p.Delivered, p.NextAt, p.away = o.NextAt.IsZero(), o.NextAt, o.Away
	}
	w.health(o)
	return nil
}

// health notes what an attempt tells of its webhook.
func (w *webhook) health(o event.Outcome) {
	if o.NextAt.IsZero() {
		if w.FailingSince.IsZero() && w.Away == 0 {
			return
		}
		for _, p := range w.posts {
			if w.Away >= event.Outage && !p.Delivered && p.away && p.NextAt.After(o.Attempt.At) {
				p.NextAt = o.Attempt.At
			}
		}
		w.FailingSince, w.Away, w.NotBefore = time.Time{}, 0, time.Time{}
		return
	}
	if w.FailingSince.IsZero() {
		w.FailingSince = o.Attempt.At
	}
	if o.Away {
		w.Away++
	}
	if o.NotBefore.After(w.NotBefore) {
		w.NotBefore = o.NotBefore
	}
	if o.Disable != "" && w.Disabled == "" {
		w.Disabled, w.DisabledAt = o.Disable, o.Attempt.At
	}
}

// Advance implements [event.Store].
func (s *Store) Advance(_ context.Context, id event.WebhookID, through event.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.events.webhooks[id]
	if !ok {
		return event.ErrNotFound
	}
	w.Cursor = max(w.Cursor, through)
	return nil
}

// Posts implements [event.Store].
func (s *Store) Posts(
	_ context.Context, appID string, id event.WebhookID, before event.ID, limit int,
) ([]event.Post, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.events.own(appID, id)
	if err != nil {
		return nil, err
	}
	var found []event.Post
	for _, p := range w.posts {
		if before == 0 || p.Event.ID < before {
			found = append(found, p.copy())
		}
	}
	slices.SortFunc(found, func(a, b event.Post) int { return cmp.Compare(b.Event.ID, a.Event.ID) })
	return found[:min(limit, len(found))], nil
}

// ReplayEvent implements [event.Store].
func (s *Store) ReplayEvent(_ context.Context, appID string, id event.WebhookID, e event.ID, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.events.own(appID, id)
	if err != nil {
		return err
	}
	kept, ok := s.events.event(e)
	if !ok || kept.AppID != appID || w.Tenant != "" && w.Tenant != kept.Tenant {
		return event.ErrNotFound
	}
	w.again(kept, now)
	s.events.signal()
	return nil
}

// again makes a post due, whatever became of it.
func (w *webhook) again(e event.Event, now time.Time) {
	p := w.posts[e.ID]
	if p == nil {
		p = &post{Post: event.Post{Event: copyEvent(e)}}
		w.posts[e.ID] = p
	}
	p.Delivered, p.NextAt, p.away = false, now, false
}

// ReplaySince implements [event.Store].
func (s *Store) ReplaySince(
	_ context.Context, appID string, id event.WebhookID, since, now time.Time,
) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.events.own(appID, id)
	if err != nil {
		return 0, err
	}
	for _, e := range s.events.log {
		if w.Covers(&e) && !e.At.Before(since) {
			w.again(e, now)
			n++
		}
	}
	s.events.signal()
	return n, nil
}
