package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
)

const selectAPIKey = `SELECT number, id, app_id, name, scopes, hash, rate_per_minute, created_by, created_at, expires_at,
	revoked_at, last_used_at, tenant_id FROM api_keys `

func scanAPIKey(r row) (access.Key, error) {
	scopes, err := access.ParseScopes(strings.Fields(r.text(4)))
	k := access.Key{
		Row: r.int(0), ID: r.text(1), AppID: r.text(2), Name: r.text(3), Scopes: scopes, RatePerMinute: int(r.int(6)),
		CreatedBy: r.text(7), CreatedAt: r.time(8), ExpiresAt: r.time(9), RevokedAt: r.time(10), LastUsedAt: r.time(11), Tenant: r.text(12),
	}
	if hash := r.bytes(5); copy(k.Hash[:], hash) != len(k.Hash) || len(hash) != len(k.Hash) {
		return access.Key{}, fmt.Errorf("the hash of key %s has %d bytes", k.ID, len(hash))
	}
	if err != nil {
		return access.Key{}, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return k, nil
}

// CreateAPIKey implements [access.Store].
func (s *Store) CreateAPIKey(ctx context.Context, k access.Key) (stored access.Key, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		var bad error
		if taken, err := t.one(func(row) {}, "SELECT 1 FROM api_keys WHERE id = ?", text(k.ID)); err != nil || taken {
			return cmp.Or(err, access.ErrExists)
		}
		_, err := t.returning(func(r row) { stored, bad = scanAPIKey(r) }, `INSERT INTO api_keys (id, app_id, name, scopes,
				hash, rate_per_minute, created_by, created_at, expires_at, revoked_at, last_used_at, tenant_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			RETURNING number, id, app_id, name, scopes, hash, rate_per_minute, created_by, created_at, expires_at, revoked_at,
				last_used_at, tenant_id`,
			text(k.ID), text(k.AppID), text(k.Name), text(k.Scopes.String()), k.Hash[:], k.RatePerMinute, k.CreatedBy,
			k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt, k.Tenant)
		return cmp.Or(err, bad)
	})
	if err != nil {
		return access.Key{}, err
	}
	return stored, nil
}

// APIKey implements [access.Store].
func (s *Store) APIKey(ctx context.Context, appID, id string) (access.Key, error) {
	found, err := s.apiKeys(ctx, selectAPIKey+"WHERE id = ? AND app_id = ?", text(id), text(appID))
	switch {
	case err != nil:
		return access.Key{}, err
	case len(found) == 0:
		return access.Key{}, access.ErrNotFound
	}
	return found[0], nil
}

// APIKeys implements [access.Store].
func (s *Store) APIKeys(ctx context.Context, appID string, after int64, limit int) ([]access.Key, error) {
	return s.apiKeys(ctx, selectAPIKey+"WHERE app_id = ? AND number > ? ORDER BY number LIMIT +?", text(appID), after, limit)
}

func (s *Store) apiKeys(ctx context.Context, query string, args ...any) ([]access.Key, error) {
	var found []access.Key
	err := s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			k, err := scanAPIKey(r)
			found = append(found, k)
			return err
		}, query, args...)
	})
	return found, err
}

// RevokeAPIKey implements [access.Store].
func (s *Store) RevokeAPIKey(ctx context.Context, appID, id string, at time.Time) (k access.Key, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		var bad error
		found, err := t.one(func(r row) { k, bad = scanAPIKey(r) }, selectAPIKey+"WHERE id = ? AND app_id = ?", text(id), text(appID))
		switch {
		case err != nil || bad != nil:
			return cmp.Or(err, bad)
		case !found:
			return access.ErrNotFound
		case !k.RevokedAt.IsZero():
			return nil
		}
		k.RevokedAt = fromMicros(micros(at))
		_, err = t.exec("UPDATE api_keys SET revoked_at = ? WHERE id = ?", at, text(id))
		return err
	})
	if err != nil {
		return access.Key{}, err
	}
	return k, nil
}

// TouchAPIKeys implements [access.Store].
func (s *Store) TouchAPIKeys(ctx context.Context, appID string, used map[string]time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		for id, at := range used {
			if _, err := t.exec("UPDATE api_keys SET last_used_at = max(last_used_at, ?) WHERE id = ? AND app_id = ?",
				at, text(id), text(appID)); err != nil {
				return err
			}
		}
		return nil
	})
}
