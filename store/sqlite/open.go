// Package sqlite keeps everything that Headsup must not lose in one SQLite file: the store of an installation that is
// one process on one machine.
//
// [Open] takes a data directory for this process alone and returns a [Store], which implements the store interfaces of
// packages headsup, state, book, outbox, directline and proactive.
//
//	store, err := sqlite.Open(ctx, sqlite.Config{Dir: "headsup-data"})
//	...
//	defer store.Close()
//
// What a method has returned is on disk. All changes go through one goroutine, which commits those that arrive together in
// one transaction; a second one syncs SQLite's write-ahead log and answers, while the first is at the next transaction.
// What is told to the world, reads included, is on disk; only a conversation that is looked up by its key may be told a
// moment before. When the disk fails to take what was written, whoever waits gets an error, and the file is opened anew.
// Leases of conversations live in memory,
// since nobody else can be at work on the file; attempts that a killed process left behind are taken back by [Open].
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/template"
)

// Store is an open data directory. It is safe for concurrent use.
type Store struct {
	cfg         Config
	path        string
	leaseTime   time.Duration
	lock        *dirLock
	writer      *writer
	readers     chan *conn   // nil ones while the file is being opened anew
	files       sync.RWMutex // held to close all connections
	checkpoints *checkpointer
	leases      *turnlock.Table[headsup.ConversationKey]
	wakeups     chan struct{}
	cache       *cache
	touches     touches
	events      eventLog
	room        *room
	spreads     atomic.Int64 // how many messages are being spread
	sweeps      atomic.Int64 // how many changes of messages are under way

	scheduleNews chan struct{}

	observer outbox.Observer // may be nil

	// seq, version, lanes, routes and parts belong to the writer.
	seq, version int64
	lanes        lanes
	routes       routes
	parts        parts

	loosened atomic.Bool // the limiter has freed something early
	erased   sync.Map    // conversations of people who were erased; the limiter may still know them

	mu      sync.Mutex
	running map[outbox.DeliveryID]*run // guarded by mu; changed by the writer only
	// given are those of running, and those just ended, that somebody was told of; changed by the syncer. Guarded by mu.
	given map[outbox.DeliveryID]*run

	stop   context.CancelFunc // ends the background work
	behind sync.WaitGroup
	close  func() error
}

var (
	_ headsup.Turns      = (*Store)(nil)
	_ state.Store        = (*Store)(nil)
	_ book.Store         = (*Store)(nil)
	_ outbox.Store       = (*Store)(nil)
	_ directline.Store   = (*Store)(nil)
	_ proactive.JobStore = (*Store)(nil)
	_ event.Store        = (*Store)(nil)
	_ access.Store       = (*Store)(nil)
	_ schedule.Store     = (*Store)(nil)
	_ template.Store     = (*Store)(nil)
)

// Config says where the data is.
type Config struct {
	// Dir is the data directory. It is made if it does not exist, with access for its owner only; its parent must exist.
	// Required.
	Dir string

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Committed is told of every transaction that has written: how many operations shared it, and how long it took from its
	// commit until it was synced. It must not block. May be nil.
	Committed func(operations int, took time.Duration)

	// Pace limits what is handed out: a claim takes a permit for every attempt, and waits where there is none. The store
	// takes over from the process before it what it has paused and called, so the limiter is to be a new one; when it is
	// closed, nothing may be called any more. Nil limits nothing.
	Pace *pace.Limiter

	// Reserve is how many bytes a file in the directory holds for the outcomes of what was accepted, for when the disk is
	// full. While less than that is free beside it, nothing new is accepted: [outbox.ErrNoRoom]. Zero reserves nothing and
	// accepts until the disk is full, when nothing can be recorded either.
	Reserve int64

	// Now is the clock for what happens without a caller that tells the time: taking back attempts at the start, and
	// forgetting old answers. Nil is time.Now.
	Now func() time.Time

	// free tells how much of the disk is, in tests. Nil asks the system.
	free func(dir string) (int64, error)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Dir == "":
		return errors.New("Dir is required")
	case c.Reserve < 0:
		return fmt.Errorf("Reserve is %d; it must not be negative", c.Reserve)
	}
	return nil
}

const (
	fileName     = "headsup.db"
	readersCount = 4
	cacheSize    = 100_000  // conversations, twice
	cacheBytes   = 24 << 20 // twice, and about a third for finding them
)

// Open takes the data directory, makes or checks the database in it, brings its schema up to date, and takes back what
// an earlier process was sending. It refuses a directory that another process has open ([ErrLocked]), a file that is not
// a Headsup database or is damaged, and one that a newer version has written; then nothing was changed.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	return openLease(ctx, cfg, headsup.LeaseTime)
}

func openLease(ctx context.Context, cfg Config, leaseTime time.Duration) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("sqlite: config: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: data directory: %w", err)
	}
	cfg.Dir = dir
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, cfg, leaseTime)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	s.lock = lock
	return s, nil
}

func makeDir(dir string) error {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("sqlite: make the data directory: %w", err)
		}
	case err != nil:
		return fmt.Errorf("sqlite: data directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("sqlite: %s is not a directory", dir)
	}
	return nil
}

