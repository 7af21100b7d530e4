package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// temporary, as the database, stands for a PostgreSQL that the bench starts itself.
const temporary = "temporary"

// place is where one store keeps everything.
type place struct {
	what     string // as it is told
	database string // the URL of a database of its own; empty for a file in dir
	dir      string // of its own
	drop     func() error
}

// place makes one: a directory, and a database if the measurement is of PostgreSQL.
func (o options) place(ctx context.Context) (p place, err error) {
	p = place{what: "SQLite, every commit synced", drop: func() error { return nil }}
	if o.database != "" {
		if err := p.make(ctx, o.database); err != nil {
			return place{}, fmt.Errorf("database: %w", err)
		}
	}
	if p.dir, err = os.MkdirTemp("", "headsup-bench-"); err != nil {
		return place{}, errors.Join(err, p.drop())
	}
	return p, nil
}

// make makes an empty database on a server, whose URL leads to another one.
func (p *place) make(ctx context.Context, server string) error {
	database, drop, err := postgres.Scratch(ctx, server)
	if err != nil {
		return err
	}
	p.database, p.drop = database, func() error { return drop(ctx) }
	var version, synced string
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		return errors.Join(err, p.drop())
	}
	err = c.QueryRow(ctx, "SELECT current_setting('server_version'), current_setting('synchronous_commit')").Scan(&version, &synced)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return errors.Join(err, p.drop())
	}
	version, _, _ = strings.Cut(version, " ")
	p.what = fmt.Sprintf("PostgreSQL %s, synchronous_commit %s", version, synced)
	return nil
}

// open opens the store there.
func (p *place) open(ctx context.Context) (store, error) {
	if p.database != "" {
		return postgres.Open(ctx, postgres.Config{URL: p.database})
	}
	return sqlite.Open(ctx, sqlite.Config{Dir: p.dir})
}

// remove forgets what was kept. The store is closed.
func (p *place) remove() {
	if err := errors.Join(p.drop(), os.RemoveAll(p.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// ticksPerSecond is in what /proc counts time (proc(5)); Linux has told programs the same everywhere for long.
const ticksPerSecond = 100

// databaseTime is how much the processes of the database have used, those that have ended included; 0 if they are not
// known. server is the id of their parent.
func databaseTime(server int) time.Duration {
	var ticks int64
	for _, f := range databaseStats(server) {
		for _, field := range f[11:15] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// databaseProcesses are the ids of the database's processes, as far as they are known.
func databaseProcesses(server int) (list []int) {
	for pid := range databaseStats(server) {
		list = append(list, pid)
	}
	return list
}

// databaseStats are what /proc tells of each of these processes: state, parent, …, and from the eleventh on utime, stime,
// cutime and cstime.
func databaseStats(server int) map[int][]string {
	if server == 0 {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	stats := make(map[int][]string)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything.
		f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		if len(f) >= 15 && (pid == server || f[1] == strconv.Itoa(server)) {
			stats[pid] = f
		}
	}
	return stats
}
