package headsup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/pace"
)

// Channel is a way out: whatever can carry an activity to the people in a conversation. Implementations are safe for
// concurrent use, honour ctx, and return a [*SendError] that says what a failure means; any other error is taken as an
// unknown outcome. They keep nothing that they are given beyond the call.
type Channel interface {
	// Send posts an activity, addressed and complete. The response's id is empty where the channel tells none.
	Send(ctx context.Context, out Outgoing) (activity.ResourceResponse, error)
	// Update replaces the activity with out.Activity.ID.
	Update(ctx context.Context, out Outgoing) (activity.ResourceResponse, error)
	// Delete removes an activity that the bot has sent.
	Delete(ctx context.Context, ref activity.Reference, id activity.ID) error
	// Create opens a conversation. The resource's service URL, when set, replaces the one that was asked for.
	Create(ctx context.Context, c Creation) (activity.ConversationResource, error)
	// Capabilities tells what the way to a reference can do.
	Capabilities(ref activity.Reference) Capabilities
}

// Outgoing is one activity on its way out.
type Outgoing struct {
	// Reference is the conversation that it goes to.
	Reference activity.Reference
	// Activity is addressed already: the reference has been applied to it.
	Activity *activity.Activity
	// Key names this send and nothing else; a channel that can recognises a repeat by it stores the activity once.
	// Empty when a repeat cannot happen or does not matter.
	Key string
}

// BodySender is a [Channel] that can send an activity as its JSON, which saves decoding and encoding what was stored.
type BodySender interface {
	// SendBody is Send of an activity that is given as body, addressed and complete; out has none. The body is an object of
	// valid JSON and answers no other activity.
	SendBody(ctx context.Context, out Outgoing, body jsontext.Value) (activity.ResourceResponse, error)
}

// SendBody sends an activity that is given as body, as [BodySender] tells, through any channel: one that is no BodySender
// gets it decoded.
func SendBody(ctx context.Context, c Channel, out Outgoing, body jsontext.Value) (activity.ResourceResponse, error) {
	if by, ok := c.(BodySender); ok {
		return by.SendBody(ctx, out, body)
	}
	out.Activity = new(activity.Activity)
	if err := json.Unmarshal(body, out.Activity); err != nil {
		return activity.ResourceResponse{}, &SendError{Meaning: MeaningPermanent, Reason: "bad_body", Err: err}
	}
	return c.Send(ctx, out)
}

// Creation asks a channel for a new conversation.
type Creation struct {
	// ChannelID and ServiceURL say where.
	ChannelID  activity.ChannelID
	ServiceURL string
	// Parameters is the body of the Connector API's "create conversation".
	Parameters activity.ConversationParameters
	// Key is as in [Outgoing].
	Key string
}

// Capabilities tells what a channel can do for a reference.
type Capabilities struct {
	// Update and Delete: a sent activity can be changed or removed.
	Update, Delete bool
	// Create: the bot can open a conversation by itself.
	Create bool
	// Once: a send with the same [Outgoing.Key] is stored exactly once, and a creation with the same [Creation.Key] finds the
	// conversation that the first one has opened.
	Once bool
}

// Meaning is what a failed send means for the one who wants it delivered.
type Meaning string

const (
	// MeaningPermanent: the same call will never succeed.
	MeaningPermanent Meaning = "permanent"
	// MeaningTransient: it was not delivered, and a later try may succeed.
	MeaningTransient Meaning = "transient"
	// MeaningThrottled: it was not delivered because the channel wants fewer calls; wait for RetryAfter.
	MeaningThrottled Meaning = "throttled"
	// MeaningUnknown: it may have been delivered; the answer was lost.
	MeaningUnknown Meaning = "unknown"
	// MeaningUnsupported: the channel cannot do this at all.
	MeaningUnsupported Meaning = "unsupported"
)

