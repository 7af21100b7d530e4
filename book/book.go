// Package book is the reference book: every conversation the bot has seen and where it can be continued.
//
// It fills itself: [Book.Middleware] notes the reference of every inbound activity and of every conversation that the
// bot creates, follows a service URL that changes, and strikes conversations out when the bot is uninstalled or removed.
// [Store] is what it keeps them in.
package book

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// ErrNotFound: the book has no such conversation.
var ErrNotFound = errors.New("book: no such conversation")

// ErrNoPerson: a conversation is not with one person alone, or nobody knows with whom.
var ErrNoPerson = errors.New("book: the conversation is not with one person")

// Row is the store's own number for a conversation. It never changes and is never used again.
type Row int64

// Kind is what a conversation is.
type Kind string

const (
	KindPersonal Kind = "personal"
	KindGroup    Kind = "group"
	KindChannel  Kind = "channel"
)

// Source says how a service URL was learnt.
type Source string

const (
	// SourceClaim: an authenticated channel named it. Only an authenticated identity writes this.
	SourceClaim Source = "claim"
	// SourceConfig: it is this server's own, or the operator's.
	SourceConfig Source = "config"
	// SourceCaller: a caller named it who is known, but for whose service URL no channel vouches (an agent, the Emulator), or
	// a channel on a host to which no tokens go.
	SourceCaller Source = "caller"
	// SourceDev: an unauthenticated caller named it in development mode. Such references never receive a token.
	SourceDev Source = "dev"
	// SourceImport: it was imported from elsewhere.
	SourceImport Source = "import"
)

// Keeps reports whether a service URL of this source stays when a sighting names another one: what nobody vouches for does not
// replace what somebody vouched for.
func (s Source) Keeps(sighted Source) bool {
	switch sighted {
	case SourceCaller:
		return s == SourceClaim || s == SourceConfig || s == SourceImport
	case SourceDev:
		return s == SourceClaim
	case SourceClaim, SourceConfig, SourceImport:
	}
	return false
}

// Reach says whether a conversation can be written to.
type Reach string

const (
	ReachActive      Reach = "active"
	ReachUninstalled Reach = "uninstalled"
	ReachBlocked     Reach = "blocked"
)

// Conversation is one entry of the book.
type Conversation struct {
	Row Row
	Key headsup.ConversationKey
	// Reference is where to continue it. Its activity id is empty: a proactive message answers nothing.
	Reference  activity.Reference
	Kind       Kind
	Source     Source
	VerifiedAt time.Time
	// TimeZone is an IANA name, if the channel told one.
	TimeZone string
	Reach    Reach
	// Cause says why it cannot be reached, and ReachAt since when Reach is as it is.
	Cause   string
	ReachAt time.Time
	// LastInboundAt is the last time that somebody said something; zero if nobody ever did.
	LastInboundAt time.Time
	// Busy is what goes on in it, the oldest first; what has run out may still be there ([headsup.StillBusy]). It must not
	// be changed.
	Busy                 []headsup.Busy
	CreatedAt, UpdatedAt time.Time
}

// Person is whom a personal conversation is with; empty for other conversations, and while nobody knows.
func (c Conversation) Person() activity.AccountID {
	if u := c.Reference.User; c.Kind == KindPersonal && u != nil && u.ID != c.Key.Bot {
		return u.ID
	}
	return ""
}

// Sighting is what one activity tells of its conversation.
type Sighting struct {
	Key        headsup.ConversationKey
	Reference  activity.Reference
	Kind       Kind
	Source     Source
	VerifiedAt time.Time // zero unless an identity vouches for the service URL
	TimeZone   string
	// People are others in the conversation besides the reference's user.
	People []activity.ChannelAccount
	At     time.Time
}

