//go:build chaos

package chaos_test

import (
	"fmt"
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
	watch, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Close(t.Context()) }()
	look := func() (p progress) {
		t.Helper()
		p.at, p.accepted = time.Now(), l.accepted.Load()
		if err := watch.QueryRow(t.Context(), `SELECT blks_hit + blks_read, (SELECT sum(n_dead_tup) FROM pg_stat_user_tables)
			FROM pg_stat_database WHERE datname = current_database()`).Scan(&p.pages, &p.dead); err != nil {
			t.Fatal(err)
		}
		return p
	}
	measure := func() measured {
		t.Helper()
		before := look()
		time.Sleep(20 * time.Second)
		return look().since(before)
	}
	measure() // to get warm
	free := measure()
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
	var last measured
	for began := time.Now(); time.Since(began) < pinned; {
		last = measure()
		t.Logf("after %v: %v", time.Since(began).Round(time.Second), last)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	close(stop)
	wait()
	t.Logf("before: %v; at the end: %v", free, last)
	// Something else may have kept the machine busy at the end. How many pages are looked at for each does not depend on that.
	if last.perSecond < 0.8*free.perSecond && last.pages > 1.5*free.pages {
		t.Errorf("before: %v; at the end: %v", free, last)
	}
	l.judge(5*time.Minute, 0)
}

// progress is how far the load has come, and the database.
type progress struct {
	at                    time.Time
	accepted, pages, dead int64
}

// measured is how fast it went, and how many pages PostgreSQL has looked at for each.
type measured struct {
	perSecond, pages float64
	dead             int64
}

func (p progress) since(before progress) measured {
	n := float64(p.accepted - before.accepted)
	return measured{n / p.at.Sub(before.at).Seconds(), float64(p.pages-before.pages) / n, p.dead}
}

func (m measured) String() string {
	return fmt.Sprintf("%.0f/s, %.0f pages each, %d row versions not cleared away", m.perSecond, m.pages, m.dead)
}
