package sqlite

import "context"

// Setting returns a stored setting and whether there is one.
func (s *Store) Setting(ctx context.Context, name string) (value string, found bool, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err = c.one(func(r row) { value = r.text(0) }, "SELECT value FROM settings WHERE name = ?", text(name))
		return err
	})
	return value, found, err
}

// SetSettingOnce stores a setting unless there is one with that name, and returns the one that is stored. It is for what
// an installation makes up once and must keep, such as secrets.
func (s *Store) SetSettingOnce(ctx context.Context, name, value string) (stored string, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		if _, err := t.exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
			text(name), text(value)); err != nil {
			return err
		}
		_, err := t.one(func(r row) { stored = r.text(0) }, "SELECT value FROM settings WHERE name = ?", text(name))
		return err
	})
	return stored, err
}

// SetSetting stores a setting, whether there was one with that name or not.
func (s *Store) SetSetting(ctx context.Context, name, value string) error {
	return s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			text(name), text(value))
		return err
	})
}

// SwapSetting replaces a setting that is as it was, and reports whether it did.
func (s *Store) SwapSetting(ctx context.Context, name, was, value string) (swapped bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		n, err := t.exec("UPDATE settings SET value = ? WHERE name = ? AND value = ?", text(value), text(name), text(was))
		swapped = n > 0
		return err
	})
	return swapped && err == nil, err
}
