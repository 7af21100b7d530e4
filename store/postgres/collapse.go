package postgres

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// collapseHash is what the table deliveries keeps of a collapse key, 0 of none. It only finds those that may share one;
// the messages tell whether they do.
func collapseHash(appID string, tenant activity.TenantID, key string) int64 {
	if key == "" {
		return 0
	}
	h := fnv.New64a()
	for _, part := range []string{appID, string(tenant), key} {
		_, _ = h.Write([]byte(part)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return int64(h.Sum64()) //nolint:gosec // any 64 bits will do
}

// collapse ends what waits in conversations, which are locked, and is replaced by m, or would come there later.
func (t *tx) collapse(ctx context.Context, m *outbox.Message, in []book.Row, at time.Time) error {
	old, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d JOIN messages m ON m.id = d.message
		WHERE d.collapse = $1 AND d.conversation = ANY ($2) AND d.state <> 4 AND d.unsure IS NULL AND d.message <> $3
		AND m.collapse_key = $4 AND m.app_id = $5 AND m.tenant_id = $6 ORDER BY d.id`,
		collapseHash(m.AppID, m.Tenant, m.CollapseKey), numbers(in), int64(m.ID), m.CollapseKey, m.AppID, string(m.Tenant)))
	if err != nil {
		return err
	}
	if err := t.collapsed(ctx, old, at); err != nil {
		return err
	}
	// One that is spreading locks a conversation before it looks here, and this one is locked.
	t.last.Queue(`INSERT INTO outdone (message, conversation)
		SELECT s.message, c FROM spreads s JOIN messages m ON m.id = s.message JOIN unnest($1::bigint[]) AS c ON c > s.after AND c <= s.last
		WHERE s.message < $2 AND m.collapse_key = $3 AND m.app_id = $4 AND m.tenant_id = $5 ON CONFLICT DO NOTHING`,
		numbers(in), int64(m.ID), m.CollapseKey, m.AppID, string(m.Tenant))
	return t.flush(ctx)
}

// collapsed ends deliveries that are replaced.
func (t *tx) collapsed(ctx context.Context, list []hot, at time.Time) error {
	if len(list) > 0 {
		t.wake = true // the next due time may be another
	}
	return t.finish(ctx, list, func(h *hot) outbox.Change {
		return outbox.Change{At: at, State: outbox.StateSuppressed, Attempt: int(h.claims), Reason: outbox.ReasonCollapsed}
	})
}

// outdone are the conversations to which a later message has come before m, which is spreading.
func (t *tx) outdone(ctx context.Context, m *outbox.Message, in []book.Row) (map[book.Row]bool, error) {
	rows, err := t.Query(ctx, "SELECT conversation FROM outdone WHERE message = $1 AND conversation = ANY ($2)", int64(m.ID), numbers(in))
	if err != nil {
		return nil, err
	}
	found := make(map[book.Row]bool)
	var c int64
	_, err = pgx.ForEachRow(rows, []any{&c}, func() error {
		found[book.Row(c)] = true
		return nil
	})
	return found, err
}

// mayCollapse lets later messages replace deliveries that begin a new life.
func (t *tx) mayCollapse(ctx context.Context, list []hot) error {
	byMessage := make(map[outbox.MessageID][]int64)
	var messages []outbox.MessageID
	for _, h := range list {
		if h.verb == send {
			byMessage[h.message] = append(byMessage[h.message], int64(h.id))
			messages = append(messages, h.message)
		}
	}
	rows, err := t.Query(ctx, `SELECT id, app_id, tenant_id, collapse_key FROM messages
		WHERE id = ANY ($1) AND collapse_key IS NOT NULL`, numbers(messages))
	if err != nil {
		return err
	}
	var m outbox.Message
	_, err = pgx.ForEachRow(rows, []any{(*int64)(&m.ID), &m.AppID, (*string)(&m.Tenant), &m.CollapseKey}, func() error {
		t.last.Queue("UPDATE deliveries SET collapse = $2 WHERE id = ANY ($1)", byMessage[m.ID],
			collapseHash(m.AppID, m.Tenant, m.CollapseKey))
		return nil
	})
	return err
}
