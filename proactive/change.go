package proactive

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// Errors of changes.
var (
	// ErrRecalled: the notification was recalled.
	ErrRecalled = outbox.ErrRecalled
	// ErrPurged: what the notification said is kept no longer.
	ErrPurged = outbox.ErrPurged
	// ErrNoDelivery: there is no such delivery.
	ErrNoDelivery = outbox.ErrNoDelivery
	// ErrChanging: the notification has very many deliveries, which are being cancelled or rescheduled.
	ErrChanging = outbox.ErrChanging
	// ErrState: what is asked for cannot be done to a delivery in its state.
	ErrState = outbox.ErrState
)

// Reschedule moves what is not being sent yet to another time: at an instant, or after a while; exactly one is set. A time
// that is past means now. A delivery that is being sent, or has its outcome, stays as it is. Of very many, some are moved when it
// returns, as for [Engine.Cancel]. [ErrNotFound], and a [*FieldError] for a time that cannot be.
func (e *Engine) Reschedule(ctx context.Context, id headsup.NotificationID, at time.Time, in time.Duration) (Status, error) {
	m, err := e.message(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if at.IsZero() == (in == 0) {
		return Status{}, &FieldError{"at", "give exactly one of at and in"}
	}
	now := e.cfg.Now()
	due, err := checkTimes(headsup.Notification{At: at, In: in}, now)
	if err != nil {
		return Status{}, err
	}
	if end := m.ExpiresAt; !end.IsZero() && !end.After(due) && !due.IsZero() {
		return Status{}, &FieldError{fieldOf(at), "is not before the notification expires"}
	}
	return e.changed(ctx, m.ID, e.cfg.Store.RescheduleMessage(ctx, m.ID, due, now))
}

func fieldOf(at time.Time) string {
	if at.IsZero() {
		return "in"
	}
	return "at"
}

// Edit changes what a notification says: at once for deliveries that are not being sent yet, and where it was said
// already by a delivery of its own, which changes it there. A channel that cannot do that ends such a delivery as failed,
// with [ReasonNotSupported]. [ErrNotFound], [ErrRecalled], and a [*FieldError] for what cannot be said.
func (e *Engine) Edit(ctx context.Context, id headsup.NotificationID, c Content) (Status, error) {
	m, err := e.message(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if m.Handler != "" {
		return Status{}, &FieldError{"text", "cannot be changed: a handler has said it, or will"}
	}
	n := headsup.Notification{Text: c.Text, Markdown: c.Markdown, Activity: c.Activity, Card: c.Card, Notice: c.Notice, Summary: c.Summary, Template: c.Template}
	var old activity.Activity
	if json.Unmarshal(m.Body, &old) == nil {
		n.Locale = old.Locale
	}
	if err := c.Check(); err != nil {
		return Status{}, err
	}
	if n, err = e.templatedAnew(ctx, n, m.Body); err != nil {
		return Status{}, err
	}
	body, err := encode(n)
	if err != nil {
		return Status{}, err
	}
	return e.revise(ctx, outbox.Revision{Message: m.ID, Body: body})
}

// Recall takes a notification back: deliveries that are not being sent yet are cancelled, and where it was said already
// it is removed, by a delivery of its own. A second recall changes nothing. [ErrNotFound].
func (e *Engine) Recall(ctx context.Context, id headsup.NotificationID) (Status, error) {
	m, err := e.message(ctx, id)
	if err != nil {
		return Status{}, err
	}
	return e.revise(ctx, outbox.Revision{Message: m.ID})
}

func (e *Engine) revise(ctx context.Context, r outbox.Revision) (Status, error) {
	r.At, r.NextID = e.cfg.Now(), nextDelivery
	return e.changed(ctx, r.Message, e.cfg.Store.ReviseMessage(ctx, r))
}

func nextDelivery() outbox.DeliveryID { return outbox.DeliveryID(ident.New()) }
