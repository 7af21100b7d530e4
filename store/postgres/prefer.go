package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
)

// Prefer implements [book.Preferrer].
func (s *Store) Prefer(ctx context.Context, w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	c.At = exact(c.At)
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		done, err = t.prefer(ctx, w, c)
		return err
	})
	return done, err
}

func (t *tx) prefer(ctx context.Context, w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	appID, who, on := w.AppID, w.Person, activity.ChannelID("")
	var in *book.Conversation
	if who == 0 {
		known, err := look(ctx, t, w.Key, people{})
		switch {
		case err != nil:
			return done, err
		case known.entry == nil:
			return done, book.ErrNotFound
		}
		appID, on, in = w.Key.AppID, w.Key.Channel, &known.entry.conv
		if who, err = t.personIn(ctx, known.entry); err != nil {
			return done, err
		}
		if who == 0 { // it has its own
			return t.preferThere(ctx, w, c)
		}
	}
	all, rows, err := t.lockHumanOf(ctx, appID, who)
	if err != nil {
		return done, err
	}
	if done.Before, err = t.wantedBy(ctx, who); err != nil {
		return done, err
	}
	done.Now, done.Rows = done.Before.Change(c, on), rows
	if err := t.want(ctx, all, rows, done.Now, c.At); err != nil {
		return done, err
	}
	return done, t.tellPreferred(ctx, appID, in, who, c, done)
}

// tellPreferred writes that preferences have changed, if anybody wants to know. who is 0 for nobody.
func (t *tx) tellPreferred(ctx context.Context, appID string, in *book.Conversation, who book.PersonRow, c book.PreferenceChange, done book.Preferred) error {
	if !t.store.Wanted(appID, event.PreferencesChanged) {
		return nil
	}
	var person *book.Person
	if who != 0 {
		found, err := peopleIn(ctx, t, "WHERE p.id = $1", who)
		if err != nil {
			return err
		}
		person = &found[0] // it is locked
	}
	told, data, ok := event.Preferred(appID, in, person, c, done)
	if !ok {
		return nil
	}
	var err error
	if told.Data, err = event.Encode(data); err != nil {
		return err
	}
	return t.tell(ctx, told)
}

// preferThere changes what a conversation itself wants.
func (t *tx) preferThere(ctx context.Context, w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	e, err := t.changing(ctx, w.Key)
	if err != nil {
		return done, err
	}
	done.Before, done.Rows = e.conv.Preferences, []book.Row{e.conv.Row}
	done.Now = done.Before.Change(c, w.Key.Channel)
	if err := t.want(ctx, nil, done.Rows, done.Now, c.At); err != nil {
		return done, err
	}
	return done, t.tellPreferred(ctx, w.Key.AppID, &e.conv, 0, c, done)
}

// PreferencesOf implements [book.Preferrer].
func (s *Store) PreferencesOf(ctx context.Context, appID string, row book.PersonRow) (p book.Preferences, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		var stored optionalText
		err := q.QueryRow(ctx, "SELECT preferences FROM people WHERE id = $1 AND app_id = $2", row, appID).Scan(&stored)
		if errors.Is(err, pgx.ErrNoRows) {
			return book.ErrNobody
		}
		if err != nil {
			return err
		}
		p, err = book.DecodePreferences(string(stored))
		return err
	})
	return p, err
}

// personIn is the person whom a conversation is with; 0 for none.
func (t *tx) personIn(ctx context.Context, e *entry) (found book.PersonRow, err error) {
	who, k := e.conv.Person(), e.conv.Key
	if who == "" {
		return 0, nil
	}
	err = t.QueryRow(ctx, "SELECT id FROM people WHERE app_id = $1 AND user_id = $2 AND channel_id = $3 AND tenant_id = $4",
		k.AppID, who, k.Channel, k.Tenant).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return found, err
}

// wantedBy is what a person wants, whose row is locked from then on.
func (t *tx) wantedBy(ctx context.Context, who book.PersonRow) (book.Preferences, error) {
	var stored optionalText
	if err := t.QueryRow(ctx, "SELECT preferences FROM people WHERE id = $1 FOR NO KEY UPDATE", who).Scan(&stored); err != nil {
		return book.Preferences{}, err
	}
	return book.DecodePreferences(string(stored))
}

