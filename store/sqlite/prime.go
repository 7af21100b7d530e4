package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/pace"
)

// A limiter lives in memory. That what it has let through counts after a restart too comes about like this:
//
// A store that is closed keeps the whole limiter, and the next one begins with that. It takes it away in the step in which
// it reads it, so that it is never taken for what a later process has done.
//
// If there is nothing of that kind, the process before was killed. Then everything it has called is known, or counts as
// if it had been called now, which is later than it was (see [pace.Limiter.Recover]): deliveries, because the change that
// hands one out is on disk before the call, and their rows tell how many attempts there were and when the last of them
// ended at the latest; all else by what [pace.Limiter.OnUnkept] had stored. Deliveries that both know of count twice,
// which wastes some of the limit for the length of a window, once.

const paceSetting = "pace"

// prime has the limiter take over what the process before has left.
func (s *Store) prime(ctx context.Context) error {
	limits := s.cfg.Pace
	if err := s.writer.do(ctx, func(t *tx) error {
		closed, known, err := t.keptPace()
		if err != nil || limits == nil {
			return err
		}
		if known.Pauses, err = t.pauses(); err != nil {
			return err
		}
		now := s.cfg.Now()
		if closed {
			limits.Prime(known, now)
			return nil
		}
		if known.Gates, err = t.called(limits, now); err == nil {
			limits.Recover(known, now)
		}
		return err
	}); err != nil {
		return err
	}
	limits.OnFreed(s.freed)
	limits.OnPaused(s.keepPause)
	limits.OnUnkept(func(ctx context.Context, r pace.Route, conversation string) error {
		return s.writer.do(ctx, func(t *tx) error { return t.keepUse(r, conversation, s.cfg.Now()) })
	})
	return nil
}

// keptPace takes what a store that was closed has kept.
func (t *tx) keptPace() (closed bool, known pace.Snapshot, err error) {
	var text string
	if closed, err = t.one(func(r row) { text = r.text(0) }, "SELECT value FROM settings WHERE name = ?", paceSetting); !closed || err != nil {
		return closed, known, err
	}
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		return false, pace.Snapshot{}, nil //nolint:nilerr // then it is as if there were none
	}
	_, err = t.exec("DELETE FROM settings WHERE name = ?", paceSetting)
	return true, known, err
}

// keepPace keeps the limiter for the next process.
func (s *Store) keepPace() error {
	if s.cfg.Pace == nil {
		return nil
	}
	known := s.cfg.Pace.Export(s.cfg.Now())
	s.leaveOut(&known)
	kept, err := json.Marshal(known)
	if err != nil {
		return fmt.Errorf("sqlite: what channels were called: %w", err)
	}
	return s.writer.do(context.Background(), func(t *tx) error {
		_, err := t.exec("INSERT OR REPLACE INTO settings VALUES (?, ?)", paceSetting, string(kept))
		return err
	})
}

// leaveOut leaves out the conversations of people who were erased: their ids are not to come back.
func (s *Store) leaveOut(known *pace.Snapshot) {
	erased := func(scope pace.Scope) bool {
		_, gone := s.erased.Load(activity.ConversationID(scope.Conversation))
		return gone && scope.Conversation != ""
	}
	known.Gates = slices.DeleteFunc(known.Gates, func(g pace.Gate) bool { return erased(g.Scope) })
	known.Pauses = slices.DeleteFunc(known.Pauses, func(p pace.Pause) bool { return erased(p.Scope) })
}

// keepPauses is how long pauses are kept that have ended: so long a scope is tried carefully.
const keepPauses = 10 * time.Minute

// pauses are those that hold, or were not followed by a success.
func (t *tx) pauses() (found []pace.Pause, err error) {
	if _, err := t.exec("DELETE FROM pauses WHERE until < ?", t.store.cfg.Now().Add(-keepPauses)); err != nil {
		return nil, err
	}
	err = t.each(func(r row) error {
		p := pace.Pause{Until: r.time(1), Reason: r.text(2)}
		if err := json.Unmarshal([]byte(r.text(0)), &p.Scope); err != nil {
			return fmt.Errorf("sqlite: pause: %w", err)
		}
		found = append(found, p)
		return nil
	}, "SELECT scope, until, reason FROM pauses")
	return found, err
}

