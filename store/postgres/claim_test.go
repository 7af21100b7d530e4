//go:build unix

package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/postgres"
)

// talk has n people known, and each told something.
func talk(t *testing.T, s *postgres.Store, n int) {
	t.Helper()
	now := time.Now()
	for i := range n {
		ref := activity.Reference{
			ChannelID: "test", ServiceURL: "https://example.com", Bot: &activity.ChannelAccount{ID: "bot"},
			Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i))},
		}
		c, err := s.Sight(t.Context(), book.Sighting{
			Key: headsup.KeyOf("", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceImport, At: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		id := outbox.MessageID(now.UnixNano()) + outbox.MessageID(i)
		if _, err := s.SubmitMessage(t.Context(), outbox.Submission{
			At:         now,
			Message:    outbox.Message{ID: id, Lane: outbox.LaneNormal, Body: []byte(`{"type":"message","text":"x"}`), CreatedAt: now},
			Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(id), Conversation: c.Row}},
		}, false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClaimEndsWhereOthersHaveLockedWhatItWants: a claim that finds more than it can hand out, all of it locked by others,
// does not look again and again while they wait for what it has locked itself.
func TestClaimEndsWhereOthersHaveLockedWhatItWants(t *testing.T) {
	t.Parallel()
	url := database(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	talk(t, s, 5)
	other := connect(t, url)
	run(t, other, "BEGIN")
	run(t, other, "SELECT FROM turns FOR NO KEY UPDATE")
	claimed, err := s.Claim(t.Context(), 3, time.Now())
	if err != nil || len(claimed.Attempts) != 0 {
		t.Fatalf("%d attempts are handed out in conversations that somebody has locked; %v", len(claimed.Attempts), err)
	}
	run(t, other, "ROLLBACK")
	if claimed, err = s.Claim(t.Context(), 3, time.Now()); err != nil || len(claimed.Attempts) != 3 {
		t.Errorf("%d attempts are handed out afterwards, want 3; %v", len(claimed.Attempts), err)
	}
}

// TestNodesFindWhatOthersPutBeforeTheirLows: a node that has looked begins its looks where the first stood. What another
// node puts in front of that is found all the same.
func TestNodesFindWhatOthersPutBeforeTheirLows(t *testing.T) {
	t.Parallel()
	url := database(t)
	var nodes [2]*postgres.Store
	for i := range nodes {
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		nodes[i] = s
	}
	talk(t, nodes[0], 8)
	drained := func(s *postgres.Store) (n int) {
		t.Helper()
		claimed, err := s.Claim(t.Context(), 100, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range claimed.Attempts {
			if err := s.RecordOutcome(t.Context(), outbox.Outcome{
				Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateDelivered, At: time.Now(), Activity: "1",
			}); err != nil {
				t.Fatal(err)
			}
		}
		return len(claimed.Attempts)
	}
	if n := drained(nodes[0]); n != 8 {
		t.Fatalf("%d of 8 are handed out", n)
	}
	// The second node has ranked nothing yet: what it accepts comes before what the first one has handed out last.
	talk(t, nodes[1], 2)
	deadline := time.Now().Add(time.Minute)
	for got := 0; got < 2; {
		if got += drained(nodes[0]); time.Now().After(deadline) {
			t.Fatalf("the first node has found %d of 2", got)
		}
		select {
		case <-nodes[0].Wakeups():
		case <-time.After(10 * time.Millisecond):
		}
	}
}