func open(ctx context.Context, cfg Config, leaseTime time.Duration) (*Store, error) {
	path := filepath.Join(cfg.Dir, fileName)
	if err := prepareFile(ctx, path); err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, path: path, leaseTime: leaseTime, readers: make(chan *conn, readersCount), wakeups: make(chan struct{}, 1),
		cache: newCache(cacheSize, cacheBytes), running: make(map[outbox.DeliveryID]*run),
		given: make(map[outbox.DeliveryID]*run), checkpoints: newCheckpointer(),
	}
	s.leases = turnlock.New[headsup.ConversationKey](leaseTime, s.wake)
	s.events.news = make(chan struct{}, 1)
	s.scheduleNews = make(chan struct{}, 1)
	s.close = sync.OnceValue(s.shut)
	s.room = newRoom(cfg)
	s.room.open()
	s.writer = newWriter(s)
	readers, err := s.connect()
	if err != nil {
		return nil, errors.Join(explain(path, err), s.disconnect())
	}
	s.lend(readers)
	go s.writer.run()
	if err := s.writer.do(ctx, s.resume); err != nil {
		s.writer.close()
		return nil, errors.Join(explain(path, err), closeAll(s.takeReaders()), s.disconnect())
	}
	if err := s.prime(ctx); err != nil {
		s.writer.close()
		return nil, errors.Join(explain(path, err), closeAll(s.takeReaders()), s.disconnect())
	}
	s.wake()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.behind.Go(func() { s.forget(background) })
	s.behind.Go(func() { s.room.watch(background) })
	s.behind.Go(func() { s.checkpoints.run(background, s) })
	return s, nil
}

// connect opens the writer's connection, the checkpointer's and the readers', and reads what is kept in memory. The
// readers are to be lent out.
func (s *Store) connect() (readers []*conn, err error) {
	c, err := openConn(s.path, forWriter)
	if err != nil {
		return nil, err
	}
	s.writer.conn = c
	if _, err := c.one(func(r row) {
		s.seq, s.version = r.int(0), r.int(1)
		s.lanes = newLanes(s.seq, r.int(2))
	}, "SELECT next_seq, next_version, ready + sending FROM counters"); err != nil {
		return nil, err
	}
	if _, err := c.one(func(r row) { s.parts.last = r.int(0) + 1 }, "SELECT max(part) FROM finished"); err != nil {
		return nil, err
	}
	if err := s.routes.load(c); err != nil {
		return nil, err
	}
	if _, err := c.one(func(r row) { s.spreads.Store(r.int(0)) }, "SELECT count(*) FROM spreads"); err != nil {
		return nil, err
	}
	if _, err := c.one(func(r row) { s.sweeps.Store(r.int(0)) }, "SELECT count(*) FROM sweeps"); err != nil {
		return nil, err
	}
	if err := s.events.load(c); err != nil {
		return nil, err
	}
	if err := s.writer.sync.open(s.path); err != nil {
		return nil, err
	}
	k, err := openConn(s.path, forCheckpoint)
	if err != nil {
		return nil, err
	}
	if err := s.checkpoints.use(k); err != nil {
		return nil, err
	}
	for range readersCount {
		r, err := openConn(s.path, forReader)
		if err != nil {
			return nil, errors.Join(err, closeAll(readers))
		}
		readers = append(readers, r)
	}
	return readers, nil
}

// lend lets connections be used, one by each who reads. There are always as many as are lent out, so that giving one back
// never waits: while the database is closed they are nil.
func (s *Store) lend(readers []*conn) {
	for _, r := range readers {
		s.readers <- r
	}
}

// takeReaders takes all connections back, and waits for those who read.
func (s *Store) takeReaders() []*conn {
	readers := make([]*conn, 0, readersCount)
	for range readersCount {
		readers = append(readers, <-s.readers)
	}
	return readers
}

func closeAll(conns []*conn) error {
	var errs []error
	for _, c := range conns {
		if c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}

// leave is disconnect that leaves the log as it is.
func (s *Store) leave() error {
	if c := s.writer.conn; c != nil {
		c.leaveLog()
	}
	return s.disconnect()
}

// disconnect closes all connections but the readers'; the writer's last, since the last one to be closed tidies the log
// away.
func (s *Store) disconnect() error {
	errs := []error{s.checkpoints.use(nil), s.writer.sync.close()}
	if c := s.writer.conn; c != nil {
		s.writer.conn = nil
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// Close finishes what was asked for, writes the log back into the database and gives the directory free. Calls to the
// store after it fail with [ErrClosed]. Closing twice is no error.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.stop()
	s.behind.Wait()
	var errs []error
	if err := s.keepPace(); err != nil {
		errs = append(errs, err)
	}
	s.writer.close()
	if s.writer.sync.failed() != nil {
		s.withdraw() // nothing is written back that may be wrong
	}
	errs = append(errs, closeAll(s.takeReaders()))
	close(s.readers)
	if c := s.writer.conn; c != nil {
		if _, err := c.exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			errs = append(errs, fmt.Errorf("checkpoint: %w", err))
		}
	}
	if err := errors.Join(append(errs, s.disconnect(), s.lock.release())...); err != nil {
		return fmt.Errorf("sqlite: close: %w", err)
	}
	return nil
}

// Check reports whether the store can write: it commits something.
func (s *Store) Check(ctx context.Context) error {
	return s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec("UPDATE counters SET id = id")
		return err
	})
}

// read calls f with a connection that sees everything that was committed before, and returns when what f may have seen is
// on disk.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	if err := s.peek(ctx, f); err != nil {
		return err
	}
	return s.writer.sync.wait(ctx)
}

// peek is read for what is told to nobody, or is no promise: what f sees may not be on disk yet.
func (s *Store) peek(ctx context.Context, f func(*conn) error) error {
	select {
	case c, ok := <-s.readers:
		if !ok {
			return ErrClosed
		}
		defer func() { s.readers <- c }()
		if c == nil {
			return fmt.Errorf("sqlite: %w", ErrUnsynced)
		}
		return s.explain(f(c))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Store) wake() {
	select {
	case s.wakeups <- struct{}{}:
	default: // they are told already
	}
}
