package sqlite_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// sightingOf is what an ordinary message from a person alone tells.
func sightingOf(name string) book.Sighting {
	ref := activity.Reference{
		User: &activity.ChannelAccount{
			ID: activity.AccountID("29:1mXyZ-" + name), Name: "Ada Lovelace", AADObjectID: "9f4c8d7e-1111-4222-8333-" + name,
		},
		Bot:          &activity.ChannelAccount{ID: "28:6d1f0b3a-3c55-4d55-9f5c-7f4f5a1d6e11", Name: "Reminders"},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID("a:1pL-" + name), TenantID: "tenant"},
		ChannelID:    "msteams", ServiceURL: "https://smba.trafficmanager.net/emea/", Locale: "en-GB",
	}
	return book.Sighting{
		Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim,
		VerifiedAt: time.Now(), TimeZone: "Europe/London", At: time.Now(),
	}
}

// meet puts n conversations into the book.
func meet(t testing.TB, s *sqlite.Store, n int) []book.Row {
	t.Helper()
	rows := make([]book.Row, n)
	parallel(t, 64, n, func(i int) error {
		c, err := s.Sight(t.Context(), sightingOf(fmt.Sprintf("%06d", i)))
		rows[i] = c.Row
		return err
	})
	return rows
}

// parallel calls f with 0 to n-1 in so many goroutines.
func parallel(t testing.TB, workers, n int, f func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

var ids atomic.Int64

// submissionTo says an ordinary message in a conversation.
func submissionTo(row book.Row) outbox.Submission {
	id, now := ids.Add(1), time.Now()
	return outbox.Submission{
		Message: outbox.Message{
			ID: outbox.MessageID(id), AppID: "app", Tenant: "tenant", Lane: outbox.LaneNormal, Topic: "builds",
			Body: []byte(`{"type":"message","text":"Your build is green. It took four minutes and eleven seconds; all of ` +
				`the 1,204 tests have passed.","attachments":[],"entities":[]}`),
			Target: `{"conversation":"a:1pL-000017"}`, CreatedAt: now,
		},
		Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(id), Conversation: row}},
		At:         now,
	}
}

func delivered(a outbox.Attempt) outbox.Outcome {
	return outbox.Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateDelivered, Activity: "1:2vTq8-fP0", Status: 201,
		At: time.Now(),
	}
}

// BenchmarkSubmitTaken is the way of a fresh notification: accepted and handed out in one commit, then its outcome.
func BenchmarkSubmitTaken(b *testing.B) {
	s := openStore(b, b.TempDir())
	rows := meet(b, s, 10_000)
	b.ResetTimer()
	parallel(b, 64, b.N, func(i int) error {
		r, err := s.SubmitMessage(b.Context(), submissionTo(rows[i%len(rows)]), true)
		if err != nil {
			return err
		}
		if r.Attempt == nil {
			return fmt.Errorf("submission %d was not handed out", i)
		}
		return s.RecordOutcome(b.Context(), delivered(*r.Attempt))
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkSubmitClaimRecord accepts from 64 goroutines while a worker with 64 slots claims and records.
func BenchmarkSubmitClaimRecord(b *testing.B) {
	s := openStore(b, b.TempDir())
	rows := meet(b, s, 10_000)
	b.ResetTimer()
	var wg sync.WaitGroup
	wg.Go(func() {
		parallel(b, 64, b.N, func(i int) error {
			_, err := s.SubmitMessage(b.Context(), submissionTo(rows[i%len(rows)]), false)
			return err
		})
	})
	wg.Go(func() { drain(b, s, b.N) })
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkBacklogDrain claims and records what was accepted before.
func BenchmarkBacklogDrain(b *testing.B) {
	s := openStore(b, b.TempDir())
	rows := meet(b, s, 10_000)
	parallel(b, 256, b.N, func(i int) error {
		_, err := s.SubmitMessage(b.Context(), submissionTo(rows[i%len(rows)]), false)
		return err
	})
	b.ResetTimer()
	drain(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// drain delivers n deliveries with 64 slots.
func drain(b *testing.B, s *sqlite.Store, n int) {
	slots := make(chan struct{}, 64)
	for range cap(slots) {
		slots <- struct{}{}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for n > 0 {
		<-slots
		free := 1 + len(slots)
		for range free - 1 {
			<-slots
		}
		claimed, err := s.Claim(b.Context(), free, time.Now())
		if err != nil {
			b.Error(err)
			return
		}
		n -= len(claimed.Attempts)
		for range free - len(claimed.Attempts) {
			slots <- struct{}{}
		}
		for _, a := range claimed.Attempts {
			wg.Go(func() {
				if err := s.RecordOutcome(b.Context(), delivered(a)); err != nil {
					b.Error(err)
				}
				slots <- struct{}{}
			})
		}
		if len(claimed.Attempts) < free && n > 0 {
			<-s.Wakeups()
		}
	}
}

// BenchmarkDrainBesideAClosedRoute is BenchmarkBacklogDrain while so many deliveries wait for a tenant that is paused.
func BenchmarkDrainBesideAClosedRoute(b *testing.B) {
	for _, waiting := range []int{10_000, 5_000_000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			dir := b.TempDir()
			s := openStore(b, dir)
			rows := meet(b, s, 10_000)
			closed := sightingOf("closed")
			closed.Key.Tenant, closed.Reference.Conversation.TenantID = "closed", "closed"
			c, err := s.Sight(b.Context(), closed)
			if err != nil {
				b.Fatal(err)
			}
			first := submissionTo(c.Row)
			if _, err := s.SubmitMessage(b.Context(), first, false); err != nil {
				b.Fatal(err)
			}
			if err := s.Exec(b.Context(), fmt.Sprintf(`WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < %d)
				INSERT INTO deliveries SELECT value + 1000000000, message, 1000000 + value, lane, 0,
					route, rank + value, seq, state, waits, wanted_at, due_at, lease_until, fence, claims, failures, reason, activity_id,
					created_at, updated_at, history, verb, revises, replayed, unsure, lost, collapse
				FROM n CROSS JOIN deliveries WHERE id = %d`, waiting, first.Deliveries[0].ID),
				fmt.Sprintf("UPDATE counters SET ready = ready + %d", waiting)); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			limits, err := pace.New(pace.Config{Profiles: pace.Profiles{}})
			if err != nil {
				b.Fatal(err)
			}
			limits.Pause(outbox.RouteOf(c).OfTenant(), time.Now().Add(time.Hour), pace.ReasonThrottled)
			if s, err = sqlite.Open(b.Context(), sqlite.Config{Dir: dir, Pace: limits}); err != nil {
				b.Fatal(err)
			}
			defer closeStore(b, s)
			parallel(b, 256, b.N, func(i int) error {
				sub := submissionTo(rows[i%len(rows)])
				_, err := s.SubmitMessage(b.Context(), sub, false)
				return err
			})
			b.ResetTimer()
			drain(b, s, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
