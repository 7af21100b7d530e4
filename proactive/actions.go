package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/teams"
)

// Press is a button of a notice that somebody has pressed.
type Press struct {
	// Name and Value are the action's. They are as they were sent: nobody can change them.
	Name  string         `json:"name"`
	Value jsontext.Value `json:"value,omitzero"`
	// Notification, Delivery and Topic are of what has the button; empty for a notice that a handler has sent in its turn.
	Notification headsup.NotificationID `json:"notification,omitzero"`
	Delivery     string                 `json:"delivery,omitzero"`
	Topic        string                 `json:"topic,omitzero"`
}

// ActHandler does what a button stands for, in the turn of whoever has pressed it, and returns what they are told; empty is
// "Done." in their language. It is called once for each button that was sent. An error fails the turn, which may come again;
// so does what the handler has committed with the turn, and the mark that the button was used.
type ActHandler func(ctx context.Context, t *headsup.Turn, p Press) (said string, err error)

// Act has buttons of notices done by h whose do is "do" and whose name is this. Call it before the engine runs.
func (e *Engine) Act(name string, h ActHandler) error {
	if name == "" || h == nil {
		return errors.New("proactive: act: a name and a handler are required")
	}
	if _, taken := e.acts[name]; taken {
		return fmt.Errorf("proactive: act: there is a handler %q already", name)
	}
	e.acts[name] = h
	return nil
}

// Actions has buttons of notices do what they stand for, and not come to the bot's handler: to whom they were sent, while they
// are good, and once where twice would be too much. It belongs behind the middleware that gives a turn its state.
func (e *Engine) Actions() headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			text, ours := ticketIn(t)
			if !ours || e.signer == nil {
				return next.HandleTurn(ctx, t)
			}
			p, denied, err := e.admit(ctx, t, text)
			if err != nil {
				return err
			}
			if denied != nil {
				return e.refuse(ctx, t, p, denied)
			}
			if err := e.clicked(ctx, p); err != nil {
				return err
			}
			return e.act(ctx, t, next, p)
		})
	}
}

// submitted is what a button of ours brings back.
type submitted struct {
	Ours *struct {
		Ticket string `json:"ticket"`
	} `json:"headsup"`
}

// ticketIn finds the ticket of a button in what arrived; ours reports whether it is one of ours, however wrong.
func ticketIn(t *headsup.Turn) (text string, ours bool) {
	a, data := t.Activity(), jsontext.Value(nil)
	switch {
	case t.Proactive():
	case a.Type == activity.TypeMessage:
		data = a.Value
	case a.Type == activity.TypeInvoke:
		if done, ok := teams.ActionOf(a); ok && done.Verb == card.Verb {
			data = done.Data
		}
	}
	var s submitted
	if data.Kind() != jsontext.KindBeginObject || json.Unmarshal(data, &s) != nil || s.Ours == nil {
		return "", false
	}
	return s.Ours.Ticket, true
}

// pressed is a button that somebody has pressed, and what there is of its delivery.
type pressed struct {
	ticket.Ticket
	conversation book.Conversation
	delivery     outbox.Delivery
	message      outbox.Message // zero when it is not kept any more
}

// denial is why a button does nothing: a word for those who look after it, and an answer to who has pressed it.
type denial struct {
	reason string
	answer card.Answer
}

// admit finds out what a button stands for, and whether whoever presses it may.
func (e *Engine) admit(ctx context.Context, t *headsup.Turn, text string) (p pressed, refused *denial, err error) {
	p.conversation, err = e.cfg.Store.Conversation(ctx, t.Key())
	if err != nil && !errors.Is(err, book.ErrNotFound) {
		return p, nil, fmt.Errorf("look in the book: %w", err)
	}
	p.Ticket, err = e.signer.Verify(text, e.cfg.Now())
	switch {
	case errors.Is(err, ticket.ErrExpired):
		return p, &denial{"expired", card.AnswerExpired}, nil
	case errors.Is(err, ticket.ErrForged):
		return p, &denial{"forged", card.AnswerInvalid}, nil
	case err != nil:
		return p, &denial{"malformed", card.AnswerInvalid}, nil
	case p.conversation.Row == 0 || p.Conversation != conversationName(p.conversation.Row):
		return p, &denial{"other_conversation", card.AnswerNotYours}, nil
	}
	if from := t.Activity().From; p.Person != "" && (from == nil || p.Person != string(from.ID)) {
		return p, &denial{"other_person", card.AnswerNotYours}, nil
	}
	return p, nil, e.remember(ctx, &p)
}

