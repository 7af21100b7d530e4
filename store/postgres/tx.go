package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headsup-bot/headsup/internal/audit"
)

// querier is what statements are run with: a transaction, or a connection for a single statement.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// tx is a transaction that writes, and what in memory must follow its commit. It is READ COMMITTED: every statement sees
// what was committed before it began.
type tx struct {
	conn  *pgx.Conn
	store *Store
	begun bool

	// last are statements whose results nobody waits for: they are sent together with the commit, or before the next
	// statement that is.
	last pgx.Batch

	counts   [states]int64 // by how much the numbers of deliveries per state change
	onCommit []func()
	onFail   []func()
	offers   []offer // lanes that have heads to be claimed
	due      int64   // from when on something that was added is due, as a place
	wake     bool    // there may be something to claim
	news     bool    // there are events
	idle     bool    // it was found that nothing is to be done, and nothing was written
	facts    []fact
}

// begin begins the transaction together with its first statements, and returns the results of these.
func (t *tx) begin(ctx context.Context, first *pgx.Batch) pgx.BatchResults {
	var b pgx.Batch
	queueBegin(&b, t.conn)
	n := len(b.QueuedQueries)
	b.QueuedQueries = append(b.QueuedQueries, first.QueuedQueries...)
	t.begun = true
	r := t.conn.SendBatch(ctx, &b)
	for range n {
		if _, err := r.Exec(); err != nil {
			break // those that follow get the error too
		}
	}
	return r
}

// flush sends what would be sent last.
func (t *tx) flush(ctx context.Context) error {
	if len(t.last.QueuedQueries) == 0 {
		return nil
	}
	b := t.last
	t.last = pgx.Batch{}
	return t.SendBatch(ctx, &b).Close()
}

// Exec implements querier.
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if err := t.flush(ctx); err != nil {
		return tag, err
	}
	if t.begun {
		return t.conn.Exec(ctx, sql, args...)
	}
	var b pgx.Batch
	b.Queue(sql, args...)
	r := t.begin(ctx, &b)
	tag, err = r.Exec()
	return tag, errors.Join(err, r.Close())
}

// Query implements querier.
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	if !t.begun {
		if err := t.begin(ctx, new(pgx.Batch)).Close(); err != nil {
			return nil, err
		}
	}
	return t.conn.Query(ctx, sql, args...)
}

// QueryRow implements querier.
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.flush(ctx); err != nil {
		return failedRow{err}
	}
	if !t.begun {
		if err := t.begin(ctx, new(pgx.Batch)).Close(); err != nil {
			return failedRow{err}
		}
	}
	return t.conn.QueryRow(ctx, sql, args...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

type failedBatch struct{ err error }

func (r failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, r.err }
func (r failedBatch) Query() (pgx.Rows, error)         { return nil, r.err }
func (r failedBatch) QueryRow() pgx.Row                { return failedRow(r) }
func (r failedBatch) Tx() pgx.Tx                       { return nil }
func (r failedBatch) Close() error                     { return r.err }

// SendBatch implements querier. The statements are sent together; each sees what those before it have done.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.flush(ctx); err != nil {
		return failedBatch{err}
	}
	if t.begun {
		return t.conn.SendBatch(ctx, b)
	}
	return t.begin(ctx, b)
}

// after calls f when the transaction is committed.
func (t *tx) after(f func()) { t.onCommit = append(t.onCommit, f) }

// otherwise calls f when the transaction does not happen.
func (t *tx) otherwise(f func()) { t.onFail = append(t.onFail, f) }

// count notes that n deliveries went from one state into another; 0 is outside.
func (t *tx) count(from, to, n int64) {
	t.counts[from] -= n
	t.counts[to] += n
}

func (t *tx) committed() {
	for _, f := range t.onCommit {
		f()
	}
	for _, f := range t.facts {
		f.tell(t.store.observer)
	}
	if sooner := t.tellRoutes(); t.wake || sooner {
		t.store.wakeHere()
	}
	if t.wake || t.due != nowhere {
		t.store.bus.tellClaim(t.offers, t.due)
	}
	if t.news {
		t.store.tellNews()
	}
}

