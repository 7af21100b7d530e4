package postgres

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// addMembers puts people into a conversation, whose row is locked, and returns those who are new.
func (t *tx) addMembers(ctx context.Context, number int64, people []activity.ChannelAccount) (added []activity.ChannelAccount, err error) {
	for _, p := range people {
		account, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("postgres: encode a member: %w", err)
		}
		tag, err := t.Exec(ctx, `INSERT INTO dl_members (conversation, user_id, account) VALUES ($1, $2, $3)
			ON CONFLICT (conversation, user_id) DO NOTHING`, number, p.ID, account)
		if err != nil {
			return nil, err
		}
		if tag.RowsAffected() > 0 {
			added = append(added, p)
		}
	}
	return added, nil
}

// AddMembers implements [directline.Store].
func (s *Store) AddMembers(
	ctx context.Context, id activity.ConversationID, people []activity.ChannelAccount,
) (added []activity.ChannelAccount, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		l, err := t.lockLine(ctx, id)
		switch {
		case err != nil:
			return err
		case l.ended:
			return directline.ErrEnded
		}
		added, err = t.addMembers(ctx, l.number, people)
		return err
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// RemoveMember implements [directline.Store].
func (s *Store) RemoveMember(
	ctx context.Context, id activity.ConversationID, user activity.AccountID,
) (removed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		l, err := t.lockLine(ctx, id)
		if err != nil {
			return err
		}
		tag, err := t.Exec(ctx, "DELETE FROM dl_members WHERE conversation = $1 AND user_id = $2", l.number, user)
		removed = tag.RowsAffected() > 0
		return err
	})
	return removed && err == nil, err
}

// RenameUser implements [directline.Store].
func (s *Store) RenameUser(ctx context.Context, appID string, user activity.AccountID, name string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		for _, in := range [...]struct{ read, write string }{
			{`SELECT number, account FROM dl_conversations WHERE user_id = $1 AND app_id = $2 ORDER BY number FOR NO KEY UPDATE`,
				"UPDATE dl_conversations SET account = $2 WHERE number = $1"},
			{`SELECT m.number, m.account FROM dl_members m JOIN dl_conversations c ON c.number = m.conversation
				WHERE m.user_id = $1 AND c.app_id = $2 ORDER BY m.number FOR NO KEY UPDATE OF m`,
				"UPDATE dl_members SET account = $2 WHERE number = $1"},
		} {
			if err := t.rename(ctx, in.read, in.write, user, appID, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// rename gives the accounts that a query finds another name.
func (t *tx) rename(ctx context.Context, read, write string, user activity.AccountID, appID, name string) error {
	rows, err := t.Query(ctx, read, user, appID)
	if err != nil {
		return err
	}
	var b pgx.Batch
	var number int64
	var account []byte
	if _, err := pgx.ForEachRow(rows, []any{&number, &account}, func() error {
		var a activity.ChannelAccount
		if err := json.Unmarshal(account, &a); err != nil {
			return fmt.Errorf("the account of %s: %w", user, err)
		}
		a.Name = name
		renamed, err := json.Marshal(a)
		b.Queue(write, number, renamed)
		return err
	}); err != nil || b.Len() == 0 {
		return err
	}
	return t.SendBatch(ctx, &b).Close()
}

// SetInstalled implements [directline.Store].
func (s *Store) SetInstalled(
	ctx context.Context, id activity.ConversationID, installed bool,
) (changed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		l, err := t.lockLine(ctx, id)
		switch {
		case err != nil:
			return err
		case l.ended:
			return directline.ErrEnded
		}
		if changed = l.installed != installed; !changed {
			return nil
		}
		_, err = t.Exec(ctx, "UPDATE dl_conversations SET uninstalled = $2 WHERE number = $1", l.number, !installed)
		return err
	})
	return changed && err == nil, err
}
