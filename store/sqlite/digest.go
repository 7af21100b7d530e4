package sqlite

import (
	"context"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// partColumns follow messageColumns.
const partColumns = ", d.id, d.state, d.activity_id"

func scanPart(r row) (p outbox.Part, err error) {
	p.Message, _, err = scanMessage(r)
	p.Delivery, p.State = outbox.DeliveryID(r.int(messageCount)), stateNames[r.int(messageCount+1)]
	p.Activity = activity.ID(r.text(messageCount + 2))
	return p, err
}

// Behind implements [outbox.Store].
func (s *Store) Behind(ctx context.Context, id outbox.DeliveryID, n int) (found []outbox.Part, err error) {
	err = s.read(ctx, func(c *conn) error {
		found = nil
		ended := false
		return c.each(func(r row) error {
			if ended = ended || !r.bool(messageCount+3); ended {
				return nil
			}
			p, err := scanPart(r)
			found = append(found, p)
			return err
		}, "SELECT "+messageColumns+partColumns+`, d.state = 2 AND d.waits <> 2 AND d.verb IS NULL AND
				NOT EXISTS (SELECT 1 FROM sends s WHERE s.delivery = d.id)
			FROM deliveries l JOIN deliveries d ON d.conversation = l.conversation AND d.lane = l.lane AND d.seq > l.seq
			JOIN messages m ON m.id = d.message WHERE l.id = ? ORDER BY d.seq LIMIT +?`, int64(id), n)
	})
	return found, err
}

// Join implements [outbox.Store].
func (s *Store) Join(ctx context.Context, j outbox.Joining) error {
	return s.writer.do(ctx, func(t *tx) error {
		if _, err := t.attempt(j.Lead, j.Fence); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM sends WHERE lead = ?", int64(j.Lead)); err != nil {
			return err
		}
		const note = `INSERT INTO sends (delivery, ordinal, fence, taken, at, lead, place) `
		if _, err := t.exec(note+"VALUES (?, 0, ?, 0, ?, ?, 0)", int64(j.Lead), j.Fence, j.At, int64(j.Lead)); err != nil {
			return err
		}
		for i, id := range j.Others {
			if _, err := t.exec(note+`SELECT d.id, 0, ?, 0, ?, l.id, ? FROM deliveries l
				JOIN deliveries d ON d.conversation = l.conversation AND d.lane = l.lane AND d.seq > l.seq
				WHERE l.id = ? AND d.id = ? AND d.state = 2 AND d.waits <> 2 AND d.verb IS NULL
					AND NOT EXISTS (SELECT 1 FROM sends s WHERE s.delivery = d.id)`,
				j.Fence, j.At, i+1, int64(j.Lead), int64(id)); err != nil {
				return err
			}
		}
		_, err := t.exec("UPDATE deliveries SET unsure = 1 WHERE id IN (SELECT delivery FROM sends WHERE lead = ? AND place > 0)",
			int64(j.Lead))
		return err
	})
}

// Joined implements [outbox.Store].
func (s *Store) Joined(ctx context.Context, lead outbox.DeliveryID) (parts []outbox.Part, err error) {
	err = s.read(ctx, func(c *conn) error {
		parts = nil
		return c.each(func(r row) error {
			p, err := scanPart(r)
			parts = append(parts, p)
			return err
		}, "SELECT "+messageColumns+partColumns+` FROM sends j JOIN (
				SELECT id, message, state, activity_id FROM deliveries UNION ALL SELECT id, message, state, activity_id FROM finished
			) d ON d.id = j.delivery JOIN messages m ON m.id = d.message WHERE j.lead = ? ORDER BY j.place`, int64(lead))
	})
	return parts, err
}
