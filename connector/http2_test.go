package connector_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// goneAway speaks HTTP/2 with whoever connects, takes one post in full, and says GOAWAY in the way that it is told.
type goneAway struct {
	listener net.Listener
	posts    atomic.Int32
	end      func(f *http2.Framer, stream uint32) error
}

func (g *goneAway) serve() {
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = g.talk(conn)
		}()
	}
}

func (g *goneAway) talk(conn net.Conn) error {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				g.posts.Add(1)
				if err := g.end(f, frame.StreamID); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// TestPostIsNotRepeatedAfterGoAway: an HTTP/2 server that has taken a post and then goes away, whatever it says of it, is
// not sent it again: only the caller may decide that.
func TestPostIsNotRepeatedAfterGoAway(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *http2.Framer, stream uint32) error{
		"SaysThatItDidNothing": func(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"SaysThatItDidIt": func(f *http2.Framer, stream uint32) error {
			if err := f.WriteGoAway(stream, http2.ErrCodeNo, nil); err != nil {
				return err
			}
			return io.EOF
		},
		"Fails": func(f *http2.Framer, _ uint32) error {
			if err := f.WriteGoAway(0, http2.ErrCodeInternal, nil); err != nil {
				return err
			}
			return io.EOF
		},
		"RefusesTheStream": func(f *http2.Framer, stream uint32) error {
			return f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certified := httptest.NewUnstartedServer(http.NotFoundHandler())
			certified.EnableHTTP2 = true
			certified.StartTLS()
			t.Cleanup(certified.Close)
			roots := x509.NewCertPool()
			roots.AddCert(certified.Certificate())
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			g := &goneAway{listener: l, end: end}
			go g.serve()
			c, err := connector.New(connector.Config{AllowLoopback: true, RootCAs: roots, Timeout: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.CloseIdleConnections)
			_, err = c.SendToConversation(t.Context(), "https://"+l.Addr().String(), "c", &activity.Activity{Type: activity.TypeMessage, Text: "x"})
			failure, ok := errors.AsType[*connector.Error](err)
			if !ok || !failure.MaybeDelivered {
				t.Errorf("the error is %v, which does not say that it may have been delivered", err)
			}
			if n := g.posts.Load(); n != 1 {
				t.Errorf("the server got the post %d times", n)
			}
		})
	}
}
