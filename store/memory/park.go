package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// Park implements [outbox.Store].
func (s *Store) Park(_ context.Context, at time.Time) (parked int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.queue.deliveries)) {
		d := s.queue.deliveries[id]
		due := d.State == outbox.StateReady || d.State == outbox.StateHeld ||
			d.State == outbox.StateScheduled && !d.DueAt.After(at)
		if due && d.Verb == outbox.VerbSend {
			s.queue.drop(d, outbox.Change{At: at, State: outbox.StateUnknown, Reason: outbox.ReasonRestored})
			parked++
		}
	}
	s.wake()
	return parked, nil
}
