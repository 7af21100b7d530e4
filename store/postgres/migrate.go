package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, one node at a time, and refuses one that is newer than this program. Each
// migration is a transaction together with the note of its version, so one that is interrupted happens the next time.
func migrate(ctx context.Context, cc *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName("headsup_schema"))
	if err != nil {
		return err
	}
	return locked(ctx, db, func() error {
		have, want, err := p.GetVersions(ctx)
		switch {
		case err != nil:
			return err
		case have > want:
			return fmt.Errorf("%w (schema %d, this program knows %d)", ErrNewer, have, want)
		case have == want:
			return nil
		}
		_, err = p.Up(ctx)
		return err
	})
}

// locked calls f while this process holds the row of headsup_migrating. The lock is that of a transaction which stays
// open meanwhile: unlike an advisory lock of a session it works behind a pooler, and unlike a lease it is free at the
// moment in which its holder is gone.
func locked(ctx context.Context, db *sql.DB, f func() error) (err error) {
	if err := makeLock(ctx, db); err != nil {
		return err
	}
	holder, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if ended := holder.Rollback(); err == nil {
			err = ended
		}
	}()
	if _, err := holder.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	if _, err := holder.ExecContext(ctx, "SET LOCAL lock_timeout = 0"); err != nil {
		return err
	}
	if _, err := holder.ExecContext(ctx, "SELECT id FROM headsup_migrating FOR UPDATE"); err != nil {
		return err
	}
	return f()
}

// makeLock makes the table with the one row. Two nodes that make the same table at once get in each other's way, IF NOT
// EXISTS or not: then the other one has made it.
func makeLock(ctx context.Context, db *sql.DB) error {
	for try := 1; ; try++ {
		_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS headsup_migrating (id integer PRIMARY KEY);
			INSERT INTO headsup_migrating VALUES (1) ON CONFLICT DO NOTHING`)
		if code := codeOf(err); code != codeUniqueViolation && code != codeDuplicateTable || try == tries {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
