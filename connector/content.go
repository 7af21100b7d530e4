package connector

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// content is the body of a request, and knows whether any of it can have left.
type content struct {
	bytes.Reader

	all   []byte
	begun atomic.Bool // set before the first byte can leave
	trace httptrace.ClientTrace
}

func newContent(body []byte) *content {
	c := &content{all: body}
	c.Reset(body)
	return c
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	c.begun.Store(true)
	return c.Reader.Read(p)
}

// WriteTo implements [io.WriterTo].
func (c *content) WriteTo(w io.Writer) (int64, error) {
	c.begun.Store(true)
	return c.Reader.WriteTo(w)
}

// Close implements [io.Closer]. There is nothing to close.
func (c *content) Close() error { return nil }

// Unbegun says that the request may be put on another connection by itself.
func (c *content) Unbegun() bool { return !c.begun.Load() }

// Plain makes a request whose body it is one for HTTP/1.1. There net/http sends headers by themselves, a packet more, when
// it does not know the body to be in memory, and it knows that of few types. It also sends the request again, but only
// while nothing of it was written: it takes no post for one that may be repeated.
func (c *content) Plain(req *http.Request) *http.Request {
	c.trace.GetConn = func(string) { c.begun.Store(false) }
	c.trace.WroteHeaders = func() { c.begun.Store(true) }
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &c.trace))
	req.Body = io.NopCloser(&c.Reader)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.all)), nil }
	return req
}
