package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
)

// lease is a conversation's lease. That of a turn is written into the row of turns, with its fence, and the place in this
// process's own line comes with it. That of an attempt is that the delivery is being sent, with its fence.
type lease struct {
	local    *turnlock.Lease[headsup.ConversationKey]
	store    *Store
	key      headsup.ConversationKey
	turn     int64             // primary key of the row
	delivery outbox.DeliveryID // of an attempt
	fence    int64
	gone     atomic.Bool // it was given back
	release  func()
}

func (l *lease) Key() headsup.ConversationKey { return l.key }

func (l *lease) Fence() int64 { return l.fence }

// Release implements [headsup.Lease]. The row is given back in the background; should that fail, the lease runs out.
func (l *lease) Release() { l.release() }

// Lease implements [headsup.Turns]. Within a process turns come in the order of their calls; between processes, whoever
// asks first once it is free. Deliveries do not take a conversation for which a turn waits.
func (s *Store) Lease(ctx context.Context, key headsup.ConversationKey) (headsup.Lease, error) {
	local, err := s.line.Acquire(ctx, key)
	if err != nil {
		return nil, err
	}
	l := &lease{local: local, store: s, key: key, turn: turnKey(key)}
	took, err := s.takeTurn(ctx, l.turn)
	if err != nil {
		local.Release()
		return nil, err
	}
	l.fence = took.fence
	s.notes.begins(l.turn, took.version)
	l.release = sync.OnceFunc(func() {
		l.gone.Store(true)
		s.notes.ends(l.turn)
		s.releases.post("give a conversation back", releasing{l.turn, l.fence}, local.Release)
	})
	return l, nil
}

// attemptLease is the lease that an attempt has, for a turn that it runs. It ends with the attempt.
func (t *tx) attemptLease(c *book.Conversation, id outbox.DeliveryID, fence int64) *lease {
	l := &lease{store: t.store, key: c.Key, turn: turnKey(c.Key), delivery: id, fence: fence}
	a := attempt{id, fence}
	t.store.handed.add(a, handedTo{l.turn, c.Row})
	t.otherwise(func() { t.store.handed.forget(a) })
	l.release = func() { l.gone.Store(true) }
	return l
}

// Between two looks at a turn that somebody else has.
const (
	lookFirst = 10 * time.Millisecond
	lookLast  = 250 * time.Millisecond
	wantFor   = 4 * lookLast
)

// takeTurn waits until a turn is free and takes it.
func (s *Store) takeTurn(ctx context.Context, key int64) (*taking, error) {
	for wait := lookFirst; ; wait = min(2*wait, lookLast) {
		freed, stop := s.waits.on(key)
		take := &taking{key: key}
		err := s.takes.do(ctx, take)
		if err == nil && take.fence == 0 {
			err = rest(ctx, freed, wait)
		}
		stop()
		if err != nil || take.fence != 0 {
			return take, err
		}
	}
}

// rest waits a while, or until there is a reason to look again.
func rest(ctx context.Context, sooner <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-sooner:
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// taking is an attempt to take a turn.
type taking struct {
	key     int64
	fence   int64 // 0: somebody else has it
	version int64 // of the conversation
}

// takeTurns takes those that are free, and notes for the others that somebody waits.
const takeTurns = `INSERT INTO turns AS t (key, fence, until)
	SELECT k, $2, clock_timestamp() + $3::interval FROM unnest($1::bigint[]) AS k
	ON CONFLICT (key) DO UPDATE SET
		fence = CASE WHEN t.until <= statement_timestamp() THEN excluded.fence ELSE t.fence END,
		until = CASE WHEN t.until <= statement_timestamp() THEN clock_timestamp() + $3::interval ELSE t.until END,
		wanted = CASE WHEN t.until <= statement_timestamp() THEN '-infinity' ELSE clock_timestamp() + $4::interval END
	RETURNING key, fence, version`

func (s *Store) takeAll(ctx context.Context, list []*taking) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		keys := make([]int64, len(list))
		for i, x := range list {
			keys[i], x.fence = x.key, 0
		}
		slices.Sort(keys)
		var fence int64
		if err := t.QueryRow(ctx, "SELECT nextval('fences')").Scan(&fence); err != nil {
			return err
		}
		got, err := t.takeTurns(ctx, slices.Compact(keys), fence)
		if err != nil {
			return err
		}
		for _, x := range list {
			if version, free := got[x.key]; free {
				x.fence, x.version = fence, version
				delete(got, x.key) // by the first of those who ask for the same
			}
		}
		return nil
	})
}

