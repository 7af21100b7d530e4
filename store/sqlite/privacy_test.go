package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/store/storetest"
)

func TestEveryColumnThatMayTellOfAPersonIsErased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	storetest.Personal(t, s, columns(t, dir))
}

func columns(t *testing.T, dir string) storetest.Columns {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "headsup.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	rows, err := db.QueryContext(t.Context(), `SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.type IN ('TEXT', 'BLOB') AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	if err := rows.Err(); err != nil || len(list) < 50 {
		t.Fatal(list, err)
	}
	return storetest.Columns{List: list, Holds: func(column, text string) (found bool) {
		t.Helper()
		table, name, _ := strings.Cut(column, ".")
		query := fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM %q WHERE instr(CAST(%q AS TEXT), ?) > 0)`, table, name)
		if err := db.QueryRowContext(t.Context(), query, text).Scan(&found); err != nil {
			t.Fatal(column, err)
		}
		return found
	}}
}

// TestNothingOfWhoWasErasedIsInTheFiles: rows move about in pages while tables grow, and leave their bytes behind.
func TestNothingOfWhoWasErasedIsInTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	var erased []storetest.Somebody
	for i := range 40 {
		storetest.Seed(t, s, fmt.Sprintf("n%dobody", (i*37)%97))
		if i%5 == 0 {
			erased = append(erased, storetest.Seed(t, s, fmt.Sprintf("m%dark", (i*53)%89)))
		}
	}
	for _, somebody := range erased {
		if in(t, dir, somebody.Name) == "" {
			t.Fatalf("%s is nowhere", somebody.Name)
		}
		storetest.Erase(t, s, somebody.Who)
	}
	for _, somebody := range erased {
		if file := in(t, dir, somebody.Name); file != "" {
			t.Errorf("%s is still in %s", somebody.Name, file)
		}
	}
	if in(t, dir, "n0obody") == "" {
		t.Error("somebody else is gone")
	}
	check(t, dir)
}

// in is the file of a data directory that has a text.
func in(t *testing.T, dir, text string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			return e.Name()
		}
	}
	return ""
}

func check(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "headsup.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("the database is %s, %v", result, err)
	}
}

// TestFreeSpaceOfPagesIsOverwritten has SQLite move rows about until some have left their bytes where they were.
func TestFreeSpaceOfPagesIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeStore(t, openStore(t, dir))
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "headsup.db")+"?_pragma=secure_delete(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("BEGIN")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20000 {
		mark := "normal"
		if i%7 == 0 {
			mark = "MARK"
		}
		exec("INSERT INTO state VALUES ('app', 'tenant', ?, ?, 1)",
			fmt.Sprintf("%08x/%s", random.Uint32(), mark), []byte(strings.Repeat(mark, random.IntN(20))))
	}
	exec("DELETE FROM state WHERE path LIKE '%MARK'")
	exec("COMMIT")
	exec("PRAGMA wal_checkpoint(TRUNCATE)")
	if in(t, dir, "MARK") == "" {
		t.Fatal("nothing is left behind: this tests nothing")
	}
	s := openStore(t, dir)
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if file := in(t, dir, "MARK"); file != "" {
		t.Errorf("it is still in %s", file)
	}
	if in(t, dir, "normal") == "" {
		t.Error("the others are gone")
	}
	check(t, dir)
}
