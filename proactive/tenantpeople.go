package proactive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// ListPeople implements [book.Humans].
func (s tenantStore) ListPeople(
	ctx context.Context, appID string, f book.PeopleFilter, after book.PersonRow, limit int,
) ([]book.Person, error) {
	if f.Tenant != "" && f.Tenant != s.tenant {
		return nil, nil
	}
	f.Tenant = s.tenant
	return s.in.ListPeople(ctx, appID, f, after, limit)
}

// Human implements [book.Humans]. Whom somebody was merged with in other tenants is not told.
func (s tenantStore) Human(ctx context.Context, appID string, row book.PersonRow) ([]book.Person, error) {
	found, err := s.in.Human(ctx, appID, row)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p book.Person) bool { return p.Tenant != s.tenant })
	if !slices.ContainsFunc(found, func(p book.Person) bool { return p.Row == row }) {
		return nil, book.ErrNobody
	}
	return found, nil
}

// ours is nil if people, and all whom they were merged with, are of the tenant.
func (s tenantStore) ours(ctx context.Context, appID string, rows []book.PersonRow) error {
	for _, row := range rows {
		found, err := s.in.Human(ctx, appID, row)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(p book.Person) bool { return p.Tenant != s.tenant }) {
			return book.ErrNobody
		}
	}
	return nil
}

// oursIn is nil for a conversation of the tenant, if whom it is with, and all whom they were merged with, are of it too.
func (s tenantStore) oursIn(ctx context.Context, key headsup.ConversationKey) error {
	c, err := s.Conversation(ctx, key)
	if err != nil || c.Person() == "" {
		return err
	}
	found, err := s.ListPeople(ctx, key.AppID, book.PeopleFilter{Channel: key.Channel, PersonKey: book.PersonKey{User: c.Person()}}, 0, 1)
	if err != nil || len(found) == 0 {
		return err
	}
	if err := s.ours(ctx, key.AppID, []book.PersonRow{found[0].Row}); !errors.Is(err, book.ErrNobody) {
		return err
	}
	return book.ErrNotFound
}

// Merge implements [book.Humans].
func (s tenantStore) Merge(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) ([]book.Person, error) {
	if err := s.ours(ctx, appID, rows); err != nil {
		return nil, err
	}
	return s.in.Merge(ctx, appID, rows, at)
}

// Split implements [book.Humans].
func (s tenantStore) Split(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) error {
	if err := s.ours(ctx, appID, rows); err != nil {
		return err
	}
	return s.in.Split(ctx, appID, rows, at)
}

// Prefer implements [book.Preferrer]. What somebody wants goes for whomever they were merged with, so these must be of the tenant.
func (s tenantStore) Prefer(ctx context.Context, w book.Whose, c book.PreferenceChange) (book.Preferred, error) {
	if w.Person == 0 {
		if err := s.oursIn(ctx, w.Key); err != nil {
			return book.Preferred{}, err
		}
	} else if err := s.ours(ctx, w.AppID, []book.PersonRow{w.Person}); err != nil {
		return book.Preferred{}, err
	}
	return s.in.Prefer(ctx, w, c)
}

// PreferencesOf implements [book.Preferrer].
func (s tenantStore) PreferencesOf(ctx context.Context, appID string, row book.PersonRow) (book.Preferences, error) {
	if _, err := s.Human(ctx, appID, row); err != nil {
		return book.Preferences{}, err
	}
	return s.in.PreferencesOf(ctx, appID, row)
}

// Sending implements [outbox.Store]. Nobody outside names rows: these are of conversations whose preferences were changed.
func (s tenantStore) Sending(ctx context.Context, in []book.Row) ([]outbox.Running, error) {
	return s.in.Sending(ctx, in)
}
