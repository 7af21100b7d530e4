//go:build unix

package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/store/postgres"
)

// TestAuditIsKeptByTriggersAndTamperingIsFound: the database refuses to change the log and, once its triggers are off, what
// was done to it is named.
func TestAuditIsKeptByTriggersAndTamperingIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement string
		want      int64
	}{
		"changed":   {"UPDATE audit SET actor = 'key:somebody' WHERE number = 3", 3},
		"deleted":   {"DELETE FROM audit WHERE number = 3", 3},
		"reordered": {"UPDATE audit SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4); UPDATE audit SET number = -number WHERE number < 0", 3},
		"inserted":  {"UPDATE audit SET number = -number WHERE number > 3; INSERT INTO audit SELECT app_id, 4, at, action, actor, origin, 'x', detail, trace, sealed, prev, hash FROM audit WHERE number = 3; UPDATE audit SET number = 1 - number WHERE number < 0; UPDATE audit_ends SET head = 6", 4},
		"truncated": {"DELETE FROM audit WHERE number > 3", 4},
		"emptied":   {"TRUNCATE audit", 1},
		"cut":       {"UPDATE audit_ends SET foot = 2, foot_hash = (SELECT hash FROM audit WHERE number = 2), head = head; DELETE FROM audit WHERE number < 3", 2},
		"end lost":  {"DELETE FROM audit_ends", 5},
		"forgotten": {"DELETE FROM audit_ends; DELETE FROM audit WHERE number < 3", 1},
	} {
		t.Run(name, func(t *testing.T) {
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
			for i := range 5 {
				if err := s.WriteAudit(t.Context(), audit.Act{AppID: "app", Action: audit.KeyCreate, Actor: audit.Local, Object: fmt.Sprint(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := verifyAudit(t, s); err != nil {
				t.Fatal(err)
			}
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := conn.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			if name != "cut" { // which is what the store itself does, beside a note of it
				if _, err := conn.Exec(t.Context(), c.statement, pgx.QueryExecModeSimpleProtocol); err == nil {
					t.Error("the database lets it happen")
				}
			}
			if _, err := conn.Exec(t.Context(), "SET session_replication_role = replica; "+c.statement, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			err = verifyAudit(t, s)
			if broken, ok := errors.AsType[*audit.Broken](err); !ok || broken.Number != c.want {
				t.Errorf("%v, want entry %d to be named", err, c.want)
			}
			if err := s.WriteAudit(t.Context(), audit.Act{AppID: "app", Action: audit.KeyRevoke, Actor: audit.Local}); err != nil {
				t.Errorf("the log does not go on: %v", err)
			}
			if err := verifyAudit(t, s); err == nil {
				t.Error("nothing is named when the log has gone on")
			}
		})
	}
}

func verifyAudit(t *testing.T, s *postgres.Store) error {
	t.Helper()
	ends, err := s.AuditEnds(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.AuditEntries(t.Context(), audit.Filter{AppID: "app", Oldest: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	v := audit.NewVerifier(ends.Foot)
	for _, e := range log {
		if err := v.Add(e); err != nil {
			return err
		}
	}
	return v.End(ends.Head)
}
