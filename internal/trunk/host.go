package trunk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dialsAtOnce bounds how many connections to one host are being made, and perDial says for how many waiting requests
	// one is: most servers let at least so many share a connection (RFC 9113, section 6.5.2, recommends no less).
	dialsAtOnce, perDial = 4, 100
	// dialAgain is how long a host whose connections are all in use is left alone after it refused one more.
	dialAgain = time.Second
	// silentFor is how long a new connection is listened to before it is used.
	silentFor = time.Second
)

// errPlain says that a host speaks only HTTP/1.1.
var errPlain = errors.New("the host does not speak HTTP/2")

// host is what is connected to one host, and the requests that wait for a place there.
type host struct {
	t             *Transport
	name, address string
	most          int // how many connections; 0 for any number

	busy    atomic.Bool  // serve is about to look for places
	waiting atomic.Int64 // how many wait

	mu      sync.Mutex
	lines   []*http.ClientConn // guarded by mu, as all that follows
	queue   []*waiter          // in order; some have left
	dials   map[*dial]struct{}
	plain   time.Time // until when it is taken to speak only HTTP/1.1
	refused time.Time // when it refused a connection beside those that there are
	spare   []*spare
}

// waiter is a request that waits for a place.
type waiter struct {
	got  chan place // has room for one
	left bool       // guarded by host.mu
}

// place is what a waiter gets: a place reserved on a line, or an error.
type place struct {
	line *http.ClientConn
	err  error
}

// dial is a connection that is being made.
type dial struct{ cancel context.CancelFunc }

// spare is a connection for HTTP/1.1 that was made before that was known.
type spare struct {
	conn  net.Conn
	close *time.Timer
}

// acquire reserves a place on a line, when there is one. The caller makes one round trip on it.
func (h *host) acquire(ctx context.Context) (*http.ClientConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	if !h.plain.IsZero() && time.Now().Before(h.plain) {
		h.mu.Unlock()
		return nil, errPlain
	}
	if h.waiting.Load() == 0 { // else they come first
		if line := h.free(); line != nil {
			h.mu.Unlock()
			return line, nil
		}
	}
	w := &waiter{got: make(chan place, 1)}
	h.queue = append(h.queue, w)
	h.waiting.Add(1)
	h.connect()
	h.mu.Unlock()
	h.look() // a place may have become free before anybody was waiting

	select {
	case p := <-w.got:
		return p.line, p.err
	case <-ctx.Done():
	}
	if h.leave(w) {
		return nil, ctx.Err()
	}
	p := <-w.got
	if p.line != nil {
		p.line.Release()
		h.look()
	}
	return nil, ctx.Err()
}

// leave takes a waiter out of the queue, unless it has its place already. When nobody waits any more nothing is dialled.
func (h *host) leave(w *waiter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.left {
		return false
	}
	w.left = true
	if h.waiting.Add(-1) == 0 {
		h.queue = nil
		for d := range h.dials {
			d.cancel()
		}
	}
	return true
}

// free reserves a place on the first line that has one, so that as many as possible share one, and forgets lines that are
// of no more use. h.mu is held.
func (h *host) free() *http.ClientConn {
	for i := 0; i < len(h.lines); {
		line := h.lines[i]
		if line.Reserve() == nil {
			return line
		}
		if line.Err() == nil && (line.InFlight() > 0 || line.Available() > 0) {
			i++
			continue
		}
		h.lines = slices.Delete(h.lines, i, i+1)
		_ = line.Close() // closed already, or idle and taking nothing more
	}
	return nil
}

// look has places looked for, if anybody waits for one. It may be called from anywhere.
func (h *host) look() {
	if h.waiting.Load() > 0 && h.busy.CompareAndSwap(false, true) {
		go h.serve()
	}
}

// serve gives the places that there are to those who wait for one, in their order.
func (h *host) serve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy.Store(false) // what becomes free from now on may not be seen here
	for h.waiting.Load() > 0 {
		line := h.free()
		if line == nil {
			h.connect()
			return
		}
		h.give(place{line: line})
	}
}

// give gives a place to the first who waits. h.mu is held, and somebody waits.
func (h *host) give(p place) {
	for {
		w := h.queue[0]
		h.queue[0] = nil
		h.queue = h.queue[1:]
		if !w.left {
			w.left = true
			h.waiting.Add(-1)
			w.got <- p
			return
		}
	}
}

