package proactive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Question is the notification that a message answers.
type Question struct {
	Notification headsup.NotificationID
	// Delivery is the id of the delivery that has asked, as people see it, and Activity the channel's.
	Delivery string
	Activity activity.ID
	Topic    string
	// Value is the notification's, if it is not larger than 8 kB.
	Value jsontext.Value

	again *bool
}

// Again has the next message be an answer too: this one was none, or not the last. It waits as long as it would have.
func (q Question) Again() { *q.again = true }

type questionKey struct{}

// QuestionOf returns what the message of a turn answers, for the handler that the answer goes to.
func QuestionOf(t *headsup.Turn) (Question, bool) {
	q, ok := t.Value(questionKey{}).(Question)
	return q, ok
}

// Replies has answers go to whoever has asked ([headsup.Reply]), in the person's own turn, and not to the bot's handler; a
// message that answers nothing goes there. Of several questions the last is answered first, unless the message says that it
// replies to the activity of another. After the answer, dialogs that were interrupted go on. It belongs innermost, behind
// the middleware that gives a turn its state.
func (e *Engine) Replies() headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			if t.Proactive() || e.talk.bot == nil || !answers(t.Activity()) {
				return next.HandleTurn(ctx, t)
			}
			c, err := e.cfg.Store.Conversation(ctx, t.Key())
			switch {
			case errors.Is(err, book.ErrNotFound):
				return next.HandleTurn(ctx, t)
			case err != nil:
				return fmt.Errorf("look for a question: %w", err)
			}
			by, q, asked := e.asked(ctx, c, t.Activity())
			if !asked {
				return next.HandleTurn(ctx, t)
			}
			return e.answer(ctx, t, next, by, q)
		})
	}
}

// answers reports whether an activity may be an answer: a message of a person.
func answers(a *activity.Activity) bool {
	return a.Type == activity.TypeMessage && (a.From == nil || a.From.Role != activity.RoleBot)
}

// asked finds the question that an activity answers, and under which name it is kept.
func (e *Engine) asked(ctx context.Context, c book.Conversation, a *activity.Activity) (by string, q question, found bool) {
	for _, b := range headsup.StillBusy(c.Busy, e.cfg.Now()) {
		if !strings.HasPrefix(b.By, headsup.BusyQuestion) {
			continue
		}
		var this question
		if err := json.Unmarshal(b.Value, &this); err != nil {
			e.cfg.Logger.ErrorContext(ctx, "question not readable", "by", b.By, "error", err.Error())
			continue
		}
		if by, q, found = b.By, this, true; a.ReplyToID != "" && a.ReplyToID == this.Activity {
			break
		}
	}
	return by, q, found
}

// answer hands an answer to whoever has asked.
func (e *Engine) answer(ctx context.Context, t *headsup.Turn, next headsup.Handler, by string, q question) error {
	again := false
	if q.To != "" {
		to, known := e.speakers[q.To]
		if !known { // of another version of the program: nobody waits for it any more
			e.cfg.Logger.WarnContext(ctx, "nobody takes an answer", "handler", q.To, "notification_id", string(q.Notification))
			t.Stage(headsup.Mark{Busy: headsup.Busy{By: by}, Free: true, At: e.cfg.Now()})
			return next.HandleTurn(ctx, t)
		}
		h := to.handler
		if h == nil {
			h = next
		}
		t.SetValue(questionKey{}, Question{q.Notification, q.Delivery, q.Activity, q.Topic, q.Value, &again})
		if err := h.HandleTurn(ctx, t); err != nil {
			return err
		}
	}
	if again {
		return nil
	}
	t.Stage(headsup.Mark{Busy: headsup.Busy{By: by}, Free: true, At: e.cfg.Now()})
	if err := e.answered(ctx, t.Activity(), q); err != nil {
		return err
	}
	return e.talk.interrupter.Resume(ctx, t)
}

// answered notes that a question was.
func (e *Engine) answered(ctx context.Context, a *activity.Activity, q question) error {
	r := Receipt{Delivery: q.Delivery, Kind: outbox.ReceiptAnswered, At: toldAt(a, e.cfg.Now())}
	if a.From != nil {
		r.By = a.From.ID
	}
	_, err := e.Receive(ctx, r)
	return ignore(err, ErrNoDelivery) // it was removed meanwhile
}
