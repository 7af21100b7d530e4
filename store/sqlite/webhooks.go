package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/event"
)

const selectWebhook = `SELECT id, app_id, url, types, description, secrets, created_at, disabled, disabled_at, cursor, away,
	not_before, failing_since, dropped, tenant_id FROM webhooks `

func scanWebhook(r row) (event.Webhook, error) {
	w := event.Webhook{
		ID: event.WebhookID(r.int(0)), AppID: r.text(1), URL: r.text(2), Description: r.text(4), CreatedAt: r.time(6),
		Disabled: r.text(7), DisabledAt: r.time(8), Cursor: event.ID(r.int(9)), Away: int(r.int(10)),
		NotBefore: r.time(11), FailingSince: r.time(12), Dropped: r.int(13),
		Tenant: activity.TenantID(r.text(14)),
	}
	if err := cmp.Or(json.Unmarshal(r.bytes(3), &w.Types), json.Unmarshal(r.bytes(5), &w.Secrets)); err != nil {
		return w, fmt.Errorf("webhook %s: %w", w.ID, err)
	}
	return w, nil
}

// writeWebhook inserts or replaces a webhook as it is.
func (t *tx) writeWebhook(w *event.Webhook) error {
	types, err := json.Marshal(w.Types)
	if err != nil {
		return fmt.Errorf("sqlite: webhook: %w", err)
	}
	secrets, err := json.Marshal(w.Secrets)
	if err != nil {
		return fmt.Errorf("sqlite: webhook: %w", err)
	}
	if _, err := t.exec(`INSERT INTO webhooks (id, app_id, url, types, description, secrets, created_at, disabled, disabled_at,
				cursor, away, not_before, failing_since, dropped, tenant_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET url = excluded.url, types = excluded.types, description = excluded.description,
				secrets = excluded.secrets, disabled = excluded.disabled, disabled_at = excluded.disabled_at,
				away = excluded.away, not_before = excluded.not_before, failing_since = excluded.failing_since`,
		int64(w.ID), text(w.AppID), text(w.URL), types, text(w.Description), secrets, w.CreatedAt, text(w.Disabled),
		w.DisabledAt, int64(w.Cursor), w.Away, w.NotBefore, w.FailingSince, w.Dropped, text(w.Tenant)); err != nil {
		return err
	}
	return t.rewant()
}

// webhook is one as the transaction sees it.
func (t *tx) webhook(id event.WebhookID) (w event.Webhook, err error) {
	var bad error
	found, err := t.one(func(r row) { w, bad = scanWebhook(r) }, selectWebhook+"WHERE id = ?", int64(id))
	if err == nil && !found {
		err = event.ErrNotFound
	}
	return w, cmp.Or(err, bad)
}

// ownWebhook is one of an app.
func (t *tx) ownWebhook(appID string, id event.WebhookID) (event.Webhook, error) {
	w, err := t.webhook(id)
	if err == nil && w.AppID != appID {
		err = event.ErrNotFound
	}
	return w, err
}

// CreateWebhook implements [event.Store].
func (s *Store) CreateWebhook(ctx context.Context, w event.Webhook) (event.Webhook, error) {
	err := s.writer.do(ctx, func(t *tx) error {
		w.Cursor, w.Dropped = s.events.last, 0
		return t.writeWebhook(&w)
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
func (s *Store) Webhook(ctx context.Context, appID string, id event.WebhookID) (event.Webhook, error) {
	found, err := s.webhooks(ctx, "WHERE app_id = ? AND id = ?", text(appID), int64(id))
	switch {
	case err != nil:
		return event.Webhook{}, err
	case len(found) == 0:
		return event.Webhook{}, event.ErrNotFound
	}
	return found[0], nil
}

// Webhooks implements [event.Store].
func (s *Store) Webhooks(ctx context.Context, appID string) ([]event.Webhook, error) {
	return s.webhooks(ctx, "WHERE app_id = ? ORDER BY id", text(appID))
}

func (s *Store) webhooks(ctx context.Context, which string, args ...any) (found []event.Webhook, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			w, err := scanWebhook(r)
			found = append(found, w)
			return err
		}, selectWebhook+which, args...)
	})
	return found, err
}

