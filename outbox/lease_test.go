package outbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// hanging is a sender that waits until it is told to stop, and keeps why.
type hanging struct{ cause error }

func (h *hanging) Deliver(ctx context.Context, _ *outbox.Attempt) (activity.ID, error) {
	<-ctx.Done()
	h.cause = context.Cause(ctx)
	return "", ctx.Err()
}

// losing is a store where every lease is lost.
type losing struct{ *memory.Store }

func (losing) Extend(_ context.Context, attempts []outbox.Attempt, _ time.Time) (lost []outbox.DeliveryID, err error) {
	for _, a := range attempts {
		lost = append(lost, a.Delivery)
	}
	return lost, nil
}

func TestAttemptThatHasLostItsLeaseIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := losing{memory.New()}, new(hanging)
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			began := time.Now()
			submit(t, s, outbox.Message{OnUnknown: headsup.OnUnknownHold}, c, began, time.Time{})
			for delivery(t, s).State != outbox.StateUnknown {
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			if took := time.Since(began); !errors.Is(ch.cause, headsup.ErrLeaseLost) || took > 6*time.Second {
				t.Errorf("stopped after %v: %v", took, ch.cause)
			}
		})
	})
}

// TestLeaseThatIsHeldStopsNothing: only the attempt's own time ends it.
func TestLeaseThatIsHeldStopsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := memory.New(), new(hanging)
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{OnUnknown: headsup.OnUnknownHold}, c, time.Now(), time.Time{})
			time.Sleep(time.Minute)
			synctest.Wait()
			if !errors.Is(ch.cause, context.DeadlineExceeded) {
				t.Errorf("stopped for %v", ch.cause)
			}
		})
	})
}
