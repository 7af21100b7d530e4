package book

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// Middleware notes where every turn's conversation can be continued, before the handler runs, so that it is known even
// if the turn fails, and what events tell of it, its team and its people. Conversations that the bot is removed from are struck
// out after the handler.
func Middleware(store Store, now func() time.Time) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			a := t.Activity()
			if t.Proactive() && a.Name != activity.EventCreateConversation {
				return next.HandleTurn(ctx, t)
			}
			seen := seen{store: store, key: t.Key(), at: now()}
			teams := readTeams(a)
			seen.said = said(a, seen.at)
			h := happens(a, teams, seen.said)
			if h.unseen {
				err := next.HandleTurn(ctx, t)
				return errors.Join(err, seen.change(ctx, h.changes))
			}
			c, err := note(ctx, store, seen.sighting(t, teams.place, h))
			if err != nil {
				return fmt.Errorf("note in the book: %w", err)
			}
			h.changes = append(h.changes, standIn(c, a)...)
			if err := seen.change(ctx, h.changes); err != nil {
				return err
			}
			return next.HandleTurn(ctx, t)
		})
	}
}

// standIn is what there is to change when somebody is heard for the first time in a conversation that the bot has made by their
// object id alone: it stood for the id that they have on the channel, which is known by now.
func standIn(c Conversation, a *activity.Activity) []Change {
	if c.Row == 0 || c.Kind != KindPersonal || !c.LastInboundAt.IsZero() || !c.CreatedAt.Before(c.UpdatedAt) || a.From == nil || a.From.AADObjectID == "" {
		return nil
	}
	id := activity.AccountID(Fold(a.From.AADObjectID))
	if id == a.From.ID {
		return nil
	}
	return []Change{{Left: []activity.AccountID{id}}}
}

// note is a sighting of which the entry is wanted only if it was looked at.
func note(ctx context.Context, store Store, s Sighting) (Conversation, error) {
	if n, ok := store.(Noter); ok {
		return n.Note(ctx, s)
	}
	return store.Sight(ctx, s)
}

// seen is a turn's activity on its way into the book.
type seen struct {
	store    Store
	key      headsup.ConversationKey
	at, said time.Time
}

// said is when an activity happened, as its channel tells it. That cannot be in the future.
func said(a *activity.Activity, now time.Time) time.Time {
	if at := a.Timestamp.Time(); !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}

func (s seen) change(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		c.Key, c.At = s.key, s.at
		if _, err := s.store.Change(ctx, c); err != nil {
			return fmt.Errorf("change the book: %w", err)
		}
	}
	return nil
}

// sighting is what a turn's activity tells of its conversation.
func (s seen) sighting(t *headsup.Turn, place Place, h happening) Sighting {
	a, ref := t.Activity(), t.Reference()
	ref.ActivityID = ""
	if ref.User != nil && (ref.User.ID == "" || ref.Bot != nil && ref.User.ID == ref.Bot.ID) {
		ref.User = nil
	}
	told := Sighting{
		Key: s.key, Reference: ref, Kind: KindOf(ref.Conversation), Place: place, People: h.people, Installed: h.installed, At: s.at, SaidAt: s.said,
	}
	if place.Meeting != "" && told.Kind != KindPersonal {
		told.Kind = KindMeeting
	}
	for _, m := range a.MembersAdded {
		if ref.Bot == nil || m.ID != ref.Bot.ID {
			told.People = append(told.People, m)
		}
	}
	told.Source, told.VerifiedAt = source(t.Identity(), s.at)
	told.TimeZone = a.LocalTimezone
	for _, e := range a.Entities {
		if info, ok := e.ClientInfo(); ok {
			told.TimeZone = cmp.Or(told.TimeZone, info.Timezone)
			told.Country = info.Country
			told.Reference.Locale = cmp.Or(ref.Locale, info.Locale)
		}
	}
	return told
}

// source tells how a service URL was learnt, and since when it is vouched for.
func source(id auth.Identity, now time.Time) (Source, time.Time) {
	switch id.Kind {
	case auth.KindChannel:
		if id.Unlisted {
			return SourceCaller, time.Time{}
		}
		return SourceClaim, now
	case auth.KindEmbedded, auth.KindSelf:
		return SourceConfig, now
	case auth.KindEmulator, auth.KindAgent: // no channel vouches for the URL
		return SourceCaller, time.Time{}
	case auth.KindDevelopment:
	}
	return SourceDev, time.Time{}
}

// meetingPrefix begins the ids of meetings' chats in Microsoft Teams.
const meetingPrefix = "19:meeting_"

// KindOf reads the conversation type that Teams sends; other channels only tell groups, if anything. It is empty when the
// account does not tell.
func KindOf(c activity.ConversationAccount) Kind {
	switch {
	case c.ConversationType == activity.ConversationChannel:
		return KindChannel
	case strings.HasPrefix(string(c.ID), meetingPrefix) && c.ConversationType == activity.ConversationGroupChat:
		return KindMeeting
	case c.ConversationType == activity.ConversationGroupChat, c.Group():
		return KindGroup
	case c.ConversationType == "" && c.IsGroup == nil:
		return ""
	}
	return KindPersonal
}
