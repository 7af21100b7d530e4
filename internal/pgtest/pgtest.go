//go:build unix

// Package pgtest runs a real PostgreSQL for tests.
//
// [Shared] is the [Cluster] of a test binary: it starts when the first test asks for it, in a directory of its own, and
// ends after the last one. Each test has a database of its own there.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Tests(m).Run()) }
//
//	func TestSomething(t *testing.T) {
//		dsn := pgtest.Shared(t).Database(t)
//		...
//	}
//
// A test that stops, kills or fails over the database starts a cluster for itself with [Start], and gives it a
// [Cluster.Standby] to promote.
//
// Clusters are as careful as one in production: every commit is synced to disk. They are less careful of what tests
// should not lean on: the default collation sorts as people do, not by bytes, and the time zone is far from UTC.
//
// The programs of PostgreSQL 14 or later are looked for where [Bin] says. A test fails when there are none: make unit
// installs them.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the role that owns a cluster.
const superuser = "headsup_owner"

// patience is how long anything that PostgreSQL does here may take.
const patience = 60 * time.Second

// Cluster is one PostgreSQL server and its data. Its methods fail the test that they are given; they may be called from
// several tests at once as long as none of them stops the server.
type Cluster struct {
	bin      string
	dir      string // holds everything
	port     string
	password string
	as       account
	server   *server // nil while it is stopped

	mu        sync.Mutex
	templates map[string]*template // guarded by mu
	databases int                  // how many were made; guarded by mu
}

// template is a database that others are copies of.
type template struct {
	once sync.Once
	err  error

	mu   sync.Mutex
	idle []string // copies that are as they were at first, for the next test; guarded by mu
}

var shared struct {
	mu      sync.Mutex
	cluster *Cluster // guarded by mu
	err     error    // guarded by mu
}

// Shared is the cluster of this test binary, which it starts when there is none yet.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start()
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.cluster
}

// M is what runs tests, such as a *testing.M.
type M interface{ Run() int }

// Tests is m with an end: after its Run the shared cluster is stopped, if there is one, and its data removed.
func Tests(m M) M { return tests{m} }

type tests struct{ M }

func (t tests) Run() int {
	code := t.M.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil {
		return code
	}
	if err := shared.cluster.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	shared.cluster, shared.err = nil, errors.New("pgtest: the tests are over")
	return code
}

