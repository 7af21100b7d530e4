package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Sight implements [book.Store]. A sighting that tells nothing new does not wait for a commit: what it returns is there
// already, except for the time of the sighting.
func (s *Store) Sight(ctx context.Context, sighting book.Sighting) (result book.Conversation, err error) {
	sighting.Reference.ActivityID = ""
	sighting.At, sighting.VerifiedAt = exact(sighting.At), exact(sighting.VerifiedAt)
	if err := s.settle(ctx); err != nil {
		return result, err
	}
	told, nothingNew := toldBy(sighting), false
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		known, err := look(ctx, q, sighting.Key, told)
		if err != nil || known.entry == nil {
			return err
		}
		next, err := known.entry.sighted(sighting)
		if err != nil {
			return err
		}
		nothingNew = next.same(known.entry) && len(known.news(told)) == 0
		result = next.copy()
		return nil
	}); err != nil {
		return book.Conversation{}, err
	}
	if nothingNew {
		return result, s.touches.add(result)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		e, err := t.sight(ctx, sighting, told)
		if err == nil {
			result = e.copy()
			t.after(func() { s.cache.put(e) })
		}
		return err
	})
	return result, err
}

// sighted is what the entry becomes by a sighting; e may be nil for a new one.
func (e *entry) sighted(s book.Sighting) (*entry, error) {
	var next entry
	if e == nil {
		next.conv = book.Conversation{Key: s.Key, CreatedAt: s.At}
	} else {
		next = *e
	}
	c := &next.conv
	if s.Reference.Locale == "" {
		s.Reference.Locale = c.Reference.Locale
	}
	if s.Reference.User == nil {
		s.Reference.User = c.Reference.User
	}
	if c.Source.Keeps(s.Source) {
		s.Reference.ServiceURL = c.Reference.ServiceURL
	} else {
		c.Source = s.Source
	}
	c.Reference = s.Reference.Clone()
	c.Kind = cmp.Or(s.Kind, c.Kind, book.KindPersonal)
	c.TimeZone = cmp.Or(s.TimeZone, c.TimeZone)
	if !s.VerifiedAt.IsZero() {
		c.VerifiedAt = s.VerifiedAt
	}
	if c.Reach != book.ReachActive {
		c.Reach, c.Cause, c.ReachAt = book.ReachActive, "", s.At
	}
	c.UpdatedAt = s.At
	var err error
	if next.reference, err = json.Marshal(c.Reference); err != nil {
		return nil, fmt.Errorf("postgres: encode the reference: %w", err)
	}
	return &next, nil
}

// same reports whether e tells nothing that earlier does not, but for its times.
func (e *entry) same(earlier *entry) bool {
	a, b := &e.conv, &earlier.conv
	return a.Kind == b.Kind && a.Source == b.Source && a.TimeZone == b.TimeZone && a.Reach == b.Reach &&
		bytes.Equal(e.reference, earlier.reference)
}

// person is what is stored of somebody; what is not known is empty.
type person struct {
	name, aadObjectID, upn, email, timeZone, locale string
}

func personOf(a *activity.ChannelAccount, s book.Sighting) person {
	p := person{name: clean(a.Name), aadObjectID: clean(a.AADObjectID)}
	if len(a.Extra) > 0 {
		var roster struct {
			UPN   string `json:"userPrincipalName"`
			Email string `json:"email"`
		}
		if json.Unmarshal(a.Extra, &roster) == nil {
			p.upn, p.email = clean(roster.UPN), clean(roster.Email)
		}
	}
	if u := s.Reference.User; u != nil && a.ID == u.ID {
		p.timeZone, p.locale = clean(s.TimeZone), clean(s.Reference.Locale)
	}
	return p
}

// over is what is stored when p is told of somebody of whom earlier was.
func (p person) over(earlier person) person {
	return person{
		cmp.Or(p.name, earlier.name), cmp.Or(p.aadObjectID, earlier.aadObjectID), cmp.Or(p.upn, earlier.upn),
		cmp.Or(p.email, earlier.email), cmp.Or(p.timeZone, earlier.timeZone), cmp.Or(p.locale, earlier.locale),
	}
}

// people are some people by their ids, in the order in which they were told of.
type people struct {
	ids  []activity.AccountID
	byID map[activity.AccountID]person
}

// toldBy is whom a sighting tells of: those with an id who are not the bot.
func toldBy(s book.Sighting) people {
	told := people{byID: make(map[activity.AccountID]person)}
	add := func(a *activity.ChannelAccount) {
		if a.ID == "" || a.ID == s.Key.Bot {
			return
		}
		before, twice := told.byID[a.ID]
		if !twice {
			told.ids = append(told.ids, a.ID)
		}
		told.byID[a.ID] = personOf(a, s).over(before)
	}
	if s.Reference.User != nil {
		add(s.Reference.User)
	}
	for i := range s.People {
		add(&s.People[i])
	}
	return told
}

