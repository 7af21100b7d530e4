//go:build unix

package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/store/postgres"
)

// TestTransactionThatHoldsUpIsNamed has somebody leave a transaction open: metrics and one line of the log name it.
func TestTransactionThatHoldsUpIsNamed(t *testing.T) {
	t.Parallel()
	url := database(t)
	var log bytes.Buffer
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	report, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = report.Close(t.Context()) }()
	tx, err := report.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	var pid int64
	if err := tx.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM settings RIGHT JOIN (SELECT 1) AS x ON true LIMIT 1").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	var found postgres.Hindrance
	for deadline := time.Now().Add(time.Minute); found.PID != pid; time.Sleep(10 * time.Millisecond) {
		if found, err = s.Hindrance(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) { // transactions of the store's own may be older for a moment
			t.Fatalf("found %+v, want the process %d", found, pid)
		}
	}
	if found.Age <= 0 {
		t.Errorf("its age is %v", found.Age)
	}
	told := int64(0)
	for told != pid {
		if err := postgres.WarnOfHindrance(t.Context(), s, &told); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := postgres.WarnOfHindrance(t.Context(), s, &told); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // nothing writes into the log any more
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), fmt.Sprintf("pid=%d ", pid)); n != 1 {
		t.Errorf("the log names it %d times:\n%s", n, log.String())
	}
}
