package proactive

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// Status is how far a notification has come.
type Status struct {
	ID      headsup.NotificationID
	Message outbox.Message
	// Deliveries are its deliveries with their history, oldest change first; those that were made so far, while
	// Message.Spreading.
	Deliveries []outbox.Delivery
}

// Settled reports whether every delivery has an outcome that lasts.
func (s Status) Settled() bool {
	if s.Message.Spreading {
		return false
	}
	for _, d := range s.Deliveries {
		if !d.State.Final() {
			return false
		}
	}
	return true
}

// State sums the deliveries up: the state that all share, or else the least settled one among them. What was delivered and
// has been removed since is recalled.
func (s Status) State() outbox.State {
	counts := outbox.CountStates(s.Deliveries)
	if s.Message.Spreading {
		counts[outbox.StateReady]++ // what is not made yet
	}
	return outbox.StateOf(counts)
}

// DeliveryText is a delivery's id as people see it.
func DeliveryText(id outbox.DeliveryID) string { return ident.Text("dlv", int64(id)) }

// Status returns a notification, or [ErrNotFound].
func (e *Engine) Status(ctx context.Context, id headsup.NotificationID) (Status, error) {
	n, err := messageID(id)
	if err != nil {
		return Status{}, err
	}
	r, err := e.cfg.Store.MessageRecord(ctx, n)
	if err != nil {
		return Status{}, err
	}
	return e.status(r)
}

// Cancel stops what is not being sent yet, and returns what became of each delivery. One that is being sent at that
// moment goes its way.
func (e *Engine) Cancel(ctx context.Context, id headsup.NotificationID) (Status, error) {
	if _, err := e.Status(ctx, id); err != nil { // another bot's is not ours to cancel
		return Status{}, err
	}
	n, err := messageID(id)
	if err != nil {
		return Status{}, err
	}
	r, err := e.cfg.Store.CancelMessage(ctx, n, e.cfg.Now())
	if err != nil {
		return Status{}, err
	}
	e.tell(n)
	return e.status(r)
}

// lookAgain is how often a wait looks by itself: not every outcome comes from an attempt of this engine.
const lookAgain = time.Second

// Wait returns when every delivery has an outcome, or with the status so far when ctx ends, which is no error.
func (e *Engine) Wait(ctx context.Context, id headsup.NotificationID) (Status, error) {
	n, err := messageID(id)
	if err != nil {
		return Status{}, err
	}
	news, stop := e.watch(n)
	defer stop()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		s, err := e.Status(context.WithoutCancel(ctx), id)
		if err != nil || s.Settled() {
			return s, err
		}
		select {
		case <-news:
		case <-look.C:
		case <-ctx.Done():
			return s, nil
		}
	}
}

func (e *Engine) status(r outbox.Record) (Status, error) {
	if r.Message.AppID != e.cfg.AppID {
		return Status{}, ErrNotFound
	}
	return Status{ID: notificationID(r.Message.ID), Message: r.Message, Deliveries: r.Deliveries}, nil
}
