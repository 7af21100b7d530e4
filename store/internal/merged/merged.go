// Package merged says which people are to be one human, for drivers that keep people in tables. [Of] is for a merge,
// [Without] for what takes it back.
package merged

import (
	"slices"

	"github.com/headsup-bot/headsup/book"
)

// Of lists the people with some rows and all who are one human with any of them, in the order of their rows. human tells
// who is one human with a person, themselves included.
func Of(rows []book.PersonRow, human func(book.PersonRow) ([]book.Person, error)) (all []book.PersonRow, err error) {
	if len(rows) == 0 {
		return nil, book.ErrNobody
	}
	for _, r := range rows {
		people, err := human(r)
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			all = append(all, p.Row)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > book.MaxMerged {
		return nil, book.ErrTooManyPeople
	}
	return all, nil
}

// Without lists the people with some rows, and those who are left of the human that they are all of.
func Without(
	rows []book.PersonRow, human func(book.PersonRow) ([]book.Person, error),
) (out, stay []book.PersonRow, err error) {
	if len(rows) == 0 {
		return nil, nil, book.ErrNobody
	}
	people, err := human(rows[0])
	if err != nil {
		return nil, nil, err
	}
	for _, p := range people {
		if slices.Contains(rows, p.Row) {
			out = append(out, p.Row)
		} else {
			stay = append(stay, p.Row)
		}
	}
	for _, r := range rows {
		if !slices.Contains(out, r) {
			return nil, nil, book.ErrNobody
		}
	}
	return out, stay, nil
}
