package outbox

import (
	"time"

	"github.com/headsup-bot/headsup/book"
)

// Spread has a message delivered to many conversations, whose deliveries are made after it was accepted, page by page
// ([Store.SpreadMessages]): to accept a message to a million people costs one row.
type Spread struct {
	// Filter chooses among the conversations of the message's app, each at the time when its turn comes.
	Filter book.Filter
	// Last is the last row that it goes to. Who is met later is not told.
	Last book.Row
	// Conversations is how many there were when it was accepted.
	Conversations int
	// DueAt is as in [NewDelivery].
	DueAt time.Time
}

// Recipients is how many conversations a submission goes to, as far as is known when it is accepted.
func (s Submission) Recipients() int {
	if s.Spread != nil {
		return s.Spread.Conversations
	}
	return len(s.Deliveries)
}
