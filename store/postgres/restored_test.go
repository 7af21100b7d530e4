//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/store/postgres"
)

// TestRestoredHoldsWhatMayHaveBeenSaid: a dump that was made while a node served and sent is restored, and what was due in it
// is held: also what was being sent, and nodes that are started meanwhile get none of it.
func TestRestoredHoldsWhatMayHaveBeenSaid(t *testing.T) {
	t.Parallel()
	cluster, url := pgtest.Shared(t), database(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := meet(t, s, 4)
	ready, sending, later, carefully := submissionTo(1, rows[0]), submissionTo(2, rows[1]), submissionTo(3, rows[2]), submissionTo(4, rows[3])
	later.Deliveries[0].DueAt = time.Now().Add(time.Hour)
	carefully.Message.OnUnknown = "hold"
	for _, sub := range []*outbox.Submission{&sending, &carefully, &ready, &later} {
		r, err := s.SubmitMessage(t.Context(), *sub, sub == &sending || sub == &carefully)
		if err != nil || (r.Attempt != nil) != (sub == &sending || sub == &carefully) {
			t.Fatal(r.Attempt, err)
		}
	}
	everyone := submissionTo(5, 0) // a broadcast that has not begun
	everyone.Deliveries, everyone.Spread = nil, &outbox.Spread{Last: slices.Max(rows), Conversations: len(rows)}
	if _, err := s.SubmitMessage(t.Context(), everyone, false); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Millisecond)
	if _, _, err := s.CreateSchedule(t.Context(), schedule.Schedule{
		ID: 1, AppID: "app", Rule: schedule.Rule{Cron: "0 * * * *"}, Missed: schedule.FireLate, Grace: time.Minute,
		Template: []byte(`{}`), CreatedAt: now, UpdatedAt: now,
		Clocks: []schedule.Clock{{Zone: "UTC", NextAt: now.Truncate(time.Hour).Add(-2 * time.Hour)}},
	}, 10); err != nil {
		t.Fatal(err)
	}

	restored := cluster.Dump(t, pgtest.Name(url))(t)
	held, node := 0, make(chan *postgres.Store, 1)
	err = postgres.Restored(t.Context(), postgres.Config{URL: restored}, func(ctx context.Context, s *postgres.Store) (err error) {
		go func() {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: restored})
			if err != nil {
				t.Error(err)
			}
			node <- s
		}()
		stuck(t, connect(t, restored), "pg_advisory_xact_lock")
		held, err = proactive.HoldRestored(ctx, s, time.Now())
		return err
	})
	if err != nil || held != 2+len(rows) { // all that is due but carefully, which is unknown already
		t.Errorf("%d held, %v", held, err)
	}
	again := <-node
	defer again.Close()
	if claimed, err := again.Claim(t.Context(), 10, time.Now()); len(claimed.Attempts) != 0 || err != nil {
		t.Errorf("handed out are %v, %v", claimed.Attempts, err)
	}
	if due, err := again.DueClocks(t.Context(), 10, time.Now()); err != nil || len(due.Clocks) != 0 || !due.Next.After(now) {
		t.Errorf("due are %+v, %v", due, err)
	}
	for _, want := range []struct {
		id     outbox.MessageID
		state  outbox.State
		reason string
	}{
		{ready.Message.ID, outbox.StateUnknown, outbox.ReasonRestored}, {sending.Message.ID, outbox.StateUnknown, outbox.ReasonRestored},
		{carefully.Message.ID, outbox.StateUnknown, outbox.ReasonLeaseLost}, {later.Message.ID, outbox.StateScheduled, ""},
	} {
		r, err := again.MessageRecord(t.Context(), want.id, 10)
		if err != nil || r.Deliveries[0].State != want.state || r.Deliveries[0].Reason != want.reason {
			t.Errorf("%d is %+v, %v; want %s", want.id, r.Deliveries, err, want.state)
		}
	}
}

// TestRestoredRefuses: each refusal changes nothing.
func TestRestoredRefuses(t *testing.T) {
	t.Parallel()
	never := func(context.Context, *postgres.Store) error {
		t.Error("it was prepared")
		return nil
	}
	t.Run("Served", func(t *testing.T) {
		t.Parallel()
		url := database(t)
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := postgres.Restored(t.Context(), postgres.Config{URL: url}, never); !errors.Is(err, postgres.ErrServed) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("Empty", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Shared(t).Database(t)
		if err := postgres.Restored(t.Context(), postgres.Config{URL: url}, never); !errors.Is(err, postgres.ErrEmpty) {
			t.Errorf("the error is %v", err)
		}
		if n := madeTables(t, connect(t, url)); n != 0 {
			t.Errorf("%d tables were made", n)
		}
	})
	t.Run("Newer", func(t *testing.T) {
		t.Parallel()
		url := database(t)
		run(t, connect(t, url), "INSERT INTO headsup_schema (version_id, is_applied) VALUES (99999, true)")
		if err := postgres.Restored(t.Context(), postgres.Config{URL: url}, never); !errors.Is(err, postgres.ErrNewer) {
			t.Errorf("the error is %v", err)
		}
	})
}
