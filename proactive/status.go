package proactive

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// MaxShown is how many deliveries a [Status] shows at most. [Engine.Deliveries] lists them all.
const MaxShown = 100

// Status is how far a notification has come.
type Status struct {
	ID      headsup.NotificationID
	Message outbox.Message
	// Counts are how many of its deliveries are in each state, those that were made so far while Message.Spreading. One that
	// was delivered and has been removed since counts, together with what removed it, once as recalled.
	Counts map[outbox.State]int64
	// Receipts are how many receipts of each kind its deliveries have.
	Receipts map[outbox.ReceiptKind]int64
	// Deliveries are the first [MaxShown] of them with their history, oldest change first.
	Deliveries []outbox.Delivery
}

// Settled reports whether every delivery has an outcome that lasts.
func (s Status) Settled() bool {
	if s.Message.Spreading || s.Message.Changing {
		return false
	}
	for state, n := range s.Counts {
		if n > 0 && !state.Final() {
			return false
		}
	}
	return true
}

// State sums the deliveries up: the state that all share, or else the least settled one among them. What was delivered and
// has been removed since is recalled.
func (s Status) State() outbox.State {
	if s.Message.Spreading && s.Counts[outbox.StateSending] == 0 {
		return outbox.StateReady // what is not made yet
	}
	return outbox.StateOf(s.Counts)
}

// Counted is how many deliveries there are.
func (s Status) Counted() (n int64) {
	for state, some := range s.Counts {
		if n += some; state == outbox.StateRecalled {
			n += some // what was said, and what has removed it
		}
	}
	return n
}

// DeliveryText is a delivery's id as people see it.
func DeliveryText(id outbox.DeliveryID) string { return ident.Text("dlv", int64(id)) }

// Status returns a notification, or [ErrNotFound].
func (e *Engine) Status(ctx context.Context, id headsup.NotificationID) (Status, error) {
	return e.StatusWith(ctx, id, MaxShown)
}

// StatusWith is [Engine.Status] with no more than so many deliveries, which is at most [MaxShown]: who only wants to know how
// far it has come needs none, since counts are of all.
func (e *Engine) StatusWith(ctx context.Context, id headsup.NotificationID, deliveries int) (Status, error) {
	s, err := e.stands(ctx, id, deliveries)
	if err != nil {
		return s, err
	}
	if err := e.withReceipts(ctx, s.Deliveries); err != nil {
		return Status{}, err
	}
	counts, err := e.countReceipts(ctx, outbox.Summary{Message: s.Message, Counts: s.Counts})
	s.Receipts = counts[s.Message.ID]
	return s, err
}

// stands is StatusWith without receipts.
func (e *Engine) stands(ctx context.Context, id headsup.NotificationID, deliveries int) (Status, error) {
	n, err := messageID(id)
	if err != nil {
		return Status{}, err
	}
	r, err := e.cfg.Store.MessageRecord(ctx, n, max(0, min(deliveries, MaxShown)))
	switch {
	case err != nil:
		return Status{}, err
	case r.Message.AppID != e.cfg.AppID:
		return Status{}, ErrNotFound
	}
	return Status{ID: notificationID(r.Message.ID), Message: r.Message, Counts: r.Counts, Deliveries: r.Deliveries}, nil
}

// fresh is the status of a notification with a single delivery when it was accepted. It is not read from the store, which
// would have it wait for the disk once more.
func fresh(sub *outbox.Submission, to headsup.ConversationKey, taken bool) Status {
	m, nd := sub.Message, sub.Deliveries[0]
	d := outbox.Delivery{
		ID: nd.ID, Message: m.ID, Conversation: nd.Conversation, Key: to, State: outbox.StateReady,
		CreatedAt: sub.At, UpdatedAt: sub.At,
	}
	switch {
	case nd.DueAt.After(sub.At):
		d.State, d.DueAt = outbox.StateScheduled, nd.DueAt
	case taken:
		d.State, d.Claims = outbox.StateSending, 1
	}
	d.History = []outbox.Change{{At: sub.At, State: d.State, Attempt: d.Claims}}
	return Status{
		ID: notificationID(m.ID), Message: m, Counts: map[outbox.State]int64{d.State: 1}, Deliveries: []outbox.Delivery{d},
	}
}

// message returns a notification of this bot without its deliveries, or [ErrNotFound].
func (e *Engine) message(ctx context.Context, id headsup.NotificationID) (outbox.Message, error) {
	n, err := messageID(id)
	if err != nil {
		return outbox.Message{}, err
	}
	m, err := e.cfg.Store.Message(ctx, n)
	if err == nil && m.AppID != e.cfg.AppID {
		err = ErrNotFound
	}
	return m, err
}

// Cancel stops what is not being sent yet, and returns what became of it. A delivery that is being sent at that moment goes
// its way. When there are very many, some are cancelled when it returns, and Message.Changing tells that the others are to
// be, which [Engine.Run] goes on with; none of them is sent any more.
func (e *Engine) Cancel(ctx context.Context, id headsup.NotificationID) (Status, error) {
	m, err := e.message(ctx, id)
	if err != nil {
		return Status{}, err
	}
	return e.changed(ctx, m.ID, e.cfg.Store.CancelMessage(ctx, m.ID, e.cfg.Now()))
}

// changed returns what became of a notification that was changed, if it was.
func (e *Engine) changed(ctx context.Context, id outbox.MessageID, err error) (Status, error) {
	if err != nil {
		return Status{}, err
	}
	e.spreadSoon()
	e.tell(id)
	return e.Status(ctx, notificationID(id))
}

// lookAgain is how often a wait looks by itself: not every outcome comes from an attempt of this engine.
const lookAgain = time.Second

// restAfter is for how many times as long as a look at very many deliveries took there is no other.
const restAfter = 10

// awaits returns when there may be something to see, at least after a while; false when ctx has ended.
func (e *Engine) awaits(ctx context.Context, news <-chan struct{}, rest time.Duration) bool {
	look := time.NewTimer(rest + lookAgain)
	defer look.Stop()
	if rest > 0 {
		pause := time.NewTimer(rest)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return false
		}
	}
	select {
	case <-news:
	case <-look.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// Wait returns when every delivery has an outcome, or with the status so far when ctx ends, which is no error.
func (e *Engine) Wait(ctx context.Context, id headsup.NotificationID) (Status, error) {
	n, err := messageID(id)
	if err != nil {
		return Status{}, err
	}
	news, stop := e.watch(n)
	defer stop()
	for {
		began := time.Now()
		s, err := e.stands(context.WithoutCancel(ctx), id, MaxShown)
		if err != nil {
			return s, err
		}
		if s.Settled() {
			return e.Status(context.WithoutCancel(ctx), id)
		}
		rest := time.Duration(0)
		if s.Counted() > MaxShown { // to count very many takes a while
			rest = restAfter * time.Since(began)
		}
		if !e.awaits(ctx, news, rest) {
			return s, nil
		}
	}
}
