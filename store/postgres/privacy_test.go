//go:build unix

package postgres_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestEveryColumnThatMayTellOfAPersonIsErased(t *testing.T) {
	t.Parallel()
	url := database(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	rows, err := c.Query(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type IN ('text', 'bytea', 'character varying', 'jsonb', 'json') AND table_name NOT LIKE 'goose_%'`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) < 50 {
		t.Fatal(list, err)
	}
	storetest.Personal(t, s, storetest.Columns{List: list, Holds: func(column, text string) (found bool) {
		t.Helper()
		table, name, _ := strings.Cut(column, ".")
		query := fmt.Sprintf(`SELECT EXISTS (SELECT FROM %q WHERE position($1 IN %q::text) > 0 OR position($2 IN %q::text) > 0)`, table, name, name)
		if err := c.QueryRow(t.Context(), query, text, hex.EncodeToString([]byte(text))).Scan(&found); err != nil {
			t.Fatal(column, err)
		}
		return found
	}})
	dump := pgtest.Shared(t).Text(t, pgtest.Name(url))
	for _, mark := range []string{storetest.Mark, hex.EncodeToString([]byte(storetest.Mark))} {
		if bytes.Contains(dump, []byte(mark)) {
			t.Errorf("a dump has %s", mark)
		}
	}
	if !bytes.Contains(dump, []byte("COPY public.conversations")) {
		t.Error("the dump is none")
	}
}
