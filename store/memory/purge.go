package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// Purge implements [outbox.Store].
func (s *Store) Purge(_ context.Context, p outbox.Purge) (done outbox.Purged, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := p.Limit
	for _, id := range slices.Sorted(maps.Keys(s.queue.messages)) {
		m := s.queue.messages[id]
		if id <= p.After || !m.CreatedAt.Before(p.ContentBefore) && !m.CreatedAt.Before(p.RecordsBefore) {
			continue
		}
		if left == 0 {
			return done, nil
		}
		left--
		done.Next = id
		ended, over := m.ended()
		switch {
		case !over:
		case m.CreatedAt.Before(p.RecordsBefore) && ended.Before(p.RecordsBefore):
			s.queue.remove(m)
			done.Records++
		case m.CreatedAt.Before(p.ContentBefore) && len(m.Body) > 0:
			m.Body, m.Value = nil, nil
			done.Contents++
		}
	}
	done.Next = 0
	return done, nil
}

// ended is when the last of a message's deliveries has ended, if all have.
func (m *message) ended() (last time.Time, over bool) {
	if m.Spreading {
		return last, false
	}
	for _, d := range m.deliveries {
		if !d.State.Final() {
			return last, false
		}
		if d.UpdatedAt.After(last) {
			last = d.UpdatedAt
		}
	}
	return last, true
}

// remove takes a message out whose deliveries are all final.
func (q *queue) remove(m *message) {
	for _, d := range m.deliveries {
		delete(q.deliveries, d.ID)
		q.counts[d.State]--
	}
	delete(q.messages, m.ID)
	if m.Key != "" {
		delete(q.keys, messageKey{m.AppID, m.Tenant, m.Key})
	}
}
