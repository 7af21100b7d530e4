// Package pack keeps conversations of the reference book in few bytes, for the stores' caches: as Go has one it takes
// several times as much, in many pieces that the collector has to visit. [Conversation] packs one, and [Packed] makes it
// a conversation again.
package pack

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Packed is a conversation in a few hundred bytes. The zero value is none.
type Packed struct {
	text  string
	busy  []headsup.Busy    // seldom any
	wants *book.Preferences // seldom any
}

// Conversation packs one. Its times keep their microseconds.
func Conversation(c *book.Conversation) Packed {
	p := packer{b: make([]byte, 0, 512)}
	k := &c.Key
	p.text(k.AppID, "")
	p.text(string(k.Tenant), "")
	p.text(string(k.Channel), "")
	p.text(string(k.Bot), "")
	p.text(string(k.Conversation), "")
	p.number(int64(c.Row))
	p.text(string(c.Kind), "")
	p.text(string(c.Source), "")
	p.text(c.TimeZone, "")
	p.text(string(c.Reach), "")
	p.text(c.Cause, "")
	for _, t := range [...]time.Time{c.VerifiedAt, c.ReachAt, c.LastInboundAt, c.CreatedAt, c.UpdatedAt, c.Until} {
		p.time(t)
	}
	for _, t := range [...]string{c.Place.Team, c.Place.TeamName, c.Place.Group, c.Place.Room, c.Place.RoomName, c.Place.Meeting} {
		p.text(t, "")
	}
	p.reference(&c.Reference, k)
	packed := Packed{text: string(p.b), busy: c.Busy}
	if !c.Preferences.IsZero() {
		packed.wants = new(c.Preferences)
	}
	return packed
}

// Size is how many bytes it takes.
func (p Packed) Size() int { return len(p.text) }

// Conversation makes a conversation of its own, whose texts are parts of the packed one; only Busy and Preferences are shared.
func (p Packed) Conversation() (c book.Conversation) {
	u := unpacker{p.text}
	if c.Busy = p.busy; p.wants != nil {
		c.Preferences = *p.wants
	}
	c.Key = u.key()
	c.Row = book.Row(u.number())
	c.Kind, c.Source, c.TimeZone = book.Kind(u.text("")), book.Source(u.text("")), u.text("")
	c.Reach, c.Cause = book.Reach(u.text("")), u.text("")
	for _, t := range [...]*time.Time{&c.VerifiedAt, &c.ReachAt, &c.LastInboundAt, &c.CreatedAt, &c.UpdatedAt, &c.Until} {
		*t = u.time()
	}
	place := &c.Place
	for _, t := range [...]*string{&place.Team, &place.TeamName, &place.Group, &place.Room, &place.RoomName, &place.Meeting} {
		*t = u.text("")
	}
	u.reference(&c.Reference, &c.Key)
	return c
}

// Key is the conversation's.
func (p Packed) Key() headsup.ConversationKey {
	u := unpacker{p.text}
	return u.key()
}

type packer struct{ b []byte }

func (p *packer) number(n int64) { p.b = binary.AppendVarint(p.b, n) }

// time writes a time; the zero one is 0.
func (p *packer) time(t time.Time) {
	if t.IsZero() {
		p.number(0)
		return
	}
	p.number(t.UnixMicro())
}

// text writes a text; one that is the same as a text that the reader knows takes one byte.
func (p *packer) text(s, same string) {
	if s == same {
		p.b = append(p.b, 0)
		return
	}
	p.b = append(binary.AppendUvarint(p.b, uint64(len(s))+1), s...)
}

