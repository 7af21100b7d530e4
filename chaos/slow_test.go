package chaos_test

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// TestSlowRequestsHoldUpNobodyElse has many clients send their requests a byte at a time (F15): the server closes their
// connections after its time for headers, and takes what others ask for meanwhile.
func TestSlowRequestsHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	const slow = 300
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	began := time.Now()
	var closed sync.WaitGroup
	for range slow {
		c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(t.Context(), "tcp", server.listen)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("POST /v1/notifications HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")); err != nil {
			t.Fatal(err)
		}
		closed.Go(func() {
			defer c.Close()
			drip(c)
		})
	}
	stop := make(chan struct{})
	wait := l.run(4, stop)
	l.more(100)
	close(stop)
	wait()
	l.judge(3*time.Minute, 0)
	if l.statuses[0]+l.statuses[503] > 0 {
		t.Errorf("answers by status: %v", l.statuses)
	}
	closed.Wait() // which hangs when the server listens to them for ever
	t.Logf("%d connections, the last was closed after %v", slow, time.Since(began).Round(time.Millisecond))
}

// drip sends one byte now and then until the other side has closed the connection.
func drip(c net.Conn) {
	answer := make([]byte, 512)
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
		if err := c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return
		}
		if _, err := c.Read(answer); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
