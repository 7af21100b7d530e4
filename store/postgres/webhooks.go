package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/event"
)

const selectWebhook = `SELECT id, app_id, url, types, description, secrets, created_at, disabled, disabled_at, cursor, away,
	not_before, failing_since, dropped, tenant_id FROM webhooks `

func scanWebhook(r pgx.CollectableRow) (w event.Webhook, err error) {
	var types, secrets []byte
	if err := r.Scan(&w.ID, &w.AppID, &w.URL, &types, &w.Description, &secrets, &w.CreatedAt, &w.Disabled,
		(*optionalTime)(&w.DisabledAt), &w.Cursor, &w.Away, (*optionalTime)(&w.NotBefore), (*optionalTime)(&w.FailingSince),
		&w.Dropped, &w.Tenant); err != nil {
		return w, err
	}
	if err := errors.Join(json.Unmarshal(types, &w.Types), json.Unmarshal(secrets, &w.Secrets)); err != nil {
		return w, fmt.Errorf("webhook %s: %w", w.ID, err)
	}
	return w, nil
}

func webhooks(ctx context.Context, q querier, which string, args ...any) ([]event.Webhook, error) {
	rows, err := q.Query(ctx, selectWebhook+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanWebhook)
}

// webhook is one webhook, or [event.ErrNotFound].
func webhook(ctx context.Context, q querier, which string, args ...any) (event.Webhook, error) {
	found, err := webhooks(ctx, q, which, args...)
	switch {
	case err != nil:
		return event.Webhook{}, err
	case len(found) == 0:
		return event.Webhook{}, event.ErrNotFound
	}
	return found[0], nil
}

// ownWebhook is one of an app, locked.
func (t *tx) ownWebhook(ctx context.Context, appID string, id event.WebhookID) (event.Webhook, error) {
	return webhook(ctx, t, "WHERE id = $1 AND app_id = $2 FOR UPDATE", id, appID)
}

// webhookArgs are the columns that may change, in the order of writeWebhook.
func webhookArgs(w *event.Webhook) ([]any, error) {
	types, err := json.Marshal(w.Types)
	if err != nil {
		return nil, fmt.Errorf("postgres: webhook: %w", err)
	}
	secrets, err := json.Marshal(w.Secrets)
	if err != nil {
		return nil, fmt.Errorf("postgres: webhook: %w", err)
	}
	return []any{
		w.ID, w.URL, types, w.Description, secrets, w.Disabled, optionalTime(exact(w.DisabledAt)), w.Away,
		optionalTime(exact(w.NotBefore)), optionalTime(exact(w.FailingSince)),
	}, nil
}

