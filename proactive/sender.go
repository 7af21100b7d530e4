package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// sender is the engine as its worker sees it.
type sender Engine

// Deliver implements [outbox.Sender]. A conversation in which nothing can be said any more is struck out of the book,
// until somebody there is heard of. In one that is not there yet nothing is said: see [FirstContact].
func (s *sender) Deliver(ctx context.Context, given *outbox.Attempt) (activity.ID, error) {
	at := new(*given) // what is to be said is put into this one
	if err := s.needed(ctx, at); err != nil {
		at.Permit.Cancel()
		return "", err
	}
	if at.Conversation.Reach == book.ReachProspective {
		if err := s.refuses(at); err != nil {
			return "", err
		}
		return "", s.climbs(ctx, at)
	}
	id, err := s.deliver(ctx, at)
	if told, ok := errors.AsType[*headsup.SendError](err); ok {
		err = s.heal(ctx, at, told)
	}
	if failure := headsup.MeaningOf(err); failure != nil && failure.Suspends {
		now := s.cfg.Now()
		if strike := s.cfg.Store.StrikeOut(ctx, at.Conversation.Key, standing(failure, now)); strike != nil {
			s.cfg.Logger.WarnContext(ctx, "conversation not struck out", "delivery_id", int64(at.Delivery), "error", strike.Error())
		}
	}
	return id, err
}

// disabledFor is how long a conversation is left alone whose administrators do not allow the bot. They tell nobody when
// they change their minds.
const disabledFor = time.Hour

// standing is what a failure that suspends says of its conversation.
func standing(failure *headsup.SendError, now time.Time) book.Standing {
	s := book.Standing{Reach: book.ReachBlocked, Cause: failure.Reason, At: now}
	switch failure.Reason {
	case headsup.ReasonNotInstalled, headsup.ReasonNotInConversation, headsup.ReasonConversationGone:
		s.Reach = book.ReachUninstalled
	case headsup.ReasonBotDisabled:
		s.Reach, s.Until = book.ReachUnreachable, now.Add(disabledFor)
	}
	return s
}

// closed is why nothing can be said in a conversation; nil if it can. What is only so until a time waits for that, and is no
// failure.
func closed(c book.Conversation, now time.Time) *headsup.SendError {
	switch {
	case c.Reachable(now):
		return nil
	case c.Reach == book.ReachUnreachable && !c.Until.IsZero():
		return &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: c.Cause, RetryAfter: c.Until.Sub(now), Scope: pace.LevelConversation}
	}
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: string(c.Reach)}
}

// deliver makes the attempt. Every activity goes out under a key of its delivery, so that a channel which can
// store it once does.
func (s *sender) deliver(ctx context.Context, at *outbox.Attempt) (activity.ID, error) {
	if refusal := closed(at.Conversation, s.cfg.Now()); refusal != nil {
		at.Permit.Cancel()
		return "", refusal
	}
	if s.cfg.Proven && at.Conversation.Source == book.SourceDev {
		at.Permit.Cancel()
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonUnproven,
			Err: errors.New("nobody has named the service URL but an unauthenticated caller in development mode")}
	}
	if err := s.binds(ctx, at); err != nil {
		at.Permit.Cancel()
		return "", err
	}
	if n := taken(at.Sends); n > 0 && at.Verb == outbox.VerbSend && at.Handler == "" && !takesPart(at) &&
		!mayHaveParts(at.Conversation.Reference, at.Body) {
		// A turn has spoken before its process stopped, and what it interrupted is over by now.
		at.Permit.Cancel()
		if n > 1 || at.Policy.With != "" {
			return "", partial(n, errors.New("the process stopped"))
		}
		return at.Sends[slices.IndexFunc(at.Sends, func(s outbox.Send) bool { return s.Taken })].Activity, nil
	}
	counted, err := s.prefers(ctx, at)
	if err != nil {
		return "", err
	}
	id, err := s.sayWanted(ctx, at)
	if counted {
		s.uncount(ctx, at, err)
	}
	return id, err
}

// sayWanted makes an attempt that nothing is against.
func (s *sender) sayWanted(ctx context.Context, at *outbox.Attempt) (activity.ID, error) {
	if err := s.renders(at); err != nil {
		at.Permit.Cancel()
		return "", err
	}
	if id, done, err := s.inDigest(ctx, at); done {
		return id, err
	}
	if id, done, err := s.sayStored(ctx, at); done {
		return id, err
	}
	return s.sayDecoded(ctx, at)
}

