package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/backoff"
)

// Recorder is a [Store] that records outcomes without a goroutine that waits for each.
type Recorder interface {
	// RecordLater does what [Store.RecordOutcome] does, and tells done, once, what that would have returned. It may do so
	// before it returns. done does not block.
	RecordLater(o Outcome, done func(error))
}

// waiting makes a Recorder of any store.
type waiting struct{ Store }

func (s waiting) RecordLater(o Outcome, done func(error)) {
	go func() { done(s.RecordOutcome(context.Background(), o)) }() // as many as there are outcomes to record
}

func recorderOf(s Store) Recorder {
	if r, ok := s.(Recorder); ok {
		return r
	}
	return waiting{s}
}

// mostUnrecorded is how many outcomes at most are being recorded while somebody else has their slots already. It is also
// how many more may be repeated when a process is killed.
const mostUnrecorded = 128

// recording is an outcome that is being recorded.
type recording struct {
	worker  *Worker
	attempt *Attempt
	outcome Outcome
	end     time.Time // of the lease
	freed   bool      // the slot is somebody else's already
}

// told is told whether the outcome is recorded.
func (r *recording) told(err error) {
	if err == nil {
		r.over(true)
		r.worker.recording.Done()
		return
	}
	go func() { // ends with the lease
		defer r.worker.recording.Done()
		r.over(r.insist(err))
	}()
}

// insist keeps trying to write the outcome down until the attempt's lease ends: what was sent must not be forgotten
// because the database was away for a moment.
func (r *recording) insist(err error) bool {
	ctx, w := context.Background(), r.worker
	retry := backoff.Policy{Base: 50 * time.Millisecond, Min: 20 * time.Millisecond, Max: time.Second}
	for n := 1; err != nil; n++ {
		w.cfg.Logger.ErrorContext(ctx, "outcome not recorded", "delivery_id", int64(r.attempt.Delivery),
			"state", string(r.outcome.State), "error", err.Error())
		wait := retry.Wait(n)
		if errors.Is(err, headsup.ErrLeaseLost) || time.Now().Add(wait).After(r.end) {
			return false
		}
		time.Sleep(wait)
		err = w.cfg.Store.RecordOutcome(ctx, r.outcome)
	}
	return true
}

// over gives the slot back.
func (r *recording) over(recorded bool) {
	w := r.worker
	if recorded {
		w.cfg.Done(r.attempt, r.outcome)
	}
	w.ends(r.attempt)
	if r.freed {
		<-w.unrecorded
	} else {
		w.Cancel()
	}
}
