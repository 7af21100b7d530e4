//go:build unix

package postgres_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/store/postgres"
)

// relay stands between a store and PostgreSQL, and notes whether statements with a name are prepared.
type relay struct {
	addr   string
	pooled bool // it makes up the process id that it tells clients, as poolers do
	named  atomic.Bool
}

func newRelay(t *testing.T, server string, pooled bool) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), pooled: pooled}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			db, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() { r.toServer(db, client) })
			all.Go(func() { r.toClient(client, db) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait() // connections end with the store
	})
	return r
}

// message reads one message of the protocol; the first one of a client has no type.
func message(from io.Reader, typed bool) ([]byte, error) {
	head := make([]byte, 4, 64)
	at := 0
	if typed {
		head, at = append(head, 0), 1
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[at:])-4)
	_, err := io.ReadFull(from, body)
	return append(head, body...), err
}

func (r *relay) toServer(to, from net.Conn) {
	defer to.Close()
	in := bufio.NewReader(from)
	for typed := false; ; typed = true {
		m, err := message(in, typed)
		if err != nil {
			return
		}
		if typed && m[0] == 'P' && m[5] != 0 { // Parse, into a statement with a name
			r.named.Store(true)
		}
		if _, err := to.Write(m); err != nil {
			return
		}
	}
}

func (r *relay) toClient(to, from net.Conn) {
	defer to.Close()
	in := bufio.NewReader(from)
	for {
		m, err := message(in, true)
		if err != nil {
			return
		}
		if r.pooled && m[0] == 'K' { // BackendKeyData
			binary.BigEndian.PutUint32(m[5:], 1<<30)
		}
		if _, err := to.Write(m); err != nil {
			return
		}
	}
}

// TestStatementsArePreparedByTheServerOnly: behind a pooler, the next statement may come to another process.
func TestStatementsArePreparedByTheServerOnly(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	own, err := url.Parse(database(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, pooled := range map[string]bool{"Direct": false, "Pooled": true} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, c.Addr(), pooled)
			s, err := postgres.Open(t.Context(), postgres.Config{URL: c.NetworkURL(own.Path[1:], r.addr)})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.Check(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got := r.named.Load(); got == pooled {
				t.Errorf("statements were prepared: %v", got)
			}
		})
	}
}
