// Package postgres keeps everything that Headsup must not lose in a PostgreSQL database: the store of an installation
// that is several processes, its nodes, on one machine or many.
//
// [Open] connects to the database, brings its schema up to date and returns a [Store], which implements the store
// interfaces of packages headsup, state, book, outbox, directline and proactive.
//
//	store, err := postgres.Open(ctx, postgres.Config{URL: "postgres://headsup@db.example/headsup"})
//	...
//	defer store.Close()
//
// What a method has returned is committed. Accepts and outcomes that arrive together share a transaction, as statements
// over arrays. Nodes know each other only through rows: the lease of a conversation is a row with a fence, which runs out
// by the database's clock, so that the work of a node that has died or was stopped goes to the others.
//
// Nothing needs a session: no lock outlives its transaction, no setting but SET LOCAL matters, and statements are prepared
// only where a connection is seen to lead to the server itself (prepared.go). So the store works behind a pooler that gives
// out connections by transaction. The one exception is LISTEN, by which nodes tell each other that there is something to
// claim, and where that does not get through, nodes look once a second.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/state"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	cfg       Config
	leaseTime time.Duration
	pool      *pgxpool.Pool
	wakeups   chan struct{} // there may be something to claim
	cache     *cache
	handed    *handed
	lows      *lows
	observer  outbox.Observer // may be nil
	touches   *touches
	events    *eventLog
	lines     *lineNews
	bus       *bus
	routes    *routes
	loosened  atomic.Bool // the limiter has let go of something
	sharing   sharing

	scheduleNews chan struct{} // something may be due earlier

	// callersTime: leases of attempts go by the times that callers give, for tests that make time up.
	callersTime bool

	accepts  *group[*accept]
	outcomes *group[*verdict]
	takes    *group[*taking]
	releases *group[releasing]
	commits  *group[*committing]
	looks    *group[*looking]
	finds    *group[*finding]
	pausing  *group[pauseKept]
	line     *turnlock.Table[headsup.ConversationKey] // turns of this process wait in it for each other
	waits    waits
	notes    *notes
	// blocked: a claim has found heads whose conversations were not free. inTheWay is until when claims are wary of such, in
	// nanoseconds since 1970.
	blocked  atomic.Bool
	inTheWay atomic.Int64

	background context.Context // of what goes on behind the callers
	stop       context.CancelFunc
	behind     sync.WaitGroup
	closed     atomic.Bool
	close      func()
}

var (
	_ headsup.Turns   = (*Store)(nil)
	_ state.Store     = (*Store)(nil)
	_ outbox.Store    = (*Store)(nil)
	_ outbox.Recorder = (*Store)(nil)
	_ outbox.Gatherer = (*Store)(nil)
	_ book.Recaller   = (*Store)(nil)
	_ book.Gatherer   = (*Store)(nil)
	_ book.Noter      = (*Store)(nil)
)

// Config says where the database is.
type Config struct {
	// URL is a PostgreSQL connection string, as libpq takes it: a URL or words like "host=… dbname=…". It may name
	// several hosts; the one that takes writes is used. Required. It may hold a password, so it is never logged.
	URL string

	// Password, if not empty, is used in place of one in URL.
	Password string

	// Conns is how many connections are open at most, besides one that listens. Zero means 16.
	Conns int

	// Pace is what this node keeps to when it hands out deliveries, together with the other nodes: Open has it join them.
	// Nil limits nothing.
	Pace *pace.Limiter

	// Node names this node over restarts, so that its next process need not wait until the calls of one that was killed
	// could not be under way any more. No two processes that run at once may have the same name. Empty means that the
	// node has no name.
	Node string

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Committed is told of every transaction that has written: how many operations shared it, and how long its commit
	// took. It must not block. May be nil.
	Committed func(operations int, took time.Duration)

	// Now is the clock for what happens without a caller that tells the time: forgetting old answers. Leases do not use
	// it: they go by the database's clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Conns == 0 {
		c.Conns = 16
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

const (
	leastConns = 4
	committers = 2        // transactions of one kind at once: while one is being committed the next is written
	cacheSize  = 100_000  // conversations, twice
	cacheBytes = 24 << 20 // twice, and about a third for finding them
)

func (c Config) validate() error {
	switch {
	case c.URL == "":
		return errors.New("URL is required")
	case c.Conns < leastConns:
		return fmt.Errorf("Conns is %d, must be at least %d", c.Conns, leastConns)
	}
	return nil
}

// Timeouts. Those of statements and locks are set in each transaction, or once where a session is ours; a caller whose context ends earlier cancels.
const (
	connectTimeout   = 3 * time.Second
	statementTimeout = "30s"
	lockTimeout      = "5s"
	idleTimeout      = "10s" // of a transaction whose client says nothing: it holds locks
)

// Open connects to the database and brings its schema up to date; several nodes may do so at once. It refuses a database
// that a newer version has written ([ErrNewer]); then nothing was changed.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	return openLease(ctx, cfg, headsup.LeaseTime, false)
}

func openLease(ctx context.Context, cfg Config, leaseTime time.Duration, callersTime bool) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("postgres: config: %w", err)
	}
	pc, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, pc.ConnConfig, nil); err != nil {
		return nil, explain(err)
	}
	return openMigrated(ctx, cfg, pc, leaseTime, callersTime)
}

