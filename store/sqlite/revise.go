package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// ReviseMessage implements [outbox.Store].
func (s *Store) ReviseMessage(ctx context.Context, rev outbox.Revision) (outbox.Record, error) {
	if err := s.writer.do(ctx, func(t *tx) error { return t.revise(&rev) }); err != nil {
		return outbox.Record{}, err
	}
	return s.MessageRecord(ctx, rev.Message)
}

// part is one delivery of a message that is revised.
type part struct {
	id           outbox.DeliveryID
	conversation book.Row
	state        int64
	verb         int64
	revises      outbox.DeliveryID
	said         bool // the channel has given it an id
	unsure       bool // something of it may have arrived
}

func (t *tx) revise(rev *outbox.Revision) error {
	m, err := t.messageOf(rev.Message)
	switch {
	case err != nil:
		return err
	case m.recalled && len(rev.Body) > 0:
		return outbox.ErrRecalled
	case m.recalled:
		return nil
	}
	parts, err := t.parts(rev.Message, m.alone)
	if err != nil {
		return err
	}
	if len(rev.Body) == 0 {
		return t.recall(rev, m, parts)
	}
	return t.edit(rev, m, parts)
}

// revised is a message as far as revisions need to know it.
type revised struct {
	lane     outbox.Lane
	alone    int64
	recalled bool
}

func (t *tx) messageOf(id outbox.MessageID) (m revised, err error) {
	found, err := t.one(func(r row) { m = revised{outbox.Lane(r.int(0)), r.int(1), r.bool(2)} },
		"SELECT lane, alone, recalled_at FROM messages WHERE id = ?", int64(id))
	if err == nil && !found {
		err = outbox.ErrNotFound
	}
	return m, err
}

// parts lists the deliveries of a message in the order of their ids.
func (t *tx) parts(id outbox.MessageID, alone int64) (found []part, err error) {
	const columns = "SELECT d.id, d.conversation, d.state, d.verb, d.revises, d.activity_id IS NOT NULL, "
	const waiting, final = columns + "d.unsure FROM deliveries d WHERE ", columns + "d.state = 7 OR d.state = 6 AND d.reason = 'partial' FROM finished d WHERE "
	query, args := waiting+ofNumber+" UNION ALL "+final+ofNumber, []any{int64(id), int64(id)}
	if alone != 0 {
		query += " UNION ALL " + waiting + itself + " UNION ALL " + final + itself
		args = append(args, alone, alone)
	}
	err = t.each(func(r row) error {
		found = append(found, part{
			id: outbox.DeliveryID(r.int(0)), conversation: book.Row(r.int(1)), state: r.int(2), verb: r.int(3),
			revises: outbox.DeliveryID(r.int(4)), said: r.bool(5), unsure: r.bool(6),
		})
		return nil
	}, query+" ORDER BY 1", args...)
	return found, err
}

// edit replaces the body, for those who wait, and has it told to those who have the old one.
func (t *tx) edit(rev *outbox.Revision, m revised, parts []part) error {
	if _, err := t.exec("UPDATE messages SET body = ?, edited_at = ? WHERE id = ?",
		[]byte(rev.Body), rev.At, int64(rev.Message)); err != nil {
		return err
	}
	coming := make(map[outbox.DeliveryID]bool) // those for which an update waits, which will tell the new body
	for _, p := range parts {
		if p.verb == update && p.waits() {
			coming[p.revises] = true
		}
	}
	for _, p := range parts {
		if p.verb == send && p.given() && !coming[p.id] {
			if err := t.insertRevision(rev, m.lane, p, update); err != nil {
				return err
			}
		}
	}
	return nil
}