// standing is what is stored of a conversation and of some people in it.
type standing struct {
	entry  *entry // nil for none
	people map[activity.AccountID]person
}

// news are those of told of whom something is told that is not stored.
func (s standing) news(told people) (news []activity.AccountID) {
	for _, id := range told.ids {
		if known, member := s.people[id]; !member || told.byID[id].over(known) != known {
			news = append(news, id)
		}
	}
	return news
}

const whereKey = `WHERE c.app_id = $1 AND c.conversation_id = $2 AND c.channel_id = $3 AND c.bot_id = $4 AND c.tenant_id = $5`

func keyArgs(k headsup.ConversationKey) []any {
	return []any{k.AppID, k.Conversation, k.Channel, k.Bot, k.Tenant}
}

// look reads what is stored.
func look(ctx context.Context, q querier, key headsup.ConversationKey, told people) (standing, error) {
	s := standing{people: make(map[activity.AccountID]person)}
	var b pgx.Batch
	b.Queue(selectConversations+whereKey, keyArgs(key)...).QueryRow(func(r pgx.Row) (err error) {
		s.entry, err = scanConversation(r)
		if notThere(err) {
			s.entry, err = nil, nil
		}
		return err
	})
	b.Queue(`SELECT p.user_id, p.name, p.aad_object_id, p.upn, p.email, p.time_zone, p.locale
		FROM conversations c JOIN members m ON m.conversation = c.id JOIN people p ON p.id = m.person
		`+whereKey+" AND p.user_id = ANY ($6)", append(keyArgs(key), told.ids)...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id activity.AccountID
			var p person
			if err := rows.Scan(&id, (*optionalText)(&p.name), (*optionalText)(&p.aadObjectID), (*optionalText)(&p.upn),
				(*optionalText)(&p.email), (*optionalText)(&p.timeZone), (*optionalText)(&p.locale)); err != nil {
				return err
			}
			s.people[id] = p
		}
		return rows.Err()
	})
	return s, q.SendBatch(ctx, &b).Close()
}

// changing locks a conversation's row of turns, as everybody does who changes it, and raises its version. It returns the
// conversation as it was, with the new version, or [book.ErrNotFound].
func (t *tx) changing(ctx context.Context, key headsup.ConversationKey) (*entry, error) {
	tag, err := t.Exec(ctx, "UPDATE turns SET version = version + 1 WHERE key = $1", turnKey(key))
	if err != nil {
		return nil, err
	}
	if tag.RowsAffected() == 0 {
		return nil, book.ErrNotFound
	}
	known, err := look(ctx, t, key, people{})
	if err == nil && known.entry == nil {
		err = book.ErrNotFound
	}
	return known.entry, err
}

// sight adds a conversation or brings it up to date. Nobody else does either meanwhile, since its row of turns is locked.
func (t *tx) sight(ctx context.Context, s book.Sighting, told people) (*entry, error) {
	var version, route int64
	if err := t.QueryRow(ctx, `INSERT INTO turns (key, version) VALUES ($1, 1)
		ON CONFLICT (key) DO UPDATE SET version = turns.version + 1 RETURNING version, coalesce(route, 0)`, turnKey(s.Key)).
		Scan(&version, &route); err != nil {
		return nil, err
	}
	known, err := look(ctx, t, s.Key, told)
	if err != nil {
		return nil, err
	}
	next, err := known.entry.sighted(s)
	if err != nil {
		return nil, err
	}
	next.version = version
	if known.entry != nil {
		err = t.updateConversation(ctx, next)
	} else {
		err = t.insertConversation(ctx, next)
	}
	if err == nil {
		err = t.goes(ctx, next, route)
	}
	if err != nil {
		return nil, err
	}
	return next, t.writePeople(ctx, next, known.news(told), told)
}

func (e *entry) user() activity.AccountID {
	if u := e.conv.Reference.User; u != nil {
		return u.ID
	}
	return ""
}

func (t *tx) updateConversation(ctx context.Context, e *entry) error {
	c := &e.conv
	_, err := t.Exec(ctx, `UPDATE conversations SET kind = $2, service_url = $3, url_source = $4, verified_at = $5,
			reference = $6, user_id = $7, locale = $8, time_zone = $9, reach = $10, reach_cause = $11, reach_at = $12,
			seen_at = $13, updated_at = $13
		WHERE id = $1`,
		c.Row, c.Kind, c.Reference.ServiceURL, c.Source, optionalTime(c.VerifiedAt), e.reference, e.user(), c.Reference.Locale,
		c.TimeZone, c.Reach, c.Cause, optionalTime(c.ReachAt), c.UpdatedAt)
	return err
}

