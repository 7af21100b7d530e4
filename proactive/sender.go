package proactive

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// sender is the engine as its worker sees it.
type sender Engine

// Deliver implements [outbox.Sender]. A conversation in which nothing can be said any more is struck out of the book,
// until somebody there is heard of.
func (s *sender) Deliver(ctx context.Context, at outbox.Attempt) (activity.ID, error) {
	id, err := s.deliver(ctx, at)
	if failure := headsup.MeaningOf(err); failure != nil && failure.Suspends {
		now := s.cfg.Now()
		if strike := s.cfg.Store.StrikeOut(ctx, at.Conversation.Key, book.ReachBlocked, failure.Reason, now); strike != nil {
			s.cfg.Logger.WarnContext(ctx, "conversation not struck out", "delivery_id", int64(at.Delivery), "error", strike.Error())
		}
	}
	return id, err
}

// deliver makes the attempt. Every activity goes out under a key of its delivery, so that a channel which can
// store it once does.
func (s *sender) deliver(ctx context.Context, at outbox.Attempt) (activity.ID, error) {
	if at.Conversation.Reach != book.ReachActive {
		at.Permit.Cancel()
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: string(at.Conversation.Reach)}
	}
	var a activity.Activity
	if err := json.Unmarshal(at.Body, &a); err != nil {
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "bad_body", Err: err}
	}
	said := at.Delivery
	if at.Verb != outbox.VerbSend {
		said = at.Revises
	}
	key := ident.Text("dlv", int64(said))
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
	if at.Verb != outbox.VerbSend {
		return s.revise(ctx, at, ref, &a)
	}
	ref.Outgoing(&a)
	sent, err := s.cfg.Channel.Send(ctx, headsup.Outgoing{Reference: ref, Activity: &a, Key: key + ":0"})
	return sent.ID, err
}

// ReasonNotSupported is why a revision fails on a channel that has no such thing.
const ReasonNotSupported = "not_supported"

// revise changes or removes what was said.
func (s *sender) revise(
	ctx context.Context, at outbox.Attempt, ref activity.Reference, a *activity.Activity,
) (activity.ID, error) {
	able := s.cfg.Channel.Capabilities(ref)
	var err error
	switch {
	case at.Verb == outbox.VerbUpdate && able.Update:
		ref.Outgoing(a)
		a.ID = at.Sent
		_, err = s.cfg.Channel.Update(ctx, headsup.Outgoing{Reference: ref, Activity: a})
	case at.Verb == outbox.VerbDelete && able.Delete:
		err = s.cfg.Channel.Delete(ctx, ref, at.Sent)
	default:
		err = &headsup.SendError{Meaning: headsup.MeaningUnsupported}
	}
	failure := headsup.MeaningOf(err)
	switch {
	case failure == nil:
		return at.Sent, nil
	case failure.Meaning == headsup.MeaningUnsupported:
		told := *failure
		told.Reason = ReasonNotSupported
		return "", &told
	case at.Verb == outbox.VerbDelete && at.Claims > 1 && failure.Meaning == headsup.MeaningPermanent && failure.Reason == "not_found":
		return at.Sent, nil // an earlier attempt, whose answer was lost, has removed it
	}
	return "", failure
}

// open creates a new conversation with the person that the reference names.
func (s *sender) open(ctx context.Context, at outbox.Attempt, key string) (activity.Reference, error) {
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
