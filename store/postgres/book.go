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
func (s *Store) Sight(ctx context.Context, sighting book.Sighting) (book.Conversation, error) {
	e, _, err := s.sighting(ctx, sighting)
	if err != nil {
		return book.Conversation{}, err
	}
	return e.copy(), nil
}

// sighting is Sight that returns the entry, and which of its sightings is the latest that is noted.
func (s *Store) sighting(ctx context.Context, sighting book.Sighting) (result *entry, noted time.Time, err error) {
	sighting.Reference.ActivityID = ""
	sighting.At, sighting.VerifiedAt = exact(sighting.At), exact(sighting.VerifiedAt)
	if err := s.settle(ctx); err != nil {
		return nil, noted, err
	}
	p := &sighting.Place
	for _, text := range [...]*string{&p.Team, &p.TeamName, &p.Group, &p.Room, &p.RoomName, &p.Meeting} {
		*text = clean(*text)
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
		result, noted = next, known.entry.conv.UpdatedAt
		return nil
	}); err != nil {
		return nil, noted, err
	}
	switch {
	case nothingNew && sighting.At.Sub(noted).Abs() < book.SightedWithin:
		return result, noted, nil
	case nothingNew:
		return result, sighting.At, s.touches.add(result.conv)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		e, err := t.sight(ctx, sighting, told)
		if err == nil {
			result = e
			t.after(func() { s.cache.put(e) })
		}
		return err
	})
	return result, sighting.At, err
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
	c.Place = s.Place.Over(c.Place)
	stand(c, s.Lifts(*c))
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
	return a.Kind == b.Kind && a.Source == b.Source && a.TimeZone == b.TimeZone && a.Place == b.Place &&
		a.Reach == b.Reach && a.Cause == b.Cause && a.ReachAt.Equal(b.ReachAt) &&
		bytes.Equal(e.reference, earlier.reference)
}

func stand(c *book.Conversation, s book.Standing) {
	c.Reach, c.Cause, c.ReachAt, c.Until = s.Reach, s.Cause, exact(s.At), exact(s.Until)
}

// personOf is what a sighting tells of somebody, as PostgreSQL takes it.
func personOf(a *activity.ChannelAccount, s book.Sighting) book.Person {
	p := s.PersonOf(a)
	for _, text := range [...]*string{&p.Name, &p.ObjectID, &p.UPN, &p.Email, &p.TimeZone, &p.Locale, &p.Country} {
		*text = clean(*text)
	}
	return p
}

// people are some people by their ids, in the order in which they were told of.
type people struct {
	ids  []activity.AccountID
	byID map[activity.AccountID]book.Person
}

// toldBy is whom a sighting tells of: those with an id who are not the bot.
func toldBy(s book.Sighting) people {
	told := people{byID: make(map[activity.AccountID]book.Person)}
	for a := range s.Everybody {
		before, twice := told.byID[a.ID]
		if !twice {
			told.ids = append(told.ids, a.ID)
		}
		told.byID[a.ID] = personOf(a, s).Over(before)
	}
	return told
}

// standing is what is stored of a conversation and of some people in it.
type standing struct {
	entry  *entry // nil for none
	people map[activity.AccountID]book.Person
}

