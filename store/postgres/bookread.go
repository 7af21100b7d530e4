package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

const selectConversations = "SELECT " + conversationColumns + fromConversations

// arguments are those of a statement, as it grows.
type arguments []any

// add adds one and returns how the statement names it.
func (a *arguments) add(value any) string {
	*a = append(*a, value)
	return "$" + strconv.Itoa(len(*a))
}

func (s *Store) conversations(ctx context.Context, query string, args ...any) (found []book.Conversation, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (book.Conversation, error) {
			e, err := scanConversation(r)
			if err != nil {
				return book.Conversation{}, err
			}
			return e.conv, nil
		})
		return err
	})
	return found, err
}

// Conversation implements [book.Store].
func (s *Store) Conversation(ctx context.Context, key headsup.ConversationKey) (book.Conversation, error) {
	if err := s.settle(ctx); err != nil {
		return book.Conversation{}, err
	}
	l := &looking{key: key}
	if err := s.looks.do(ctx, l); err != nil {
		return book.Conversation{}, err
	}
	if l.found == nil {
		return book.Conversation{}, book.ErrNotFound
	}
	return l.found.copy(), nil
}

// Recall implements [book.Recaller].
func (s *Store) Recall(key headsup.ConversationKey) (book.Row, bool) { return s.cache.row(key) }

// looking is a conversation that somebody looks for, and what was found.
type looking struct {
	key   headsup.ConversationKey
	found *entry
}

