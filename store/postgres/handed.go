package postgres

import (
	"slices"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/book"
)

// handed remembers to which conversations this process has handed attempts out, so that their outcomes need not look for
// these, and claims pass over them. What it does not know is looked up: it keeps two generations, like the cache.
type handed struct {
	lease time.Duration

	mu         sync.Mutex
	young, old map[attempt]handedTo     // guarded by mu
	sending    map[book.Row]sendingHere // guarded by mu
}

// handedTo is a conversation: the primary key of its row of turns, and its row of the book.
type handedTo struct {
	turn         int64
	conversation book.Row
}

// sendingHere is the attempt that is under way in a conversation.
type sendingHere struct {
	attempt
	since time.Time
}

// handedSize is how many attempts a generation holds: more than are under way in one process.
const handedSize = 50_000

func newHanded(lease time.Duration) *handed {
	return &handed{lease: lease, young: make(map[attempt]handedTo), sending: make(map[book.Row]sendingHere)}
}

// add remembers an attempt. It does not matter if it is never made.
func (h *handed) add(a attempt, to handedTo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.young) >= handedSize {
		h.old, h.young = h.young, make(map[attempt]handedTo)
		clear(h.sending) // of those that never had an outcome
	}
	h.young[a] = to
	h.sending[to.conversation] = sendingHere{a, time.Now()}
}

// turns are those of attempts, each once and in the order in which they are locked; false if one is not known.
func (h *handed) turns(list []*verdict) (keys []int64, ok bool) {
	keys = make([]int64, 0, len(list))
	h.mu.Lock()
	for _, v := range list {
		a := attempt{v.id, v.fence}
		to, known := h.young[a]
		if !known {
			to, known = h.old[a]
		}
		if !known {
			h.mu.Unlock()
			return nil, false
		}
		keys = append(keys, to.turn)
	}
	h.mu.Unlock()
	slices.Sort(keys)
	return slices.Compact(keys), true
}

// sends reports whether an attempt of this process may be under way in a conversation. The database knows for certain.
func (h *handed) sends(c book.Row) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sending[c]
	return ok && time.Since(s.since) < h.lease
}

// lasts notes that an attempt is still under way.
func (h *handed) lasts(a attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to, ok := h.young[a]
	if s := h.sending[to.conversation]; ok && s.attempt == a {
		s.since = time.Now()
		h.sending[to.conversation] = s
	}
}

// forget forgets an attempt that is over.
func (h *handed) forget(a attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to, ok := h.young[a]
	if !ok {
		to, ok = h.old[a]
	}
	delete(h.young, a)
	delete(h.old, a)
	if ok && h.sending[to.conversation].attempt == a {
		delete(h.sending, to.conversation)
	}
}
