package outbox_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// attempts counts what an observer is told of attempts.
type attempts struct{ n atomic.Int32 }

func (*attempts) Accepted(outbox.Lane, int)                                   {}
func (*attempts) Ended(outbox.End)                                            {}
func (a *attempts) Attempted(*outbox.Attempt, headsup.Meaning, time.Duration) { a.n.Add(1) }

func TestAsideIsAttemptedAgainInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, begin := memory.New(), time.Now()
		var over atomic.Bool
		ch := &sender{deliver: func() error {
			if !over.Load() {
				return &outbox.Aside{Until: begin.Add(time.Hour), Reason: "quiet_hours", Detail: "until eight"}
			}
			return nil
		}}
		seen := new(attempts)
		within(t, outbox.WorkerConfig{Store: s, Sender: ch, Observer: seen}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, begin, time.Time{})
			synctest.Wait()
			d := delivery(t, s)
			if d.State != outbox.StateHeld || d.Reason != "quiet_hours" || !d.DueAt.Equal(begin.Add(time.Hour)) || d.Failures != 0 {
				t.Fatalf("it is %s (%s) until %v with %d failures", d.State, d.Reason, d.DueAt, d.Failures)
			}
			over.Store(true)
			time.Sleep(time.Hour - time.Second)
			if ch.times.Load() != 1 || seen.n.Load() != 0 {
				t.Errorf("%d attempts before its time, %d told", ch.times.Load(), seen.n.Load())
			}
			time.Sleep(2 * time.Second)
			if d := delivery(t, s); d.State != outbox.StateDelivered || seen.n.Load() != 1 {
				t.Errorf("it is %s, %d told", d.State, seen.n.Load())
			}
		})
	})
}

func TestAsideExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, begin := memory.New(), time.Now()
		ch := &sender{deliver: func() error { return &outbox.Aside{Until: begin.Add(time.Hour), Reason: "cap"} }}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{ExpiresAt: begin.Add(time.Minute)}, c, begin, time.Time{})
			synctest.Wait()
			if d := delivery(t, s); d.State != outbox.StateHeld || !d.DueAt.Equal(begin.Add(time.Minute)) {
				t.Fatalf("it is %s until %v", d.State, d.DueAt)
			}
			time.Sleep(2 * time.Minute)
			if d := delivery(t, s); d.State != outbox.StateExpired || ch.times.Load() != 1 {
				t.Errorf("it is %s after %d attempts", d.State, ch.times.Load())
			}
		})
	})
}

func TestUnwantedIsSuppressed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		ch := &sender{deliver: func() error { return &outbox.Unwanted{Reason: "opted_out", Detail: "by themselves"} }}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, time.Now(), time.Time{})
			synctest.Wait()
			d := delivery(t, s)
			if last := d.History[len(d.History)-1]; d.State != outbox.StateSuppressed || d.Reason != "opted_out" || last.Detail != "by themselves" {
				t.Errorf("it is %s (%s): %s", d.State, d.Reason, last.Detail)
			}
		})
	})
}
