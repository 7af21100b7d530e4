package server

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// BenchmarkObserver is all that counting adds to one delivery: compare it with what a delivery costs (go test -bench
// SubmitClaimRecord ./store/sqlite, and make bench).
func BenchmarkObserver(b *testing.B) {
	m := newMetrics("bench")
	a := outbox.Attempt{}
	a.Conversation.Key.Channel = activity.ChannelTeams
	now := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Accepted(outbox.LaneNormal, 1)
			m.Attempted(&a, "", time.Millisecond)
			m.Ended(outbox.End{Lane: outbox.LaneNormal, State: outbox.StateDelivered, WantedAt: now, At: now.Add(time.Millisecond)})
		}
	})
}
