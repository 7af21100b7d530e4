package sqlite

import (
	"maps"

	"github.com/headsup-bot/headsup/book"
)

// tx is the writer's transaction as its operations see it: statements, and what in memory must follow the commit.
type tx struct {
	conn  *conn
	store *Store

	wrote  bool  // since the present op began
	writes bool  // ever
	broken error // a statement failed: the transaction cannot be trusted

	counts [states]int64 // by how much the numbers of deliveries per state change
	moved  bool          // counters or sequences have changed
	book   generation    // conversations that were read or changed

	seen map[book.Row]*entry // conversations that were found in the cache, as they were before the transaction

	forgotten map[book.Row]*entry // conversations that were removed

	entered map[lane]struct{} // lanes that deliveries were put into
	flows   map[flow]int64    // the last ranks of messages with several deliveries

	closed, handed []*run // attempts that have ended, and that were handed out

	facts                []fact // for the observer
	onCommit, onRollback []func()
	onSync               []func()
	wake                 bool // there may be something to claim
	news                 bool // there are events

	statements int // that write
}

func (t *tx) exec(sql string, args ...any) (int64, error) {
	t.wrote, t.writes = true, true
	t.statements++
	n, err := t.conn.exec(sql, args...)
	if err != nil {
		t.broken = err
	}
	return n, err
}

// execValues is exec for what is run for every delivery.
func (t *tx) execValues(sql string, args ...value) (int64, error) {
	t.wrote, t.writes = true, true
	t.statements++
	n, err := t.conn.execValues(sql, args...)
	if err != nil {
		t.broken = err
	}
	return n, err
}

func (t *tx) each(f func(row) error, sql string, args ...any) error {
	var refused error
	err := t.conn.each(func(r row) error {
		refused = f(r)
		return refused
	}, sql, args...)
	if err != nil && refused == nil {
		t.broken = err
	}
	return err
}

func (t *tx) one(f func(row), sql string, args ...any) (bool, error) {
	found, err := t.conn.one(f, sql, args...)
	if err != nil {
		t.broken = err
	}
	return found, err
}

// returning runs a statement that writes one row and calls f with what it returns.
func (t *tx) returning(f func(row), sql string, args ...any) (bool, error) {
	t.wrote, t.writes = true, true
	t.statements++
	return t.one(f, sql, args...)
}

// after calls f, in the writer's goroutine, when the transaction was committed: the writer's memory follows the database.
func (t *tx) after(f func()) { t.onCommit = append(t.onCommit, f) }

// durably calls f, in the syncer's goroutine, when the transaction is on disk: for what others are told.
func (t *tx) durably(f func()) { t.onSync = append(t.onSync, f) }

// otherwise calls f when the transaction does not happen.
func (t *tx) otherwise(f func()) { t.onRollback = append(t.onRollback, f) }

func (t *tx) committed() {
	for _, e := range t.forgotten {
		t.store.cache.remove(e)
	}
	for _, e := range t.book.byRow {
		t.store.cache.put(e)
	}
	if len(t.flows) > 0 {
		t.store.routes.forgetFlows()
		maps.Copy(t.store.routes.flows, t.flows)
	}
	t.store.follow(t.closed, t.handed)
	for _, f := range t.onCommit {
		f()
	}
	t.store.lanes.moved(t.counts[ready] + t.counts[sending])
	if t.wake {
		t.store.wake() // what is claimed then is handed out after the next sync, which is one of this transaction, too
	}
}

// follow notes which attempts run, as it is in the database.
func (s *Store) follow(closed, handed []*run) {
	if len(closed)+len(handed) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range closed {
		delete(s.running, r.id)
		delete(s.lanes.out, lane{r.conversation, r.lane})
	}
	for _, r := range handed {
		s.running[r.id] = r
		s.lanes.out[lane{r.conversation, r.lane}] = struct{}{}
	}
}

// tell notes of which attempts somebody is told now, and gives the leases of those back that have ended.
func (s *Store) tell(closed, handed []*run) {
	if len(closed)+len(handed) == 0 {
		return
	}
	s.mu.Lock()
	for _, r := range closed {
		delete(s.given, r.id)
	}
	for _, r := range handed {
		s.given[r.id] = r
	}
	s.mu.Unlock()
	for _, r := range closed {
		r.lease.Release()
	}
}

// synced follows when the transaction is on disk.
func (t *tx) synced() {
	t.store.tell(t.closed, t.handed)
	for _, f := range t.onSync {
		f()
	}
	for _, f := range t.facts {
		f.tell(t.store.observer)
	}
	if t.news {
		t.store.events.signal()
	}
}

func (t *tx) undone() {
	for _, r := range t.handed {
		r.lease.Release()
	}
	for _, r := range t.closed {
		r.ended = false
	}
	for _, f := range t.onRollback {
		f()
	}
}

// nextSeq is the next place in the order of readiness. One that is not committed is skipped.
func (t *tx) nextSeq() int64 {
	t.moved = true
	t.store.seq++
	return t.store.seq - 1
}

// nextVersion is the version of the next state document.
func (t *tx) nextVersion() int64 {
	t.moved = true
	t.store.version++
	return t.store.version - 1
}

// count notes that n deliveries went from one state into another; 0 is outside.
func (t *tx) count(from, to, n int64) {
	t.moved = true
	t.counts[from] -= n
	t.counts[to] += n
}

func (t *tx) flushCounters() error {
	if !t.moved {
		return nil
	}
	c := &t.counts
	_, err := t.exec(`UPDATE counters SET next_seq = ?, next_version = ?,
		scheduled = scheduled + ?, ready = ready + ?, held = held + ?, sending = sending + ?,
		delivered = delivered + ?, failed = failed + ?, unknown = unknown + ?, expired = expired + ?,
		suppressed = suppressed + ?, cancelled = cancelled + ?`,
		t.store.seq, t.store.version,
		c[scheduled], c[ready], c[held], c[sending],
		c[delivered], c[failed], c[unknown], c[expired], c[suppressed], c[cancelled])
	return err
}
