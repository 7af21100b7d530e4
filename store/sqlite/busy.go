package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// Mark implements [outbox.Store].
func (s *Store) Mark(ctx context.Context, key headsup.ConversationKey, m headsup.Mark) (now book.Conversation, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		e, err := t.conversationByKey(key)
		switch {
		case err != nil:
			return err
		case e == nil:
			return book.ErrNotFound
		}
		if e, err = t.mark(e, m); err == nil {
			now = e.copy()
		}
		return err
	})
	return now, err
}

// mark changes what goes on in a conversation, and judges what is held there.
func (t *tx) mark(e *entry, m headsup.Mark) (*entry, error) {
	next := *e
	next.conv.Busy = m.Apply(e.conv.Busy)
	stored, err := outbox.EncodeBusy(next.conv.Busy)
	if err != nil {
		return nil, err
	}
	t.book.put(&next)
	if _, err := t.exec("UPDATE conversations SET busy = ? WHERE id = ?", stored, int64(e.conv.Row)); err != nil {
		return nil, err
	}
	return &next, t.judgeHeld(e.conv.Row, m.At)
}

// Resume implements [outbox.Store].
func (s *Store) Resume(ctx context.Context, in []book.Row, at time.Time) (n int, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		n = 0
		for _, c := range in {
			more, err := t.resume(c, at)
			if err != nil {
				return err
			}
			n += more
		}
		return nil
	})
	return n, err
}

// Sending implements [outbox.Store].
func (s *Store) Sending(_ context.Context, in []book.Row) (list []outbox.Running, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.running {
		if slices.Contains(in, r.conversation) {
			list = append(list, outbox.Running{Delivery: id, Fence: r.fence})
		}
	}
	return list, nil
}

// resume makes what was put aside in a conversation ready.
func (t *tx) resume(in book.Row, at time.Time) (n int, err error) {
	list, err := t.heldIn(in)
	if err != nil {
		return 0, err
	}
	for i := range list {
		if h := &list[i]; h.aside() {
			if err := t.enterAgain(&h.hot, outbox.Resumed(at, int(h.claims))); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// judge says what a policy makes of a delivery.
func judge(
	e *entry, h *hot, policy string, expiresAt, now time.Time,
) (p headsup.Policy, j outbox.Judgement, err error) {
	if p, err = outbox.DecodePolicy(policy); err != nil {
		return p, j, err
	}
	if h.replayed {
		expiresAt = time.Time{}
	}
	return p, outbox.Judge(p, outbox.Situation{
		Busy: e.conv.Busy, LastInbound: e.conv.LastInboundAt, WantedAt: h.wantedAt, ExpiresAt: expiresAt, Now: now,
	}), nil
}

// yield holds or suppresses a head that must not be said now.
func (t *tx) yield(h *hot, j outbox.Judgement, now time.Time) error {
	if j.Suppress {
		return t.finish(h, j.Suppressed(now, int(h.claims)))
	}
	c := j.Held(now, int(h.claims))
	t.count(h.state, held, 1)
	if _, err := t.exec(`UPDATE deliveries SET state = 3, seq = NULL, waits = 2, due_at = ?, reason = ?, updated_at = ?,
			history = history || ? WHERE id = ?`, j.Until, c.Reason, now, history.Line(c), int64(h.id)); err != nil {
		return err
	}
	return t.vacates(h)
}

// heldOne is a delivery that is held, with what is needed to judge it.
type heldOne struct {
	hot
	dueAt, expiresAt time.Time
	policy, reason   string
}

// aside reports whether it was put aside.
func (h *heldOne) aside() bool { return !outbox.Judged(h.reason) }

// heldIn lists what is held in a conversation, in the order in which it is released.
func (t *tx) heldIn(in book.Row) (list []heldOne, err error) {
	err = t.each(func(r row) error {
		list = append(list, heldOne{scanHot(r), r.time(hotCount), r.time(hotCount + 1), r.text(hotCount + 2), r.text(hotCount + 3)})
		return nil
	}, "SELECT "+hotColumns+`, d.due_at, m.expires_at, m.policy, d.reason FROM deliveries d CROSS JOIN messages m ON m.id = d.message
		WHERE d.conversation = ? AND d.seq IS NULL AND d.state = 3 ORDER BY d.wanted_at, d.id`, int64(in))
	return list, err
}

// judgeHeld judges what is held in a conversation once more, and makes what was put aside until now ready.
func (t *tx) judgeHeld(in book.Row, now time.Time) error {
	list, err := t.heldIn(in)
	if err != nil || len(list) == 0 {
		return err
	}
	e, err := t.conversation(in)
	if err != nil {
		return err
	}
	for i := range list {
		h := &list[i]
		if h.aside() {
			if !h.dueAt.After(now) {
				if err := t.enterAgain(&h.hot, outbox.Resumed(now, int(h.claims))); err != nil {
					return err
				}
			}
			continue
		}
		_, j, err := judge(e, &h.hot, h.policy, h.expiresAt, now)
		switch {
		case err != nil:
			return err
		case !j.Hold:
			err = t.enterAgain(&h.hot, j.Released(now, int(h.claims)))
		case !exact(j.Until).Equal(h.dueAt):
			t.wake = true // the next due time may be another
			_, err = t.exec("UPDATE deliveries SET due_at = ? WHERE id = ?", j.Until, int64(h.id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enterAgain gives a delivery that was held a place at the end of its lane.
func (t *tx) enterAgain(h *hot, c outbox.Change) error {
	r, err := t.routeFor(h)
	if err != nil {
		return err
	}
	t.wake = true
	t.count(held, ready, 1)
	seq := t.nextSeq()
	t.enters(h.conversation, h.lane, seq)
	t.store.routes.offers(r, h.lane)
	_, err = t.exec("UPDATE deliveries SET state = 2, rank = ?, seq = ?, waits = NOT "+laneTaken+
		", due_at = 0, reason = ?, updated_at = ?, history = history || ? WHERE id = ?",
		t.rank(r, h), seq, int64(h.conversation), int64(h.lane), c.Reason, c.At, history.Line(c), int64(h.id))
	return err
}
