package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Backup writes a copy of the database, as it is at one moment, to a new file that only its owner can read. The copy is
// complete and synced when Backup returns; work goes on meanwhile. It needs no log beside it, and [Restore] takes it.
func (s *Store) Backup(ctx context.Context, to string) error {
	s.files.RLock()
	defer s.files.RUnlock()
	return backup(ctx, s.path, to)
}

// BackupDir is [Store.Backup] for a data directory that no process has open. It changes nothing in the database; work
// that an earlier process has left behind stays so.
func BackupDir(ctx context.Context, dir, to string) (err error) {
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("sqlite: no database in %s: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if err := checkHeader(path); err != nil {
		return err
	}
	return backup(ctx, path, to)
}

// backup copies through SQLite (sqlite.org, "VACUUM", VACUUM INTO), whose copy holds nothing that was deleted.
func backup(ctx context.Context, path, to string) (err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	c, err := openConn(path, nil)
	if err != nil {
		return explain(path, err)
	}
	err = c.interruptible(ctx, "VACUUM INTO ?", to)
	if err = errors.Join(err, c.close()); err != nil {
		return explain(path, fmt.Errorf("backup: %w", err))
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	return syncDir(filepath.Dir(to))
}

// ErrExists: the data directory has a database already.
var ErrExists = errors.New("the data directory has a database already")

// Restoration says what to restore.
type Restoration struct {
	// From is a file that [Store.Backup] has written. It is read only. Required.
	From string
	// Config is of the data directory that it is restored into; the directory is made if it does not exist.
	Config Config
	// Prepare is called with the restored store before it gets its place; its error makes Restore fail. May be nil.
	Prepare func(context.Context, *Store) error
}

// Restore makes a data directory from a backup. The database appears in
// the directory when it is complete, checked and synced, or not at all. It refuses a directory that has a database
// ([ErrExists]) or that another process has open ([ErrLocked]), and a backup that is damaged ([ErrDamaged]), of another
// program, or of a newer version ([ErrNewer]).
func Restore(ctx context.Context, r Restoration) (err error) {
	cfg := r.Config.withDefaults()
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("sqlite: config: %w", err)
	}
	if err := makeDir(cfg.Dir); err != nil {
		return err
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	path := filepath.Join(cfg.Dir, fileName)
	for _, there := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(there); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("sqlite: %s: %w", there, errors.Join(ErrExists, err))
		}
	}
	workshop, err := os.MkdirTemp(cfg.Dir, ".restore-")
	if err != nil {
		return fmt.Errorf("sqlite: restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(workshop)) }()
	fresh := filepath.Join(workshop, fileName)
	if err := copyFile(r.From, fresh); err != nil {
		return fmt.Errorf("sqlite: restore: %w", err)
	}
	cfg.Dir = workshop
	if err := r.settle(ctx, cfg); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("sqlite: restore: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// settle checks the copy and opens it as a server does, so that what was being sent is taken back.
func (r Restoration) settle(ctx context.Context, cfg Config) (err error) {
	if err := checkAll(ctx, filepath.Join(cfg.Dir, fileName)); err != nil {
		return fmt.Errorf("sqlite: restore %s: %w", r.From, err)
	}
	s, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if r.Prepare == nil {
		return nil
	}
	return r.Prepare(ctx, s)
}

// checkAll looks at every page and index of the file, however large it is.
func checkAll(ctx context.Context, path string) error {
	if err := checkHeader(path); err != nil {
		return err
	}
	c, err := openConn(path, settings{"query_only(1)"})
	if err != nil {
		return explain(path, err)
	}
	result := ""
	_, err = c.one(func(r row) { result = r.text(0) }, "PRAGMA integrity_check(1)")
	if err = errors.Join(err, c.close(), context.Cause(ctx)); err != nil {
		return explain(path, err)
	}
	if result != "ok" {
		return fmt.Errorf("%s: %w", strings.Join(strings.Fields(result), " "), ErrDamaged)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