// openMigrated opens a database whose schema is up to date.
func openMigrated(ctx context.Context, cfg Config, pc *pgxpool.Config, leaseTime time.Duration, callersTime bool) (*Store, error) {
	if err := chooseMode(ctx, cfg.URL, pc.ConnConfig); err != nil {
		return nil, explain(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, explain(err)
	}
	s := &Store{
		cfg: cfg, leaseTime: leaseTime, callersTime: callersTime, pool: pool, wakeups: make(chan struct{}, 1),
		cache: newCache(cacheSize, cacheBytes), handed: newHanded(leaseTime), lows: newLows(), touches: newTouches(), notes: newNotes(), events: newEventLog(), lines: newLineNews(), bus: newBus(),
		routes: newRoutes(), sharing: sharing{look: make(chan struct{}, 1), news: make(chan struct{}, 1)},
		scheduleNews: make(chan struct{}, 1),
	}
	for _, step := range []func(context.Context) error{s.lookForEvents, s.takeNumber, s.prime} {
		if err := step(ctx); err != nil {
			pool.Close()
			return nil, err
		}
	}
	s.start(context.WithoutCancel(ctx), pc.ConnConfig)
	return s, nil
}

// start starts what goes on behind the callers.
func (s *Store) start(ctx context.Context, listener *pgx.ConnConfig) {
	s.accepts = newGroup(s.cfg.Logger, committers, func(ctx context.Context, list []*accept) error {
		return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error { return t.accept(ctx, list) })
	})
	s.outcomes = newGroup(s.cfg.Logger, committers, func(ctx context.Context, list []*verdict) error {
		return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error { return t.record(ctx, list) })
	})
	s.takes = newGroup(s.cfg.Logger, committers, s.takeAll)
	s.releases = newGroup(s.cfg.Logger, 1, s.releaseAll)
	s.commits = newGroup(s.cfg.Logger, committers, s.commitAll)
	s.looks = newGroup(s.cfg.Logger, committers, s.lookUp)
	s.finds = newGroup(s.cfg.Logger, committers, s.findAll)
	s.pausing = newGroup(s.cfg.Logger, 1, s.keepAllPauses)
	s.sharing.calls = newGroup(s.cfg.Logger, committers, s.countCallings)
	s.sharing.ended = newGroup(s.cfg.Logger, 1, s.endCalls)
	s.line = turnlock.New[headsup.ConversationKey](s.leaseTime, nil)
	s.background, s.stop = context.WithCancel(ctx)
	for _, part := range []func(context.Context){
		s.writeTouches, s.watchEvents, s.forgetStreams, s.send, s.lookAround, s.keepNumber, s.keepHouse,
		func(ctx context.Context) { s.listen(ctx, listener) },
	} {
		s.behind.Go(func() { part(s.background) })
	}
	if s.cfg.Pace.Shared() {
		s.behind.Go(func() { s.keepShares(s.background) })
		s.behind.Go(func() { s.followPauses(s.background) })
	}
	s.close = sync.OnceFunc(s.shut)
	s.wakeHere()
}

// CheckURL reports what is wrong with a connection string, without connecting. The error does not tell a password.
func CheckURL(url string) error {
	_, err := pgxpool.ParseConfig(url)
	return err
}

// poolConfig reads the connection string. Errors of pgx leave the password out.
func poolConfig(cfg Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: config: URL: %w", err)
	}
	if cfg.Password != "" {
		pc.ConnConfig.Password = cfg.Password
	}
	pc.MaxConns = int32(cfg.Conns)
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 10 * time.Second
	cc := pc.ConnConfig
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	// Descriptions of statements are kept by the client only, so any server connection may run them; chooseMode may find
	// that statements can be prepared.
	if cc.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if cc.ValidateConnect == nil { // also without target_session_attrs: nothing can be kept in a standby
		cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	pc.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		registerTypes(c.TypeMap())
		return settleIn(ctx, c)
	}
	pc.PrepareConn = planAnew
	if _, ok := cc.RuntimeParams["application_name"]; !ok {
		cc.RuntimeParams["application_name"] = "headsup"
	}
	return pc, nil
}

// Close finishes what was asked for and closes the connections. Calls to the store after it fail with [ErrClosed].
// Closing twice is no error.
func (s *Store) Close() error {
	s.close()
	return nil
}

func (s *Store) shut() {
	s.stop()
	s.behind.Wait()
	s.accepts.close()
	s.outcomes.close()
	s.takes.close()
	s.commits.close()
	s.releases.close()
	s.looks.close()
	s.finds.close()
	s.pausing.close()
	s.sharing.calls.close()
	s.sharing.ended.close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.background), commitPatience)
	defer cancel()
	if err := s.leaveShares(ctx); err != nil { // then it runs out
		s.cfg.Logger.WarnContext(ctx, "shares of channels' limits are not given back", "error", err.Error())
	}
	s.closed.Store(true)
	s.pool.Close()
}

// Check reports whether the database takes writes: it commits something.
func (s *Store) Check(ctx context.Context) error {
	return s.write(ctx, func(context.Context, *tx) error { return nil })
}