// keepPause keeps a pause that the channel has asked for, or forgets one that is over. What was concluded here, such as
// that a host is down or a token is wrong, may be put right by the restart. It does not wait: what leads to the pause is
// recorded afterwards.
func (s *Store) keepPause(p pace.Pause) {
	if !p.Until.IsZero() && p.Reason != pace.ReasonThrottled {
		return
	}
	scope, err := json.Marshal(p.Scope)
	if err != nil { // none that was made has this
		return
	}
	_ = s.writer.post("keep a pause", func(t *tx) error { // in vain if the store is closed, which has kept all
		if p.Until.IsZero() {
			_, err := t.exec("DELETE FROM pauses WHERE scope = ?", string(scope))
			return err
		}
		_, err := t.exec("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?)", string(scope), p.Until, text(p.Reason))
		return err
	}, func() {})
}

// keepUse stores what is used of a way by others than deliveries, if that must be.
func (t *tx) keepUse(r pace.Route, conversation string, at time.Time) error {
	used, stored := t.store.cfg.Pace.Unkept(r, conversation)
	for _, g := range used {
		scope, err := json.Marshal(g.Scope)
		if err != nil {
			return fmt.Errorf("sqlite: what a channel was called: %w", err)
		}
		usage, err := g.Usage.MarshalBinary()
		if err != nil {
			return fmt.Errorf("sqlite: what a channel was called: %w", err)
		}
		if _, err := t.exec("INSERT OR REPLACE INTO usages VALUES (?, ?, ?)", string(scope), usage, at); err != nil {
			return err
		}
	}
	if len(used) > 0 {
		t.durably(stored)
	}
	return nil
}

// called tells what was called by a process that was killed, as far back as it matters.
func (t *tx) called(limits *pace.Limiter, now time.Time) (gates []pace.Gate, err error) {
	longest := time.Duration(0)
	if err := t.each(func(r row) error {
		longest = max(longest, limits.Remembers(r.text(0)))
		return nil
	}, "SELECT DISTINCT channel_id FROM routes"); err != nil || longest == 0 {
		return nil, err
	}
	since := now.Add(-longest)
	if _, err := t.exec("DELETE FROM usages WHERE at < ?", since); err != nil {
		return nil, err
	}
	if err := t.each(func(r row) error {
		var g pace.Gate
		if err := json.Unmarshal([]byte(r.text(0)), &g.Scope); err != nil {
			return fmt.Errorf("sqlite: what a channel was called: %w", err)
		}
		gates = append(gates, g)
		return gates[len(gates)-1].Usage.UnmarshalBinary(r.bytes(1))
	}, "SELECT scope, used FROM usages"); err != nil {
		return nil, err
	}
	attempted, err := t.attempted(limits, since)
	return append(gates, attempted...), err
}

// attempted counts all attempts of deliveries that had one since a time, each at the last change of its delivery.
func (t *tx) attempted(limits *pace.Limiter, since time.Time) ([]pace.Gate, error) {
	calls := make(map[pace.Scope][]time.Time)
	count := func(r row) error {
		way := pace.Route{App: r.text(0), Channel: r.text(1), Tenant: r.text(2)}
		if limits.Remembers(way.Channel) == 0 {
			return nil
		}
		for _, s := range [...]pace.Scope{way.OfTenant(), way.OfBot(), way.OfConversation(r.text(3))} {
			for range r.int(4) {
				calls[s] = append(calls[s], r.time(5))
			}
		}
		return nil
	}
	const (
		what = `SELECT ifnull(c.app_id, g.app_id), ifnull(c.channel_id, g.channel_id), ifnull(c.tenant_id, g.tenant_id),
			ifnull(c.conversation_id, g.conversation_id), d.claims, d.updated_at FROM `
		where = ` d LEFT JOIN conversations c ON c.id = d.conversation LEFT JOIN forgotten g ON g.id = d.conversation
			WHERE d.claims > 0 AND d.updated_at >= +?`
	)
	if err := t.each(count, what+"deliveries"+where, since); err != nil {
		return nil, err
	}
	// Parts of the table were filled one after the other.
	for part, last := int64(0), t.store.parts.last+1; ; last = part {
		found, err := t.one(func(r row) { part = r.int(0) }, "SELECT part FROM finished WHERE part < +? ORDER BY part DESC LIMIT 1", last)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		var newest time.Time
		if _, err := t.one(func(r row) { newest = r.time(0) }, "SELECT max(updated_at) FROM finished WHERE part = +?", part); err != nil {
			return nil, err
		}
		if newest.Before(since) {
			break
		}
		if err := t.each(count, what+"finished"+where+" AND d.part = +?", since, part); err != nil {
			return nil, err
		}
	}
	gates := make([]pace.Gate, 0, len(calls))
	for s, times := range calls {
		slices.SortFunc(times, time.Time.Compare)
		g := pace.Gate{Scope: s}
		for _, at := range times {
			g.Usage.Add(at)
		}
		gates = append(gates, g)
	}
	return gates, nil
}
