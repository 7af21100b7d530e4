package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// ReviseMessage implements [outbox.Store].
func (s *Store) ReviseMessage(ctx context.Context, rev outbox.Revision) (outbox.Record, error) {
	if err := s.write(ctx, func(ctx context.Context, t *tx) error { return t.revise(ctx, &rev) }); err != nil {
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

func (p part) waits() bool { return p.state == scheduled || p.state == ready || p.state == held }

// given reports whether it is said, or may be in a moment.
func (p part) given() bool { return p.state == sending || p.state == delivered }

// revised is a message as far as revisions need to know it, with its deliveries in the order of their ids, in
// conversations that are locked.
type revised struct {
	id       outbox.MessageID
	lane     outbox.Lane
	recalled bool
	parts    []part
}

func (t *tx) revise(ctx context.Context, rev *outbox.Revision) error {
	m, err := t.revising(ctx, rev.Message)
	switch {
	case err != nil:
		return err
	case m.recalled && len(rev.Body) > 0:
		return outbox.ErrRecalled
	case m.recalled:
		return nil
	case len(rev.Body) == 0:
		return t.recall(ctx, rev, m)
	}
	return t.edit(ctx, rev, m)
}

// revising locks a message, so that it is revised by one at a time, and the conversations of its deliveries, so that these
// stay as they are. While it is locked, no deliveries are made of it.
func (t *tx) revising(ctx context.Context, id outbox.MessageID) (*revised, error) {
	for {
		known, err := t.parts(ctx, id)
		if err != nil {
			return nil, err
		}
		rows := make([]book.Row, len(known))
		for i, p := range known {
			rows[i] = p.conversation
		}
		if _, err := t.lock(ctx, rows); err != nil {
			return nil, err
		}
		m := &revised{id: id}
		err = t.QueryRow(ctx, "SELECT lane, recalled_at IS NOT NULL FROM messages WHERE id = $1 FOR UPDATE", int64(id)).
			Scan(&m.lane, &m.recalled)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, outbox.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		if m.parts, err = t.parts(ctx, id); err != nil || covers(known, m.parts) {
			return m, err
		}
		// Somebody has added deliveries meanwhile: their conversations are to be locked, too.
	}
}

// covers reports whether all conversations of the one list are among those of the other.
func covers(locked, now []part) bool {
	have := make(map[book.Row]bool, len(locked))
	for _, p := range locked {
		have[p.conversation] = true
	}
	for _, p := range now {
		if !have[p.conversation] {
			return false
		}
	}
	return true
}

func (t *tx) parts(ctx context.Context, id outbox.MessageID) (found []part, err error) {
	const columns = "SELECT d.id, d.conversation, d.state, coalesce(d.verb, 0), coalesce(d.revises, 0), d.activity_id IS NOT NULL, "
	const waiting, final = columns + "coalesce(d.unsure, false) FROM deliveries d WHERE ", columns + "d.state = 7 OR d.state = 6 AND coalesce(d.reason, '') = 'partial' FROM finished d WHERE "
	const only = "d.id = (SELECT m.alone FROM messages m WHERE m.id = $1)"
	const others = "d.message = $1 AND NOT d.alone"
	rows, err := t.Query(ctx, waiting+only+" UNION ALL "+final+only+" UNION ALL "+waiting+others+" UNION ALL "+final+others+" ORDER BY 1", int64(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p part
		if err := rows.Scan((*int64)(&p.id), (*int64)(&p.conversation), &p.state, &p.verb, (*int64)(&p.revises), &p.said, &p.unsure); err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, rows.Err()
}

// edit replaces the body, for those who wait, and has it told to those who have the old one.
func (t *tx) edit(ctx context.Context, rev *outbox.Revision, m *revised) error {
	t.last.Queue("UPDATE messages SET body = $2, edited_at = $3 WHERE id = $1", int64(rev.Message), []byte(rev.Body), rev.At)
	coming := make(map[outbox.DeliveryID]bool) // those for which an update waits, which will tell the new body
	for _, p := range m.parts {
		if p.verb == update && p.waits() {
			coming[p.revises] = true
		}
	}
	var told []part
	for _, p := range m.parts {
		if p.verb == send && p.given() && !coming[p.id] {
			told = append(told, p)
		}
	}
	return t.insertRevisions(ctx, rev, m.lane, told, update)
}

// recall stops what waits and takes back what was said.
func (t *tx) recall(ctx context.Context, rev *outbox.Revision, m *revised) error {
	if err := t.endSpread(ctx, rev.Message); err != nil {
		return err
	}
	t.last.Queue("UPDATE messages SET recalled_at = $2 WHERE id = $1", int64(rev.Message), rev.At)
	var waiting []outbox.DeliveryID
	var told []part
	for _, p := range m.parts {
		if p.waits() {
			waiting = append(waiting, p.id)
		}
		if p.verb == send && (p.given() || p.unsure) {
			told = append(told, p)
		}
	}
	list, err := hotByID(ctx, t, waiting...)
	if err != nil {
		return err
	}
	if err := t.drop(ctx, list, outbox.ReasonRecalled, rev.At); err != nil {
		return err
	}
	return t.insertRevisions(ctx, rev, m.lane, told, remove)
}

// insertRevisions adds deliveries that revise parts, behind all that waits in their lanes; none in conversations that are
// forgotten.
func (t *tx) insertRevisions(ctx context.Context, rev *outbox.Revision, l outbox.Lane, parts []part, verb int64) error {
	if len(parts) == 0 {
		return nil
	}
	rows, lanes := make([]book.Row, len(parts)), make([]lane, len(parts))
	for i, p := range parts {
		rows[i], lanes[i] = p.conversation, lane{p.conversation, l}
	}
	there, err := t.lock(ctx, rows) // again: to know which are in the book
	if err != nil {
		return err
	}
	taken, err := collectLanes(t.Query(ctx, occupied, laneArrays(lanes)...))
	if err != nil {
		return err
	}
	var a deliveryArrays
	for i, p := range parts {
		route, ok := there[p.conversation]
		if !ok {
			continue
		}
		d := newDelivery{
			id: rev.NextID(), message: rev.Message, conversation: p.conversation, lane: l, state: ready, wantedAt: rev.At, at: rev.At,
			verb: verb, revises: p.id, route: route, rank: t.store.routes.rank(route, l, rev.Message, false),
		}
		if !taken[lanes[i]] {
			taken[lanes[i]], d.waits = true, waitsClaim
			t.offer(route, l)
		}
		t.count(0, ready, 1)
		a.add(d)
	}
	if len(a.id) > 0 {
		t.wake = true
		a.queue(t)
	}
	return nil
}
