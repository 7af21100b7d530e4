package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/headsup-bot/headsup/outbox"
)

// byID lists all deliveries, oldest first.
func (q *queue) byID() []*delivery {
	return slices.SortedFunc(maps.Values(q.deliveries), func(a, b *delivery) int { return cmp.Compare(a.ID, b.ID) })
}

// matches reports whether a delivery is one that a filter means.
func (d *delivery) matches(f outbox.DeliveryFilter) bool {
	return d.message.AppID == f.AppID && (f.Tenant == "" || d.message.Tenant == f.Tenant) && (f.State == "" || d.State == f.State) && (f.Reason == "" || d.Reason == f.Reason) &&
		(f.Conversation == 0 || d.Conversation == f.Conversation) && (f.Message == 0 || d.Message == f.Message)
}

// DeliveryRecord implements [outbox.Store].
func (s *Store) DeliveryRecord(_ context.Context, id outbox.DeliveryID) (outbox.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.queue.deliveries[id]
	if !known {
		return outbox.Delivery{}, outbox.ErrNoDelivery
	}
	return d.copy(), nil
}

// ListDeliveries implements [outbox.Store].
func (s *Store) ListDeliveries(_ context.Context, f outbox.DeliveryFilter) (outbox.DeliveryPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page outbox.DeliveryPage
	for _, d := range slices.Backward(s.queue.byID()) {
		if f.Before != 0 && d.ID >= f.Before || !d.matches(f) {
			continue
		}
		if n := len(page.Deliveries); n == f.Limit {
			page.Next = page.Deliveries[n-1].ID
			break
		}
		page.Deliveries = append(page.Deliveries, d.copy())
	}
	return page, nil
}

// ListMessages implements [outbox.Store].
func (s *Store) ListMessages(_ context.Context, f outbox.MessageFilter) (outbox.MessagePage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type entry struct {
		id int64
		m  *message
	}
	var all []entry
	if f.Conversation == 0 {
		for id, m := range s.queue.messages {
			all = append(all, entry{int64(id), m})
		}
	} else {
		for id, d := range s.queue.deliveries {
			if d.Conversation == f.Conversation && d.Verb == outbox.VerbSend {
				all = append(all, entry{int64(id), d.message})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(b.id, a.id) })
	var page outbox.MessagePage
	last := int64(0)
	for _, e := range all {
		if e.id <= f.Above || f.Before != 0 && e.id >= f.Before || !e.m.matches(f) {
			continue
		}
		if len(page.Messages) == f.Limit {
			page.Next = last
			break
		}
		last = e.id
		page.Messages = append(page.Messages, e.m.summary())
	}
	return page, nil
}

// matches reports whether a message is one that a filter means, but for its conversation.
func (m *message) matches(f outbox.MessageFilter) bool {
	return m.AppID == f.AppID && (f.Tenant == "" || m.Tenant == f.Tenant) && (f.Topic == "" || m.Topic == f.Topic) && !m.CreatedAt.Before(f.CreatedAfter) &&
		(f.CreatedBefore.IsZero() || m.CreatedAt.Before(f.CreatedBefore)) && (f.State == "" || m.summary().State() == f.State)
}

func (m *message) summary() outbox.Summary {
	return outbox.Summary{Message: copyMessage(m.Message), Counts: outbox.CountStates(m.first(len(m.deliveries)))}
}

// Fallbacks implements [outbox.Store].
func (s *Store) Fallbacks(
	_ context.Context, after outbox.MessageID, n int,
) (found []outbox.MessageID, last outbox.MessageID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.queue.messages)) {
		m := s.queue.messages[id]
		switch {
		case id <= after || m.Fallback == "":
			continue
		case n == 0:
			return found, last, nil
		}
		n--
		last = id
		if len(m.deliveries) > 1 && slices.ContainsFunc(m.deliveries, func(d *delivery) bool { return !d.State.Final() }) {
			found = append(found, id)
		}
	}
	if n > 0 {
		last = 0
	}
	return found, last, nil
}
