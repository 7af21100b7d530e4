package proactive

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
)

// Forgetter removes conversations.
type Forgetter interface {
	// Forget removes a conversation, or returns book.ErrNotFound. It waits for the conversation's lease, so nothing is
	// being said or answered there meanwhile, and durably does all of this or nothing: deliveries that are not final are
	// cancelled with [ReasonForgotten], running jobs end and tell nothing, the entry goes from the book with its tags and
	// its row is never used again, and so do the conversation's state documents and those of its members in it. Whoever is
	// in no other conversation goes too, with external id and state.
	//
	// What stays: messages and final deliveries, which go on telling the conversation's key; jobs; answers to inbound
	// activities until they are a day old; events that tell of it, until they are dropped; what a channel keeps itself.
	Forget(ctx context.Context, key headsup.ConversationKey, at time.Time) error
}

// ReasonForgotten is the reason of deliveries that were cancelled because their conversation was forgotten.
const ReasonForgotten = "forgotten"