// sendingThere lists those of turns that deliveries have which are being sent.
const sendingThere = `SELECT DISTINCT t.key FROM turns t CROSS JOIN generate_series(0, 2) AS l (lane) CROSS JOIN LATERAL (
		SELECT d.state, d.turn_until FROM deliveries d
		WHERE d.conversation = t.conversation AND d.lane = l.lane AND d.seq IS NOT NULL ORDER BY d.seq LIMIT 1) AS head
	WHERE t.key = ANY ($1) AND head.state = 4 AND head.turn_until > clock_timestamp()`

// takeTurns takes turns that are free, in the order of keys, and tells which those were, with their versions. Whether somebody is being sent
// is asked once their rows are locked: nobody begins to be sent from then on.
func (t *tx) takeTurns(ctx context.Context, keys []int64, fence int64) (map[int64]int64, error) {
	got := make(map[int64]int64, len(keys))
	var back []int64
	var b pgx.Batch
	var key, now, version int64
	b.Queue(takeTurns, keys, fence, t.store.leaseTime, wantFor).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&key, &now, &version}, func() error {
			if now == fence {
				got[key] = version
			}
			return nil
		})
		return err
	})
	b.Queue(sendingThere, keys).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
			if _, free := got[key]; free {
				delete(got, key)
				back = append(back, key)
			}
			return nil
		})
		return err
	})
	err := t.SendBatch(ctx, &b).Close()
	if len(back) > 0 {
		t.last.Queue("UPDATE turns SET fence = 0, until = '-infinity', wanted = clock_timestamp() + $2::interval WHERE key = ANY ($1)", back, wantFor)
	}
	return got, err
}

// releasing is a turn that is given back.
type releasing struct{ key, fence int64 }

func (s *Store) releaseAll(ctx context.Context, list []releasing) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		keys, fences := make([]int64, len(list)), make([]int64, len(list))
		for i, x := range list {
			keys[i], fences[i] = x.key, x.fence
		}
		var b pgx.Batch
		b.Queue(`WITH locked AS MATERIALIZED (
				SELECT t.key FROM unnest($1::bigint[], $2::bigint[]) AS r (key, fence) JOIN turns t ON t.key = r.key AND t.fence = r.fence
				ORDER BY t.key FOR NO KEY UPDATE OF t)
			UPDATE turns t SET fence = 0, until = '-infinity' FROM unnest($1::bigint[], $2::bigint[]) AS r (key, fence), locked l
			WHERE t.key = l.key AND t.key = r.key AND t.fence = r.fence RETURNING t.key`, keys, fences).Query(t.released)
		// Deliveries may have waited for it.
		b.Queue(`SELECT EXISTS (SELECT FROM turns t CROSS JOIN generate_series(0, 2) AS l (lane) CROSS JOIN LATERAL (
				SELECT d.waits FROM deliveries d
				WHERE d.conversation = t.conversation AND d.lane = l.lane AND d.seq IS NOT NULL ORDER BY d.seq LIMIT 1) AS head
			WHERE t.key = ANY ($1) AND head.waits = 1)`, keys).QueryRow(func(r pgx.Row) error { return r.Scan(&t.wake) })
		return t.SendBatch(ctx, &b).Close()
	})
}

// waits are those in this process who wait for a turn that somebody else in it may give back.
type waits struct {
	mu sync.Mutex
	by map[int64]map[chan struct{}]struct{}
}

// on returns what is signalled when a turn was given back, until stop is called.
func (w *waits) on(key int64) (freed <-chan struct{}, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{}, 1)
	if w.by == nil {
		w.by = make(map[int64]map[chan struct{}]struct{})
	}
	if w.by[key] == nil {
		w.by[key] = make(map[chan struct{}]struct{})
	}
	w.by[key][c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.by[key], c); len(w.by[key]) == 0 {
			delete(w.by, key)
		}
	}
}

// freed tells of turns that were given back.
func (s *Store) freed(keys []int64) {
	w := &s.waits
	w.mu.Lock()
	if len(w.by) > 0 {
		for _, key := range keys {
			for c := range w.by[key] {
				select {
				case c <- struct{}{}:
				default:
				}
			}
		}
	}
	w.mu.Unlock()
	if len(keys) > 0 && s.blocked.Swap(false) {
		s.wakeHere()
	}
}

