package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
)

// Prefer implements [book.Preferrer].
func (s *Store) Prefer(_ context.Context, w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var who *person
	var on activity.ChannelID
	var in *book.Conversation
	if w.Person != 0 {
		if who = s.book.personAt(w.AppID, w.Person); who == nil {
			return done, book.ErrNobody
		}
	} else {
		e, known := s.book.byKey[w.Key]
		if !known {
			return done, book.ErrNotFound
		}
		on, in = w.Key.Channel, &e.Conversation
		if who = e.people[e.Person()]; who == nil {
			done.Before, done.Rows = e.Preferences, []book.Row{e.Row}
			done.Now = done.Before.Change(c, on)
			e.Preferences = done.Now
			s.resume(e.Row, c.At)
			s.tellPreferred(w.Key.AppID, in, nil, c, done)
			return done, nil
		}
	}
	done.Before = who.wants
	done.Now = done.Before.Change(c, on)
	done.Rows = s.wants(s.book.merged(appOf(w), who), done.Now, c.At)
	s.tellPreferred(appOf(w), in, &who.Person, c, done)
	return done, nil
}

// tellPreferred writes that preferences have changed, if anybody wants to know. s.mu is held.
func (s *Store) tellPreferred(appID string, in *book.Conversation, who *book.Person, c book.PreferenceChange, done book.Preferred) {
	if !s.events.wanted(appID, event.PreferencesChanged) {
		return
	}
	if told, data, ok := event.Preferred(appID, in, who, c, done); ok {
		s.tell(told, data)
	}
}

func appOf(w book.Whose) string {
	if w.Person != 0 {
		return w.AppID
	}
	return w.Key.AppID
}

// PreferencesOf implements [book.Preferrer].
func (s *Store) PreferencesOf(_ context.Context, appID string, row book.PersonRow) (book.Preferences, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.book.personAt(appID, row); p != nil {
		return p.wants, nil
	}
	return book.Preferences{}, book.ErrNobody
}

// personAt is the person with a row, or nil. The store's lock is held.
func (b *bookTables) personAt(appID string, row book.PersonRow) *person {
	all := b.whom(appID, book.PeopleFilter{})
	if i := slices.IndexFunc(all, func(p *person) bool { return p.Row == row }); i >= 0 {
		return all[i]
	}
	return nil
}

// wants gives people, and the conversations with each of them alone, preferences, and returns these conversations. What was put
// aside there is ready. s.mu is held.
func (s *Store) wants(people []*person, p book.Preferences, at time.Time) (rows []book.Row) {
	for _, who := range people {
		who.wants = p
	}
	for _, e := range s.book.rows {
		if e != nil && e.Person() != "" && slices.Contains(people, e.people[e.Person()]) {
			e.Preferences = p
			s.resume(e.Row, at)
			rows = append(rows, e.Row)
		}
	}
	return rows
}

// prefersMerged gives people who have become one human what all of them want. s.mu is held.
func (s *Store) prefersMerged(appID string, rows map[book.PersonRow]bool, at time.Time) {
	var all []*person
	var before []book.Preferences
	var p book.Preferences
	for _, who := range s.book.whom(appID, book.PeopleFilter{}) {
		if rows[who.Row] {
			all, before, p = append(all, who), append(before, who.wants), p.Merged(who.wants)
		}
	}
	if p.IsZero() {
		return
	}
	s.wants(all, p, at)
	for i, who := range all {
		c, done := book.PreferenceChange{By: event.ByMerging, At: at}, book.Preferred{Before: before[i], Now: p}
		s.tellPreferred(appID, nil, &who.Person, c, done)
	}
}
