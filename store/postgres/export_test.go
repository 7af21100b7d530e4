package postgres

import (
	"context"
	"io/fs"
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
