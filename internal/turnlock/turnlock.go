// Package turnlock is a table of leases in memory: at most one holder per key, first come first served, each with a
// fence that grows and a time after which somebody else may take over. A store that is the only process on its data
// keeps the leases of conversations in one.
package turnlock

import (
	"context"
	"sync"
	"time"
)

// Table holds the leases. Keys that nobody holds cost nothing. Safe for concurrent use; make it with [New].
type Table[K comparable] struct {
	ttl    time.Duration
	onFree func()

	mu      sync.Mutex
	fence   int64
	entries map[K]*entry[K]
}

// entry exists while somebody holds its key.
type entry[K comparable] struct {
	holder  *Lease[K]
	waiters []chan *Lease[K]
	// wanted: a Try failed since the key was taken.
	wanted bool
}

// New makes a table whose leases last for ttl. onFree, if not nil, is called without locks after a key became free that
// a [Table.Try] has failed on; it must not block.
func New[K comparable](ttl time.Duration, onFree func()) *Table[K] {
	if onFree == nil {
		onFree = func() {}
	}
	return &Table[K]{
		ttl: ttl, onFree: onFree, entries: make(map[K]*entry[K]),
		fence: time.Now().UnixMicro(), // grows over restarts too
	}
}

// Lease is the right to a key.
type Lease[K comparable] struct {
	table *Table[K]
	key   K
	fence int64
	until time.Time // guarded by table.mu
	gone  bool      // guarded by table.mu; released or taken over
}

// Key is what the lease is for.
func (l *Lease[K]) Key() K { return l.key }

// Fence is greater than that of every earlier lease of the table.
func (l *Lease[K]) Fence() int64 { return l.fence }

// Held reports whether the lease is neither released nor taken over. A lease that has run out is held until somebody
// else takes it.
func (l *Lease[K]) Held() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return !l.gone
}

// Extend makes a held lease last until ttl from now and reports whether it was held.
func (l *Lease[K]) Extend() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	if l.gone {
		return false
	}
	l.until = time.Now().Add(l.table.ttl)
	return true
}

// Release gives the key to the next who waits. Only the first call counts, and none after a take-over.
func (l *Lease[K]) Release() {
	t := l.table
	t.mu.Lock()
	if l.gone {
		t.mu.Unlock()
		return
	}
	l.gone = true
	wanted := t.pass(l.key)
	t.mu.Unlock()
	if wanted {
		t.onFree()
	}
}

// Acquire waits for the key until ctx ends.
func (t *Table[K]) Acquire(ctx context.Context, key K) (*Lease[K], error) {
	t.mu.Lock()
	e, taken := t.entries[key]
	if !taken {
		l := t.grant(key, &entry[K]{})
		t.mu.Unlock()
		return l, nil
	}
	turn := make(chan *Lease[K], 1)
	e.waiters = append(e.waiters, turn)
	wait := time.Until(e.holder.until)
	t.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case l := <-turn:
			return l, nil
		case <-timer.C:
			timer.Reset(t.expire(key))
		case <-ctx.Done():
			return nil, t.leave(ctx, key, turn)
		}
	}
}

// Try takes the key if it is free or its lease has run out.
func (t *Table[K]) Try(key K) (*Lease[K], bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, taken := t.entries[key]
	switch {
	case !taken:
		return t.grant(key, &entry[K]{}), true
	case len(e.waiters) == 0 && !time.Now().Before(e.holder.until):
		e.holder.gone = true
		return t.grant(key, e), true
	}
	e.wanted = true
	return nil, false
}

// grant makes a new holder. t.mu is held.
func (t *Table[K]) grant(key K, e *entry[K]) *Lease[K] {
	t.fence++
	l := &Lease[K]{table: t, key: key, fence: t.fence, until: time.Now().Add(t.ttl)}
	e.holder = l
	t.entries[key] = e
	return l
}

// pass gives the key to the first waiter, or frees it and reports whether a Try wanted it. t.mu is held.
func (t *Table[K]) pass(key K) (wanted bool) {
	e := t.entries[key]
	if len(e.waiters) == 0 {
		delete(t.entries, key)
		return e.wanted
	}
	next := e.waiters[0]
	e.waiters = e.waiters[1:]
	next <- t.grant(key, e)
	return false
}

// expire takes the key from a holder whose time is up, and returns when to look again.
func (t *Table[K]) expire(key K) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, taken := t.entries[key]
	if !taken {
		return t.ttl
	}
	if left := time.Until(e.holder.until); left > 0 {
		return left
	}
	e.holder.gone = true
	t.pass(key)
	return t.ttl
}

// leave ends a wait. A key that was handed over in the same moment is passed on.
func (t *Table[K]) leave(ctx context.Context, key K, turn chan *Lease[K]) error {
	t.mu.Lock()
	wanted := false
	select {
	case l := <-turn:
		l.gone = true
		wanted = t.pass(key)
	default:
		e := t.entries[key]
		for i, w := range e.waiters {
			if w == turn {
				e.waiters = append(e.waiters[:i:i], e.waiters[i+1:]...)
				break
			}
		}
	}
	t.mu.Unlock()
	if wanted {
		t.onFree()
	}
	return context.Cause(ctx)
}
