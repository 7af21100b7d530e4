package proactive

import (
	"context"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/teams"
)

// NoteMembers notes in the book who takes part in a conversation, as a roster tells it: they are found by user id, object id,
// user principal name and e-mail address from then on. Of a team of Microsoft Teams any conversation will do that the book has. A
// place that the book does not know, or that cannot be written to, is left as it is: that a roster can be read does not say
// that anything can be said.
func (e *Engine) NoteMembers(ctx context.Context, ref activity.Reference, people []activity.ChannelAccount) error {
	ref.Conversation.ID, _ = teams.Post(ref.Conversation.ID)
	c, err := e.cfg.Store.Conversation(ctx, headsup.KeyOf(e.cfg.AppID, ref))
	if errors.Is(err, book.ErrNotFound) && ref.ChannelID == activity.ChannelTeams {
		var found []book.Conversation
		found, err = e.oneOf(ctx, book.Filter{
			Channel: activity.ChannelTeams, Tenant: ref.Conversation.TenantID, Team: string(ref.Conversation.ID),
		})
		if err == nil && len(found) == 0 {
			return nil
		}
		if len(found) > 0 {
			c = found[0]
		}
	}
	switch {
	case errors.Is(err, book.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("proactive: look in the book: %w", err)
	case !c.Reachable(e.cfg.Now()):
		return nil
	}
	_, err = e.cfg.Store.Sight(ctx, book.Sighting{
		Key: c.Key, Reference: c.Reference, Kind: c.Kind, Source: c.Source, VerifiedAt: c.VerifiedAt, People: people, At: e.cfg.Now(),
	})
	if err != nil {
		return fmt.Errorf("proactive: note members: %w", err)
	}
	return nil
}
