package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// selectLine reads conversations with the people in them, who are JSON in text: SQLite takes JSON in a blob for its own form.
const selectLine = `SELECT conversation_id, app_id, user, by_bot, started, ended, created_at, kind, name, uninstalled,
	CASE WHEN kind IN ('group', 'channel') THEN (SELECT json_group_array(json(account)) FROM (
		SELECT account FROM dl_members m INDEXED BY dl_members_order
		WHERE m.conversation = c.number ORDER BY m.number)) END
	FROM dl_conversations c `

func scanLine(r row) (directline.Conversation, error) {
	c := directline.Conversation{
		ID: activity.ConversationID(r.text(0)), AppID: r.text(1), ByBot: r.bool(3), Started: r.bool(4), Ended: r.bool(5),
		CreatedAt: r.time(6), Kind: directline.Kind(r.text(7)), Name: r.text(8), Uninstalled: r.bool(9),
	}
	if err := json.Unmarshal(r.bytes(2), &c.User); err != nil {
		return c, fmt.Errorf("the user of conversation %s: %w", c.ID, err)
	}
	if members := r.text(10); members != "" {
		if err := json.Unmarshal([]byte(members), &c.Members); err != nil {
			return c, fmt.Errorf("the members of conversation %s: %w", c.ID, err)
		}
	}
	return c, nil
}

// querier is a connection or a transaction.
type querier interface {
	one(f func(row), sql string, args ...any) (bool, error)
}

// readLine is a conversation, or [directline.ErrNotFound].
func readLine(q querier, id activity.ConversationID) (c directline.Conversation, err error) {
	var bad error
	found, err := q.one(func(r row) { c, bad = scanLine(r) }, selectLine+"WHERE conversation_id = ?", text(id))
	if err == nil && !found {
		err = directline.ErrNotFound
	}
	return c, cmp.Or(err, bad)
}

