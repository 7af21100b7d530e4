package headsup

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// ContinueOption adds something to a proactive turn.
type ContinueOption func(*continuation) error

type continuation struct {
	value jsontext.Value
}

// WithValue gives the turn's event a value, which the handler finds in its activity. v is anything that encodes to JSON.
func WithValue(v any) ContinueOption {
	return func(c *continuation) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode the value: %w", err)
		}
		c.value = raw
		return nil
	}
}

// Continue runs a turn in a conversation that the bot knows, without anybody having said anything. The turn goes
// through the same middleware as every other; its activity is an event named ContinueConversation. A nil handler is the
// bot's own, which can branch on the event's name and value.
//
// Continue waits until the conversation is free. Called inside a turn of the same conversation (with that turn's
// context) it nests: both see the same state and commit together, and if the outer turn's sender expects the replies in
// the answer, what the inner one sends goes there too. An inner turn that fails stages nothing, but changes that it made
// in the state stay with the outer turn. Inside a turn of another conversation Continue returns [ErrInTurn].
func (b *Bot) Continue(ctx context.Context, ref activity.Reference, h Handler, opts ...ContinueOption) error {
	if err := ref.Validate(); err != nil {
		return fmt.Errorf("headsup: continue: %w", err)
	}
	var c continuation
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return fmt.Errorf("headsup: continue: %w", err)
		}
	}
	event := ref.Continuation()
	event.Value = c.value
	return b.proact(ctx, ref, event, h)
}

// Create opens a conversation and runs a turn in it, whose activity is an event named CreateConversation. The event has
// the id of the activity that the channel posted first, if the creation had one. Create returns the reference of the new
// conversation, also when only the turn failed. Inside a turn it returns [ErrInTurn].
func (b *Bot) Create(ctx context.Context, c Creation, h Handler) (activity.Reference, error) {
	if running(ctx) != nil {
		return activity.Reference{}, ErrInTurn
	}
	resource, err := b.cfg.Channel.Create(ctx, c)
	if err != nil {
		return activity.Reference{}, fmt.Errorf("create a conversation: %w", err)
	}
	ref, err := CreatedReference(c, resource)
	if err != nil {
		return activity.Reference{}, err
	}
	event := ref.Continuation()
	event.Name = activity.EventCreateConversation
	event.RelatesTo = nil
	event.ID = cmp.Or(resource.ActivityID, event.ID)
	event.ChannelData = c.Parameters.ChannelData
	return ref, b.proact(ctx, ref, event, h)
}

// CreatedReference is the reference of a conversation that a channel has just created.
func CreatedReference(c Creation, r activity.ConversationResource) (activity.Reference, error) {
	if r.ID == "" {
		return activity.Reference{}, errors.New("create a conversation: the channel told no conversation id")
	}
	p := c.Parameters
	ref := activity.Reference{
		ChannelID:  c.ChannelID,
		ServiceURL: c.ServiceURL,
		Bot:        p.Bot,
		Conversation: activity.ConversationAccount{
			ID: r.ID, TenantID: p.TenantID, IsGroup: p.IsGroup, Name: p.TopicName,
		},
	}
	if ref.Conversation.TenantID == "" {
		ref.Conversation.TenantID = (&activity.Activity{ChannelData: p.ChannelData}).TenantID() // as in ReferenceOf
	}
	if r.ServiceURL != "" {
		ref.ServiceURL = r.ServiceURL
	}
	if len(p.Members) == 1 {
		ref.User = &p.Members[0]
	}
	return ref.Clone(), nil
}

// proact runs a proactive turn.
func (b *Bot) proact(ctx context.Context, ref activity.Reference, event *activity.Activity, h Handler) error {
	if h == nil {
		h = b.handler
	}
	key := KeyOf(b.cfg.AppID, ref)
	t := &Turn{
		bot: b, activity: event, ref: ref.Clone(), replyTo: ref.ActivityID, nobodyAsked: true,
		identity: auth.Identity{Kind: auth.KindSelf, ServiceURL: ref.ServiceURL},
	}
	if outer := running(ctx); outer != nil {
		if outer.Key() != key {
			return ErrInTurn
		}
		t.work, t.outer = outer.work, outer
		ops, err := b.run(ctx, t, h)
		if err != nil {
			return err
		}
		return outer.stage(ops...)
	}
	ctx, seen := b.observe(ctx, TurnProactive, event)
	err := b.proactAlone(ctx, key, t, h)
	seen.end(false, err)
	return err
}

// proactAlone runs a proactive turn that nests in no other.
func (b *Bot) proactAlone(ctx context.Context, key ConversationKey, t *Turn, h Handler) error {
	lease, err := b.cfg.Turns.Lease(ctx, key)
	if err != nil {
		return fmt.Errorf("wait for the conversation: %w", err)
	}
	defer lease.Release()
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.TurnTimeout, errTurnTimeout)
	defer cancel()
	t.work = &unit{lease: lease}
	ops, err := b.run(ctx, t, h)
	if err != nil {
		return err
	}
	return b.commit(ctx, lease, ops)
}
