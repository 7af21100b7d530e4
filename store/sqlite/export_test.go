package sqlite

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// OpenLease opens a store whose leases last for another time.
var OpenLease = openLease

// Queued is how many operations wait for the writer.
func (s *Store) Queued() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return len(s.writer.queue)
}

// Block keeps the writer busy until release is called. What is asked for meanwhile is queued, and goes into one batch.
func (s *Store) Block() (release func()) {
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.writer.do(context.Background(), func(*tx) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	return sync.OnceFunc(func() {
		close(end)
		<-ended
	})
}

// Exec runs statements as one operation of the writer.
func (s *Store) Exec(ctx context.Context, statements ...string) error {
	return s.writer.do(ctx, func(t *tx) error {
		for _, sql := range statements {
			if _, err := t.exec(sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// Plans tells for every statement that was run how SQLite runs it.
func (s *Store) Plans(ctx context.Context) (map[string]string, error) {
	plans := make(map[string]string)
	explain := func(c *conn) error {
		for sql := range c.stmts {
			if strings.HasPrefix(sql, "PRAGMA") || strings.HasPrefix(sql, "EXPLAIN") {
				continue
			}
			var plan strings.Builder
			args := make([]any, strings.Count(sql, "?"))
			if err := c.each(func(r row) error {
				fmt.Fprintln(&plan, r.text(3))
				return nil
			}, "EXPLAIN QUERY PLAN "+sql, args...); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			plans[sql] = plan.String()
		}
		return nil
	}
	for range readersCount {
		c := <-s.readers
		err := explain(c)
		s.readers <- c
		if err != nil {
			return nil, err
		}
	}
	return plans, s.writer.do(ctx, func(t *tx) error { return explain(t.conn) })
}
