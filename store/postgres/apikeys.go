package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/access"
)

const keyColumns = `number, id, app_id, name, scopes, hash, rate_per_minute, created_by, created_at, expires_at, revoked_at,
	last_used_at, tenant_id`

func scanAPIKey(r pgx.CollectableRow) (k access.Key, err error) {
	var scopes string
	var hash []byte
	if err := r.Scan(&k.Row, &k.ID, &k.AppID, &k.Name, &scopes, &hash, &k.RatePerMinute, (*optionalText)(&k.CreatedBy),
		&k.CreatedAt, (*optionalTime)(&k.ExpiresAt), (*optionalTime)(&k.RevokedAt), (*optionalTime)(&k.LastUsedAt), (*optionalText)(&k.Tenant)); err != nil {
		return access.Key{}, err
	}
	if len(hash) != len(k.Hash) {
		return access.Key{}, fmt.Errorf("the hash of key %s has %d bytes", k.ID, len(hash))
	}
	copy(k.Hash[:], hash)
	if k.Scopes, err = access.ParseScopes(strings.Fields(scopes)); err != nil {
		return access.Key{}, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return k, nil
}

func apiKeys(ctx context.Context, q querier, query string, args ...any) ([]access.Key, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanAPIKey)
}

// apiKey is the one key that a statement gives, or [access.ErrNotFound].
func apiKey(ctx context.Context, q querier, query string, args ...any) (access.Key, error) {
	found, err := apiKeys(ctx, q, query, args...)
	switch {
	case err != nil:
		return access.Key{}, err
	case len(found) == 0:
		return access.Key{}, access.ErrNotFound
	}
	return found[0], nil
}

// CreateAPIKey implements [access.Store]. Keys are made one after another, so that their rows grow as they come to be
// seen.
func (s *Store) CreateAPIKey(ctx context.Context, k access.Key) (stored access.Key, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		stored, err = apiKey(ctx, t, `INSERT INTO api_keys (id, app_id, name, scopes, hash, rate_per_minute, created_by,
				created_at, expires_at, revoked_at, last_used_at, tenant_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING RETURNING `+keyColumns,
			k.ID, k.AppID, k.Name, k.Scopes.String(), k.Hash[:], k.RatePerMinute, optionalText(k.CreatedBy),
			exact(k.CreatedAt), optionalTime(exact(k.ExpiresAt)), optionalTime(exact(k.RevokedAt)), optionalTime(exact(k.LastUsedAt)),
			optionalText(k.Tenant))
		if errors.Is(err, access.ErrNotFound) { // nothing was inserted
			err = access.ErrExists
		}
		return err
	})
	if err != nil {
		return access.Key{}, err
	}
	return stored, nil
}

// APIKey implements [access.Store].
func (s *Store) APIKey(ctx context.Context, appID, id string) (k access.Key, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		k, err = apiKey(ctx, q, "SELECT "+keyColumns+" FROM api_keys WHERE id = $1 AND app_id = $2", id, appID)
		return err
	})
	return k, err
}

// APIKeys implements [access.Store].
func (s *Store) APIKeys(ctx context.Context, appID string, after int64, limit int) (found []access.Key, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		found, err = apiKeys(ctx, q, "SELECT "+keyColumns+
			" FROM api_keys WHERE app_id = $1 AND number > $2 ORDER BY number LIMIT $3", appID, after, limit)
		return err
	})
	return found, err
}

// RevokeAPIKey implements [access.Store].
func (s *Store) RevokeAPIKey(ctx context.Context, appID, id string, at time.Time) (k access.Key, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		k, err = apiKey(ctx, t, `UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE id = $1 AND app_id = $2
			RETURNING `+keyColumns, id, appID, exact(at))
		return err
	})
	if err != nil {
		return access.Key{}, err
	}
	return k, nil
}

// TouchAPIKeys implements [access.Store].
func (s *Store) TouchAPIKeys(ctx context.Context, appID string, used map[string]time.Time) error {
	ids, at := make([]string, 0, len(used)), make([]time.Time, len(used))
	for id := range used {
		ids = append(ids, id)
	}
	slices.Sort(ids) // so that nodes do not wait for each other in a circle
	for i, id := range ids {
		at[i] = exact(used[id])
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "SELECT 1 FROM api_keys WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", ids); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, u.at)
			FROM unnest($2::text[], $3::timestamptz[]) u (id, at) WHERE k.id = u.id AND k.app_id = $1`, appID, ids, at)
		return err
	})
}