// Answered implements [headsup.Turns].
func (s *Store) Answered(
	ctx context.Context, key headsup.ConversationKey, id activity.ID,
) (answer headsup.Answer, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		answer = headsup.Answer{}
		err := q.QueryRow(ctx, "SELECT status, body FROM inbound WHERE conversation = $1 AND activity_id = $2",
			keyHash(key), clean(string(id))).Scan(&answer.Status, &answer.Body)
		if found = err == nil; errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return answer, found, err
}

// Commit implements [headsup.Turns].
func (s *Store) Commit(ctx context.Context, l headsup.Lease, ops []headsup.Op) error {
	held, ok := l.(*lease)
	if !ok || held.store != s {
		return errors.New("postgres: commit: the lease is not one of this store")
	}
	var others []book.Row
	for _, op := range ops {
		switch op := op.(type) {
		case headsup.RecordAnswer, headsup.Mark, state.Save, outbox.Conclude, schedule.Create, event.Heard, event.Acted:
		case outbox.Submit:
			for i := range op.Submissions {
				for _, d := range op.Submissions[i].Deliveries {
					others = append(others, d.Conversation)
				}
			}
		default:
			return fmt.Errorf("postgres: commit: unknown op %T", op)
		}
	}
	if c := plain(held, ops); c != nil {
		if err := s.commits.do(ctx, c); err != nil {
			return err
		}
		if c.lost {
			return headsup.ErrLeaseLost
		}
		return nil
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.extend(ctx, held, others...); err != nil {
			return err
		}
		for _, op := range ops {
			if err := t.apply(ctx, held, op); err != nil {
				return err
			}
		}
		return nil
	})
}

// extend makes a lease last from now on and locks its row, together with those of other conversations that the transaction
// will change. From here on nobody takes it before the transaction has ended. ErrLeaseLost when somebody has already.
func (t *tx) extend(ctx context.Context, l *lease, others ...book.Row) error {
	if l.gone.Load() {
		return headsup.ErrLeaseLost
	}
	var b pgx.Batch
	if len(others) > 0 {
		b.Queue("SELECT FROM turns WHERE key = $1 OR conversation = ANY ($2) ORDER BY key FOR NO KEY UPDATE", l.turn, numbers(others))
	}
	held := false
	if l.delivery != 0 {
		b.Queue("SELECT FROM turns WHERE key = $1 FOR NO KEY UPDATE", l.turn)
		b.Queue("SELECT FROM deliveries WHERE id = $1 AND fence = $2 AND state = 4 AND turn_until > clock_timestamp()", int64(l.delivery), l.fence).Query(func(r pgx.Rows) error {
			held = r.Next()
			r.Close()
			return r.Err()
		})
	} else {
		b.Queue("UPDATE turns SET until = clock_timestamp() + $3::interval WHERE key = $1 AND fence = $2 RETURNING true",
			l.turn, l.fence, t.store.leaseTime).Query(func(r pgx.Rows) error {
			held = r.Next()
			r.Close()
			return r.Err()
		})
	}
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if !held {
		return headsup.ErrLeaseLost
	}
	return nil
}

func (t *tx) apply(ctx context.Context, l *lease, op headsup.Op) error {
	switch op := op.(type) {
	case headsup.RecordAnswer:
		t.recordAnswer(l, op)
	case headsup.Mark:
		_, err := t.mark(ctx, l.turn, op)
		return err
	case state.Save:
		return t.writeState(ctx, op.Writes)
	case outbox.Submit:
		for i := range op.Submissions {
			if _, err := t.submit(ctx, &op.Submissions[i]); err != nil {
				return err
			}
		}
	case outbox.Conclude:
		return t.endWithTurn(ctx, op.Outcome)
	case schedule.Create:
		_, _, err := t.createSchedule(ctx, op.Schedule, op.Most)
		return err
	case event.Heard:
		return t.hear(ctx, l.key, op)
	case event.Acted:
		return t.acted(ctx, l.key, op)
	}
	return nil
}

func (t *tx) recordAnswer(l *lease, op headsup.RecordAnswer) {
	var a answerArrays
	a.add(l, op)
	a.queue(t)
	t.last.Queue("UPDATE turns SET last_inbound_at = $2 WHERE key = $1 AND conversation IS NOT NULL", l.turn, op.At)
}
