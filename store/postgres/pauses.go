package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/pace"
)

// Pauses are rows that all nodes read: when one of them tells that there is something new, and once a second. Every change
// of one gives it a new version, by which whoever ends it says which he means.

// keepPauses is how long pauses are kept that have ended: so long a scope is tried carefully.
const keepPauses = "10 minutes"

// pauseKept is what becomes of a pause that this node has made or ended.
type pauseKept struct {
	pace.Pause
	at time.Time // by this process
}

// keepPause keeps a pause, or forgets one that is over, soon and in the order of the calls. It does not wait.
func (s *Store) keepPause(p pace.Pause) {
	s.pausing.post("keep a pause", pauseKept{p, time.Now()}, func() { s.cfg.Pace.Kept(p.Scope) })
}

// A pause that somebody else has made longer stays. What this node has written last it may end in any case: it does one
// after the other.
const (
	writePause = `INSERT INTO pauses AS p (scope, until, reason, trips, node, version)
		VALUES ($1, clock_timestamp() + $2::interval, $3, $4, $5, nextval('fences'))
		ON CONFLICT (scope) DO UPDATE SET until = excluded.until, reason = excluded.reason, trips = excluded.trips, node = excluded.node,
			version = excluded.version, prober = '', probing = '-infinity'
		WHERE p.until < excluded.until`
	endPause = "DELETE FROM pauses WHERE scope = $1 AND (version <= $2 OR node = $3)"
)

func (s *Store) keepAllPauses(ctx context.Context, list []pauseKept) error {
	if err := s.writeFor(ctx, len(list), func(_ context.Context, t *tx) error {
		for _, p := range list {
			scope, err := json.Marshal(p.Scope)
			switch {
			case err != nil:
				return fmt.Errorf("postgres: pause: %w", err)
			case p.Until.IsZero():
				t.last.Queue(endPause, clean(string(scope)), p.Version, s.bus.node)
			default:
				t.last.Queue(writePause, clean(string(scope)), p.Until.Sub(p.at)-time.Since(p.at), p.Reason, p.Trips, s.bus.node)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	s.bus.tell(topicPauses, "")
	s.lookAtPauses()
	return nil
}

// lookAtPauses has the pauses read soon.
func (s *Store) lookAtPauses() {
	select {
	case s.sharing.news <- struct{}{}:
	default:
	}
}

// followPauses learns of pauses until the store closes.
func (s *Store) followPauses(ctx context.Context) {
	for rest(ctx, s.sharing.news, lookEvery) == nil {
		if err := s.learnPauses(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.DebugContext(ctx, "pauses of other nodes not read", "error", err.Error())
		}
	}
}

// learnPauses has the limiter know what is paused, by whatever node, and gives back what this node has not tried although
// it was its turn.
func (s *Store) learnPauses(ctx context.Context) error {
	var all []pace.Known
	mark := s.cfg.Pace.Learning()
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		all = nil
		rows, err := q.Query(ctx, `SELECT scope, until - clock_timestamp(), reason, trips, version, probing > clock_timestamp() AND prober = $1
			FROM pauses WHERE until > clock_timestamp() - $2::text::interval`, s.bus.node, keepPauses)
		if err != nil {
			return err
		}
		var scope string
		var k pace.Known
		_, err = pgx.ForEachRow(rows, []any{&scope, &k.In, &k.Reason, &k.Trips, &k.Version, &k.Ours}, func() error {
			k.Scope = pace.Scope{}
			if err := json.Unmarshal([]byte(scope), &k.Scope); err != nil {
				return fmt.Errorf("postgres: pause: %w", err)
			}
			all = append(all, k)
			return nil
		})
		return err
	}); err != nil {
		return err
	}
	back := s.cfg.Pace.Learn(mark, all, time.Now())
	if len(back) == 0 {
		return nil
	}
	if err := s.write(ctx, func(_ context.Context, t *tx) error {
		for _, p := range back {
			scope, err := json.Marshal(p.Scope)
			if err != nil {
				return fmt.Errorf("postgres: pause: %w", err)
			}
			t.last.Queue("UPDATE pauses SET prober = '', probing = '-infinity' WHERE scope = $1 AND version = $2 AND prober = $3",
				clean(string(scope)), p.Version, s.bus.node)
		}
		return nil
	}); err != nil {
		return err
	}
	s.bus.tell(topicPauses, "")
	return nil
}

// probeLease is how long nobody else tries a scope: until a call that begins while the node may is over.
const probeLease = pace.ProbeWithin + pace.LongestCall

// askToProbe asks whether it is this node that tries scopes whose pauses have run out.
func (s *Store) askToProbe(ctx context.Context, list []pace.Pause) error {
	sent := time.Now()
	var granted []pace.Pause
	slices.SortFunc(list, func(a, b pace.Pause) int { return a.Until.Compare(b.Until) })
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		granted = nil
		for _, p := range list {
			scope, err := json.Marshal(p.Scope)
			if err != nil {
				return fmt.Errorf("postgres: pause: %w", err)
			}
			tag, err := t.Exec(ctx, `UPDATE pauses SET prober = $3, probing = clock_timestamp() + $4::interval
				WHERE ctid = ANY (ARRAY (SELECT ctid FROM pauses WHERE scope = $1 AND version = $2 AND until <= clock_timestamp()
					AND (probing <= clock_timestamp() OR prober = $3) FOR NO KEY UPDATE SKIP LOCKED))`,
				clean(string(scope)), p.Version, s.bus.node, probeLease)
			if err != nil {
				return err
			}
			if tag.RowsAffected() > 0 {
				granted = append(granted, p)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	s.cfg.Pace.MayProbe(granted, sent)
	return nil
}

// forgetPauses deletes those that have ended long ago.
func (s *Store) forgetPauses(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, "DELETE FROM pauses WHERE until < clock_timestamp() - $1::text::interval", keepPauses)
		return err
	})
}