// remember finds what a button was sent with, as far as that is kept; of a template, what it says to whoever presses it.
func (e *Engine) remember(ctx context.Context, p *pressed) (err error) {
	p.delivery, err = e.delivery(ctx, p.Delivery)
	if err == nil {
		p.message, err = e.cfg.Store.Message(ctx, p.delivery.Message)
	}
	if err == nil {
		p.message, err = (*sender)(e).bound(ctx, &outbox.Attempt{Conversation: p.conversation}, p.message)
	}
	if errors.Is(err, ErrNoDelivery) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// clicked notes that a button or a link was used, if what has it is kept.
func (e *Engine) clicked(ctx context.Context, p pressed) error {
	if p.delivery.ID == 0 {
		return nil
	}
	_, err := e.receive(ctx, []outbox.Receipt{{
		Delivery: p.delivery.ID, Kind: outbox.ReceiptClicked, By: activity.AccountID(p.Person), Detail: cmp.Or(p.Name, p.Do), At: e.cfg.Now(),
	}})
	return err
}

// act does what a button stands for.
func (e *Engine) act(ctx context.Context, t *headsup.Turn, next headsup.Handler, p pressed) error {
	if p.Do == doSettings {
		return e.saveSettings(ctx, t, p)
	}
	switch card.Do(p.Do) {
	case card.Mute, card.OptOut:
		refused, err := e.optOut(ctx, p, "button")
		if err != nil {
			return err
		}
		if refused != nil {
			return e.refuse(ctx, t, p, refused)
		}
		answer := card.AnswerOptedOut
		if p.Do == string(card.Mute) {
			answer = card.AnswerMuted
		}
		return e.confirm(ctx, t, p, e.view(t, p).Say(answer, e.titleOf(p.Topic)))
	case card.Snooze:
		return e.unused(ctx, t, p, func() error { return e.snooze(ctx, t, p) })
	case card.Call:
		return e.unused(ctx, t, p, func() error { return e.call(ctx, t, next, p) })
	case card.Open:
	}
	return e.refuse(ctx, t, p, &denial{"other_purpose", card.AnswerInvalid})
}

// optOut has a person hear no more of a topic, or of anything.
func (e *Engine) optOut(ctx context.Context, p pressed, by string) (*denial, error) {
	change := PreferenceChange{By: by}
	if p.Do == string(card.OptOut) {
		change.OptedOut = new(true)
	} else {
		change.Topics = make(map[string]*bool)
		all := p.topics()
		for _, name := range all {
			if len(all) == 1 || !e.topicOf(name).Mandatory {
				change.Topics[name] = new(false)
			}
		}
	}
	_, err := e.Prefer(ctx, p.conversation.Key, change)
	if _, wrong := errors.AsType[*FieldError](err); wrong { // it has become mandatory since
		return &denial{"mandatory", card.AnswerMandatory}, nil
	}
	return nil, err
}

// used are buttons that were pressed, by the ids of their tickets, with when those end.
var used = state.NewProperty[map[string]int64](state.Conversation, "headsup.buttons")

// maxUsed bounds how many are remembered in a conversation: of more, those that end first are forgotten.
const maxUsed = 1000

// unused runs do unless the button was used before. That it was commits with the turn.
func (e *Engine) unused(ctx context.Context, t *headsup.Turn, p pressed, do func() error) error {
	before := false
	err := used.Update(ctx, t, func(all *map[string]int64) error {
		now := e.cfg.Now().Unix()
		for id, until := range *all {
			if until <= now {
				delete(*all, id)
			}
		}
		if _, before = (*all)[p.ID()]; before {
			return nil
		}
		if *all == nil {
			*all = make(map[string]int64)
		}
		if len(*all) >= maxUsed {
			forgetFirst(*all)
		}
		(*all)[p.ID()] = p.Expires.Unix()
		return nil
	})
	if err != nil {
		return fmt.Errorf("buttons of notices: %w", err)
	}
	if before {
		return e.refuse(ctx, t, p, &denial{"used", card.AnswerAlready})
	}
	return do()
}

func forgetFirst(all map[string]int64) {
	first := ""
	for id, until := range all {
		if first == "" || until < all[first] {
			first = id
		}
	}
	delete(all, first)
}

// snooze says the notification again after a while, as it is now. That commits with the turn.
func (e *Engine) snooze(ctx context.Context, t *headsup.Turn, p pressed) error {
	a, _ := e.kept(p)
	if a == nil {
		return e.refuse(ctx, t, p, &denial{"purged", card.AnswerExpired})
	}
	ref := t.Reference()
	ref.ActivityID = ""
	_, err := t.Notify(ctx, headsup.Notification{
		To: headsup.ToConversation(ref), Activity: a, In: p.For, Topic: p.message.Topic, Value: p.message.Value, Key: "snooze:" + p.ID(),
	})
	if err != nil {
		return fmt.Errorf("say a notice again: %w", err)
	}
	v := e.view(t, p)
	return e.confirm(ctx, t, p, v.Say(card.AnswerSnoozed, v.When(e.cfg.Now().Add(p.For))))
}

// call has somebody do what a button stands for: a handler, whoever is told, or the bot.
func (e *Engine) call(ctx context.Context, t *headsup.Turn, next headsup.Handler, p pressed) error {
	press := Press{Name: p.Name, Value: p.Value, Topic: p.message.Topic}
	if !strings.HasPrefix(p.Delivery, ofTurn) {
		press.Delivery = p.Delivery
	}
	if p.message.ID != 0 {
		press.Notification = notificationID(p.message.ID)
	}
	if h := e.acts[p.Name]; h != nil {
		said, err := h(ctx, t, press)
		if err != nil {
			return err
		}
		if said == "" {
			said = e.view(t, p).Say(card.AnswerDone, "")
		}
		return e.confirm(ctx, t, p, said)
	}
	if e.cfg.Pressed != nil {
		taken, err := e.cfg.Pressed(ctx, t, press)
		if err != nil {
			return err
		}
		if taken {
			return e.confirm(ctx, t, p, e.view(t, p).Say(card.AnswerDone, ""))
		}
	}
	raw, err := json.Marshal(press)
	if err != nil {
		return err
	}
	t.Activity().Value = raw
	return next.HandleTurn(ctx, t)
}

// kept is what has the button, as the message is now, with its notice; both are nil when it is not kept any more.
func (e *Engine) kept(p pressed) (*activity.Activity, *card.Notice) {
	var a activity.Activity
	if !mayHaveNotice(p.message.Body) || !p.message.RecalledAt.IsZero() || json.Unmarshal(p.message.Body, &a) != nil {
		return nil, nil
	}
	n, err := noticeOf(&a)
	if n == nil || err != nil {
		return nil, nil
	}
	return &a, n
}

// view is for whoever has pressed a button.
func (e *Engine) view(t *headsup.Turn, p pressed) card.View {
	locale := t.Activity().Locale
	if a, _ := e.kept(p); a != nil && a.Locale != "" {
		locale = a.Locale
	}
	c := p.conversation
	if c.Row == 0 {
		c.Key, c.Reference = t.Key(), t.Reference()
	}
	return e.viewOf(locale, reader{conversation: c, delivery: p.delivery.ID, topic: p.message.Topic})
}

// confirm tells whoever has pressed a button that it was done: in the card where the channel can change it, and in words where
// it does not show the answer by itself.
func (e *Engine) confirm(ctx context.Context, t *headsup.Turn, p pressed, said string) error {
	done := e.mark(ctx, t, p, said)
	if t.Activity().Type != activity.TypeInvoke {
		_, err := t.Say(ctx, said)
		return err
	}
	answer := teams.ShowText(said)
	if len(done) > 0 {
		answer = teams.ShowCard(done)
	}
	t.Respond(headsup.InvokeResponse{Body: answer})
	return nil
}

// mark says in the card that its button was pressed, in place of the buttons, and returns it; nothing where that cannot be. It
// is no error: what was asked for is done.
func (e *Engine) mark(ctx context.Context, t *headsup.Turn, p pressed, said string) jsontext.Value {
	a, n := e.kept(p)
	if a == nil || p.delivery.Key != t.Key() || p.delivery.Activity == "" || !e.cfg.Channel.Capabilities(t.Reference()).Update {
		return nil
	}
	v := e.view(t, p)
	v.Done = said
	if err := dress(a, n, v, t.Key().Channel); err != nil || len(a.Attachments) == 0 {
		return nil
	}
	a.ID = p.delivery.Activity
	if _, err := t.Update(ctx, a); err != nil {
		e.cfg.Logger.DebugContext(ctx, "card not marked as done", "delivery_id", p.Delivery, "error", err.Error())
		return nil
	}
	return a.Attachments[0].Content
}

// refuse tells whoever has pressed a button that it does nothing, and those who look after the bot why.
func (e *Engine) refuse(ctx context.Context, t *headsup.Turn, p pressed, r *denial) error {
	e.cfg.Logger.Log(ctx, e.refused.Level(r.reason, time.Now()), "button refused", "reason", r.reason, "channel", string(t.Key().Channel),
		"delivery_id", p.Delivery)
	if e.cfg.ButtonRefused != nil {
		e.cfg.ButtonRefused(r.reason)
	}
	said := e.view(t, p).Say(r.answer, e.titleOf(p.Topic))
	if t.Activity().Type == activity.TypeInvoke {
		t.Respond(headsup.InvokeResponse{Body: teams.ShowText(said)})
		return nil
	}
	_, err := t.Say(ctx, said)
	return err
}
