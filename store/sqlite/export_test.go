package sqlite

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
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
			if err := c.each(func(r row) error {
				fmt.Fprintln(&plan, r.text(3))
				return nil
			}, "EXPLAIN QUERY PLAN "+sql); err != nil {
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

// CheckRoutes compares what is remembered of routes with the database: whatever may be claimed is in a lane that may be
// looked into, of a route that takes its turns, and is in the route of its conversation.
func (s *Store) CheckRoutes(ctx context.Context) error {
	return s.writer.do(ctx, func(t *tx) error {
		return t.each(func(row row) error {
			r := s.routes.byID[row.int(0)]
			switch {
			case row.int(0) != row.int(2):
				return fmt.Errorf("a delivery of route %d to a conversation of route %d", row.int(0), row.int(2))
			case row.int(3) == 0:
				return nil
			case r == nil:
				return fmt.Errorf("route %d is not known", row.int(0))
			case !r.may[row.int(1)]:
				return fmt.Errorf("nothing may be in lane %d of route %d", row.int(1), row.int(0))
			case r.turn.In() != r.closed.IsZero():
				return fmt.Errorf("route %d takes turns: %v, closed until %v", r.id, r.turn.In(), r.closed)
			}
			return nil
		}, "SELECT d.route, d.lane, c.route, d.waits = 1 FROM deliveries d JOIN conversations c ON c.id = d.conversation")
	})
}

// CheckLanes compares what is remembered of lanes with the database.
func (s *Store) CheckLanes(ctx context.Context) error {
	return s.writer.do(ctx, func(t *tx) error {
		l := &s.lanes
		var n int64
		type fact struct{ c, lane, seq, state, waits int64 }
		var rows []fact
		if err := t.each(func(r row) error {
			rows = append(rows, fact{r.int(0), r.int(1), r.int(2), r.int(3), r.int(4)})
			return nil
		}, "SELECT conversation, lane, seq, state, waits FROM deliveries WHERE seq > 0 ORDER BY conversation, lane, seq"); err != nil {
			return err
		}
		var prev fact
		for _, f := range rows {
			n++
			c, ln := book.Row(f.c), outbox.Lane(f.lane)
			if !l.taken(c, ln) {
				return fmt.Errorf("%+v not taken", f)
			}
			head := prev.c != f.c || prev.lane != f.lane
			if !head && !l.behind(c, ln, prev.seq) {
				return fmt.Errorf("%+v not behind %+v", f, prev)
			}
			if head && f.state == ready && f.waits == 0 || !head && f.waits != 0 {
				return fmt.Errorf("head %v but %+v", head, f)
			}
			prev = f
		}
		if n != l.active {
			return fmt.Errorf("active %d, are %d", l.active, n)
		}
		if len(l.out) != len(s.running) {
			return fmt.Errorf("out %d, running %d", len(l.out), len(s.running))
		}
		return nil
	})
}

// HookSync has f called in place of the system's call that syncs the log; f may make that call.
func (s *Store) HookSync(f func(log *os.File, sync func(*os.File) error) error) {
	s.writer.sync.mu.Lock()
	defer s.writer.sync.mu.Unlock()
	s.writer.sync.disk = func(log *os.File) error { return f(log, datasync) }
}

// PretendRoom has the store believe that so many bytes are free, and look at once.
func (s *Store) PretendRoom(free int64) {
	s.room.mu.Lock()
	s.room.free = func(string) (int64, error) { return free, nil }
	s.room.mu.Unlock()
	s.room.look()
}

// Believing is a configuration whose store believes that so many bytes are free.
func Believing(cfg Config, free int64) Config {
	cfg.free = func(string) (int64, error) { return free, nil }
	return cfg
}

// FillUp lets the database grow no more, until the reserved space is given up.
func (s *Store) FillUp(ctx context.Context) error {
	return s.writer.do(ctx, func(t *tx) error {
		var pages int64
		if _, err := t.one(func(r row) { pages = r.int(0) }, "PRAGMA page_count"); err != nil {
			return err
		}
		s.room.remove = func(path string) error {
			if _, err := s.writer.conn.exec("PRAGMA max_page_count = 1000000"); err != nil {
				return err
			}
			return os.Remove(path)
		}
		_, err := t.exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return err
	})
}

// Packed is a conversation as it comes back from the cache, with its route and its people.
func Packed(c book.Conversation, route int64, people map[activity.AccountID]uint64) (book.Conversation, int64, map[activity.AccountID]uint64, int) {
	p := (&entry{conv: c, route: route, people: people}).pack()
	again := p.unpack().pack().unpack()
	return again.conv, again.route, again.known(), p.size()
}

// Scrub overwrites what deleted rows have left behind.
func (s *Store) Scrub(ctx context.Context) error { return s.scrub(ctx) }
