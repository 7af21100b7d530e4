package directline

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// ErrSpent: the URL of the stream was opened before.
var ErrSpent = errors.New("directline: the stream URL has been used")

// Shared is a [Store] that several processes, the nodes, work with at once. A client may then hold its stream at one node
// and post to another, while the bot speaks from a third. [Channel.Run] brings each node what the others have done.
type Shared interface {
	Store

	// Tell passes a message to all other nodes, at once and perhaps never. It does not block.
	Tell(message []byte)
	// Told has the messages of other nodes. One reads it.
	Told() <-chan []byte

	// TakeStream notes that a client opens a stream of a conversation with a credential that is good until a time.
	// It returns the stream's number, which is greater than those of all streams that were taken before; [ErrSpent] when
	// the credential was used before, on whatever node.
	TakeStream(ctx context.Context, id activity.ConversationID, session, credential string, until time.Time) (number int64, err error)
	// Standings tells how things stand for streams, by their numbers. Those of conversations that are not there are left
	// out.
	Standings(ctx context.Context, of []Stream) (map[int64]Standing, error)
}

// Stream is a stream that is open.
type Stream struct {
	Number       int64
	Conversation activity.ConversationID
	Session      string
	// User is empty when nobody is known.
	User activity.AccountID
}

// Standing is how things stand for a stream.
type Standing struct {
	// Last is the number of the conversation's last activity; 0 for none.
	Last int64
	// Ended: nothing is added to the conversation any more.
	Ended bool
	// Replaced: the client has taken another stream since.
	Replaced bool
	// Removed: the user is not in the group or channel any more.
	Removed bool
}
