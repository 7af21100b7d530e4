// Package book is the reference book: every conversation the bot has seen and where it can be continued.
//
// It fills itself: [Book.Middleware] notes the reference of every inbound activity and of every conversation that the
// bot creates, follows a service URL that changes, and strikes conversations out when the bot is uninstalled or removed.
// [Store] is what it keeps them in.
package book

import (
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
	// KindMeeting is the chat of a meeting.
	KindMeeting Kind = "meeting"
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
	case SourceImport:
		return s == SourceClaim || s == SourceConfig
	case SourceClaim, SourceConfig:
	}
	return false
}

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
	// Place is where in Microsoft Teams it is.
	Place Place
	Reach Reach
	// Cause says why Reach is as it is, and ReachAt since when.
	Cause   string
	ReachAt time.Time
	// Until is when [ReachUnreachable] ends by itself; zero if it does not.
	Until time.Time
	// LastInboundAt is the last time that somebody said something; zero if nobody ever did.
	LastInboundAt time.Time
	// Busy is what goes on in it, the oldest first; what has run out may still be there ([headsup.StillBusy]). It must not
	// be changed.
	Busy []headsup.Busy
	// Preferences are what whom it is with wants to be told; for others, what was said for the conversation itself. They must
	// not be changed.
	Preferences          Preferences
	CreatedAt, UpdatedAt time.Time
}

// Person is whom a personal conversation is with; empty for other conversations, and while nobody knows.
func (c Conversation) Person() activity.AccountID {
	if u := c.Reference.User; c.Kind == KindPersonal && u != nil && u.ID != c.Key.Bot {
		return u.ID
	}
	return ""
}
