package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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

// ofApp says which app's people p are. As an expression it keeps the planner, whose plans may be older than most rows, from
// going along all people of the app in place of those with a key.
const ofApp = "p.app_id || '' = "

const personColumns = `p.id, p.channel_id, p.tenant_id, p.user_id, p.name, p.aad_object_id, p.upn, p.email, p.external_id,
	p.time_zone, p.locale, p.country, coalesce(p.human, 0)`

func scanPerson(r pgx.CollectableRow) (p book.Person, err error) {
	err = r.Scan(&p.Row, &p.Channel, &p.Tenant, &p.ID, (*optionalText)(&p.Name), (*optionalText)(&p.ObjectID), (*optionalText)(&p.UPN),
		(*optionalText)(&p.Email), (*optionalText)(&p.ExternalID), (*optionalText)(&p.TimeZone), (*optionalText)(&p.Locale),
		(*optionalText)(&p.Country), &p.Human)
	return p, err
}

func peopleIn(ctx context.Context, q querier, where string, args ...any) ([]book.Person, error) {
	rows, err := q.Query(ctx, "SELECT "+personColumns+" FROM people p "+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanPerson)
}

// ListPeople implements [book.Humans].
func (s *Store) ListPeople(
	ctx context.Context, appID string, f book.PeopleFilter, after book.PersonRow, limit int,
) (found []book.Person, err error) {
	var args arguments
	where := "WHERE p.id > " + args.add(after) + " AND " + ofApp + args.add(appID)
	if column, value := columnOf(f.PersonKey); value != "" {
		where += " AND p." + column + " = " + args.add(value)
		if column == "user_id" { // whose index begins with the app
			where += " AND p.app_id = $2"
		}
	}
	for _, only := range [...]struct{ value, column string }{{string(f.Channel), "channel_id"}, {string(f.Tenant), "tenant_id"}} {
		if only.value != "" {
			where += " AND p." + only.column + " = " + args.add(only.value)
		}
	}
	where += " ORDER BY p.id LIMIT " + args.add(limit)
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found, err = peopleIn(ctx, q, where, args...)
		return err
	})
	return found, err
}

// Human implements [book.Humans].
func (s *Store) Human(ctx context.Context, appID string, row book.PersonRow) (found []book.Person, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		found, err = human(ctx, q, appID, row)
		return err
	})
	return found, err
}

// human lists a person and those who are one human with them.
func human(ctx context.Context, q querier, appID string, row book.PersonRow) ([]book.Person, error) {
	found, err := peopleIn(ctx, q, "WHERE p.id = $1 AND p.app_id = $2", row, appID)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, book.ErrNobody
	case found[0].Human == 0:
		return found, nil
	}
	return peopleIn(ctx, q, "WHERE p.human = $1 AND "+ofApp+"$2 ORDER BY p.id", found[0].Human, appID)
}

// merging makes merges and splits wait for each other. It is the number of an advisory lock.
const merging = 0x6d65726765

// Merge implements [book.Humans].
func (s *Store) Merge(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) (result []book.Person, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		who, err := t.humans(ctx, appID)
		if err != nil {
			return err
		}
		all, err := merged.Of(rows, who)
		if err != nil {
			return err
		}
		if _, err := t.lockHuman(ctx, all); err != nil {
			return err
		}
		if err := t.unite(ctx, all, at); err != nil {
			return err
		}
		if err := t.prefersMerged(ctx, appID, all, at); err != nil {
			return err
		}
		result, err = who(all[0])
		return err
	})
	return result, err
}

// humans is how merged people are found once nobody else merges any.
func (t *tx) humans(ctx context.Context, appID string) (func(book.PersonRow) ([]book.Person, error), error) {
	_, err := t.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(merging))
	return func(r book.PersonRow) ([]book.Person, error) { return human(ctx, t, appID, r) }, err
}

// Split implements [book.Humans].
func (s *Store) Split(ctx context.Context, appID string, rows []book.PersonRow, at time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		who, err := t.humans(ctx, appID)
		if err != nil {
			return err
		}
		out, stay, err := merged.Without(rows, who)
		if err != nil {
			return err
		}
		both := slices.Sorted(slices.Values(slices.Concat(out, stay)))
		if err := t.lockPeopleRows(ctx, both); err != nil {
			return err
		}
		if err := t.unite(ctx, out, at); err != nil {
			return err
		}
		return t.unite(ctx, stay, at)
	})
}

// lockPeopleRows locks people in the order of their rows, as everybody does who changes several.
func (t *tx) lockPeopleRows(ctx context.Context, rows []book.PersonRow) error {
	_, err := t.Exec(ctx, "SELECT p.id FROM people p WHERE p.id = ANY ($1) ORDER BY p.id FOR NO KEY UPDATE", rows)
	return err
}

// unite makes people one human, and somebody alone nobody else.
func (t *tx) unite(ctx context.Context, rows []book.PersonRow, at time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	if err := t.lockPeopleRows(ctx, rows); err != nil {
		return err
	}
	var head *book.PersonRow
	if len(rows) > 1 {
		head = new(slices.Min(rows))
	}
	_, err := t.Exec(ctx, "UPDATE people SET human = $2, updated_at = $3 WHERE id = ANY ($1)", rows, head, exact(at))
	return err
}
