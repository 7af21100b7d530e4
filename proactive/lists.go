package proactive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// NotificationFilter says which notifications are meant: those that match every member that is set.
type NotificationFilter struct {
	State outbox.State
	Topic string
	// Conversation is one that the notification was to be said in, by its id on the channel. When several channels use
	// the id, it is the one that was seen last.
	Conversation activity.ConversationID
	// CreatedAfter and CreatedBefore bound when it was accepted: not before the one, before the other.
	CreatedAfter, CreatedBefore time.Time
	// Before is where a page ended, as [NotificationPage] tells. Zero for the first page.
	Before int64
	// Limit is how many at most; positive.
	Limit int
}

// NotificationPage is a part of a list of notifications, newest first. It may hold fewer than the limit, even none,
// although there are more: the last page is the one whose Next is zero.
type NotificationPage struct {
	Notifications []Summary
	Next          int64
}

// Summary is a notification in a list: how many of its deliveries are in each state.
type Summary struct {
	ID headsup.NotificationID
	outbox.Summary
	// Receipts are how many receipts of each kind its deliveries have.
	Receipts map[outbox.ReceiptKind]int64
}

// clockSlack is by how much an id and the time of its creation may be apart.
const clockSlack = time.Minute

// Notifications lists notifications.
func (e *Engine) Notifications(ctx context.Context, f NotificationFilter) (NotificationPage, error) {
	row, found, err := e.rowOf(ctx, f.Conversation)
	if err != nil || !found {
		return NotificationPage{}, err
	}
	m := outbox.MessageFilter{
		AppID: e.cfg.AppID, State: f.State, Topic: f.Topic, Conversation: row, CreatedAfter: f.CreatedAfter,
		CreatedBefore: f.CreatedBefore, Before: f.Before, Limit: f.Limit,
	}
	// Ids grow with time, so that most of what is too old or too new need not be looked at.
	if !f.CreatedAfter.IsZero() {
		m.Above = max(0, ident.First(f.CreatedAfter.Add(-clockSlack))-1)
	}
	if end := ident.First(f.CreatedBefore.Add(clockSlack)); end > 0 && (m.Before == 0 || end < m.Before) {
		m.Before = end
	}
	page, err := e.cfg.Store.ListMessages(ctx, m)
	if err != nil {
		return NotificationPage{}, fmt.Errorf("proactive: list notifications: %w", err)
	}
	out := NotificationPage{Notifications: make([]Summary, 0, len(page.Messages)), Next: page.Next}
	counts, err := e.countReceipts(ctx, page.Messages...)
	if err != nil {
		return NotificationPage{}, err
	}
	for _, s := range page.Messages {
		out.Notifications = append(out.Notifications, Summary{notificationID(s.Message.ID), s, counts[s.Message.ID]})
	}
	return out, nil
}

// rowOf finds a conversation by its id on the channel; none for none.
func (e *Engine) rowOf(ctx context.Context, id activity.ConversationID) (row book.Row, found bool, err error) {
	if id == "" {
		return 0, true, nil
	}
	c, err := e.Conversation(ctx, id)
	if errors.Is(err, book.ErrNotFound) {
		return 0, false, nil
	}
	return c.Row, err == nil, err
}

// DeliveryFilter says which deliveries are meant: those that match every member that is set.
type DeliveryFilter struct {
	State  outbox.State
	Reason string
	// Conversation is as in [NotificationFilter].
	Conversation activity.ConversationID
	Notification headsup.NotificationID
	// Before is where a page ended, as [outbox.DeliveryPage] tells. Zero for the first page.
	Before outbox.DeliveryID
	// Limit is how many at most; positive.
	Limit int
}

// filter says it to the store; found is false when nothing can match.
func (e *Engine) filter(ctx context.Context, f DeliveryFilter) (out outbox.DeliveryFilter, found bool, err error) {
	out = outbox.DeliveryFilter{AppID: e.cfg.AppID, State: f.State, Reason: f.Reason, Before: f.Before, Limit: f.Limit}
	if f.Notification != "" {
		if out.Message, err = messageID(f.Notification); err != nil {
			return out, false, nil // there is none with such an id
		}
	}
	out.Conversation, found, err = e.rowOf(ctx, f.Conversation)
	return out, found, err
}