// Store keeps the book. Conversations are unique by their key.
type Store interface {
	// Sight adds the conversation or brings it up to date (reference, source, time zone, reach becomes active) and
	// returns it, durably. It does not replace the service URL of an entry that keeps it ([Source.Keeps]), nor its source.
	// What a sighting does not tell (kind, user, locale, time zone, when it was verified) stays as it was,
	// people add up, and the reference's activity id is dropped. A conversation whose kind nobody has told is personal.
	Sight(ctx context.Context, s Sighting) (Conversation, error)
	// StrikeOut marks a conversation as not reachable; with [ReachActive] it takes that back, for somebody wants it to be
	// tried again. It is not a sighting. An unknown one is not an error.
	StrikeOut(ctx context.Context, key headsup.ConversationKey, r Reach, cause string, at time.Time) error
	// Conversation returns an entry by key, or ErrNotFound.
	Conversation(ctx context.Context, key headsup.ConversationKey) (Conversation, error)
	// ConversationsByID returns the entries with that id on any channel, newest sighting first.
	ConversationsByID(ctx context.Context, appID string, id activity.ConversationID) ([]Conversation, error)
	// ConversationsByUser returns the entries that the channel user id takes part in, newest sighting first.
	ConversationsByUser(ctx context.Context, appID string, user activity.AccountID) ([]Conversation, error)
	// Conversations lists an app's entries that the filter lets through in the order of their rows, those after a row, at
	// most limit.
	Conversations(ctx context.Context, appID string, f Filter, after Row, limit int) ([]Conversation, error)

	// Extent tells how many of an app's entries the filter lets through, and the row of the last of all entries.
	Extent(ctx context.Context, appID string, f Filter) (n int, last Row, err error)

	// ConversationsByExternalID returns the personal entries of whoever has that external id, newest sighting first.
	ConversationsByExternalID(ctx context.Context, appID, externalID string) ([]Conversation, error)
	// Details returns what the book keeps beside entries. An entry that it does not have is left out.
	Details(ctx context.Context, rows []Row) (map[Row]Details, error)
	// Label changes what the operator has noted of a conversation, durably; all of it or nothing. ErrNotFound, and
	// ErrNoPerson for an external id where there is no one person, and ErrTooManyTags. It is not a sighting.
	Label(ctx context.Context, key headsup.ConversationKey, l Labels, at time.Time) error
}

// Filter chooses conversations: those that fit all members that are set. The zero value chooses all.
type Filter struct {
	Kind    Kind
	Channel activity.ChannelID
	Reach   Reach
	Tag     string
	// Tenant is the tenant of a channel that they are in.
	Tenant activity.TenantID
	// User and ExternalID are of somebody who takes part, in conversations of any kind.
	User       activity.AccountID
	ExternalID string
}

// Details is what the book keeps beside a conversation's entry.
type Details struct {
	// Tags are in the order of their bytes.
	Tags []string
	// People are those who are known to take part, in the order in which the book first knew of them, at most
	// [MaxPeople].
	People []Person
}

// MaxPeople bounds how many people of one conversation are told.
const MaxPeople = 500

// Person is somebody on a channel.
type Person struct {
	ID   activity.AccountID
	Name string
	// ExternalID is the person's id in the operator's own system. It is the person's in all conversations of the channel
	// and tenant, and several people may have the same: one human on several channels.
	ExternalID string
}

// MaxTags is how many tags one conversation may have.
const MaxTags = 50

// ErrTooManyTags: a conversation would have more than [MaxTags] tags.
var ErrTooManyTags = errors.New("book: the conversation would have too many tags")

// Labels is a change of what the operator has noted of a conversation. A nil member stays as it is.
type Labels struct {
	// Tags replaces all tags. Repeats count once; an empty slice removes all.
	Tags *[]string
	// AddTags and RemoveTags change the tags that are there, after Tags has replaced them, and removing comes last. A tag
	// that is there already, or is not, is no mistake. More than [MaxTags] in the end are refused with [ErrTooManyTags].
	AddTags, RemoveTags []string
	// ExternalID is the id of a personal conversation's person in the operator's own system; empty removes it.
	ExternalID *string
}
