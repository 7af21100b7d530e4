package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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

func (p part) waits() bool { return p.state == scheduled || p.state == ready || p.state == held }

// given reports whether it is said, or may be in a moment.
func (p part) given() bool { return p.state == sending || p.state == delivered }

// revised is a message as far as changes of it need to know it.
type revised struct {
	id       outbox.MessageID
	lane     outbox.Lane
	alone    int64
	recalled bool
	parts    []part // those of a page, in the order of their ids, in conversations that are locked
}

const selectRevised = "SELECT id, lane, coalesce(alone, 0), recalled_at IS NOT NULL FROM messages WHERE id = $1"

func (t *tx) messageOf(ctx context.Context, id outbox.MessageID) (*revised, error) {
	return scanRevised(t.QueryRow(ctx, selectRevised, int64(id)))
}

func scanRevised(r pgx.Row) (*revised, error) {
	var m revised
	err := r.Scan((*int64)(&m.id), &m.lane, &m.alone, &m.recalled)
	if errors.Is(err, pgx.ErrNoRows) {
		err = outbox.ErrNotFound
	}
	return &m, err
}

// revising locks a message, so that it is revised by one at a time, and the conversations of up to n of its deliveries
// after one, so that these stay as they are; of all with a negative n.
func (t *tx) revising(ctx context.Context, id outbox.MessageID, after outbox.DeliveryID, n int) (*revised, error) {
	m, err := t.messageOf(ctx, id)
	if err != nil {
		return nil, err
	}
	for {
		known, err := t.parts(ctx, m, after, n)
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
		if m, err = scanRevised(t.QueryRow(ctx, selectRevised+" FOR UPDATE", int64(id))); err != nil {
			return nil, err
		}
		if m.parts, err = t.parts(ctx, m, after, n); err != nil || covers(known, m.parts) {
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

func (t *tx) parts(ctx context.Context, m *revised, after outbox.DeliveryID, n int) (found []part, err error) {
	var limit any // none
	if n >= 0 {
		limit = n
	}
	rows, err := t.Query(ctx, selectParts, int64(m.id), m.alone, int64(after), limit)
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

var selectParts = func() string {
	const columns = "SELECT d.id, d.conversation, d.state, coalesce(d.verb, 0), coalesce(d.revises, 0), d.activity_id IS NOT NULL, "
	const waiting = columns + "coalesce(d.unsure, false) FROM deliveries d WHERE d.id > $3 AND "
	const final = columns + "d.state = 7 OR d.state = 6 AND coalesce(d.reason, '') = 'partial' FROM finished d WHERE d.id > $3 AND "
	return firstOf("$4", waiting+itself, final+itself, waiting+ofNumber, final+ofNumber)
}()

// replaceBody makes a message say something else.
func (t *tx) replaceBody(rev *outbox.Revision) {
	t.last.Queue("UPDATE messages SET body = $2, edited_at = $3 WHERE id = $1", int64(rev.Message), []byte(rev.Body), rev.At)
}

// retells has the new body told to those who have the old one. Some time after the edit, that is not everybody who has
// been told.
func (t *tx) retells(ctx context.Context, rev *outbox.Revision, m *revised, later bool) error {
	var given []part
	for _, p := range m.parts {
		if p.verb == send && p.given() {
			given = append(given, p)
		}
	}
	if len(given) == 0 {
		return t.flush(ctx)
	}
	needless, err := t.updated(ctx, m, given)
	if err == nil && later {
		err = t.saysNew(ctx, given, rev.At, needless)
	}
	if err != nil {
		return err
	}
	return t.insertRevisions(ctx, rev, m.lane, slices.DeleteFunc(given, func(p part) bool { return needless[p.id] }), update)
}

// updated are those for which an update waits, which will tell the new body.
func (t *tx) updated(ctx context.Context, m *revised, given []part) (map[outbox.DeliveryID]bool, error) {
	where := make([]int64, len(given))
	for i, p := range given {
		where[i] = int64(p.conversation)
	}
	rows, err := t.Query(ctx, `SELECT d.revises FROM deliveries d WHERE d.conversation = ANY ($1) AND d.lane = $2
		AND d.seq IS NOT NULL AND d.message = $3 AND d.verb = 1 AND d.state <> 4`, where, int16(m.lane), int64(m.id))
	if err != nil {
		return nil, err
	}
	coming := make(map[outbox.DeliveryID]bool)
	var of int64
	_, err = pgx.ForEachRow(rows, []any{&of}, func() error {
		coming[outbox.DeliveryID(of)] = true
		return nil
	})
	return coming, err
}

// saysNew adds those that have said what the message says since it was edited.
func (t *tx) saysNew(ctx context.Context, given []part, edited time.Time, to map[outbox.DeliveryID]bool) error {
	ids := make([]int64, len(given))
	for i, p := range given {
		ids[i] = int64(p.id)
	}
	rows, err := t.Query(ctx, `SELECT id, history FROM deliveries WHERE id = ANY ($1)
		UNION ALL SELECT id, history FROM finished WHERE id = ANY ($1)`, ids)
	if err != nil {
		return err
	}
	var id int64
	var lines []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &lines}, func() error {
		changes, err := history.Parse(lines)
		if err == nil && !outbox.SaysOld(changes, edited) {
			to[outbox.DeliveryID(id)] = true
		}
		return err
	})
	return err
}

// takesBack stops what waits and takes back what was said.
func (t *tx) takesBack(ctx context.Context, rev *outbox.Revision, m *revised) error {
	var waiting []outbox.DeliveryID
	var told []part
	for _, p := range m.parts {
		if p.waits() && p.verb != remove {
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
	taken, err := collectLanes(t.Query(ctx, occupied, t.laneArrays(lanes)...))
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
			t.offer(route, l, d.rank)
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
