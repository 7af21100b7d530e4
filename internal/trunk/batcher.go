package trunk

import (
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	// mostUnwritten is how much is kept that is to be written before whoever writes more has to wait.
	mostUnwritten = 64 << 10
	// keptBuffer bounds the buffers that a connection keeps.
	keptBuffer = 64 << 10
	// lastWords is how long a connection that is closed has to write what it still has.
	lastWords = time.Second
)

// batcher is a connection whose writes return at once, while one goroutine writes what has come together meanwhile: each
// write of a TLS connection is a record and a system call, and thousands of requests write two small ones each. An error
// is told to the next write, as TCP's own are.
type batcher struct {
	net.Conn
	more  chan struct{} // has a token when there is something to write
	heard chan struct{} // closed when what came first was read and dealt with
	reads int           // belongs to whoever reads

	mu      sync.Mutex
	room    sync.Cond // signalled when there is room again, or an error
	pending []byte    // guarded by mu
	spare   []byte    // the buffer of the last write, guarded by mu
	err     error     // guarded by mu
	closed  bool      // guarded by mu
}

func newBatcher(c net.Conn) *batcher {
	b := &batcher{Conn: c, more: make(chan struct{}, 1), heard: make(chan struct{})}
	b.room.L = &b.mu
	go b.run() // ends with Close, or with the first error
	return b
}

// Write implements [net.Conn].
func (b *batcher) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.pending) >= mostUnwritten && b.err == nil && !b.closed {
		b.room.Wait()
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case b.closed:
		return 0, net.ErrClosed
	}
	b.pending = append(b.pending, p...)
	b.nudge()
	return len(p), nil
}

// Read implements [net.Conn]. One goroutine reads: when it asks for more it has dealt with what it had.
func (b *batcher) Read(p []byte) (int, error) {
	if b.reads++; b.reads == 2 {
		close(b.heard)
	}
	return b.Conn.Read(p)
}

// Close implements [net.Conn]. It returns at once; what was written before still leaves, if the other side takes it soon.
func (b *batcher) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	b.closed = true
	b.room.Broadcast()
	b.nudge()
	return b.SetWriteDeadline(time.Now().Add(lastWords))
}

func (b *batcher) nudge() {
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// run writes until the connection is closed or broken, and closes it.
func (b *batcher) run() {
	defer b.Conn.Close()
	for range b.more {
		runtime.Gosched() // whoever is about to write, writes before this does
		for {
			out, closed := b.take()
			if len(out) == 0 {
				if closed {
					return
				}
				break
			}
			if _, err := b.Conn.Write(out); err != nil {
				b.fail(err)
				return
			}
			b.giveBack(out)
		}
	}
}

// take takes all that is to be written.
func (b *batcher) take() (out []byte, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out = b.pending
	b.pending, b.spare = b.spare[:0], nil
	if len(out) > 0 {
		b.room.Broadcast()
	}
	return out, b.closed
}

func (b *batcher) giveBack(buffer []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cap(buffer) <= keptBuffer {
		b.spare = buffer[:0]
	}
}

// fail tells err to whoever writes; whoever reads hears of it when the connection is closed.
func (b *batcher) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.pending = err, nil
	b.room.Broadcast()
}
