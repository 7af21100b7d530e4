//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby makes a second cluster that follows the first one. From then on a commit on the first one waits until the
// standby has it on disk too, so that nothing is lost by [Cluster.Promote].
func (c *Cluster) Standby(tb testing.TB) *Cluster {
	tb.Helper()
	s, err := c.standby()
	if s != nil {
		tb.Cleanup(func() {
			if err := s.remove(); err != nil {
				tb.Error(err)
			}
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	c.Exec(tb, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.Exec(tb, "postgres", "SELECT pg_reload_conf()")
	c.await(tb, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
	return s
}

func (c *Cluster) standby() (*Cluster, error) {
	s, err := prepare()
	if err != nil {
		return nil, err
	}
	s.password = c.password
	if err := os.WriteFile(filepath.Join(s.dir, "owner"), fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		return s, fmt.Errorf("pgtest: %w", err)
	}
	if err := s.program("pg_basebackup", "--pgdata", s.data(), "--host", c.dir, "--port", c.port,
		"--username", superuser, "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"); err != nil {
		return s, err
	}
	return s, s.run()
}

// Promote makes a standby a server of its own, that takes writes. The one that it followed should have been stopped.
func (c *Cluster) Promote(tb testing.TB) {
	tb.Helper()
	c.Exec(tb, "postgres", "SELECT pg_promote(true, 60)")
	c.Exec(tb, "postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	c.Exec(tb, "postgres", "SELECT pg_reload_conf()")
	c.await(tb, "SELECT NOT pg_is_in_recovery()")
}

// await asks until the answer is true.
func (c *Cluster) await(tb testing.TB, question string) {
	tb.Helper()
	ctx := tb.Context()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		var yes bool
		if err := conn.QueryRow(ctx, question).Scan(&yes); err != nil {
			tb.Fatalf("pgtest: %s: %v", question, err)
		}
		if yes {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("pgtest: it is not so: %s\n%s", question, c.lastWords())
		}
	}
}
