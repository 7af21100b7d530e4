package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// A change of a message is made in steps when there are very many deliveries, so that locks are not held for long. The
// first one notes the change in the table sweeps, with the last delivery that it has come to; sweeps go on from there, on
// whichever node. What must not be said meanwhile the claim learns from the message's not_before.
//
// Changes of one message are made one after the other: each takes the message's advisory lock, then the rows of the tables
// sweeps and spreads, then conversations, then the message.

// changeAtOnce bounds the first step.
const changeAtOnce = 1000

// Kinds of changes, as they are stored.
const (
	sweepCancel int16 = iota + 1
	sweepMove
	sweepEdit
	sweepRecall
)

// never is the time before which nothing of a message is said that is being taken back.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// sweep is a change of a message, and how far it has come.
type sweep struct {
	message outbox.MessageID
	kind    int16
	after   outbox.DeliveryID
	at      time.Time
	due     time.Time
}

// CancelMessage implements [outbox.Store].
func (s *Store) CancelMessage(ctx context.Context, id outbox.MessageID, at time.Time) error {
	return s.change(ctx, sweep{message: id, kind: sweepCancel, at: at}, nil)
}

// RescheduleMessage implements [outbox.Store].
func (s *Store) RescheduleMessage(ctx context.Context, id outbox.MessageID, due, at time.Time) error {
	return s.change(ctx, sweep{message: id, kind: sweepMove, at: at, due: due}, nil)
}

// ReviseMessage implements [outbox.Store].
func (s *Store) ReviseMessage(ctx context.Context, rev outbox.Revision) error {
	w := sweep{message: rev.Message, kind: sweepEdit, at: rev.At}
	if len(rev.Body) == 0 {
		w.kind = sweepRecall
	}
	return s.change(ctx, w, &rev)
}

func (s *Store) change(ctx context.Context, w sweep, rev *outbox.Revision) error {
	many := false
	if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		many, err = t.change(ctx, w, rev)
		return err
	}); err != nil || !many {
		return err
	}
	return s.outlast(ctx)
}

// outlastPatience bounds outlast.
const outlastPatience = 2 * time.Second

// outlast waits until the transactions that run now are over: a claim among them may not have seen what was committed
// just before. It does not wait for ever for one that has nothing to do with us.
func (s *Store) outlast(ctx context.Context) error {
	end := time.Now().Add(outlastPatience)
	return s.read(ctx, func(ctx context.Context, q querier) error {
		var first, running int64
		err := q.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").Scan(&first)
		for err == nil && running < first && time.Now().Before(end) {
			if err = q.QueryRow(ctx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").Scan(&running); err != nil || running >= first {
				break
			}
			pause(ctx, 1)
		}
		return err
	})
}

// change takes the first step of a change, which is the only one if there are not very many deliveries.
func (t *tx) change(ctx context.Context, w sweep, rev *outbox.Revision) (many bool, err error) {
	t.last.Queue("SELECT pg_advisory_xact_lock($1)", int64(w.message)) // it is sent with what follows, and run before that
	if needless, err := t.supersede(ctx, w); needless || err != nil {
		return false, err
	}
	switch w.kind {
	case sweepMove:
		err = t.delaySpread(ctx, w.message, w.due)
	case sweepCancel, sweepRecall:
		err = t.endSpread(ctx, w.message)
	}
	if err != nil {
		return false, err
	}
	last, n, err := t.sweepPage(ctx, w, rev, changeAtOnce)
	if n < changeAtOnce || err != nil {
		return false, err
	}
	return true, t.beginSweep(ctx, w, last)
}

// supersede ends the changes that another takes the place of, and tells whether that other one is under way already, or
// has nothing to do.
func (t *tx) supersede(ctx context.Context, w sweep) (needless bool, err error) {
	rows, err := t.Query(ctx, "SELECT kind FROM sweeps WHERE message = $1 ORDER BY kind FOR UPDATE", int64(w.message))
	if err != nil {
		return false, err
	}
	under, err := pgx.CollectRows(rows, pgx.RowTo[int16])
	if err != nil {
		return false, err
	}
	for _, kind := range under {
		switch {
		case kind == sweepRecall && w.kind == sweepEdit:
			return false, outbox.ErrRecalled
		case kind == sweepRecall, kind == sweepCancel && w.kind != sweepRecall && w.kind != sweepEdit:
			return true, nil
		case w.kind == sweepRecall, kind == w.kind, kind == sweepMove && w.kind == sweepCancel:
			t.endSweep(sweep{message: w.message, kind: kind})
		}
	}
	return false, t.flush(ctx)
}

func (t *tx) beginSweep(ctx context.Context, w sweep, after outbox.DeliveryID) error {
	t.last.Queue("INSERT INTO sweeps (message, kind, after, at, due_at) VALUES ($1, $2, $3, $4, $5)",
		int64(w.message), w.kind, int64(after), w.at, optionalTime(w.due))
	until := never
	switch w.kind {
	case sweepEdit:
		return t.flush(ctx)
	case sweepMove:
		if until = w.due; !until.After(w.at) {
			until = w.at // nothing is kept back, but nothing is replayed meanwhile
		}
	}
	t.last.Queue("UPDATE messages SET not_before = $2 WHERE id = $1", int64(w.message), until)
	return t.flush(ctx)
}

func (t *tx) endSweep(w sweep) {
	t.last.Queue("DELETE FROM sweeps WHERE message = $1 AND kind = $2", int64(w.message), w.kind)
	if w.kind != sweepEdit {
		t.last.Queue("UPDATE messages SET not_before = NULL WHERE id = $1", int64(w.message))
	}
}

