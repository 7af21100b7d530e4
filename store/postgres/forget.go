package postgres

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

// Forget implements [proactive.Forgetter].
func (s *Store) Forget(ctx context.Context, key headsup.ConversationKey, at time.Time) error {
	return s.alone(ctx, key, func(ctx context.Context, t *tx, e *entry, turn int64) error {
		return t.forget(ctx, e, turn, exact(at), e.conv.Person())
	})
}

// alone runs f with a conversation of the book, and the number of its turn, while nothing is said or answered there.
func (s *Store) alone(
	ctx context.Context, key headsup.ConversationKey, f func(context.Context, *tx, *entry, int64) error,
) error {
	held, err := s.Lease(ctx, key)
	if err != nil {
		return err
	}
	defer held.Release()
	l, _ := held.(*lease) // it is one of this store's
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.extend(ctx, l); err != nil {
			return err
		}
		known, err := look(ctx, t, key, people{})
		switch {
		case err != nil:
			return err
		case known.entry == nil:
			return book.ErrNotFound
		}
		return f(ctx, t, known.entry, l.turn)
	})
}

// forget removes a conversation that was owner's, if it was one person's.
func (t *tx) forget(ctx context.Context, e *entry, turn int64, at time.Time, owner activity.AccountID) error {
	r, k := e.conv.Row, e.conv.Key
	if err := t.cancelAll(ctx, r, at, proactive.ReasonForgotten); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, `UPDATE jobs SET completed_at = $6 WHERE app_id = $1 AND conversation_id = $2 AND channel_id = $3
			AND bot_id = $4 AND tenant_id = $5 AND completed_at IS NULL`, append(keyArgs(k), at)...); err != nil {
		return err
	}
	if err := t.forgetState(ctx, k); err != nil {
		return err
	}
	if err := t.forgetPeople(ctx, e); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, `INSERT INTO forgotten (id, app_id, tenant_id, channel_id, bot_id, conversation_id, user_id)
			SELECT id, app_id, tenant_id, channel_id, bot_id, conversation_id, $2 FROM conversations WHERE id = $1`, r, owner); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "DELETE FROM conversations WHERE id = $1", r); err != nil { // tags and members go with it
		return err
	}
	// With the commit: the deliveries that were cancelled look for this row until then.
	t.last.Queue("UPDATE turns SET conversation = NULL, last_inbound_at = NULL, busy = NULL, version = version + 1 WHERE key = $1", turn)
	return nil
}

func (t *tx) forgetState(ctx context.Context, k headsup.ConversationKey) error {
	if err := t.dropState(ctx, k, state.ConversationPath(k)); err != nil {
		return err
	}
	prefix := state.PrivatePrefix(k)
	after := prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
	_, err := t.Exec(ctx, "DELETE FROM state WHERE app_id = $1 AND tenant_id = $2 AND path >= $3 AND path < $4",
		k.AppID, k.Tenant, prefix, after)
	return err
}

func (t *tx) dropState(ctx context.Context, k headsup.ConversationKey, paths ...string) error {
	_, err := t.Exec(ctx, "DELETE FROM state WHERE app_id = $1 AND tenant_id = $2 AND path = ANY ($3)", k.AppID, k.Tenant, paths)
	return err
}

// forgetPeople forgets those who are in no other conversation. They are locked first, so that nobody puts them into one
// meanwhile.
func (t *tx) forgetPeople(ctx context.Context, e *entry) error {
	if _, err := t.Exec(ctx, `SELECT p.id FROM people p JOIN members m ON m.person = p.id WHERE m.conversation = $1
		ORDER BY p.id FOR UPDATE OF p`, e.conv.Row); err != nil {
		return err
	}
	rows, err := t.Query(ctx, `DELETE FROM people p USING members m WHERE m.person = p.id AND m.conversation = $1
		AND NOT EXISTS (SELECT 1 FROM members o WHERE o.person = p.id AND o.conversation <> $1) RETURNING p.user_id`, e.conv.Row)
	if err != nil {
		return err
	}
	defer rows.Close()
	var paths []string
	for rows.Next() {
		var user activity.AccountID
		if err := rows.Scan(&user); err != nil {
			return err
		}
		paths = append(paths, state.UserPath(e.conv.Key.Channel, user))
	}
	if err := rows.Err(); err != nil || len(paths) == 0 {
		return err
	}
	return t.dropState(ctx, e.conv.Key, paths...)
}