// lookUp reads conversations together.
func (s *Store) lookUp(ctx context.Context, list []*looking) error {
	keys := make([]int64, len(list))
	for i, l := range list {
		keys[i] = turnKey(l.key)
	}
	return s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT "+conversationColumns+` FROM unnest($1::bigint[]) AS k (key)
			JOIN turns t ON t.key = k.key JOIN conversations c ON c.id = t.conversation`, keys)
		if err != nil {
			return err
		}
		found := make(map[headsup.ConversationKey]*entry, len(list))
		if _, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e *entry, err error) {
			if e, err = s.cache.scan(r); err == nil {
				found[e.conv.Key] = e
				s.cache.put(e)
			}
			return e, err
		}); err != nil {
			return err
		}
		for _, l := range list {
			l.found = found[l.key]
		}
		return nil
	})
}

// Newest implements [book.Store].
func (s *Store) Newest(
	ctx context.Context, appID string, channel activity.ChannelID, tenant activity.TenantID, n int,
) ([]book.Conversation, error) {
	return s.conversations(ctx, selectConversations+`WHERE c.id = ANY (ARRAY (SELECT n.id FROM conversations n
			WHERE n.tenant_id = $2 AND n.tenant_id <> '' AND n.app_id || '' = $1 AND n.channel_id = $3 ORDER BY n.id DESC LIMIT $4))
		ORDER BY c.id DESC`, appID, tenant, channel, n)
}

// Conversations implements [book.Store].
func (s *Store) Conversations(
	ctx context.Context, appID string, f book.Filter, after book.Row, limit int,
) ([]book.Conversation, error) {
	where, row, args := fitting(appID, f, after)
	more := arguments(args)
	return s.conversations(ctx, "SELECT "+conversationColumns+" FROM (SELECT c.id "+where+" ORDER BY "+row+" LIMIT "+more.add(limit)+
		`) i JOIN conversations c ON c.id = i.id JOIN turns t ON t.conversation = c.id ORDER BY c.id`, more...)
}

// Extent implements [book.Store].
func (s *Store) Extent(ctx context.Context, appID string, f book.Filter) (n int, last book.Row, err error) {
	where, _, args := fitting(appID, f, 0)
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		if err := q.QueryRow(ctx, "SELECT count(*) "+where, args...).Scan(&n); err != nil {
			return err
		}
		return q.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM conversations").Scan(&last)
	})
	return n, last, err
}

// fitting is what follows the columns of a query for the conversations c after one that a filter lets through; row is
// what orders them.
func fitting(appID string, f book.Filter, after book.Row) (where, row string, _ []any) {
	f = f.Folded()
	var args arguments
	where, row = "FROM conversations c WHERE c.id > "+args.add(after), "c.id"
	if f.Tag != "" {
		where, row = "FROM tags g JOIN conversations c ON c.id = g.conversation WHERE g.conversation > $1 AND g.tag = "+args.add(f.Tag), "g.conversation"
	}
	where += " AND c.app_id = " + args.add(appID)
	for _, only := range [...]struct{ value, column string }{
		{string(f.Kind), "kind"}, {string(f.Channel), "channel_id"}, {string(f.Reach), "reach"},
		{string(f.Tenant), "tenant_id"}, {f.Team, "team_id"}, {f.Room, "room_id"},
	} {
		if only.value != "" {
			where += " AND c." + only.column + " = " + args.add(only.value)
		}
	}
	if f.Tenant != "" { // what the index says, too
		where += " AND c.tenant_id <> ''"
	}
	for _, k := range f.People() {
		column, value := columnOf(k)
		of := ofApp
		if column == "user_id" { // whose index begins with the app
			of = "p.app_id = "
		}
		where += " AND c.id IN (SELECT m.conversation FROM people p JOIN members m ON m.person = p.id WHERE " + of + args.add(appID) +
			" AND p." + column + " = " + args.add(value) + ")"
	}
	return where, row, args
}

// Details implements [book.Store].
func (s *Store) Details(ctx context.Context, rows []book.Row) (map[book.Row]book.Details, error) {
	found := make(map[book.Row]book.Details, len(rows))
	err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
		clear(found)
		var b pgx.Batch
		b.Queue("SELECT id FROM conversations WHERE id = ANY ($1)", rows).Query(func(r pgx.Rows) error {
			var row book.Row
			_, err := pgx.ForEachRow(r, []any{&row}, func() error {
				found[row] = book.Details{}
				return nil
			})
			return err
		})
		b.Queue("SELECT conversation, tag FROM tags WHERE conversation = ANY ($1) ORDER BY conversation, tag", rows).Query(
			func(r pgx.Rows) error {
				var row book.Row
				var tag string
				_, err := pgx.ForEachRow(r, []any{&row, &tag}, func() error {
					d := found[row]
					d.Tags = append(d.Tags, tag)
					found[row] = d
					return nil
				})
				return err
			})
		b.Queue("SELECT c.id, "+personColumns+` FROM unnest($1::bigint[]) c (id) CROSS JOIN LATERAL (
				SELECT m.person FROM members m WHERE m.conversation = c.id ORDER BY m.person LIMIT $2) m
			JOIN people p ON p.id = m.person ORDER BY c.id, p.id`, rows, book.MaxPeople).Query(
			func(r pgx.Rows) error {
				var row book.Row
				for r.Next() {
					p, err := scanPerson(after{r, &row})
					if err != nil {
						return err
					}
					d := found[row]
					d.People = append(d.People, p)
					found[row] = d
				}
				return r.Err()
			})
		return q.SendBatch(ctx, &b).Close()
	})
	return found, err
}

// after is a row whose first column is read beside the others.
type after struct {
	pgx.Rows
	first any
}

func (a after) Scan(dest ...any) error { return a.Rows.Scan(append([]any{a.first}, dest...)...) }

// Label implements [book.Store].
func (s *Store) Label(ctx context.Context, key headsup.ConversationKey, l book.Labels, at time.Time) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	at = exact(at)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		known, err := t.changing(ctx, key)
		if err != nil {
			return err
		}
		if err := t.name(ctx, known, l.ExternalID, at); err != nil {
			return err
		}
		if err := t.tag(ctx, known.conv.Row, l); err != nil {
			return err
		}
		_, err = t.Exec(ctx, "UPDATE conversations SET updated_at = $2 WHERE id = $1", known.conv.Row, at)
		return err
	})
}

// name gives the person of a personal conversation an external id; nil leaves it.
func (t *tx) name(ctx context.Context, e *entry, externalID *string, at time.Time) error {
	if externalID == nil {
		return nil
	}
	user := e.conv.Person()
	if user == "" {
		return book.ErrNoPerson
	}
	k := e.conv.Key
	_, err := t.Exec(ctx, `UPDATE people SET external_id = $5, updated_at = $6
		WHERE app_id = $1 AND user_id = $2 AND channel_id = $3 AND tenant_id = $4`,
		k.AppID, user, k.Channel, k.Tenant, optionalText(*externalID), at)
	return err
}

// tag changes the tags of a conversation.
func (t *tx) tag(ctx context.Context, r book.Row, l book.Labels) error {
	add := l.AddTags
	if l.Tags != nil {
		add = slices.Concat(*l.Tags, add)
		if _, err := t.Exec(ctx, "DELETE FROM tags WHERE conversation = $1", r); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := t.Exec(ctx, "INSERT INTO tags (tag, conversation) SELECT tag, $2 FROM unnest($1::text[]) u (tag) ON CONFLICT DO NOTHING",
			add, r); err != nil {
			return err
		}
	}
	if len(l.RemoveTags) > 0 {
		if _, err := t.Exec(ctx, "DELETE FROM tags WHERE conversation = $1 AND tag = ANY ($2)", r, l.RemoveTags); err != nil {
			return err
		}
	}
	if len(add) == 0 {
		return nil
	}
	var n int
	if err := t.QueryRow(ctx, "SELECT count(*) FROM tags WHERE conversation = $1", r).Scan(&n); err != nil {
		return err
	}
	if n > book.MaxTags {
		return book.ErrTooManyTags
	}
	return nil
}

// notThere is what a query for one row says when there is none.
func notThere(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