// writeWebhook replaces a webhook, all but its cursor and what was dropped.
func (t *tx) writeWebhook(ctx context.Context, w *event.Webhook) error {
	args, err := webhookArgs(w)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE webhooks SET url = $2, types = $3, description = $4, secrets = $5, disabled = $6,
		disabled_at = $7, away = $8, not_before = $9, failing_since = $10 WHERE id = $1`, args...)
	return err
}

// CreateWebhook implements [event.Store]. What was written before gets its id first, so that it is before the cursor.
func (s *Store) CreateWebhook(ctx context.Context, w event.Webhook) (event.Webhook, error) {
	err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		w.Dropped = 0
		if w.Cursor, err = t.numberAll(ctx); err != nil {
			return err
		}
		args, err := webhookArgs(&w)
		if err != nil {
			return err
		}
		if _, err := t.Exec(ctx, `INSERT INTO webhooks (id, url, types, description, secrets, disabled, disabled_at, away,
				not_before, failing_since, app_id, created_at, cursor, tenant_id, dropped)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0)`,
			append(args, w.AppID, exact(w.CreatedAt), w.Cursor, w.Tenant)...); err != nil {
			return err
		}
		return t.rewant(ctx)
	})
	return exactWebhook(w), err
}

// exactWebhook is w as it comes back from the database.
func exactWebhook(w event.Webhook) event.Webhook {
	for _, at := range []*time.Time{&w.CreatedAt, &w.DisabledAt, &w.NotBefore, &w.FailingSince} {
		*at = exact(*at)
	}
	return w
}

// Webhook implements [event.Store].
func (s *Store) Webhook(ctx context.Context, appID string, id event.WebhookID) (w event.Webhook, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		w, err = webhook(ctx, q, "WHERE app_id = $1 AND id = $2", appID, id)
		return err
	})
	return w, err
}

// Webhooks implements [event.Store].
func (s *Store) Webhooks(ctx context.Context, appID string) (found []event.Webhook, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found, err = webhooks(ctx, q, "WHERE app_id = $1 ORDER BY id", appID)
		return err
	})
	return found, err
}

// ChangeWebhook implements [event.Store].
func (s *Store) ChangeWebhook(
	ctx context.Context, appID string, id event.WebhookID, change func(*event.Webhook) error,
) (w event.Webhook, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		before, err := t.ownWebhook(ctx, appID, id)
		if err != nil {
			return err
		}
		w = before
		if err := change(&w); err != nil {
			return err
		}
		w.ID, w.AppID, w.Tenant, w.CreatedAt = before.ID, before.AppID, before.Tenant, before.CreatedAt
		w.Cursor, w.Dropped = before.Cursor, before.Dropped
		if err := t.writeWebhook(ctx, &w); err != nil {
			return err
		}
		return t.rewant(ctx)
	})
	return exactWebhook(w), err
}

// DeleteWebhook implements [event.Store].
func (s *Store) DeleteWebhook(ctx context.Context, appID string, id event.WebhookID) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.ownWebhook(ctx, appID, id); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "DELETE FROM webhooks WHERE id = $1", id); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "DELETE FROM webhook_posts WHERE webhook = $1", id); err != nil {
			return err
		}
		return t.rewant(ctx)
	})
}

// LeaseWebhook implements [event.Leasing]. The lease is a row's, by the database's clock; it is written when half of it
// has gone.
func (s *Store) LeaseWebhook(ctx context.Context, id event.WebhookID, lease time.Duration) (mine bool, left time.Duration, err error) {
	const look = `SELECT coalesce(owner = $2, false), greatest(owner_until, clock_timestamp()) - clock_timestamp() FROM webhooks WHERE id = $1`
	scan := func(r pgx.Row) error {
		err := r.Scan(&mine, &left)
		if notThere(err) {
			return event.ErrNotFound
		}
		return err
	}
	if err := s.read(ctx, func(ctx context.Context, q querier) error { return scan(q.QueryRow(ctx, look, id, s.bus.node)) }); err != nil {
		return false, 0, err
	}
	if mine && left > lease/2 || !mine && left > 0 {
		return mine, left, nil
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, `UPDATE webhooks SET owner = $2, owner_until = clock_timestamp() + $3
			WHERE id = $1 AND (owner = $2 OR owner_until <= clock_timestamp())`, id, s.bus.node, lease); err != nil {
			return err
		}
		return scan(t.QueryRow(ctx, look, id, s.bus.node))
	})
	return mine && err == nil, left, err
}

// ReleaseWebhook implements [event.Leasing].
func (s *Store) ReleaseWebhook(ctx context.Context, id event.WebhookID) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "UPDATE webhooks SET owner = '', owner_until = '-infinity' WHERE id = $1 AND owner = $2", id, s.bus.node)
		if tag.RowsAffected() > 0 {
			t.postsChange()
		}
		return err
	})
}

const postColumns = "p.delivered, p.next_at, p.tries, p.attempts"

func scanPost(r pgx.CollectableRow) (p event.Post, err error) {
	var attempts []byte
	if p.Event, err = scanEvent(r, &p.Delivered, (*optionalTime)(&p.NextAt), &p.Tries, &attempts); err != nil {
		return p, err
	}
	if p.Delivered {
		p.NextAt = time.Time{}
	}
	if err := json.Unmarshal(attempts, &p.Attempts); err != nil {
		return p, fmt.Errorf("attempts at event %s: %w", p.Event.ID, err)
	}
	return p, nil
}

func posts(ctx context.Context, q querier, which string, args ...any) ([]event.Post, error) {
	rows, err := q.Query(ctx, "SELECT "+eventColumns+", "+postColumns+" FROM webhook_posts p JOIN events e ON e.id = p.event "+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanPost)
}

// scanAtOnce is how many events are looked at for those that a webhook wants.
const scanAtOnce = 256

// Work implements [event.Store].
func (s *Store) Work(ctx context.Context, id event.WebhookID, now time.Time, limit int) (work event.Work, err error) {
	if err := s.number(ctx); err != nil {
		return work, err
	}
	now = exact(now)
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		work = event.Work{}
		w, err := webhook(ctx, q, "WHERE id = $1", id)
		if err != nil {
			return err
		}
		if work.Again, err = posts(ctx, q, `WHERE p.webhook = $1 AND NOT p.delivered AND p.next_at <= $2
				ORDER BY p.next_at, p.event LIMIT $3`, id, now, limit); err != nil {
			return err
		}
		if err := q.QueryRow(ctx, `SELECT (SELECT next_at FROM webhook_posts
				WHERE webhook = $1 AND NOT delivered AND next_at > $2 ORDER BY next_at LIMIT 1)`,
			id, now).Scan((*optionalTime)(&work.Next)); err != nil {
			return err
		}
		work.Fresh, work.Through, err = fresh(ctx, q, &w, limit-len(work.Again))
		return err
	})
	return work, err
}

// enough bounds how much of events is read at once, in bytes of their data.
const enough = 4 << 20

// fresh lists up to n events after a webhook's cursor that it wants and that have no post, and how far it has looked,
// which may be less than there is.
func fresh(ctx context.Context, q querier, w *event.Webhook, n int) (found []event.Event, through event.ID, err error) {
	through = w.Cursor
	if n <= 0 {
		return nil, through, nil
	}
	rows, err := q.Query(ctx, "SELECT "+eventColumns+`, p.event IS NOT NULL
		FROM events e LEFT JOIN webhook_posts p ON p.webhook = $1 AND p.event = e.id
		WHERE e.id > $2 ORDER BY e.id LIMIT $3`, w.ID, w.Cursor, scanAtOnce)
	if err != nil {
		return nil, through, err
	}
	defer rows.Close()
	for size := 0; len(found) < n && size <= enough && rows.Next(); {
		var posted bool
		e, err := scanEvent(rows, &posted)
		if err != nil {
			return nil, w.Cursor, err
		}
		through = e.ID
		size += len(e.Data)
		if w.Covers(&e) && !posted {
			found = append(found, e)
		}
	}
	rows.Close()
	return found, through, rows.Err()
}

// RecordPost implements [event.Store]. While all goes well the webhook is not locked, so that posts to it are recorded
// side by side.
func (s *Store) RecordPost(ctx context.Context, o event.Outcome) error {
	o.Attempt.At, o.NextAt, o.NotBefore = exact(o.Attempt.At), exact(o.NextAt), exact(o.NotBefore)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		w, err := webhook(ctx, t, "WHERE id = $1", o.Webhook)
		if err != nil {
			return err
		}
		well := o.NextAt.IsZero() && w.FailingSince.IsZero() && w.Away == 0
		if !well {
			if w, err = webhook(ctx, t, "WHERE id = $1 FOR UPDATE", o.Webhook); err != nil {
				return err
			}
		}
		if err := t.writeAttempt(ctx, &o); err != nil || well {
			return err
		}
		return t.writeHealth(ctx, &w, &o)
	})
}

// writeAttempt adds an attempt to its post.
func (t *tx) writeAttempt(ctx context.Context, o *event.Outcome) error {
	var kept bool
	err := t.QueryRow(ctx, "SELECT true FROM events WHERE id = $1 FOR KEY SHARE", o.Event).Scan(&kept)
	if notThere(err) {
		return nil // it was dropped meanwhile, and its post with it
	}
	if err != nil {
		return err
	}
	var tries int
	var before []byte
	var attempts []event.Attempt
	err = t.QueryRow(ctx, "SELECT tries, attempts FROM webhook_posts WHERE webhook = $1 AND event = $2 FOR UPDATE", o.Webhook, o.Event).
		Scan(&tries, &before)
	switch {
	case notThere(err):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(before, &attempts); err != nil {
			return fmt.Errorf("postgres: attempts: %w", err)
		}
	}
	attempts = append(attempts, o.Attempt)
	attempts = attempts[max(0, len(attempts)-event.KeepAttempts):]
	raw, err := json.Marshal(attempts)
	if err != nil {
		return fmt.Errorf("postgres: attempts: %w", err)
	}
	_, err = t.Exec(ctx, `INSERT INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (webhook, event) DO UPDATE SET delivered = excluded.delivered, next_at = excluded.next_at,
			away = excluded.away, tries = excluded.tries, attempts = excluded.attempts`,
		o.Webhook, o.Event, o.NextAt.IsZero(), optionalTime(o.NextAt), o.Away, tries+1, raw)
	return err
}

// writeHealth notes what an attempt tells of its webhook.
func (t *tx) writeHealth(ctx context.Context, w *event.Webhook, o *event.Outcome) error {
	if o.NextAt.IsZero() {
		if w.Away >= event.Outage {
			if _, err := t.Exec(ctx, `UPDATE webhook_posts SET next_at = $2
				WHERE webhook = $1 AND NOT delivered AND away AND next_at > $2`, w.ID, o.Attempt.At); err != nil {
				return err
			}
		}
		w.FailingSince, w.Away, w.NotBefore = time.Time{}, 0, time.Time{}
		return t.writeWebhook(ctx, w)
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
	disable := o.Disable != "" && w.Disabled == ""
	if disable {
		w.Disabled, w.DisabledAt = o.Disable, o.Attempt.At
	}
	if err := t.writeWebhook(ctx, w); err != nil || !disable {
		return err
	}
	return t.rewant(ctx)
}

// Advance implements [event.Store].
func (s *Store) Advance(ctx context.Context, id event.WebhookID, through event.ID) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "UPDATE webhooks SET cursor = greatest(cursor, $2) WHERE id = $1", id, through)
		if err == nil && tag.RowsAffected() == 0 {
			err = event.ErrNotFound
		}
		return err
	})
}

// Posts implements [event.Store].
func (s *Store) Posts(
	ctx context.Context, appID string, id event.WebhookID, before event.ID, limit int,
) (found []event.Post, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		if _, err := webhook(ctx, q, "WHERE app_id = $1 AND id = $2", appID, id); err != nil {
			return err
		}
		found, err = posts(ctx, q, "WHERE p.webhook = $1 AND p.event < $2 ORDER BY p.event DESC LIMIT $3", id, before, limit)
		return err
	})
	return found, err
}

// replayed makes a post due, whatever became of it.
const replayed = `ON CONFLICT (webhook, event) DO UPDATE SET delivered = false, next_at = excluded.next_at, away = false`

// ReplayEvent implements [event.Store].
func (s *Store) ReplayEvent(ctx context.Context, appID string, id event.WebhookID, e event.ID, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		w, err := t.ownWebhook(ctx, appID, id)
		if err != nil {
			return err
		}
		tag, err := t.Exec(ctx, `INSERT INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
			SELECT $1, id, false, $2, false, 0, '[]' FROM events
			WHERE id = $3 AND app_id = $4 AND $5 IN ('', tenant_id) `+replayed, id, exact(now), e, appID, w.Tenant)
		if err == nil && tag.RowsAffected() == 0 {
			err = event.ErrNotFound
		}
		t.postsChange()
		return err
	})
}

// ReplaySince implements [event.Store].
func (s *Store) ReplaySince(
	ctx context.Context, appID string, id event.WebhookID, since, now time.Time,
) (total int, err error) {
	last, err := s.LastEvent(ctx)
	if err != nil {
		return 0, err
	}
	for after := event.ID(0); after < last; {
		var n int
		var through event.ID
		if err := s.write(ctx, func(ctx context.Context, t *tx) error {
			w, err := t.ownWebhook(ctx, appID, id)
			if err != nil {
				return err
			}
			n, through, err = t.replayEvents(ctx, &w, after, last, exact(since), exact(now))
			return err
		}); err != nil {
			return total, err
		}
		after = through
		total += n
	}
	return total, nil
}

// replayEvents looks at some events after one and makes posts of those that are wanted.
func (t *tx) replayEvents(
	ctx context.Context, w *event.Webhook, after, last event.ID, since, now time.Time,
) (n int, through event.ID, err error) {
	rows, err := t.Query(ctx, "SELECT id, at, app_id, type, tenant_id FROM events WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3",
		after, last, dropAtOnce)
	if err != nil {
		return 0, after, err
	}
	var ids []event.ID
	var e event.Event
	var typ int64
	seen := 0
	through = after
	if _, err := pgx.ForEachRow(rows, []any{&e.ID, &e.At, &e.AppID, &typ, &e.Tenant}, func() error {
		seen++
		through, e.Type = e.ID, word(eventTypes, typ)
		if !e.At.Before(since) && w.Covers(&e) {
			ids = append(ids, e.ID)
		}
		return nil
	}); err != nil {
		return 0, after, err
	}
	if seen < dropAtOnce {
		through = last
	}
	if len(ids) == 0 {
		return 0, through, nil
	}
	t.postsChange()
	_, err = t.Exec(ctx, `INSERT INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
		SELECT $1, e, false, $3, false, 0, '[]' FROM unnest($2::bigint[]) e `+replayed, w.ID, ids, now)
	return len(ids), through, err
}

// dropThrough forgets all events up to one, and counts for each webhook those that it has not taken.
func (t *tx) dropThrough(ctx context.Context, last event.ID) error {
	all, err := webhooks(ctx, t, "ORDER BY id FOR UPDATE")
	if err != nil {
		return err
	}
	for i := range all {
		w := &all[i]
		missed, err := t.missed(ctx, w, last)
		if err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "DELETE FROM webhook_posts WHERE webhook = $1 AND event <= $2", w.ID, last); err != nil {
			return err
		}
		if missed == 0 && w.Cursor >= last {
			continue
		}
		if _, err := t.Exec(ctx, "UPDATE webhooks SET cursor = greatest(cursor, $2), dropped = dropped + $3 WHERE id = $1",
			w.ID, last, missed); err != nil {
			return err
		}
	}
	_, err = t.Exec(ctx, "DELETE FROM events WHERE id <= $1", last)
	return err
}

// missed counts the events up to one that a webhook has not taken.
func (t *tx) missed(ctx context.Context, w *event.Webhook, last event.ID) (n int64, err error) {
	types := make([]int64, len(w.Types))
	for i, typ := range w.Types {
		if types[i], err = code(eventTypes, typ); err != nil {
			return 0, fmt.Errorf("postgres: webhook %s: %w", w.ID, err)
		}
	}
	err = t.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM webhook_posts WHERE webhook = $1 AND event <= $2 AND NOT delivered) +
			(SELECT count(*) FROM events e WHERE e.id > $3 AND e.id <= $2 AND e.app_id = $4 AND e.type = ANY ($5) AND $6 IN ('', e.tenant_id)
				AND NOT EXISTS (SELECT 1 FROM webhook_posts p WHERE p.webhook = $1 AND p.event = e.id))`,
		w.ID, last, w.Cursor, w.AppID, types, w.Tenant).Scan(&n)
	return n, err
}
