package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// selectLine reads conversations with the people in them.
const selectLine = `SELECT c.conversation_id, c.app_id, c.account, c.by_bot, c.started, c.ended, c.created_at, c.kind, c.name,
	c.uninstalled, ARRAY(SELECT m.account FROM dl_members m WHERE m.conversation = c.number AND c.kind IN ('group', 'channel')
		ORDER BY m.number)
	FROM dl_conversations c `

func scanLine(r pgx.Row) (c directline.Conversation, err error) {
	var user []byte
	var members [][]byte
	if err := r.Scan(&c.ID, &c.AppID, &user, &c.ByBot, &c.Started, &c.Ended, &c.CreatedAt, &c.Kind, &c.Name, &c.Uninstalled,
		&members); err != nil {
		return c, err
	}
	if err := json.Unmarshal(user, &c.User); err != nil {
		return c, fmt.Errorf("the user of conversation %s: %w", c.ID, err)
	}
	for _, account := range members {
		var m activity.ChannelAccount
		if err := json.Unmarshal(account, &m); err != nil {
			return c, fmt.Errorf("a member of conversation %s: %w", c.ID, err)
		}
		c.Members = append(c.Members, m)
	}
	return c, nil
}

// readLine is a conversation, or [directline.ErrNotFound].
func readLine(ctx context.Context, q querier, id activity.ConversationID) (directline.Conversation, error) {
	c, err := scanLine(q.QueryRow(ctx, selectLine+"WHERE c.conversation_id = $1", id))
	if notThere(err) {
		err = directline.ErrNotFound
	}
	return c, err
}

// lineRow is a conversation's row as it is locked.
type lineRow struct {
	number, last int64
	ended        bool
	installed    bool
	started      bool
}

// lockLine locks a conversation, so that this transaction alone changes it; [directline.ErrNotFound].
func (t *tx) lockLine(ctx context.Context, id activity.ConversationID) (l lineRow, err error) {
	err = t.QueryRow(ctx, `SELECT number, last, ended, NOT uninstalled, started FROM dl_conversations
		WHERE conversation_id = $1 FOR NO KEY UPDATE`, id).Scan(&l.number, &l.last, &l.ended, &l.installed, &l.started)
	if notThere(err) {
		err = directline.ErrNotFound
	}
	return l, err
}

