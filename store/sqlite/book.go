package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync/atomic"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// touches counts writes of sightings that changed nothing but the time, and that nobody waits for.
type touches struct{ pending atomic.Int64 }

// Sight implements [book.Store]. A sighting that tells nothing new does not wait for the disk: what it returns is there
// already, except for the time of the sighting.
func (s *Store) Sight(ctx context.Context, sighting book.Sighting) (book.Conversation, error) {
	sighting.Reference.ActivityID = ""
	sighting.At, sighting.VerifiedAt = exact(sighting.At), exact(sighting.VerifiedAt)
	reference, err := json.Marshal(sighting.Reference)
	if err != nil {
		return book.Conversation{}, fmt.Errorf("sqlite: encode the reference: %w", err)
	}
	if known, ok := s.cache.key(sighting.Key); ok {
		next, err := known.sighted(sighting, reference)
		if err != nil {
			return book.Conversation{}, err
		}
		same, err := next.same(known)
		if err != nil {
			return book.Conversation{}, err
		}
		if same && sighting.At.Sub(known.conv.UpdatedAt).Abs() < book.SightedWithin {
			return next.copy(), nil
		}
		if same {
			return next.copy(), s.touch(known.conv.Row, next.conv)
		}
	}
	var result book.Conversation
	err = s.writer.do(ctx, func(t *tx) error {
		e, err := t.sight(sighting, reference)
		if err == nil {
			result = e.copy()
		}
		return err
	})
	return result, err
}

// touch notes the times of a sighting.
func (s *Store) touch(r book.Row, seen book.Conversation) error {
	s.touches.pending.Add(1)
	err := s.writer.post("note a sighting", func(t *tx) error {
		e, err := t.conversation(r)
		switch {
		case errors.Is(err, book.ErrNotFound): // it was forgotten meanwhile
			return nil
		case err != nil:
			return err
		}
		next := *e
		next.conv.VerifiedAt, next.conv.UpdatedAt = seen.VerifiedAt, seen.UpdatedAt
		t.book.put(&next)
		_, err = t.exec("UPDATE conversations SET verified_at = ?, seen_at = ?, updated_at = ? WHERE id = ?",
			seen.VerifiedAt, seen.UpdatedAt, seen.UpdatedAt, int64(r))
		return err
	}, func() { s.touches.pending.Add(-1) })
	if err != nil {
		s.touches.pending.Add(-1)
	}
	return err
}

// settle waits for the touches that were made before.
func (s *Store) settle(ctx context.Context) error {
	if s.touches.pending.Load() == 0 {
		return nil
	}
	return s.writer.do(ctx, func(*tx) error { return nil })
}

