package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
)

// Details implements [book.Store].
func (s *Store) Details(ctx context.Context, rows []book.Row) (map[book.Row]book.Details, error) {
	found := make(map[book.Row]book.Details, len(rows))
	err := s.read(ctx, func(c *conn) error {
		for _, r := range rows {
			d, known, err := details(c, r)
			if err != nil {
				return err
			}
			if known {
				found[r] = d
			}
		}
		return nil
	})
	return found, err
}

func details(c *conn, r book.Row) (d book.Details, known bool, err error) {
	if known, err = c.one(func(row) {}, "SELECT 1 FROM conversations WHERE id = ?", int64(r)); !known || err != nil {
		return d, known, err
	}
	if err = c.each(func(r row) error {
		d.Tags = append(d.Tags, r.text(0))
		return nil
	}, "SELECT tag FROM tags WHERE conversation = ? ORDER BY tag", int64(r)); err != nil {
		return d, known, err
	}
	err = c.each(func(r row) error {
		d.People = append(d.People, scanPerson(r))
		return nil
	}, "SELECT "+personColumns+`FROM members m CROSS JOIN people p ON p.id = m.person
		WHERE m.conversation = ? ORDER BY m.person LIMIT +?`, int64(r), book.MaxPeople)
	return d, known, err
}

// Label implements [book.Store].
func (s *Store) Label(ctx context.Context, key headsup.ConversationKey, l book.Labels, at time.Time) error {
	at = exact(at)
	return s.writer.do(ctx, func(t *tx) error {
		known, err := t.conversationByKey(key)
		switch {
		case err != nil:
			return err
		case known == nil:
			return book.ErrNotFound
		}
		if err := t.name(known, l.ExternalID, at); err != nil {
			return err
		}
		if err := t.tag(known.conv.Row, l); err != nil {
			return err
		}
		next := *known
		next.conv.UpdatedAt = at
		t.book.put(&next)
		_, err = t.exec("UPDATE conversations SET updated_at = ? WHERE id = ?", at, int64(known.conv.Row))
		return err
	})
}

// name gives the person of a personal conversation an external id; nil leaves it.
func (t *tx) name(e *entry, externalID *string, at time.Time) error {
	if externalID == nil {
		return nil
	}
	user := e.conv.Person()
	if user == "" {
		return book.ErrNoPerson
	}
	k := e.conv.Key
	_, err := t.exec(`UPDATE people SET external_id = ?, updated_at = ?
			WHERE app_id = ? AND user_id = ? AND channel_id = ? AND tenant_id = ?`,
		*externalID, at, text(k.AppID), text(user), text(k.Channel), text(k.Tenant))
	return err
}

// tag changes the tags of a conversation.
func (t *tx) tag(r book.Row, l book.Labels) error {
	add := l.AddTags
	if l.Tags != nil {
		add = slices.Concat(*l.Tags, add)
		if _, err := t.exec("DELETE FROM tags WHERE conversation = ?", int64(r)); err != nil {
			return err
		}
	}
	for _, tag := range add {
		if _, err := t.exec("INSERT OR IGNORE INTO tags (tag, conversation) VALUES (?, ?)", text(tag), int64(r)); err != nil {
			return err
		}
	}
	for _, tag := range l.RemoveTags {
		if _, err := t.exec("DELETE FROM tags WHERE tag = ? AND conversation = ?", text(tag), int64(r)); err != nil {
			return err
		}
	}
	if len(add) == 0 {
		return nil
	}
	var n int64
	if _, err := t.one(func(r row) { n = r.int(0) }, "SELECT count(*) FROM tags WHERE conversation = ?", int64(r)); err != nil {
		return err
	}
	if n > book.MaxTags {
		return book.ErrTooManyTags
	}
	return nil
}
