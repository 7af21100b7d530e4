package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// spread is a message whose deliveries are being made, as it is in the database.
type spread struct {
	message outbox.Message // id, app, tenant, lane and collapse key
	outbox.Spread
	after book.Row
}

func queueSpread(b *pgx.Batch, sub *outbox.Submission) {
	p, f := sub.Spread, sub.Spread.Filter
	b.Queue(`INSERT INTO spreads (message, lane, kind, channel, reach, tag, user_id, external_id, last, after, made, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10)`,
		int64(sub.Message.ID), int16(sub.Message.Lane), optionalText(f.Kind), optionalText(f.Channel), optionalText(f.Reach),
		optionalText(f.Tag), optionalText(f.User), optionalText(f.ExternalID), int64(p.Last), optionalTime(p.DueAt))
}

// endSpread makes no more deliveries of a message.
func (t *tx) endSpread(ctx context.Context, id outbox.MessageID) error {
	_, err := t.Exec(ctx, `WITH ended AS (DELETE FROM spreads WHERE message = $1 RETURNING message)
		DELETE FROM outdone o USING ended e WHERE o.message = e.message`, int64(id))
	return err
}

// delaySpread makes what is not made yet due at another time.
func (t *tx) delaySpread(ctx context.Context, id outbox.MessageID, due time.Time) error {
	_, err := t.Exec(ctx, "UPDATE spreads SET due_at = $2 WHERE message = $1", int64(id), optionalTime(due))
	return err
}

// SpreadMessages implements [outbox.Store]. Several nodes spread several messages at once, and one message one at a time.
func (s *Store) SpreadMessages(
	ctx context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	found := false
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM spreads)").Scan(&found)
	}); err != nil || !found {
		return 0, false, err
	}
	err = s.writeFor(ctx, n, func(ctx context.Context, t *tx) (err error) {
		made, more, err = t.spread(ctx, n, at, nextID)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return made, more, nil
}

func (t *tx) spread(
	ctx context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	p, others, err := t.nextSpread(ctx)
	if p == nil || err != nil {
		return 0, others, err
	}
	rows, err := t.reached(ctx, p, n)
	if err != nil {
		return 0, false, err
	}
	made, err = t.spreadTo(ctx, p, rows, at, nextID)
	switch {
	case err != nil:
		return 0, false, err
	case len(rows) < n:
		return made, others, t.endSpread(ctx, p.message.ID)
	}
	_, err = t.Exec(ctx, "UPDATE spreads SET after = $2, made = made + $3 WHERE message = $1",
		int64(p.message.ID), int64(rows[len(rows)-1]), made)
	return made, true, err
}

// nextSpread locks the one whose turn it is, and tells whether there are others. Nil when all are being worked at.
func (t *tx) nextSpread(ctx context.Context) (*spread, bool, error) {
	var p spread
	f, m := &p.Filter, &p.message
	var left int64
	err := t.QueryRow(ctx, `SELECT s.message, s.lane, m.app_id, s.kind, s.channel, s.reach, s.tag, s.user_id, s.external_id,
			s.last, s.after, s.due_at, m.tenant_id, m.collapse_key, (SELECT count(*) FROM spreads) - 1
		FROM spreads s JOIN messages m ON m.id = s.message
		ORDER BY s.lane, s.made, s.message LIMIT 1 FOR UPDATE OF s SKIP LOCKED`).Scan(
		(*int64)(&m.ID), &m.Lane, &m.AppID, (*optionalText)(&f.Kind), (*optionalText)(&f.Channel), (*optionalText)(&f.Reach),
		(*optionalText)(&f.Tag), (*optionalText)(&f.User), (*optionalText)(&f.ExternalID), (*int64)(&p.Last), (*int64)(&p.after),
		(*optionalTime)(&p.DueAt), (*string)(&m.Tenant), (*optionalText)(&m.CollapseKey), &left)
	if errors.Is(err, pgx.ErrNoRows) {
		err := t.QueryRow(ctx, "SELECT count(*) FROM spreads").Scan(&left)
		return nil, left > 0, err
	}
	return &p, left > 0, err
}

// reached lists the next conversations that a spread comes to.
func (t *tx) reached(ctx context.Context, p *spread, n int) ([]book.Row, error) {
	where, by, known := fitting(p.message.AppID, p.Filter, p.after)
	args := arguments(known)
	found, err := t.Query(ctx, "SELECT "+by+" "+where+" AND "+by+" <= "+args.add(int64(p.Last))+
		" ORDER BY "+by+" LIMIT "+args.add(n), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[book.Row])
}

// spreadTo makes one delivery for each conversation that is still there.
func (t *tx) spreadTo(
	ctx context.Context, p *spread, rows []book.Row, at time.Time, nextID func() outbox.DeliveryID,
) (made int, err error) {
	locked, err := t.lock(ctx, rows)
	if err != nil {
		return 0, err
	}
	lanes := make([]lane, len(rows))
	for i, r := range rows {
		lanes[i] = lane{r, p.message.Lane}
	}
	var outdone map[book.Row]bool
	if p.message.CollapseKey != "" {
		if outdone, err = t.spreadCollapses(ctx, p, rows, at); err != nil {
			return 0, err
		}
	}
	var taken map[lane]bool
	late := p.DueAt.After(at)
	if !late {
		if taken, err = collectLanes(t.Query(ctx, occupied, laneArrays(lanes)...)); err != nil {
			return 0, err
		}
	}
	var a deliveryArrays
	var over []outbox.DeliveryID
	for i, r := range rows {
		route, there := locked[r]
		if !there {
			continue
		}
		d := newDelivery{
			id: nextID(), message: p.message.ID, conversation: r, lane: p.message.Lane, state: ready, wantedAt: at, at: at,
			route:    route,
			collapse: collapseHash(p.message.AppID, p.message.Tenant, p.message.CollapseKey),
		}
		if outdone[r] {
			over = append(over, d.id)
		}
		switch {
		case late:
			d.state, d.waits, d.wantedAt, d.dueAt = scheduled, waitsTime, p.DueAt, p.DueAt
		case !taken[lanes[i]]:
			d.waits = waitsClaim
			t.offer(route, d.lane)
		}
		if !late {
			d.rank = t.store.routes.rank(route, d.lane, d.message, false)
		}
		t.count(0, d.state, 1)
		a.add(d)
	}
	if len(a.id) > 0 {
		t.wake = true
		if err := a.copy(ctx, t); err != nil {
			return 0, err
		}
	}
	if len(over) > 0 {
		list, err := hotByID(ctx, t, over...)
		if err != nil {
			return 0, err
		}
		if err := t.collapsed(ctx, list, at); err != nil {
			return 0, err
		}
	}
	return len(a.id), nil
}

// spreadCollapses ends what deliveries that are about to be made replace, and tells where they are replaced themselves.
func (t *tx) spreadCollapses(ctx context.Context, p *spread, rows []book.Row, at time.Time) (map[book.Row]bool, error) {
	outdone, err := t.outdone(ctx, &p.message, rows)
	if err != nil {
		return nil, err
	}
	var first []book.Row
	for _, r := range rows {
		if !outdone[r] {
			first = append(first, r)
		}
	}
	return outdone, t.collapse(ctx, &p.message, first, at)
}