// Deliveries lists deliveries, newest first. A page may hold fewer than the limit, even none, although there are more.
func (e *Engine) Deliveries(ctx context.Context, f DeliveryFilter) (outbox.DeliveryPage, error) {
	of, found, err := e.filter(ctx, f)
	if err != nil || !found {
		return outbox.DeliveryPage{}, err
	}
	page, err := e.cfg.Store.ListDeliveries(ctx, of)
	if err != nil {
		return outbox.DeliveryPage{}, fmt.Errorf("proactive: list deliveries: %w", err)
	}
	return page, e.withReceipts(ctx, page.Deliveries)
}

// Delivery returns a delivery by its id as people see it, or [ErrNoDelivery].
func (e *Engine) Delivery(ctx context.Context, id string) (outbox.Delivery, error) {
	d, err := e.delivery(ctx, id)
	if err != nil {
		return d, err
	}
	one := []outbox.Delivery{d}
	err = e.withReceipts(ctx, one)
	return one[0], err
}

// Replay tries a delivery again that has ended without success, as if it were new. What is unknown may be delivered twice.
// If the channel has forbidden its conversation, that is tried once more: another refusal forbids it again.
// [ErrNoDelivery]; [ErrState] in another state; [ErrRecalled]; [ErrChanging]; [ErrPurged].
func (e *Engine) Replay(ctx context.Context, id string) (outbox.Delivery, error) {
	d, err := e.delivery(ctx, id)
	if err != nil {
		return d, err
	}
	replayed, err := e.cfg.Store.ReplayDelivery(ctx, d.ID, outbox.Replay{At: e.cfg.Now(), Forbidden: true})
	return e.told(replayed, err)
}

// ReplayAll tries deliveries again that have ended without success and match f, oldest first, and returns how many. With
// forbidden, the conversations of those that the channel has forbidden are tried once more, as [Engine.Replay] does;
// without, their deliveries fail again at once. The error is a [*FieldError] for what nothing can be called.
func (e *Engine) ReplayAll(ctx context.Context, f DeliveryFilter, forbidden bool) (int, error) {
	for _, name := range [...]struct{ field, value string }{
		{"reason", f.Reason}, {"conversation", string(f.Conversation)}, {"notification", string(f.Notification)},
	} {
		if err := checkText(name.field, name.value, MaxBody); err != nil {
			return 0, err
		}
	}
	of, found, err := e.filter(ctx, f)
	if err != nil || !found {
		return 0, err
	}
	n, err := e.cfg.Store.ReplayDeliveries(ctx, of, outbox.Replay{At: e.cfg.Now(), Forbidden: forbidden})
	if err != nil {
		return n, fmt.Errorf("proactive: replay: %w", err)
	}
	return n, nil
}

// Settle says what became of a delivery whose outcome is unknown: delivered, with the id that the channel gave it if that is
// known, or failed. [ErrNoDelivery]; [ErrState] when it is not unknown; a [*FieldError].
func (e *Engine) Settle(ctx context.Context, id string, to outbox.State, given activity.ID) (outbox.Delivery, error) {
	if to != outbox.StateDelivered && to != outbox.StateFailed {
		return outbox.Delivery{}, &FieldError{"state", "is neither delivered nor failed"}
	}
	if given != "" && to != outbox.StateDelivered {
		return outbox.Delivery{}, &FieldError{"activity_id", "is given although nothing was delivered"}
	}
	if err := checkText("activity_id", string(given), MaxActivityID); err != nil {
		return outbox.Delivery{}, err
	}
	d, err := e.delivery(ctx, id)
	if err != nil {
		return d, err
	}
	return e.told(e.cfg.Store.SettleDelivery(ctx, d.ID, outbox.Settlement{State: to, Activity: given, At: e.cfg.Now()}))
}

// told wakes those who wait for the notification of a delivery that has changed.
func (e *Engine) told(d outbox.Delivery, err error) (outbox.Delivery, error) {
	if err == nil {
		e.tell(d.Message)
	}
	return d, err
}

// NotificationText is a notification's id as people see it.
func NotificationText(id outbox.MessageID) headsup.NotificationID { return notificationID(id) }
