package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// spread is a message whose deliveries are being made, as it is on disk.
type spread struct {
	message     outbox.MessageID
	lane        outbox.Lane
	appID       string
	tenant      activity.TenantID
	collapseKey string
	outbox.Spread
	after book.Row
}

func (t *tx) insertSpread(sub *outbox.Submission) error {
	p := sub.Spread
	switch {
	case p == nil:
		return nil
	case len(sub.Deliveries) > 0:
		return errors.New("sqlite: submit: a spread, and deliveries")
	}
	if _, err := t.exec("UPDATE messages SET recipients = ? WHERE id = ?", p.Conversations, int64(sub.Message.ID)); err != nil {
		return err
	}
	t.after(func() { t.store.spreads.Add(1) })
	f := p.Filter
	_, err := t.exec(`INSERT INTO spreads (message, lane, kind, channel, reach, tag, user_id, external_id, tenant_id, object_id, upn, email,
			team_id, room_id, last, after, made, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?)`, int64(sub.Message.ID), int64(sub.Message.Lane), string(f.Kind), string(f.Channel),
		string(f.Reach), f.Tag, string(f.User), f.ExternalID, string(f.Tenant), f.ObjectID, f.UPN, f.Email, f.Team, f.Room, int64(p.Last), p.DueAt)
	return err
}

// endSpread makes no more deliveries of a message.
func (t *tx) endSpread(id outbox.MessageID) error {
	n, err := t.exec("DELETE FROM spreads WHERE message = ?", int64(id))
	if err != nil || n == 0 {
		return err
	}
	t.after(func() { t.store.spreads.Add(-n) })
	_, err = t.exec("DELETE FROM outdone WHERE message = ?", int64(id))
	return err
}

// delaySpread makes what is not made yet due at another time.
func (t *tx) delaySpread(id outbox.MessageID, due time.Time) error {
	_, err := t.exec("UPDATE spreads SET due_at = ? WHERE message = ?", due, int64(id))
	return err
}

// SpreadMessages implements [outbox.Store].
func (s *Store) SpreadMessages(
	ctx context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	if s.spreads.Load() == 0 || s.room.short.Load() {
		return 0, false, nil
	}
	err = s.writer.do(ctx, func(t *tx) (err error) {
		made, err = t.spread(n, at, nextID)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return made, s.spreads.Load() > 0, nil
}

func (t *tx) spread(n int, at time.Time, nextID func() outbox.DeliveryID) (made int, err error) {
	p, found, err := t.nextSpread()
	if !found || err != nil {
		return 0, err
	}
	rows, err := t.reached(p, n)
	if err != nil {
		return 0, err
	}
	m := outbox.Message{ID: p.message, AppID: p.appID, Tenant: p.tenant, CollapseKey: p.collapseKey}
	for _, to := range rows {
		outdone, err := t.outdone(&m, to.row)
		if err == nil && !outdone {
			err = t.collapse(&m, to.row, at)
		}
		if err != nil {
			return 0, err
		}
		h := hot{id: nextID(), message: p.message, conversation: to.row, route: to.route, lane: p.lane, wantedAt: at, createdAt: at}
		if p.DueAt.After(at) {
			h.wantedAt = p.DueAt
			err = t.insertScheduled(&h, p.DueAt, at)
		} else {
			err = t.insertReady(&h, at)
		}
		switch {
		case err == nil && outdone:
			err = t.collapsed(&h, at)
		case err == nil:
			err = t.mayCollapse(h.id, &m)
		}
		if err != nil {
			return 0, err
		}
	}
	if len(rows) < n {
		return len(rows), t.endSpread(p.message)
	}
	_, err = t.exec("UPDATE spreads SET after = ?, made = made + ? WHERE message = ?",
		int64(rows[len(rows)-1].row), len(rows), int64(p.message))
	return len(rows), err
}

// nextSpread is the one whose turn it is.
func (t *tx) nextSpread() (p spread, found bool, err error) {
	found, err = t.one(func(r row) {
		p = spread{message: outbox.MessageID(r.int(0)), lane: outbox.Lane(r.int(1)), appID: r.text(2), after: book.Row(r.int(10))}
		p.Filter = book.Filter{
			Kind: book.Kind(r.text(3)), Channel: activity.ChannelID(r.text(4)), Reach: book.Reach(r.text(5)), Tag: r.text(6),
			User: activity.AccountID(r.text(7)), ExternalID: r.text(8), Tenant: activity.TenantID(r.text(14)),
			ObjectID: r.text(15), UPN: r.text(16), Email: r.text(17), Team: r.text(18), Room: r.text(19),
		}
		p.Last, p.DueAt = book.Row(r.int(9)), r.time(11)
		p.tenant, p.collapseKey = activity.TenantID(r.text(12)), r.text(13)
	}, `SELECT s.message, s.lane, m.app_id, s.kind, s.channel, s.reach, s.tag, s.user_id, s.external_id, s.last, s.after, s.due_at,
			m.tenant_id, m.collapse_key, s.tenant_id, s.object_id, s.upn, s.email, s.team_id, s.room_id
		FROM spreads s CROSS JOIN messages m ON m.id = s.message ORDER BY s.lane, s.made, s.message LIMIT 1`)
	return p, found, err
}

// recipient is a conversation with its route.
type recipient struct {
	row   book.Row
	route int64
}

// reached lists the next conversations that a spread comes to.
func (t *tx) reached(p spread, n int) (rows []recipient, err error) {
	where, by, args := fitting(p.appID, p.Filter, p.after)
	err = t.each(func(r row) error {
		rows = append(rows, recipient{book.Row(r.int(0)), r.int(1)})
		return nil
	}, "SELECT c.id, c.route "+where+" AND "+by+" <= ? ORDER BY "+by+" LIMIT +?", append(args, int64(p.Last), n)...)
	return rows, err
}
