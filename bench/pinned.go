package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// pinnedRounds is how many measurements are made while somebody's transaction stays open.
const pinnedRounds = 8

// pinned measures how fast is delivered while accepting, before and while somebody else has a transaction open in the same
// database, so that PostgreSQL cannot clear away what was changed since.
func pinned(ctx context.Context, o options) error {
	if o.database == "" {
		return errors.New("this is about PostgreSQL: see -database")
	}
	s, err := startSink(ctx, false)
	if err != nil {
		return err
	}
	defer s.stop()
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.meet(ctx, o.conversations); err != nil {
		return err
	}
	fmt.Printf("  %d deliveries in each line, to %d conversations, delivered while accepting, %s\n", o.deliveries, o.conversations, p.place.what)
	free, err := p.line(ctx, o, "before", nil)
	if err != nil {
		return err
	}
	again, err := p.line(ctx, o, "before", nil)
	if err != nil {
		return err
	}
	free = max(free, again)
	c, err := pgx.Connect(ctx, p.place.database)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM settings WHERE txid_current() > 0").Scan(&n); err != nil {
		return err
	}
	last := 0.0
	for range pinnedRounds {
		if last, err = p.line(ctx, o, "open", c); err != nil {
			return err
		}
	}
	if err := tx.Rollback(ctx); err != nil {
		return err
	}
	fmt.Printf("  at the end %.2f of before\n", last/free)
	return nil
}

// line measures once.
func (p *pipeline) line(ctx context.Context, o options, what string, dead *pgx.Conn) (float64, error) {
	if err := p.sink.reset(ctx); err != nil {
		return 0, err
	}
	if err := p.start(); err != nil {
		return 0, err
	}
	got, err := p.timed(ctx, o.deliveries, func() error { return p.accept(ctx, o.deliveries) })
	if err := errors.Join(err, p.stop()); err != nil {
		return 0, err
	}
	rows := ""
	if dead != nil {
		var n int
		if _, err := dead.Exec(ctx, "SELECT pg_stat_clear_snapshot()"); err != nil { // what it has seen first
			return 0, err
		}
		if err := dead.QueryRow(ctx, "SELECT sum(pg_stat_get_dead_tuples(oid)) FROM pg_class WHERE relkind = 'r'").Scan(&n); err != nil {
			return 0, err
		}
		rows = fmt.Sprintf(", %d rows that cannot be cleared away", n)
	}
	fmt.Printf("  %-7s%6.0f/s (%v of processor time each%s)%s\n", what, got.perSecond, got.each, got.andDatabase(), rows)
	return got.perSecond, nil
}