// connect dials when more wait than what is being dialled is for. h.mu is held.
func (h *host) connect() {
	for n := len(h.dials); n < dialsAtOnce && h.waiting.Load() > int64(n*perDial); n++ {
		if h.most > 0 && len(h.lines)+n >= h.most || len(h.lines) > 0 && time.Since(h.refused) < dialAgain {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		d := &dial{cancel: cancel}
		h.dials[d] = struct{}{}
		go func() { // ends with dialTimeout, or when nobody waits
			defer cancel()
			line, plain, err := h.line(ctx)
			h.connected(d, line, plain, err)
		}()
	}
}

// line makes a connection: one that carries many requests, or a plain one.
func (h *host) line(ctx context.Context) (*http.ClientConn, net.Conn, error) {
	conn, err := h.t.handshake(ctx, h.name, h.address, "h2", "http/1.1")
	if err != nil {
		return nil, nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		return nil, conn, nil
	}
	c := newBatcher(conn)
	line, err := h.t.many.NewClientConn(context.WithValue(ctx, handed{}, net.Conn(c)), "http", h.address)
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	// The host says first how many requests it takes at once (RFC 9113, section 3.4). What is sent before may be refused,
	// and when more places are reserved than it then allows, net/http waits until their deadlines.
	select {
	case <-c.heard:
	case <-time.After(silentFor):
	case <-ctx.Done():
	}
	return line, nil, nil
}

// connected takes what came of a dial.
func (h *host) connected(d *dial, line *http.ClientConn, plain net.Conn, err error) {
	h.mu.Lock()
	delete(h.dials, d)
	failed := error(nil)
	switch {
	case line != nil:
		h.lines = append(h.lines, line)
		line.SetStateHook(h.changed)
	case plain != nil:
		h.plain, failed = time.Now().Add(plainFor), errPlain
		h.keep(plain)
	case len(h.lines) > 0: // those who wait will find a place there
		h.refused = time.Now()
	case len(h.dials) == 0:
		failed = err
	}
	if failed != nil {
		for h.waiting.Load() > 0 {
			h.give(place{err: failed})
		}
		h.queue = nil
	}
	h.mu.Unlock()
	h.look()
}

// changed is told of requests that have ended on a line, and of its end. It may be called while h.mu is held.
func (h *host) changed(line *http.ClientConn) {
	if line.Err() != nil {
		go h.forget(line)
	}
	h.look()
}

func (h *host) forget(line *http.ClientConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = slices.DeleteFunc(h.lines, func(l *http.ClientConn) bool { return l == line })
}

// keep keeps a connection for the first request that goes by HTTP/1.1. h.mu is held.
func (h *host) keep(c net.Conn) {
	s := &spare{conn: c}
	s.close = time.AfterFunc(h.idleTimeout(), func() {
		if h.drop(s) {
			_ = c.Close()
		}
	})
	h.spare = append(h.spare, s)
}

// drop takes a spare connection out, and reports whether it was still there.
func (h *host) drop(s *spare) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.spare)
	h.spare = slices.DeleteFunc(h.spare, func(other *spare) bool { return other == s })
	return len(h.spare) < n
}

// takeSpare hands out a spare connection, or nil.
func (h *host) takeSpare() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.spare) == 0 {
		return nil
	}
	s := h.spare[0]
	h.spare = h.spare[1:]
	s.close.Stop()
	return s.conn
}

func (h *host) idleTimeout() time.Duration {
	if d := h.t.plain.IdleConnTimeout; d > 0 {
		return d
	}
	return 90 * time.Second
}

// closeIdle closes what no request is using.
func (h *host) closeIdle() {
	h.mu.Lock()
	var idle []*http.ClientConn
	h.lines = slices.DeleteFunc(h.lines, func(line *http.ClientConn) bool {
		if line.InFlight() > 0 {
			return false
		}
		idle = append(idle, line)
		return true
	})
	spares := h.spare
	h.spare = nil
	h.mu.Unlock()
	for _, line := range idle {
		_ = line.Close()
	}
	for _, s := range spares {
		s.close.Stop()
		_ = s.conn.Close()
	}
}
