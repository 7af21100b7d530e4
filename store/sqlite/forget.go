package sqlite

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

// Forget implements [proactive.Forgetter].
func (s *Store) Forget(ctx context.Context, key headsup.ConversationKey, at time.Time) error {
	return s.alone(ctx, key, func(t *tx, e *entry) error { return t.forget(e, exact(at), e.conv.Person()) })
}

// alone runs f with a conversation of the book while nothing is said or answered there.
func (s *Store) alone(ctx context.Context, key headsup.ConversationKey, f func(*tx, *entry) error) error {
	held, err := s.leases.Acquire(ctx, key)
	if err != nil {
		return err
	}
	defer held.Release()
	return s.writer.do(ctx, func(t *tx) error {
		if !held.Extend() {
			return headsup.ErrLeaseLost
		}
		e, err := t.conversationByKey(key)
		switch {
		case err != nil:
			return err
		case e == nil:
			return book.ErrNotFound
		}
		return f(t, e)
	})
}

// forget removes a conversation that was owner's, if it was one person's.
func (t *tx) forget(e *entry, at time.Time, owner activity.AccountID) error {
	for _, step := range []func(*entry, time.Time) error{t.cancelAll, t.endJobs, t.forgetState, t.forgetPeople} {
		if err := step(e, at); err != nil {
			return err
		}
	}
	r := e.conv.Row
	if _, err := t.exec(`INSERT INTO forgotten (id, app_id, tenant_id, channel_id, bot_id, conversation_id, user_id)
			SELECT id, app_id, tenant_id, channel_id, bot_id, conversation_id, ? FROM conversations WHERE id = ?`,
		text(owner), int64(r)); err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM conversations WHERE id = ?", int64(r)); err != nil { // tags and members go with it
		return err
	}
	t.book.remove(e)
	if t.forgotten == nil {
		t.forgotten = make(map[book.Row]*entry)
	}
	t.forgotten[r] = e
	return nil
}

// cancelAll cancels what waits for a conversation. Nothing is being sent there by anybody who holds its lease; an
// attempt that has lost it ends here.
func (t *tx) cancelAll(e *entry, at time.Time) error {
	for _, r := range t.store.runningIn(e.conv.Row) {
		h := r.hot
		h.unsure = true
		c := outbox.Change{At: at, State: outbox.StateCancelled, Attempt: int(r.claims), Reason: proactive.ReasonForgotten}
		if err := t.end(r, h, c); err != nil {
			return err
		}
	}
	var waiting []hot
	for _, which := range []string{"d.seq IS NOT NULL", "d.seq IS NULL"} { // each has its index
		if err := t.each(func(r row) error {
			waiting = append(waiting, scanHot(r))
			return nil
		}, "SELECT "+hotColumns+" FROM deliveries d WHERE d.conversation = ? AND "+which, int64(e.conv.Row)); err != nil {
			return err
		}
	}
	for i := range waiting {
		if err := t.drops(&waiting[i], proactive.ReasonForgotten, at); err != nil {
			return err
		}
	}
	return nil
}

// runningIn lists the attempts in a conversation that nobody has ended yet.
func (s *Store) runningIn(c book.Row) []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*run
	for _, r := range s.running {
		if r.conversation == c && !r.ended {
			found = append(found, r)
		}
	}
	return sortedByID(found)
}

func (t *tx) endJobs(e *entry, at time.Time) error {
	_, err := t.exec(`UPDATE jobs SET completed_at = ? WHERE app_id = ? AND conversation_id = ? AND channel_id = ?
			AND bot_id = ? AND tenant_id = ? AND completed_at = 0`,
		append([]any{at}, keyArgs(e.conv.Key)...)...)
	return err
}

func (t *tx) forgetState(e *entry, _ time.Time) error {
	k := e.conv.Key
	if err := t.dropState(k, state.ConversationPath(k)); err != nil {
		return err
	}
	prefix := state.PrivatePrefix(k)
	after := prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
	_, err := t.exec("DELETE FROM state WHERE app_id = ? AND tenant_id = ? AND path >= ? AND path < ?",
		text(k.AppID), text(k.Tenant), text(prefix), text(after))
	return err
}

func (t *tx) dropState(k headsup.ConversationKey, path string) error {
	_, err := t.exec("DELETE FROM state WHERE app_id = ? AND tenant_id = ? AND path = ?",
		text(k.AppID), text(k.Tenant), text(path))
	return err
}

// forgetPeople forgets those who are in no other conversation.
func (t *tx) forgetPeople(e *entry, _ time.Time) error {
	type loner struct {
		number int64
		user   activity.AccountID
	}
	var alone []loner
	if err := t.each(func(r row) error {
		alone = append(alone, loner{r.int(0), activity.AccountID(r.text(1))})
		return nil
	}, `SELECT p.id, p.user_id FROM members m JOIN people p ON p.id = m.person WHERE m.conversation = ?1
		AND NOT EXISTS (SELECT 1 FROM members o WHERE o.person = m.person AND o.conversation <> ?1)`,
		int64(e.conv.Row)); err != nil {
		return err
	}
	for _, p := range alone {
		if _, err := t.exec("DELETE FROM people WHERE id = ?", p.number); err != nil {
			return err
		}
		if err := t.dropState(e.conv.Key, state.UserPath(e.conv.Key.Channel, p.user)); err != nil {
			return err
		}
	}
	return nil
}