// OpenConversation implements [directline.Store].
func (s *Store) OpenConversation(
	ctx context.Context, c directline.Conversation,
) (stored directline.Conversation, added bool, err error) {
	user, err := json.Marshal(c.User)
	if err != nil {
		return stored, false, fmt.Errorf("postgres: encode the user: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, `INSERT INTO dl_conversations (conversation_id, app_id, kind, name, user_id, account, by_bot,
				started, ended, uninstalled, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (conversation_id) DO NOTHING`,
			c.ID, c.AppID, c.Kind, clean(c.Name), c.User.ID, user, c.ByBot, c.Started, c.Ended, c.Uninstalled, exact(c.CreatedAt))
		if err != nil {
			return err
		}
		if added = tag.RowsAffected() > 0; added && len(c.Members) > 0 {
			l, err := t.lockLine(ctx, c.ID)
			if err != nil {
				return err
			}
			if _, err := t.addMembers(ctx, l.number, c.Members); err != nil {
				return err
			}
		}
		stored, err = readLine(ctx, t, c.ID)
		return err
	})
	return stored, added && err == nil, err
}

// DirectLineConversation implements [directline.Store].
func (s *Store) DirectLineConversation(
	ctx context.Context, id activity.ConversationID,
) (c directline.Conversation, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		c, err = readLine(ctx, q, id)
		return err
	})
	return c, err
}

// DirectLineConversations implements [directline.Store].
func (s *Store) DirectLineConversations(
	ctx context.Context, appID string, user activity.AccountID, limit int,
) (found []directline.Conversation, err error) {
	var args arguments
	where := "WHERE c.app_id = " + args.add(appID)
	if user != "" {
		u := args.add(user)
		where += " AND (c.user_id = " + u + ` AND c.kind NOT IN ('group', 'channel')
			OR c.number IN (SELECT m.conversation FROM dl_members m WHERE m.user_id = ` + u + "))"
	}
	query := selectLine + where + " ORDER BY c.created_at, c.number LIMIT " + args.add(limit)
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (directline.Conversation, error) { return scanLine(r) })
		return err
	})
	return found, err
}

// NameUser implements [directline.Store].
func (s *Store) NameUser(
	ctx context.Context, id activity.ConversationID, user activity.ChannelAccount,
) (c directline.Conversation, err error) {
	account, err := json.Marshal(user)
	if err != nil {
		return c, fmt.Errorf("postgres: encode the user: %w", err)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, `UPDATE dl_conversations SET user_id = $2, account = $3 WHERE conversation_id = $1 AND user_id = ''
				AND NOT started AND kind NOT IN ('group', 'channel')`, id, user.ID, account); err != nil {
			return err
		}
		c, err = readLine(ctx, t, id)
		return err
	})
	return c, err
}

// StartConversation implements [directline.Store].
func (s *Store) StartConversation(ctx context.Context, id activity.ConversationID) (first bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		l, err := t.lockLine(ctx, id)
		switch {
		case err != nil:
			return err
		case l.ended:
			return directline.ErrEnded
		}
		if first = !l.started; !first {
			return nil
		}
		_, err = t.Exec(ctx, "UPDATE dl_conversations SET started = true WHERE number = $1", l.number)
		return err
	})
	return first && err == nil, err
}

// EndConversation implements [directline.Store].
func (s *Store) EndConversation(ctx context.Context, id activity.ConversationID) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "UPDATE dl_conversations SET ended = true WHERE conversation_id = $1", id)
		if err == nil && tag.RowsAffected() == 0 {
			err = directline.ErrNotFound
		}
		return err
	})
}

// Append implements [directline.Store]. The number comes from the conversation's row, which is locked until the activity
// is there, so that numbers have no gaps and are seen in their order on every node.
func (s *Store) Append(
	ctx context.Context, id activity.ConversationID, key string, body jsontext.Value, at time.Time,
) (seq int64, added bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		seq, added = 0, false
		l, err := t.lockLine(ctx, id)
		if err != nil {
			return err
		}
		if key != "" {
			err := t.QueryRow(ctx, "SELECT seq FROM dl_activities WHERE conversation = $1 AND key = $2", l.number, key).Scan(&seq)
			if !notThere(err) {
				return err
			}
		}
		if l.ended {
			return directline.ErrEnded
		}
		seq, added = l.last+1, true
		return t.append(ctx, l.number, seq, `INSERT INTO dl_activities (conversation, seq, key, body, at) VALUES ($1, $2, $3, $4, $5)`,
			optionalText(key), []byte(body), exact(at))
	})
	if err != nil {
		return 0, false, err
	}
	return seq, added, nil
}

// append runs a statement that adds the activity with a number, and notes that there is one.
func (t *tx) append(ctx context.Context, number, seq int64, sql string, args ...any) error {
	var b pgx.Batch
	b.Queue(sql, append([]any{number, seq}, args...)...)
	b.Queue("UPDATE dl_conversations SET last = $2 WHERE number = $1", number, seq)
	return t.SendBatch(ctx, &b).Close()
}

// Replace implements [directline.Store].
func (s *Store) Replace(
	ctx context.Context, id activity.ConversationID, seq int64, body jsontext.Value, at time.Time,
) (again int64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		l, err := t.lockLine(ctx, id)
		if err != nil {
			return err
		}
		tag, err := t.Exec(ctx, "UPDATE dl_activities SET body = $3 WHERE conversation = $1 AND seq = $2 AND again IS NULL",
			l.number, seq, []byte(body))
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return directline.ErrNotFound
		case l.ended:
			return directline.ErrEnded
		}
		again = l.last + 1
		return t.append(ctx, l.number, again, `INSERT INTO dl_activities (conversation, seq, again, body, at) VALUES ($1, $2, $3, '', $4)`,
			seq, exact(at))
	})
	if err != nil {
		return 0, err
	}
	return again, nil
}

// History implements [directline.Store].
func (s *Store) History(
	ctx context.Context, id activity.ConversationID, after int64, limit int,
) (found []directline.Stored, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT a.seq, coalesce(o.body, a.body), coalesce(a.again, 0)
			FROM dl_conversations c JOIN dl_activities a ON a.conversation = c.number
			LEFT JOIN dl_activities o ON o.conversation = a.conversation AND o.seq = a.again
			WHERE c.conversation_id = $1 AND a.seq > $2 ORDER BY a.seq LIMIT $3`, id, after, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (a directline.Stored, err error) {
			return a, r.Scan(&a.Seq, (*[]byte)(&a.Body), &a.Again)
		})
		return err
	})
	return found, err
}

// SaveAttachment implements [directline.Store].
func (s *Store) SaveAttachment(ctx context.Context, a directline.Attachment) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO dl_attachments (id, conversation_id, name, content_type, data, created_at)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE SET conversation_id = excluded.conversation_id, name = excluded.name,
				content_type = excluded.content_type, data = excluded.data, created_at = excluded.created_at`,
			a.ID, a.Conversation, clean(a.Name), clean(a.ContentType), a.Data, exact(a.CreatedAt))
		return err
	})
}

// LoadAttachment implements [directline.Store].
func (s *Store) LoadAttachment(ctx context.Context, id string) (a directline.Attachment, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		a = directline.Attachment{}
		err := q.QueryRow(ctx, "SELECT id, conversation_id, name, content_type, data, created_at FROM dl_attachments WHERE id = $1", id).
			Scan(&a.ID, &a.Conversation, &a.Name, &a.ContentType, &a.Data, &a.CreatedAt)
		if notThere(err) {
			err = directline.ErrNotFound
		}
		return err
	})
	return a, err
}
