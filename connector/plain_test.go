package connector_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/internal/trunk"
)

var errWrite = errors.New("no more is written here")

// wire counts what its connections write, and has one write fail.
type wire struct {
	writes, dials atomic.Int32
	fails         atomic.Int32 // the number of the write that does
	passes        int          // so many bytes of it leave before
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.dials.Add(1)
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return wireConn{c, w}, nil
}

func (c wireConn) Write(p []byte) (int, error) {
	if c.wire.writes.Add(1) != c.wire.fails.Load() {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:c.wire.passes])
	return n, errors.Join(errWrite, err)
}

// over is a client whose requests go by HTTP/1.1 over w, and a server that counts posts.
func over(t *testing.T, w *wire) (send func() error, posts *atomic.Int32) {
	t.Helper()
	posts = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posts.Add(1) }))
	t.Cleanup(server.Close)
	c, err := connector.New(connector.Config{AllowLoopback: true, Transport: trunk.New(&http.Transport{DialContext: w.dial})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return func() error {
		_, err := c.SendToConversation(t.Context(), server.URL, "c", &activity.Activity{Type: activity.TypeMessage, Text: "x"})
		return err
	}, posts
}

// TestPostLeavesInOneWrite: by HTTP/1.1, headers and body leave together.
func TestPostLeavesInOneWrite(t *testing.T) {
	t.Parallel()
	var w wire
	send, posts := over(t, &w)
	for range 3 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	if w.writes.Load() != 3 || posts.Load() != 3 {
		t.Errorf("%d posts in %d writes", posts.Load(), w.writes.Load())
	}
}

// TestPostThatWasNotWrittenIsSentAgain: when a connection that was kept takes nothing of a post, it goes by another one.
func TestPostThatWasNotWrittenIsSentAgain(t *testing.T) {
	t.Parallel()
	var w wire
	w.fails.Store(2)
	send, posts := over(t, &w)
	for range 2 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	if posts.Load() != 2 || w.dials.Load() != 2 {
		t.Errorf("%d posts over %d connections", posts.Load(), w.dials.Load())
	}
}

// TestPostThatWasBegunIsNotSentAgain: once a connection has taken a byte, only the caller knows whether to repeat.
func TestPostThatWasBegunIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := wire{passes: 1}
	w.fails.Store(2)
	send, posts := over(t, &w)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if e := failure(t, send()); e.Class != connector.ClassRetry || !e.MaybeDelivered || w.dials.Load() != 1 {
		t.Errorf("%+v, over %d connections", e, w.dials.Load())
	}
	if posts.Load() != 1 {
		t.Errorf("%d posts", posts.Load())
	}
}