// Start makes a cluster for one test, which ends with it.
func Start(tb testing.TB) *Cluster {
	tb.Helper()
	c, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.remove(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func start(more ...string) (_ *Cluster, err error) {
	c, err := prepare()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	if err := c.initialize(); err != nil {
		return nil, err
	}
	if err := c.configure(slices.Concat(settings, more)...); err != nil {
		return nil, err
	}
	return c, c.run()
}

// prepare makes the directory of a cluster.
func prepare() (*Cluster, error) {
	bin, err := Bin()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	sweep()
	dir, err := makeDir(as)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		bin: bin, dir: dir, password: rand.Text(), as: as, templates: make(map[string]*template),
	}, nil
}

const dirPrefix = "headsup-pg-"

// makeDir makes a directory whose name is short: that of a socket in it must fit into 107 bytes.
func makeDir(as account) (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	if err := as.own(dir); err != nil {
		return "", errors.Join(fmt.Errorf("pgtest: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// sweep removes what test binaries have left behind that were killed.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		raw, err := os.ReadFile(filepath.Join(dir, "owner"))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(string(raw)); err == nil && !alive(pid) {
			_ = os.RemoveAll(dir) // somebody else may be at it
		}
	}
}

// alive reports whether there is a process with an id.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// initialize makes the data directory.
func (c *Cluster) initialize() error {
	if err := os.WriteFile(filepath.Join(c.dir, "owner"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(c.password), 0o600); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	if err := c.as.own(secret); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	args := []string{
		"--pgdata", c.data(), "--username", superuser, "--pwfile", secret, "--encoding", "UTF8", "--no-locale", "--no-sync",
		"--no-instructions", "--auth-local", "trust", "--auth-host", "scram-sha-256",
	}
	if c.sortsAsPeopleDo() {
		args = append(args, "--locale-provider", "icu", "--icu-locale", "en-US")
	}
	return c.program("initdb", args...)
}

// sortsAsPeopleDo reports whether a cluster can be made whose default collation does not depend on the machine's locales:
// that is so since PostgreSQL 15.
func (c *Cluster) sortsAsPeopleDo() bool {
	help, err := exec.CommandContext(context.Background(), filepath.Join(c.bin, "initdb"), "--help").Output()
	return err == nil && strings.Contains(string(help), "--icu-locale")
}

// settings are those of PostgreSQL that make it small, and what tests should be prepared for.
var settings = []string{
	"max_connections = 300",
	"shared_buffers = 64MB",
	"max_wal_size = 2GB",
	"fsync = on",
	"synchronous_commit = on",
	"full_page_writes = on",
	"wal_level = replica",
	"max_wal_senders = 8",
	"hot_standby = on",
	"timezone = 'Pacific/Chatham'",
	"log_timezone = 'UTC'",
	"log_min_messages = warning",
	"log_error_verbosity = terse",
	"jit = off",
}

func (c *Cluster) configure(lines ...string) error {
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// freePort asks the system for a port that nobody listens on.
func freePort() (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// program runs one of PostgreSQL's programs to its end.
func (c *Cluster) program(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = c.environment()
	c.as.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: %s: %w\n%s", name, err, out)
	}
	return nil
}

// environment is without what would tell PostgreSQL's programs something else than their arguments.
func (c *Cluster) environment() []string {
	env := []string{"LC_ALL=C", "HOME=" + c.dir, "PGPASSWORD=" + c.password}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name == "PATH" || name == "LD_LIBRARY_PATH" {
			env = append(env, v)
		}
	}
	return env
}

// Database makes an empty database for a test and returns the URL for connecting to it. It is removed with the test.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	database := c.create(tb, "template0")
	tb.Cleanup(func() {
		if c.server == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c.drop(ctx, tb, database)
	})
	return c.URL(database)
}

// Copy returns a database for a test that has in it what one with that name has, which prepare makes ready when it is needed
// first. With the test its connections are ended. It may have served another test before: see [reset].
func (c *Cluster) Copy(tb testing.TB, name string, prepare func(ctx context.Context, url string) error) string {
	tb.Helper()
	c.mu.Lock()
	t := c.templates[name]
	if t == nil {
		t = &template{}
		c.templates[name] = t
	}
	c.mu.Unlock()
	t.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if t.err = c.exec(ctx, "CREATE DATABASE "+quoted(name)+" TEMPLATE template0"); t.err == nil {
			t.err = prepare(ctx, c.URL(name))
		}
		if t.err == nil {
			t.err = remember(ctx, c.URL(name))
		}
	})
	if t.err != nil {
		tb.Fatalf("pgtest: template %s: %v", name, t.err)
	}
	database := t.take()
	if database == "" {
		database = c.create(tb, name)
	}
	tb.Cleanup(func() {
		if c.server == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if same, err := reset(ctx, c.URL(database)); err == nil && same {
			t.give(database)
			return
		}
		c.drop(ctx, tb, database)
	})
	return c.URL(database)
}

func (t *template) take() (database string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.idle) - 1; last >= 0 {
		database, t.idle = t.idle[last], t.idle[:last]
	}
	return database
}

func (t *template) give(database string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, database)
}

func (c *Cluster) create(tb testing.TB, from string) (name string) {
	tb.Helper()
	c.mu.Lock()
	c.databases++
	name = "test_" + strconv.Itoa(c.databases)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+quoted(from)); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return name
}

func (c *Cluster) drop(ctx context.Context, tb testing.TB, database string) {
	tb.Helper()
	if err := c.exec(ctx, "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
		tb.Logf("pgtest: %v", err)
	}
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// exec runs a statement that has no result, as the owner of the cluster.
func (c *Cluster) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// Exec runs a statement in a database of the cluster, as its owner.
func (c *Cluster) Exec(tb testing.TB, database, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		tb.Fatalf("pgtest: %s: %v", sql, err)
	}
}

// URL connects to a database over the cluster's socket, which only this user and root can reach.
func (c *Cluster) URL(database string) string {
	return (&url.URL{
		Scheme: "postgres", Path: "/" + database, User: url.User(superuser),
		RawQuery: url.Values{"host": {c.dir}, "port": {c.port}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

// NetworkURL connects to a database over the network, through address if it is not empty (a proxy in front of
// [Cluster.Addr]), with a password.
func (c *Cluster) NetworkURL(database string, addresses ...string) string {
	if len(addresses) == 0 {
		addresses = []string{c.Addr()}
	}
	return (&url.URL{
		Scheme: "postgres", Host: strings.Join(addresses, ","), Path: "/" + database, User: url.UserPassword(superuser, c.password),
		RawQuery: url.Values{"sslmode": {"disable"}}.Encode(),
	}).String()
}

// Addr is where the cluster listens: host and port.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", c.port) }

// Name is the name of a database in a URL that [Cluster.Database] or [Cluster.Copy] has returned.
func Name(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
