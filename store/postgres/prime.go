package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/pace"
)

// A limiter lives in memory. That what it has let through counts after a restart too comes about like this:
//
// A store that is closed keeps the whole limiter, and the next one that is opened begins with that. It takes it away in
// the step in which it reads it, so that it is never taken for what a later process has done.
//
// If there is nothing of that kind, the process before was killed, or another one is at work. Then everything that was
// called is known, or counts as if it had been called when the store is opened, which is later than it was (see
// [pace.Limiter.Recover]). Deliveries are, because the change that hands one out is committed before the call, and their
// rows tell how many attempts there were and when the last of them ended at the latest; all else by what
// [pace.Limiter.OnUnkept] had stored.

const paceSetting = "pace"

// prime has the limiter take over what was called before.
func (s *Store) prime(ctx context.Context) error {
	limits := s.cfg.Pace
	if limits == nil {
		return nil
	}
	var known pace.Snapshot
	closed, now := false, s.cfg.Now()
	if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		closed, known, err = t.keptPace(ctx)
		if err != nil {
			return err
		}
		if known.Pauses, err = t.pauses(ctx); err != nil || closed {
			return err
		}
		known.Gates, err = t.called(ctx, limits, now)
		return err
	}); err != nil {
		return err
	}
	if closed {
		limits.Prime(known, now)
	} else {
		limits.Recover(known, now)
	}
	limits.OnFreed(s.loosen)
	limits.OnPaused(s.keepPause)
	limits.OnUnkept(func(ctx context.Context, r pace.Route, conversation string) error {
		return s.write(ctx, func(ctx context.Context, t *tx) error { return t.keepUse(r, conversation, s.cfg.Now()) })
	})
	return nil
}

// keptPace takes what a store that was closed has kept.
func (t *tx) keptPace(ctx context.Context) (closed bool, known pace.Snapshot, err error) {
	var text string
	err = t.QueryRow(ctx, "DELETE FROM settings WHERE name = $1 RETURNING value", paceSetting).Scan(&text)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, known, nil
	case err != nil:
		return false, known, err
	}
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		return false, pace.Snapshot{}, nil //nolint:nilerr // then it is as if there were none
	}
	return true, known, nil
}

// keepPace keeps the limiter for the next process.
func (s *Store) keepPace(ctx context.Context) error {
	if s.cfg.Pace == nil {
		return nil
	}
	kept, err := json.Marshal(s.cfg.Pace.Export(s.cfg.Now()))
	if err != nil {
		return fmt.Errorf("postgres: what channels were called: %w", err)
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, paceSetting, string(kept))
		return err
	})
}

// keepPauses is how long pauses are kept that have ended: so long a scope is tried carefully.
const keepPauses = 10 * time.Minute

// pauses are those that hold, or were not followed by a success.
func (t *tx) pauses(ctx context.Context) (found []pace.Pause, err error) {
	if _, err := t.Exec(ctx, "DELETE FROM pauses WHERE until < $1", t.store.cfg.Now().Add(-keepPauses)); err != nil {
		return nil, err
	}
	rows, err := t.Query(ctx, "SELECT scope, until, reason FROM pauses")
	if err != nil {
		return nil, err
	}
	var scope string
	var p pace.Pause
	_, err = pgx.ForEachRow(rows, []any{&scope, &p.Until, &p.Reason}, func() error {
		p.Scope = pace.Scope{}
		if err := json.Unmarshal([]byte(scope), &p.Scope); err != nil {
			return fmt.Errorf("postgres: pause: %w", err)
		}
		found = append(found, p)
		return nil
	})
	return found, err
}

// keepPause keeps a pause, or forgets one that is over, soon and in the order of the calls. It does not wait.
func (s *Store) keepPause(p pace.Pause) { s.pausing.post("keep a pause", p, func() {}) }

