//go:build unix

package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/internal/pgtest"
)

// killedTask, in the environment, makes the test binary one that waits to be killed while it has a cluster.
const killedTask = "HEADSUP_TEST_WAITS_TO_BE_KILLED"

func TestMain(m *testing.M) {
	if os.Getenv(killedTask) != "" {
		os.Exit(waits{}.Run())
	}
	goleak.VerifyTestMain(pgtest.Tests(m))
}

// waits has a cluster until it is killed. It says where the cluster is.
type waits struct{ testing.TB }

func (w waits) Helper()                  {}
func (w waits) Fatal(args ...any)        { fmt.Println(args...); os.Exit(1) }
func (w waits) Cleanup(func())           {}
func (w waits) Context() context.Context { return context.Background() }

func (w waits) Run() int {
	fmt.Println(pgtest.Shared(w).URL("postgres"))
	select {}
}

// TestServerEndsWithItsTests: a test binary that is killed leaves no server behind.
func TestServerEndsWithItsTests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux tells a process that its parent has ended")
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killedTask+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	said.Scan()
	conn := connect(t, said.Text())
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, err := conn.Exec(t.Context(), "SELECT pg_sleep(60)"); err == nil {
		t.Error("the server runs still")
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	prepare := func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE things (n int)")
		return err
	}
	one, other := connect(t, c.Copy(t, "things", prepare)), connect(t, c.Copy(t, "things", prepare))
	run(t, one, "INSERT INTO things VALUES (1)")
	if n := number(t, other, "SELECT count(*) FROM things"); n != 0 {
		t.Errorf("the other has %d rows", n)
	}
	if n := number(t, connect(t, c.Database(t)), "SELECT count(*) FROM pg_tables WHERE tablename = 'things'"); n != 0 {
		t.Error("a new database has the tables of another")
	}
}

// TestCopyBeginsAnew: a copy that another test has had is as it was at first, and one that was altered is not used again.
func TestCopyBeginsAnew(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	prepare := func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, `CREATE TABLE things (n bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, what text);
			CREATE TABLE parts (thing bigint REFERENCES things); CREATE SEQUENCE numbers;
			INSERT INTO things (what) VALUES ('one'), ('two'); INSERT INTO parts VALUES (2)`, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	used := make(map[string]int)
	for i, statement := range []string{
		"DELETE FROM parts; DELETE FROM things", "INSERT INTO things (what) VALUES ('three'); SELECT nextval('numbers')",
		"UPDATE things SET what = 'x'; TRUNCATE parts", "ALTER TABLE parts ADD COLUMN more int", "CREATE TABLE others (n int)",
		"CREATE INDEX ON parts (thing)", "SELECT 1",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			url := c.Copy(t, "things", prepare)
			used[url]++
			conn := connect(t, url)
			for question, want := range map[string]int{
				"SELECT count(*) FROM things WHERE n = 1 AND what = 'one' OR n = 2 AND what = 'two'": 2,
				"SELECT count(*) FROM things": 2, "SELECT count(*) FROM parts WHERE thing = 2": 1,
				"SELECT nextval('numbers')": 1, "SELECT nextval('things_n_seq')": 3,
				"SELECT count(*) FROM pg_attribute WHERE attrelid = 'parts'::regclass AND attnum > 0":                       1,
				"SELECT count(*) FROM pg_indexes WHERE tablename = 'parts'":                                                 0,
				"SELECT count(*) FROM pg_tables WHERE tablename = 'others'":                                                 0,
				"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type LIKE 'client %'": 1,
			} {
				if n := number(t, conn, question); n != want {
					t.Errorf("%s: %d, want %d", question, n, want)
				}
			}
			if _, err := conn.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(err)
			}
		})
	}
	if len(used) != 5 {
		t.Errorf("the databases served so many tests each: %v", used)
	}
}

func TestNetworkNeedsThePassword(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	connect(t, c.NetworkURL("postgres"))
	cfg, err := pgx.ParseConfig(c.NetworkURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password = "another"
	if conn, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
		_ = conn.Close(t.Context())
		t.Error("another password is as good")
	}
}

func TestWhatWasCommittedSurvives(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]pgtest.Mode{"Fast": pgtest.Fast, "Immediate": pgtest.Immediate, "Killed": pgtest.Killed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := pgtest.Start(t)
			conn := connect(t, c.URL("postgres"))
			run(t, conn, "CREATE TABLE things (n int)")
			run(t, conn, "INSERT INTO things VALUES (1)")
			c.Stop(t, mode)
			if err := conn.Ping(t.Context()); err == nil {
				t.Error("the connection is good still")
			}
			c.Run(t)
			if n := number(t, connect(t, c.URL("postgres")), "SELECT count(*) FROM things"); n != 1 {
				t.Errorf("there are %d rows", n)
			}
		})
	}
}

func TestStandbyHasWhatWasCommitted(t *testing.T) {
	t.Parallel()
	first := pgtest.Start(t)
	second := first.Standby(t)
	conn := connect(t, first.URL("postgres"))
	run(t, conn, "CREATE TABLE things (n int)")
	for range 10 {
		run(t, conn, "INSERT INTO things VALUES (1)")
	}
	first.Stop(t, pgtest.Killed)
	second.Promote(t)
	conn = connect(t, second.NetworkURL("postgres", first.Addr(), second.Addr()))
	if n := number(t, conn, "SELECT count(*) FROM things"); n != 10 {
		t.Errorf("there are %d rows", n)
	}
	run(t, conn, "INSERT INTO things VALUES (1)")
}

func TestPausedServerAnswersLater(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	conn := connect(t, c.URL("postgres"))
	resume := c.Pause(t)
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(context.Background()) }()
	select {
	case err := <-answered:
		t.Errorf("it answers while it is paused (%v)", err)
	default:
	}
	resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func BenchmarkCopy(b *testing.B) {
	c := pgtest.Shared(b)
	for b.Loop() {
		c.Copy(b, "empty", func(context.Context, string) error { return nil })
	}
}
