package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/teams"
)

// What a [NoTargetError] may say is not known.
const (
	unknownTeam    = "team"
	unknownChannel = "channel"
)

// inTeam finds where a target in a team of Microsoft Teams is: its channel, in which whatever is sent begins a thread, or a
// thread of it. The conversation is made if the book has only others of the channel.
func (e *Engine) inTeam(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	room := cmp.Or(to.Room, to.Team) // the team's id is that of its General channel
	id := activity.ConversationID(room)
	if to.Thread != "" {
		thread, err := teams.Thread(id, to.Thread)
		if err != nil {
			return nil, &FieldError{"to.thread", "is no id of a post in a channel, which is a number"}
		}
		id = thread
	}
	found, err := e.cfg.Store.ConversationsByID(ctx, e.cfg.AppID, id)
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, c := range found {
		if inRoom(c, to.Team, room) {
			return e.first(ctx, to, []book.Conversation{c}, nil, anyOf)
		}
	}
	f := book.Filter{Channel: activity.ChannelTeams, Team: to.Team, Room: room}
	near, err := e.oneOf(ctx, f)
	if err == nil && len(near) == 0 {
		f.Room = ""
		near, err = e.oneOf(ctx, f) // every team has a General channel
		switch {
		case err == nil && len(near) == 0:
			return nil, &NoTargetError{Channel: activity.ChannelTeams, Unknown: unknownTeam}
		case err == nil && room != to.Team:
			return nil, &NoTargetError{Channel: activity.ChannelTeams, Unknown: unknownChannel}
		}
	}
	if near, err = e.first(ctx, to, near, err, anyOf); err != nil {
		return nil, err
	}
	return e.beside(ctx, near[0], id, book.Place{Team: to.Team, Room: room})
}

func anyOf(book.Conversation) bool { return true }

// inRoom reports whether a conversation is in the channel of a team.
func inRoom(c book.Conversation, team, room string) bool {
	return c.Key.Channel == activity.ChannelTeams && c.Place.Team == team && cmp.Or(c.Place.Room, team) == room
}

// oneOf finds a conversation that the filter lets through, one that can be written to if there is.
func (e *Engine) oneOf(ctx context.Context, f book.Filter) ([]book.Conversation, error) {
	f.Reach = book.ReachActive
	found, err := e.cfg.Store.Conversations(ctx, e.cfg.AppID, f, 0, 1)
	if err != nil || len(found) > 0 {
		return found, err
	}
	f.Reach = ""
	return e.cfg.Store.Conversations(ctx, e.cfg.AppID, f, 0, 1)
}

// newThread finds the conversation of a thread of which nobody in it was heard yet, by its channel.
func (e *Engine) newThread(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	room, root := teams.Post(to.Conversation)
	if root == "" {
		return e.first(ctx, to, nil, nil, anyOf)
	}
	found, err := e.cfg.Store.ConversationsByID(ctx, e.cfg.AppID, room)
	near, err := e.first(ctx, to, found, err, func(c book.Conversation) bool {
		return c.Key.Channel == activity.ChannelTeams && c.Kind == book.KindChannel
	})
	if err != nil {
		return nil, err
	}
	return e.beside(ctx, near[0], to.Conversation, near[0].Place)
}

// inThreadOf finds the thread in which a delivery was said, or which it began.
func (e *Engine) inThreadOf(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	d, err := e.Delivery(ctx, to.ReplyTo)
	if errors.Is(err, ErrNoDelivery) {
		return nil, &FieldError{"to.reply_to", "is no delivery"}
	}
	if err != nil {
		return nil, fmt.Errorf("proactive: look for the delivery: %w", err)
	}
	c, err := e.cfg.Store.Conversation(ctx, d.Key)
	switch {
	case errors.Is(err, book.ErrNotFound):
		return nil, ErrNoTarget
	case err != nil:
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	case c.Kind != book.KindChannel || c.Key.Channel != activity.ChannelTeams:
		return nil, &FieldError{"to.reply_to", "is a delivery in a conversation without threads: give to.conversation"}
	case d.Verb != outbox.VerbSend || d.Activity == "":
		return nil, &FieldError{"to.reply_to", "was not said, or the channel has told no id for it"}
	}
	if _, root := teams.Post(c.Key.Conversation); root != "" {
		return e.first(ctx, to, []book.Conversation{c}, nil, anyOf)
	}
	id, err := teams.Thread(c.Key.Conversation, d.Activity)
	if err != nil {
		return nil, &FieldError{"to.reply_to", "has an id from which no thread can begin"}
	}
	return e.newThread(ctx, headsup.Target{Conversation: id})
}

// beside returns the conversation with an id in the same team as another one, which it makes if the book does not have it.
// What is known of the other's service URL holds for it, too.
func (e *Engine) beside(
	ctx context.Context, near book.Conversation, id activity.ConversationID, at book.Place,
) ([]book.Conversation, error) {
	ref := activity.Reference{
		ChannelID: near.Reference.ChannelID, ServiceURL: near.Reference.ServiceURL, Bot: near.Reference.Bot,
		Conversation: activity.ConversationAccount{
			ID: id, ConversationType: activity.ConversationChannel, IsGroup: new(true), TenantID: near.Key.Tenant,
		},
	}
	key := headsup.KeyOf(e.cfg.AppID, ref)
	c, err := e.cfg.Store.Conversation(ctx, key)
	if errors.Is(err, book.ErrNotFound) {
		at.TeamName, at.Group = near.Place.TeamName, near.Place.Group
		if near.Place.Room == at.Room {
			at.RoomName = near.Place.RoomName
		}
		c, err = e.cfg.Store.Sight(ctx, book.Sighting{
			Key: key, Reference: ref, Kind: book.KindChannel, Place: at, Source: near.Source, VerifiedAt: near.VerifiedAt, At: e.cfg.Now(),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	return e.first(ctx, headsup.Target{}, []book.Conversation{c}, nil, anyOf)
}