func (t *tx) undone() {
	for _, f := range t.onFail {
		f()
	}
}

// read calls f with a connection. Each statement sees everything that was committed before it began; see snapshot.
func (s *Store) read(ctx context.Context, f func(context.Context, querier) error) error {
	return s.reading(ctx, "", f)
}

// snapshot is read for several statements that see the same.
func (s *Store) snapshot(ctx context.Context, f func(context.Context, querier) error) error {
	return s.reading(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f)
}

// reading runs f, once more if the connection turns out to be broken: one that has waited in the pool may be.
func (s *Store) reading(ctx context.Context, begin string, f func(context.Context, querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for try := 1; ; try++ {
		err, gone := s.readOnce(ctx, begin, f)
		if !gone || try == tries || ctx.Err() != nil {
			return err
		}
	}
}

const (
	readTimeout = 30 * time.Second
	tries       = 3
)

func (s *Store) readOnce(
	ctx context.Context, begin string, f func(context.Context, querier) error,
) (err error, gone bool) { //nolint:revive,staticcheck // what is told of the connection is not an error
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.unreachable(ctx, err), false
	}
	defer c.Release()
	if begin == "" {
		err = f(ctx, c.Conn())
	} else {
		if _, err = c.Exec(ctx, begin); err == nil {
			if err = f(ctx, c.Conn()); err == nil {
				_, err = c.Exec(ctx, "COMMIT")
			} else {
				rollback(ctx, c)
			}
		}
	}
	if err != nil && c.Conn().IsClosed() {
		return s.unreachable(ctx, err), true
	}
	return explain(err), false
}

// write calls f in a transaction and returns after it is committed. f may be called several times, each time in a new
// transaction, so it sets its results anew; when it returns an error nothing happens.
//
// When the connection breaks during the commit, the transaction's token tells whether it happened: the next try inserts
// it first, which waits for the old transaction should it still run, and finds it taken if that one was committed. So
// write neither does anything twice nor reports a failure of what has happened, unless the database stays away
// ([ErrUnknownCommit]).
//
// An act that is open in ctx is written in the same transaction.
func (s *Store) write(ctx context.Context, f func(context.Context, *tx) error) error {
	return s.writeFor(ctx, 1, f)
}

// writeFor is write for several operations that share the transaction.
func (s *Store) writeFor(ctx context.Context, operations int, f func(context.Context, *tx) error) error {
	if p := audit.FromContext(ctx); p.Open() {
		f = audited(p, f)
	}
	w := writing{store: s, token: rand.Int64N(1<<63-1) + 1, operations: operations, run: f}
	var give context.Context // when an unknown commit is given up
	for try := 1; ; try++ {
		err := w.try(ctx)
		switch {
		case err == nil:
			w.last.committed()
			return nil
		case w.unknown != nil:
			if give == nil {
				var cancel context.CancelFunc
				give, cancel = context.WithTimeout(context.WithoutCancel(ctx), commitPatience)
				defer cancel()
				ctx = give
			}
			if !pause(give, try) {
				w.last.undone()
				return fmt.Errorf("%w: %w", ErrUnknownCommit, w.unknown)
			}
		case !w.again || try >= tries || ctx.Err() != nil:
			return err
		case !pause(ctx, try):
			return err
		}
	}
}

// commitPatience is how long write asks whether something was committed. It is less than tokens are kept by far.
const commitPatience = 15 * time.Second

