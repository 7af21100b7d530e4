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
	number int // in the order of being met
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
func (b *bookTables) meet(e *entry, a *activity.ChannelAccount) {
	if a == nil || a.ID == "" || a.ID == e.Key.Bot {
		return
	}
	key := personKey{e.Key.AppID, e.Key.Tenant, e.Key.Channel, a.ID}
	p, known := b.people[key]
	if !known {
		b.met++
		p = &person{Person: book.Person{ID: a.ID}, number: b.met}
		b.people[key] = p
	}
	p.Name = cmp.Or(a.Name, p.Name)
	e.people[a.ID] = p
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
	e.sight(sighting)
	if s.queue.reroute(e) {
		s.wake()
	}
	s.book.meet(e, sighting.Reference.User)
	for i := range sighting.People {
		s.book.meet(e, &sighting.People[i])
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
	if e.Reach != book.ReachActive {
		e.Reach, e.Cause, e.ReachAt = book.ReachActive, "", s.At
	}
	e.sightedAt, e.UpdatedAt = s.At, s.At
}

// StrikeOut implements [book.Store].
func (s *Store) StrikeOut(
	_ context.Context, key headsup.ConversationKey, r book.Reach, cause string, at time.Time,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[key]
	if !known {
		return nil
	}
	e.reaches(r, cause, at)
	return nil
}

// reaches notes whether a conversation can be reached.
func (e *entry) reaches(r book.Reach, cause string, at time.Time) {
	if e.Reach != r {
		e.Reach, e.ReachAt = r, at
	}
	e.Cause, e.UpdatedAt = cause, at
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

// Conversations implements [book.Store].
func (s *Store) Conversations(
	_ context.Context, appID string, f book.Filter, after book.Row, limit int,
) ([]book.Conversation, error) {
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
		(f.User == "" || e.people[f.User] != nil) && (f.ExternalID == "" || e.has(f.ExternalID))
}

// has reports whether somebody with the external id takes part.
func (e *entry) has(externalID string) bool {
	for _, p := range e.people {
		if externalID != "" && p.ExternalID == externalID {
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