func (t *tx) insertConversation(ctx context.Context, e *entry) error {
	c := &e.conv
	if err := t.QueryRow(ctx, `INSERT INTO conversations (app_id, conversation_id, channel_id, bot_id, tenant_id, kind,
			service_url, url_source, verified_at, reference, user_id, locale, time_zone, reach, reach_cause, reach_at,
			seen_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $17) RETURNING id`,
		append(keyArgs(c.Key), c.Kind, c.Reference.ServiceURL, c.Source, optionalTime(c.VerifiedAt), e.reference, e.user(),
			c.Reference.Locale, c.TimeZone, c.Reach, c.Cause, optionalTime(c.ReachAt), c.UpdatedAt)...).Scan(&c.Row); err != nil {
		return err
	}
	_, err := t.Exec(ctx, "UPDATE turns SET conversation = $2 WHERE key = $1", turnKey(c.Key), c.Row)
	return err
}

// writePeople writes what is told of some people, and that they are in the conversation. They are written in the order of
// their ids, so that nobody waits in a circle; who is new gets a number in the order in which they were told of.
func (t *tx) writePeople(ctx context.Context, e *entry, ids []activity.AccountID, told people) error {
	if len(ids) == 0 {
		return nil
	}
	columns := make([][]string, 6)
	for _, id := range ids {
		p := told.byID[id]
		for i, value := range [...]string{p.name, p.aadObjectID, p.upn, p.email, p.timeZone, p.locale} {
			columns[i] = append(columns[i], value)
		}
	}
	c := &e.conv
	known, err := t.lockPeople(ctx, c, ids)
	if err != nil {
		return err
	}
	rows := make([]int64, len(ids))
	for i, id := range ids {
		rows[i] = known[id]
	}
	var b pgx.Batch
	b.Queue(`UPDATE people p SET name = coalesce(nullif(u.name, ''), p.name),
			aad_object_id = coalesce(nullif(u.aad, ''), p.aad_object_id), upn = coalesce(nullif(u.upn, ''), p.upn),
			email = coalesce(nullif(u.email, ''), p.email), time_zone = coalesce(nullif(u.zone, ''), p.time_zone),
			locale = coalesce(nullif(u.locale, ''), p.locale), updated_at = $5
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $6::text[], $7::text[], $8::text[])
			u (id, name, aad, upn, email, zone, locale)
		WHERE p.id = u.id`, rows,
		columns[0], columns[1], columns[2], c.UpdatedAt, columns[3], columns[4], columns[5])
	b.Queue(`INSERT INTO members (person, conversation) SELECT id, $2 FROM unnest($1::bigint[]) AS n (id)
		ORDER BY id ON CONFLICT DO NOTHING`, rows, c.Row)
	return t.SendBatch(ctx, &b).Close()
}

// lockPeople locks the rows of some people, and adds those that are missing. One may be forgotten between the two steps. It
// returns the rows.
func (t *tx) lockPeople(ctx context.Context, c *book.Conversation, ids []activity.AccountID) (map[activity.AccountID]int64, error) {
	there := make(map[activity.AccountID]int64, len(ids))
	for {
		var b pgx.Batch
		b.Queue(`INSERT INTO people (app_id, tenant_id, channel_id, user_id, created_at, updated_at)
			SELECT $1, $2, $3, u.id, $5, $5 FROM unnest($4::text[]) WITH ORDINALITY u (id, place)
			ORDER BY u.place ON CONFLICT DO NOTHING`,
			c.Key.AppID, c.Key.Tenant, c.Key.Channel, ids, c.UpdatedAt)
		// A join, and no list to be compared with: for an empty table the planner takes it to be cheapest to find all people of
		// the app by the index and to compare each with the list, and it remembers that while the table grows.
		b.Queue(`SELECT p.id, p.user_id FROM unnest($4::text[]) AS u (id)
			JOIN people p ON p.app_id = $1 AND p.tenant_id = $2 AND p.channel_id = $3 AND p.user_id = u.id
			ORDER BY p.id + 0 FOR NO KEY UPDATE OF p`, c.Key.AppID, c.Key.Tenant, c.Key.Channel, ids).Query(func(r pgx.Rows) error {
			clear(there)
			var row int64
			var id activity.AccountID
			_, err := pgx.ForEachRow(r, []any{&row, &id}, func() error {
				there[id] = row
				return nil
			})
			return err
		})
		if err := t.SendBatch(ctx, &b).Close(); err != nil || len(there) == len(ids) {
			return there, err
		}
	}
}

// StrikeOut implements [book.Store].
func (s *Store) StrikeOut(
	ctx context.Context, key headsup.ConversationKey, r book.Reach, cause string, at time.Time,
) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		known, err := t.changing(ctx, key)
		if errors.Is(err, book.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = t.Exec(ctx, `UPDATE conversations SET reach = $2, reach_cause = $3,
				reach_at = CASE WHEN reach = $2 THEN reach_at ELSE $4 END, updated_at = $4 WHERE id = $1`,
			known.conv.Row, r, clean(cause), exact(at))
		return err
	})
}
