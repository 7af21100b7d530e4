package chaos_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEndOfMemory takes the server's memory away while clients ask (F07): from some moment on it gets no more than it has, and
// dies of it somewhere. Then it is started again, and has lost nothing.
func TestEndOfMemory(t *testing.T) {
	t.Parallel()
	ch, server := channel(t, "--delay", "2ms"), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for range memoryEnds {
		time.Sleep(300 * time.Millisecond)
		limit := addressSpace(t, server.cmd.Process.Pid)
		if err := unix.Prlimit(server.cmd.Process.Pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
			t.Fatal(err)
		}
		said := server.said
		if err := l.devour(server, time.Minute); err == nil || errors.Is(err, errNotByItself) {
			t.Errorf("without memory it has ended with %v; it said %s", err, said)
		}
		server.start()
	}
	close(stop)
	wait()
	l.judge(2*time.Minute, memoryEnds*people)
}

// addressSpace is how much a process has now.
func addressSpace(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(text))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// devour sends requests that take much memory and ask for nothing, until the server has ended, and returns how.
func (l *load) devour(server *node, within time.Duration) error {
	batch := bytes.Repeat([]byte(`{"to":{"conversation":"c0"},"text":""},`), 2<<20/40)
	body := string(append(append([]byte(`{"notifications":[`), batch[:len(batch)-1]...), `]}`...))
	over := make(chan struct{})
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					if status, answer := l.post(l.t.Context(), "/v1/notifications/batch", body); status/100 == 2 {
						l.t.Errorf("status %d: %.100s", status, answer)
						return
					}
				}
			}
		})
	}
	err := server.ended(within)
	close(over)
	l.http.CloseIdleConnections()
	all.Wait()
	return err
}
