package sqlite

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// addMembers puts people into a conversation and returns those who are new.
func addMembers(t *tx, id activity.ConversationID, people []activity.ChannelAccount) ([]activity.ChannelAccount, error) {
	var added []activity.ChannelAccount
	for _, p := range people {
		account, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("sqlite: encode a member: %w", err)
		}
		n, err := t.exec(`INSERT INTO dl_members (conversation, user_id, account)
			SELECT number, ?, ? FROM dl_conversations WHERE conversation_id = ? ON CONFLICT DO NOTHING`,
			text(p.ID), text(account), text(id))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			added = append(added, p)
		}
	}
	return added, nil
}

// AddMembers implements [directline.Store].
func (s *Store) AddMembers(
	ctx context.Context, id activity.ConversationID, people []activity.ChannelAccount,
) (added []activity.ChannelAccount, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		added = nil
		line, err := readLine(t, id)
		switch {
		case err != nil:
			return err
		case line.Ended:
			return directline.ErrEnded
		}
		added, err = addMembers(t, id, people)
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
	err = s.writer.do(ctx, func(t *tx) error {
		removed = false
		if _, err := readLine(t, id); err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM dl_members WHERE user_id = ?
			AND conversation = (SELECT number FROM dl_conversations WHERE conversation_id = ?)`, text(user), text(id))
		removed = n > 0
		return err
	})
	return removed && err == nil, err
}

// RenameUser implements [directline.Store].
func (s *Store) RenameUser(ctx context.Context, appID string, user activity.AccountID, name string) error {
	return s.writer.do(ctx, func(t *tx) error {
		renamed := func(account []byte) ([]byte, error) {
			var a activity.ChannelAccount
			if err := json.Unmarshal(account, &a); err != nil {
				return nil, fmt.Errorf("the account of %s: %w", user, err)
			}
			a.Name = name
			return json.Marshal(a)
		}
		type change struct {
			number  int64
			account []byte
		}
		collect := func(query string) (changes []change, err error) {
			err = t.each(func(r row) error {
				account, err := renamed([]byte(r.text(1)))
				changes = append(changes, change{r.int(0), account})
				return err
			}, query, text(user), text(appID))
			return changes, err
		}
		opened, err := collect("SELECT number, CAST(user AS TEXT) FROM dl_conversations WHERE user_id = ? AND app_id = ?")
		if err != nil {
			return err
		}
		for _, c := range opened {
			if _, err := t.exec("UPDATE dl_conversations SET user = ? WHERE number = ?", c.account, c.number); err != nil {
				return err
			}
		}
		joined, err := collect(`SELECT m.number, m.account FROM dl_members m
			JOIN dl_conversations c ON c.number = m.conversation WHERE m.user_id = ? AND c.app_id = ?`)
		if err != nil {
			return err
		}
		for _, c := range joined {
			if _, err := t.exec("UPDATE dl_members SET account = ? WHERE number = ?", text(c.account), c.number); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetInstalled implements [directline.Store].
func (s *Store) SetInstalled(
	ctx context.Context, id activity.ConversationID, installed bool,
) (changed bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		changed = false
		line, err := readLine(t, id)
		switch {
		case err != nil:
			return err
		case line.Ended:
			return directline.ErrEnded
		case line.Uninstalled != installed:
			return nil
		}
		changed = true
		_, err = t.exec("UPDATE dl_conversations SET uninstalled = ? WHERE conversation_id = ?", !installed, text(id))
		return err
	})
	return changed && err == nil, err
}
