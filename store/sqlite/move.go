package sqlite

import (
	"errors"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// move ends an attempt whose delivery goes on in another conversation. h is what its row becomes, but for that.
func (t *tx) move(r *run, h hot, c outbox.Change, to book.Row) error {
	way, err := t.routeIn(to)
	switch {
	case errors.Is(err, book.ErrNotFound), err == nil && to == h.conversation:
		return t.end(r, h, c)
	case err != nil:
		return err
	}
	recalled, err := t.recalled(h.message)
	if err != nil {
		return err
	}
	if recalled {
		return t.end(r, h, c)
	}
	r.ended = true
	t.closed = append(t.closed, r)
	left := h
	c.RetryAt = time.Time{}
	line := h.change(c)
	h.conversation, h.seq = to, t.nextSeq()
	if _, err := t.exec("UPDATE deliveries SET conversation = ?, route = ?, rank = ?, seq = ?, state = 2, waits = NOT "+laneTaken+
		`, due_at = 0, lease_until = 0, failures = ?, reason = ?, updated_at = ?, history = history || ?, unsure = ?, lost = NULL
		WHERE id = ?`,
		int64(to), way.id, t.rank(way, &h), h.seq, int64(to), int64(h.lane), h.failures, c.Reason, c.At, line, flag(h.unsure),
		int64(h.id)); err != nil {
		return err
	}
	t.count(sending, ready, 1)
	t.wake = true
	t.enters(to, h.lane, h.seq)
	t.store.routes.offers(way, h.lane)
	return t.vacates(&left)
}
