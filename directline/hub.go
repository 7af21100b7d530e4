package directline

import (
	"context"
	"sync"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// hub knows who watches which conversation. It carries no history: a socket that is woken reads from the store what it
// has not sent yet, and the numbers of activities make that complete, in order and without repeats, however slow the
// client is. Only what is not stored, typing, passes through here. The zero value is ready.
//
// What happens in a conversation is a hint, which is done here and told to other nodes ([Shared]).
type hub struct {
	others func(hint) // tells the other nodes; nil when there are none

	mu    sync.Mutex
	rooms map[activity.ConversationID]*room // guarded by mu; those with sockets
}

// room is the sockets of one conversation. Its fields are guarded by hub.mu.
type room struct {
	// last is the highest number that is known, 0 when none is.
	last    int64
	sockets map[string]*socket // by session
}

// hint is something that happens in a conversation, as nodes tell each other: an activity was added, something is shown
// that is not kept, nothing will be added any more, somebody was removed, or a client has taken another stream. One that says
// to look is about no conversation, and tells nothing else: people were erased, who are not to be named.
type hint struct {
	Conversation activity.ConversationID `json:"c"`
	Seq          int64                   `json:"seq,omitzero"`
	Frame        jsontext.Value          `json:"frame,omitzero"`
	Except       string                  `json:"except,omitzero"` // a session that is not shown the frame
	Ended        bool                    `json:"ended,omitzero"`
	Removed      activity.AccountID      `json:"removed,omitzero"`
	Session      string                  `json:"session,omitzero"`
	Stream       int64                   `json:"stream,omitzero"` // the number of the session's last stream
	Look         bool                    `json:"look,omitzero"`
}

// socket is one connected client.
type socket struct {
	number       int64 // of the stream, when nodes share the store
	conversation activity.ConversationID
	session      string
	user         activity.AccountID // empty when nobody is known
	wake         chan struct{}      // has room for one
	stop         chan ending        // has room for one: the first reason counts
	cut          context.CancelFunc // ends the connection at once

	// Guarded by hub.mu:
	passing []passing
	ended   bool
}

// passing is something to show that is not kept. It is said after the activity with number at.
type passing struct {
	at    int64
	frame []byte
}

// maxPassing bounds what waits for a slow client; typing that nobody saw in time is not worth more.
const maxPassing = 16

// ending is why a connection is closed.
type ending struct {
	code   websocket.StatusCode
	reason string
}

var (
	// Another connection of the same client took over (bot-docs, "Receive activities from the bot").
	collision = ending{websocket.StatusPolicyViolation, "collision"}
	closing   = ending{websocket.StatusGoingAway, "shutdown"}
	finished  = ending{websocket.StatusNormalClosure, "ended"}
	lost      = ending{websocket.StatusNormalClosure, ""}
	removed   = ending{websocket.StatusPolicyViolation, "removed"}
	noisy     = ending{websocket.StatusPolicyViolation, "too many messages"}
)

func newSocket(id activity.ConversationID, session string, cut context.CancelFunc) *socket {
	return &socket{
		conversation: id, session: session, cut: cut,
		wake: make(chan struct{}, 1), stop: make(chan ending, 1),
	}
}

func (s *socket) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (s *socket) end(e ending) {
	select {
	case s.stop <- e:
	default: // it has a reason already
	}
}

// attach adds a socket. Another one of the same client is closed, here and on other nodes.
func (h *hub) attach(s *socket) {
	h.add(s)
	if s.number != 0 && h.others != nil {
		h.others(hint{Conversation: s.conversation, Session: s.session, Stream: s.number})
	}
}

func (h *hub) add(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms == nil {
		h.rooms = make(map[activity.ConversationID]*room)
	}
	r := h.rooms[s.conversation]
	if r == nil {
		r = &room{sockets: make(map[string]*socket)}
		h.rooms[s.conversation] = r
	}
	if before := r.sockets[s.session]; before != nil {
		if before.number > s.number { // which the client took later, though it is here sooner
			s.end(collision)
			return
		}
		before.end(collision)
	}
	r.sockets[s.session] = s
}

func (h *hub) detach(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[s.conversation]
	if r == nil || r.sockets[s.session] != s {
		return
	}
	delete(r.sockets, s.session)
	if len(r.sockets) == 0 {
		delete(h.rooms, s.conversation)
	}
}

// publish tells that the activity with a number is in the store.
func (h *hub) publish(id activity.ConversationID, seq int64) { h.do(hint{Conversation: id, Seq: seq}) }

// show passes on what is not stored, to all but one session.
func (h *hub) show(id activity.ConversationID, frame []byte, except string) {
	h.do(hint{Conversation: id, Frame: frame, Except: except})
}

// end tells that nothing will be added to a conversation any more.
func (h *hub) end(id activity.ConversationID) { h.do(hint{Conversation: id, Ended: true}) }

// drop closes the sockets of somebody who is not in a conversation any more.
func (h *hub) drop(id activity.ConversationID, user activity.AccountID) {
	h.do(hint{Conversation: id, Removed: user})
}

// do does what a hint says, and tells others.
func (h *hub) do(what hint) {
	h.hear(what)
	if h.others != nil {
		h.others(what)
	}
}

// hear does what a hint says, here.
func (h *hub) hear(what hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[what.Conversation]
	if r == nil {
		return
	}
	r.last = max(r.last, what.Seq)
	for session, s := range r.sockets {
		switch {
		case what.Frame != nil:
			if session == what.Except || len(s.passing) == maxPassing {
				continue
			}
			s.passing = append(s.passing, passing{at: r.last, frame: what.Frame})
		case what.Ended:
			s.ended = true
		case what.Removed != "":
			if s.user == what.Removed {
				s.end(removed)
			}
			continue
		case what.Stream != 0:
			if session == what.Session && s.number < what.Stream {
				s.end(collision)
			}
			continue
		}
		s.rouse()
	}
}

// take hands over what has passed since the last time, and whether the conversation had ended then.
func (h *hub) take(s *socket) (shown []passing, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	shown, s.passing = s.passing, nil
	return shown, s.ended
}

// reached notes how far a socket has read. When nobody has come so far before, the others are told.
func (h *hub) reached(s *socket, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[s.conversation]
	if r == nil || seq <= r.last {
		return
	}
	r.last = seq
	for _, other := range r.sockets {
		if other != s {
			other.rouse()
		}
	}
}

// behind reports whether nobody here knows that a conversation goes as far as a number.
func (h *hub) behind(id activity.ConversationID, seq int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	return r != nil && r.last < seq
}

func (h *hub) each(do func(*socket)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rooms {
		for _, s := range r.sockets {
			do(s)
		}
	}
}

func (h *hub) closeAll(why ending) { h.each(func(s *socket) { s.end(why) }) }

func (h *hub) cutAll() { h.each(func(s *socket) { s.cut() }) }

// Connections counts the open sockets, and the conversations that have any.
func (c *Channel) Connections() (sockets, conversations int) {
	c.hub.each(func(*socket) { sockets++ })
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	return sockets, len(c.hub.rooms)
}
