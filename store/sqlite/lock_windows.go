package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// dirLock holds a data directory for this process. The system lets go of it when the process ends, however it ends.
type dirLock struct {
	f *os.File
}

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "headsup.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: lock the data directory: %w", err)
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		f.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", dir, ErrLocked)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("sqlite: lock the data directory %s: %w", dir, err)
	}
	return &dirLock{f: f}, nil
}

func (l *dirLock) release() error { return l.f.Close() }

// syncDir does nothing: NTFS journals renames, and Windows cannot sync a directory.
func syncDir(string) error { return nil }
