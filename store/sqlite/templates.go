package sqlite

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/template"
)

const selectTemplate = "SELECT id, app_id, tenant_id, name, number, source, created_at, ended_at, deleted FROM templates "

func scanTemplate(r row) template.Version {
	return template.Version{
		ID: template.ID(r.int(0)), AppID: r.text(1), Tenant: activity.TenantID(r.text(2)), Name: r.text(3), Number: int(r.int(4)),
		Source: r.bytes(5), CreatedAt: r.time(6), EndedAt: r.time(7), Deleted: r.bool(8),
	}
}

func templatesOf(q lister, which string, args ...any) (found []template.Version, err error) {
	err = q.each(func(r row) error {
		found = append(found, scanTemplate(r))
		return nil
	}, selectTemplate+which, args...)
	return found, err
}

// oneTemplate is the one that is asked for.
func oneTemplate(q lister, which string, args ...any) (template.Version, error) {
	found, err := templatesOf(q, which, args...)
	switch {
	case err != nil:
		return template.Version{}, err
	case len(found) == 0:
		return template.Version{}, template.ErrNotFound
	}
	return found[0], nil
}

// PutTemplate implements [template.Store].
func (s *Store) PutTemplate(ctx context.Context, v template.Version, most int) (kept template.Version, made bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		kept, made = template.Version{}, false
		whose := []any{text(v.AppID), text(v.Tenant), text(v.Name)}
		current, err := templatesOf(t, "WHERE app_id = ? AND tenant_id = ? AND name = ? AND ended_at = 0", whose...)
		if err != nil {
			return err
		}
		if len(current) > 0 && bytes.Equal(current[0].Source, v.Source) {
			kept = current[0]
			return nil
		}
		have, last := int64(0), int64(0)
		if _, err := t.one(func(r row) { last = r.int(0) }, "SELECT max(number) FROM templates WHERE app_id = ? AND tenant_id = ? AND name = ?",
			whose...); err != nil {
			return err
		}
		if len(current) == 0 {
			if _, err := t.one(func(r row) { have = r.int(0) }, "SELECT count(*) FROM templates WHERE app_id = ? AND tenant_id = ? AND ended_at = 0",
				whose[:2]...); err != nil {
				return err
			}
			if have >= int64(most) {
				return template.ErrTooMany
			}
		} else if _, err := t.exec("UPDATE templates SET ended_at = ? WHERE id = ?", v.CreatedAt, int64(current[0].ID)); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO templates (id, app_id, tenant_id, name, number, source, created_at, ended_at, deleted)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)`, int64(v.ID), whose[0], whose[1], whose[2], last+1, []byte(v.Source), v.CreatedAt); err != nil {
			return err
		}
		made = true
		kept, err = oneTemplate(t, "WHERE id = ?", int64(v.ID))
		return err
	})
	if err != nil {
		return template.Version{}, false, err
	}
	return kept, made, nil
}

// Template implements [template.Store].
func (s *Store) Template(ctx context.Context, appID string, tenant activity.TenantID, name string, number int) (v template.Version, err error) {
	err = s.read(ctx, func(c *conn) error {
		if number == 0 {
			v, err = oneTemplate(c, "WHERE app_id = ? AND tenant_id = ? AND name = ? AND ended_at = 0", text(appID), text(tenant), text(name))
			return err
		}
		v, err = oneTemplate(c, "WHERE app_id = ? AND tenant_id = ? AND name = ? AND number = +? AND deleted = 0",
			text(appID), text(tenant), text(name), number)
		return err
	})
	return v, err
}

// TemplateByID implements [template.Store].
func (s *Store) TemplateByID(ctx context.Context, appID string, id template.ID) (v template.Version, err error) {
	err = s.read(ctx, func(c *conn) error {
		v, err = oneTemplate(c, "WHERE id = ? AND +app_id = ?", int64(id), text(appID))
		return err
	})
	return v, err
}

// Templates implements [template.Store].
func (s *Store) Templates(
	ctx context.Context, appID string, tenant activity.TenantID, before template.ID, limit int,
) (found []template.Version, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = templatesOf(c, "WHERE app_id = ? AND tenant_id = ? AND ended_at = 0 AND id < +? ORDER BY id DESC LIMIT +?",
			text(appID), text(tenant), int64(before), limit)
		return err
	})
	return found, err
}

// TemplateVersions implements [template.Store].
func (s *Store) TemplateVersions(
	ctx context.Context, appID string, tenant activity.TenantID, name string, before, limit int,
) (found []template.Version, err error) {
	from := before
	if before == 0 {
		from = math.MaxInt64
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = templatesOf(c, `WHERE app_id = ? AND tenant_id = ? AND name = ? AND number < +? AND deleted = 0
			ORDER BY number DESC LIMIT +?`, text(appID), text(tenant), text(name), from, limit)
		if err == nil && len(found) == 0 { // the last page is no error, a name that is not there is
			_, err = oneTemplate(c, "WHERE app_id = ? AND tenant_id = ? AND name = ? AND ended_at = 0", text(appID), text(tenant), text(name))
		}
		return err
	})
	return found, err
}

// DeleteTemplate implements [template.Store].
func (s *Store) DeleteTemplate(ctx context.Context, appID string, tenant activity.TenantID, name string, at time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		if _, err := oneTemplate(t, "WHERE app_id = ? AND tenant_id = ? AND name = ? AND ended_at = 0",
			text(appID), text(tenant), text(name)); err != nil {
			return err
		}
		_, err := t.exec("UPDATE templates SET deleted = 1, ended_at = ? WHERE app_id = ? AND tenant_id = ? AND name = ? AND deleted = 0",
			at, text(appID), text(tenant), text(name))
		return err
	})
}

// PurgeTemplates implements [template.Store].
func (s *Store) PurgeTemplates(ctx context.Context, appID string, before time.Time, limit int) (n int, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		gone, err := t.exec(`DELETE FROM templates WHERE id IN (SELECT id FROM templates WHERE deleted = 1 AND +app_id = ? AND ended_at < ?
			AND ended_at < ifnull((SELECT created_at FROM messages ORDER BY id LIMIT 1), ended_at + 1) LIMIT +?)`, text(appID), before, limit)
		n = int(gone)
		return err
	})
	return n, err
}
