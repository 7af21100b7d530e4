package proactive

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Conversation returns the reference book's entry for a conversation by its id on the channel, or [book.ErrNotFound].
// Several channels may use one id: the entry that was sighted last is returned, whether or not it can be written to.
func (e *Engine) Conversation(ctx context.Context, id activity.ConversationID) (book.Conversation, error) {
	found, err := e.cfg.Store.ConversationsByID(ctx, e.cfg.AppID, id)
	switch {
	case err != nil:
		return book.Conversation{}, fmt.Errorf("proactive: look in the book: %w", err)
	case len(found) == 0:
		return book.Conversation{}, book.ErrNotFound
	}
	return found[0], nil
}

// Conversations lists the reference book in the order of its rows, those after a row, at most limit.
func (e *Engine) Conversations(ctx context.Context, after book.Row, limit int) ([]book.Conversation, error) {
	return e.cfg.Store.Conversations(ctx, e.cfg.AppID, after, limit)
}
