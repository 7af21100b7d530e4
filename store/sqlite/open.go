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
// What a method has returned is on disk: the database runs with a write-ahead log and synchronous=FULL. All changes go
// through one goroutine, which commits those that arrive together with one sync. Leases of conversations live in memory,
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
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
)

// Store is an open data directory. It is safe for concurrent use.
type Store struct {
	cfg       Config
	path      string
	leaseTime time.Duration
	lock      *dirLock
	writer    *writer
	readers   chan *conn
	leases    *turnlock.Table[headsup.ConversationKey]
	wakeups   chan struct{}
	cache     *cache
	touches   touches
	events    eventLog
	spreads   atomic.Int64 // how many messages are being spread

	scheduleNews chan struct{}

	observer outbox.Observer // may be nil

	// seq, version, lanes and parts belong to the writer.
	seq, version int64
	lanes        lanes
	parts        parts

	mu      sync.Mutex
	running map[outbox.DeliveryID]*run // guarded by mu; changed by the writer only

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
)

// Config says where the data is.
type Config struct {
	// Dir is the data directory. It is made if it does not exist, with access for its owner only; its parent must exist.
	// Required.
	Dir string

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Committed is told of every transaction that has written: how many operations shared it, and how long its commit,
	// which syncs, took. It must not block. May be nil.
	Committed func(operations int, took time.Duration)

	// Now is the clock for what happens without a caller that tells the time: taking back attempts at the start, and
	// forgetting old answers. Nil is time.Now.
	Now func() time.Time
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
	if c.Dir == "" {
		return errors.New("Dir is required")
	}
	return nil
}

const (
	fileName     = "headsup.db"
	readersCount = 4
	cacheSize    = 10_000 // conversations, twice
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
		cache: newCache(cacheSize), running: make(map[outbox.DeliveryID]*run),
	}
	s.leases = turnlock.New[headsup.ConversationKey](leaseTime, s.wake)
	s.events.news = make(chan struct{}, 1)
	s.scheduleNews = make(chan struct{}, 1)
	s.close = sync.OnceValue(s.shut)
	if err := s.connect(path); err != nil {
		return nil, errors.Join(explain(path, err), s.disconnect())
	}
	go s.writer.run()
	if err := s.writer.do(ctx, s.resume); err != nil {
		s.writer.close()
		return nil, errors.Join(explain(path, err), s.disconnect())
	}
	s.wake()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.behind.Go(func() { s.forget(background) })
	return s, nil
}

// connect opens the writer's connection and the readers'.
func (s *Store) connect(path string) error {
	c, err := openConn(writerDSN(path))
	if err != nil {
		return err
	}
	s.writer = newWriter(s, c)
	if _, err := c.one(func(r row) {
		s.seq, s.version = r.int(0), r.int(1)
		s.lanes = newLanes(s.seq, r.int(2))
	}, "SELECT next_seq, next_version, ready + sending FROM counters"); err != nil {
		return err
	}
	if _, err := c.one(func(r row) { s.parts.last = r.int(0) + 1 }, "SELECT max(part) FROM finished"); err != nil {
		return err
	}
	if _, err := c.one(func(r row) { s.spreads.Store(r.int(0)) }, "SELECT count(*) FROM spreads"); err != nil {
		return err
	}
	if err := s.events.load(c); err != nil {
		return err
	}
	for range readersCount {
		r, err := openConn(readerDSN(path))
		if err != nil {
			return err
		}
		s.readers <- r
	}
	return nil
}

// disconnect closes all connections; the writer's last, since the last one to be closed tidies the log away.
func (s *Store) disconnect() error {
	var errs []error
	for len(s.readers) > 0 {
		errs = append(errs, (<-s.readers).close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.conn.close())
	}
	return errors.Join(errs...)
}

// Close finishes what was asked for, writes the log back into the database and gives the directory free. Calls to the
// store after it fail with [ErrClosed]. Closing twice is no error.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.stop()
	s.behind.Wait()
	s.writer.close()
	var errs []error
	for range readersCount { // waits for those that read
		errs = append(errs, (<-s.readers).close())
	}
	close(s.readers)
	if _, err := s.writer.conn.exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		errs = append(errs, fmt.Errorf("checkpoint: %w", err))
	}
	if err := errors.Join(append(errs, s.writer.conn.close(), s.lock.release())...); err != nil {
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

// read calls f with a connection that sees everything that was committed before.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	select {
	case c, ok := <-s.readers:
		if !ok {
			return ErrClosed
		}
		defer func() { s.readers <- c }()
		err := f(c)
		return s.explain(err)
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