// OpenConversation implements [directline.Store].
func (s *Store) OpenConversation(
	ctx context.Context, c directline.Conversation,
) (stored directline.Conversation, added bool, err error) {
	user, err := json.Marshal(c.User)
	if err != nil {
		return stored, false, fmt.Errorf("sqlite: encode the user: %w", err)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		n, err := t.exec(`INSERT INTO dl_conversations (conversation_id, app_id, kind, name, user_id, user, by_bot, started,
				ended, uninstalled, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			text(c.ID), text(c.AppID), text(c.Kind), text(c.Name), text(c.User.ID), user, c.ByBot, c.Started, c.Ended,
			c.Uninstalled, c.CreatedAt)
		if err != nil {
			return err
		}
		if added = n > 0; added {
			if _, err := addMembers(t, c.ID, c.Members); err != nil {
				return err
			}
		}
		stored, err = readLine(t, c.ID)
		return err
	})
	return stored, added && err == nil, err
}

// DirectLineConversation implements [directline.Store].
func (s *Store) DirectLineConversation(
	ctx context.Context, id activity.ConversationID,
) (c directline.Conversation, err error) {
	err = s.read(ctx, func(q *conn) error {
		c, err = readLine(q, id)
		return err
	})
	return c, err
}

// DirectLineConversations implements [directline.Store].
func (s *Store) DirectLineConversations(
	ctx context.Context, appID string, user activity.AccountID, limit int,
) ([]directline.Conversation, error) {
	query, args := selectLine+`WHERE app_id = ?1 AND (user_id = ?2 AND kind NOT IN ('group', 'channel')
			OR number IN (SELECT conversation FROM dl_members WHERE user_id = ?2))
		ORDER BY created_at, number LIMIT +?3`, []any{text(appID), text(user), limit}
	if user == "" {
		query, args = selectLine+"WHERE app_id = ? ORDER BY created_at, number LIMIT +?", []any{text(appID), limit}
	}
	var found []directline.Conversation
	err := s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			line, err := scanLine(r)
			found = append(found, line)
			return err
		}, query, args...)
	})
	return found, err
}

// NameUser implements [directline.Store].
func (s *Store) NameUser(
	ctx context.Context, id activity.ConversationID, user activity.ChannelAccount,
) (c directline.Conversation, err error) {
	account, err := json.Marshal(user)
	if err != nil {
		return c, fmt.Errorf("sqlite: encode the user: %w", err)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		if _, err := t.exec(`UPDATE dl_conversations SET user_id = ?, user = ? WHERE conversation_id = ? AND user_id = ''
				AND NOT started AND kind NOT IN ('group', 'channel')`, text(user.ID), account, text(id)); err != nil {
			return err
		}
		c, err = readLine(t, id)
		return err
	})
	return c, err
}

// StartConversation implements [directline.Store].
func (s *Store) StartConversation(ctx context.Context, id activity.ConversationID) (first bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		first = false
		line, err := readLine(t, id)
		switch {
		case err != nil:
			return err
		case line.Ended:
			return directline.ErrEnded
		case line.Started:
			return nil
		}
		first = true
		_, err = t.exec("UPDATE dl_conversations SET started = 1 WHERE conversation_id = ?", text(id))
		return err
	})
	return first && err == nil, err
}

// EndConversation implements [directline.Store].
func (s *Store) EndConversation(ctx context.Context, id activity.ConversationID) error {
	return s.writer.do(ctx, func(t *tx) error {
		line, err := readLine(t, id)
		if err != nil || line.Ended {
			return err
		}
		_, err = t.exec("UPDATE dl_conversations SET ended = 1 WHERE conversation_id = ?", text(id))
		return err
	})
}

// Append implements [directline.Store].
func (s *Store) Append(
	ctx context.Context, id activity.ConversationID, key string, body jsontext.Value, at time.Time,
) (seq int64, added bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		var number, last, earlier int64
		var ended bool
		added = false
		found, err := t.one(func(r row) { number, ended, last, earlier = r.int(0), r.bool(1), r.int(2), r.int(3) },
			`SELECT c.number, c.ended, (SELECT max(a.seq) FROM dl_activities a WHERE a.conversation = c.number),
				(SELECT a.seq FROM dl_activities a WHERE a.conversation = c.number AND a.key = ?)
			FROM dl_conversations c WHERE c.conversation_id = ?`, key, text(id))
		switch {
		case err != nil:
			return err
		case !found:
			return directline.ErrNotFound
		case earlier != 0:
			seq = earlier
			return nil
		case ended:
			return directline.ErrEnded
		}
		seq, added = last+1, true
		_, err = t.exec("INSERT INTO dl_activities (conversation, seq, key, body, at) VALUES (?, ?, ?, ?, ?)",
			number, seq, key, []byte(body), at)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return seq, added, nil
}

// Replace implements [directline.Store].
func (s *Store) Replace(
	ctx context.Context, id activity.ConversationID, seq int64, body jsontext.Value, at time.Time,
) (again int64, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		var number, last int64
		var ended, known bool
		found, err := t.one(func(r row) { number, ended, last, known = r.int(0), r.bool(1), r.int(2), r.bool(3) },
			`SELECT c.number, c.ended, (SELECT max(a.seq) FROM dl_activities a WHERE a.conversation = c.number),
				EXISTS (SELECT 1 FROM dl_activities a WHERE a.conversation = c.number AND a.seq = ? AND a.again IS NULL)
			FROM dl_conversations c WHERE c.conversation_id = ?`, seq, text(id))
		switch {
		case err != nil:
			return err
		case !found || !known:
			return directline.ErrNotFound
		case ended:
			return directline.ErrEnded
		}
		again = last + 1
		if _, err := t.exec("UPDATE dl_activities SET body = ? WHERE conversation = ? AND seq = ?", []byte(body), number, seq); err != nil {
			return err
		}
		_, err = t.exec("INSERT INTO dl_activities (conversation, seq, again, body, at) VALUES (?, ?, ?, x'', ?)",
			number, again, seq, at)
		return err
	})
	if err != nil {
		return 0, err
	}
	return again, nil
}

// History implements [directline.Store].
func (s *Store) History(
	ctx context.Context, id activity.ConversationID, after int64, limit int,
) ([]directline.Stored, error) {
	var found []directline.Stored
	err := s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			found = append(found, directline.Stored{Seq: r.int(0), Body: r.bytes(1), Again: r.int(2)})
			return nil
		}, `SELECT a.seq, ifnull(o.body, a.body), a.again
			FROM dl_conversations c CROSS JOIN dl_activities a ON a.conversation = c.number
			LEFT JOIN dl_activities o ON o.conversation = a.conversation AND o.seq = a.again
			WHERE c.conversation_id = ? AND a.seq > ? ORDER BY a.seq LIMIT +?`, text(id), after, limit)
	})
	return found, err
}

// SaveAttachment implements [directline.Store].
func (s *Store) SaveAttachment(ctx context.Context, a directline.Attachment) error {
	return s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT OR REPLACE INTO dl_attachments (id, conversation_id, name, content_type, data, created_at)
			VALUES (?, ?, ?, ?, ?, ?)`,
			text(a.ID), text(a.Conversation), text(a.Name), text(a.ContentType), a.Data, a.CreatedAt)
		return err
	})
}

// LoadAttachment implements [directline.Store].
func (s *Store) LoadAttachment(ctx context.Context, id string) (a directline.Attachment, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err := c.one(func(r row) {
			a = directline.Attachment{
				ID: r.text(0), Conversation: activity.ConversationID(r.text(1)), Name: r.text(2), ContentType: r.text(3),
				Data: r.bytes(4), CreatedAt: r.time(5),
			}
		}, "SELECT id, conversation_id, name, content_type, data, created_at FROM dl_attachments WHERE id = ?", text(id))
		if err == nil && !found {
			err = directline.ErrNotFound
		}
		return err
	})
	return a, err
}
