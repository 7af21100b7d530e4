package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch is how many operations share a transaction at most.
const maxBatch = 512

// leastBatch is how many operations must be queued for a transaction that begins while another one of the kind runs. Two
// that share what comes in would cost the database twice as much, and be done no earlier. But none waits longer than
// batchPatience for others: the transaction that runs may be one that waits for a lock.
const (
	leastBatch    = 96
	batchPatience = 5 * time.Millisecond
)

// group commits operations of one kind together: each of its few goroutines takes whatever is queued, has it run in one
// transaction, and answers everybody. When none runs, nobody waits for more to be queued.
type group[T any] struct {
	run func(ctx context.Context, batch []T) error
	log *slog.Logger

	mu     sync.Mutex
	more   sync.Cond // of mu
	queue  []*queued[T]
	latest *queued[T] // of all that were ever queued
	busy   int        // goroutines that run a transaction
	ripens bool       // somebody will look again when what is queued has waited long enough
	closed bool
	ended  sync.WaitGroup
}

// queued is an operation that waits or is being run.
type queued[T any] struct {
	op    T
	since time.Time // it was queued
	state atomic.Int32
	err   error
	done  chan struct{}
	after func() // called at the end, if not nil
}

const (
	opQueued int32 = iota
	opStarted
	opAbandoned
)

// newGroup starts a group. run is called by several goroutines; when it fails for several operations it is called again
// for each of them, so it sets results anew.
func newGroup[T any](log *slog.Logger, goroutines int, run func(context.Context, []T) error) *group[T] {
	g := &group[T]{run: run, log: log}
	g.more.L = &g.mu
	for range goroutines {
		g.ended.Go(g.work)
	}
	return g
}

// do has op run and returns after it is committed. When ctx ends before op has started, it never does.
func (g *group[T]) do(ctx context.Context, op T) error {
	q := &queued[T]{op: op, done: make(chan struct{})}
	if err := g.enqueue(q); err != nil {
		return err
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		if q.state.CompareAndSwap(opQueued, opAbandoned) {
			return context.Cause(ctx)
		}
		<-q.done // it has started: what it did is known only when it ends
		return q.err
	}
}

// later is do for somebody who does not wait: done is told, once, what do would have returned. It does not block.
func (g *group[T]) later(op T, done func(error)) {
	q := &queued[T]{op: op, done: make(chan struct{})}
	q.after = func() { done(q.err) }
	if err := g.enqueue(q); err != nil {
		done(err)
	}
}

// post is later for what goes on in the background: an error is logged.
func (g *group[T]) post(what string, op T, after func()) {
	g.later(op, func(err error) {
		if err != nil && !errors.Is(err, ErrClosed) {
			g.log.Warn("background write failed", "what", what, "error", err)
		}
		after()
	})
}

// settle waits for what was posted before, in a group of one goroutine.
func (g *group[T]) settle(ctx context.Context) error {
	g.mu.Lock()
	q := g.latest
	g.mu.Unlock()
	if q == nil {
		return nil
	}
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *group[T]) enqueue(q *queued[T]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrClosed
	}
	q.since = time.Now()
	g.queue = append(g.queue, q)
	g.latest = q
	g.more.Signal()
	return nil
}

func (g *group[T]) work() {
	for {
		batch, ok := g.take()
		if !ok {
			return
		}
		if len(batch) > 0 {
			g.batch(batch)
		}
		g.idle()
	}
}

// idle notes that a goroutine has ended what it has taken.
func (g *group[T]) idle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
	if len(g.queue) > 0 || g.closed {
		g.more.Broadcast()
	}
}

// take waits for operations and returns those that were not given up; false when there will be none any more. idle follows
// it.
func (g *group[T]) take() (batch []*queued[T], ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.ripe() {
		if g.closed && len(g.queue) == 0 {
			return nil, false
		}
		g.more.Wait()
	}
	g.busy++
	n := min(len(g.queue), maxBatch)
	for _, q := range g.queue[:n] {
		if q.state.CompareAndSwap(opQueued, opStarted) {
			batch = append(batch, q)
		}
	}
	rest := copy(g.queue, g.queue[n:])
	clear(g.queue[rest:])
	g.queue = g.queue[:rest]
	return batch, true
}

// ripe reports whether a transaction begins with what is queued. If only time is missing it sees to it that everybody
// looks again. g.mu is held.
func (g *group[T]) ripe() bool {
	switch {
	case len(g.queue) == 0:
		return false
	case g.busy == 0, len(g.queue) >= leastBatch:
		return true
	}
	left := batchPatience - time.Since(g.queue[0].since)
	if left > 0 && !g.ripens {
		g.ripens = true
		time.AfterFunc(left, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.ripens = false
			g.more.Broadcast()
		})
	}
	return left <= 0
}

// batch runs operations in one transaction. When it fails all are run again, each in one of its own, so that an
// operation that is wrong harms nobody else; unless nobody would fare better.
func (g *group[T]) batch(list []*queued[T]) {
	err := g.together(list)
	if err != nil && len(list) > 1 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknownCommit) {
		for i := range list {
			list[i].err = g.together(list[i : i+1])
		}
	} else {
		for _, q := range list {
			q.err = err
		}
	}
	for _, q := range list {
		close(q.done)
		if q.after != nil {
			q.after()
		}
	}
}

func (g *group[T]) together(list []*queued[T]) error {
	ops := make([]T, len(list))
	for i, q := range list {
		ops[i] = q.op
	}
	return g.run(context.Background(), ops)
}

// close lets what is queued finish and ends the goroutines.
func (g *group[T]) close() {
	g.mu.Lock()
	g.closed = true
	g.more.Broadcast()
	g.mu.Unlock()
	g.ended.Wait()
}
