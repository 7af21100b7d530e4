package postgres

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/internal/ident"
)

// Numbers that name things across nodes have the node's own number in them (see package ident). A node has its number
// from the table nodes, for as long as it says in time that it is there.

const (
	numberLease = time.Minute
	numberKept  = numberLease / 4
)

// takeNumber takes the number that was given back longest ago. When there is none, this process stays one at random.
func (s *Store) takeNumber(ctx context.Context) error {
	number := -1
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		number = -1
		err := t.QueryRow(ctx, `UPDATE nodes SET owner = $1, until = clock_timestamp() + $2::interval
			WHERE number = (SELECT number FROM nodes WHERE until <= clock_timestamp() ORDER BY until, number LIMIT 1 FOR UPDATE SKIP LOCKED)
			RETURNING number`, s.bus.node, numberLease).Scan(&number)
		if notThere(err) {
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	if number < 0 {
		s.cfg.Logger.WarnContext(ctx, "there are more nodes than numbers for them", "numbers", ident.Nodes)
		return nil
	}
	ident.SetNode(number)
	return nil
}

// keepNumber says that this node is there until the store closes, and then gives its number back.
func (s *Store) keepNumber(ctx context.Context) {
	tick := time.NewTicker(numberKept)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
			defer cancel()
			if err := s.write(last, func(ctx context.Context, t *tx) error {
				_, err := t.Exec(ctx, "UPDATE nodes SET until = clock_timestamp() WHERE owner = $1", s.bus.node)
				return err
			}); err != nil { // then it runs out
				s.cfg.Logger.DebugContext(last, "the node's number stays taken", "error", err.Error())
			}
			return
		}
		if err := s.extendNumber(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "the node's number is not extended", "error", err.Error())
		}
	}
}

// extendNumber keeps the number, or takes another if this process was away for so long that it is lost.
func (s *Store) extendNumber(ctx context.Context) error {
	lost := false
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		tag, err := t.Exec(ctx, "UPDATE nodes SET until = clock_timestamp() + $2::interval WHERE owner = $1", s.bus.node, numberLease)
		lost = tag.RowsAffected() == 0
		return err
	}); err != nil || !lost {
		return err
	}
	return s.takeNumber(ctx)
}
