package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
)

// applicationID marks our files ("HUP1"), so that another program's database is not taken for ours.
const applicationID = 0x48555031

//go:embed migrations/*.sql
var migrations embed.FS

// smallFile is the size in bytes up to which the whole file is checked at the start; of larger ones, only the tables
// that everything else hangs on.
const smallFile = 256 << 20

// prepareFile makes the database if there is none, else checks that it is one of ours and sound, and brings its schema
// up to date. A new database gets its name only when it is complete, so a file with the name is never an unfinished one.
func prepareFile(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Lstat(path + "-wal"); err == nil {
			return fmt.Errorf("sqlite: %s is missing, but its log %s-wal is there", path, filepath.Base(path))
		}
		return create(ctx, path)
	case err != nil:
		return fmt.Errorf("sqlite: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("sqlite: %s is not a regular file", path)
	}
	if err := checkHeader(path); err != nil {
		return err
	}
	if err := checkAndMigrate(ctx, path, info.Size()); err != nil {
		return explain(path, err)
	}
	return nil
}

// checkHeader reads what SQLite's file format puts into the first 100 bytes, without changing anything.
func checkHeader(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // write access is needed later
	if err != nil {
		return fmt.Errorf("sqlite: open the database: %w", err)
	}
	defer f.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return fmt.Errorf("sqlite: %s is not a database: %w", path, ErrDamaged)
	}
	if id := binary.BigEndian.Uint32(header[68:]); id != applicationID { // sqlite.org, "Database File Format", 1.3.11
		return fmt.Errorf("sqlite: %s is a database of another program (application id %#x)", path, id)
	}
	return nil
}

func create(ctx context.Context, path string) (err error) {
	fresh := path + ".new"
	for _, leftover := range []string{fresh, fresh + "-wal", fresh + "-shm", fresh + "-journal"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("sqlite: make the database: %w", err)
		}
	}
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: make the database: %w", err)
	}
	f.Close()
	if err := fill(ctx, fresh); err != nil {
		return fmt.Errorf("sqlite: make the database %s: %w", path, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("sqlite: make the database: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// fill gives an empty file its schema. It works without a write-ahead log, whose last part could be left beside the file
// if writing it back failed.
func fill(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, settings{"journal_mode(DELETE)", "synchronous(FULL)"}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	// Pages of 8 KiB halve the number of writes per commit; most of what is written is appended.
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = 8192; PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	return migrate(ctx, db)
}

func checkAndMigrate(ctx context.Context, path string, size int64) (err error) {
	db, err := sql.Open("sqlite", dsn(path, forWriter))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	checks := []string{"PRAGMA quick_check(1)"}
	if size > smallFile {
		checks = []string{
			"PRAGMA quick_check(counters)", "PRAGMA quick_check(settings)", "PRAGMA quick_check(conversations)",
		}
	}
	for _, check := range checks {
		var result string
		if err := db.QueryRowContext(ctx, check).Scan(&result); err != nil {
			return err
		}
		if result != "ok" {
			return fmt.Errorf("%s: %w", strings.Join(strings.Fields(result), " "), ErrDamaged)
		}
	}
	return migrate(ctx, db)
}

// migrate brings the schema up to date, and refuses one that is newer than this program.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
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
}

// Errors of Open.
var (
	// ErrLocked: another process has the data directory open.
	ErrLocked = errors.New("the data directory is in use by another process")
	// ErrDamaged: the database is damaged. Restore it from a backup.
	ErrDamaged = errors.New("the database is damaged")
	// ErrNewer: the database was written by a newer version.
	ErrNewer = errors.New("the database was written by a newer version of this program")
)

// explain names the file in an error of SQLite's, and makes its words for damage ErrDamaged.
func explain(path string, err error) error {
	switch code := codeOf(err) & 0xff; code {
	case sqliteCorrupt, sqliteNotADB:
		return fmt.Errorf("sqlite: %s: %w: %w", path, ErrDamaged, err)
	}
	return fmt.Errorf("sqlite: %s: %w", path, err)
}

// explain is for errors of running operations: refusals stay as they are.
func (s *Store) explain(err error) error {
	if codeOf(err) != 0 {
		return explain(s.path, err)
	}
	return err
}

// Result codes of SQLite (sqlite.org, "Result and Error Codes").
const (
	sqliteBusy     = 5
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

// codeOf is the code of an error of SQLite's, ours or one from database/sql; 0 of any other.
func codeOf(err error) int {
	var coded interface {
		error
		Code() int
	}
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return 0
}

// unsynced reports whether a sync has failed, so that nobody knows what is on disk.
func unsynced(err error) bool {
	const (
		fsync    = sqliteIOErr | 4<<8
		dirFsync = sqliteIOErr | 5<<8
	)
	code := codeOf(err)
	return code == fsync || code == dirFsync
}

// ofTheDisk reports whether an error has nothing to do with what was asked for.
func ofTheDisk(err error) bool {
	switch codeOf(err) & 0xff {
	case sqliteBusy, sqliteReadOnly, sqliteIOErr, sqliteCorrupt, sqliteFull, sqliteCantOpen, sqliteNotADB:
		return true
	}
	return false
}
