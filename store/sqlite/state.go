package sqlite

import (
	"context"
	"strconv"

	"github.com/headsup-bot/headsup/state"
)

// ReadState implements [state.Store].
func (s *Store) ReadState(ctx context.Context, keys []state.Key) (map[state.Key]state.Document, error) {
	found := make(map[state.Key]state.Document, len(keys))
	err := s.read(ctx, func(c *conn) error {
		for _, key := range keys {
			if _, err := c.one(func(r row) {
				found[key] = state.Document{Value: r.bytes(0), ETag: etag(r.int(1))}
			}, "SELECT value, version FROM state WHERE app_id = ? AND tenant_id = ? AND path = ?",
				text(key.AppID), text(key.Tenant), text(key.Path)); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// WriteState implements [state.Store].
func (s *Store) WriteState(ctx context.Context, writes []state.Write) error {
	return s.writer.do(ctx, func(t *tx) error { return t.writeState(writes) })
}

func etag(version int64) string {
	if version == 0 {
		return ""
	}
	return strconv.FormatInt(version, 10)
}

func (t *tx) writeState(writes []state.Write) error {
	for _, w := range writes {
		if err := t.checkETag(w); err != nil {
			return err
		}
	}
	for i, w := range writes {
		if i > 0 { // an earlier write may have been of the same document
			if err := t.checkETag(w); err != nil {
				return err
			}
		}
		app, tenant, path := text(w.Key.AppID), text(w.Key.Tenant), text(w.Key.Path)
		if len(w.Value) == 0 {
			if _, err := t.exec("DELETE FROM state WHERE app_id = ? AND tenant_id = ? AND path = ?",
				app, tenant, path); err != nil {
				return err
			}
			continue
		}
		if _, err := t.exec(`INSERT INTO state (app_id, tenant_id, path, value, version) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version`,
			app, tenant, path, []byte(w.Value), t.nextVersion()); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) checkETag(w state.Write) error {
	if w.ETag == "*" {
		return nil
	}
	var version int64
	if _, err := t.one(func(r row) { version = r.int(0) },
		"SELECT version FROM state WHERE app_id = ? AND tenant_id = ? AND path = ?",
		text(w.Key.AppID), text(w.Key.Tenant), text(w.Key.Path)); err != nil {
		return err
	}
	if w.ETag != etag(version) {
		return state.ErrConflict
	}
	return nil
}
