package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/pack"
)

// keyHash stands for a conversation's key where the conversation need not be in the book.
func keyHash(k headsup.ConversationKey) []byte {
	var b []byte
	for _, part := range [...]string{
		k.AppID, string(k.Tenant), string(k.Channel), string(k.Bot), string(k.Conversation),
	} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return h[:]
}

// turnKey is the primary key of a conversation's row of turns.
func turnKey(k headsup.ConversationKey) int64 {
	return int64(binary.BigEndian.Uint64(keyHash(k))) //nolint:gosec // any 64 bits will do
}

// entry is a version of a conversation of the book, decoded. It does not change. LastInboundAt and Busy are not of it: they
// are kept with the turns.
type entry struct {
	conv      book.Conversation
	version   int64
	reference []byte // conv.Reference as JSON
}

// copy is the entry for somebody who may change it.
func (e *entry) copy() book.Conversation {
	c := e.conv
	c.Reference = c.Reference.Clone()
	return c
}

const (
	// conversationColumns are of the table conversations c, with turns t; scanConversation reads them.
	conversationColumns = `c.id, t.version, c.app_id, c.tenant_id, c.channel_id, c.bot_id, c.conversation_id, c.kind,
		c.url_source, c.verified_at, c.reference, c.time_zone, c.reach, c.reach_cause, c.reach_at, c.created_at, c.updated_at,
		t.last_inbound_at, coalesce(t.busy, ''), c.reach_until, c.team_id, c.team_name, c.team_group, c.room_id, c.room_name,
		c.meeting_id, coalesce(c.preferences, '')`

	fromConversations = " FROM conversations c JOIN turns t ON t.conversation = c.id "
)

func scanConversation(r pgx.Row) (*entry, error) { return (*cache)(nil).scan(r) }

// scan is scanConversation that decodes a reference only if it has changed.
func (c *cache) scan(r pgx.Row) (*entry, error) {
	var e entry
	if err := e.scan(r); err != nil {
		return nil, err
	}
	if known, ok := c.latest(e.conv.Row); ok && known.reference == maphash.Bytes(referenceSeed, e.reference) {
		e.conv.Reference = known.conv.Conversation().Reference
		return &e, nil
	}
	if err := json.Unmarshal(e.reference, &e.conv.Reference); err != nil {
		return nil, fmt.Errorf("postgres: the reference of conversation %d: %w", e.conv.Row, err)
	}
	return &e, nil
}

func (e *entry) scan(r pgx.Row) error {
	c, p := &e.conv, &e.conv.Place
	var busy, wants string
	if err := r.Scan(&c.Row, &e.version, &c.Key.AppID, &c.Key.Tenant, &c.Key.Channel, &c.Key.Bot, &c.Key.Conversation,
		&c.Kind, &c.Source, (*optionalTime)(&c.VerifiedAt), &e.reference, &c.TimeZone, &c.Reach, &c.Cause,
		(*optionalTime)(&c.ReachAt), &c.CreatedAt, &c.UpdatedAt, (*optionalTime)(&c.LastInboundAt), &busy,
		(*optionalTime)(&c.Until), (*optionalText)(&p.Team), (*optionalText)(&p.TeamName), (*optionalText)(&p.Group),
		(*optionalText)(&p.Room), (*optionalText)(&p.RoomName), (*optionalText)(&p.Meeting), &wants); err != nil {
		return err
	}
	var err error
	if c.Busy, err = outbox.DecodeBusy(busy); err != nil {
		return fmt.Errorf("postgres: conversation %d: %w", c.Row, err)
	}
	if c.Preferences, err = book.DecodePreferences(wants); err != nil {
		return fmt.Errorf("postgres: conversation %d: %w", c.Row, err)
	}
	return nil
}

// entries reads conversations by their rows. Those that are not in the book are missing.
func entries(ctx context.Context, q querier, rows []book.Row) (map[book.Row]*entry, error) {
	found := make(map[book.Row]*entry, len(rows))
	r, err := q.Query(ctx, "SELECT "+conversationColumns+fromConversations+"WHERE c.id = ANY ($1)", rows)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for r.Next() {
		e, err := scanConversation(r)
		if err != nil {
			return nil, err
		}
		found[e.conv.Row] = e
	}
	return found, r.Err()
}

// cache remembers entries, packed, so that handing out an attempt need not read and decode its conversation. Another node
// may have changed the conversation since, so whoever takes an entry compares its version with the row's. It keeps two
// generations: when the young one is full it becomes the old one and the old one is forgotten.
type cache struct {
	limit, bytes int // of a generation

	mu             sync.Mutex
	young, old     map[book.Row]packed // guarded by mu
	youngBy, oldBy map[int64]book.Row  // the same by the keys of turns; guarded by mu
	size           int                 // of the young, in bytes; guarded by mu
}

// packed is an entry in a few hundred bytes. Of its reference as JSON only a hash is kept.
type packed struct {
	conv      pack.Packed
	version   int64
	reference uint64
	turn      int64
}

var referenceSeed = maphash.MakeSeed()

func newCache(limit, bytes int) *cache {
	return &cache{limit: limit, bytes: bytes, young: make(map[book.Row]packed), youngBy: make(map[int64]book.Row)}
}

// entry returns what is remembered of a conversation, if it is of that version, as an entry of its own without its
// reference as JSON.
func (c *cache) entry(r book.Row, version int64) (*entry, bool) {
	p, ok := c.find(r, true)
	if !ok || p.version != version {
		return nil, false
	}
	return &entry{conv: p.conv.Conversation(), version: version}, true
}

// latest is what is remembered of a conversation, whatever its version. c may be nil.
func (c *cache) latest(r book.Row) (packed, bool) {
	if c == nil {
		return packed{}, false
	}
	return c.find(r, false)
}

// find returns what is remembered. What is kept stays for a while longer.
func (c *cache) find(r book.Row, keep bool) (packed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.young[r]
	if !ok {
		if p, ok = c.old[r]; ok && keep {
			c.add(r, p)
		}
	}
	return p, ok
}

// put remembers a committed entry.
func (c *cache) put(e *entry) {
	p := packed{pack.Conversation(&e.conv), e.version, maphash.Bytes(referenceSeed, e.reference), turnKey(e.conv.Key)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(e.conv.Row, p)
}

// add puts an entry into the young generation. c.mu is held.
func (c *cache) add(r book.Row, p packed) {
	if len(c.young) >= c.limit || c.size >= c.bytes {
		c.old, c.young, c.size = c.young, make(map[book.Row]packed), 0
		c.oldBy, c.youngBy = c.youngBy, make(map[int64]book.Row)
	}
	c.size += p.conv.Size() - c.young[r].conv.Size()
	c.young[r], c.youngBy[p.turn] = p, r
}

// row is that of a conversation that is remembered.
func (c *cache) row(key headsup.ConversationKey) (book.Row, bool) {
	turn := turnKey(key)
	c.mu.Lock()
	r, ok := c.youngBy[turn]
	if !ok {
		r, ok = c.oldBy[turn]
	}
	c.mu.Unlock()
	if !ok {
		return 0, false
	}
	p, ok := c.find(r, true)
	return r, ok && p.conv.Key() == key // others may have the same number
}