// ChangeWebhook implements [event.Store].
func (s *Store) ChangeWebhook(
	ctx context.Context, appID string, id event.WebhookID, change func(*event.Webhook) error,
) (w event.Webhook, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		before, err := t.ownWebhook(appID, id)
		if err != nil {
			return err
		}
		w = before
		if err := change(&w); err != nil {
			return err
		}
		w.ID, w.AppID, w.Tenant, w.CreatedAt = before.ID, before.AppID, before.Tenant, before.CreatedAt
		w.Cursor, w.Dropped = before.Cursor, before.Dropped
		return t.writeWebhook(&w)
	})
	return exactWebhook(w), err
}

// DeleteWebhook implements [event.Store].
func (s *Store) DeleteWebhook(ctx context.Context, appID string, id event.WebhookID) error {
	return s.writer.do(ctx, func(t *tx) error {
		if _, err := t.ownWebhook(appID, id); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM webhooks WHERE id = ?", int64(id)); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM webhook_posts WHERE webhook = ?", int64(id)); err != nil {
			return err
		}
		return t.rewant()
	})
}

// selectPost joins a post with its event; the event's columns come first.
const selectPost = "SELECT " + eventColumns + `, p.delivered, p.next_at, p.tries, p.attempts
	FROM webhook_posts p CROSS JOIN events e ON e.id = p.event `

func scanPost(r row) (event.Post, error) {
	p := event.Post{Event: scanEvent(r), Delivered: r.bool(7), NextAt: r.time(8), Tries: int(r.int(9))}
	if err := json.Unmarshal(r.bytes(10), &p.Attempts); err != nil {
		return p, fmt.Errorf("the attempts at %s: %w", p.Event.ID, err)
	}
	return p, nil
}

func posts(c *conn, query string, args ...any) (found []event.Post, err error) {
	err = c.each(func(r row) error {
		p, err := scanPost(r)
		found = append(found, p)
		return err
	}, selectPost+query, args...)
	return found, err
}

// scanAtOnce is how many events are looked at for those that a webhook wants.
const scanAtOnce = 256

// Work implements [event.Store].
func (s *Store) Work(ctx context.Context, id event.WebhookID, now time.Time, limit int) (work event.Work, err error) {
	err = s.read(ctx, func(c *conn) error {
		var w event.Webhook
		var bad error
		found, err := c.one(func(r row) { w, bad = scanWebhook(r) }, selectWebhook+"WHERE id = ?", int64(id))
		switch {
		case err != nil || bad != nil:
			return cmp.Or(err, bad)
		case !found:
			return event.ErrNotFound
		}
		if work.Again, err = posts(c, `WHERE p.webhook = ? AND p.delivered = 0 AND p.next_at <= +?
				ORDER BY p.next_at, p.event LIMIT +?`, int64(id), now, limit); err != nil {
			return err
		}
		if _, err := c.one(func(r row) { work.Next = r.time(0) }, `SELECT next_at FROM webhook_posts
				WHERE webhook = ? AND delivered = 0 AND next_at > +? ORDER BY next_at LIMIT 1`, int64(id), now); err != nil {
			return err
		}
		work.Fresh, work.Through, err = fresh(c, &w, limit-len(work.Again))
		return err
	})
	return work, err
}

// enough bounds how much of events is read at once, in bytes of their data.
const enough = 4 << 20

// fresh lists up to n events after a webhook's cursor that it wants and that have no post, and how far it has looked,
// which may be less than there is.
func fresh(c *conn, w *event.Webhook, n int) (found []event.Event, through event.ID, err error) {
	through = w.Cursor
	if n <= 0 {
		return nil, through, nil
	}
	size := 0
	err = c.each(func(r row) error {
		e := scanEvent(r)
		through = e.ID
		if w.Covers(&e) && r.int(7) == 0 {
			found = append(found, e)
		}
		if size += len(e.Data); len(found) == n || size > enough {
			return errEnough
		}
		return nil
	}, "SELECT "+eventColumns+`, p.event FROM events e LEFT JOIN webhook_posts p ON p.webhook = ? AND p.event = e.id
		WHERE e.id > +? ORDER BY e.id LIMIT +?`, int64(w.ID), int64(w.Cursor), scanAtOnce)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, through, err
}

