package sqlite_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// TestLanesRememberedAreNeverFewerThanThoseInUse does at random what moves deliveries, several operations to a commit,
// some of which make the batch run again one by one, and compares what the store remembers of lanes with its tables after
// every commit and every restart from a crash.
func TestLanesRememberedAreNeverFewerThanThoseInUse(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed ", seed)
	w := &lanesWalk{rng: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), now: time.Now()}
	w.store = openStore(t, w.dir)
	w.rows = meet(t, w.store, 4)
	for range 600 {
		w.commit(t)
		w.now = w.now.Add(time.Duration(w.rng.IntN(400)) * time.Millisecond)
		if w.rng.IntN(50) == 0 {
			next := crashed(t, w.dir)
			closeStore(t, w.store)
			w.dir, w.held = next, nil
			w.store = openStore(t, w.dir)
		}
		if err := errors.Join(w.store.CheckLanes(t.Context()), w.store.CheckRoutes(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
}

type lanesWalk struct {
	rng   *rand.Rand
	store *sqlite.Store
	dir   string
	rows  []book.Row
	sent  []outbox.MessageID
	now   time.Time

	mu   sync.Mutex
	held []outbox.Attempt // guarded by mu
}

// commit does up to six operations in one batch. Those that fail are refused with their commit, which is as good as any
// other outcome here.
func (w *lanesWalk) commit(t *testing.T) {
	t.Helper()
	release := w.store.Block()
	var wg sync.WaitGroup
	for range 1 + w.rng.IntN(6) {
		operation := w.operation(t)
		before, done := w.store.Queued(), make(chan struct{})
		wg.Go(func() {
			defer close(done)
			operation()
		})
		queuedOrDone(t, w.store, before+1, done)
	}
	release()
	wg.Wait()
}

// queuedOrDone waits until an operation is queued, or has ended because it had nothing to write.
func queuedOrDone(t *testing.T, s *sqlite.Store, n int, done <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.Queued() < n; time.Sleep(time.Millisecond) {
		select {
		case <-done:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d operations are queued, want %d", s.Queued(), n)
		}
	}
}

func (w *lanesWalk) operation(t *testing.T) func() {
	switch k := w.rng.IntN(26); {
	case k >= 20 && len(w.sent) > 0:
		return w.change(t)
	case k < 8:
		return w.submit(t)
	case k < 13 && len(w.held) > 0:
		return w.record(t)
	case k < 16:
		n, at := w.rng.IntN(4), w.now
		return func() {
			c, _ := w.store.Claim(t.Context(), n, at)
			w.hold(c.Attempts...)
		}
	case k < 18 && len(w.sent) > 0:
		id, at := w.sent[max(0, len(w.sent)-1-w.rng.IntN(10))], w.now
		return func() { _ = w.store.CancelMessage(t.Context(), id, at) }
	case k < 19 && w.rng.IntN(2) == 0:
		moved := sightingOf(fmt.Sprintf("%06d", w.rng.IntN(len(w.rows))))
		moved.Reference.ServiceURL = fmt.Sprintf("https://host-%d.example/", w.rng.IntN(3))
		return func() { _, _ = w.store.Sight(t.Context(), moved) }
	case k < 19: // the batch is run again, one by one
		return func() { _ = w.store.Exec(t.Context(), "UPDATE settings SET name = name", "nonsense") }
	}
	at := w.now.Add(time.Duration(w.rng.IntN(2)) * time.Hour)
	return func() { _, _ = w.store.ReclaimExpired(t.Context(), at) }
}

// change moves, edits, recalls or replays something of what was said lately.
func (w *lanesWalk) change(t *testing.T) func() {
	id, at := w.sent[max(0, len(w.sent)-1-w.rng.IntN(10))], w.now
	rev := outbox.Revision{Message: id, At: at, NextID: func() outbox.DeliveryID { return outbox.DeliveryID(ids.Add(1)) }}
	due := at.Add(time.Duration(w.rng.IntN(3)) * time.Second)
	switch w.rng.IntN(5) {
	case 0:
		return func() { _ = w.store.ReviseMessage(t.Context(), rev) }
	case 1:
		rev.Body = []byte(`{}`)
		return func() { _ = w.store.ReviseMessage(t.Context(), rev) }
	case 2:
		return func() {
			_, _ = w.store.ReplayDeliveries(t.Context(), outbox.DeliveryFilter{AppID: "app", Limit: 3}, outbox.Replay{At: at})
		}
	}
	return func() { _ = w.store.RescheduleMessage(t.Context(), id, due, at) }
}

func (w *lanesWalk) hold(as ...outbox.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, as...)
}

// submit accepts a message, now or later, to one conversation or two, handed out at once or not.
func (w *lanesWalk) submit(t *testing.T) func() {
	sub := submissionTo(w.rows[w.rng.IntN(len(w.rows))])
	sub.At, sub.Message.Lane = w.now, outbox.Lane(w.rng.IntN(2))
	if w.rng.IntN(4) == 0 {
		sub.Deliveries[0].DueAt = w.now.Add(time.Duration(w.rng.IntN(3)) * time.Second)
	}
	if w.rng.IntN(5) == 0 {
		sub.Message.ExpiresAt = w.now.Add(time.Duration(w.rng.IntN(3)) * time.Second)
	}
	if w.rng.IntN(5) == 0 {
		sub.Deliveries = append(sub.Deliveries, outbox.NewDelivery{
			ID: outbox.DeliveryID(ids.Add(1)), Conversation: w.rows[w.rng.IntN(len(w.rows))],
		})
	}
	w.sent = append(w.sent, sub.Message.ID)
	take := w.rng.IntN(4) > 0
	return func() {
		if r, err := w.store.SubmitMessage(t.Context(), sub, take); err == nil && r.Attempt != nil {
			w.hold(*r.Attempt)
		}
	}
}

// record ends one of the attempts, for good or to be tried again.
func (w *lanesWalk) record(t *testing.T) func() {
	j := w.rng.IntN(len(w.held))
	o := delivered(w.held[j])
	w.held = append(w.held[:j:j], w.held[j+1:]...)
	o.At = w.now
	if w.rng.IntN(3) == 0 {
		o.State, o.RetryAt, o.Failed = outbox.StateReady, w.now.Add(time.Duration(w.rng.IntN(2))*time.Second), true
	}
	return func() { _ = w.store.RecordOutcome(t.Context(), o) }
}
