package outbox_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// sender delivers with a function and counts.
type sender struct {
	deliver func() error
	times   atomic.Int32
}

func (s *sender) Deliver(context.Context, *outbox.Attempt) (activity.ID, error) {
	s.times.Add(1)
	if s.deliver == nil {
		return "1", nil
	}
	return "1", s.deliver()
}

// within runs a test in a bubble beside a worker, on a store that knows one conversation.
func within(t *testing.T, cfg outbox.WorkerConfig, test func(t *testing.T, conversation book.Row)) {
	t.Helper()
	row := knows(t, cfg.Store.(book.Store), "c")
	w, err := outbox.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	test(t, row)
	stop()
	wg.Wait()
}

// knows has a store know a conversation.
func knows(t *testing.T, s book.Store, name activity.ConversationID) book.Row {
	t.Helper()
	ref := activity.Reference{ChannelID: "test", Conversation: activity.ConversationAccount{ID: name}}
	c, err := s.Sight(t.Context(), book.Sighting{
		Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Row
}

// submit accepts message 1 with a delivery of the same number.
func submit(t *testing.T, s outbox.Store, m outbox.Message, conversation book.Row, at, due time.Time) {
	t.Helper()
	m.ID, m.AppID, m.Body, m.CreatedAt = 1, "app", []byte(`{"type":"message"}`), at
	_, err := s.SubmitMessage(t.Context(), outbox.Submission{
		Message: m, At: at, Deliveries: []outbox.NewDelivery{{ID: 1, Conversation: conversation, DueAt: due}},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
}

func delivery(t *testing.T, s outbox.Store) outbox.Delivery {
	t.Helper()
	r, err := s.MessageRecord(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	return r.Deliveries[0]
}

// away is a store that cannot write outcomes for a while.
type away struct {
	*memory.Store
	until time.Time
}

func (s away) RecordOutcome(ctx context.Context, o outbox.Outcome) error {
	if time.Now().Before(s.until) {
		return errors.New("the database is away")
	}
	return s.Store.RecordOutcome(ctx, o)
}

func TestOutcomeIsKeptWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := away{memory.New(), time.Now().Add(12 * time.Second)}, &sender{}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, time.Now(), time.Time{})
			time.Sleep(time.Minute)
			if d := delivery(t, s); d.State != outbox.StateDelivered || ch.times.Load() != 1 {
				t.Errorf("%s after %d sends, want delivered after one", d.State, ch.times.Load())
			}
		})
	})
}

func TestClockThatIsSetForwardMakesDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s, ch := memory.New(), &sender{}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch, Now: now}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, now(), now().Add(time.Hour))
			synctest.Wait()
			ahead.Store(int64(2 * time.Hour)) // or the machine has slept, which timers do not notice
			time.Sleep(time.Minute)
			if d := delivery(t, s); d.State != outbox.StateDelivered {
				t.Errorf("%s, want delivered: it is due since an hour", d.State)
			}
		})
	})
}

func TestOutageOfHalfAnHourIsSatOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(30 * time.Minute)
		s, ch := memory.New(), &sender{deliver: func() error {
			if time.Now().Before(end) {
				return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "service_error", Status: 503}
			}
			return nil
		}}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, time.Now(), time.Time{})
			time.Sleep(time.Hour)
			if d := delivery(t, s); d.State != outbox.StateDelivered {
				t.Errorf("%s (%s) after %d attempts, want delivered", d.State, d.Reason, d.Claims)
			}
		})
	})
}

func TestWhatMayHaveBeenDeliveredIsNotCalledExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := memory.New(), &sender{deliver: func() error {
			return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}
		}}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{ExpiresAt: time.Now().Add(20 * time.Second)}, c, time.Now(), time.Time{})
			time.Sleep(time.Hour)
			if d := delivery(t, s); d.State != outbox.StateUnknown || d.Reason != outbox.ReasonExpired {
				t.Errorf("%s (%s), want unknown (expired)", d.State, d.Reason)
			}
		})
	})
}

func TestFailureThatMeansNothingIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := memory.New(), &sender{deliver: func() error { return &headsup.SendError{Reason: "x"} }}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{OnUnknown: headsup.OnUnknownHold}, c, time.Now(), time.Time{})
			synctest.Wait()
			if d := delivery(t, s); d.State != outbox.StateUnknown || d.Reason != "x" {
				t.Errorf("%s (%s) after %d attempts, want unknown (x)", d.State, d.Reason, d.Claims)
			}
		})
	})
}

// held is a store whose claims take a while to come back, as to a process that is stopped meanwhile.
type held struct {
	*memory.Store
	up   time.Duration
	lost bool // somebody else has the conversation by then
}

func (h held) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	c, err := h.Store.Claim(ctx, n, now)
	if len(c.Attempts) > 0 {
		time.Sleep(h.up)
	}
	return c, err
}

func (h held) Extend(ctx context.Context, all []outbox.Attempt, until time.Time) ([]outbox.DeliveryID, error) {
	if h.lost {
		return []outbox.DeliveryID{all[0].Delivery}, nil
	}
	return h.Store.Extend(ctx, all, until)
}

// TestAttemptThatBeginsTooLateAsksForItsLease: a process that was stopped between claim and call calls nobody whom another
// node may be calling by then.
func TestAttemptThatBeginsTooLateAsksForItsLease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		up    time.Duration
		lost  bool
		times int32
	}{
		"soon":           {3 * time.Second, true, 1},
		"late":           {10 * time.Second, false, 1},
		"late, and lost": {10 * time.Second, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := held{memory.New(), c.up, c.lost}
				to := &sender{}
				within(t, outbox.WorkerConfig{Store: s, Sender: to}, func(t *testing.T, row book.Row) {
					submit(t, s, outbox.Message{}, row, time.Now(), time.Time{})
					time.Sleep(c.up + time.Second)
					if n := to.times.Load(); n != c.times {
						t.Errorf("called %d times, want %d", n, c.times)
					}
				})
			})
		})
	}
}