// RecordPost implements [event.Store].
func (s *Store) RecordPost(ctx context.Context, o event.Outcome) error {
	return s.writer.do(ctx, func(t *tx) error {
		w, err := t.webhook(o.Webhook)
		if err != nil {
			return err
		}
		if err := t.writeAttempt(&o); err != nil {
			return err
		}
		return t.writeHealth(&w, &o)
	})
}

// writeAttempt adds an attempt to its post.
func (t *tx) writeAttempt(o *event.Outcome) error {
	var p event.Post
	var bad error
	if _, err := t.one(func(r row) { p.Tries, bad = int(r.int(0)), json.Unmarshal(r.bytes(1), &p.Attempts) },
		"SELECT tries, attempts FROM webhook_posts WHERE webhook = ? AND event = ?", int64(o.Webhook), int64(o.Event)); err != nil || bad != nil {
		return cmp.Or(err, bad)
	}
	kept := false
	if _, err := t.one(func(row) { kept = true }, "SELECT 1 FROM events WHERE id = ?", int64(o.Event)); err != nil || !kept {
		return err // it was dropped meanwhile, and its post with it
	}
	p.Attempts = append(p.Attempts, o.Attempt)
	p.Attempts = p.Attempts[max(0, len(p.Attempts)-event.KeepAttempts):]
	attempts, err := json.Marshal(p.Attempts)
	if err != nil {
		return fmt.Errorf("sqlite: attempts: %w", err)
	}
	_, err = t.exec(`INSERT OR REPLACE INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
		int64(o.Webhook), int64(o.Event), o.NextAt.IsZero(), o.NextAt, o.Away, p.Tries+1, attempts)
	return err
}

// writeHealth notes what an attempt tells of its webhook. Nothing is written while all goes well.
func (t *tx) writeHealth(w *event.Webhook, o *event.Outcome) error {
	if o.NextAt.IsZero() {
		if w.FailingSince.IsZero() && w.Away == 0 {
			return nil
		}
		if w.Away >= event.Outage {
			if _, err := t.exec("UPDATE webhook_posts SET next_at = ? WHERE webhook = ? AND delivered = 0 AND away = 1 AND next_at > ?",
				o.Attempt.At, int64(w.ID), o.Attempt.At); err != nil {
				return err
			}
		}
		w.FailingSince, w.Away, w.NotBefore = time.Time{}, 0, time.Time{}
		return t.writeWebhook(w)
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
	if o.Disable != "" && w.Disabled == "" {
		w.Disabled, w.DisabledAt = o.Disable, o.Attempt.At
	}
	return t.writeWebhook(w)
}

// Advance implements [event.Store].
func (s *Store) Advance(ctx context.Context, id event.WebhookID, through event.ID) error {
	return s.writer.do(ctx, func(t *tx) error {
		n, err := t.exec("UPDATE webhooks SET cursor = max(cursor, ?) WHERE id = ?", int64(through), int64(id))
		if err == nil && n == 0 {
			err = event.ErrNotFound
		}
		return err
	})
}

// Posts implements [event.Store].
func (s *Store) Posts(
	ctx context.Context, appID string, id event.WebhookID, before event.ID, limit int,
) (found []event.Post, err error) {
	if _, err := s.Webhook(ctx, appID, id); err != nil {
		return nil, err
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = posts(c, "WHERE p.webhook = ? AND p.event < +? ORDER BY p.event DESC LIMIT +?", int64(id), int64(before), limit)
		return err
	})
	return found, err
}

// again makes a post due, whatever became of it.
const again = `ON CONFLICT DO UPDATE SET delivered = 0, next_at = excluded.next_at, away = 0`

// ReplayEvent implements [event.Store].
func (s *Store) ReplayEvent(ctx context.Context, appID string, id event.WebhookID, e event.ID, now time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		w, err := t.ownWebhook(appID, id)
		if err != nil {
			return err
		}
		n, err := t.exec(`INSERT INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
			SELECT ?, id, 0, ?, 0, 0, x'5b5d' FROM events WHERE id = ? AND app_id = ? AND ? IN ('', tenant_id) `+again,
			int64(id), now, int64(e), text(appID), text(w.Tenant))
		if err == nil && n == 0 {
			err = event.ErrNotFound
		}
		t.news = true
		return err
	})
}

// ReplaySince implements [event.Store].
func (s *Store) ReplaySince(
	ctx context.Context, appID string, id event.WebhookID, since, now time.Time,
) (total int, err error) {
	var after, last event.ID
	if err := s.writer.do(ctx, func(*tx) error { last = s.events.last; return nil }); err != nil {
		return 0, err
	}
	for after < last {
		n := 0
		from := after
		if err := s.writer.do(ctx, func(t *tx) (err error) {
			w, err := t.ownWebhook(appID, id)
			if err != nil {
				return err
			}
			n, after, err = t.replayEvents(&w, from, last, since, now)
			return err
		}); err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// replayEvents looks at some events after one and makes posts of those that are wanted.
func (t *tx) replayEvents(w *event.Webhook, after, last event.ID, since, now time.Time) (n int, through event.ID, err error) {
	var ids []int64
	seen := 0
	through = after
	if err := t.each(func(r row) error {
		seen++
		through = event.ID(r.int(0))
		e := event.Event{AppID: r.text(2), Type: word(eventTypes, r.int(3)), Tenant: activity.TenantID(r.text(4))}
		if !r.time(1).Before(since) && w.Covers(&e) {
			ids = append(ids, r.int(0))
		}
		return nil
	}, "SELECT id, at, app_id, type, tenant_id FROM events WHERE id > +? AND id <= +? ORDER BY id LIMIT +?",
		int64(after), int64(last), dropAtOnce); err != nil {
		return 0, after, err
	}
	if seen < dropAtOnce {
		through = last
	}
	for _, e := range ids {
		if _, err := t.exec(`INSERT INTO webhook_posts (webhook, event, delivered, next_at, away, tries, attempts)
				VALUES (?, ?, 0, ?, 0, 0, x'5b5d') `+again, int64(w.ID), e, now); err != nil {
			return 0, after, err
		}
	}
	t.news = t.news || len(ids) > 0
	return len(ids), through, nil
}

// dropThrough forgets all events up to one, and counts for each webhook those that it has not taken.
func (t *tx) dropThrough(last event.ID) error {
	var all []event.Webhook
	if err := t.each(func(r row) error {
		w, err := scanWebhook(r)
		all = append(all, w)
		return err
	}, selectWebhook); err != nil {
		return err
	}
	for i := range all {
		w := &all[i]
		missed, err := t.missed(w, last)
		if err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM webhook_posts WHERE webhook = ? AND event <= ?", int64(w.ID), int64(last)); err != nil {
			return err
		}
		if missed == 0 && w.Cursor >= last {
			continue
		}
		if _, err := t.exec("UPDATE webhooks SET cursor = max(cursor, ?), dropped = dropped + ? WHERE id = ?",
			int64(last), missed, int64(w.ID)); err != nil {
			return err
		}
	}
	_, err := t.exec("DELETE FROM events WHERE id <= ?", int64(last))
	return err
}

// missed counts the events up to one that a webhook has not taken.
func (t *tx) missed(w *event.Webhook, last event.ID) (n int64, err error) {
	if _, err := t.one(func(r row) { n = r.int(0) },
		"SELECT count(*) FROM webhook_posts WHERE webhook = ? AND event <= ? AND delivered = 0", int64(w.ID), int64(last)); err != nil {
		return 0, err
	}
	for _, typ := range w.Types {
		number, err := code(eventTypes, typ)
		if err != nil {
			return 0, fmt.Errorf("sqlite: webhook %s: %w", w.ID, err)
		}
		if _, err := t.one(func(r row) { n += r.int(0) }, `SELECT count(*) FROM events e WHERE e.id > ? AND e.id <= ?
				AND e.app_id = ? AND e.type = ? AND ? IN ('', e.tenant_id) AND NOT EXISTS (SELECT 1 FROM webhook_posts p WHERE p.webhook = ? AND p.event = e.id)`,
			int64(w.Cursor), int64(last), text(w.AppID), number, text(w.Tenant), int64(w.ID)); err != nil {
			return 0, err
		}
	}
	return n, nil
}
