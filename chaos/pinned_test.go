//go:build chaos

package chaos_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/pgtest"
)

// TestLongTransactionHoldsNobodyUp has somebody leave a transaction open in the same database, such as for a report (F54). As
// long as it lasts PostgreSQL cannot clear away what was changed since: work goes on nearly as fast as before.
func TestLongTransactionHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	url := cluster.Database(t)
	ch, server := channel(t, "--delay", "2ms"), nodes(t, 1, cluster.NetworkURL(pgtest.Name(url)))[0]
	server.start()
	l := newLoad(t, ch, people, server)
	l.plain = true
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	const look = 20 * time.Second
	rate := func() float64 {
		before := l.accepted.Load()
		time.Sleep(look)
		return float64(l.accepted.Load()-before) / look.Seconds()
	}
	rate() // to get warm
	free := rate()
	report, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = report.Close(t.Context()) }()
	tx, err := report.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM deliveries WHERE txid_current() > 0").Scan(&n); err != nil {
		t.Fatal(err)
	}
	began, last := time.Now(), 0.0
	for time.Since(began) < pinned {
		last = rate()
		var dead int
		if err := tx.QueryRow(t.Context(), "SELECT sum(n_dead_tup) FROM pg_stat_user_tables").Scan(&dead); err != nil {
			t.Fatal(err)
		}
		t.Logf("after %v: %.0f/s, %d rows that cannot be cleared away", time.Since(began).Round(time.Second), last, dead)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	close(stop)
	wait()
	t.Logf("%.0f/s before, %.0f/s at the end", free, last)
	if last < free/2 { // nothing else may run for a nearer look
		t.Errorf("%.0f/s at the end, %.0f/s before", last, free)
	}
	l.judge(5*time.Minute, 0)
}