// withAlone lists the conversations with each of some people alone.
func (t *tx) withAlone(ctx context.Context, all []book.PersonRow) ([]book.Row, error) {
	rows, err := t.Query(ctx, `SELECT c.id FROM people p JOIN members m ON m.person = p.id JOIN conversations c ON c.id = m.conversation
		WHERE p.id = ANY ($1) AND c.kind = $2 AND c.user_id = p.user_id ORDER BY c.id`, all, book.KindPersonal)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[book.Row])
}

// lockHuman locks the conversations with people, then these, and returns the conversations. Whoever adds one has locked its
// person, so there are no others until the commit.
func (t *tx) lockHuman(ctx context.Context, all []book.PersonRow) (rows []book.Row, err error) {
	rows, err = t.withAlone(ctx, all)
	for err == nil {
		if _, err = t.lock(ctx, rows); err != nil {
			return nil, err
		}
		if err = t.lockPeopleRows(ctx, all); err != nil {
			return nil, err
		}
		before := rows
		if rows, err = t.withAlone(ctx, all); err == nil && slices.Equal(rows, before) {
			return rows, nil
		}
	}
	return nil, err
}

// lockHumanOf is lockHuman for all who are one human with somebody.
func (t *tx) lockHumanOf(ctx context.Context, appID string, who book.PersonRow) (all []book.PersonRow, rows []book.Row, err error) {
	list := func() ([]book.PersonRow, error) {
		found, err := human(ctx, t, appID, who)
		rows := make([]book.PersonRow, len(found))
		for i, p := range found {
			rows[i] = p.Row
		}
		return rows, err
	}
	for all, err = list(); err == nil; {
		if rows, err = t.lockHuman(ctx, all); err != nil {
			return nil, nil, err
		}
		before := all
		if all, err = list(); err == nil && slices.Equal(all, before) {
			return all, rows, nil
		}
	}
	return nil, nil, err
}

// want gives people and conversations, which are locked, preferences. What was put aside there is ready.
func (t *tx) want(ctx context.Context, all []book.PersonRow, rows []book.Row, p book.Preferences, at time.Time) error {
	stored, err := book.EncodePreferences(p)
	if err != nil {
		return err
	}
	stored = clean(stored)
	if len(all) > 0 {
		if _, err := t.Exec(ctx, "UPDATE people SET preferences = nullif($2, ''), updated_at = $3 WHERE id = ANY ($1)", all, stored, at); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var b pgx.Batch
	b.Queue("UPDATE turns SET version = version + 1 WHERE conversation = ANY ($1)", numbers(rows))
	b.Queue("UPDATE conversations SET preferences = nullif($2, '') WHERE id = ANY ($1)", numbers(rows), stored)
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	_, err = t.resume(ctx, rows, at)
	return err
}

// adopt gives a conversation, which is with somebody as of now, what they want.
func (t *tx) adopt(ctx context.Context, e *entry) error {
	who, err := t.personIn(ctx, e)
	if err != nil || who == 0 {
		return err
	}
	p, err := t.wantedBy(ctx, who)
	if err != nil || p.IsZero() {
		return err
	}
	stored, err := book.EncodePreferences(p)
	if err != nil {
		return err
	}
	e.conv.Preferences = p
	_, err = t.Exec(ctx, "UPDATE conversations SET preferences = $2 WHERE id = $1", e.conv.Row, clean(stored))
	return err
}

// prefersMerged gives people, who are locked and have become one human, what all of them want.
func (t *tx) prefersMerged(ctx context.Context, appID string, people []book.PersonRow, at time.Time) error {
	var all book.Preferences
	before := make([]book.Preferences, len(people))
	for i, who := range people {
		var err error
		if before[i], err = t.wantedBy(ctx, who); err != nil {
			return err
		}
		all = all.Merged(before[i])
	}
	if all.IsZero() {
		return nil
	}
	rows, err := t.withAlone(ctx, people)
	if err != nil {
		return err
	}
	if err := t.want(ctx, people, rows, all, at); err != nil {
		return err
	}
	for i, who := range people {
		c, done := book.PreferenceChange{By: event.ByMerging, At: at}, book.Preferred{Before: before[i], Now: all}
		if err := t.tellPreferred(ctx, appID, nil, who, c, done); err != nil {
			return err
		}
	}
	return nil
}
