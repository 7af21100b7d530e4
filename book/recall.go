package book

import (
	"context"

	"github.com/headsup-bot/headsup"
)

// Recaller is a [Store] that remembers conversations.
type Recaller interface {
	// Recall returns the row of a conversation, if it is remembered, without a look into the book. It may have been removed
	// since; what needs it to be in the book fails with [ErrNotFound] then.
	Recall(key headsup.ConversationKey) (Row, bool)
}

// Gatherer is a [Store] that looks for several together when they are looked for at once, which costs it about the same.
type Gatherer interface {
	// LookUpsAtOnce is how many look-ups of conversations by name are worth making at once.
	LookUpsAtOnce() int
}

// Noter is a [Store] that need not look into the book to know that a sighting tells nothing new.
type Noter interface {
	// Note is [Store.Sight] for who needs the entry only if it was looked at; else it is the zero value. In a turn of the conversation, what is known of it may be as it was
	// when the turn began, and what others have told of its people in the last [SightedWithin] may stay.
	Note(ctx context.Context, s Sighting) (Conversation, error)
}
