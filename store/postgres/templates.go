package postgres

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/template"
)

const templateColumns = "id, app_id, tenant_id, name, number, source, created_at, ended_at, deleted"

func scanTemplate(r pgx.CollectableRow) (v template.Version, err error) {
	err = r.Scan(&v.ID, &v.AppID, &v.Tenant, &v.Name, &v.Number, (*[]byte)(&v.Source), &v.CreatedAt, (*optionalTime)(&v.EndedAt), &v.Deleted)
	return v, err
}

func templatesOf(ctx context.Context, q querier, which string, args ...any) ([]template.Version, error) {
	rows, err := q.Query(ctx, "SELECT "+templateColumns+" FROM templates "+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanTemplate)
}

// oneTemplate is the one that is asked for.
func oneTemplate(ctx context.Context, q querier, which string, args ...any) (template.Version, error) {
	found, err := templatesOf(ctx, q, which, args...)
	switch {
	case err != nil:
		return template.Version{}, err
	case len(found) == 0:
		return template.Version{}, template.ErrNotFound
	}
	return found[0], nil
}

const currentTemplate = "WHERE app_id = $1 AND tenant_id = $2 AND name = $3 AND ended_at IS NULL"

// lockTemplates makes changes of templates one after another.
func (t *tx) lockTemplates(ctx context.Context) error {
	_, err := t.Exec(ctx, "LOCK TABLE templates IN SHARE ROW EXCLUSIVE MODE")
	return err
}

// PutTemplate implements [template.Store].
func (s *Store) PutTemplate(ctx context.Context, v template.Version, most int) (kept template.Version, made bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		kept, made = template.Version{}, false
		if err := t.lockTemplates(ctx); err != nil {
			return err
		}
		current, err := templatesOf(ctx, t, currentTemplate, v.AppID, v.Tenant, v.Name)
		if err != nil {
			return err
		}
		if len(current) > 0 && bytes.Equal(current[0].Source, v.Source) {
			kept, t.idle = current[0], true
			return nil
		}
		var have, last int
		if err := t.QueryRow(ctx, `SELECT (SELECT count(*) FROM templates WHERE app_id = $1 AND tenant_id = $2 AND ended_at IS NULL),
				(SELECT coalesce(max(number), 0) FROM templates WHERE app_id = $1 AND tenant_id = $2 AND name = $3)`,
			v.AppID, v.Tenant, v.Name).Scan(&have, &last); err != nil {
			return err
		}
		if len(current) == 0 && have >= most {
			return template.ErrTooMany
		}
		var b pgx.Batch
		b.Queue("UPDATE templates SET ended_at = $4 "+currentTemplate, v.AppID, v.Tenant, v.Name, exact(v.CreatedAt))
		b.Queue(`INSERT INTO templates (id, app_id, tenant_id, name, number, source, created_at, deleted)
			VALUES ($1, $2, $3, $4, $5, $6, $7, false)`, v.ID, v.AppID, v.Tenant, v.Name, last+1, []byte(v.Source), exact(v.CreatedAt))
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		made = true
		kept, err = oneTemplate(ctx, t, "WHERE id = $1", v.ID)
		return err
	})
	if err != nil {
		return template.Version{}, false, err
	}
	return kept, made, nil
}

// Template implements [template.Store].
func (s *Store) Template(ctx context.Context, appID string, tenant activity.TenantID, name string, number int) (v template.Version, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		if number == 0 {
			v, err = oneTemplate(ctx, q, currentTemplate, appID, tenant, name)
			return err
		}
		v, err = oneTemplate(ctx, q, "WHERE app_id = $1 AND tenant_id = $2 AND name = $3 AND number = $4 AND NOT deleted", appID, tenant, name, number)
		return err
	})
	return v, err
}

// TemplateByID implements [template.Store].
func (s *Store) TemplateByID(ctx context.Context, appID string, id template.ID) (v template.Version, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		v, err = oneTemplate(ctx, q, "WHERE id = $1 AND app_id = $2", id, appID)
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
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found, err = templatesOf(ctx, q, "WHERE app_id = $1 AND tenant_id = $2 AND ended_at IS NULL AND id < $3 ORDER BY id DESC LIMIT $4",
			appID, tenant, before, limit)
		return err
	})
	return found, err
}

// TemplateVersions implements [template.Store].
func (s *Store) TemplateVersions(
	ctx context.Context, appID string, tenant activity.TenantID, name string, before, limit int,
) (found []template.Version, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found, err = templatesOf(ctx, q, `WHERE app_id = $1 AND tenant_id = $2 AND name = $3 AND number < $4 AND NOT deleted
			ORDER BY number DESC LIMIT $5`, appID, tenant, name, before, limit)
		if err == nil && len(found) == 0 { // the last page is no error, a name that is not there is
			_, err = oneTemplate(ctx, q, currentTemplate, appID, tenant, name)
		}
		return err
	})
	return found, err
}

// DeleteTemplate implements [template.Store].
func (s *Store) DeleteTemplate(ctx context.Context, appID string, tenant activity.TenantID, name string, at time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.lockTemplates(ctx); err != nil {
			return err
		}
		if _, err := oneTemplate(ctx, t, currentTemplate, appID, tenant, name); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `UPDATE templates SET deleted = true, ended_at = $4
			WHERE app_id = $1 AND tenant_id = $2 AND name = $3 AND NOT deleted`, appID, tenant, name, exact(at))
		return err
	})
}

// PurgeTemplates implements [template.Store].
func (s *Store) PurgeTemplates(ctx context.Context, appID string, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		gone, err := t.Exec(ctx, `DELETE FROM templates WHERE id IN (SELECT id FROM templates WHERE deleted AND app_id = $1 AND ended_at < $2
			AND ended_at < coalesce((SELECT created_at FROM messages ORDER BY id LIMIT 1), 'infinity') LIMIT $3)`, appID, exact(before), limit)
		n = int(gone.RowsAffected())
		t.idle = n == 0
		return err
	})
	return n, err
}
