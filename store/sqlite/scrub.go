package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// SQLite overwrites what is deleted (secure_delete), but for one thing: when it moves rows from one page to another, as it
// does while a table or an index grows, the page that they leave keeps their bytes in its free space. A row that is deleted
// later is overwritten where it is then, and not where it was. VACUUM would write the whole database anew, and keep
// everybody waiting meanwhile. So the free space of pages is overwritten in place, through SQLite, a few pages at a time.
//
// Pages of tables and indexes are the only ones that have such space: free pages were overwritten when they became free,
// and those of long values are either full or were free before.

const (
	// scrubAtOnce is how many pages are looked at in one step, and scrubPause the rest after one in which something was
	// written.
	scrubAtOnce = 256
	scrubPause  = 5 * time.Millisecond
	// longFile is from how many pages on the first byte of a page of a long value could be taken for that of another.
	longFile = 0x02000000
)

// errReaders: somebody reads what was there before, so the log cannot be begun anew.
var errReaders = errors.New("the log is still being read")

// scrub overwrites what deleted rows have left behind in the database and in its log.
func (s *Store) scrub(ctx context.Context) error {
	pages := int64(0)
	if err := s.read(ctx, func(c *conn) error {
		_, err := c.one(func(r row) { pages = r.int(0) }, "PRAGMA page_count")
		return err
	}); err != nil {
		return err
	}
	if pages >= longFile {
		return fmt.Errorf("sqlite: the database is too long to be scrubbed: %d pages", pages)
	}
	for first := int64(1); first <= pages; first += scrubAtOnce {
		var found []int64
		if err := s.read(ctx, func(c *conn) error {
			for n := first; n <= min(pages, first+scrubAtOnce-1); n++ {
				if _, err := c.one(func(r row) {
					if b := r.bytes(0); clean(b, n) {
						found = append(found, n)
					}
				}, selectPage, n); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		if err := s.writer.do(ctx, func(t *tx) error { return t.scrub(found) }); err != nil {
			return err
		}
		select {
		case <-time.After(scrubPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return s.truncateLog(ctx)
}

const selectPage = "SELECT data FROM sqlite_dbpage WHERE pgno = ?"

// scrub overwrites the free space of pages.
func (t *tx) scrub(pages []int64) error {
	for _, n := range pages {
		var page []byte
		if _, err := t.one(func(r row) { page = r.bytes(0) }, selectPage, n); err != nil {
			return err
		}
		if !clean(page, n) {
			continue
		}
		if _, err := t.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, n); err != nil {
			return err
		}
	}
	return nil
}

// clean overwrites the free space of a page that belongs to a table or an index (sqlite.org, "Database File Format", 1.6),
// and reports whether there was anything in it. Any other page it leaves alone.
func clean(page []byte, number int64) (changed bool) {
	head := 0
	if number == 1 {
		head = 100 // the file's header
	}
	if len(page) < head+12 {
		return false
	}
	at := func(i int) int { return int(binary.BigEndian.Uint16(page[i:])) }
	size := 8
	switch page[head] {
	case 0x02, 0x05:
		size = 12
	case 0x0a, 0x0d:
	default:
		return false
	}
	content := at(head + 5)
	if content == 0 {
		content = 1 << 16
	}
	begin := head + size + 2*at(head+3)
	if begin > content || content > len(page) {
		return false // it is not what it looks like
	}
	changed = wipe(page[begin:content])
	for block, last := at(head+1), content-1; block != 0; {
		if block <= last || block+4 > len(page) || block+at(block+2) > len(page) || at(block+2) < 4 {
			return false
		}
		changed = wipe(page[block+4:block+at(block+2)]) || changed
		last, block = block, at(block)
	}
	return changed
}

// wipe overwrites bytes, and reports whether one was not 0.
func wipe(b []byte) (changed bool) {
	for i := range b {
		changed = changed || b[i] != 0
	}
	if changed {
		clear(b)
	}
	return changed
}

const (
	logTries = 20
	logPause = 250 * time.Millisecond
)

// truncateLog writes the log back into the database and makes it empty.
func (s *Store) truncateLog(ctx context.Context) (err error) {
	for range logTries {
		if err = s.checkpoints.truncate(s); err == nil {
			return nil
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("sqlite: write the log back: %w", err)
}

// truncate is one try of it. A backup reads for so long that nobody is to wait for it.
func (k *checkpointer) truncate(s *Store) error {
	if !s.files.TryLock() {
		return errReaders
	}
	defer s.files.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn == nil {
		return ErrUnsynced
	}
	busy := false
	_, err := k.conn.one(func(r row) { busy = r.bool(0) }, "PRAGMA wal_checkpoint(TRUNCATE)")
	s.writer.checkpointed(err)
	if err == nil && busy {
		err = errReaders
	}
	return err
}
