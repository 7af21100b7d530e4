package sqlite

import (
	"context"
	"fmt"
	"sync"
)

const (
	// checkpointAfter is how many statements that write there are from one checkpoint to the next.
	checkpointAfter = 4000
	// longLog is from how many pages on the log is begun anew.
	longLog = 6000
)

// checkpointer writes the log back into the database, from a connection of its own: what it copies and syncs then keeps
// nobody waiting. SQLite begins the log anew when all of it was written back, which never comes to pass while somebody goes
// on writing; so when the log has become long, the writer itself writes back the rest, which is little.
type checkpointer struct {
	due chan struct{} // has a token when there is something to write back

	mu   sync.Mutex
	conn *conn // nil while the database is closed; guarded by mu
	long bool  // the writer is to write back the rest; guarded by mu

	written int // statements since the last; belongs to the writer
}

func newCheckpointer() *checkpointer { return &checkpointer{due: make(chan struct{}, 1)} }

// use has it work with another connection, or none, and closes the one that it has.
func (k *checkpointer) use(c *conn) (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		err = k.conn.close()
	}
	k.conn, k.long = c, false
	return err
}

// wrote notes what the writer has written.
func (k *checkpointer) wrote(statements int) {
	if k.written += statements; k.written < checkpointAfter {
		return
	}
	k.written = 0
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// run works until ctx ends.
func (k *checkpointer) run(ctx context.Context, s *Store) {
	for {
		select {
		case <-k.due:
		case <-ctx.Done():
			return
		}
		k.mu.Lock()
		if k.conn != nil {
			pages, err := checkpoint(k.conn)
			s.writer.checkpointed(err)
			k.long = err == nil && pages > longLog
		}
		k.mu.Unlock()
	}
}

// shorten writes back the rest of a log that is long. It belongs to the writer.
func (k *checkpointer) shorten(w *writer) {
	if !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if k.long {
		k.long = false
		_, err := checkpoint(w.conn)
		w.checkpointed(err)
	}
}

// checkpoint writes back what nobody reads any more, and returns how many pages the log had.
func checkpoint(c *conn) (pages int64, err error) {
	_, err = c.one(func(r row) { pages = r.int(1) }, "PRAGMA wal_checkpoint(PASSIVE)")
	return pages, err
}

// checkpointed judges a checkpoint. One that did not work is tried again by the next; but a sync that failed may have been
// that of the log.
func (w *writer) checkpointed(err error) {
	switch {
	case err == nil:
	case unsynced(err):
		w.sync.breaks(fmt.Errorf("checkpoint: %w", err))
		w.nudge()
	default:
		w.log.Warn("the log cannot be written back", "error", err)
	}
}