func (p *packer) reference(r *activity.Reference, k *headsup.ConversationKey) {
	p.text(string(r.ActivityID), "")
	p.text(string(r.ChannelID), string(k.Channel))
	p.text(r.ServiceURL, "")
	p.text(r.Locale, "")
	p.text(string(r.DeliveryMode), "")
	p.text(r.RequestID, "")
	p.text(string(r.Extra), "")
	c := &r.Conversation
	p.text(string(c.ID), string(k.Conversation))
	p.text(c.Name, "")
	switch {
	case c.IsGroup == nil:
		p.b = append(p.b, 0)
	case *c.IsGroup:
		p.b = append(p.b, 1)
	default:
		p.b = append(p.b, 2)
	}
	p.text(string(c.ConversationType), "")
	p.text(string(c.TenantID), string(k.Tenant))
	p.text(c.AADObjectID, "")
	p.text(string(c.Role), "")
	p.text(string(c.Extra), "")
	p.account(r.Bot, k)
	p.account(r.User, k)
}

func (p *packer) account(a *activity.ChannelAccount, k *headsup.ConversationKey) {
	if a == nil {
		p.b = append(p.b, 0)
		return
	}
	p.b = append(p.b, 1)
	p.text(string(a.ID), string(k.Bot))
	p.text(a.Name, "")
	p.text(string(a.Role), "")
	p.text(a.AADObjectID, "")
	p.text(a.AgenticUserID, "")
	p.text(a.AgenticAppID, "")
	p.text(string(a.TenantID), string(k.Tenant))
	p.text(string(a.Extra), "")
}

// unpacker reads what a packer has written, and nothing else.
type unpacker struct{ s string }

func (u *unpacker) key() headsup.ConversationKey {
	return headsup.ConversationKey{
		AppID: u.text(""), Tenant: activity.TenantID(u.text("")), Channel: activity.ChannelID(u.text("")),
		Bot: activity.AccountID(u.text("")), Conversation: activity.ConversationID(u.text("")),
	}
}

func (u *unpacker) bytes() []byte { return unsafe.Slice(unsafe.StringData(u.s), len(u.s)) }

func (u *unpacker) number() int64 {
	n, size := binary.Varint(u.bytes())
	u.s = u.s[size:]
	return n
}

func (u *unpacker) time() time.Time {
	us := u.number()
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func (u *unpacker) byte() byte {
	b := u.s[0]
	u.s = u.s[1:]
	return b
}

func (u *unpacker) text(same string) string {
	n, size := binary.Uvarint(u.bytes())
	if n == 0 {
		u.s = u.s[size:]
		return same
	}
	end := size + int(n) - 1
	s := u.s[size:end]
	u.s = u.s[end:]
	return s
}

// raw is a JSON value of its own.
func (u *unpacker) raw() jsontext.Value {
	if s := u.text(""); s != "" {
		return jsontext.Value(s)
	}
	return nil
}

func (u *unpacker) reference(r *activity.Reference, k *headsup.ConversationKey) {
	r.ActivityID = activity.ID(u.text(""))
	r.ChannelID = activity.ChannelID(u.text(string(k.Channel)))
	r.ServiceURL, r.Locale = u.text(""), u.text("")
	r.DeliveryMode, r.RequestID, r.Extra = activity.DeliveryMode(u.text("")), u.text(""), u.raw()
	c := &r.Conversation
	c.ID, c.Name = activity.ConversationID(u.text(string(k.Conversation))), u.text("")
	if group := u.byte(); group != 0 {
		c.IsGroup = new(group == 1)
	}
	c.ConversationType = activity.ConversationType(u.text(""))
	c.TenantID = activity.TenantID(u.text(string(k.Tenant)))
	c.AADObjectID, c.Role, c.Extra = u.text(""), activity.Role(u.text("")), u.raw()
	r.Bot, r.User = u.account(k), u.account(k)
}

func (u *unpacker) account(k *headsup.ConversationKey) *activity.ChannelAccount {
	if u.byte() == 0 {
		return nil
	}
	return &activity.ChannelAccount{
		ID: activity.AccountID(u.text(string(k.Bot))), Name: u.text(""), Role: activity.Role(u.text("")),
		AADObjectID: u.text(""), AgenticUserID: u.text(""), AgenticAppID: u.text(""),
		TenantID: activity.TenantID(u.text(string(k.Tenant))), Extra: u.raw(),
	}
}
