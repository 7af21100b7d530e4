package proactive

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
)

// Reasons of attempts that have mended the way to a conversation of Microsoft Teams, and are followed by another one.
const (
	// HealedService: the tenant was heard from at a newer service URL, where the conversation is called from now on.
	HealedService = "service_url_refreshed"
	// HealedGlobal: nothing is known but that the old one does not answer, and the channel's global one is tried.
	HealedGlobal = "service_url_global"
	// HealedConversation: it was made again, since the person had removed it.
	HealedConversation = "conversation_recreated"
)

const (
	// healsWithin is after how many attempts nothing is mended any more.
	healsWithin = 12
	// unreachedTwice is how many attempts do not reach an old service URL before the global one is tried.
	unreachedTwice = 2
	// justMade is how new a conversation is that may not be known everywhere.
	justMade = 10 * time.Second
	// recreatedFor is how long a conversation that was made again is not, unless somebody says something there.
	recreatedFor = 24 * time.Hour
)

// heal mends the way to a conversation of Microsoft Teams after an attempt whose failure says that it is wrong: each way once.
// It returns what the attempt has come to, or the failure.
func (s *sender) heal(ctx context.Context, at *outbox.Attempt, failure *headsup.SendError) error {
	gone := failure.Status == http.StatusNotFound || failure.Status == http.StatusGone
	c := at.Conversation
	if !gone && !failure.Unreached || at.Claims > healsWithin || c.Key.Channel != activity.ChannelTeams || c.Source == book.SourceDev ||
		at.Verb != outbox.VerbSend || at.Handler != "" || takesPart(at) || at.Window == headsup.WindowNew {
		return failure
	}
	newer, err := (*Engine)(s).heardFrom(ctx, c.Key.Tenant)
	if err != nil {
		return failure
	}
	if newer.verifiedAt.After(c.VerifiedAt) && s.calls(c, newer.url) {
		return s.goesTo(ctx, at, failure, newer.url, HealedService)
	}
	if failure.Reason == headsup.ReasonConversationGone && c.Kind == book.KindPersonal {
		now := s.cfg.Now()
		switch {
		case now.Sub(c.CreatedAt) < justMade:
			return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: failure.Reason, Status: failure.Status, Err: failure.Err}
		case !recreated(c, now):
			if step := s.recreate(ctx, at); step != nil {
				return step
			}
		}
	}
	if global := s.cfg.Global[c.Key.Channel]; s.calls(c, global) && sameCloud(c.Reference.ServiceURL, global) && !recreated(c, s.cfg.Now()) && (gone || at.Claims > unreachedTwice) {
		return s.goesTo(ctx, at, failure, global, HealedGlobal)
	}
	return failure
}

// calls reports whether a conversation may be called at another URL than now.
func (s *sender) calls(c book.Conversation, there string) bool {
	return there != "" && there != c.Reference.ServiceURL && (s.cfg.MayCall == nil || s.cfg.MayCall(there))
}

// sameCloud reports whether two service URLs may be of the same cloud: one of Microsoft's is no other for one of somebody's own.
func sameCloud(a, b string) bool {
	return connector.MicrosoftHost(hostOf(a)) == connector.MicrosoftHost(hostOf(b))
}

func hostOf(serviceURL string) string {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// goesTo notes another service URL, where the next attempt goes.
func (s *sender) goesTo(ctx context.Context, at *outbox.Attempt, failure *headsup.SendError, there, reason string) error {
	ref := at.Conversation.Reference
	ref.ServiceURL = there
	if err := (*Engine)(s).Moved(ctx, ref); err != nil {
		s.cfg.Logger.WarnContext(ctx, "service URL not noted", "delivery_id", int64(at.Delivery), "error", err.Error())
		return failure
	}
	return &outbox.Step{Reason: reason, Detail: failure.Error()}
}

// recreated reports whether a conversation was made again lately, and nobody has said anything since.
func recreated(c book.Conversation, now time.Time) bool {
	return c.Cause == book.CauseRecreated && now.Sub(c.ReachAt) < recreatedFor && !c.LastInboundAt.After(c.ReachAt)
}

// recreate has the channel make the conversation with a person again, which it does under the same id. It returns nil if it
// does not. The call has a permit of its own.
func (s *sender) recreate(ctx context.Context, at *outbox.Attempt) error {
	c := at.Conversation
	person := c.Reference.User
	if person == nil || person.ID == "" || person.ID == c.Key.Bot {
		return nil
	}
	asked := headsup.Creation{
		ChannelID: c.Key.Channel, ServiceURL: c.Reference.ServiceURL, Key: keyOf(at.Delivery) + ":create",
		Parameters: teamsCreation(c.Reference.Bot, activity.ChannelAccount{ID: person.ID}, c.Key.Tenant),
	}
	made, err := s.cfg.Channel.Create(ctx, asked)
	if err != nil {
		return nil //nolint:nilerr // the failure of the attempt counts
	}
	ref := c.Reference.Clone()
	if ref.Conversation.ID = made.ID; made.ID == "" {
		return nil
	}
	if made.ServiceURL != "" {
		ref.ServiceURL = made.ServiceURL
	}
	there, err := s.cfg.Store.Sight(ctx, book.Sighting{
		Key: headsup.KeyOf(s.cfg.AppID, ref), Reference: ref, Kind: c.Kind, Source: c.Source, VerifiedAt: c.VerifiedAt, At: s.cfg.Now(), Recreated: true,
	})
	if err != nil {
		return unread(err)
	}
	return &outbox.Step{Reason: HealedConversation, Detail: "the channel did not have it any more, and has made it again", To: there.Row}
}