// pause waits a little, longer with every try, and reports false if ctx has ended.
func pause(ctx context.Context, try int) bool {
	t := time.NewTimer(min(time.Duration(try)*time.Duration(try)*5*time.Millisecond, 500*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// writing is one call of write.
type writing struct {
	store      *Store
	token      int64
	operations int
	run        func(context.Context, *tx) error

	last    *tx   // what has committed, or may have
	again   bool  // the last try failed in a way that another may not
	unknown error // the connection broke during a commit, and nothing is known yet
}

func (w *writing) try(ctx context.Context) error {
	w.again = false
	c, err := w.store.pool.Acquire(ctx)
	if err != nil {
		return w.store.unreachable(ctx, err)
	}
	defer c.Release()
	err = w.on(ctx, c)
	switch {
	case err == nil:
		return nil
	case c.Conn().IsClosed():
		w.again = true
		return w.store.unreachable(ctx, err)
	case codeOf(err) == codeReadOnly: // a standby now: the connection must not be used again
		_ = c.Conn().Close(ctx)
		w.again = true
	case again(err):
		w.again = true
	}
	rollback(ctx, c)
	return explain(err)
}

// on runs the transaction on a connection. Errors are as pgx gives them.
func (w *writing) on(ctx context.Context, c *pgxpool.Conn) error {
	t := &tx{conn: c.Conn(), store: w.store, due: nowhere}
	if w.unknown != nil {
		tag, err := t.Exec(ctx, "INSERT INTO commits (token) VALUES ($1) ON CONFLICT DO NOTHING", w.token)
		if err != nil {
			return err
		}
		w.unknown = nil
		if tag.RowsAffected() == 0 { // it was committed
			rollback(ctx, c)
			return nil
		}
		w.last.undone()
	}
	if err := w.run(ctx, t); err != nil {
		t.undone()
		return err
	}
	began := time.Now()
	if err := w.commit(ctx, c, t); err != nil {
		return err
	}
	if told := w.store.cfg.Committed; told != nil {
		told(w.operations, time.Since(began))
	}
	return nil
}

// setLocal sets what a session would have, for one transaction. What writes here goes to few rows, and by an index; the
// planner is told so, since what it knows of tables that grow and shrink fast is often long past, and a plan that reads a
// whole table where one row was meant is slower by orders of magnitude.
const (
	setLocal = setPlans + `, set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
		set_config('idle_in_transaction_session_timeout', $3, true), set_config('enable_seqscan', 'off', true),
		set_config('jit', 'off', true)`
	// setPlans is what is left where the session has the others (see settleIn): what is only read may be joined otherwise.
	setPlans = `SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		set_config('plan_cache_mode', 'force_generic_plan', true)`
)

func queueBegin(b *pgx.Batch, c *pgx.Conn) {
	b.Queue("BEGIN")
	if settledIn(c) {
		b.Queue(setPlans)
	} else {
		b.Queue(setLocal, statementTimeout, lockTimeout, idleTimeout)
	}
}

// commit is not given up when the caller's context ends: then nobody would know what has happened.
func (w *writing) commit(ctx context.Context, c *pgxpool.Conn, t *tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitPatience)
	defer cancel()
	b := t.last
	t.last = pgx.Batch{}
	if t.idle && b.Len() == 0 { // it makes no difference whether it happens, and nothing waits for the disk
		w.last = t
		_, err := c.Exec(ctx, "COMMIT")
		return err
	}
	t.queueToken(&b, w.token)
	b.Queue("COMMIT")
	err := t.SendBatch(ctx, &b).Close()
	switch w.last = t; {
	case err != nil && codeOf(err) == "":
		w.unknown = err
	case err != nil:
		t.undone()
	}
	return err
}

// queueToken adds the statement that leaves the transaction's token and counts.
func (t *tx) queueToken(b *pgx.Batch, token int64) {
	n := &t.counts
	b.Queue(`INSERT INTO commits (token, scheduled, ready, held, sending, delivered, failed, unknown, expired, suppressed,
			cancelled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (token) DO UPDATE SET scheduled = excluded.scheduled, ready = excluded.ready, held = excluded.held,
			sending = excluded.sending, delivered = excluded.delivered, failed = excluded.failed,
			unknown = excluded.unknown, expired = excluded.expired, suppressed = excluded.suppressed,
			cancelled = excluded.cancelled`,
		token, n[scheduled], n[ready], n[held], n[sending], n[delivered], n[failed], n[unknown], n[expired], n[suppressed],
		n[cancelled])
}

// rollback ends a transaction that is not to happen; a connection that does not answer is closed.
func rollback(ctx context.Context, c *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	if _, err := c.Exec(ctx, "ROLLBACK"); err != nil && !errors.Is(err, context.Canceled) {
		_ = c.Conn().Close(ctx)
	}
}
