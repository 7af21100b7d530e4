//go:build unix

package postgres_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/store/postgres"
)

// TestRoleOfTheExampleIsEnough: the role that deploy/postgres.sql makes can do all that the store needs.
func TestRoleOfTheExampleIsEnough(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t) // a role is the whole cluster's
	script, err := os.ReadFile("../../deploy/postgres.sql")
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(string(script), ";\n") {
		if strings.TrimSpace(statement) != "" {
			c.Exec(t, "postgres", statement)
		}
	}
	u, err := url.Parse(c.NetworkURL("headsup"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("headsup")
	s, err := postgres.Open(t.Context(), postgres.Config{URL: u.String(), Password: "change me"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Config{URL: u.String(), Password: "another"}); err == nil || strings.Contains(err.Error(), "another") {
		t.Errorf("another password: %v", err)
	}
}

// TestTextIsComparedBytewise: whatever the database sorts by.
func TestTextIsComparedBytewise(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t))
	rows, err := conn.Query(t.Context(), `SELECT c.relname || '.' || a.attname
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname NOT LIKE 'headsup_%' AND a.attnum > 0 AND a.attcollation <> 0
			AND a.attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C')`)
	if err != nil {
		t.Fatal(err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(others) > 0 {
		t.Errorf("these columns are not: %v", others)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