// recall stops what waits and takes back what was said.
func (t *tx) recall(rev *outbox.Revision, m revised, parts []part) error {
	if err := t.endSpread(rev.Message); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE messages SET recalled_at = ? WHERE id = ?", rev.At, int64(rev.Message)); err != nil {
		return err
	}
	for _, p := range parts {
		if !p.waits() {
			continue
		}
		h, _, err := t.hotByID(p.id)
		if err != nil {
			return err
		}
		if err := t.drops(&h, outbox.ReasonRecalled, rev.At); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if p.verb == send && (p.given() || p.unsure) {
			if err := t.insertRevision(rev, m.lane, p, remove); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p part) waits() bool { return p.state == scheduled || p.state == ready || p.state == held }

// given reports whether it is said, or may be in a moment.
func (p part) given() bool { return p.state == sending || p.state == delivered }

// hotByID reads a delivery that is not final.
func (t *tx) hotByID(id outbox.DeliveryID) (h hot, found bool, err error) {
	found, err = t.one(func(r row) { h = scanHot(r) }, "SELECT "+hotColumns+" FROM deliveries d WHERE d.id = ?", int64(id))
	return h, found, err
}

// insertRevision adds a delivery that revises p, behind all that waits in its lane; none in a conversation that is
// forgotten.
func (t *tx) insertRevision(rev *outbox.Revision, l outbox.Lane, p part, verb int64) error {
	switch _, err := t.conversation(p.conversation); {
	case errors.Is(err, book.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	h := hot{
		id: rev.NextID(), message: rev.Message, conversation: p.conversation, lane: l, wantedAt: rev.At, createdAt: rev.At,
	}
	if err := t.insertReady(&h, rev.At); err != nil {
		return err
	}
	_, err := t.exec("UPDATE deliveries SET verb = ?, revises = ? WHERE id = ?", verb, int64(p.id), int64(h.id))
	return err
}

// RescheduleMessage implements [outbox.Store]. It takes several steps when there are very many deliveries.
func (s *Store) RescheduleMessage(
	ctx context.Context, id outbox.MessageID, due, at time.Time,
) (outbox.Record, error) {
	var after outbox.DeliveryID
	for more := true; more; {
		var last outbox.DeliveryID
		if err := s.writer.do(ctx, func(t *tx) error {
			if err := t.delaySpread(id, due); err != nil {
				return err
			}
			waiting, err := t.waiting(id, after, cancelAtOnce)
			if err != nil {
				return err
			}
			for i := range waiting {
				last = waiting[i].id
				if err := t.reschedule(&waiting[i], due, at); err != nil {
					return err
				}
			}
			more = len(waiting) == cancelAtOnce
			return nil
		}); err != nil {
			return outbox.Record{}, err
		}
		after = last
	}
	return s.MessageRecord(ctx, id)
}

func (t *tx) reschedule(h *hot, due, at time.Time) error {
	t.wake = true
	c := outbox.Change{At: at, State: outbox.StateScheduled, Attempt: int(h.claims), Reason: outbox.ReasonRescheduled}
	if due.After(at) {
		t.count(h.state, scheduled, 1)
		if _, err := t.exec(`UPDATE deliveries SET state = 1, seq = NULL, waits = 2, wanted_at = ?, due_at = ?, reason = ?,
				updated_at = ?, history = history || ? WHERE id = ?`, due, due, c.Reason, at, history.Line(c), int64(h.id)); err != nil {
			return err
		}
		return t.vacates(h)
	}
	c.State = outbox.StateReady
	if h.state == ready { // its place stays; only a time that it waits for goes
		_, err := t.exec(`UPDATE deliveries SET waits = 1, due_at = 0, reason = ?, updated_at = ?, history = history || ?
			WHERE id = ? AND waits = 2`, c.Reason, at, history.Line(c), int64(h.id))
		if err != nil {
			return err
		}
		r, err := t.route(h.route)
		if err == nil {
			t.store.routes.offers(r, h.lane)
		}
		return err
	}
	return t.becomesReady(h, c)
}

// becomesReady gives a delivery of the table a place at the end of its lane.
func (t *tx) becomesReady(h *hot, c outbox.Change) error {
	r, err := t.routeFor(h)
	if err != nil {
		return err
	}
	t.count(h.state, ready, 1)
	t.enters(h.conversation, h.lane)
	t.store.routes.offers(r, h.lane)
	_, err = t.exec("UPDATE deliveries SET state = 2, rank = ?, seq = ?, waits = NOT "+laneTaken+
		", wanted_at = ?, due_at = 0, reason = ?, updated_at = ?, history = history || ? WHERE id = ?",
		t.rank(r, h), t.nextSeq(), int64(h.conversation), int64(h.lane), c.At, c.Reason, c.At, history.Line(c), int64(h.id))
	return err
}
