package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// RecordSend implements [outbox.Store].
func (s *Store) RecordSend(ctx context.Context, sent outbox.Send) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, `WITH attempt AS (SELECT id FROM deliveries WHERE id = $1 AND fence = $2 AND state = 4 FOR SHARE)
			INSERT INTO sends (delivery, ordinal, fence, taken, activity_id, at) SELECT id, $3, $2, $4, $5, $6 FROM attempt
			ON CONFLICT (delivery, ordinal) DO UPDATE SET fence = excluded.fence, taken = excluded.taken,
				activity_id = excluded.activity_id, at = excluded.at`,
			int64(sent.Delivery), sent.Fence, sent.Ordinal, sent.Taken, optionalText(clean(string(sent.Activity))), sent.At)
		if err == nil && tag.RowsAffected() == 0 {
			return headsup.ErrLeaseLost
		}
		return err
	})
}

// endWithTurn ends the attempt that has run a turn.
func (t *tx) endWithTurn(ctx context.Context, o outbox.Outcome) error {
	if !o.State.Final() {
		return fmt.Errorf("postgres: commit: %q is no end", o.State)
	}
	v := verdictOf(o)
	if err := t.record(ctx, []*verdict{v}); err != nil {
		return err
	}
	if !v.done {
		return headsup.ErrLeaseLost
	}
	return nil
}

// sends are the activities that deliveries have begun to send.
func (t *tx) sends(ctx context.Context, ids []outbox.DeliveryID) (map[outbox.DeliveryID][]outbox.Send, error) {
	rows, err := t.Query(ctx, `SELECT delivery, ordinal, fence, taken, coalesce(activity_id, ''), at, coalesce(lead, 0) FROM sends
		WHERE delivery = ANY ($1) ORDER BY delivery, ordinal`, numbers(ids))
	if err != nil {
		return nil, err
	}
	all := make(map[outbox.DeliveryID][]outbox.Send)
	var s outbox.Send
	var given string
	_, err = pgx.ForEachRow(rows, []any{(*int64)(&s.Delivery), &s.Ordinal, &s.Fence, &s.Taken, &given, &s.At, (*int64)(&s.With)}, func() error {
		s.Activity = activity.ID(given)
		all[s.Delivery] = append(all[s.Delivery], s)
		return nil
	})
	return all, err
}
