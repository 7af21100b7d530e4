package book

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Sighting is what one activity tells of its conversation.
type Sighting struct {
	Key        headsup.ConversationKey
	Reference  activity.Reference
	Kind       Kind
	Source     Source
	VerifiedAt time.Time // zero unless an identity vouches for the service URL
	TimeZone   string
	// Country is where the reference's user is, as the channel told it: two letters of ISO 3166, as a rule.
	Country string
	// Place is where in Microsoft Teams the conversation is. What it does not tell stays.
	Place Place
	// People are others in the conversation besides the reference's user.
	People []activity.ChannelAccount
	// Installed: the activity says that the bot was installed here.
	Installed bool
	// Prospect is how a conversation stands that is not there yet ([Prospect]). It is no sign of life; zero for all others.
	Prospect Standing
	// Recreated: the channel did not have the conversation any more, and has made it again.
	Recreated bool
	// At is when it was sighted, and SaidAt when the channel says that it happened; zero means At.
	At, SaidAt time.Time
}

// Said is when it happened.
func (s Sighting) Said() time.Time {
	if s.SaidAt.IsZero() {
		return s.At
	}
	return s.SaidAt
}

// Store keeps the book. Conversations are unique by their key.
type Store interface {
	// Sight adds the conversation or brings it up to date (reference, source, time zone, place, reach as [Sighting.Lifts] says)
	// and returns it, durably. It does not replace the service URL of an entry that keeps it ([Source.Keeps]), nor its source.
	// What a sighting does not tell (kind, user, locale, time zone, place, when it was verified) stays as it was,
	// people add up, and the reference's activity id is dropped. A conversation whose kind nobody has told is personal.
	// A sighting that tells nothing new but its time may be noted up to [SightedWithin] late, or not at all when another one was
	// noted so shortly before it.
	Sight(ctx context.Context, s Sighting) (Conversation, error)
	// StrikeOut notes whether a conversation can be reached; with [ReachActive] it is to be tried again. It is not a
	// sighting. An unknown conversation is not an error.
	StrikeOut(ctx context.Context, key headsup.ConversationKey, s Standing) error
	// Change changes all conversations that it chooses in one step, durably, and returns how many it has found. It is not
	// a sighting.
	Change(ctx context.Context, c Change) (int, error)
	// Reopen makes conversations active whose [Conversation.Until] is not after at, about n of them, and returns how many.
	Reopen(ctx context.Context, at time.Time, n int) (int, error)
	// Conversation returns an entry by key, or ErrNotFound.
	Conversation(ctx context.Context, key headsup.ConversationKey) (Conversation, error)
	// ConversationsByID returns the entries with that id on any channel, newest sighting first.
	ConversationsByID(ctx context.Context, appID string, id activity.ConversationID) ([]Conversation, error)
	// ConversationsByUser returns the entries that the channel user id takes part in, newest sighting first.
	ConversationsByUser(ctx context.Context, appID string, user activity.AccountID) ([]Conversation, error)
	// ConversationsOf returns the personal entries of whoever the key means, newest sighting first. One human who was
	// merged of several people is all of them.
	ConversationsOf(ctx context.Context, appID string, k PersonKey) ([]Conversation, error)
	// Newest lists up to n entries of a tenant of a channel, those first that were added last.
	Newest(ctx context.Context, appID string, channel activity.ChannelID, tenant activity.TenantID, n int) ([]Conversation, error)
	// Conversations lists an app's entries that the filter lets through in the order of their rows, those after a row, at
	// most limit.
	Conversations(ctx context.Context, appID string, f Filter, after Row, limit int) ([]Conversation, error)

	// Extent tells how many of an app's entries the filter lets through, and the row of the last of all entries.
	Extent(ctx context.Context, appID string, f Filter) (n int, last Row, err error)

	// Details returns what the book keeps beside entries. An entry that it does not have is left out.
	Details(ctx context.Context, rows []Row) (map[Row]Details, error)
	// Label changes what the operator has noted of a conversation, durably; all of it or nothing. ErrNotFound, and
	// ErrNoPerson for an external id where there is no one person, and ErrTooManyTags. It is not a sighting.
	Label(ctx context.Context, key headsup.ConversationKey, l Labels, at time.Time) error

	Humans
	Preferrer
}

// SightedWithin is how exact the times of sightings are that told nothing new.
const SightedWithin = 10 * time.Second

// Filter chooses conversations: those that fit all members that are set. The zero value chooses all.
type Filter struct {
	Kind    Kind
	Channel activity.ChannelID
	Reach   Reach
	Tag     string
	// Tenant is the tenant of a channel that they are in.
	Tenant activity.TenantID
	// Team is the id of the team of Microsoft Teams that they are in, and Room that of its channel.
	Team, Room string
	// User, ExternalID, ObjectID, UPN and Email are of somebody who takes part, in conversations of any kind. They are
	// compared as [PersonKey] tells.
	User       activity.AccountID
	ExternalID string
	ObjectID   string
	UPN        string
	Email      string
}

// People are the keys of people that the filter has, one member each.
func (f Filter) People() (all []PersonKey) {
	for _, k := range [...]PersonKey{
		{User: f.User}, {ExternalID: f.ExternalID}, {ObjectID: f.ObjectID}, {UPN: f.UPN}, {Email: f.Email},
	} {
		if k != (PersonKey{}) {
			all = append(all, k)
		}
	}
	return all
}

// Folded is the filter with its keys of people as the book keeps them.
func (f Filter) Folded() Filter {
	f.ObjectID, f.UPN, f.Email = Fold(f.ObjectID), Fold(f.UPN), Fold(f.Email)
	return f
}

// Change is what happens to several conversations at once: to one and all that is in it, to a team of Microsoft Teams, or
// to a channel of a team.
type Change struct {
	// Key says which app, channel and tenant; and, where Team is empty, which conversation.
	Key headsup.ConversationKey
	// Team chooses all conversations of the bot in the team, and Room only those in that channel of it.
	Team, Room string

	// Standing says whether they can be reached from now on; zero leaves that. It does not take back what a later event
	// has told: conversations whose ReachAt is after its At stay as they are.
	Standing Standing
	// Only lets Standing change only conversations that are struck out for one of these causes; none is any.
	Only []string
	// Left are those who do not take part any more.
	Left []activity.AccountID
	// TeamName and RoomName are what the team and the channel are called now; empty leaves that. They need Team.
	TeamName, RoomName string
	// At is when it was heard of.
	At time.Time
}

// Takes reports whether the standing of a change is one for a conversation.
func (c Change) Takes(now Conversation) bool {
	if c.Standing.Reach == "" || now.ReachAt.After(c.Standing.At) {
		return false
	}
	if len(c.Only) == 0 {
		return true
	}
	for _, cause := range c.Only {
		if now.Reach != ReachActive && now.Cause == cause {
			return true
		}
	}
	return false
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
