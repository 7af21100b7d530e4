package book

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// PersonRow is the store's own number for a person. It never changes and is never used again.
type PersonRow int64

// Person is somebody on a channel.
type Person struct {
	Row     PersonRow
	Channel activity.ChannelID
	Tenant  activity.TenantID
	ID      activity.AccountID
	Name    string
	// ObjectID is the id in Microsoft Entra. It, UPN and Email are as [Fold] leaves them.
	ObjectID, UPN, Email string
	// ExternalID is the person's id in the operator's own system. It is the person's in all conversations of the channel
	// and tenant, and several people may have the same: one human on several channels.
	ExternalID string
	// TimeZone, Locale and Country are as the channel has told them last.
	TimeZone, Locale, Country string
	// Human is the same number for all people who were merged into one; 0 for somebody who was not.
	Human PersonRow
}

// Over is what is known of somebody when p is told and earlier was.
func (p Person) Over(earlier Person) Person {
	p.Name, p.ObjectID = cmp.Or(p.Name, earlier.Name), cmp.Or(p.ObjectID, earlier.ObjectID)
	p.UPN, p.Email = cmp.Or(p.UPN, earlier.UPN), cmp.Or(p.Email, earlier.Email)
	p.TimeZone, p.Locale = cmp.Or(p.TimeZone, earlier.TimeZone), cmp.Or(p.Locale, earlier.Locale)
	p.Country = cmp.Or(p.Country, earlier.Country)
	p.Row, p.ExternalID, p.Human = earlier.Row, earlier.ExternalID, earlier.Human
	return p
}

// Fold is how object ids, user principal names and e-mail addresses are kept and compared: without white space around
// them, in lower case letter by letter as Unicode maps them, and otherwise as they are. So ANN@Example.com is
// ann@example.com, and a.nn@example.com is somebody else.
func Fold(key string) string { return strings.ToLower(strings.TrimSpace(key)) }

// PersonOf is what a sighting tells of one of its people.
func (s Sighting) PersonOf(a *activity.ChannelAccount) Person {
	p := Person{Channel: s.Key.Channel, Tenant: s.Key.Tenant, ID: a.ID, Name: a.Name, ObjectID: Fold(a.AADObjectID)}
	if len(a.Extra) > 0 {
		var roster struct { // as Teams tells them
			ObjectID string `json:"objectId"`
			UPN      string `json:"userPrincipalName"`
			Email    string `json:"email"`
		}
		if json.Unmarshal(a.Extra, &roster) == nil {
			p.ObjectID = cmp.Or(p.ObjectID, Fold(roster.ObjectID))
			p.UPN, p.Email = Fold(roster.UPN), Fold(roster.Email)
		}
	}
	if u := s.Reference.User; u != nil && a.ID == u.ID {
		p.TimeZone, p.Locale, p.Country = s.TimeZone, s.Reference.Locale, s.Country
	}
	return p
}

// Everybody yields the people of a sighting: those with an id who are not the bot. Somebody may come twice.
func (s Sighting) Everybody(yield func(*activity.ChannelAccount) bool) {
	if u := s.Reference.User; u != nil && u.ID != "" && u.ID != s.Key.Bot && !yield(u) {
		return
	}
	for i := range s.People {
		if p := &s.People[i]; p.ID != "" && p.ID != s.Key.Bot && !yield(p) {
			return
		}
	}
}

// PersonKey names people by one thing that is known of them. Exactly one member is set. ObjectID, UPN and Email are
// compared as [Fold] leaves them, User and ExternalID byte by byte.
type PersonKey struct {
	User       activity.AccountID
	ExternalID string
	ObjectID   string
	UPN        string
	Email      string
}

// Folded is the key as the book keeps it.
func (k PersonKey) Folded() PersonKey {
	k.ObjectID, k.UPN, k.Email = Fold(k.ObjectID), Fold(k.UPN), Fold(k.Email)
	return k
}

// Fits reports whether a folded key means a person.
func (k PersonKey) Fits(p Person) bool {
	return k != PersonKey{} && (k.User == "" || k.User == p.ID) && (k.ExternalID == "" || k.ExternalID == p.ExternalID) &&
		(k.ObjectID == "" || k.ObjectID == p.ObjectID) && (k.UPN == "" || k.UPN == p.UPN) && (k.Email == "" || k.Email == p.Email)
}

var (
	// ErrNobody: the book has no such person.
	ErrNobody = errors.New("book: no such person")
	// ErrTooManyPeople: one human would be more than [MaxMerged] people.
	ErrTooManyPeople = errors.New("book: too many people to be one")
)

// MaxMerged is how many people one human may be.
const MaxMerged = 100

// Humans is the part of a [Store] that is about people and who of them is one human.
type Humans interface {
	// ListPeople lists an app's people whom the filter lets through in the order of their rows, those after a row, at most
	// limit.
	ListPeople(ctx context.Context, appID string, f PeopleFilter, after PersonRow, limit int) ([]Person, error)
	// Human returns the person with a row and all those who were merged with them, in the order of their rows, or
	// [ErrNobody].
	Human(ctx context.Context, appID string, row PersonRow) ([]Person, error)
	// Merge makes the people with these rows, and all whom each of them was merged with before, one human, durably, and
	// returns them as [Humans.Human] does. A repeat does no harm. [ErrNobody], [ErrTooManyPeople].
	Merge(ctx context.Context, appID string, rows []PersonRow, at time.Time) ([]Person, error)
	// Split takes the people with these rows out of what they were merged into, durably: they become one human, and those who
	// are left stay one. [ErrNobody], also when they are not of one human.
	Split(ctx context.Context, appID string, rows []PersonRow, at time.Time) error
}

// PeopleFilter chooses people: those that fit all members that are set. The zero value chooses all.
type PeopleFilter struct {
	Channel activity.ChannelID
	Tenant  activity.TenantID
	// PersonKey is whom a key means, if one is set; those who were merged with them are not listed for it.
	PersonKey PersonKey
}
