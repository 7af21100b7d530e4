package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/headsup-bot/headsup/outbox"
)

// Behind implements [outbox.Store].
func (s *Store) Behind(_ context.Context, id outbox.DeliveryID, n int) ([]outbox.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.queue.deliveries[id]
	if !known || d.place == 0 || d.State.Final() {
		return nil, nil
	}
	l := *s.queue.laneOf(d)
	var found []outbox.Part
	for _, other := range l[slices.Index(l, d)+1:] {
		switch {
		case other.State.Final():
			continue
		case len(found) == n || !other.joinable():
			return found, nil
		}
		found = append(found, other.part())
	}
	return found, nil
}

// joinable reports whether it may be said with another.
func (d *delivery) joinable() bool {
	return d.State == outbox.StateReady && d.DueAt.IsZero() && d.Verb == outbox.VerbSend && len(d.sends) == 0
}

func (d *delivery) part() outbox.Part {
	return outbox.Part{Delivery: d.ID, State: d.State, Activity: d.Activity, Message: copyMessage(d.message.Message)}
}

// Join implements [outbox.Store].
func (s *Store) Join(_ context.Context, j outbox.Joining) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lead, err := s.attempt(j.Lead, j.Fence)
	if err != nil {
		return err
	}
	for _, d := range s.queue.deliveries {
		d.sends = slices.DeleteFunc(d.sends, func(s outbox.Send) bool { return s.With == j.Lead })
	}
	lane := *s.queue.laneOf(lead)
	lead.sends = append(lead.sends, outbox.Send{Delivery: lead.ID, Fence: j.Fence, With: lead.ID, At: j.At})
	n := 0
	for _, id := range j.Others {
		d := s.queue.deliveries[id]
		if d == nil || d == lead || !slices.Contains(lane, d) || !d.joinable() {
			continue
		}
		n++
		d.sends, d.joins, d.MayHaveArrived = []outbox.Send{{Delivery: id, Fence: j.Fence, With: lead.ID, At: j.At}}, n, true
	}
	return nil
}

// Joined implements [outbox.Store].
func (s *Store) Joined(_ context.Context, lead outbox.DeliveryID) ([]outbox.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*delivery
	for _, d := range s.queue.deliveries {
		if slices.ContainsFunc(d.sends, func(s outbox.Send) bool { return s.With == lead }) {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *delivery) int { return cmp.Compare(a.joins, b.joins) })
	var parts []outbox.Part
	for _, d := range all {
		parts = append(parts, d.part())
	}
	return parts, nil
}