func (s *Store) keepAllPauses(ctx context.Context, list []pace.Pause) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		for _, p := range list {
			scope, err := json.Marshal(p.Scope)
			switch {
			case err != nil:
				return fmt.Errorf("postgres: pause: %w", err)
			case p.Until.IsZero():
				t.last.Queue("DELETE FROM pauses WHERE scope = $1", string(scope))
			default:
				t.last.Queue(`INSERT INTO pauses (scope, until, reason) VALUES ($1, $2, $3)
					ON CONFLICT (scope) DO UPDATE SET until = excluded.until, reason = excluded.reason`,
					string(scope), p.Until, p.Reason)
			}
		}
		return nil
	})
}

// keepUse stores what is used of a way by others than deliveries, if that must be.
func (t *tx) keepUse(r pace.Route, conversation string, at time.Time) error {
	used, stored := t.store.cfg.Pace.Unkept(r, conversation)
	for _, g := range used {
		scope, err := json.Marshal(g.Scope)
		if err != nil {
			return fmt.Errorf("postgres: what a channel was called: %w", err)
		}
		usage, err := g.Usage.MarshalBinary()
		if err != nil {
			return fmt.Errorf("postgres: what a channel was called: %w", err)
		}
		t.last.Queue(`INSERT INTO usages (scope, node, used, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (scope, node) DO UPDATE SET used = excluded.used, at = excluded.at`,
			string(scope), t.store.bus.node, usage, at)
	}
	if len(used) > 0 {
		t.after(stored)
	}
	return nil
}

// called tells what was called, by whomever, as far back as it matters.
func (t *tx) called(ctx context.Context, limits *pace.Limiter, now time.Time) (gates []pace.Gate, err error) {
	rows, err := t.Query(ctx, "SELECT DISTINCT channel_id FROM routes")
	if err != nil {
		return nil, err
	}
	longest := time.Duration(0)
	var channel string
	if _, err := pgx.ForEachRow(rows, []any{&channel}, func() error {
		longest = max(longest, limits.Remembers(channel))
		return nil
	}); err != nil || longest == 0 {
		return nil, err
	}
	since := now.Add(-longest)
	if _, err := t.Exec(ctx, "DELETE FROM usages WHERE at < $1", since); err != nil {
		return nil, err
	}
	if rows, err = t.Query(ctx, "SELECT scope, used FROM usages"); err != nil {
		return nil, err
	}
	var scope string
	var used []byte
	if _, err := pgx.ForEachRow(rows, []any{&scope, &used}, func() error {
		var g pace.Gate
		if err := json.Unmarshal([]byte(scope), &g.Scope); err != nil {
			return fmt.Errorf("postgres: what a channel was called: %w", err)
		}
		err := g.Usage.UnmarshalBinary(used)
		gates = append(gates, g)
		return err
	}); err != nil {
		return nil, err
	}
	attempted, err := t.attempted(ctx, limits, since)
	return append(gates, attempted...), err
}

// attempted counts all attempts of deliveries that had one since a time, each at the last change of its delivery.
func (t *tx) attempted(ctx context.Context, limits *pace.Limiter, since time.Time) ([]pace.Gate, error) {
	const (
		what = `SELECT coalesce(c.app_id, g.app_id, ''), coalesce(c.channel_id, g.channel_id, ''),
			coalesce(c.tenant_id, g.tenant_id, ''), coalesce(c.conversation_id, g.conversation_id, ''), d.claims, d.updated_at FROM `
		where = " d " + withConversation + " WHERE d.claims > 0 AND d.updated_at >= $1"
	)
	rows, err := t.Query(ctx, what+"deliveries"+where+" UNION ALL "+what+"finished"+where, since)
	if err != nil {
		return nil, err
	}
	calls := make(map[pace.Scope][]time.Time)
	var way pace.Route
	var conversation string
	var claims int
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&way.App, &way.Channel, &way.Tenant, &conversation, &claims, &at}, func() error {
		if limits.Remembers(way.Channel) == 0 {
			return nil
		}
		for _, s := range [...]pace.Scope{way.OfTenant(), way.OfBot(), way.OfConversation(conversation)} {
			for range claims {
				calls[s] = append(calls[s], at)
			}
		}
		return nil
	}); err != nil {
		return nil, err
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
