package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// reopenEvery is how long the writer waits before it tries again to open a database whose disk has failed.
const reopenEvery = time.Second

// recover opens the database anew after a sync has failed. What the operating system holds of the log then is anybody's
// guess: it may say that it is clean without having written it, and may even have dropped it. So all connections are
// closed without writing anything back, the log is read, written and synced once more, and SQLite takes what of it is
// whole. Nobody was told of what may be missing: everything from the sync that failed on has been answered with an error.
// What was handed out before stays handed out. It returns false when the store was closed meanwhile.
func (w *writer) recover() bool {
	w.sync.ahead.Add(1)
	w.sync.todo <- nil // it is taken when everybody has been answered
	w.log.Error("the database is opened anew: the disk did not take what was written", "error", w.sync.failed())
	s := w.store
	s.withdraw()
	for {
		err := s.reopen()
		if err == nil {
			w.sick = false
			w.log.Info("the database is open again")
			s.wake()
			return true
		}
		w.log.Error("the database cannot be opened again", "error", err)
		if !w.refuse(err) {
			return false
		}
	}
}

// refuse fails whatever is queued until it is time to try again. It returns false when the store was closed.
func (w *writer) refuse(err error) bool {
	err = fmt.Errorf("sqlite: %w: %w", ErrUnsynced, err)
	again := time.NewTimer(reopenEvery)
	defer again.Stop()
	for {
		for {
			batch, more, last := w.take()
			for _, o := range batch {
				o.err = err
				o.end()
			}
			if last {
				return false
			}
			if !more {
				break
			}
		}
		select {
		case <-w.more:
		case <-again.C:
			w.nudge() // what was taken from the channel may not have been looked at
			return true
		}
	}
}

// withdraw closes all connections, so that no trace of the log is left in memory. Nothing of it is written back, as the
// last connection to be closed does otherwise: nobody knows what is in it.
func (s *Store) withdraw() {
	s.files.Lock() // a backup is a connection, too
	defer s.files.Unlock()
	if err := errors.Join(closeAll(s.takeReaders()), s.leave()); err != nil {
		s.cfg.Logger.Warn("connections not closed well", "error", err)
	}
	s.lend(make([]*conn, readersCount)) // who reads is told that it cannot be
}

// reopen opens the database and makes everything in memory as it is there. It belongs to the writer.
func (s *Store) reopen() (err error) {
	if err := s.writer.sync.rewrite(s.path + "-wal"); err != nil {
		return fmt.Errorf("write the log again: %w", err)
	}
	s.takeReaders() // which are nil
	var readers []*conn
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(readers), s.leave())
			readers = make([]*conn, readersCount)
		}
		s.lend(readers)
	}()
	s.cache.clear()
	if readers, err = s.connect(); err != nil {
		return err
	}
	o := &op{run: s.restore}
	if s.writer.together([]*op{o}); o.err != nil {
		return o.err
	}
	if err := s.writer.sync.sync(s.writer.sync.log); err != nil {
		return err
	}
	s.writer.sync.mends()
	return nil
}

// rewrite writes a file's content over itself and syncs it: pages that a failed sync has left behind as clean are written
// by no later one.
func (y *syncer) rewrite(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			break
		}
		if _, err := f.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return y.sync(f)
}

// restore makes what is remembered of attempts fit what is in the database. An attempt that was handed out stays so, with
// its lease. One whose claim was answered with an error goes back; and one whose outcome was, but is there, is over.
func (s *Store) restore(t *tx) error {
	var found []*run
	if err := t.each(func(r row) error {
		found = append(found, &run{hot: scanHot(r), hold: r.int(hotCount) == holdCode && r.int(hotVerb) == send})
		return nil
	}, selectSending, s.lanes.active); err != nil {
		return err
	}
	s.mu.Lock()
	before, given := s.running, s.given
	s.mu.Unlock()
	kept, now := make(map[outbox.DeliveryID]*run), s.cfg.Now()
	for _, r := range sortedByID(found) {
		if g, ok := given[r.id]; ok && g.fence == r.fence {
			r.lease, r.until = g.lease, g.until
			kept[r.id] = r
			continue
		}
		if err := t.putBack(r.hot, outbox.Change{
			At: now, State: outbox.StateReady, Attempt: int(r.claims), Reason: "store_failed",
		}); err != nil {
			return err
		}
	}
	t.after(func() {
		s.mu.Lock()
		s.running, s.given = kept, make(map[outbox.DeliveryID]*run, len(kept))
		for id, r := range kept {
			s.given[id] = r
			s.lanes.out[lane{r.conversation, r.lane}] = struct{}{}
		}
		s.mu.Unlock()
		for _, runs := range []map[outbox.DeliveryID]*run{before, given} {
			for id, r := range runs {
				if k, ok := kept[id]; !ok || k.lease != r.lease {
					r.lease.Release()
				}
				if g, ok := given[id]; !ok || g.fence != r.fence { // nobody knows of it
					r.permit.Cancel()
				}
			}
		}
	})
	return nil
}
