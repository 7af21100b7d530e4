package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// partColumns follow messageColumns.
const partColumns = ", d.id, d.state, d.activity_id"

// parts reads messageColumns, partColumns, and whether each may be said with others: those before the first that may not.
func parts(rows pgx.Rows, err error) (all []outbox.Part, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p outbox.Part
		var state int64
		var given optionalText
		var fits bool
		if p.Message, _, err = scanMessage(rows, (*int64)(&p.Delivery), &state, &given, &fits); err != nil {
			return nil, err
		}
		if !fits {
			break
		}
		p.State, p.Activity = stateNames[state], activity.ID(given)
		all = append(all, p)
	}
	return all, rows.Err()
}

// Behind implements [outbox.Store].
func (s *Store) Behind(ctx context.Context, id outbox.DeliveryID, n int) (found []outbox.Part, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		found, err = parts(q.Query(ctx, "SELECT "+messageColumns+partColumns+`, d.state = 2 AND d.waits <> 2 AND d.verb IS NULL AND
				NOT EXISTS (SELECT FROM sends s WHERE s.delivery = d.id)
			FROM deliveries l JOIN deliveries d ON d.conversation = l.conversation AND d.lane = l.lane AND d.seq > l.seq
			JOIN messages m ON m.id = d.message WHERE l.id = $1 ORDER BY d.seq LIMIT $2`, int64(id), n))
		return err
	})
	return found, err
}

// Join implements [outbox.Store].
func (s *Store) Join(ctx context.Context, j outbox.Joining) error {
	others := numbers(slices.DeleteFunc(slices.Clone(j.Others), func(id outbox.DeliveryID) bool { return id == j.Lead }))
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "DELETE FROM sends WHERE lead = $1", int64(j.Lead)); err != nil {
			return err
		}
		rows, err := t.Query(ctx, `SELECT d.id FROM deliveries l
			JOIN deliveries d ON d.conversation = l.conversation AND d.lane = l.lane AND d.seq >= l.seq
			WHERE l.id = $1 AND l.fence = $2 AND l.state = 4 AND (d.id = l.id OR d.id = ANY ($3) AND d.state = 2
				AND d.waits <> 2 AND d.verb IS NULL AND NOT EXISTS (SELECT FROM sends s WHERE s.delivery = d.id))
			ORDER BY d.id FOR UPDATE OF d`, int64(j.Lead), j.Fence, others)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		switch {
		case err != nil:
			return err
		case !slices.Contains(found, int64(j.Lead)):
			return headsup.ErrLeaseLost
		}
		if _, err := t.Exec(ctx, `INSERT INTO sends (delivery, ordinal, fence, taken, at, lead, place)
			SELECT id, 0, $2, false, $3, $1, place FROM unnest($4::bigint[]) WITH ORDINALITY AS n (id, place) WHERE id = ANY ($5)`,
			int64(j.Lead), j.Fence, j.At, append([]int64{int64(j.Lead)}, others...), found); err != nil {
			return err
		}
		_, err = t.Exec(ctx, "UPDATE deliveries SET unsure = true WHERE id = ANY ($1) AND id <> $2", found, int64(j.Lead))
		return err
	})
}

// Joined implements [outbox.Store].
func (s *Store) Joined(ctx context.Context, lead outbox.DeliveryID) (found []outbox.Part, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		found, err = parts(q.Query(ctx, "SELECT "+messageColumns+partColumns+`, true FROM sends j JOIN (
				SELECT id, message, state, activity_id FROM deliveries UNION ALL SELECT id, message, state, activity_id FROM finished
			) d ON d.id = j.delivery JOIN messages m ON m.id = d.message WHERE j.lead = $1 ORDER BY j.place`, int64(lead)))
		return err
	})
	return found, err
}
