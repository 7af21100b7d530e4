package directline

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

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
	// Standings tells how things stand for streams, by their numbers. Those of conversations that are not there (any more)
	// are left out.
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

const (
	// lookEvery is how often a node looks for what the others have done, in case that it was not told.
	lookEvery = time.Second
	// lookTimeout bounds that.
	lookTimeout = 5 * time.Second
)

// Run brings clients at this node what is done at others, until ctx ends; then it returns nil. It is only needed with a
// [Shared] store, and does nothing with another. Run it once, and until the channel is closed.
func (c *Channel) Run(ctx context.Context) error {
	shared, ok := c.cfg.Store.(Shared)
	if !ok {
		<-ctx.Done()
		return nil
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() { c.look(ctx, shared) })
	for {
		select {
		case message := <-shared.Told():
			var what hint
			if err := json.Unmarshal(message, &what); err != nil {
				c.cfg.Logger.DebugContext(ctx, "another node not understood", "error", err.Error())
				continue
			}
			if what.Look {
				c.lookNow(ctx)
				continue
			}
			c.hub.hear(what)
		case <-ctx.Done():
			return nil
		}
	}
}

// tellOthers passes a hint to the other nodes.
func tellOthers(shared Shared) func(hint) {
	return func(what hint) {
		if message, err := json.Marshal(what); err == nil { // strings, numbers, and what was JSON before
			shared.Tell(message)
		}
	}
}

// look finds what the other nodes have done, again and again.
func (c *Channel) look(ctx context.Context, shared Shared) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := c.lookOnce(ctx, shared)
		if err != nil && !failed && ctx.Err() == nil {
			c.cfg.Logger.WarnContext(ctx, "streams not looked after", "error", err.Error())
		}
		failed = err != nil
	}
}

// Look closes the streams of conversations that have ended or are gone, and of people who are in them no more, after the
// store was changed past the channel. Other nodes are told to do the same.
func (c *Channel) Look(ctx context.Context) {
	if c.hub.others != nil {
		c.hub.others(hint{Look: true})
	}
	c.lookNow(ctx)
}

func (c *Channel) lookNow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var err error
	if shared, ok := c.cfg.Store.(Shared); ok {
		err = c.lookOnce(ctx, shared)
	} else {
		err = c.lookAlone(ctx)
	}
	if err != nil && ctx.Err() == nil {
		c.cfg.Logger.WarnContext(ctx, "streams not looked after", "error", err.Error())
	}
}

// lookAlone is lookOnce for the only node there is.
func (c *Channel) lookAlone(ctx context.Context) error {
	open := make(map[activity.ConversationID][]*socket)
	c.hub.each(func(s *socket) { open[s.conversation] = append(open[s.conversation], s) })
	for id, sockets := range open {
		conv, err := c.conversation(ctx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err != nil || conv.Ended {
			c.hub.hear(hint{Conversation: id, Ended: true})
			continue
		}
		for _, s := range sockets {
			if kindOf(id) != KindPersonal && s.user != "" && !conv.has(s.user) {
				s.end(removed)
			}
		}
	}
	return nil
}

func (c *Channel) lookOnce(ctx context.Context, shared Shared) error {
	open := make(map[int64]*socket)
	var streams []Stream
	c.hub.each(func(s *socket) {
		open[s.number] = s
		streams = append(streams, Stream{Number: s.number, Conversation: s.conversation, Session: s.session, User: s.user})
	})
	if len(streams) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	standings, err := shared.Standings(ctx, streams)
	if err != nil {
		return err
	}
	for number, s := range open {
		if _, there := standings[number]; !there {
			c.hub.hear(hint{Conversation: s.conversation, Ended: true})
		}
	}
	for number, standing := range standings {
		s := open[number]
		switch {
		case s == nil:
		case standing.Replaced:
			s.end(collision)
		case standing.Removed:
			s.end(removed)
		case c.hub.behind(s.conversation, standing.Last):
			c.hub.hear(hint{Conversation: s.conversation, Seq: standing.Last})
		}
		if s != nil && standing.Ended {
			c.hub.hear(hint{Conversation: s.conversation, Ended: true})
		}
	}
	return nil
}

// takeStream makes the credential of a stream's URL one that was used, and returns the number of the stream.
func (c *Channel) takeStream(ctx context.Context, who claims) (int64, error) {
	spent := &apiError{http.StatusForbidden, "TokenExpired", "the stream URL has been used"}
	shared, ok := c.cfg.Store.(Shared)
	if !ok {
		if !c.spent.spend(who, c.cfg.Now()) {
			return 0, spent
		}
		return 0, nil
	}
	number, err := shared.TakeStream(ctx, who.Conversation, who.Session, who.ID, time.Unix(who.Expires, 0))
	if errors.Is(err, ErrSpent) {
		return 0, spent
	}
	return number, err
}
