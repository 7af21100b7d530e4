package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// entry is a conversation of the book.
type entry struct {
	book.Conversation
	sightedAt time.Time
	people    map[activity.AccountID]*person
	tags      []string // sorted
	route     *route
}

// person is somebody on a channel, in as many conversations as they are in.
type person struct {
	book.Person
	wants book.Preferences
}

type personKey struct {
	appID   string
	tenant  activity.TenantID
	channel activity.ChannelID
	id      activity.AccountID
}

type bookTables struct {
	rows   []*entry // row n is at n-1; nil where it was forgotten
	byKey  map[headsup.ConversationKey]*entry
	people map[personKey]*person
	met    int // how many people ever
}

func newBookTables() bookTables {
	return bookTables{byKey: make(map[headsup.ConversationKey]*entry), people: make(map[personKey]*person)}
}

func (b *bookTables) row(r book.Row) (*entry, bool) {
	if r < 1 || int(r) > len(b.rows) {
		return nil, false
	}
	e := b.rows[r-1]
	return e, e != nil
}

// meet notes that somebody takes part in a conversation.
func (b *bookTables) meet(e *entry, told book.Person) {
	key := personKey{e.Key.AppID, e.Key.Tenant, e.Key.Channel, told.ID}
	p, known := b.people[key]
	if !known {
		b.met++
		p = &person{Person: book.Person{Row: book.PersonRow(b.met)}}
		b.people[key] = p
	}
	p.Person = told.Over(p.Person)
	e.people[told.ID] = p
}

func (e *entry) copy() book.Conversation {
	c := e.Conversation
	c.Reference = c.Reference.Clone()
	return c
}

// Sight implements [book.Store].
func (s *Store) Sight(_ context.Context, sighting book.Sighting) (book.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[sighting.Key]
	if !known {
		e = &entry{people: make(map[activity.AccountID]*person)}
		e.Row = book.Row(len(s.book.rows) + 1)
		e.Key = sighting.Key
		e.CreatedAt = sighting.At
		s.book.rows = append(s.book.rows, e)
		s.book.byKey[e.Key] = e
	}
	before, zone := e.Person(), e.TimeZone
	e.sight(sighting)
	if s.queue.reroute(e) {
		s.wake()
	}
	for p := range sighting.Everybody {
		s.book.meet(e, sighting.PersonOf(p))
	}
	if p := e.people[e.Person()]; p != nil && e.Person() != before && !p.wants.IsZero() {
		e.Preferences = p.wants
	}
	if known && e.TimeZone != zone {
		s.resume(e.Row, sighting.At)
	}
	return e.copy(), nil
}

func (e *entry) sight(s book.Sighting) {
	ref := s.Reference.Clone()
	ref.ActivityID = ""
	ref.Locale = cmp.Or(ref.Locale, e.Reference.Locale)
	if ref.User == nil {
		ref.User = e.Reference.User
	}
	if e.Source.Keeps(s.Source) {
		ref.ServiceURL = e.Reference.ServiceURL
	} else {
		e.Source = s.Source
	}
	e.Reference = ref
	e.Kind = cmp.Or(s.Kind, e.Kind, book.KindPersonal)
	e.TimeZone = cmp.Or(s.TimeZone, e.TimeZone)
	if !s.VerifiedAt.IsZero() {
		e.VerifiedAt = s.VerifiedAt
	}
	e.Place = s.Place.Over(e.Place)
	e.stands(s.Lifts(e.Conversation))
	e.sightedAt, e.UpdatedAt = s.At, s.At
}

func (e *entry) stands(s book.Standing) {
	e.Reach, e.Cause, e.ReachAt, e.Until = s.Reach, s.Cause, s.At, s.Until
}

// StrikeOut implements [book.Store].
func (s *Store) StrikeOut(_ context.Context, key headsup.ConversationKey, to book.Standing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, known := s.book.byKey[key]; known {
		e.reaches(to)
	}
	return nil
}

// reaches notes whether a conversation can be reached.
func (e *entry) reaches(to book.Standing) {
	e.UpdatedAt = to.At
	e.stands(e.Struck(to))
}

// Change implements [book.Store].
func (s *Store) Change(_ context.Context, c book.Change) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.book.rows {
		if e == nil || !chosen(c, &e.Conversation) {
			continue
		}
		n++
		if c.Takes(e.Conversation) {
			e.stands(e.Struck(c.Standing))
		}
		e.Place = book.Place{TeamName: c.TeamName}.Over(e.Place)
		if c.Room != "" {
			e.Place = book.Place{RoomName: c.RoomName}.Over(e.Place)
		}
		for _, id := range c.Left {
			delete(e.people, id)
		}
		e.UpdatedAt = c.At
	}
	return n, nil
}

