package book

import "github.com/headsup-bot/headsup"

// Recaller is a [Store] that remembers conversations.
type Recaller interface {
	// Recall returns the row of a conversation, if it is remembered, without a look into the book. It may have been removed
	// since; what needs it to be in the book fails with [ErrNotFound] then.
	Recall(key headsup.ConversationKey) (Row, bool)
}
