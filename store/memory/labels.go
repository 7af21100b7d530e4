package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
)

// Details implements [book.Store].
func (s *Store) Details(_ context.Context, rows []book.Row) (map[book.Row]book.Details, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[book.Row]book.Details, len(rows))
	for _, r := range rows {
		e, known := s.book.row(r)
		if !known {
			continue
		}
		d := book.Details{Tags: slices.Clone(e.tags)}
		people := slices.SortedFunc(maps.Values(e.people), func(a, b *person) int { return cmp.Compare(a.Row, b.Row) })
		for _, p := range people[:min(len(people), book.MaxPeople)] {
			d.People = append(d.People, p.Person)
		}
		found[r] = d
	}
	return found, nil
}

// Label implements [book.Store].
func (s *Store) Label(_ context.Context, key headsup.ConversationKey, l book.Labels, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[key]
	if !known {
		return book.ErrNotFound
	}
	tags := e.tags
	if l.Tags != nil {
		tags = *l.Tags
	}
	tags = slices.Concat(tags, l.AddTags)
	tags = slices.DeleteFunc(tags, func(tag string) bool { return slices.Contains(l.RemoveTags, tag) })
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > book.MaxTags {
		return book.ErrTooManyTags
	}
	if l.ExternalID != nil {
		p := e.people[e.Person()]
		if p == nil {
			return book.ErrNoPerson
		}
		p.ExternalID = *l.ExternalID
	}
	e.tags, e.UpdatedAt = tags, at
	return nil
}
