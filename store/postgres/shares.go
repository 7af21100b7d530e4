package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/pace"
)

// What tenants and bots may be called together is shared by the nodes: one row for each scope has what part each node has
// of the scope's windows (see [pace.Shares]). A node keeps to its part by itself. It asks for one when there is something
// to be called, about once a second while it uses it, and at once when another node tells it that somebody has less than
// his due. While nothing limited is called, nothing is asked.

// sharing is what this node needs to share windows with the others.
type sharing struct {
	look  chan struct{}    // a share is to be asked for
	news  chan struct{}    // pauses are to be read
	began time.Time        // when this process began, by the database's clock
	known sync.Map         // scopes, as they are stored, whose rows are there
	calls *group[*calling] // that are no deliveries
	ended *group[called]   // that are over
}

// prime has the limiter share its windows and its pauses with the other nodes.
func (s *Store) prime(ctx context.Context) error {
	limits := s.cfg.Pace
	if limits == nil {
		return nil
	}
	limits.OnFreed(s.loosen)
	if s.callersTime {
		return nil
	}
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&s.sharing.began)
	}); err != nil {
		return err
	}
	limits.Join(pace.Node{Name: cmp.Or(s.cfg.Node, s.bus.node), Run: s.bus.node, Calls: s, Look: func() {
		select {
		case s.sharing.look <- struct{}{}:
		default:
		}
	}})
	limits.OnPaused(s.keepPause)
	return s.learnPauses(ctx)
}

// keepShares asks for shares as they are needed, until the store closes.
func (s *Store) keepShares(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.sharing.look:
		case <-timer.C:
		}
		due, next := s.cfg.Pace.Asking(time.Now())
		if paused := s.cfg.Pace.Probing(time.Now()); len(paused) > 0 {
			if err := s.askToProbe(ctx, paused); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "not asked whether to try what was paused", "error", err.Error())
			}
		}
		if len(due) > 0 {
			if err := s.askForShares(ctx, due); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "a share of a channel's limits was not asked for", "error", err.Error())
			}
			_, next = s.cfg.Pace.Asking(time.Now())
		}
		timer.Reset(max(next, shortestWait))
	}
}

// askForShares asks for this node's shares of scopes.
func (s *Store) askForShares(ctx context.Context, due []pace.Scope) error {
	limits, sent := s.cfg.Pace, time.Now()
	names := make(map[string]pace.Scope, len(due))
	for _, scope := range due {
		name, err := json.Marshal(scope)
		if err != nil {
			return fmt.Errorf("postgres: shares: %w", err)
		}
		names[clean(string(name))] = scope
	}
	var done []pace.Scope
	var tell []string
	err := s.makeRows(ctx, names)
	if err == nil {
		err = s.writeFor(ctx, len(due), func(ctx context.Context, t *tx) (err error) {
			done, tell, err = t.askForShares(ctx, names, sent)
			return err
		})
	}
	if err != nil {
		limits.NotStored(due, time.Now())
		return err
	}
	limits.Stored(done, sent)
	for _, name := range tell {
		s.bus.tell(topicShares, name)
	}
	if len(done) < len(due) { // their rows were deleted meanwhile
		gone := slices.DeleteFunc(slices.Clone(due), func(s pace.Scope) bool { return slices.Contains(done, s) })
		limits.NotStored(gone, time.Now())
	}
	return nil
}

// makeRows adds the rows that are not there, by a transaction of its own: those that lock rows do so in one order.
func (s *Store) makeRows(ctx context.Context, names map[string]pace.Scope) error {
	var missing []string
	for name := range names {
		if _, known := s.sharing.known.Load(name); !known {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO shares (scope, nodes, at)
			SELECT scope, '', clock_timestamp() FROM unnest($1::text[]) WITH ORDINALITY AS n (scope, place) ORDER BY place
			ON CONFLICT DO NOTHING`, missing)
		return err
	}); err != nil {
		return err
	}
	for _, name := range missing {
		s.sharing.known.Store(name, nil)
	}
	return nil
}

// askForShares asks in the rows of scopes, and tells which there were, and in which the others have reason to ask too.
func (t *tx) askForShares(ctx context.Context, names map[string]pace.Scope, sent time.Time) (done []pace.Scope, tell []string, err error) {
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	rows, err := t.Query(ctx, "SELECT scope, nodes, clock_timestamp() FROM shares WHERE scope = ANY ($1) ORDER BY scope FOR NO KEY UPDATE", all)
	if err != nil {
		return nil, nil, err
	}
	var name, nodes string
	var now time.Time
	var changed, to []string
	if _, err := pgx.ForEachRow(rows, []any{&name, &nodes, &now}, func() error {
		var shares pace.Shares
		if nodes != "" {
			if err := json.Unmarshal([]byte(nodes), &shares); err != nil {
				return fmt.Errorf("postgres: shares: %w", err)
			}
		}
		if t.store.cfg.Pace.Ask(names[name], &shares, sent, now, t.store.sharing.began) {
			tell = append(tell, name)
		}
		stored := []byte(nil)
		if len(shares.Nodes) > 0 {
			if stored, err = json.Marshal(shares); err != nil {
				return fmt.Errorf("postgres: shares: %w", err)
			}
		}
		done, changed, to = append(done, names[name]), append(changed, name), append(to, string(stored))
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if len(done) < len(all) {
		t.store.sharing.known.Clear()
	}
	t.last.Queue(`UPDATE shares s SET nodes = n.nodes, at = clock_timestamp() FROM unnest($1::text[], $2::text[]) AS n (scope, nodes)
		WHERE s.scope = n.scope AND s.nodes <> n.nodes`, changed, to)
	return done, tell, nil
}

// hearOfShares acts on another node's hint.
func (s *Store) hearOfShares(name string) {
	var scope pace.Scope
	if s.cfg.Pace != nil && json.Unmarshal([]byte(name), &scope) == nil {
		s.cfg.Pace.Look(scope)
	}
}

// leaveShares gives this node's shares back: all its calls are over.
func (s *Store) leaveShares(ctx context.Context) error {
	if !s.cfg.Pace.Shared() {
		return nil
	}
	all := s.cfg.Pace.Leave()
	if len(all) == 0 {
		return nil
	}
	return s.askForShares(ctx, all)
}

// keepShareRows is for how long rows are kept that nobody uses.
const keepShareRows = "1 hour"

// forgetShares deletes rows of scopes that nobody has used for some time.
func (s *Store) forgetShares(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `DELETE FROM shares WHERE scope = ANY (ARRAY (
			SELECT scope FROM shares WHERE nodes = '' AND at < clock_timestamp() - $1::text::interval LIMIT $2 FOR UPDATE SKIP LOCKED))`,
			keepShareRows, forgetAtOnce)
		return err
	})
}
