package sqlite

import (
	"cmp"
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

const (
	conversationColumns = `SELECT c.id, c.app_id, c.tenant_id, c.channel_id, c.bot_id, c.conversation_id, c.kind,
		c.url_source, c.verified_at, c.reference, c.time_zone, c.reach, c.reach_cause, c.reach_at, c.last_inbound_at,
		c.created_at, c.updated_at, c.route, c.busy,
		c.reach_until, c.team_id, c.team_name, c.team_group, c.room_id, c.room_name, c.meeting_id,
		c.preferences `
	selectConversation = conversationColumns + "FROM conversations c "

	whereKey = `WHERE c.app_id = ? AND c.conversation_id = ? AND c.channel_id = ? AND c.bot_id = ? AND c.tenant_id = ?`
)

func keyArgs(k headsup.ConversationKey) []any {
	return []any{text(k.AppID), text(k.Conversation), text(k.Channel), text(k.Bot), text(k.Tenant)}
}

func scanConversation(r row) (*entry, error) {
	e := &entry{reference: r.bytes(9), route: r.int(17), conv: book.Conversation{
		Row: book.Row(r.int(0)),
		Key: headsup.ConversationKey{
			AppID: r.text(1), Tenant: activity.TenantID(r.text(2)), Channel: activity.ChannelID(r.text(3)),
			Bot: activity.AccountID(r.text(4)), Conversation: activity.ConversationID(r.text(5)),
		},
		Kind: book.Kind(r.text(6)), Source: book.Source(r.text(7)), VerifiedAt: r.time(8),
		TimeZone: r.text(10), Reach: book.Reach(r.text(11)), Cause: r.text(12), ReachAt: r.time(13),
		LastInboundAt: r.time(14), CreatedAt: r.time(15), UpdatedAt: r.time(16), Until: r.time(19),
		Place: book.Place{
			Team: r.text(20), TeamName: r.text(21), Group: r.text(22), Room: r.text(23), RoomName: r.text(24), Meeting: r.text(25),
		},
	}}
	if err := json.Unmarshal(e.reference, &e.conv.Reference); err != nil {
		return nil, fmt.Errorf("sqlite: the reference of conversation %d: %w", e.conv.Row, err)
	}
	var err error
	if e.conv.Busy, err = outbox.DecodeBusy(r.text(18)); err != nil {
		return nil, fmt.Errorf("sqlite: conversation %d: %w", e.conv.Row, err)
	}
	if e.conv.Preferences, err = book.DecodePreferences(r.text(26)); err != nil {
		return nil, fmt.Errorf("sqlite: conversation %d: %w", e.conv.Row, err)
	}
	return e, nil
}

func (s *Store) conversations(ctx context.Context, query string, args ...any) (found []book.Conversation, err error) {
	if found, err = s.addressed(ctx, query, args...); err != nil {
		return nil, err
	}
	return found, s.writer.sync.wait(ctx)
}

// addressed is conversations for what something is said to. What it returns may not be synced yet; whatever is written
// because of it is synced after it. A request waits for the disk once that way, and not for each of its targets, too.
func (s *Store) addressed(ctx context.Context, query string, args ...any) (found []book.Conversation, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	err = s.peek(ctx, func(c *conn) (err error) {
		found, err = readConversations(c, query, args...)
		return err
	})
	return found, err
}

func readConversations(c *conn, query string, args ...any) (found []book.Conversation, err error) {
	err = c.each(func(r row) error {
		e, err := scanConversation(r)
		if err == nil {
			found = append(found, e.conv)
		}
		return err
	}, query, args...)
	return found, err
}

func readEntries(c *conn, query string, args ...any) (found []*entry, err error) {
	err = c.each(func(r row) error {
		e, err := scanConversation(r)
		found = append(found, e)
		return err
	}, query, args...)
	return found, err
}

// Conversation implements [book.Store]. What it returns may not be synced yet; whatever is written because of it is synced
// after it.
func (s *Store) Conversation(ctx context.Context, key headsup.ConversationKey) (book.Conversation, error) {
	if err := s.settle(ctx); err != nil {
		return book.Conversation{}, err
	}
	if e, ok := s.cache.key(key); ok {
		return e.conv, nil
	}
	age, _ := s.cache.now()
	var found *entry
	var bad error
	err := s.peek(ctx, func(c *conn) error {
		_, err := c.one(func(r row) { found, bad = scanConversation(r) }, selectConversation+whereKey, keyArgs(key)...)
		return cmp.Or(err, bad)
	})
	switch {
	case err != nil:
		return book.Conversation{}, err
	case found == nil:
		return book.Conversation{}, book.ErrNotFound
	}
	s.cache.offer(found, age)
	return found.conv, nil
}

// ConversationsByID implements [book.Store], as Conversation does. That there is only one with an id, as nearly always, is
// remembered.
func (s *Store) ConversationsByID(
	ctx context.Context, appID string, id activity.ConversationID,
) (all []book.Conversation, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if e, ok := s.cache.named(name{appID, id}); ok {
		return []book.Conversation{e.conv}, nil
	}
	age, born := s.cache.now()
	var found []*entry
	if err := s.peek(ctx, func(c *conn) (err error) {
		found, err = readEntries(c, selectConversation+
			"WHERE c.app_id = ? AND c.conversation_id = ? ORDER BY c.seen_at DESC, c.id DESC", text(appID), text(id))
		return err
	}); err != nil {
		return nil, err
	}
	if len(found) == 1 {
		s.cache.offerNamed(found[0], age, born)
	}
	for _, e := range found {
		all = append(all, e.conv)
	}
	return all, nil
}

// ConversationsByUser implements [book.Store], as Conversation does.
func (s *Store) ConversationsByUser(
	ctx context.Context, appID string, user activity.AccountID,
) ([]book.Conversation, error) {
	return s.addressed(ctx, selectConversation+`WHERE c.id IN (
			SELECT m.conversation FROM people p JOIN members m ON m.person = p.id WHERE p.app_id = ? AND p.user_id = ?)
		ORDER BY c.seen_at DESC, c.id DESC`, text(appID), text(user))
}

// Newest implements [book.Store], as Conversation does.
func (s *Store) Newest(
	ctx context.Context, appID string, channel activity.ChannelID, tenant activity.TenantID, n int,
) ([]book.Conversation, error) {
	return s.addressed(ctx, selectConversation+`WHERE c.tenant_id = ? AND c.tenant_id <> '' AND +c.app_id = ? AND +c.channel_id = ?
		ORDER BY c.id DESC LIMIT +?`, text(tenant), text(appID), text(channel), int64(n))
}

// ConversationsOf implements [book.Store], as Conversation does.
func (s *Store) ConversationsOf(ctx context.Context, appID string, k book.PersonKey) ([]book.Conversation, error) {
	column, value := columnOf(k)
	if value == "" {
		return nil, nil
	}
	of := "p." + column + " = ?1 AND +p.app_id = ?2"
	if column == "user_id" { // whose index begins with the app
		of = "p.user_id = ?1 AND p.app_id = ?2"
	}
	return s.addressed(ctx, selectConversation+`WHERE c.id IN (SELECT m.conversation FROM members m WHERE m.person IN (
			SELECT p.id FROM people p WHERE `+of+` UNION SELECT q.id FROM people p CROSS JOIN people q ON q.human = p.human WHERE `+of+`))
		AND +c.kind = ?3 ORDER BY c.seen_at DESC, c.id DESC`, text(value), text(appID), text(book.KindPersonal))
}

// Conversations implements [book.Store]. It goes along the rows, or along those with the tag.
func (s *Store) Conversations(
	ctx context.Context, appID string, f book.Filter, after book.Row, limit int,
) ([]book.Conversation, error) {
	where, row, args := fitting(appID, f, after)
	return s.conversations(ctx, conversationColumns+where+" ORDER BY "+row+" LIMIT +?", append(args, int64(limit))...)
}

// Extent implements [book.Store].
func (s *Store) Extent(ctx context.Context, appID string, f book.Filter) (n int, last book.Row, err error) {
	if err := s.settle(ctx); err != nil {
		return 0, 0, err
	}
	where, _, args := fitting(appID, f, 0)
	err = s.read(ctx, func(c *conn) error {
		if _, err := c.one(func(r row) { n = int(r.int(0)) }, "SELECT count(*) "+where, args...); err != nil {
			return err
		}
		_, err := c.one(func(r row) { last = book.Row(r.int(0)) }, "SELECT max(id) FROM conversations")
		return err
	})
	return n, last, err
}

// fitting is what follows the columns of a query for the conversations after one that a filter lets through; row is what
// orders them.
func fitting(appID string, f book.Filter, after book.Row) (where, row string, args []any) {
	if f == (book.Filter{Reach: f.Reach}) && f.Reach != "" { // along the index alone
		return "FROM conversations c WHERE c.app_id = ? AND c.reach = ? AND c.id > ?", "c.id",
			[]any{text(appID), text(f.Reach), int64(after)}
	}
	f = f.Folded()
	from, row := "FROM conversations c WHERE c.id > ?", "c.id"
	args = []any{int64(after)}
	switch {
	case f.Tag != "":
		from, row = "FROM tags g CROSS JOIN conversations c ON c.id = g.conversation WHERE g.tag = ? AND g.conversation > ?", "g.conversation"
		args = []any{text(f.Tag), int64(after)}
	case f.Team != "":
		from, args = "FROM conversations c WHERE c.team_id = ? AND c.id > ?", []any{text(f.Team), int64(after)}
	case f.Tenant != "" && len(f.People()) == 0:
		from, args = "FROM conversations c WHERE c.tenant_id = ? AND c.tenant_id <> '' AND c.id > ?", []any{text(f.Tenant), int64(after)}
	}
	where = from + " AND +c.app_id = ?"
	args = append(args, text(appID))
	for _, only := range [...]struct{ value, condition string }{
		{string(f.Kind), " AND +c.kind = ?"},
		{string(f.Channel), " AND +c.channel_id = ?"},
		{string(f.Reach), " AND +c.reach = ?"},
		{string(f.Tenant), " AND +c.tenant_id = ?"},
		{f.Team, " AND +c.team_id = ?"},
		{f.Room, " AND +c.room_id = ?"},
	} {
		if only.value != "" {
			where += only.condition
			args = append(args, text(only.value))
		}
	}
	for _, k := range f.People() {
		column, value := columnOf(k)
		where += " AND c.id IN (SELECT m.conversation FROM people p CROSS JOIN members m ON m.person = p.id WHERE p." + column +
			" = ? AND p.app_id = ?)"
		args = append(args, text(value), text(appID))
	}
	return where, row, args
}
