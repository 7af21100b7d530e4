package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// spread is a spread and how far it has come.
type spread struct {
	outbox.Spread
	after book.Row
	// outdone are conversations where a later message with the same collapse key has come before.
	outdone map[book.Row]bool
}

func (m *message) spreadEnds() { m.spread, m.Spreading = nil, false }

// SpreadMessages implements [outbox.Store].
func (s *Store) SpreadMessages(
	_ context.Context, n int, at time.Time, nextID func() outbox.DeliveryID,
) (made int, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting []*message
	for _, m := range s.queue.messages {
		if m.spread != nil {
			waiting = append(waiting, m)
		}
	}
	if len(waiting) == 0 {
		return 0, false, nil
	}
	m := slices.MinFunc(waiting, func(a, b *message) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(len(a.deliveries), len(b.deliveries)), cmp.Compare(a.ID, b.ID))
	})
	for made < n && m.spread.after < min(m.spread.Last, book.Row(len(s.book.rows))) {
		m.spread.after++
		if e, ok := s.book.row(m.spread.after); ok && e.Key.AppID == m.AppID && e.fits(m.spread.Filter) {
			s.spreadTo(m, e, nextID(), at)
			made++
		}
	}
	if made < n {
		m.spreadEnds()
	}
	return made, m.spread != nil || len(waiting) > 1, nil
}

// spreadTo makes one delivery. s.mu is held.
func (s *Store) spreadTo(m *message, e *entry, id outbox.DeliveryID, at time.Time) {
	d := &delivery{
		Delivery: outbox.Delivery{ID: id, Message: m.ID, Conversation: e.Row, Key: e.Key, CreatedAt: at},
		message:  m, conversation: e, wantedAt: at, since: at,
	}
	if m.spread.DueAt.After(at) {
		d.wantedAt, d.since = m.spread.DueAt, m.spread.DueAt
	}
	if !m.spread.outdone[e.Row] {
		s.collapse(d, at)
	}
	m.deliveries = append(m.deliveries, d)
	s.queue.deliveries[d.ID] = d
	s.enter(d, m.spread.DueAt, at)
	if m.spread.outdone[e.Row] {
		s.queue.drop(d, outbox.Change{At: at, State: outbox.StateSuppressed, Reason: outbox.ReasonCollapsed})
	}
}

// Extent implements [book.Store].
func (s *Store) Extent(_ context.Context, appID string, f book.Filter) (n int, last book.Row, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.book.rows {
		if e != nil && e.Key.AppID == appID && e.fits(f) {
			n++
		}
	}
	return n, book.Row(len(s.book.rows)), nil
}
