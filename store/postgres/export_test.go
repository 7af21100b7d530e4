package postgres

import (
	"context"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// OpenLease is Open with another time for leases.
var OpenLease = openLease

// MigrateBy brings a schema up to date by other migrations than this program's.
func MigrateBy(ctx context.Context, url string, files fs.FS) error {
	pc, err := poolConfig(Config{URL: url})
	if err != nil {
		return err
	}
	return migrateBy(ctx, pc.ConnConfig, files, nil)
}

// Migrations are this program's.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return files
}

// Kill ends what goes on behind a store, which gives nothing back, as if its process had been killed.
func Kill(s *Store) {
	s.stop()
	s.behind.Wait()
}

// WarnOfHindrance is warnOfHindrance for transactions of any age.
func WarnOfHindrance(ctx context.Context, s *Store, told *int64) error {
	return s.warnOfHindrance(ctx, time.Nanosecond, told)
}

// Group is group for tests; its operations are numbers.
type Group struct{ g *group[int] }

// NewGroup starts a group with so many goroutines.
func NewGroup(goroutines int, run func(context.Context, []int) error) *Group {
	return &Group{newGroup(slog.New(slog.DiscardHandler), goroutines, run)}
}

// Do is do.
func (g *Group) Do(ctx context.Context, op int) error { return g.g.do(ctx, op) }

// Close is close.
func (g *Group) Close() { g.g.close() }

// RegisterTypes makes a map of types as connections have it.
func RegisterTypes(m *pgtype.Map) { registerTypes(m) }

// Misses reports whether a look that finds the first at a place is told of another one, which was offered meanwhile.
func Misses(offered, first int64) bool {
	l := unknownLow
	l.look()
	l.offer(offered)
	return l.found(first)
}
