package postgres

import "context"

// Setting returns a stored setting and whether there is one.
func (s *Store) Setting(ctx context.Context, name string) (value string, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&value)
		if found = err == nil; notThere(err) {
			return nil
		}
		return err
	})
	return value, found, err
}

// SetSettingOnce stores a setting unless there is one with that name, and returns the one that is stored. It is for what
// an installation makes up once and must keep, such as secrets; of several nodes that do it at once, one decides.
func (s *Store) SetSettingOnce(ctx context.Context, name, value string) (stored string, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, value); err != nil {
			return err
		}
		return t.QueryRow(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&stored)
	})
	return stored, err
}

// SetSetting stores a setting, whether there was one with that name or not.
func (s *Store) SetSetting(ctx context.Context, name, value string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
}

// SwapSetting replaces a setting that is as it was, and reports whether it did. Of several nodes that do it at once, one does.
func (s *Store) SwapSetting(ctx context.Context, name, was, value string) (swapped bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "UPDATE settings SET value = $3 WHERE name = $1 AND value = $2", name, was, value)
		swapped = tag.RowsAffected() > 0
		t.idle = !swapped
		return err
	})
	return swapped && err == nil, err
}
