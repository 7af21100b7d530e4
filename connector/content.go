package connector

import (
	"io"
	"sync/atomic"
)

// content is the body of a request, and knows whether any of it can have left.
type content struct {
	rest  []byte
	begun atomic.Bool // set before the first byte can leave
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	c.begun.Store(true)
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Close implements [io.Closer]. There is nothing to close.
func (c *content) Close() error { return nil }

// Unbegun says that the request may be put on another connection by itself.
func (c *content) Unbegun() bool { return !c.begun.Load() }
