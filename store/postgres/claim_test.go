//go:build unix

package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/postgres"
)

// reference is where one of those people is.
func reference(i int) activity.Reference {
	return activity.Reference{
		ChannelID: "test", ServiceURL: "https://example.com", Bot: &activity.ChannelAccount{ID: "bot"},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i))},
	}
}

// talk has n people known, and each told something.
func talk(t *testing.T, s *postgres.Store, n int) {
	t.Helper()
	now := time.Now()
	for i := range n {
		ref := reference(i)
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

// TestClaimPassesOverConversationsThatAreNotFree: turns that run in the first of those that wait do not keep a claim from the
// one that follows, even if it looks for one only, and not whose turn it is.
func TestClaimPassesOverConversationsThatAreNotFree(t *testing.T) {
	t.Parallel()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: database(t), Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	talk(t, s, 5)
	for i := range 4 {
		l, err := s.Lease(t.Context(), headsup.KeyOf("", reference(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
	}
	claimed, err := s.Claim(t.Context(), 1, time.Now())
	if err != nil || len(claimed.Attempts) != 1 {
		t.Fatalf("%d attempts are handed out, want one; %v", len(claimed.Attempts), err)
	}
	if got := claimed.Attempts[0].Conversation.Key.Conversation; got != "c4" {
		t.Errorf("something is said in %s, where a turn runs", got)
	}
}

// TestWhatIsRecalledMayBeGone: where a conversation is in the book is remembered, also when another node has removed it since;
// what is to be said there is refused then.
func TestWhatIsRecalledMayBeGone(t *testing.T) {
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
	talk(t, nodes[0], 2)
	key := headsup.KeyOf("", reference(0))
	c, err := nodes[1].Conversation(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if row, ok := nodes[0].Recall(key); !ok || row != c.Row {
		t.Fatalf("row %d is remembered (%t), it is %d", row, ok, c.Row)
	}
	if row, ok := nodes[0].Recall(headsup.KeyOf("", reference(7))); ok {
		t.Errorf("row %d is remembered of a conversation that nobody knows", row)
	}
	if err := nodes[1].Forget(t.Context(), key, time.Now()); err != nil {
		t.Fatal(err)
	}
	row, _ := nodes[0].Recall(key)
	if _, err := nodes[0].SubmitMessage(t.Context(), outbox.Submission{
		At: time.Now(), Message: outbox.Message{ID: 1, Body: []byte(`{}`), CreatedAt: time.Now()},
		Deliveries: []outbox.NewDelivery{{ID: 1, Conversation: row}},
	}, false); !errors.Is(err, book.ErrNotFound) {
		t.Errorf("accepted for a conversation that is gone: %v", err)
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

// TestLookingWritesNothing: a claim that finds nothing leaves no row, and what is due after what claims know of anyway
// causes none.
func TestLookingWritesNothing(t *testing.T) {
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
	ref, now := reference(1), time.Now()
	c, err := s.Sight(t.Context(), book.Sighting{
		Key: headsup.KeyOf("", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceImport, At: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	begin := outbox.MessageID(now.UnixNano())
	submit := func(in time.Duration) {
		t.Helper()
		begin++
		if _, err := s.SubmitMessage(t.Context(), outbox.Submission{
			At:         now,
			Message:    outbox.Message{ID: begin, Lane: outbox.LaneNormal, Body: []byte(`{"type":"message","text":"x"}`), CreatedAt: now},
			Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(begin), Conversation: c.Row, DueAt: now.Add(in)}},
		}, true); err != nil {
			t.Fatal(err)
		}
	}
	// wakes reports whether the store asks for a claim when something is accepted.
	wakes := func(in time.Duration) bool {
		t.Helper()
		for len(s.Wakeups()) > 0 {
			<-s.Wakeups()
		}
		submit(in)
		return len(s.Wakeups()) > 0
	}
	due := func() time.Time {
		t.Helper()
		claimed, err := s.Claim(t.Context(), 10, now)
		if err != nil || len(claimed.Attempts) > 0 {
			t.Fatalf("%+v, %v", claimed.Attempts, err)
		}
		return claimed.NextDue.Truncate(time.Second)
	}
	if !wakes(time.Hour) {
		t.Error("nobody looks for the first")
	}
	due()
	woken := 0
	for range 3 { // it asks once a second anyway
		if wakes(2 * time.Hour) {
			woken++
		}
	}
	if woken == 3 {
		t.Error("somebody looks for what is due later")
	}
	if !wakes(time.Minute) {
		t.Error("nobody looks for what is due sooner")
	}
	if got, want := due(), now.Add(time.Minute).Truncate(time.Second); !got.Equal(want) {
		t.Errorf("the next is due at %s, want %s", got, want)
	}
	rows := connect(t, url)
	count := func() (n int) {
		t.Helper()
		if err := rows.QueryRow(t.Context(), "SELECT count(*) FROM commits").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for range 10 {
		due()
	}
	if n := count() - before; n > 5 { // the store does something itself now and then
		t.Errorf("%d rows for ten looks", n)
	}
}

// TestLookTellsWhatItMayHaveMissed: what becomes due before the first that a look has found, and was accepted while it looked,
// has somebody look again; what comes later does not.
func TestLookTellsWhatItMayHaveMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offered, first int64
		want           bool
	}{{5, 10, true}, {10, 10, false}, {15, 10, false}} {
		if got := postgres.Misses(c.offered, c.first); got != c.want {
			t.Errorf("offered at %d, found at %d: missed %v", c.offered, c.first, got)
		}
	}
}
