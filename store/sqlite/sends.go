package sqlite

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// RecordSend implements [outbox.Store].
func (s *Store) RecordSend(ctx context.Context, sent outbox.Send) error {
	return s.writer.do(ctx, func(t *tx) error {
		if _, err := t.attempt(sent.Delivery, sent.Fence); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO sends (delivery, ordinal, fence, taken, activity_id, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET fence = excluded.fence, taken = excluded.taken, activity_id = excluded.activity_id,
				at = excluded.at`,
			int64(sent.Delivery), sent.Ordinal, sent.Fence, sent.Taken, string(sent.Activity), sent.At)
		return err
	})
}

// endWithTurn ends the attempt that has run a turn.
func (t *tx) endWithTurn(o outbox.Outcome) error {
	if !o.State.Final() {
		return fmt.Errorf("sqlite: commit: %q is no end", o.State)
	}
	return t.record(o)
}

// sends are the activities that a delivery has begun to send.
func (t *tx) sends(id outbox.DeliveryID) (all []outbox.Send, err error) {
	err = t.each(func(r row) error {
		all = append(all, outbox.Send{
			Delivery: id, Ordinal: int(r.int(0)), Fence: r.int(1), Taken: r.bool(2), Activity: activity.ID(r.text(3)), At: r.time(4),
			With: outbox.DeliveryID(r.int(5)),
		})
		return nil
	}, "SELECT ordinal, fence, taken, activity_id, at, lead FROM sends WHERE delivery = ? ORDER BY ordinal", int64(id))
	return all, err
}

// forgetSends lets a delivery begin anew.
func (t *tx) forgetSends(id outbox.DeliveryID) error {
	_, err := t.exec("DELETE FROM sends WHERE delivery = ?", int64(id))
	return err
}
