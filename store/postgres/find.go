package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// finding is a name that somebody looks for in the book, and the conversations that have it, newest sighting first.
type finding struct {
	by           nameKind
	appID, value string

	found []book.Conversation
}

// nameKind is what a name is the name of.
type nameKind int

const (
	byConversation nameKind = iota
	byMember                // the channel user id of somebody who takes part
	byUser                  // the rest mean a human, in whose own chats something is said
	byObjectID
	byUPN
	byEmail
	byExternalID
	nameKinds
)

// kindOf are the kinds that mean a human, by the columns of people.
var kindOf = map[string]nameKind{
	"user_id": byUser, "aad_object_id": byObjectID, "upn": byUPN, "email": byEmail, "external_id": byExternalID,
}

// sighted are the entries that have names, by the numbers of the names. What an entry is in this version may be remembered;
// what changes without a new version is read. Each is a look into indexes, whatever the planner believes.
func sighted(rows, which string) string {
	return "SELECT k.n, e.* FROM " + rowsOf("k", "$1::text[] app_id", "$2::text[] value", "$3::bigint[] n") + " CROSS JOIN LATERAL (" + rows + `
			OFFSET 0) AS f CROSS JOIN LATERAL (
			SELECT c.id, t.version, c.verified_at, c.updated_at, t.last_inbound_at, coalesce(t.busy, ''), c.seen_at` + fromConversations + `
			WHERE c.id = f.id` + which + ` OFFSET 0) AS e
		ORDER BY k.n, e.seen_at DESC, e.id DESC`
}

// findBy are the statements that look for names of each kind.
var findBy = func() (by [nameKinds]string) {
	by[byConversation] = sighted("SELECT c.id FROM conversations c WHERE c.app_id = k.app_id AND c.conversation_id = k.value", "")
	by[byMember] = sighted(`SELECT DISTINCT m.conversation AS id FROM people p JOIN members m ON m.person = p.id
		WHERE p.app_id = k.app_id AND p.user_id = k.value`, "")
	for column, kind := range kindOf {
		of := "p." + column + " = k.value AND " + ofApp + "k.app_id"
		if kind == byUser { // whose index begins with the app
			of = "p.user_id = k.value AND p.app_id = k.app_id"
		}
		by[kind] = sighted(`SELECT DISTINCT m.conversation AS id FROM members m WHERE m.person IN (
				SELECT p.id FROM people p WHERE `+of+` UNION SELECT q.id FROM people p JOIN people q ON q.human = p.human WHERE `+of+`)`,
			" AND c.kind = '"+string(book.KindPersonal)+"'")
	}
	return by
}()

// find looks for a name, together with others who look for one at the same time.
func (s *Store) find(ctx context.Context, by nameKind, appID, value string) ([]book.Conversation, error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	f := &finding{by: by, appID: appID, value: value}
	if err := s.finds.do(ctx, f); err != nil {
		return nil, err
	}
	return f.found, nil
}

// LookUpsAtOnce implements [book.Gatherer].
func (*Store) LookUpsAtOnce() int { return 64 }

// ConversationsByID implements [book.Store].
func (s *Store) ConversationsByID(ctx context.Context, appID string, id activity.ConversationID) ([]book.Conversation, error) {
	return s.find(ctx, byConversation, appID, string(id))
}

// ConversationsByUser implements [book.Store].
func (s *Store) ConversationsByUser(ctx context.Context, appID string, user activity.AccountID) ([]book.Conversation, error) {
	return s.find(ctx, byMember, appID, string(user))
}

// ConversationsOf implements [book.Store].
func (s *Store) ConversationsOf(ctx context.Context, appID string, k book.PersonKey) ([]book.Conversation, error) {
	column, value := columnOf(k)
	if value == "" {
		return nil, nil
	}
	return s.find(ctx, kindOf[column], appID, value)
}

// glimpse is what is read of an entry that has a name.
type glimpse struct {
	of                           *finding
	row                          book.Row
	version                      int64
	verified, updated, lastHeard time.Time
	busy                         string
	seen                         time.Time
}

// findAll looks for names together.
func (s *Store) findAll(ctx context.Context, list []*finding) error {
	return s.read(ctx, func(ctx context.Context, q querier) error {
		seen, err := glimpses(ctx, q, list)
		if err != nil {
			return err
		}
		known := make(map[book.Row]*entry, len(seen))
		var missing []book.Row
		for _, g := range seen {
			if _, ok := known[g.row]; ok {
				continue
			}
			e, ok := s.cache.entry(g.row, g.version)
			if known[g.row] = e; !ok {
				missing = append(missing, g.row)
			}
		}
		if len(missing) > 0 {
			read, err := entries(ctx, q, missing)
			if err != nil {
				return err
			}
			for _, row := range missing {
				if known[row] = read[row]; read[row] != nil {
					s.cache.put(read[row])
				}
			}
		}
		for _, f := range list {
			f.found = nil
		}
		for _, g := range seen {
			e := known[g.row]
			if e == nil { // forgotten meanwhile
				continue
			}
			c := e.copy()
			c.VerifiedAt, c.UpdatedAt, c.LastInboundAt = g.verified, g.updated, g.lastHeard
			if c.Busy, err = outbox.DecodeBusy(g.busy); err != nil {
				return err
			}
			g.of.found = append(g.of.found, c)
		}
		return nil
	})
}

// glimpses reads which entries have names.
func glimpses(ctx context.Context, q querier, list []*finding) (seen []glimpse, err error) {
	var names [nameKinds]struct {
		apps, values []string
		n            []int64
	}
	for i, f := range list {
		of := &names[f.by]
		of.apps, of.values, of.n = append(of.apps, f.appID), append(of.values, f.value), append(of.n, int64(i))
	}
	var b pgx.Batch
	for by, of := range names {
		if len(of.n) == 0 {
			continue
		}
		b.Queue(findBy[by], of.apps, of.values, of.n).Query(func(r pgx.Rows) error {
			var n int64
			var g glimpse
			_, err := pgx.ForEachRow(r, []any{
				&n, &g.row, &g.version, (*optionalTime)(&g.verified), &g.updated, (*optionalTime)(&g.lastHeard), &g.busy, &g.seen,
			}, func() error {
				g.of = list[n]
				seen = append(seen, g)
				return nil
			})
			return err
		})
	}
	return seen, q.SendBatch(ctx, &b).Close()
}
