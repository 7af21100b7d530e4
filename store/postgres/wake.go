package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Nodes tell each other by NOTIFY that there may be something to claim. It is not sent within the transactions that make
// it so, since those that notify commit one after the other, but soon after, and once for many. A notification may be
// lost, behind a pooler all of them are, so every node also looks once a second.

const (
	channel      = "headsup"
	notifyPause  = 5 * time.Millisecond // between two notifications
	pollInterval = time.Second
)

// Wakeups implements [outbox.Store].
func (s *Store) Wakeups() <-chan struct{} { return s.wakeups }

// wake tells the workers of this process, and soon those of the others, that there may be something to claim.
func (s *Store) wake() {
	s.wakeHere()
	signal(s.tell)
}

func (s *Store) wakeHere() { signal(s.wakeups) }

// tellNews tells the readers of events that there are some.
func (s *Store) tellNews() {
	signal(s.news)
	signal(s.tell)
}

// signal is for somebody who may have been told already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// notify sends notifications until ctx ends. The payload is this node, which knows already.
func (s *Store) notify(ctx context.Context) {
	for {
		select {
		case <-s.tell:
		case <-ctx.Done():
			return
		}
		if err := s.read(ctx, func(ctx context.Context, q querier) error {
			_, err := q.Exec(ctx, "SELECT pg_notify($1, $2)", channel, s.node)
			return err
		}); err != nil && ctx.Err() == nil {
			s.cfg.Logger.DebugContext(ctx, "other nodes not told", "error", err)
		}
		if rest(ctx, nil, notifyPause) != nil {
			return
		}
	}
}

// listen hears the others, on a connection of its own, until ctx ends.
func (s *Store) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.hearOthers(ctx)
		if ctx.Err() == nil {
			s.cfg.Logger.DebugContext(ctx, "other nodes not heard", "error", err)
		}
		_ = rest(ctx, nil, pollInterval)
	}
}

func (s *Store) hearOthers(ctx context.Context) error {
	c, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload != s.node {
			s.wakeHere()
			signal(s.news)
		}
	}
}

// poll looks for work that nobody has told of, takes back what nodes that are gone were sending, and does the household.
func (s *Store) poll(ctx context.Context) {
	for n := 0; ; n++ {
		if rest(ctx, nil, pollInterval) != nil {
			return
		}
		for _, f := range []func(context.Context) error{s.look, s.takeBack, s.keep(n)} {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "the store's background work has failed", "error", err)
			}
		}
	}
}

// look wakes the workers if there is anything to claim.
func (s *Store) look(ctx context.Context) error {
	var found bool
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deliveries WHERE waits = 1)
			OR EXISTS (SELECT FROM deliveries WHERE waits = 2 AND due_at <= $1)`, s.cfg.Now()).Scan(&found)
	})
	if found {
		s.wakeHere()
	}
	return err
}

// takeBack takes back what nodes that are gone were sending. Nothing is written when there is none.
func (s *Store) takeBack(ctx context.Context) error {
	if s.callersTime {
		return nil
	}
	_, err := s.ReclaimExpired(ctx, s.cfg.Now())
	return err
}
