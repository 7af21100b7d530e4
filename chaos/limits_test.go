package chaos_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestFewFileDescriptors gives the server few of them and takes more connections than it may have (F55).
func TestFewFileDescriptors(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.before = []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	l.http.CloseIdleConnections()
	var idle []net.Conn
	for range 200 {
		c, err := (&net.Dialer{Timeout: 20 * time.Second}).DialContext(t.Context(), "tcp", server.listen)
		if err != nil {
			break
		}
		idle = append(idle, c)
	}
	if len(idle) < 64 {
		t.Errorf("only %d connections were made", len(idle))
	}
	stop := make(chan struct{})
	wait := l.run(8, stop)
	time.Sleep(2 * time.Second)
	for _, c := range idle {
		_ = c.Close()
	}
	time.Sleep(500 * time.Millisecond)
	close(stop)
	wait()
	v := l.judge(3*time.Minute, 0)
	if v.accepted == 0 {
		t.Error("nothing was accepted when there were descriptors again")
	}
}

// TestBlockedLog has nobody read the log, which fills its pipe (F56): the server goes on.
func TestBlockedLog(t *testing.T) {
	t.Parallel()
	ch := channel(t)
	server := newNode(t, "--log-level", "debug")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close() })
	server.stderr = write
	server.start()
	_ = write.Close()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(4, stop)
	time.Sleep(2 * time.Second) // it says more than a pipe holds
	l.more(100)
	close(stop)
	wait()
	l.judge(3*time.Minute, 0)
	go func() { _, _ = io.Copy(io.Discard, read) }()
}
