package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// Notice is a notification as the handler that it interrupts with finds it, in the value of the turn's event.
type Notice struct {
	Notification headsup.NotificationID `json:"notification"`
	Delivery     string                 `json:"delivery"`
	Topic        string                 `json:"topic,omitzero"`
	// Activity is what it would say, without an address; empty when that is left to the handler.
	Activity jsontext.Value `json:"activity,omitzero"`
	// Value is the notification's.
	Value jsontext.Value `json:"value,omitzero"`
	// Busy is what goes on in the conversation.
	Busy []headsup.Busy `json:"busy,omitzero"`
}

// converse has a notification take part in the conversation, in a turn: it puts aside or ends what goes on, and may ask for
// a reply. The turn's state, what goes on from then on, and the delivery's outcome commit together.
func (s *sender) converse(ctx context.Context, at *outbox.Attempt, a *activity.Activity) (activity.ID, error) {
	if s.talk.bot == nil {
		return s.speakAlone(ctx, at, a)
	}
	m, err := s.cfg.Store.Message(ctx, at.Message)
	if err != nil {
		return "", &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_read", Err: err}
	}
	c := conversing{sender: s, at: at, said: partsOf(at.Conversation.Reference, a), value: m.Value, bot: s.talk.bot}
	if at.Handler != "" || a.Type == activity.TypeEvent && a.Name == activity.EventContinueConversation {
		c.said = nil // somebody else says it
	}
	c.speaks = c.said != nil
	if err := c.find(); err != nil {
		return "", err
	}
	log := &sendLog{sender: s, attempt: at}
	if n := taken(at.Sends); n > len(c.said) {
		return "", partial(n, errors.New("the process stopped"))
	} else if n > 0 { // the notification itself, or the first part of it; what was to follow does
		log.before, log.taken, log.first, c.said = n, n, at.Sends[0].Activity, c.said[n:]
	}
	event, err := c.event(m)
	if err != nil {
		return "", err
	}
	var handler headsup.Handler
	if !c.itself {
		handler = headsup.HandlerFunc(c.talk)
	}
	var ended outbox.Outcome
	err = c.bot.ContinueHeld(ctx, at.Lease, at.Conversation.Reference, handler,
		headsup.WithValue(event), headsup.WithSendLog(log), headsup.WithCommit(func() []headsup.Op {
			ended = log.outcome()
			ops := []headsup.Op{outbox.Conclude{Outcome: ended}}
			if ended.State == outbox.StateDelivered && at.Policy.Expects.Wanted {
				ops = append(ops, s.asks(at, m, ended.Activity))
			}
			return ops
		}))
	if err == nil {
		return ended.Activity, &outbox.Recorded{Outcome: ended}
	}
	return "", log.failure(err)
}

// speakAlone is for an engine without a bot: what goes on is not here, so all that can be done is to say it, and to take
// down what cancel ends.
func (s *sender) speakAlone(ctx context.Context, at *outbox.Attempt, a *activity.Activity) (activity.ID, error) {
	if at.Policy.Expects.Wanted || at.Policy.With != "" {
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonNoHandler,
			Err: errors.New("there is no bot here that would interrupt or get the reply")}
	}
	if at.As != headsup.PolicyCancel {
		// There is nothing here that could be put aside.
	} else if _, err := s.cfg.Store.Mark(ctx, at.Conversation.Key, headsup.Mark{Free: true, All: true, At: s.cfg.Now()}); err != nil {
		return "", &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_recorded", Err: err}
	}
	if at.Handler != "" {
		return s.perform(ctx, at, a.Value)
	}
	ref := at.Conversation.Reference
	ref.Outgoing(a)
	return s.say(ctx, at, headsup.Outgoing{Reference: ref, Activity: a, Key: DeliveryText(at.Delivery) + ":0"})
}

// conversing is a notification that takes part in a conversation.
type conversing struct {
	*sender

	at    *outbox.Attempt
	said  []*activity.Activity // what it says by itself; nil for nothing
	value jsontext.Value
	bot   *headsup.Bot

	handler headsup.Handler // who says it, or interrupts; nil for nobody
	dialog  string          // that interrupts; empty for none
	itself  bool            // the bot's own handler decides
	speaks  bool            // it says something by itself
}

