package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// A change of a message is made in steps when there are very many deliveries, so that none holds up the writer for long.
// The first one notes the change in the table sweeps, with the last delivery that it has come to; sweeps go on from
// there. What must not be said meanwhile the claim learns from the message's not_before.

// changeAtOnce bounds the first step.
const changeAtOnce = 1000

// Kinds of changes, as they are stored.
const (
	sweepCancel int64 = iota + 1
	sweepMove
	sweepEdit
	sweepRecall
)

// never is the time before which nothing of a message is said that is being taken back.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// sweep is a change of a message, and how far it has come.
type sweep struct {
	message outbox.MessageID
	kind    int64
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
	return s.writer.do(ctx, func(t *tx) error { return t.change(w, rev) })
}

// change takes the first step of a change, which is the only one if there are not very many deliveries.
func (t *tx) change(w sweep, rev *outbox.Revision) error {
	m, err := t.messageOf(w.message)
	if err != nil {
		return err
	}
	switch {
	case m.recalled && w.kind == sweepEdit:
		return outbox.ErrRecalled
	case m.recalled && w.kind == sweepRecall:
		return nil
	}
	if needless, err := t.supersede(w); needless || err != nil {
		return err
	}
	switch w.kind {
	case sweepMove:
		err = t.delaySpread(w.message, w.due)
	case sweepEdit:
		err = t.replaceBody(rev)
	case sweepRecall:
		if _, err = t.exec("UPDATE messages SET recalled_at = ? WHERE id = ?", w.at, int64(w.message)); err == nil {
			err = t.endSpread(w.message)
		}
	default:
		err = t.endSpread(w.message)
	}
	if err != nil {
		return err
	}
	last, n, err := t.sweepPage(w, m, rev, changeAtOnce)
	if n < changeAtOnce || err != nil {
		return err
	}
	return t.beginSweep(w, last)
}

