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
// migration is a transaction together with the note of its version, so one that is interrupted happens the next time. What
// is to be done before another node gets to work is done by then; nil is nothing.
func migrate(ctx context.Context, cc *pgx.ConnConfig, then func() error) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrateBy(ctx, cc, files, then)
}

// migrateBy is migrate with a directory of migrations.
func migrateBy(ctx context.Context, cc *pgx.ConnConfig, files fs.FS, then func() error) (err error) {
	db := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, db.Close()) }()
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
		case have < want:
			err = patiently(ctx, p)
		}
		if err != nil || then == nil {
			return err
		}
		return then()
	})
}

const (
	lockTries = 60          // of a migration that does not get its locks
	lockPause = time.Second // between two of them
)

// patiently migrates while others work with the tables. Whoever comes after a migration that waits for a lock has to wait
// too, so each gives up after lock_timeout, which it sets as its first statement, lets the others go on, and begins anew.
func patiently(ctx context.Context, p *goose.Provider) error {
	for try := 1; ; try++ {
		_, err := p.Up(ctx)
		if codeOf(err) != codeLockNotAvailable || try == lockTries {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// migrating is the key of the advisory lock that the node which migrates holds.
const migrating = 0x68656164 // "head"

// locked calls f while this process holds the lock of whoever migrates. The lock is that of a transaction which stays
// open meanwhile: unlike the lock of a session it works behind a pooler, and unlike a lease it is free at the moment in
// which its holder is gone.
func locked(ctx context.Context, db *sql.DB, f func() error) (err error) {
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
	if _, err := holder.ExecContext(ctx, "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	if _, err := holder.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", migrating); err != nil {
		return err
	}
	return f()
}
