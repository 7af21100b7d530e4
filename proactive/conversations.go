package proactive

import (
	"context"
	"fmt"
	"slices"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// MaxTag is the longest tag in bytes. How many a conversation may have is [book.MaxTags].
const MaxTag = 64

// Conversation returns the reference book's entry for a conversation by its id on the channel, or [book.ErrNotFound].
// Several channels may use one id: the entry that was sighted last is returned, whether or not it can be written to.
func (e *Engine) Conversation(ctx context.Context, id activity.ConversationID) (book.Conversation, error) {
	return e.ConversationOn(ctx, "", id)
}

// ConversationOn is [Engine.Conversation] for one channel; an empty one means any.
func (e *Engine) ConversationOn(
	ctx context.Context, channel activity.ChannelID, id activity.ConversationID,
) (book.Conversation, error) {
	found, err := e.cfg.Store.ConversationsByID(ctx, e.cfg.AppID, id)
	if err != nil {
		return book.Conversation{}, fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, c := range found {
		if channel == "" || c.Key.Channel == channel {
			return c, nil
		}
	}
	return book.Conversation{}, book.ErrNotFound
}

// Conversations lists the reference book in the order of its rows, those that fit the filter and come after a row, at
// most limit.
func (e *Engine) Conversations(ctx context.Context, f book.Filter, after book.Row, limit int) ([]book.Conversation, error) {
	return e.cfg.Store.Conversations(ctx, e.cfg.AppID, f, after, limit)
}

// Details returns tags and people of entries of the book, by row.
func (e *Engine) Details(ctx context.Context, of ...book.Conversation) (map[book.Row]book.Details, error) {
	rows := make([]book.Row, len(of))
	for i := range of {
		rows[i] = of[i].Row
	}
	return e.cfg.Store.Details(ctx, rows)
}

// Label changes the tags of a conversation, and the external id of its person. The error is a [*FieldError] for what
// cannot be a tag or an id, [book.ErrNotFound], [book.ErrTooManyTags] or [book.ErrNoPerson].
func (e *Engine) Label(ctx context.Context, key headsup.ConversationKey, l book.Labels) error {
	if l.Tags != nil {
		tags := slices.Compact(slices.Sorted(slices.Values(*l.Tags)))
		if err := checkTags("tags", tags); err != nil {
			return err
		}
		l.Tags = &tags
	}
	if err := checkTags("add_tags", l.AddTags); err != nil {
		return err
	}
	if err := checkTags("remove_tags", l.RemoveTags); err != nil {
		return err
	}
	if l.ExternalID != nil {
		if err := checkName("external_id", *l.ExternalID); err != nil {
			return err
		}
	}
	return e.cfg.Store.Label(ctx, key, l, e.cfg.Now())
}

func checkTags(field string, tags []string) error {
	if len(tags) > book.MaxTags {
		return &FieldError{field, fmt.Sprintf("are more than %d", book.MaxTags)}
	}
	for _, tag := range tags {
		switch {
		case tag == "":
			return &FieldError{field, "has an empty one"}
		case len(tag) > MaxTag:
			return &FieldError{field, fmt.Sprintf("has one longer than %d bytes", MaxTag)}
		}
		if err := checkName(field, tag); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes a conversation from the book and what waits for it; see [Forgetter] for what goes and what stays. If
// somebody says something there later, the bot meets it for the first time. It waits for the turn that runs there, so it
// must not be called from it. [book.ErrNotFound].
func (e *Engine) Forget(ctx context.Context, key headsup.ConversationKey) error {
	return e.cfg.Store.Forget(ctx, key, e.cfg.Now())
}