// SendError is how a channel says what a failure means.
type SendError struct {
	// Meaning decides what happens next.
	Meaning Meaning
	// Reason is a stable snake_case word that the API shows: "not_found", "blocked", "too_large".
	Reason string
	// Status is the HTTP status, 0 when no answer arrived or none was asked for.
	Status int
	// RetryAfter is how long the channel asked to wait; 0 when it did not say.
	RetryAfter time.Duration
	// Scope is how far the failure reaches: the conversation, the tenant, the bot or the host; empty for the call alone,
	// or when that is not known.
	Scope pace.Level
	// Suspends: nothing can be said in the conversation any more until somebody there acts.
	Suspends bool
	// Unreached: the channel has not heard of the call, since its name, a connection or its certificate was wanting. With
	// [MeaningTransient] this says nothing of what was to be said, so that it is not given up for it as soon as for others.
	Unreached bool
	// Err is the cause. May be nil.
	Err error
}

func (e *SendError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Meaning, e.Reason)
	}
	return fmt.Sprintf("%s: %s: %v", e.Meaning, e.Reason, e.Err)
}

func (e *SendError) Unwrap() error { return e.Err }

// MeaningOf tells what err means for a delivery. An error that no channel has explained is [MeaningUnknown]; it returns
// nil for nil.
func MeaningOf(err error) *SendError {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*SendError](err)
	if !ok {
		return &SendError{Meaning: MeaningUnknown, Reason: "unexplained", Err: err}
	}
	switch e.Meaning {
	case MeaningPermanent, MeaningTransient, MeaningThrottled, MeaningUnknown, MeaningUnsupported:
		return e
	}
	vague := *e
	vague.Meaning = MeaningUnknown
	return &vague
}

// Switch is a [Channel] that hands each reference to the first of its ways that takes it. It is filled before use and
// not changed afterwards; the zero value takes nothing.
type Switch struct {
	ways []way
}

type way struct {
	takes   func(activity.ChannelID, activity.ConversationID) bool
	channel Channel
}

// Way adds a channel for the references that takes accepts; later ways see what earlier ones left. In a call to Create
// the conversation id is empty.
func (s *Switch) Way(takes func(activity.ChannelID, activity.ConversationID) bool, c Channel) {
	s.ways = append(s.ways, way{takes: takes, channel: c})
}

// Otherwise adds a channel that takes everything that is left.
func (s *Switch) Otherwise(c Channel) {
	s.Way(func(activity.ChannelID, activity.ConversationID) bool { return true }, c)
}

func (s *Switch) pick(ch activity.ChannelID, conv activity.ConversationID) (Channel, error) {
	for _, w := range s.ways {
		if w.takes(ch, conv) {
			return w.channel, nil
		}
	}
	return nil, &SendError{Meaning: MeaningPermanent, Reason: "no_channel",
		Err: fmt.Errorf("no channel is set up for %q", ch)}
}

// Send implements [Channel].
func (s *Switch) Send(ctx context.Context, out Outgoing) (activity.ResourceResponse, error) {
	c, err := s.pick(out.Reference.ChannelID, out.Reference.Conversation.ID)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	return c.Send(ctx, out)
}

// SendBody implements [BodySender].
func (s *Switch) SendBody(ctx context.Context, out Outgoing, body jsontext.Value) (activity.ResourceResponse, error) {
	c, err := s.pick(out.Reference.ChannelID, out.Reference.Conversation.ID)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	return SendBody(ctx, c, out, body)
}

// Update implements [Channel].
func (s *Switch) Update(ctx context.Context, out Outgoing) (activity.ResourceResponse, error) {
	c, err := s.pick(out.Reference.ChannelID, out.Reference.Conversation.ID)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	return c.Update(ctx, out)
}

// Delete implements [Channel].
func (s *Switch) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	c, err := s.pick(ref.ChannelID, ref.Conversation.ID)
	if err != nil {
		return err
	}
	return c.Delete(ctx, ref, id)
}

// Create implements [Channel].
func (s *Switch) Create(ctx context.Context, cr Creation) (activity.ConversationResource, error) {
	c, err := s.pick(cr.ChannelID, "")
	if err != nil {
		return activity.ConversationResource{}, err
	}
	return c.Create(ctx, cr)
}

// Capabilities implements [Channel].
func (s *Switch) Capabilities(ref activity.Reference) Capabilities {
	c, err := s.pick(ref.ChannelID, ref.Conversation.ID)
	if err != nil {
		return Capabilities{}
	}
	return c.Capabilities(ref)
}
