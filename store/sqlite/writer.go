package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
)

// ErrClosed: the store was closed.
var ErrClosed = errors.New("sqlite: the store is closed")

// maxBatch is how many operations share a transaction at most.
const maxBatch = 512

// An op is one atomic step of some caller. run may be called several times, each time in a new transaction, so it sets
// its results anew. When it returns an error its transaction does not happen.
type op struct {
	run   func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{} // closed at the end, if not nil
	ended func(error)   // called at the end, if not nil
}

const (
	opQueued int32 = iota
	opStarted
	opAbandoned
)

// end answers whoever waits for the op.
func (o *op) end() {
	if o.done != nil {
		close(o.done)
	}
	if o.ended != nil {
		o.ended(o.err)
	}
}

// writer is the one goroutine that changes the database. It takes whatever is queued, runs it in one transaction, commits
// and hands what it has done to the syncer, which answers everybody when it is on disk; meanwhile it runs the next. When
// nothing is queued it waits for nothing more.
type writer struct {
	conn  *conn
	store *Store
	log   *slog.Logger
	sync  *syncer

	mu     sync.Mutex
	queue  []*op
	closed bool
	more   chan struct{} // has a token when the queue is not empty
	ended  chan struct{}

	sick bool // the disk has failed, and nothing was committed since; belongs to the goroutine
}

func newWriter(s *Store) *writer {
	return &writer{
		store: s, log: s.cfg.Logger, sync: newSyncer(s), more: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// do runs f in a transaction and returns after it is synced to disk. When ctx ends before f has started, f never does. An
// act that is open in ctx is written with what f changes.
func (w *writer) do(ctx context.Context, f func(*tx) error) error {
	if p := audit.FromContext(ctx); p.Open() {
		f = audited(p, f)
	}
	o := &op{run: f, done: make(chan struct{})}
	if err := w.enqueue(o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		if o.state.CompareAndSwap(opQueued, opAbandoned) {
			return context.Cause(ctx)
		}
		<-o.done // it has started: what it did is known only when it ends
		return o.err
	}
}

// post is do for somebody who does not wait; ended is called when it is over. An error is logged.
func (w *writer) post(what string, f func(*tx) error, ended func()) error {
	return w.tell(f, func(err error) {
		if err != nil {
			w.log.Warn("background write failed", "what", what, "error", err)
		}
		ended()
	})
}

// tell is do for somebody who does not wait and is told the error, in a goroutine that must not be held up.
func (w *writer) tell(f func(*tx) error, ended func(error)) error {
	return w.enqueue(&op{run: f, ended: ended})
}

func (w *writer) enqueue(o *op) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.queue = append(w.queue, o)
	w.nudge()
	return nil
}

// run serves until close was called and the queue is empty.
func (w *writer) run() {
	defer close(w.ended)
	var syncing sync.WaitGroup
	syncing.Go(w.sync.run)
	defer syncing.Wait()
	defer close(w.sync.todo)
	for range w.more {
		for {
			if w.sync.failed() != nil && !w.recover() {
				return
			}
			w.store.checkpoints.shorten(w)
			batch, more, last := w.take()
			if len(batch) > 0 {
				w.batch(batch)
			}
			if last {
				return
			}
			if !more {
				break
			}
		}
	}
}

// take returns what is queued, but for what was given up; whether there was anything, and whether nothing will be queued
// after it.
func (w *writer) take() (batch []*op, more, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxBatch)
	for _, o := range w.queue[:n] {
		if o.state.CompareAndSwap(opQueued, opStarted) {
			batch = append(batch, o)
		}
	}
	clear(w.queue[:n])
	if n == len(w.queue) {
		w.queue = w.queue[:0]
	} else {
		w.queue = w.queue[n:]
	}
	return batch, n > 0, w.closed && len(w.queue) == 0
}

// close lets what is queued finish and ends the goroutine.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.nudge()
	w.mu.Unlock()
	<-w.ended
}

// nudge has the goroutine look at its queue.
func (w *writer) nudge() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// batch runs ops and hands over what became of them. When the disk is full, those that have met that are run again on
// the space that was reserved.
func (w *writer) batch(ops []*op) {
	commits := w.transact(ops)
	if slices.ContainsFunc(commits, (*commit).full) && w.store.room.spend() {
		var again []*commit
		for _, c := range commits {
			if c.full() {
				again = append(again, w.transact(c.ops)...)
			} else {
				again = append(again, c)
			}
		}
		commits = again
	}
	w.hand(commits)
}

// transact runs ops in one transaction. When one of them fails after it has written, or SQLite refuses a statement, all
// are run again, each in a transaction of its own, so that it harms nobody else.
func (w *writer) transact(ops []*op) []*commit {
	if c := w.together(ops); c != nil {
		return []*commit{c}
	}
	commits := make([]*commit, len(ops))
	for i := range ops {
		commits[i] = w.together(ops[i : i+1])
	}
	return commits
}

// hand has commits synced: by the syncer if there is more to do, else, which is quicker, here.
func (w *writer) hand(commits []*commit) {
	w.mu.Lock()
	idle := len(w.queue) == 0
	w.mu.Unlock()
	if idle && w.sync.ahead.Load() == 0 {
		w.sync.settle(commits)
		return
	}
	w.sync.ahead.Add(1)
	w.sync.todo <- commits
}

// together runs ops in one transaction and commits it, or gives them their errors. It returns nil when the ops must be
// run one by one.
func (w *writer) together(ops []*op) *commit {
	t := &tx{conn: w.conn, store: w.store, book: newGeneration()}
	done := &commit{ops: ops, tx: t, began: time.Now()}
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return w.failed(done, fmt.Errorf("begin: %w", err))
	}
	for _, o := range ops {
		t.wrote = false
		o.err = o.run(t)
		if o.err == nil && t.broken == nil || o.err != nil && t.broken == nil && !t.wrote {
			continue
		}
		w.rollback(t)
		if len(ops) > 1 {
			return nil
		}
		if t.broken != nil {
			w.diagnose(t.broken)
			o.err = w.store.explain(cmp.Or(o.err, t.broken))
		}
		t.writes = false
		return done
	}
	done.began = time.Now()
	if err := w.commit(done); err != nil {
		w.rollback(t)
		return w.failed(done, fmt.Errorf("commit: %w", err))
	}
	if w.sick && t.writes {
		w.sick = false
		w.log.Info("the database can be written again")
	}
	t.committed()
	w.store.checkpoints.wrote(t.statements)
	return done
}

// failed gives err to all ops of a transaction that did not happen.
func (w *writer) failed(c *commit, err error) *commit {
	w.diagnose(err)
	c.tx.writes = false
	c.fail(w.store.explain(err))
	return c
}

// diagnose tells, once, that the disk has failed, and has the database opened anew if that was a sync.
func (w *writer) diagnose(err error) {
	if unsynced(err) {
		w.sync.breaks(err)
	}
	if !w.sick && ofTheDisk(err) {
		w.sick = true
		w.log.Error("the database cannot be written", "error", err)
	}
}

// commit makes the transaction visible to those who read; it is not on disk yet.
func (w *writer) commit(c *commit) error {
	if err := c.tx.flushCounters(); err != nil {
		return err
	}
	if c.tx.writes {
		c.number = w.sync.committing()
	}
	_, err := w.conn.exec("COMMIT")
	return err
}

// rollback ends a transaction that is not to happen. SQLite may have ended it itself.
func (w *writer) rollback(t *tx) {
	if _, err := w.conn.exec("ROLLBACK"); err != nil {
		w.log.Debug("nothing to roll back", "error", err)
	}
	t.undone()
}
