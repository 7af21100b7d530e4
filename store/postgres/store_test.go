//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/storetest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(opens); url != "" {
		os.Exit(openNamed(url))
	}
	goleak.VerifyTestMain(pgtest.Tests(m))
}

// database makes a database with the schema in it.
func database(t testing.TB) string {
	t.Helper()
	return pgtest.Shared(t).Copy(t, "headsup", func(ctx context.Context, url string) error {
		s, err := postgres.Open(ctx, postgres.Config{URL: url})
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func TestStore(t *testing.T) {
	t.Parallel()
	var urls sync.Map // of stores
	paced := func(t *testing.T, url string, lease time.Duration, limits *pace.Limiter) *postgres.Store {
		t.Helper()
		s, err := postgres.OpenLease(t.Context(), postgres.Config{URL: url, Conns: 4, Pace: limits}, lease, true)
		if err != nil {
			t.Fatal(err)
		}
		urls.Store(s, url)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	shared := func(t *testing.T, url string, limits *pace.Limiter, node string) *postgres.Store {
		t.Helper()
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 4, Pace: limits, Node: node})
		if err != nil {
			t.Fatal(err)
		}
		urls.Store(s, url)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	open := func(t *testing.T, url string, lease time.Duration) *postgres.Store {
		t.Helper()
		return paced(t, url, lease, nil)
	}
	storetest.Run(t, storetest.Options{
		Open: func(t *testing.T) storetest.Store { return open(t, database(t), headsup.LeaseTime) },
		OpenLease: func(t *testing.T, lease time.Duration) storetest.Store {
			return open(t, database(t), lease)
		},
		OpenPaced: func(t *testing.T, limits *pace.Limiter) storetest.Store {
			return paced(t, database(t), headsup.LeaseTime, limits)
		},
		Durable: true,
		Reopen: func(t *testing.T, s storetest.Store) storetest.Store {
			url, _ := urls.Load(s)
			outlast(t, url.(string))
			again := open(t, url.(string), headsup.LeaseTime)
			takeBack(t, again)
			return again
		},
		ReopenPaced: func(t *testing.T, s storetest.Store, limits *pace.Limiter) storetest.Store {
			url, _ := urls.Load(s)
			outlast(t, url.(string))
			postgres.Kill(s.(*postgres.Store))
			again := shared(t, url.(string), limits, "node")
			takeBack(t, again)
			return again
		},
		OpenShared: func(t *testing.T, limits *pace.Limiter) storetest.Store {
			return shared(t, database(t), limits, "node")
		},
		NodePaced: func(t *testing.T, s storetest.Store, limits *pace.Limiter) storetest.Store {
			url, _ := urls.Load(s)
			return shared(t, url.(string), limits, "")
		},
		Node: func(t *testing.T, s storetest.Store) storetest.Store {
			url, _ := urls.Load(s)
			return open(t, url.(string), headsup.LeaseTime)
		},
	})
}

// outlast has the leases of a process that is gone run out.
func outlast(t *testing.T, url string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exec(t.Context(), `UPDATE turns SET until = '-infinity';
		UPDATE deliveries SET lease_until = '-infinity', turn_until = '-infinity' WHERE state = 4; UPDATE handed SET until = '-infinity'`)
	if err := errors.Join(err, c.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// takeBack takes back what it was sending.
func takeBack(t *testing.T, s *postgres.Store) {
	t.Helper()
	if _, err := s.ReclaimExpired(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}
