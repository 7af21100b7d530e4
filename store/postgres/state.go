package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/state"
)

// ReadState implements [state.Store].
func (s *Store) ReadState(ctx context.Context, keys []state.Key) (map[state.Key]state.Document, error) {
	found := make(map[state.Key]state.Document, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	apps, tenants, paths := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		apps[i], tenants[i], paths[i] = k.AppID, string(k.Tenant), k.Path
	}
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		clear(found)
		rows, err := q.Query(ctx, `SELECT s.app_id, s.tenant_id, s.path, s.value, s.version
			FROM unnest($1::text[], $2::text[], $3::text[]) AS k (app_id, tenant_id, path)
			JOIN state s ON s.app_id = k.app_id AND s.tenant_id = k.tenant_id AND s.path = k.path`, apps, tenants, paths)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k state.Key
			var value []byte
			var version int64
			if err := rows.Scan(&k.AppID, (*string)(&k.Tenant), &k.Path, &value, &version); err != nil {
				return err
			}
			found[k] = state.Document{Value: value, ETag: strconv.FormatInt(version, 10)}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// WriteState implements [state.Store].
func (s *Store) WriteState(ctx context.Context, writes []state.Write) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error { return t.writeState(ctx, writes) })
}

// writeState makes the writes in their order. Each is one statement that looks and writes, so that nobody comes between;
// one that finds another version than it wants ends the transaction.
func (t *tx) writeState(ctx context.Context, writes []state.Write) error {
	if len(writes) == 0 {
		return nil
	}
	var b pgx.Batch
	met := make([]bool, len(writes))
	for i, w := range writes {
		statement, args, ok := writeOf(w)
		if !ok {
			return state.ErrConflict // no version looks like that
		}
		b.Queue(statement, args...).Query(func(r pgx.Rows) error {
			met[i] = r.Next()
			r.Close()
			return r.Err()
		})
	}
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	for _, ok := range met {
		if !ok {
			return state.ErrConflict
		}
	}
	return nil
}

const whereDocument = " WHERE app_id = $1 AND tenant_id = $2 AND path = $3"

// writeOf is the statement for a write, which returns a row if what it wants was met.
func writeOf(w state.Write) (statement string, args []any, ok bool) {
	args = []any{w.Key.AppID, string(w.Key.Tenant), w.Key.Path}
	set := len(w.Value) > 0
	if set {
		args = append(args, []byte(w.Value))
	}
	const insert = "INSERT INTO state AS s (app_id, tenant_id, path, value, version) VALUES ($1, $2, $3, $4, nextval('versions'))"
	switch w.ETag {
	case "*":
		if set {
			return insert + ` ON CONFLICT (app_id, tenant_id, path) DO UPDATE SET value = excluded.value, version = excluded.version
				RETURNING true`, args, true
		}
		return "WITH gone AS (DELETE FROM state" + whereDocument + ") SELECT true", args, true
	case "":
		if set {
			return insert + " ON CONFLICT DO NOTHING RETURNING true", args, true
		}
		return "SELECT true WHERE NOT EXISTS (SELECT FROM state" + whereDocument + ")", args, true
	}
	version, err := strconv.ParseInt(w.ETag, 10, 64)
	if err != nil || strconv.FormatInt(version, 10) != w.ETag {
		return "", nil, false
	}
	args = append(args, version)
	if set {
		return "UPDATE state SET value = $4, version = nextval('versions')" + whereDocument + " AND version = $5 RETURNING true", args, true
	}
	return "DELETE FROM state" + whereDocument + " AND version = $4 RETURNING true", args, true
}
