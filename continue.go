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
	value  jsontext.Value
	log    SendLog
	commit func() []Op
}

// SendLog is told how far a proactive turn has come with what it says, by its n-th activity, counting from 0. Whoever
// runs the turn again after its process died learns from it what may have been said.
type SendLog interface {
	// Begin is told of an activity before it is sent; its error keeps the activity back and is what Send returns. The key
	// names the send as [Outgoing.Key] does.
	Begin(ctx context.Context, n int) (key string, err error)
	// Sent is told that the channel has taken it, and under which id.
	Sent(ctx context.Context, n int, id activity.ID) error
}

// WithSendLog has everything that the turn sends written down first.
func WithSendLog(log SendLog) ContinueOption {
	return func(c *continuation) error {
		c.log = log
		return nil
	}
}

// WithCommit adds to what a turn commits: f is called when the handler has returned without an error.
func WithCommit(f func() []Op) ContinueOption {
	return func(c *continuation) error {
		c.commit = f
		return nil
	}
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
	c, err := continued(opts)
	if err != nil {
		return err
	}
	event := ref.Continuation()
	event.Value = c.value
	return b.proact(ctx, ref, event, h, c)
}

// ContinueHeld is [Bot.Continue] for a caller who holds the conversation's lease already, and gives it back afterwards.
// It never nests: inside a turn it returns [ErrInTurn].
func (b *Bot) ContinueHeld(
	ctx context.Context, lease Lease, ref activity.Reference, h Handler, opts ...ContinueOption,
) error {
	if err := ref.Validate(); err != nil {
		return fmt.Errorf("headsup: continue: %w", err)
	}
	if key := KeyOf(b.cfg.AppID, ref); lease.Key() != key {
		return fmt.Errorf("headsup: continue: the lease is of %s, not of %s", lease.Key(), key)
	}
	c, err := continued(opts)
	if err != nil {
		return err
	}
	if running(ctx) != nil {
		return ErrInTurn
	}
	event := ref.Continuation()
	event.Value = c.value
	if h == nil {
		h = b.handler
	}
	ctx, seen := b.observe(ctx, TurnProactive, event)
	err = b.proactHeld(ctx, lease, b.proactive(ref, event), h, c)
	seen.end(false, err)
	return err
}

func continued(opts []ContinueOption) (c continuation, err error) {
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return c, fmt.Errorf("headsup: continue: %w", err)
		}
	}
	return c, nil
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
	return ref, b.proact(ctx, ref, event, h, continuation{})
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

// proactive makes a turn that nobody has asked for. It has no unit yet.
func (b *Bot) proactive(ref activity.Reference, event *activity.Activity) *Turn {
	return &Turn{
		bot: b, activity: event, ref: ref.Clone(), replyTo: ref.ActivityID, nobodyAsked: true,
		identity: auth.Identity{Kind: auth.KindSelf, ServiceURL: ref.ServiceURL},
	}
}

// proact runs a proactive turn.
func (b *Bot) proact(
	ctx context.Context, ref activity.Reference, event *activity.Activity, h Handler, c continuation,
) error {
	if h == nil {
		h = b.handler
	}
	key := KeyOf(b.cfg.AppID, ref)
	t := b.proactive(ref, event)
	if outer := running(ctx); outer != nil {
		if outer.Key() != key {
			return ErrInTurn
		}
		t.work, t.outer = outer.work, outer
		ops, err := b.run(ctx, t, h)
		if err != nil {
			return err
		}
		return outer.stage(append(ops, c.ops()...)...)
	}
	ctx, seen := b.observe(ctx, TurnProactive, event)
	err := b.proactAlone(ctx, key, t, h, c)
	seen.end(false, err)
	return err
}

func (c continuation) ops() []Op {
	if c.commit == nil {
		return nil
	}
	return c.commit()
}

// proactAlone runs a proactive turn that nests in no other.
func (b *Bot) proactAlone(ctx context.Context, key ConversationKey, t *Turn, h Handler, c continuation) error {
	lease, err := b.cfg.Turns.Lease(ctx, key)
	if err != nil {
		return fmt.Errorf("wait for the conversation: %w", err)
	}
	defer lease.Release()
	return b.proactHeld(ctx, lease, t, h, c)
}

// proactHeld runs a proactive turn on a lease.
func (b *Bot) proactHeld(ctx context.Context, lease Lease, t *Turn, h Handler, c continuation) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.TurnTimeout, errTurnTimeout)
	defer cancel()
	return b.untilCommitted(ctx, lease, t.activity, func(event *activity.Activity) (*Turn, []Op, error) {
		t := b.proactive(t.ref, event)
		t.work = &unit{lease: lease, log: c.log}
		ops, err := b.run(ctx, t, h)
		if err != nil {
			return t, nil, err
		}
		return t, append(ops, c.ops()...), nil
	})
}