// sayDecoded makes an attempt of which the activity must be known.
func (s *sender) sayDecoded(ctx context.Context, at *outbox.Attempt) (activity.ID, error) {
	var a activity.Activity
	if err := json.Unmarshal(at.Body, &a); err != nil {
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "bad_body", Err: err}
	}
	switch {
	case takesPart(at):
		return s.converse(ctx, at, &a)
	case at.Handler != "":
		return s.perform(ctx, at, a.Value)
	}
	said := at.Delivery
	if at.Verb != outbox.VerbSend {
		said = at.Revises
	}
	key := keyOf(said)
	ref := at.Conversation.Reference
	if at.Window == headsup.WindowNew {
		if at.Verb != outbox.VerbSend && !s.cfg.Channel.Capabilities(ref).Once {
			return "", &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: ReasonNotSupported,
				Err: errors.New("the channel would open another conversation, and cannot find the one that was opened")}
		}
		// A repeat under the key, also for a revision, finds the one that was opened.
		opened, err := s.open(ctx, at, key)
		if err != nil {
			return "", err
		}
		ref = opened
	}
	out := headsup.Outgoing{Reference: ref, Activity: &a, Key: key + firstOrdinal}
	ref.Outgoing(&a)
	if at.Verb == outbox.VerbSend {
		if parts := partsOf(ref, &a); len(parts) > 1 {
			return s.sayParts(ctx, at, out, parts)
		}
		return s.say(ctx, at, out)
	}
	return s.revise(ctx, at, out)
}

// takesPart reports whether an attempt is more than something said: it does something with what goes on in the
// conversation, or wants a reply.
func takesPart(at *outbox.Attempt) bool {
	return at.Verb == outbox.VerbSend && (at.As != "" || at.Policy.Expects.Wanted)
}

// keyOf names what a delivery says; firstOrdinal follows for the first activity, which is the only one unless a handler
// runs.
func keyOf(id outbox.DeliveryID) string { return ident.Text("dlv", int64(id)) }

const firstOrdinal = ":0"

// sayStored sends the body as it is stored, with the address put in, which is what nearly every delivery needs; it is
// not done where the activity must be decoded to know what to do with it.
func (s *sender) sayStored(ctx context.Context, at *outbox.Attempt) (id activity.ID, done bool, err error) {
	if at.Verb != outbox.VerbSend || at.Handler != "" || takesPart(at) || at.Window == headsup.WindowNew ||
		at.MayHaveArrived && at.Edited || mayHaveParts(at.Conversation.Reference, at.Body) {
		return "", false, nil
	}
	body, ok := at.Conversation.Reference.AppendOutgoing(nil, at.Body)
	if !ok {
		return "", false, nil
	}
	out := headsup.Outgoing{Reference: at.Conversation.Reference, Key: keyOf(at.Delivery) + firstOrdinal}
	sent, err := headsup.SendBody(ctx, s.cfg.Channel, out, body)
	return sent.ID, true, err
}

// Recognises implements [outbox.Recogniser].
func (s *sender) Recognises(at *outbox.Attempt) bool {
	return s.cfg.Channel.Capabilities(at.Conversation.Reference).Once
}

// say sends. An earlier attempt whose answer was lost may have said what the message said before it was edited, and a
// channel that recognises the repeat keeps that. So there the repeat, which tells under which id it stands, is followed by
// an update, in the same attempt: whichever of the two is lost, the next attempt does both again. Elsewhere the repeat
// itself says the new thing.
func (s *sender) say(ctx context.Context, at *outbox.Attempt, out headsup.Outgoing) (activity.ID, error) {
	sent, err := s.cfg.Channel.Send(ctx, out)
	if err != nil || !at.MayHaveArrived || !at.Edited || sent.ID == "" || !s.Recognises(at) {
		return sent.ID, err
	}
	out.Activity.ID = sent.ID
	if _, err := s.cfg.Channel.Update(ctx, headsup.Outgoing{Reference: out.Reference, Activity: out.Activity}); err != nil {
		failure := *headsup.MeaningOf(err)
		if failure.Meaning == headsup.MeaningUnsupported {
			failure.Reason = ReasonNotSupported
		}
		return sent.ID, &failure
	}
	return sent.ID, nil
}

// ReasonUnproven: nobody vouches for where the conversation is, see [Config.Proven].
const ReasonUnproven = "service_url_unproven"

// Reasons of revisions that fail.
const (
	// ReasonNotSupported: the channel has no such thing.
	ReasonNotSupported = "not_supported"
	// ReasonNoActivityID: nobody knows under which id the channel has what was said, if it has: the answer was lost, or
	// held none. [Engine.Settle] can tell it.
	ReasonNoActivityID = "no_activity_id"
)