// find looks for who says it, or interrupts.
func (c *conversing) find() error {
	name := c.at.Handler
	if name == "" && c.at.As == headsup.PolicyInterrupt {
		name = c.at.Policy.With
	}
	if name == "" {
		return nil
	}
	by, known := c.speakers[name]
	switch {
	case known && by.handler == nil:
		c.bot, c.itself = by.bot, true
	case known:
		c.bot, c.handler = by.bot, by.handler
	case c.at.Handler == "" && c.sender.talk.interrupter.Knows(name):
		c.dialog = name
		return nil
	default:
		return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonNoHandler,
			Err: fmt.Errorf("no dialog or handler is named %q", name)}
	}
	if c.at.Handler == "" {
		c.said = nil // whoever interrupts is given it
	}
	return nil
}

// event is the value of the turn's event.
func (c *conversing) event(m outbox.Message) (jsontext.Value, error) {
	if c.at.Handler != "" || c.handler == nil && !c.itself {
		return c.value, nil
	}
	n := Notice{
		Notification: notificationID(m.ID), Delivery: DeliveryText(c.at.Delivery), Topic: m.Topic, Value: m.Value,
		Busy: headsup.StillBusy(c.at.Conversation.Busy, c.cfg.Now()),
	}
	if c.speaks {
		n.Activity = m.Body
	}
	raw, err := json.Marshal(n)
	if err != nil {
		return nil, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "bad_body", Err: err}
	}
	return raw, nil
}

// talk is the turn.
func (c *conversing) talk(ctx context.Context, t *headsup.Turn) error {
	dialogs := c.sender.talk.interrupter
	if c.at.As == headsup.PolicyCancel {
		if err := dialogs.CancelAll(ctx, t); err != nil {
			return fmt.Errorf("cancel the dialogs: %w", err)
		}
		c.overrule(t)
	}
	for _, part := range c.said {
		if _, err := t.Send(ctx, part); err != nil {
			return err
		}
	}
	if c.handler != nil {
		if err := c.handler.HandleTurn(ctx, t); err != nil {
			return err
		}
	}
	switch {
	case c.dialog != "":
		return dialogs.Interrupt(ctx, t, c.dialog, c.value)
	case c.at.As == headsup.PolicyInterrupt && !c.at.Policy.Expects.Wanted:
		return dialogs.Resume(ctx, t) // with a reply to come, after that
	}
	return nil
}

// overrule takes down what makes the conversation busy, but the dialogs that CancelAll has not ended: in a group, those of
// other people go on.
func (c *conversing) overrule(t *headsup.Turn) {
	ended, now := headsup.BusyDialog, c.cfg.Now()
	if n, ok := c.sender.talk.interrupter.(named); ok {
		ended = n.BusyName(t)
	}
	t.Stage(headsup.Mark{Free: true, All: true, At: now})
	for _, b := range headsup.StillBusy(c.at.Conversation.Busy, now) {
		if headsup.DialogBusy(b.By) && b.By != ended {
			t.Stage(headsup.Mark{Busy: b, At: now})
		}
	}
}

// question is what is kept while somebody waits for a reply.
type question struct {
	Notification headsup.NotificationID `json:"notification"`
	Delivery     string                 `json:"delivery"`
	Activity     activity.ID            `json:"activity,omitzero"`
	To           string                 `json:"to,omitzero"`
	Topic        string                 `json:"topic,omitzero"`
	Value        jsontext.Value         `json:"value,omitzero"`
}

// asks is the op that has the next message go to whoever has asked.
func (s *sender) asks(at *outbox.Attempt, m outbox.Message, id activity.ID) headsup.Op {
	now, delivery := s.cfg.Now(), DeliveryText(at.Delivery)
	q := question{
		Notification: headsup.NotificationID(ident.Text("ntf", int64(at.Message))), Delivery: delivery, Activity: id,
		To: at.Policy.Expects.To, Topic: m.Topic,
	}
	if len(m.Value) <= maxQuestionValue {
		q.Value = m.Value
	}
	raw, err := json.Marshal(q)
	if err != nil {
		panic(err) // texts and JSON that was checked always encode
	}
	return headsup.Mark{At: now, Busy: headsup.Busy{
		By: headsup.BusyQuestion + delivery, Reason: cmp.Or(m.Topic, "a question"), Value: raw,
		Until: now.Add(cmp.Or(at.Policy.Expects.Within, headsup.DefaultReplyWithin)),
	}}
}

// maxQuestionValue is the largest value in bytes that is kept with a question: it is read with every message.
const maxQuestionValue = 8 << 10
