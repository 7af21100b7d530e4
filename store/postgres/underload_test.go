//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/postgres"
)

// opens, in the environment, is the URL of a database that this binary opens, in place of running tests.
const opens = "HEADSUP_TEST_OPENS"

func openNamed(url string) int {
	s, err := postgres.Open(context.Background(), postgres.Config{URL: url, Conns: 4})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// inTheWay holds a migration up where it makes a table, until the returned function is called.
func inTheWay(t *testing.T, url, table string) (release func()) {
	t.Helper()
	conn := connect(t, url)
	run(t, conn, "BEGIN")
	run(t, conn, "CREATE TABLE "+table+" (x integer)")
	return func() { run(t, conn, "ROLLBACK") }
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// stuck waits until a statement waits for a lock, and returns the process of PostgreSQL that runs it.
func stuck(t *testing.T, conn *pgx.Conn, statement string) (pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		err := conn.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()`, statement).Scan(&pid)
		switch {
		case err == nil:
			return pid
		case !errors.Is(err, pgx.ErrNoRows):
			t.Fatal(err)
		}
	}
	t.Fatalf("%q does not wait", statement)
	return 0
}

// madeTables counts what a migration has made.
func madeTables(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT LIKE 'headsup_%'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInterruptedMigrationLeavesNothingHalfDone: the connection breaks, or the process is killed, at the first table, in the
// middle and at the last one. The next node to start does it all, also one that comes while PostgreSQL has not noticed yet.
func TestInterruptedMigrationLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"commits", "deliveries", "nodes"} {
		t.Run("CutOffAt/"+table, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Shared(t).Database(t)
			look := connect(t, url)
			release := inTheWay(t, url, table)
			ended := make(chan error, 1)
			go func() {
				s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
				if err == nil {
					err = errors.Join(errors.New("it was opened"), s.Close())
				}
				ended <- err
			}()
			run(t, look, fmt.Sprintf("SELECT pg_terminate_backend(%d)", stuck(t, look, "CREATE TABLE "+table)))
			if err := <-ended; err == nil || strings.Contains(err.Error(), "it was opened") {
				t.Errorf("a migration that was cut off: %v", err)
			}
			release()
			if n := madeTables(t, look); n != 0 {
				t.Errorf("%d tables are left", n)
			}
			opensNow(t, url)
		})
		t.Run("KilledAt/"+table, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Shared(t).Database(t)
			look := connect(t, url)
			release := inTheWay(t, url, table)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = append(os.Environ(), opens+"="+url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stuck(t, look, "CREATE TABLE "+table)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it was not killed")
			}
			next := make(chan struct{})
			go func() {
				defer close(next)
				opensNow(t, url)
			}()
			release()
			<-next
		})
	}
}

// opensNow opens a database whose schema may have to be made.
func opensNow(t *testing.T, url string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
	if err != nil {
		t.Error(err)
		return
	}
	if err := errors.Join(s.Check(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestNewerSchemaIsRefused: nothing is changed then, and the next one is refused in the same way.
func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	url := database(t)
	conn := connect(t, url)
	run(t, conn, "INSERT INTO headsup_schema (version_id, is_applied) VALUES (99999, true)")
	for range 2 {
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
		if err == nil {
			_ = s.Close()
		}
		if !errors.Is(err, postgres.ErrNewer) || !strings.Contains(err.Error(), "schema 99999, this program knows 1") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error is %v", err)
		}
	}
	taken := 0
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM nodes WHERE until > clock_timestamp()").Scan(&taken); err != nil || taken != 0 {
		t.Errorf("%d nodes, %v", taken, err)
	}
}

// TestMigrationsLetOthersGoOn: each gives up a lock that it does not get, as their first statement says.
func TestMigrationsLetOthersGoOn(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(postgres.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		_, up, _ := strings.Cut(string(text), "-- +goose Up\n")
		first := ""
		for line := range strings.Lines(up) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
				first = line
				break
			}
		}
		if first != "SET LOCAL lock_timeout = '2s';" {
			t.Errorf("%s begins with %q", name, first)
		}
	}
}

// meet puts n conversations into the book.
func meet(t *testing.T, s *postgres.Store, n int) (rows []book.Row) {
	t.Helper()
	for i := range n {
		ref := activity.Reference{
			ChannelID: "test", ServiceURL: "https://channel.example/", Bot: &activity.ChannelAccount{ID: "bot"},
			Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i)), TenantID: "t"},
		}
		c, err := s.Sight(t.Context(), book.Sighting{
			Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim, VerifiedAt: time.Now(), At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, c.Row)
	}
	return rows
}

// submissionTo says an ordinary message in a conversation.
func submissionTo(id int64, row book.Row) outbox.Submission {
	now := time.Now()
	return outbox.Submission{
		Message: outbox.Message{
			ID: outbox.MessageID(id), AppID: "app", Tenant: "t", Lane: outbox.LaneNormal, Body: []byte(`{"type":"message","text":"x"}`),
			Target: `{"conversation":"c"}`, CreatedAt: now,
		},
		Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(id), Conversation: row}}, At: now,
	}
}

// serving is a store that accepts one message after another.
type serving struct {
	accepted atomic.Int64
	longest  atomic.Int64 // in nanoseconds
	stop     context.CancelFunc
	done     sync.WaitGroup
}

func serve(t *testing.T, url string) *serving {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	rows := meet(t, s, 20)
	ctx, stop := context.WithCancel(t.Context())
	l := &serving{stop: stop}
	for range 4 {
		l.done.Go(func() {
			for ctx.Err() == nil {
				id, began := served.Add(1), time.Now()
				if _, err := s.SubmitMessage(t.Context(), submissionTo(id, rows[id%int64(len(rows))]), false); err != nil {
					t.Error(err)
					return
				}
				l.accepted.Add(1)
				for took := int64(time.Since(began)); ; {
					if longest := l.longest.Load(); took <= longest || l.longest.CompareAndSwap(longest, took) {
						break
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		l.end()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

var served atomic.Int64

// end ends it, once what was begun has been accepted.
func (l *serving) end() {
	l.stop()
	l.done.Wait()
}

// more waits until n more are accepted.
func (l *serving) more(t *testing.T, n int64) {
	t.Helper()
	for until, deadline := l.accepted.Load()+n, time.Now().Add(time.Minute); l.accepted.Load() < until; time.Sleep(time.Millisecond) {
		if t.Failed() || time.Now().After(deadline) {
			t.Fatal("nothing is accepted any more")
		}
	}
}

// TestMigrationUnderLoad: a table is changed while one node writes to it and somebody else has been reading it for long. The
// migration waits for the reader, and the node is not held up by more than one try at a time.
func TestMigrationUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	node := serve(t, url)
	node.more(t, 100)
	reader, look := connect(t, url), connect(t, url)
	run(t, reader, "BEGIN")
	run(t, reader, "SELECT count(*) FROM deliveries")
	first, err := fs.ReadFile(postgres.Migrations(), "00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	const change = "ALTER TABLE deliveries ADD COLUMN another text"
	migrated := make(chan error, 1)
	go func() {
		migrated <- postgres.MigrateBy(t.Context(), url, fstest.MapFS{
			"00001_init.sql": {Data: first},
			"00002_more.sql": {Data: []byte("-- +goose Up\nSET LOCAL lock_timeout = '500ms';\n" + change + ";\n")},
		})
	}()
	for range 2 { // tries
		stuck(t, look, change)
		node.more(t, 10)
	}
	select {
	case err := <-migrated:
		t.Errorf("it did not wait for the reader: %v", err)
	default:
	}
	run(t, reader, "COMMIT")
	if err := <-migrated; err != nil {
		t.Error(err)
	}
	node.more(t, 100)
	node.end()
	t.Logf("%d messages, the slowest took %v", node.accepted.Load(), time.Duration(node.longest.Load()))
	if s, err := postgres.Open(t.Context(), postgres.Config{URL: url}); !errors.Is(err, postgres.ErrNewer) {
		_ = s.Close()
		t.Errorf("the older program has opened it: %v", err)
	}
}

// TestNodesStartWhileOneServes: those that have nothing to migrate hold nobody up.
func TestNodesStartWhileOneServes(t *testing.T) {
	t.Parallel()
	url := database(t)
	node := serve(t, url)
	for range 3 {
		var started sync.WaitGroup
		for range 5 {
			started.Go(func() { opensNow(t, url) })
		}
		node.more(t, 10)
		started.Wait()
	}
	node.end()
	t.Logf("the slowest message took %v", time.Duration(node.longest.Load()))
}
