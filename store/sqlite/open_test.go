package sqlite_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/store/sqlite"
)

func TestOpenMakesAPrivateDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data ?#%41 ü") // a path is not a URL
	s := openStore(t, dir)
	if _, err := s.Sight(t.Context(), sightingOf("a")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		".": fs.ModeDir | 0o700, "headsup.db": 0o600, "headsup.db-wal": 0o600, "headsup.db-shm": 0o600, "headsup.lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestCloseLeavesOneFileAndRefusesWhatFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	rows := meet(t, s, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error("closing again:", err)
	}
	if _, err := s.SubmitMessage(t.Context(), submissionTo(rows[0]), false); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("a write after Close gives %v", err)
	}
	if _, err := s.Counts(t.Context()); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("a read after Close gives %v", err)
	}
	if names := namesIn(t, dir); strings.Join(names, " ") != "headsup.db headsup.lock" {
		t.Errorf("left are %v", names)
	}
	again := openStore(t, dir)
	found, err := again.Conversations(t.Context(), "app", book.Filter{}, 0, 1000)
	if err != nil || len(found) != len(rows) {
		t.Errorf("%d conversations, %v, want %d", len(found), err, len(rows))
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openStore(t, dir)
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if !errors.Is(err, sqlite.ErrLocked) {
		t.Fatalf("the error is %v, want %v", err, sqlite.ErrLocked)
	}
	oneLine(t, err, dir)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir)
}

// TestOpenRefuses: what is there is neither used nor changed.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
		says  string
	}{
		"ATextFile": {
			spoil: func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("notes "), 1000)) },
			want:  sqlite.ErrDamaged, says: "is not a database",
		},
		"AnEmptyFile": {
			spoil: func(t *testing.T, path string) { write(t, path, nil) },
			want:  sqlite.ErrDamaged, says: "is not a database",
		},
		"AnotherProgramsDatabase": {
			spoil: func(t *testing.T, path string) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				execute(t, path, "CREATE TABLE notes (n)")
			},
			says: "another program",
		},
		"ANewerSchema": {
			spoil: func(t *testing.T, path string) {
				execute(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
			},
			want: sqlite.ErrNewer, says: "schema 99999",
		},
		"ATruncatedFile": {
			spoil: func(t *testing.T, path string) {
				if err := os.Truncate(path, 40_000); err != nil {
					t.Fatal(err)
				}
			},
			want: sqlite.ErrDamaged, says: "headsup.db",
		},
		"FlippedBytesInTheSchema": {
			spoil: func(t *testing.T, path string) { flip(t, path, 100, 200) },
			want:  sqlite.ErrDamaged, says: "headsup.db",
		},
		"FlippedBytesInATable": {
			spoil: func(t *testing.T, path string) { flip(t, path, 4096*20, 4096*20+16) },
			want:  sqlite.ErrDamaged, says: "headsup.db",
		},
		"ALogWithoutItsDatabase": {
			spoil: func(t *testing.T, path string) {
				if err := os.Rename(path, path+"-wal"); err != nil {
					t.Fatal(err)
				}
			},
			says: "missing",
		},
		"ADirectoryInItsPlace": {
			spoil: func(t *testing.T, path string) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			says: "not a regular file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openStore(t, dir)
			meet(t, s, 500)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "headsup.db")
			c.spoil(t, path)
			before := fingerprint(t, dir)
			again, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
			if err == nil {
				closeStore(t, again)
				t.Fatal("it was opened")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("the error is %v, want %v", err, c.want)
			}
			oneLine(t, err, c.says)
			if after := fingerprint(t, dir); after != before {
				t.Errorf("the directory was changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func TestOpenRefusesPlaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, []byte("x"))
	for name, dir := range map[string]string{
		"ParentIsMissing": filepath.Join(t.TempDir(), "no", "data"),
		"IsAFile":         file,
		"ParentIsAFile":   filepath.Join(file, "data"),
		"NotGiven":        "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
			if err == nil {
				closeStore(t, s)
				t.Fatal("it was opened")
			}
			oneLine(t, err, dir)
		})
	}
}

// TestUnfinishedDatabaseIsStartedAnew: a process that was killed while it made the database has left a file by another
// name.
func TestUnfinishedDatabaseIsStartedAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "headsup.db.new"), []byte("half"))
	write(t, filepath.Join(dir, "headsup.db.new-wal"), []byte("half a log"))
	s := openStore(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, dir); strings.Join(names, " ") != "headsup.db headsup.lock" {
		t.Errorf("left are %v", names)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// execute runs SQL as another program would.
func execute(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, from, to int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		data[i] ^= 0xff
	}
	write(t, path, data)
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// fingerprint tells what is in a directory. Logs that SQLite makes to read a database are empty and do not count.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range namesIn(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && len(data) == 0 && name != "headsup.db" {
			continue
		}
		h := sha256.Sum256(data)
		b.WriteString(name + " " + string(append([]byte(nil), h[:4]...)) + "\n")
	}
	return b.String()
}

func oneLine(t *testing.T, err error, says string) {
	t.Helper()
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), says) {
		t.Errorf("the error is %q, want one line with %q", err, says)
	}
	t.Log(err)
}
