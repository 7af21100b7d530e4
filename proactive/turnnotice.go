package proactive

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// performed is the key in a context under which a handler's turn has the attempt that it says.
type performed struct{}

// ofTurn is how tickets begin to say what has a button that is of no delivery.
const ofTurn = "turn:"

// ShowNotice implements [headsup.NoticeShower]: handlers send notices with [headsup.Turn.SendNotice], and with
// [headsup.Turn.Send]. Their buttons are those of the delivery that the handler says, if it says one. They cannot be said
// again, so that no snooze is offered; nor is a way out, in answer to somebody who has asked.
func (e *Engine) ShowNotice(ctx context.Context, t *headsup.Turn, a *activity.Activity) error {
	if err := noticesIn(a); err != nil {
		return wrongNotice(err)
	}
	n, err := noticeOf(a)
	switch {
	case err != nil:
		return wrongNotice(err)
	case n == nil:
		return &FieldError{"activity.type", "is none that has a notice"}
	}
	if err := checkNotice(n); err != nil {
		return err
	}
	to := reader{turn: ofTurn + cmp.Or(string(t.Activity().ID), rand.Text())}
	if at, ok := ctx.Value(performed{}).(*outbox.Attempt); ok && at.Conversation.Key == t.Key() {
		to.delivery, to.topic = at.Delivery, at.Topic
	}
	to.conversation, err = e.cfg.Store.Conversation(ctx, t.Key())
	if err != nil && !errors.Is(err, book.ErrNotFound) {
		return fmt.Errorf("look in the book: %w", err)
	}
	known := err == nil
	if !known {
		to.conversation.Key, to.conversation.Reference = t.Key(), t.Reference()
	}
	v := e.viewOf(cmp.Or(a.Locale, t.Activity().Locale), to)
	if !t.Proactive() {
		v.OptOut = nil
	}
	if !known { // nobody could say to whom a button was given
		v.Ticket, v.OptOut = nil, nil
	}
	return dress(a, n, v, t.Key().Channel)
}
