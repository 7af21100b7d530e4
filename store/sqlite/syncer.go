package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// commit is a transaction that was committed, or was to be, and who waits for it.
type commit struct {
	ops    []*op
	tx     *tx // its writes is false when there is nothing of it to sync
	number uint64
	began  time.Time // when its COMMIT did
}

// fail gives err to all ops. One that has an error of its own may have got it from what another has written, which did
// not happen or may be lost.
func (c *commit) fail(err error) {
	for _, o := range c.ops {
		o.err = err
	}
}

// full reports whether it did not happen because the disk is full.
func (c *commit) full() bool {
	return !c.tx.writes && slices.ContainsFunc(c.ops, func(o *op) bool { return o.err != nil && full(o.err) })
}

// syncer syncs what the writer has committed, and then tells the world of it: whoever waits for an operation, the
// observer, those who follow events. A commit alone (synchronous=NORMAL) leaves its part of the log in the memory of the
// operating system; SQLite itself syncs the log before it writes anything of it back into the database, so that what is
// not synced is all that a failure of power can take.
//
// What has been committed is seen by other connections at once. Whoever reads something for the world waits for the sync
// of all that was committed until then ([Store.read]): an answer that shows an acceptance is a promise, too.
type syncer struct {
	store *Store
	todo  chan []*commit // without room: the writer is never further ahead than by one transaction
	ahead atomic.Int64   // how many that were handed over are not settled
	log   *os.File       // the write-ahead log; only while the database is open

	committed atomic.Uint64 // number of the last transaction that others may see

	mu     sync.Mutex
	synced uint64               // number of the last that is on disk; guarded by mu
	moved  chan struct{}        // closed when synced or broken changes; guarded by mu
	broken error                // a sync has failed: nothing that was not synced before ever will be; guarded by mu
	disk   func(*os.File) error // guarded by mu
}

func newSyncer(s *Store) *syncer {
	return &syncer{store: s, todo: make(chan []*commit), moved: make(chan struct{}), disk: datasync}
}

// open makes the log known, and its name durable: SQLite would sync the directory only with its own first sync.
func (y *syncer) open(path string) (err error) {
	if y.log, err = os.OpenFile(path+"-wal", os.O_RDWR, 0); err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func (y *syncer) close() error {
	if y.log == nil {
		return nil
	}
	err := y.log.Close()
	y.log = nil
	return err
}

// sync has the disk take what was written to a file.
func (y *syncer) sync(f *os.File) error {
	y.mu.Lock()
	disk := y.disk
	y.mu.Unlock()
	return disk(f)
}

// run serves until todo is closed.
func (y *syncer) run() {
	for commits := range y.todo {
		y.settle(commits)
		y.ahead.Add(-1)
	}
}

func (y *syncer) settle(commits []*commit) {
	err := y.failed()
	last := uint64(0)
	for _, c := range commits {
		if c.tx.writes {
			last = max(last, c.number)
		}
	}
	if last > 0 && err == nil {
		if err = y.sync(y.log); err != nil {
			y.breaks(fmt.Errorf("sync the log: %w", err))
		}
	}
	if err == nil {
		y.reaches(commits)
	}
	for _, c := range commits {
		if err != nil {
			c.fail(fmt.Errorf("sqlite: %w: %w", ErrUnsynced, err))
		} else {
			c.publish()
		}
		for _, o := range c.ops {
			o.end()
		}
	}
	if err != nil {
		y.store.writer.nudge()
	}
}

// publish tells of a transaction that is on disk.
func (c *commit) publish() {
	if report := c.tx.store.cfg.Committed; report != nil && c.tx.writes {
		report(len(c.ops), time.Since(c.began))
	}
	c.tx.synced()
}

// ErrUnsynced: the disk has failed to take what was written. It may be there or not.
var ErrUnsynced = errors.New("what was written may not be on disk")

// committing is the number of a transaction that is about to be committed.
func (y *syncer) committing() uint64 { return y.committed.Add(1) }

// reaches notes that commits are on disk, or did not happen.
func (y *syncer) reaches(commits []*commit) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, c := range commits {
		y.synced = max(y.synced, c.number)
	}
	close(y.moved)
	y.moved = make(chan struct{})
}

// breaks has everything fail until the database was opened anew.
func (y *syncer) breaks(err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.broken != nil {
		return
	}
	y.broken = err
	close(y.moved)
	y.moved = make(chan struct{})
}

// failed is why the database must be opened anew; nil if it need not be.
func (y *syncer) failed() error {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.broken
}

// mends begins anew: all that is in the database is on disk.
func (y *syncer) mends() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.broken, y.synced = nil, y.committed.Load()
	close(y.moved)
	y.moved = make(chan struct{})
}

// wait returns when all that others may have seen until now is on disk.
func (y *syncer) wait(ctx context.Context) error {
	seen := y.committed.Load()
	for {
		y.mu.Lock()
		synced, broken, moved := y.synced, y.broken, y.moved
		y.mu.Unlock()
		switch {
		case synced >= seen:
			return nil
		case broken != nil:
			return fmt.Errorf("sqlite: %w: %w", ErrUnsynced, broken)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