// SweepMessages implements [outbox.Store]. Several nodes go on with several changes at once, and with one change one at a
// time.
func (s *Store) SweepMessages(
	ctx context.Context, n int, nextID func() outbox.DeliveryID,
) (changed []outbox.MessageID, more bool, err error) {
	found := false
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sweeps)").Scan(&found)
	}); err != nil || !found {
		return nil, false, err
	}
	err = s.writeFor(ctx, n, func(ctx context.Context, t *tx) (err error) {
		changed, more, err = t.sweep(ctx, n, nextID)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return changed, more, nil
}

func (t *tx) sweep(
	ctx context.Context, n int, nextID func() outbox.DeliveryID,
) (changed []outbox.MessageID, more bool, err error) {
	var w sweep
	var left int64
	err = t.QueryRow(ctx, `SELECT message, kind, after, at, due_at, (SELECT count(*) FROM sweeps) - 1 FROM sweeps
		ORDER BY message, kind LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(
		(*int64)(&w.message), &w.kind, (*int64)(&w.after), &w.at, (*optionalTime)(&w.due), &left)
	if errors.Is(err, pgx.ErrNoRows) { // others are at work
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	last, seen, err := t.sweepPage(ctx, w, &outbox.Revision{Message: w.message, At: w.at, NextID: nextID}, n)
	if errors.Is(err, outbox.ErrRecalled) || errors.Is(err, outbox.ErrNotFound) { // nothing is left to be changed
		seen, err = 0, nil
	}
	switch {
	case err != nil:
		return nil, false, err
	case seen < n:
		t.endSweep(w)
	default:
		t.last.Queue("UPDATE sweeps SET after = $3 WHERE message = $1 AND kind = $2", int64(w.message), w.kind, int64(last))
	}
	return []outbox.MessageID{w.message}, left > 0 || seen == n, t.flush(ctx)
}

// sweepPage changes those of the next n deliveries that are to be changed; it returns the last of them and how many they
// are.
func (t *tx) sweepPage(
	ctx context.Context, w sweep, rev *outbox.Revision, n int,
) (last outbox.DeliveryID, seen int, err error) {
	if w.kind == sweepEdit || w.kind == sweepRecall {
		m, err := t.revising(ctx, w.message, w.after, n)
		if err != nil {
			return 0, 0, err
		}
		if w.kind == sweepRecall && m.recalled && w.after == 0 { // it is over already
			return 0, 0, nil
		}
		if seen = len(m.parts); seen > 0 {
			last = m.parts[seen-1].id
		}
		return last, seen, t.reviseParts(ctx, w, m, rev)
	}
	m, err := t.messageOf(ctx, w.message)
	if err != nil {
		return 0, 0, err
	}
	last, seen, waiting, err := t.lockWaiting(ctx, m, w.after, n)
	switch {
	case err != nil:
		return 0, 0, err
	case w.kind == sweepCancel:
		return last, seen, t.drop(ctx, waiting, "", w.at)
	}
	if w.after > 0 { // some were made, or moved, since
		kept := waiting[:0]
		for _, h := range waiting {
			if h.state != scheduled || !h.wantedAt.Equal(w.due.Truncate(time.Microsecond)) {
				kept = append(kept, h)
			}
		}
		waiting = kept
	}
	return last, seen, t.reschedule(ctx, waiting, w.due, w.at)
}

// reviseParts edits or recalls what was said by the parts of a message.
func (t *tx) reviseParts(ctx context.Context, w sweep, m *revised, rev *outbox.Revision) error {
	first := w.after == 0
	switch {
	case w.kind == sweepEdit && m.recalled:
		return outbox.ErrRecalled
	case w.kind == sweepEdit:
		if first {
			t.replaceBody(rev)
		}
		return t.retells(ctx, rev, m, !first)
	case first:
		t.last.Queue("UPDATE messages SET recalled_at = $2 WHERE id = $1", int64(rev.Message), rev.At)
	}
	return t.takesBack(ctx, rev, m)
}

// lockWaiting locks the conversations of up to n of a message's deliveries after one that are not final, and returns what
// waits there and revises nothing; the last that it has looked at, and how many these are.
func (t *tx) lockWaiting(
	ctx context.Context, m *revised, after outbox.DeliveryID, n int,
) (last outbox.DeliveryID, seen int, waiting []hot, err error) {
	which, of := "d.message = $1 AND NOT d.alone", int64(m.id)
	if m.alone != 0 {
		which, of = "d.id = $1", m.alone
	}
	rows, err := t.Query(ctx, "SELECT d.id, d.conversation FROM deliveries d WHERE "+which+" AND d.id > $2 ORDER BY d.id LIMIT $3",
		of, int64(after), n)
	if err != nil {
		return 0, 0, nil, err
	}
	var ids []outbox.DeliveryID
	var where []book.Row
	var d, c int64
	if _, err := pgx.ForEachRow(rows, []any{&d, &c}, func() error {
		ids, where = append(ids, outbox.DeliveryID(d)), append(where, book.Row(c))
		return nil
	}); err != nil || len(ids) == 0 {
		return 0, 0, nil, err
	}
	if _, err := t.lock(ctx, where); err != nil {
		return 0, 0, nil, err
	}
	waiting, err = collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.id = ANY ($1) AND d.state <> 4 AND d.verb IS NULL ORDER BY d.id`, numbers(ids)))
	return ids[len(ids)-1], len(ids), waiting, err
}