// supersede ends the changes that another takes the place of, and tells whether that other one is under way already, or
// has nothing to do.
func (t *tx) supersede(w sweep) (needless bool, err error) {
	var under []int64
	if err := t.each(func(r row) error {
		under = append(under, r.int(0))
		return nil
	}, "SELECT kind FROM sweeps WHERE message = ?", int64(w.message)); err != nil {
		return false, err
	}
	for _, kind := range under {
		switch {
		case kind == sweepRecall, kind == sweepCancel && w.kind != sweepRecall && w.kind != sweepEdit:
			return true, nil // recalled ones can only be cancelled or moved, which they are or cannot be
		case w.kind == sweepRecall, kind == w.kind, kind == sweepMove && w.kind == sweepCancel:
			if err := t.endSweep(sweep{message: w.message, kind: kind}); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (t *tx) beginSweep(w sweep, after outbox.DeliveryID) error {
	t.after(func() { t.store.sweeps.Add(1) })
	if _, err := t.exec("INSERT INTO sweeps (message, kind, after, at, due_at) VALUES (?, ?, ?, ?, ?)",
		int64(w.message), w.kind, int64(after), w.at, w.due); err != nil {
		return err
	}
	until := never
	switch w.kind {
	case sweepEdit:
		return nil
	case sweepMove:
		if until = w.due; !until.After(w.at) {
			until = w.at // nothing is kept back, but nothing is replayed meanwhile
		}
	}
	_, err := t.exec("UPDATE messages SET not_before = ? WHERE id = ?", until, int64(w.message))
	return err
}

func (t *tx) endSweep(w sweep) error {
	n, err := t.exec("DELETE FROM sweeps WHERE message = ? AND kind = ?", int64(w.message), w.kind)
	if n == 0 || err != nil {
		return err
	}
	t.after(func() { t.store.sweeps.Add(-1) })
	if w.kind != sweepEdit {
		_, err = t.exec("UPDATE messages SET not_before = NULL WHERE id = ?", int64(w.message))
	}
	return err
}

// SweepMessages implements [outbox.Store].
func (s *Store) SweepMessages(
	ctx context.Context, n int, nextID func() outbox.DeliveryID,
) (changed []outbox.MessageID, more bool, err error) {
	if s.sweeps.Load() == 0 {
		return nil, false, nil
	}
	err = s.writer.do(ctx, func(t *tx) (err error) {
		changed, err = t.sweep(n, nextID)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return changed, s.sweeps.Load() > 0, nil
}

func (t *tx) sweep(n int, nextID func() outbox.DeliveryID) (changed []outbox.MessageID, err error) {
	var w sweep
	found, err := t.one(func(r row) {
		w = sweep{outbox.MessageID(r.int(0)), r.int(1), outbox.DeliveryID(r.int(2)), r.time(3), r.time(4)}
	}, "SELECT message, kind, after, at, due_at FROM sweeps ORDER BY message, kind LIMIT 1")
	if !found || err != nil {
		return nil, err
	}
	m, err := t.messageOf(w.message)
	if errors.Is(err, outbox.ErrNotFound) { // nothing is left to be changed
		return nil, t.endSweep(w)
	}
	if err != nil {
		return nil, err
	}
	rev := outbox.Revision{Message: w.message, At: w.at, NextID: nextID}
	last, seen, err := t.sweepPage(w, m, &rev, n)
	switch {
	case err != nil:
		return nil, err
	case seen < n:
		err = t.endSweep(w)
	default:
		_, err = t.exec("UPDATE sweeps SET after = ? WHERE message = ? AND kind = ?", int64(last), int64(w.message), w.kind)
	}
	return []outbox.MessageID{w.message}, err
}

// sweepPage changes those of the next n deliveries that are to be changed; it returns the last of them and how many they
// are.
func (t *tx) sweepPage(w sweep, m revised, rev *outbox.Revision, n int) (last outbox.DeliveryID, seen int, err error) {
	if w.kind == sweepEdit || w.kind == sweepRecall {
		parts, err := t.parts(w.message, m.alone, w.after, n)
		switch {
		case err != nil || len(parts) == 0:
			return 0, 0, err
		case w.kind == sweepEdit:
			err = t.retells(rev, m, parts, w.after > 0)
		default:
			err = t.takesBack(rev, m, parts)
		}
		return parts[len(parts)-1].id, len(parts), err
	}
	page, err := t.hotPage(w.message, m.alone, w.after, n)
	if err != nil {
		return 0, 0, err
	}
	for i := range page {
		h := &page[i]
		last = h.id
		switch {
		case h.state == sending || h.verb != send:
		case w.kind == sweepCancel:
			err = t.drops(h, "", w.at)
		case w.after == 0 || h.state != scheduled || !h.wantedAt.Equal(w.due): // it was not made, or moved, since
			err = t.reschedule(h, w.due, w.at)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return last, len(page), nil
}

// hotPage lists up to n of a message's deliveries after one that are not final, in the order of their ids.
func (t *tx) hotPage(id outbox.MessageID, alone int64, after outbox.DeliveryID, n int) (page []hot, err error) {
	which, arg := ofNumber, int64(id)
	if alone != 0 {
		which, arg = itself, alone
	}
	err = t.each(func(r row) error {
		page = append(page, scanHot(r))
		return nil
	}, "SELECT "+hotColumns+" FROM deliveries d WHERE "+which+" AND d.id > +? ORDER BY d.id LIMIT +?", arg, int64(after), n)
	return page, err
}

// sweepOne changes a head before its turn in a sweep comes, because it would be handed out otherwise.
func (t *tx) sweepOne(h *hot, notBefore, now time.Time) (changed bool, err error) {
	recalled := false
	if !notBefore.Before(never) {
		if recalled, err = t.recalled(h.message); err != nil {
			return false, err
		}
	}
	switch {
	case recalled && h.verb != remove:
		return true, t.drops(h, outbox.ReasonRecalled, now)
	case recalled, h.verb != send:
		return false, nil
	case notBefore.Before(never):
		return true, t.reschedule(h, notBefore, now)
	}
	return true, t.drops(h, "", now)
}

// drops cancels a delivery that is not handed out.
func (t *tx) drops(h *hot, reason string, at time.Time) error {
	t.wake = true // the next due time may be another
	return t.finish(h, outbox.Change{At: at, State: outbox.StateCancelled, Attempt: int(h.claims), Reason: reason})
}
