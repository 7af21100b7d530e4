package trunk_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/internal/trunk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a server over TLS that counts its connections.
type counted struct {
	*httptest.Server
	connections atomic.Int64
}

func serve(t *testing.T, http2 bool, streams int, answer http.HandlerFunc) *counted {
	t.Helper()
	s := &counted{Server: httptest.NewUnstartedServer(answer)}
	s.EnableHTTP2 = http2
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// transport is one that trusts a server.
func transport(t *testing.T, s *counted, change ...func(*http.Transport)) *trunk.Transport {
	t.Helper()
	roots := x509.NewCertPool()
	if s != nil {
		roots.AddCert(s.Certificate())
	}
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true, IdleConnTimeout: time.Minute}
	for _, f := range change {
		f(base)
	}
	tr := trunk.New(base)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// body is a body that knows whether it was read from.
type body struct {
	io.Reader
	begun atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.Reader.Read(p)
}
func (b *body) Close() error  { return nil }
func (b *body) Unbegun() bool { return !b.begun.Load() }

// post posts text and returns the answer.
func post(ctx context.Context, tr http.RoundTripper, url, text string) (said string, major int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return "", 0, err
	}
	req.Body, req.ContentLength = &body{Reader: strings.NewReader(text)}, int64(len(text))
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), resp.ProtoMajor, err
}

func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func TestManyRequestsShareFewConnections(t *testing.T) {
	t.Parallel()
	const requests, streams = 1000, 100
	var here sync.WaitGroup // all requests, at once
	here.Add(requests)
	s := serve(t, true, streams, func(w http.ResponseWriter, r *http.Request) {
		here.Done()
		here.Wait()
		echo(w, r)
	})
	tr := transport(t, s)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			text := strings.Repeat("x", i)
			said, major, err := post(t.Context(), tr, s.URL, text)
			if err != nil || said != text || major != 2 {
				t.Errorf("%d: got %q, %v, %v", i, said, major, err)
			}
		})
	}
	all.Wait()
	// As many as are needed, and at most those that were being dialled when the last place was found.
	if n := s.connections.Load(); n < requests/streams || n > requests/streams+3 {
		t.Errorf("%d connections", n)
	}
}

func TestMaxConnsIsKept(t *testing.T) {
	t.Parallel()
	const streams, most = 10, 2
	var now, peak atomic.Int64
	s := serve(t, true, streams, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		defer now.Add(-1)
		echo(w, r)
	})
	tr := transport(t, s, func(base *http.Transport) { base.MaxConnsPerHost = most })
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			if said, _, err := post(t.Context(), tr, s.URL, "hello"); err != nil || said != "hello" {
				t.Errorf("got %q, %v", said, err)
			}
		})
	}
	all.Wait()
	if n := s.connections.Load(); n > most {
		t.Errorf("%d connections", n)
	}
	if n := peak.Load(); n > streams*most {
		t.Errorf("%d requests at once", n)
	}
}

func TestHostsWithoutHTTP2AreServed(t *testing.T) {
	t.Parallel()
	s := serve(t, false, 0, echo)
	tr := transport(t, s)
	for range 3 {
		said, major, err := post(t.Context(), tr, s.URL, "hello")
		if err != nil || said != "hello" || major != 1 {
			t.Fatalf("got %q over HTTP/%d, %v", said, major, err)
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections, want the first only", n)
	}
}

func TestPlainHTTPIsServed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(s.Close)
	if said, _, err := post(t.Context(), transport(t, nil), s.URL, "hello"); err != nil || said != "hello" {
		t.Errorf("got %q, %v", said, err)
	}
}

// TestRefusalIsToldToAllWhoWait: nobody waits for a host that cannot be reached longer than it takes to learn that.
func TestRefusalIsToldToAllWhoWait(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	var dials atomic.Int64
	tr := transport(t, nil, func(base *http.Transport) {
		base.DialContext = func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, refused
		}
	})
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			if _, _, err := post(t.Context(), tr, "https://host.invalid", "hello"); !errors.Is(err, refused) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if n := dials.Load(); n == 0 {
		t.Error("nothing was dialled")
	}
}

// TestNobodyWaitsNothingIsDialled: a connection that is being made for somebody who has given up is given up, too.
func TestNobodyWaitsNothingIsDialled(t *testing.T) {
	t.Parallel()
	dialling, ended := make(chan struct{}), make(chan error, 1)
	tr := transport(t, nil, func(base *http.Transport) {
		base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-dialling
		cancel()
	}()
	if _, _, err := post(ctx, tr, "https://host.invalid", "hello"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the dial ended with %v", err)
	}
}

// TestLostConnectionIsReplaced: a connection that the host has closed meanwhile is no reason to fail for a request of which
// nothing has left.
func TestLostConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t, true, 100, echo)
	tr := transport(t, s)
	for i := range 20 {
		if said, _, err := post(t.Context(), tr, s.URL, "hello"); err != nil || said != "hello" {
			t.Fatalf("%d: got %q, %v", i, said, err)
		}
		before := s.connections.Load()
		s.CloseClientConnections()
		// What is sent now may still go to the old connection, and may be lost with it; but after that it is replaced.
		for try := 0; s.connections.Load() == before; try++ {
			if try > 1000 {
				t.Fatal("the connection was never replaced")
			}
			_, _, _ = post(t.Context(), tr, s.URL, "hello")
		}
	}
}

// TestLargeBodiesArriveWhole: more than is kept that is to be written, in both directions, by several at once.
func TestLargeBodiesArriveWhole(t *testing.T) {
	t.Parallel()
	s := serve(t, true, 100, echo)
	tr := transport(t, s)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			text := strings.Repeat(string(rune('a'+i)), 1<<20)
			if said, _, err := post(t.Context(), tr, s.URL, text); err != nil || said != text {
				t.Errorf("%d bytes, %v", len(said), err)
			}
		})
	}
	all.Wait()
}

// TestStoppedRequestLeavesTheOthers: who gives up does no harm to those who share the connection.
func TestStoppedRequestLeavesTheOthers(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s := serve(t, true, 100, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			close(arrived)
			<-r.Context().Done()
			return
		}
		echo(w, r)
	})
	tr := transport(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := post(ctx, tr, s.URL+"/hang", "hello")
		done <- err
	}()
	<-arrived
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if said, _, err := post(t.Context(), tr, s.URL, "hello"); err != nil || said != "hello" {
		t.Errorf("got %q, %v", said, err)
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
