package memory

import (
	"context"
	"strings"
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
	held, err := s.leases.Acquire(ctx, key)
	if err != nil {
		return err
	}
	defer held.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.book.byKey[key]
	if !known {
		return book.ErrNotFound
	}
	s.cancelAll(e, at)
	for _, j := range s.jobs.byApp[key.AppID] {
		if j.Key == key && !j.Completed() {
			j.CompletedAt = at
		}
	}
	s.forgetState(e)
	for id := range e.people {
		s.leave(e, id)
	}
	s.book.rows[e.Row-1] = nil
	delete(s.book.byKey, key)
	return nil
}

// cancelAll cancels what waits for a conversation whose lease somebody holds. An attempt that has lost the lease ends
// here. s.mu is held.
func (s *Store) cancelAll(e *entry, at time.Time) {
	for _, d := range s.queue.deliveries {
		if d.conversation != e || d.State.Final() {
			continue
		}
		c := outbox.Change{At: at, State: outbox.StateCancelled, Attempt: d.Claims, Reason: proactive.ReasonForgotten}
		if d.State == outbox.StateSending {
			d.MayHaveArrived = true
			s.end(d, c)
			continue
		}
		s.queue.change(d, c)
		if d.place > 0 {
			s.queue.leave(d)
		}
	}
	s.wake()
}

// forgetState drops what is remembered of a conversation, and of everybody in it. s.mu is held.
func (s *Store) forgetState(e *entry) {
	for k := range s.docs {
		ours := k.Path == state.ConversationPath(e.Key) || strings.HasPrefix(k.Path, state.PrivatePrefix(e.Key))
		if ours && k.AppID == e.Key.AppID && k.Tenant == e.Key.Tenant {
			delete(s.docs, k)
		}
	}
}

// leave forgets somebody who is in no other conversation. s.mu is held.
func (s *Store) leave(e *entry, id activity.AccountID) {
	p := e.people[id]
	for _, other := range s.book.rows {
		if other != nil && other != e && other.people[id] == p {
			return
		}
	}
	delete(s.book.people, personKey{e.Key.AppID, e.Key.Tenant, e.Key.Channel, id})
	delete(s.docs, state.Key{AppID: e.Key.AppID, Tenant: e.Key.Tenant, Path: state.UserPath(e.Key.Channel, id)})
}