// chosen reports whether a change is about a conversation.
func chosen(c book.Change, e *book.Conversation) bool {
	if c.Team == "" {
		return e.Key == c.Key
	}
	return e.Key.AppID == c.Key.AppID && e.Key.Channel == c.Key.Channel && e.Key.Tenant == c.Key.Tenant && e.Key.Bot == c.Key.Bot &&
		e.Place.Team == c.Team && (c.Room == "" || e.Place.Room == c.Room)
}

// Reopen implements [book.Store].
func (s *Store) Reopen(_ context.Context, at time.Time, n int) (reopened int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.book.rows {
		if reopened < n && e != nil && e.Reach == book.ReachUnreachable && e.Reachable(at) {
			e.reaches(book.Standing{Reach: book.ReachActive, Cause: book.CauseTimeOver, At: at})
			reopened++
		}
	}
	return reopened, nil
}

// Conversation implements [book.Store].
func (s *Store) Conversation(_ context.Context, key headsup.ConversationKey) (book.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[key]
	if !known {
		return book.Conversation{}, book.ErrNotFound
	}
	return e.copy(), nil
}

// ConversationsByID implements [book.Store].
func (s *Store) ConversationsByID(
	_ context.Context, appID string, id activity.ConversationID,
) ([]book.Conversation, error) {
	return s.newest(func(e *entry) bool { return e.Key.AppID == appID && e.Key.Conversation == id }), nil
}

// ConversationsByUser implements [book.Store].
func (s *Store) ConversationsByUser(
	_ context.Context, appID string, user activity.AccountID,
) ([]book.Conversation, error) {
	return s.newest(func(e *entry) bool { return e.Key.AppID == appID && e.people[user] != nil }), nil
}

// newest returns the entries that match, newest sighting first.
func (s *Store) newest(match func(*entry) bool) []book.Conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*entry
	for _, e := range s.book.rows {
		if e != nil && match(e) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *entry) int { return b.sightedAt.Compare(a.sightedAt) })
	return copies(found)
}

// Newest implements [book.Store].
func (s *Store) Newest(
	_ context.Context, appID string, channel activity.ChannelID, tenant activity.TenantID, n int,
) ([]book.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*entry
	for _, e := range slices.Backward(s.book.rows) {
		if len(found) < n && e != nil && e.Key.AppID == appID && e.Key.Channel == channel && e.Key.Tenant == tenant {
			found = append(found, e)
		}
	}
	return copies(found), nil
}

// Conversations implements [book.Store].
func (s *Store) Conversations(
	_ context.Context, appID string, f book.Filter, after book.Row, limit int,
) ([]book.Conversation, error) {
	f = f.Folded()
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*entry
	for _, e := range s.book.rows[min(max(0, int(after)), len(s.book.rows)):] {
		if len(found) == limit {
			break
		}
		if e != nil && e.Key.AppID == appID && e.fits(f) {
			found = append(found, e)
		}
	}
	return copies(found), nil
}

// fits reports whether a filter lets the entry through.
func (e *entry) fits(f book.Filter) bool {
	return (f.Kind == "" || f.Kind == e.Kind) && (f.Channel == "" || f.Channel == e.Key.Channel) &&
		(f.Reach == "" || f.Reach == e.Reach) && (f.Tenant == "" || f.Tenant == e.Key.Tenant) && (f.Tag == "" || slices.Contains(e.tags, f.Tag)) &&
		(f.Team == "" || f.Team == e.Place.Team) && (f.Room == "" || f.Room == e.Place.Room) && (f.User == "" || e.people[f.User] != nil) &&
		e.has(book.PersonKey{ExternalID: f.ExternalID}) && e.has(book.PersonKey{ObjectID: f.ObjectID}) &&
		e.has(book.PersonKey{UPN: f.UPN}) && e.has(book.PersonKey{Email: f.Email})
}

// has reports whether somebody whom a key means takes part; an empty key means everybody.
func (e *entry) has(k book.PersonKey) bool {
	if k == (book.PersonKey{}) {
		return true
	}
	for _, p := range e.people {
		if k.Fits(p.Person) {
			return true
		}
	}
	return false
}

func copies(es []*entry) []book.Conversation {
	cs := make([]book.Conversation, len(es))
	for i, e := range es {
		cs[i] = e.copy()
	}
	return cs
}