// find returns the id of what is revised. Where its answer was lost, a channel that recognises a repeat tells it: what
// is to be removed is said once more under its key, and what had not arrived the first time is gone in a moment. That is
// done for no update, since what was cancelled or has expired may be revised too, and must not be said any more.
func (s *sender) find(ctx context.Context, at *outbox.Attempt, out headsup.Outgoing) (activity.ID, error) {
	if at.Sent != "" {
		return at.Sent, nil
	}
	if at.Verb == outbox.VerbDelete && s.Recognises(at) {
		if sent, err := s.cfg.Channel.Send(ctx, out); err != nil || sent.ID != "" {
			return sent.ID, err
		}
	}
	return "", noID()
}

func noID() *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonNoActivityID,
		Err: errors.New("the channel's answer to what was said was lost, or held no id")}
}

// revise changes or removes what was said.
func (s *sender) revise(ctx context.Context, at *outbox.Attempt, out headsup.Outgoing) (activity.ID, error) {
	if id, done, err := s.reviseDigest(ctx, at); done {
		return id, err
	}
	ref, a := out.Reference, out.Activity
	able := s.cfg.Channel.Capabilities(ref)
	if !able.Update && at.Verb == outbox.VerbUpdate || !able.Delete && at.Verb == outbox.VerbDelete {
		return "", &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: ReasonNotSupported}
	}
	if at.Verb == outbox.VerbDelete && slices.ContainsFunc(at.Sends, func(sent outbox.Send) bool { return sent.Activity != "" }) {
		return s.takeBack(ctx, at) // a turn has said it, and perhaps more
	}
	if at.Verb == outbox.VerbUpdate && taken(at.Sends) > 1 {
		return s.reviseParts(ctx, at, ref, a)
	}
	id, err := s.find(ctx, at, out)
	if err != nil {
		return "", err
	}
	if at.Verb == outbox.VerbUpdate {
		a.ID = id
		_, err = s.cfg.Channel.Update(ctx, headsup.Outgoing{Reference: ref, Activity: a})
	} else {
		err = s.cfg.Channel.Delete(ctx, ref, id)
	}
	if err = revisionError(at, at.Verb == outbox.VerbDelete, err); err != nil {
		return "", err
	}
	return id, nil
}

// revisionError is what a channel's answer to a revision means.
func revisionError(at *outbox.Attempt, removed bool, err error) error {
	failure := headsup.MeaningOf(err)
	switch {
	case failure == nil:
		return nil
	case failure.Meaning == headsup.MeaningUnsupported:
		told := *failure
		told.Reason = ReasonNotSupported
		return &told
	case removed && at.MayHaveArrived && failure.Meaning == headsup.MeaningPermanent && failure.Reason == "not_found":
		return nil // an earlier attempt, whose answer was lost, has removed it
	}
	return failure
}

// open creates a new conversation with the person that the reference names.
func (s *sender) open(ctx context.Context, at *outbox.Attempt, key string) (activity.Reference, error) {
	old := at.Conversation.Reference
	if old.User == nil || at.Conversation.Kind != book.KindPersonal { // in a group the user is whoever spoke last
		return activity.Reference{}, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "no_user",
			Err: fmt.Errorf("the conversation %s has no single person to open a new one with", at.Conversation.Key)}
	}
	c := headsup.Creation{
		ChannelID: old.ChannelID, ServiceURL: old.ServiceURL, Key: key,
		Parameters: activity.ConversationParameters{
			IsGroup: new(bool), Bot: old.Bot, Members: []activity.ChannelAccount{*old.User}, TenantID: old.Conversation.TenantID,
		},
	}
	resource, err := s.cfg.Channel.Create(ctx, c)
	if err != nil {
		return activity.Reference{}, err
	}
	ref, err := headsup.CreatedReference(c, resource)
	if err != nil {
		return activity.Reference{}, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "no_conversation_id", Err: err}
	}
	_, err = s.cfg.Store.Sight(ctx, book.Sighting{
		Key: headsup.KeyOf(s.cfg.AppID, ref), Reference: ref, Kind: book.KindPersonal,
		Source: at.Conversation.Source, VerifiedAt: at.Conversation.VerifiedAt, TimeZone: at.Conversation.TimeZone, At: s.cfg.Now(),
	})
	if err != nil {
		return activity.Reference{}, &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "book_unavailable", Err: err}
	}
	return ref, nil
}
