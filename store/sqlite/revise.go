package sqlite

import (
	"errors"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

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

// parts lists up to n deliveries of a message after one, in the order of their ids; all with a negative n.
func (t *tx) parts(id outbox.MessageID, alone int64, after outbox.DeliveryID, n int) (found []part, err error) {
	const columns = "SELECT d.id, d.conversation, d.state, d.verb, d.revises, d.activity_id IS NOT NULL, "
	const waiting, final = columns + "d.unsure FROM deliveries d WHERE ", columns + "d.state = 7 OR d.state = 6 AND d.reason = 'partial' FROM finished d WHERE "
	const later = " AND d.id > +?"
	query, args := waiting+ofNumber+later+" UNION ALL "+final+ofNumber+later, []any{int64(id), int64(after), int64(id), int64(after)}
	if alone != 0 {
		query += " UNION ALL " + waiting + itself + later + " UNION ALL " + final + itself + later
		args = append(args, alone, int64(after), alone, int64(after))
	}
	err = t.each(func(r row) error {
		found = append(found, part{
			id: outbox.DeliveryID(r.int(0)), conversation: book.Row(r.int(1)), state: r.int(2), verb: r.int(3),
			revises: outbox.DeliveryID(r.int(4)), said: r.bool(5), unsure: r.bool(6),
		})
		return nil
	}, query+inOrder, append(args, n)...)
	return found, err
}

// replaceBody makes a message say something else.
func (t *tx) replaceBody(rev *outbox.Revision) error {
	_, err := t.exec("UPDATE messages SET body = ?, edited_at = ? WHERE id = ?", []byte(rev.Body), rev.At, int64(rev.Message))
	return err
}

// retells has the new body told to those who have the old one. Some time after the edit, that is not everybody who has
// been told.
func (t *tx) retells(rev *outbox.Revision, m revised, parts []part, later bool) error {
	for _, p := range parts {
		if p.verb != send || !p.given() {
			continue
		}
		needed, err := t.needsUpdate(&p, m.lane)
		if err == nil && needed && later {
			needed, err = t.saysOld(p.id, rev.At)
		}
		if err == nil && needed {
			err = t.insertRevision(rev, m.lane, p, update)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// needsUpdate reports whether no update waits for a delivery, which will tell the new body.
func (t *tx) needsUpdate(p *part, l outbox.Lane) (yes bool, err error) {
	comes, err := t.one(func(row) {}, `SELECT 1 FROM deliveries d
		WHERE d.conversation = +? AND d.lane = +? AND d.seq > 0 AND d.verb = 1 AND d.revises = +? AND d.state <> 4`,
		int64(p.conversation), int64(l), int64(p.id))
	return !comes, err
}

// saysOld reports whether a delivery may have said what its message said before it was edited.
func (t *tx) saysOld(id outbox.DeliveryID, edited time.Time) (yes bool, err error) {
	var lines []byte
	if _, err := t.one(func(r row) { lines = r.bytes(0) },
		"SELECT history FROM deliveries WHERE id = ? UNION ALL SELECT history FROM finished WHERE id = ?", int64(id), int64(id)); err != nil {
		return false, err
	}
	changes, err := history.Parse(lines)
	return outbox.SaysOld(changes, edited), err
}

// takesBack stops what waits and takes back what was said.
func (t *tx) takesBack(rev *outbox.Revision, m revised, parts []part) error {
	for _, p := range parts {
		if !p.waits() || p.verb == remove {
			continue
		}
		h, _, err := t.hotByID(p.id)
		if err == nil {
			err = t.drops(&h, outbox.ReasonRecalled, rev.At)
		}
		if err != nil {
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
	seq := t.nextSeq()
	t.enters(h.conversation, h.lane, seq)
	t.store.routes.offers(r, h.lane)
	_, err = t.exec("UPDATE deliveries SET state = 2, rank = ?, seq = ?, waits = NOT "+laneTaken+
		", wanted_at = ?, due_at = 0, reason = ?, updated_at = ?, history = history || ? WHERE id = ?",
		t.rank(r, h), seq, int64(h.conversation), int64(h.lane), c.At, c.Reason, c.At, history.Line(c), int64(h.id))
	return err
}
