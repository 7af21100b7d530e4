package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
)

// Errors of [Restored].
var (
	// ErrServed: a node has the database open.
	ErrServed = errors.New("a server works with the database")

	// ErrEmpty: there is nothing of this program in the database.
	ErrEmpty = errors.New("there is nothing of this program in the database")
)

// Restored has f prepare a database that PostgreSQL has restored from a backup or to an earlier time, before nodes use it:
// with a store that is open for that long, in which nothing is being sent. The schema is brought up to date first. Nodes that
// are started meanwhile wait until f returns; with nodes that are there already, Restored fails ([ErrServed]), which it may
// take 20 s to find out. It makes no schema where there is none ([ErrEmpty]) and refuses what a newer version has written
// ([ErrNewer]).
func Restored(ctx context.Context, cfg Config, f func(context.Context, *Store) error) error {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("postgres: config: %w", err)
	}
	pc, err := poolConfig(cfg)
	if err != nil {
		return err
	}
	if err := ask(ctx, pc.ConnConfig, notEmpty); err != nil {
		return explain(err)
	}
	return explain(migrate(ctx, pc.ConnConfig, func() (err error) {
		if err := ask(ctx, pc.ConnConfig, unserved); err != nil {
			return err
		}
		s, err := openMigrated(ctx, cfg, pc, headsup.LeaseTime, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		if err := s.takeAllBack(ctx); err != nil {
			return err
		}
		return f(ctx, s)
	}))
}

// ask calls f with a connection of its own.
func ask(ctx context.Context, cc *pgx.ConnConfig, f func(context.Context, *pgx.Conn) error) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		err = errors.Join(err, conn.Close(ctx))
	}()
	return f(ctx, conn)
}

func notEmpty(ctx context.Context, conn *pgx.Conn) error {
	there := false
	err := conn.QueryRow(ctx, "SELECT to_regclass('headsup_schema') IS NOT NULL").Scan(&there)
	if err == nil && !there {
		return ErrEmpty
	}
	return err
}

// unserved returns ErrServed if a node works with the database. The backup has the rows of the nodes that were there when it
// was made: only those that go on saying that they are there, are.
func unserved(ctx context.Context, conn *pgx.Conn) error {
	began := time.Now()
	first := time.Time{}
	for {
		last := time.Time{}
		err := conn.QueryRow(ctx, "SELECT max(until) FROM nodes WHERE until > clock_timestamp() HAVING count(*) > 0").Scan(&last)
		switch {
		case notThere(err):
			return nil
		case err != nil:
			return err
		case first.IsZero():
			first = last
		case last.After(first):
			return ErrServed
		case time.Since(began) > numberKept*4/3:
			return nil
		}
		if err := rest(ctx, nil, lookEvery); err != nil {
			return err
		}
	}
}

// takeAllBack takes back what nodes were sending that are gone, without waiting for their leases to run out.
func (s *Store) takeAllBack(ctx context.Context) error {
	err := s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "UPDATE turns SET until = '-infinity' WHERE until > clock_timestamp()"); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, `UPDATE deliveries d SET lease_until = '-infinity', turn_until = '-infinity'
			FROM handed h CROSS JOIN LATERAL unnest(h.deliveries) AS n (id) WHERE d.id = n.id AND d.state = 4`); err != nil {
			return err
		}
		_, err := t.Exec(ctx, "UPDATE handed SET until = '-infinity'")
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.ReclaimExpired(ctx, s.cfg.Now())
	return err
}
