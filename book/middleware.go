package book

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// Middleware notes where every turn's conversation can be continued, before the handler runs, so that it is known even
// if the turn fails. Conversations that the bot is removed from are struck out after the handler.
func Middleware(store Store, now func() time.Time) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			a := t.Activity()
			if t.Proactive() && a.Name != activity.EventCreateConversation {
				return next.HandleTurn(ctx, t)
			}
			if cause, gone := farewell(a); gone {
				err := next.HandleTurn(ctx, t)
				if strike := store.StrikeOut(ctx, t.Key(), ReachUninstalled, cause, now()); strike != nil {
					return fmt.Errorf("strike out of the book: %w", strike)
				}
				return err
			}
			if _, err := store.Sight(ctx, sighting(t, now())); err != nil {
				return fmt.Errorf("note in the book: %w", err)
			}
			return next.HandleTurn(ctx, t)
		})
	}
}

// farewell reports whether an activity says that the bot cannot write to its conversation any more.
func farewell(a *activity.Activity) (cause string, gone bool) {
	switch a.Type {
	case activity.TypeInstallationUpdate:
		// Teams also sends "remove-upgrade", which an "add-upgrade" follows.
		return "uninstalled", a.Action == activity.UpdateRemove
	case activity.TypeContactRelationUpdate:
		return "contact_removed", a.Action == activity.UpdateRemove
	case activity.TypeConversationUpdate:
		for _, m := range a.MembersRemoved {
			if a.Recipient != nil && m.ID == a.Recipient.ID {
				return "bot_removed", true
			}
		}
	}
	return "", false
}

// sighting is what a turn's activity tells of its conversation.
func sighting(t *headsup.Turn, now time.Time) Sighting {
	a, ref := t.Activity(), t.Reference()
	ref.ActivityID = ""
	if ref.User != nil && (ref.User.ID == "" || ref.Bot != nil && ref.User.ID == ref.Bot.ID) {
		ref.User = nil
	}
	s := Sighting{Key: t.Key(), Reference: ref, Kind: KindOf(ref.Conversation), At: now}
	for _, m := range a.MembersAdded {
		if ref.Bot == nil || m.ID != ref.Bot.ID {
			s.People = append(s.People, m)
		}
	}
	s.Source, s.VerifiedAt = source(t.Identity(), now)
	s.TimeZone = a.LocalTimezone
	if s.TimeZone == "" {
		for _, e := range a.Entities {
			if info, ok := e.ClientInfo(); ok {
				s.TimeZone = info.Timezone
			}
		}
	}
	return s
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

// KindOf reads the conversation type that Teams sends; other channels only tell groups, if anything. It is empty when the
// account does not tell.
func KindOf(c activity.ConversationAccount) Kind {
	switch {
	case c.ConversationType == activity.ConversationChannel:
		return KindChannel
	case c.ConversationType == activity.ConversationGroupChat, c.Group():
		return KindGroup
	case c.ConversationType == "" && c.IsGroup == nil:
		return ""
	}
	return KindPersonal
}
