package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// backupPattern names the folders that backups are made in, within the data directory.
const backupPattern = ".backup-"

// backupOf makes copies of a file's database. A copy lies in the data directory, which has the room and the rights, until
// it was read.
func (s *Server) backupOf(file *sqlite.Store) backupFunc {
	return func(ctx context.Context) (httpapi.Backup, error) { return s.copyOf(ctx, file) }
}

func (s *Server) copyOf(ctx context.Context, file *sqlite.Store) (httpapi.Backup, error) {
	dir, err := os.MkdirTemp(s.cfg.DataDir, backupPattern)
	if err != nil {
		return httpapi.Backup{}, err
	}
	path := filepath.Join(dir, "headsup.db")
	if err := file.Backup(ctx, path); err != nil {
		return httpapi.Backup{}, errors.Join(err, os.RemoveAll(dir))
	}
	f, err := os.Open(path)
	if err != nil {
		return httpapi.Backup{}, errors.Join(err, os.RemoveAll(dir))
	}
	info, err := f.Stat()
	if err != nil {
		return httpapi.Backup{}, errors.Join(err, f.Close(), os.RemoveAll(dir))
	}
	return httpapi.Backup{ReadCloser: scratch{f, dir}, Size: info.Size()}, nil
}

// scratch is a file whose folder goes when it is closed.
type scratch struct {
	*os.File
	dir string
}

func (s scratch) Close() error { return errors.Join(s.File.Close(), os.RemoveAll(s.dir)) }

// tidyBackups removes what an earlier process did not come to remove.
func (s *Server) tidyBackups() {
	entries, _ := os.ReadDir(s.cfg.DataDir) // a directory that cannot be read is told elsewhere
	for _, e := range entries {
		dir := filepath.Join(s.cfg.DataDir, e.Name())
		if !strings.HasPrefix(e.Name(), backupPattern) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			s.log.Warn("a half-made backup stays", "directory", dir, "error", err.Error())
		}
	}
}