// sighted is what the entry becomes by a sighting; e may be nil for a new one.
func (e *entry) sighted(s book.Sighting, reference []byte) (*entry, error) {
	next, told := &entry{reference: reference}, s
	if e == nil {
		next.conv = book.Conversation{Key: s.Key, CreatedAt: s.At}
	} else {
		next.conv, next.people, next.route = e.conv, e.known(), e.route
	}
	c := &next.conv
	if s.Reference.Locale == "" && c.Reference.Locale != "" {
		s.Reference.Locale = c.Reference.Locale
		next.reference = nil
	}
	if s.Reference.User == nil && c.Reference.User != nil {
		s.Reference.User = c.Reference.User
		next.reference = nil
	}
	if c.Source.Keeps(s.Source) {
		if url := c.Reference.ServiceURL; url != s.Reference.ServiceURL {
			s.Reference.ServiceURL = url
			next.reference = nil
		}
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
	next.people = withPeople(next.people, told)
	var err error
	next.reference, err = next.json()
	return next, err
}

// same reports whether e tells nothing that earlier does not, but for its times.
func (e *entry) same(earlier *entry) (bool, error) {
	a, b := &e.conv, &earlier.conv
	if a.Kind != b.Kind || a.Source != b.Source || a.TimeZone != b.TimeZone || a.Place != b.Place ||
		a.Reach != b.Reach || a.Cause != b.Cause || !a.ReachAt.Equal(b.ReachAt) {
		return false, nil
	}
	before, err := earlier.json()
	if err != nil {
		return false, err
	}
	now, err := e.json()
	return bytes.Equal(now, before) && maps.Equal(e.people, earlier.known()), err
}

var peopleSeed = maphash.MakeSeed()

// withPeople is known with those whom the sighting tells of, hashed with what it tells; known itself if nobody is new.
func withPeople(known map[activity.AccountID]uint64, s book.Sighting) map[activity.AccountID]uint64 {
	next, own := known, false
	for p := range s.Everybody {
		h := maphash.Comparable(peopleSeed, s.PersonOf(p))
		if known[p.ID] == h {
			continue
		}
		if !own {
			next, own = maps.Clone(known), true
		}
		if next == nil {
			next = make(map[activity.AccountID]uint64)
		}
		next[p.ID] = h
	}
	return next
}

func stand(c *book.Conversation, s book.Standing) {
	c.Reach, c.Cause, c.ReachAt, c.Until = s.Reach, s.Cause, exact(s.At), exact(s.Until)
}

func (t *tx) sight(s book.Sighting, reference []byte) (*entry, error) {
	known, err := t.conversationByKey(s.Key)
	if err != nil {
		return nil, err
	}
	next, err := known.sighted(s, reference)
	if err != nil {
		return nil, err
	}
	r, err := t.routeOf(outbox.RouteOf(next.conv))
	if err != nil {
		return nil, err
	}
	if next.route = r.id; known != nil && known.route != r.id {
		if err := t.reroute(known.conv.Row, r); err != nil {
			return nil, err
		}
	}
	if err := t.writeConversation(next); err != nil {
		return nil, err
	}
	var before map[activity.AccountID]uint64
	if known != nil {
		before = known.known()
	}
	for p := range s.Everybody {
		if h, stored := before[p.ID]; stored && h == next.people[p.ID] {
			continue
		}
		if err := t.writePerson(next.conv, s.PersonOf(p)); err != nil {
			return nil, err
		}
	}
	if who := next.conv.Person(); who != "" && (known == nil || known.conv.Person() != who) {
		if err := t.adopt(next); err != nil {
			return nil, err
		}
	}
	t.book.put(next)
	if known != nil && known.conv.TimeZone != next.conv.TimeZone {
		_, err = t.resume(next.conv.Row, s.At)
	}
	return next, err
}

func (t *tx) writeConversation(e *entry) error {
	c, user := &e.conv, ""
	if c.Reference.User != nil {
		user = string(c.Reference.User.ID)
	}
	if c.Row != 0 {
		_, err := t.exec(`UPDATE conversations SET kind = ?, service_url = ?, route = ?, url_source = ?, verified_at = ?,
			reference = ?, user_id = ?, locale = ?, time_zone = ?, reach = ?, reach_cause = ?, reach_at = ?, reach_until = ?,
			team_id = ?, team_name = ?, team_group = ?, room_id = ?, room_name = ?, meeting_id = ?,
			seen_at = ?, updated_at = ? WHERE id = ?`,
			text(c.Kind), text(c.Reference.ServiceURL), e.route, text(c.Source), c.VerifiedAt,
			e.reference, text(user), text(c.Reference.Locale), text(c.TimeZone), text(c.Reach), text(c.Cause), c.ReachAt, c.Until,
			c.Place.Team, c.Place.TeamName, c.Place.Group, c.Place.Room, c.Place.RoomName, c.Place.Meeting,
			c.UpdatedAt, c.UpdatedAt, int64(c.Row))
		return err
	}
	_, err := t.returning(func(r row) { c.Row = book.Row(r.int(0)) },
		`INSERT INTO conversations (app_id, tenant_id, channel_id, bot_id, conversation_id, kind, service_url,
			route, url_source, verified_at, reference, user_id, locale, time_zone, reach, reach_cause, reach_at,
			team_id, team_name, team_group, room_id, room_name, meeting_id, seen_at, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		text(c.Key.AppID), text(c.Key.Tenant), text(c.Key.Channel), text(c.Key.Bot), text(c.Key.Conversation),
		text(c.Kind), text(c.Reference.ServiceURL), e.route, text(c.Source), c.VerifiedAt, e.reference, text(user),
		text(c.Reference.Locale), text(c.TimeZone), text(c.Reach), text(c.Cause), c.ReachAt,
		c.Place.Team, c.Place.TeamName, c.Place.Group, c.Place.Room, c.Place.RoomName, c.Place.Meeting,
		c.UpdatedAt, c.CreatedAt, c.UpdatedAt)
	t.after(func() { t.store.cache.bears(c.Key) })
	return err
}

func (t *tx) writePerson(c book.Conversation, p book.Person) error {
	var number int64
	_, err := t.returning(func(r row) { number = r.int(0) },
		`INSERT INTO people (app_id, tenant_id, channel_id, user_id, name, aad_object_id, upn, email, time_zone, locale, country,
			created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET name = ifnull(excluded.name, name),
			aad_object_id = ifnull(excluded.aad_object_id, aad_object_id), upn = ifnull(excluded.upn, upn),
			email = ifnull(excluded.email, email), time_zone = ifnull(excluded.time_zone, time_zone),
			locale = ifnull(excluded.locale, locale), country = ifnull(excluded.country, country), updated_at = excluded.updated_at
		RETURNING id`,
		text(c.Key.AppID), text(c.Key.Tenant), text(c.Key.Channel), text(p.ID), p.Name, p.ObjectID, p.UPN, p.Email,
		p.TimeZone, p.Locale, p.Country, c.UpdatedAt, c.UpdatedAt)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT OR IGNORE INTO members (person, conversation) VALUES (?, ?)", number, int64(c.Row))
	return err
}

// StrikeOut implements [book.Store].
func (s *Store) StrikeOut(ctx context.Context, key headsup.ConversationKey, to book.Standing) error {
	return s.writer.do(ctx, func(t *tx) error {
		known, err := t.conversationByKey(key)
		if known == nil || err != nil {
			return err
		}
		return t.reaches(known, to)
	})
}

// reaches notes whether a conversation can be reached.
func (t *tx) reaches(known *entry, to book.Standing) error {
	next := *known
	stand(&next.conv, known.conv.Struck(to))
	next.conv.UpdatedAt = exact(to.At)
	c := &next.conv
	t.book.put(&next)
	_, err := t.exec(
		"UPDATE conversations SET reach = ?, reach_cause = ?, reach_at = ?, reach_until = ?, updated_at = ? WHERE id = ?",
		text(c.Reach), text(c.Cause), c.ReachAt, c.Until, c.UpdatedAt, int64(c.Row))
	return err
}

// conversation is the entry with a row number, or [book.ErrNotFound].
func (t *tx) conversation(r book.Row) (*entry, error) {
	if e, ok := t.book.byRow[r]; ok {
		return e, nil
	}
	if _, gone := t.forgotten[r]; gone {
		return nil, book.ErrNotFound
	}
	if e, ok := t.seen[r]; ok {
		return e, nil
	}
	if e, ok := t.store.cache.row(r); ok {
		if t.seen == nil {
			t.seen = make(map[book.Row]*entry)
		}
		t.seen[r] = e
		return e, nil
	}
	e, err := t.loadConversation(selectConversation+"WHERE c.id = ?", int64(r))
	if e == nil && err == nil {
		err = book.ErrNotFound
	}
	return e, err
}

// conversationByKey is the entry with a key, or nil.
func (t *tx) conversationByKey(key headsup.ConversationKey) (*entry, error) {
	if e, ok := t.book.byKey[key]; ok {
		return e, nil
	}
	if e, ok := t.store.cache.key(key); ok {
		if _, gone := t.forgotten[e.conv.Row]; !gone {
			return e, nil
		}
	}
	return t.loadConversation(selectConversation+whereKey, keyArgs(key)...)
}

// loadConversation puts what it finds into the cache, with the transaction.
func (t *tx) loadConversation(query string, args ...any) (*entry, error) {
	var e *entry
	var bad error
	if _, err := t.one(func(r row) { e, bad = scanConversation(r) }, query, args...); err != nil {
		return nil, err
	}
	if e != nil && bad == nil {
		t.book.put(e)
	}
	return e, bad
}
