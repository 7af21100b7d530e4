package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/store/internal/merged"
)

// columnOf is the column of people that a key is about, and its value there; "" for no key.
func columnOf(k book.PersonKey) (column, value string) {
	k = k.Folded()
	switch {
	case k.User != "":
		return "user_id", string(k.User)
	case k.ObjectID != "":
		return "aad_object_id", k.ObjectID
	case k.UPN != "":
		return "upn", k.UPN
	case k.Email != "":
		return "email", k.Email
	}
	return "external_id", k.ExternalID
}

const (
	personColumns = `p.id, p.channel_id, p.tenant_id, p.user_id, p.name, p.aad_object_id, p.upn, p.email, p.external_id,
		p.time_zone, p.locale, p.country, p.human `
	selectPeople = "SELECT " + personColumns + "FROM people p "
)

func scanPerson(r row) book.Person {
	return book.Person{
		Row: book.PersonRow(r.int(0)), Channel: activity.ChannelID(r.text(1)), Tenant: activity.TenantID(r.text(2)),
		ID: activity.AccountID(r.text(3)), Name: r.text(4), ObjectID: r.text(5), UPN: r.text(6), Email: r.text(7),
		ExternalID: r.text(8), TimeZone: r.text(9), Locale: r.text(10), Country: r.text(11), Human: book.PersonRow(r.int(12)),
	}
}

// reader is what a query runs on: a connection, or a transaction.
type reader interface {
	each(f func(row) error, sql string, args ...any) error
}

func peopleIn(q reader, where string, args ...any) (found []book.Person, err error) {
	err = q.each(func(r row) error {
		found = append(found, scanPerson(r))
		return nil
	}, selectPeople+where, args...)
	return found, err
}

// ListPeople implements [book.Humans].
func (s *Store) ListPeople(
	ctx context.Context, appID string, f book.PeopleFilter, after book.PersonRow, limit int,
) (found []book.Person, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	where, args := "WHERE p.id > ? AND +p.app_id = ?", []any{int64(after), text(appID)}
	if column, value := columnOf(f.PersonKey); value != "" {
		where, args = "WHERE p."+column+" = ? AND p.id > ? AND p.app_id = ?", []any{text(value), int64(after), text(appID)}
	}
	for _, only := range [...]struct{ value, condition string }{
		{string(f.Channel), " AND +p.channel_id = ?"}, {string(f.Tenant), " AND +p.tenant_id = ?"},
	} {
		if only.value != "" {
			where, args = where+only.condition, append(args, text(only.value))
		}
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = peopleIn(c, where+" ORDER BY p.id LIMIT +?", append(args, int64(limit))...)
		return err
	})
	return found, err
}

// Human implements [book.Humans].
func (s *Store) Human(ctx context.Context, appID string, row book.PersonRow) (found []book.Person, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(c *conn) error {
		found, err = human(c, appID, row)
		return err
	})
	return found, err
}

// human lists a person and those who are one human with them.
func human(q reader, appID string, row book.PersonRow) ([]book.Person, error) {
	found, err := peopleIn(q, "WHERE p.id = ? AND p.app_id = ?", int64(row), text(appID))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, book.ErrNobody
	case found[0].Human == 0:
		return found, nil
	}
	return peopleIn(q, "WHERE p.human = ? AND +p.app_id = ? ORDER BY p.id", int64(found[0].Human), text(appID))
}

// Merge implements [book.Humans].
func (s *Store) Merge(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) (result []book.Person, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		all, err := merged.Of(rows, func(r book.PersonRow) ([]book.Person, error) { return human(t, appID, r) })
		if err != nil {
			return err
		}
		if err := t.unite(all, at); err != nil {
			return err
		}
		if err := t.prefersMerged(appID, all, at); err != nil {
			return err
		}
		result, err = human(t, appID, all[0])
		return err
	})
	return result, err
}

// Split implements [book.Humans].
func (s *Store) Split(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		out, stay, err := merged.Without(rows, func(r book.PersonRow) ([]book.Person, error) { return human(t, appID, r) })
		if err != nil {
			return err
		}
		for _, part := range [][]book.PersonRow{out, stay} {
			if err := t.unite(part, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// unite makes people, in the order of their rows, one human, and somebody alone nobody else.
func (t *tx) unite(rows []book.PersonRow, at time.Time) error {
	var head any
	if len(rows) > 1 {
		head = int64(slices.Min(rows))
	}
	for _, r := range rows {
		if _, err := t.exec("UPDATE people SET human = ?, updated_at = ? WHERE id = ?", head, exact(at), int64(r)); err != nil {
			return err
		}
	}
	return nil
}
