package sqlite

import (
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// entry is a conversation of the book as it is stored, decoded. It does not change: a change makes a new entry.
type entry struct {
	conv book.Conversation
	// route is the number of its route.
	route int64
	// reference is conv.Reference as JSON; nil if it was not needed yet.
	reference []byte
	// people are those who are known to be stored as members, with a hash of what is stored of them. Those of an entry of
	// the cache are packed, and [entry.known] tells them.
	people       map[activity.AccountID]uint64
	packedPeople string
}

// json is conv.Reference as JSON.
func (e *entry) json() ([]byte, error) {
	if e.reference != nil {
		return e.reference, nil
	}
	raw, err := json.Marshal(e.conv.Reference)
	if err != nil {
		return nil, fmt.Errorf("sqlite: encode the reference: %w", err)
	}
	return raw, nil
}

// copy is the entry for somebody who may change it.
func (e *entry) copy() book.Conversation {
	c := e.conv
	c.Reference = c.Reference.Clone()
	return c
}

// generation holds entries of a transaction.
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

// cache holds entries, packed, so that handing out an attempt and seeing an old acquaintance need no query. It keeps two
// generations: when the young one is full it becomes the old one and the old one is forgotten. The writer puts in what it
// has committed; others only offer what they have read.
type cache struct {
	limit, bytes int // of a generation

	mu         sync.Mutex
	young, old packs // guarded by mu
	age        int   // how often something has left it; guarded by mu
	born       int   // how often a conversation was made; guarded by mu
}

// packs are packed entries, which are found by a hash of their key, too. Those that are known to be the only one of
// their app with their id are found by a hash of that.
type packs struct {
	byRow  map[book.Row]packed
	byKey  map[uint64]book.Row
	byName map[uint64]book.Row
	bytes  int
}

var keySeed = maphash.MakeSeed()

// name is what a conversation is called in an app; another channel or bot may have one that is called the same.
type name struct {
	app string
	id  activity.ConversationID
}

func nameOf(k headsup.ConversationKey) name { return name{k.AppID, k.Conversation} }

func (n name) hash() uint64 { return maphash.Comparable(keySeed, n) }

func newPacks() packs {
	return packs{byRow: make(map[book.Row]packed), byKey: make(map[uint64]book.Row), byName: make(map[uint64]book.Row)}
}

func (p *packs) put(r book.Row, key uint64, e packed) {
	p.bytes += e.size() - p.byRow[r].size()
	p.byRow[r], p.byKey[key] = e, r
}

func (p *packs) remove(r book.Row, key uint64) {
	p.bytes -= p.byRow[r].size()
	delete(p.byRow, r)
	if p.byKey[key] == r {
		delete(p.byKey, key)
	}
}

func newCache(limit, bytes int) *cache {
	return &cache{limit: limit, bytes: bytes, young: newPacks(), old: newPacks()}
}

func (c *cache) row(r book.Row) (*entry, bool) {
	c.mu.Lock()
	found, ok := c.young.byRow[r]
	if ok {
		c.mu.Unlock()
		return found.unpack(), true
	}
	found, ok = c.old.byRow[r]
	age := c.age
	c.mu.Unlock()
	if !ok {
		return nil, false
	}
	e := found.unpack()
	c.keep(e.conv.Row, maphash.Comparable(keySeed, e.conv.Key), found, age)
	return e, true
}

func (c *cache) key(k headsup.ConversationKey) (*entry, bool) {
	hash := maphash.Comparable(keySeed, k)
	c.mu.Lock()
	r, ok := c.young.byKey[hash]
	if !ok {
		r, ok = c.old.byKey[hash]
	}
	c.mu.Unlock()
	if !ok {
		return nil, false
	}
	e, ok := c.row(r)
	if !ok || e.conv.Key != k {
		return nil, false
	}
	return e, true
}

// named finds the only conversation of an app with an id, if it is known to be the only one.
func (c *cache) named(n name) (*entry, bool) {
	hash := n.hash()
	c.mu.Lock()
	r, young := c.young.byName[hash]
	ok := young
	if !young {
		r, ok = c.old.byName[hash]
	}
	age, born := c.age, c.born
	c.mu.Unlock()
	if !ok {
		return nil, false
	}
	e, ok := c.row(r)
	if !ok || nameOf(e.conv.Key) != n {
		return nil, false
	}
	if !young {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.call(hash, r, age, born)
	}
	return e, true
}

// offerNamed is offer for an entry that was found to be the only one with its name since what now has told.
func (c *cache) offerNamed(e *entry, age, born int) {
	c.offer(e, age)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.call(nameOf(e.conv.Key).hash(), e.conv.Row, age, born)
}

// call notes that an entry was the only one with its name, unless something has left since age or was made since born.
// c.mu is held.
func (c *cache) call(name uint64, r book.Row, age, born int) {
	if age != c.age || born != c.born {
		return
	}
	for _, p := range [...]packs{c.young, c.old} {
		if _, ok := p.byRow[r]; ok {
			p.byName[name] = r
			return
		}
	}
}

// bears notes that a conversation was made, which may be called as another one is.
func (c *cache) bears(k headsup.ConversationKey) {
	hash := nameOf(k).hash()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.born++
	delete(c.young.byName, hash)
	delete(c.old.byName, hash)
}

// keep puts into the young generation what was found in the old one at age, unless there is a newer one.
func (c *cache) keep(r book.Row, key uint64, e packed, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, young := c.young.byRow[r]
	if age == c.age && !young {
		c.add(r, key, e)
	}
}

func (c *cache) put(e *entry) {
	p, hash := e.pack(), maphash.Comparable(keySeed, e.conv.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(e.conv.Row, hash, p)
}

// remove forgets an entry.
func (c *cache) remove(e *entry) {
	hash, name := maphash.Comparable(keySeed, e.conv.Key), nameOf(e.conv.Key).hash()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	c.young.remove(e.conv.Row, hash)
	c.old.remove(e.conv.Row, hash)
	delete(c.young.byName, name)
	delete(c.old.byName, name)
}

// now is what offer and offerNamed want to know of the time before the entry was read.
func (c *cache) now() (age, born int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.age, c.born
}

// offer puts in an entry that somebody has read from the database since age, unless there is one, which may be newer, or
// was meanwhile.
func (c *cache) offer(e *entry, age int) {
	p, hash := e.pack(), maphash.Comparable(keySeed, e.conv.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, young := c.young.byRow[e.conv.Row]
	_, old := c.old.byRow[e.conv.Row]
	if age == c.age && !young && !old {
		c.add(e.conv.Row, hash, p)
	}
}

// clear forgets all entries.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	c.young, c.old = newPacks(), newPacks()
}

// add puts an entry into the young generation. c.mu is held.
func (c *cache) add(r book.Row, key uint64, e packed) {
	if len(c.young.byRow) >= c.limit || c.young.bytes >= c.bytes {
		c.age++
		c.old, c.young = c.young, newPacks()
	}
	c.young.put(r, key, e)
}
