package sqlite

import (
	"hash/fnv"

	"github.com/headsup-bot/headsup/activity"
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

// collapse ends what waits in the conversations of a submission and is replaced by it.
func (t *tx) collapse(sub *outbox.Submission) error {
	m := &sub.Message
	if m.CollapseKey == "" {
		return nil
	}
	hash := collapseHash(m.AppID, m.Tenant, m.CollapseKey)
	for i := range sub.Deliveries {
		var old []hot
		if err := t.each(func(r row) error {
			old = append(old, scanHot(r))
			return nil
		}, "SELECT "+hotColumns+` FROM deliveries d CROSS JOIN messages m ON m.id = d.message
			WHERE d.collapse = ? AND d.conversation = ? AND d.state <> 4 AND d.unsure IS NULL AND d.message <> ?
			AND m.collapse_key = ? AND m.app_id = ? AND ifnull(m.tenant_id, '') = ? ORDER BY d.id`,
			hash, int64(sub.Deliveries[i].Conversation), int64(m.ID),
			text(m.CollapseKey), text(m.AppID), text(m.Tenant)); err != nil {
			return err
		}
		for k := range old {
			t.wake = true // the next due time may be another
			if err := t.finish(&old[k], outbox.Change{
				At: sub.At, State: outbox.StateSuppressed, Attempt: int(old[k].claims), Reason: outbox.ReasonCollapsed,
			}); err != nil {
				return err
			}
		}
	}
	return nil
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
