package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/headsup-bot/headsup/store/sqlite"
)

type backup struct {
	File string `arg:"" help:"Where to write it: a new file, which only you can read."`
	remote
}

// Help shows examples.
func (backup) Help() string {
	return `Examples:

    headsup backup headsup-2026-11-20.db
    headsup backup nightly.db --server https://bot.example.com --key-file ops.key

The backup is everything at one moment, as one SQLite file, made while the server goes on working. Without a running server it is
made from --data. Keep it as you keep the data directory: people's messages and the secrets of webhooks are in it.

A server over PostgreSQL is backed up by PostgreSQL's own tools.

The exit code is 0 when the file is complete and on disk, 1 when something failed, 2 when the call is wrong.`
}

// Run makes a backup.
func (c *backup) Run(ctx context.Context, s streams) error {
	size, err := c.make(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s\n", c.File, bytesText(size))
	return err
}

// make goes through the server that has the data open, and to the data itself when none has.
func (c *backup) make(ctx context.Context) (int64, error) {
	if c.Server == "" {
		err := sqlite.BackupDir(ctx, c.Data, c.File)
		switch {
		case err == nil:
			info, err := os.Stat(c.File)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		case errors.Is(err, fs.ErrExist):
			return 0, existsAlready(c.File)
		case !errors.Is(err, sqlite.ErrLocked) && !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	server, err := c.client()
	if err != nil {
		return 0, err
	}
	var size int64
	err = newFile(c.File, func(f *os.File) error {
		if size, err = server.Backup(ctx, f); err != nil {
			return c.explain(err)
		}
		return nil
	})
	return size, err
}

func existsAlready(path string) error {
	return usageError{fmt.Errorf("%s exists already; choose another name", path)}
}

// newFile makes a file for its owner only and has it filled and synced; what was not filled is removed.
func newFile(path string, fill func(*os.File) error) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return existsAlready(path)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	return f.Sync()
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return count(int(n), "byte")
	}
	size, i := float64(n)/unit, 0
	for size >= unit && i < 3 {
		size, i = size/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGT"[i])
}
