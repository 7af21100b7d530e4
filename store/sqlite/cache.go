package sqlite

import (
	"sync"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// entry is a conversation of the book as it is stored, decoded. It does not change: a change makes a new entry.
type entry struct {
	conv book.Conversation
	// route is the number of its route.
	route int64
	// reference is conv.Reference as JSON.
	reference []byte
	// people are those who are known to be stored as members, with a hash of what is stored of them.
	people map[activity.AccountID]uint64
}

// copy is the entry for somebody who may change it.
func (e *entry) copy() book.Conversation {
	c := e.conv
	c.Reference = c.Reference.Clone()
	return c
}

// cache holds entries, so that handing out an attempt and seeing an old acquaintance need no query. It keeps two
// generations: when the young one is full it becomes the old one and the old one is forgotten. The writer puts in what it
// has committed; others only offer what they have read.
type cache struct {
	limit int

	mu         sync.Mutex
	young, old generation
	age        int // how often something has left it
}

type generation struct {
	byRow map[book.Row]*entry
	byKey map[headsup.ConversationKey]*entry
}

func newGeneration() generation {
	return generation{byRow: make(map[book.Row]*entry), byKey: make(map[headsup.ConversationKey]*entry)}
}

func (g generation) put(e *entry) {
	g.byRow[e.conv.Row] = e
	g.byKey[e.conv.Key] = e
}

func (g generation) remove(e *entry) {
	delete(g.byRow, e.conv.Row)
	if now, ok := g.byKey[e.conv.Key]; ok && now.conv.Row == e.conv.Row {
		delete(g.byKey, e.conv.Key)
	}
}

func newCache(limit int) *cache {
	return &cache{limit: limit, young: newGeneration(), old: newGeneration()}
}

func (c *cache) row(r book.Row) (*entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.young.byRow[r]; ok {
		return e, true
	}
	e, ok := c.old.byRow[r]
	if ok {
		c.add(e)
	}
	return e, ok
}

func (c *cache) key(k headsup.ConversationKey) (*entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.young.byKey[k]; ok {
		return e, true
	}
	e, ok := c.old.byKey[k]
	if ok {
		c.add(e)
	}
	return e, ok
}

func (c *cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(e)
}

// remove forgets an entry.
func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	c.young.remove(e)
	c.old.remove(e)
}

// now is what offer wants to know of the time before the entry was read.
func (c *cache) now() (age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.age
}

// offer puts in an entry that somebody has read from the database since age, unless there is one, which may be newer, or
// was meanwhile.
func (c *cache) offer(e *entry, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, young := c.young.byRow[e.conv.Row]
	_, old := c.old.byRow[e.conv.Row]
	if age == c.age && !young && !old {
		c.add(e)
	}
}

// clear forgets all entries.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	c.young, c.old = newGeneration(), newGeneration()
}

// add puts e into the young generation. c.mu is held.
func (c *cache) add(e *entry) {
	if len(c.young.byRow) >= c.limit {
		c.age++
		c.old, c.young = c.young, newGeneration()
	}
	c.young.put(e)
}
