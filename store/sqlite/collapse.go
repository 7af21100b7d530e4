package sqlite

import (
	"hash/fnv"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// collapseHash is what the table deliveries keeps of a collapse key. It only finds those that may share one; the messages
// tell whether they do.
func collapseHash(appID string, tenant activity.TenantID, key string) int64 {
	h := fnv.New64a()
	for _, part := range []string{appID, string(tenant), key} {
		_, _ = h.Write([]byte(part)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return int64(h.Sum64())
}

// collapse ends what waits in a conversation and is replaced by m, or would come there later.
func (t *tx) collapse(m *outbox.Message, in book.Row, at time.Time) error {
	if m.CollapseKey == "" {
		return nil
	}
	var old []hot
	if err := t.each(func(r row) error {
		old = append(old, scanHot(r))
		return nil
	}, "SELECT "+hotColumns+` FROM deliveries d CROSS JOIN messages m ON m.id = d.message
		WHERE d.collapse = ? AND d.conversation = ? AND d.state <> 4 AND d.unsure IS NULL AND d.message <> ?
		AND m.collapse_key = ? AND m.app_id = ? AND ifnull(m.tenant_id, '') = ? ORDER BY d.id`,
		collapseHash(m.AppID, m.Tenant, m.CollapseKey), int64(in), int64(m.ID),
		text(m.CollapseKey), text(m.AppID), text(m.Tenant)); err != nil {
		return err
	}
	for i := range old {
		if err := t.collapsed(&old[i], at); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT OR IGNORE INTO outdone (message, conversation)
			SELECT s.message, ? FROM spreads s CROSS JOIN messages m ON m.id = s.message
			WHERE s.message < ? AND m.collapse_key = ? AND m.app_id = ? AND ifnull(m.tenant_id, '') = ?`,
		int64(in), int64(m.ID), text(m.CollapseKey), text(m.AppID), text(m.Tenant))
	return err
}

// collapsed ends a delivery that is replaced.
func (t *tx) collapsed(h *hot, at time.Time) error {
	t.wake = true // the next due time may be another
	return t.finish(h, outbox.Change{
		At: at, State: outbox.StateSuppressed, Attempt: int(h.claims), Reason: outbox.ReasonCollapsed,
	})
}

// outdone reports whether a later message has come to a conversation before m, which is spreading.
func (t *tx) outdone(m *outbox.Message, in book.Row) (yes bool, err error) {
	if m.CollapseKey == "" {
		return false, nil
	}
	return t.one(func(row) {}, "SELECT 1 FROM outdone WHERE message = ? AND conversation = ?", int64(m.ID), int64(in))
}

// mayCollapse lets a later message replace a delivery of m.
func (t *tx) mayCollapse(id outbox.DeliveryID, m *outbox.Message) error {
	if m.CollapseKey == "" {
		return nil
	}
	_, err := t.exec("UPDATE deliveries SET collapse = ? WHERE id = ?", collapseHash(m.AppID, m.Tenant, m.CollapseKey), int64(id))
	return err
}

// mayCollapseAgain is mayCollapse for a delivery that begins a new life.
func (t *tx) mayCollapseAgain(h *hot) error {
	if h.verb != send {
		return nil
	}
	var m outbox.Message
	if _, err := t.one(func(r row) {
		m.AppID, m.Tenant, m.CollapseKey = r.text(0), activity.TenantID(r.text(1)), r.text(2)
	}, "SELECT app_id, tenant_id, collapse_key FROM messages WHERE id = ?", int64(h.message)); err != nil {
		return err
	}
	return t.mayCollapse(h.id, &m)
}
