package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/book"
)

// ConversationsOf implements [book.Store].
func (s *Store) ConversationsOf(_ context.Context, appID string, k book.PersonKey) ([]book.Conversation, error) {
	if k == (book.PersonKey{}) {
		return nil, nil
	}
	s.mu.Lock()
	all := make(map[*person]bool)
	for _, p := range s.book.whom(appID, book.PeopleFilter{PersonKey: k}) {
		for _, other := range s.book.merged(appID, p) {
			all[other] = true
		}
	}
	s.mu.Unlock()
	return s.newest(func(e *entry) bool {
		if e.Kind != book.KindPersonal || e.Key.AppID != appID {
			return false
		}
		for _, p := range e.people {
			if all[p] {
				return true
			}
		}
		return false
	}), nil
}

// whom lists the people of an app that fit, in the order of their rows. The store's lock is held.
func (b *bookTables) whom(appID string, f book.PeopleFilter) (found []*person) {
	f.PersonKey = f.PersonKey.Folded()
	for k, p := range b.people {
		if k.appID == appID && (f.Channel == "" || f.Channel == k.channel) && (f.Tenant == "" || f.Tenant == k.tenant) &&
			(f.PersonKey == book.PersonKey{} || f.PersonKey.Fits(p.Person)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *person) int { return int(a.Row - b.Row) })
	return found
}

// merged lists all who are one human with somebody. The store's lock is held.
func (b *bookTables) merged(appID string, p *person) []*person {
	if p.Human == 0 {
		return []*person{p}
	}
	return slices.DeleteFunc(b.whom(appID, book.PeopleFilter{}), func(o *person) bool { return o.Human != p.Human })
}

// ListPeople implements [book.Humans].
func (s *Store) ListPeople(
	_ context.Context, appID string, f book.PeopleFilter, after book.PersonRow, limit int,
) (found []book.Person, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.book.whom(appID, f) {
		if p.Row > after && len(found) < limit {
			found = append(found, p.Person)
		}
	}
	return found, nil
}

// Human implements [book.Humans].
func (s *Store) Human(_ context.Context, appID string, row book.PersonRow) ([]book.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.human(appID, row)
}

func (b *bookTables) human(appID string, row book.PersonRow) (found []book.Person, err error) {
	for _, p := range b.whom(appID, book.PeopleFilter{}) {
		if p.Row != row {
			continue
		}
		for _, other := range b.merged(appID, p) {
			found = append(found, other.Person)
		}
		return found, nil
	}
	return nil, book.ErrNobody
}

// Merge implements [book.Humans].
func (s *Store) Merge(_ context.Context, appID string, rows []book.PersonRow, at time.Time) ([]book.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[book.PersonRow]bool)
	for _, row := range rows {
		people, err := s.book.human(appID, row)
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			all[p.Row] = true
		}
	}
	if len(all) == 0 {
		return nil, book.ErrNobody
	}
	if len(all) > book.MaxMerged {
		return nil, book.ErrTooManyPeople
	}
	s.book.unite(appID, all)
	s.prefersMerged(appID, all, at)
	return s.book.human(appID, rows[0])
}

// unite makes the people with some rows one human, and somebody alone nobody else. The store's lock is held.
func (b *bookTables) unite(appID string, rows map[book.PersonRow]bool) {
	head := book.PersonRow(0)
	for _, p := range b.whom(appID, book.PeopleFilter{}) {
		if !rows[p.Row] {
			continue
		}
		if head == 0 && len(rows) > 1 {
			head = p.Row
		}
		p.Human = head
	}
}

// Split implements [book.Humans].
func (s *Store) Split(_ context.Context, appID string, rows []book.PersonRow, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(rows) == 0 {
		return book.ErrNobody
	}
	people, err := s.book.human(appID, rows[0])
	if err != nil {
		return err
	}
	out, stay := make(map[book.PersonRow]bool), make(map[book.PersonRow]bool)
	for _, p := range people {
		if slices.Contains(rows, p.Row) {
			out[p.Row] = true
		} else {
			stay[p.Row] = true
		}
	}
	for _, row := range rows {
		if !out[row] {
			return book.ErrNobody
		}
	}
	s.book.unite(appID, out)
	s.book.unite(appID, stay)
	return nil
}
