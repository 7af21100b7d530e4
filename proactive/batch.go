package proactive

import (
	"context"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Limits of [Engine.NotifyAll]: notifications, and deliveries of all together.
const (
	MaxBatch           = 1000
	MaxBatchDeliveries = 10_000
)

// Result is what became of one notification of several.
type Result struct {
	// Accepted is set when Err is nil.
	Accepted
	// State is where the notification stands.
	State outbox.State
	// Err is why it was not accepted, as [Engine.Notify] says it.
	Err error
}

// NotifyAll accepts up to [MaxBatch] notifications in one commit, each by itself: one that is wrong does not keep the
// others out. The results are in the order of the notifications. All that were accepted are stored durably when NotifyAll
// returns; with an error of its own none is.
func (e *Engine) NotifyAll(ctx context.Context, all []headsup.Notification) ([]Result, error) {
	if len(all) > MaxBatch {
		return nil, &FieldError{"notifications", fmt.Sprintf("has more than %d", MaxBatch)}
	}
	results := make([]Result, len(all))
	subs := make([]outbox.Submission, 0, len(all))
	places := make([]int, 0, len(all)) // of the submissions among the notifications
	deliveries, spreads := 0, false
	look := e.ahead(ctx, all)
	find := func(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
		return e.resolveBy(ctx, to, look)
	}
	for i, n := range all {
		sub, _, err := e.addressed(ctx, n, find)
		if err != nil {
			if id, found, keyErr := e.earlier(ctx, sub.Message); found || keyErr != nil {
				err, results[i].Accepted = keyErr, Accepted{ID: id, Replayed: found}
			}
		} else if deliveries+len(sub.Deliveries) > MaxBatchDeliveries {
			err = &FieldError{"to", fmt.Sprintf("makes more than %d deliveries of one request", MaxBatchDeliveries)}
		} else {
			deliveries += len(sub.Deliveries)
			subs, places = append(subs, sub), append(places, i)
			spreads = spreads || sub.Spread != nil
		}
		if results[i].Err = err; err != nil && !refusal(err) {
			return nil, err
		}
	}
	if len(subs) > 0 {
		accepted, err := e.cfg.Store.SubmitMessages(ctx, subs)
		if err != nil {
			return nil, fmt.Errorf("proactive: notify: %w", err)
		}
		for k, a := range accepted {
			results[places[k]] = resultOf(subs[k], a)
		}
		if spreads {
			e.spreadSoon()
		}
	}
	for i := range results {
		if err := e.standing(ctx, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// refusal reports whether an error is about one notification, not about the store.
func refusal(err error) bool {
	_, field := errors.AsType[*FieldError](err)
	return field || errors.Is(err, ErrNoTarget) || errors.Is(err, ErrKeyReused)
}

func resultOf(sub outbox.Submission, a outbox.SubmitResult) Result {
	if errors.Is(a.Err, book.ErrNotFound) { // it was forgotten after the target was looked up
		return Result{Err: ErrNoTarget}
	}
	if a.Err != nil {
		return Result{Err: a.Err}
	}
	r := Result{Accepted: Accepted{ID: notificationID(a.Accepted.Message), Replayed: a.Accepted.Replayed}}
	if !r.Replayed {
		r.Deliveries, r.State = sub.Recipients(), outbox.StateReady
		if len(sub.Deliveries) > 0 && sub.Deliveries[0].DueAt.After(sub.At) || sub.Spread != nil && sub.Spread.DueAt.After(sub.At) {
			r.State = outbox.StateScheduled
		}
	}
	return r
}

// standing looks where a notification stands that had been accepted before.
func (e *Engine) standing(ctx context.Context, r *Result) error {
	if r.Err != nil || !r.Replayed {
		return nil
	}
	s, err := e.Status(ctx, r.ID)
	if err != nil {
		return err
	}
	r.State = s.State()
	return nil
}
