package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	var dirs sync.Map // of stores
	open := func(t *testing.T, dir string, leaseTime time.Duration, limits *pace.Limiter) *sqlite.Store {
		t.Helper()
		s, err := sqlite.OpenLease(t.Context(), sqlite.Config{Dir: dir, Pace: limits}, leaseTime)
		if err != nil {
			t.Fatal(err)
		}
		dirs.Store(s, dir)
		t.Cleanup(func() { closeStore(t, s) })
		return s
	}
	storetest.Run(t, storetest.Options{
		Open: func(t *testing.T) storetest.Store { return open(t, t.TempDir(), headsup.LeaseTime, nil) },
		OpenLease: func(t *testing.T, leaseTime time.Duration) storetest.Store {
			return open(t, t.TempDir(), leaseTime, nil)
		},
		OpenPaced: func(t *testing.T, limits *pace.Limiter) storetest.Store {
			return open(t, t.TempDir(), headsup.LeaseTime, limits)
		},
		Durable: true,
		Reopen: func(t *testing.T, s storetest.Store) storetest.Store {
			dir, _ := dirs.Load(s)
			return open(t, crashed(t, dir.(string)), headsup.LeaseTime, nil)
		},
		ReopenPaced: func(t *testing.T, s storetest.Store, limits *pace.Limiter) storetest.Store {
			dir, _ := dirs.Load(s)
			return open(t, crashed(t, dir.(string)), headsup.LeaseTime, limits)
		},
	})
}

func openStore(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// crashed makes a directory with what would be on disk if the process that works in dir were killed now, between two
// writes: the database and its log.
func crashed(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, name := range []string{"headsup.db", "headsup.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}