// news are those of told of whom something is told that is not stored.
func (s standing) news(told people) (news []activity.AccountID) {
	for _, id := range told.ids {
		if known, member := s.people[id]; !member || told.byID[id].Over(known) != known {
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
	s := standing{people: make(map[activity.AccountID]book.Person)}
	var b pgx.Batch
	b.Queue(selectConversations+whereKey, keyArgs(key)...).QueryRow(func(r pgx.Row) (err error) {
		s.entry, err = scanConversation(r)
		if notThere(err) {
			s.entry, err = nil, nil
		}
		return err
	})
	b.Queue("SELECT "+personColumns+` FROM conversations c JOIN members m ON m.conversation = c.id JOIN people p ON p.id = m.person
		`+whereKey+" AND p.user_id = ANY ($6)", append(keyArgs(key), told.ids)...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			p, err := scanPerson(rows)
			if err != nil {
				return err
			}
			s.people[p.ID] = p
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
	if err := t.writePeople(ctx, next, known.news(told), told); err != nil {
		return nil, err
	}
	if who := next.conv.Person(); who != "" && (known.entry == nil || known.entry.conv.Person() != who) {
		if err := t.adopt(ctx, next); err != nil {
			return nil, err
		}
	}
	if known.entry != nil && known.entry.conv.TimeZone != next.conv.TimeZone {
		_, err = t.resume(ctx, []book.Row{next.conv.Row}, s.At)
	}
	return next, err
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
			seen_at = $13, updated_at = $13, reach_until = $14, team_id = $15, team_name = $16, team_group = $17, room_id = $18,
			room_name = $19, meeting_id = $20
		WHERE id = $1`,
		c.Row, c.Kind, c.Reference.ServiceURL, c.Source, optionalTime(c.VerifiedAt), e.reference, e.user(), c.Reference.Locale,
		c.TimeZone, c.Reach, c.Cause, optionalTime(c.ReachAt), c.UpdatedAt, optionalTime(c.Until), optionalText(c.Place.Team),
		optionalText(c.Place.TeamName), optionalText(c.Place.Group), optionalText(c.Place.Room), optionalText(c.Place.RoomName),
		optionalText(c.Place.Meeting))
	return err
}

func (t *tx) insertConversation(ctx context.Context, e *entry) error {
	c := &e.conv
	if err := t.QueryRow(ctx, `INSERT INTO conversations (app_id, conversation_id, channel_id, bot_id, tenant_id, kind,
			service_url, url_source, verified_at, reference, user_id, locale, time_zone, reach, reach_cause, reach_at,
			seen_at, created_at, updated_at, team_id, team_name, team_group, room_id, room_name, meeting_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $17, $18, $19, $20, $21, $22, $23)
		RETURNING id`,
		append(keyArgs(c.Key), c.Kind, c.Reference.ServiceURL, c.Source, optionalTime(c.VerifiedAt), e.reference, e.user(),
			c.Reference.Locale, c.TimeZone, c.Reach, c.Cause, optionalTime(c.ReachAt), c.UpdatedAt, optionalText(c.Place.Team),
			optionalText(c.Place.TeamName), optionalText(c.Place.Group), optionalText(c.Place.Room), optionalText(c.Place.RoomName),
			optionalText(c.Place.Meeting))...).Scan(&c.Row); err != nil {
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
	columns := make([][]string, 7)
	for _, id := range ids {
		p := told.byID[id]
		for i, value := range [...]string{p.Name, p.ObjectID, p.UPN, p.Email, p.TimeZone, p.Locale, p.Country} {
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
			locale = coalesce(nullif(u.locale, ''), p.locale), country = coalesce(nullif(u.country, ''), p.country), updated_at = $5
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $6::text[], $7::text[], $8::text[], $9::text[])
			u (id, name, aad, upn, email, zone, locale, country)
		WHERE p.id = u.id`, rows,
		columns[0], columns[1], columns[2], c.UpdatedAt, columns[3], columns[4], columns[5], columns[6])
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
		// One look into the index for each: while the table is nearly empty the planner takes it to be cheapest to find all
		// people of the tenant and to compare each with the list, and it remembers that while the table grows.
		b.Queue(`SELECT p.id, p.user_id FROM people p WHERE p.id = ANY (ARRAY (
				SELECT k.id FROM unnest($4::text[]) AS u (id) CROSS JOIN LATERAL (SELECT k.id FROM people k
					WHERE k.app_id = $1 AND k.tenant_id = $2 AND k.channel_id = $3 AND k.user_id = u.id LIMIT 1) AS k))
			ORDER BY p.id FOR NO KEY UPDATE OF p`, c.Key.AppID, c.Key.Tenant, c.Key.Channel, ids).Query(func(r pgx.Rows) error {
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
func (s *Store) StrikeOut(ctx context.Context, key headsup.ConversationKey, to book.Standing) error {
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
		at := exact(to.At)
		to := known.conv.Struck(to)
		_, err = t.Exec(ctx, `UPDATE conversations SET reach = $2, reach_cause = $3, reach_at = $4, reach_until = $5, updated_at = $6
			WHERE id = $1`, known.conv.Row, to.Reach, clean(to.Cause), exact(to.At), optionalTime(exact(to.Until)), at)
		return err
	})
}
