package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
)

// Prefer implements [book.Preferrer].
func (s *Store) Prefer(ctx context.Context, w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	c.At = exact(c.At)
	err = s.writer.do(ctx, func(t *tx) error {
		done, err = t.prefer(w, c)
		return err
	})
	return done, err
}

func (t *tx) prefer(w book.Whose, c book.PreferenceChange) (done book.Preferred, err error) {
	appID, who, on := w.AppID, w.Person, activity.ChannelID("")
	var in *book.Conversation
	if who == 0 {
		e, err := t.conversationByKey(w.Key)
		switch {
		case err != nil:
			return done, err
		case e == nil:
			return done, book.ErrNotFound
		}
		appID, on, in = w.Key.AppID, w.Key.Channel, &e.conv
		if who, err = t.personIn(e); err != nil {
			return done, err
		}
		if who == 0 { // it has its own
			done.Before, done.Rows = e.conv.Preferences, []book.Row{e.conv.Row}
			done.Now = done.Before.Change(c, on)
			if err := t.wantedIn(e.conv.Row, done.Now, c.At); err != nil {
				return done, err
			}
			return done, t.tellPreferred(appID, in, nil, c, done)
		}
	}
	people, err := human(t, appID, who)
	if err != nil {
		return done, err
	}
	if done.Before, err = t.wantedBy(who); err != nil {
		return done, err
	}
	done.Now = done.Before.Change(c, on)
	rows := make([]book.PersonRow, len(people))
	for i, p := range people {
		rows[i] = p.Row
	}
	if done.Rows, err = t.want(rows, done.Now, c.At); err != nil {
		return done, err
	}
	return done, t.tellPreferred(appID, in, &people[slices.Index(rows, who)], c, done)
}

// tellPreferred writes that preferences have changed, if anybody wants to know.
func (t *tx) tellPreferred(appID string, in *book.Conversation, who *book.Person, c book.PreferenceChange, done book.Preferred) error {
	if !t.store.Wanted(appID, event.PreferencesChanged) {
		return nil
	}
	told, data, ok := event.Preferred(appID, in, who, c, done)
	if !ok {
		return nil
	}
	return t.tell(told, data)
}

// PreferencesOf implements [book.Preferrer].
func (s *Store) PreferencesOf(ctx context.Context, appID string, who book.PersonRow) (p book.Preferences, err error) {
	err = s.read(ctx, func(c *conn) error {
		known, stored := false, ""
		if err := c.each(func(r row) error {
			known, stored = true, r.text(0)
			return nil
		}, "SELECT preferences FROM people WHERE id = ? AND app_id = ?", int64(who), text(appID)); err != nil {
			return err
		}
		if !known {
			return book.ErrNobody
		}
		p, err = book.DecodePreferences(stored)
		return err
	})
	return p, err
}

// personIn is the person whom a conversation is with; 0 for none.
func (t *tx) personIn(e *entry) (found book.PersonRow, err error) {
	who := e.conv.Person()
	if who == "" {
		return 0, nil
	}
	_, err = t.one(func(r row) { found = book.PersonRow(r.int(0)) },
		"SELECT id FROM people WHERE app_id = ? AND user_id = ? AND channel_id = ? AND tenant_id = ?",
		text(e.conv.Key.AppID), text(who), text(e.conv.Key.Channel), text(e.conv.Key.Tenant))
	return found, err
}

// wantedBy is what a person wants.
func (t *tx) wantedBy(who book.PersonRow) (book.Preferences, error) {
	stored := ""
	if _, err := t.one(func(r row) { stored = r.text(0) }, "SELECT preferences FROM people WHERE id = ?", int64(who)); err != nil {
		return book.Preferences{}, err
	}
	return book.DecodePreferences(stored)
}

// want gives people, and the conversations with each of them alone, preferences, and returns these conversations. What was put
// aside there is ready.
func (t *tx) want(people []book.PersonRow, p book.Preferences, at time.Time) (rows []book.Row, err error) {
	stored, err := book.EncodePreferences(p)
	if err != nil {
		return nil, err
	}
	for _, who := range people {
		if _, err := t.exec("UPDATE people SET preferences = ?, updated_at = ? WHERE id = ?", stored, at, int64(who)); err != nil {
			return nil, err
		}
		if err := t.each(func(r row) error {
			rows = append(rows, book.Row(r.int(0)))
			return nil
		}, `SELECT c.id FROM people p CROSS JOIN members m ON m.person = p.id CROSS JOIN conversations c ON c.id = m.conversation
			WHERE p.id = ? AND c.kind = ? AND c.user_id = p.user_id ORDER BY c.id`, int64(who), text(book.KindPersonal)); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		if err := t.wantedIn(r, p, at); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// wantedIn gives a conversation preferences, and has what was put aside there looked at again.
func (t *tx) wantedIn(r book.Row, p book.Preferences, at time.Time) error {
	e, err := t.conversation(r)
	if err != nil {
		return err
	}
	next := *e
	if err := t.storeWanted(&next, p); err != nil {
		return err
	}
	t.book.put(&next)
	_, err = t.resume(r, at)
	return err
}

func (t *tx) storeWanted(e *entry, p book.Preferences) error {
	stored, err := book.EncodePreferences(p)
	if err != nil {
		return err
	}
	e.conv.Preferences = p
	_, err = t.exec("UPDATE conversations SET preferences = ? WHERE id = ?", stored, int64(e.conv.Row))
	return err
}

// adopt gives a conversation, which is with somebody as of now, what they want.
func (t *tx) adopt(e *entry) error {
	who, err := t.personIn(e)
	if err != nil || who == 0 {
		return err
	}
	p, err := t.wantedBy(who)
	if err != nil || p.IsZero() {
		return err
	}
	return t.storeWanted(e, p)
}

// prefersMerged gives people who have become one human what all of them want.
func (t *tx) prefersMerged(appID string, people []book.PersonRow, at time.Time) error {
	var all book.Preferences
	before := make([]book.Preferences, len(people))
	for i, who := range people {
		var err error
		if before[i], err = t.wantedBy(who); err != nil {
			return err
		}
		all = all.Merged(before[i])
	}
	if all.IsZero() {
		return nil
	}
	if _, err := t.want(people, all, at); err != nil || !t.store.Wanted(appID, event.PreferencesChanged) {
		return err
	}
	for i, who := range people {
		found, err := peopleIn(t, "WHERE p.id = ?", int64(who))
		if err != nil {
			return err
		}
		c, done := book.PreferenceChange{By: event.ByMerging, At: at}, book.Preferred{Before: before[i], Now: all}
		if err := t.tellPreferred(appID, nil, &found[0], c, done); err != nil {
			return err
		}
	}
	return nil
}
