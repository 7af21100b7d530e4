//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sweeps are the system calls at each of which the server is broken, and how. last bounds how many are tried: the sweep ends
// before when runs have fewer.
var sweeps = []struct {
	call, how string
	last      int
}{
	{"pwrite64", "signal=SIGKILL", 400},
	{"fsync,fdatasync", "signal=SIGKILL", 200},
	{"write", "signal=SIGKILL", 150},
	{"connect", "signal=SIGKILL", 50},
	{"pwrite64", "error=EIO", 400},
	{"pwrite64", "error=ENOSPC", 400},
	{"fsync,fdatasync", "error=EIO", 200},
	{"ftruncate", "error=EIO", 50},
	{"connect", "error=ENETUNREACH", 50},
}

// TestEverySystemCall runs the same work again and again, from an empty directory on, and breaks the server at the first,
// second, third … call of a kind in any thread (F01 to F06, F09): it is killed there, or the call fails. It is then started
// again, clients repeat what had no answer, and the ledger judges.
func TestEverySystemCall(t *testing.T) {
	t.Parallel()
	for _, s := range sweeps {
		t.Run(s.call+"/"+s.how, func(t *testing.T) {
			t.Parallel()
			ch := channel(t)
			broken, missed := 0, 0
			for n := 1; n <= s.last && missed < enoughMisses && !t.Failed(); n++ {
				missed++
				if breakAt(t, ch, fmt.Sprintf("inject=%s:%s:when=%d", s.call, s.how, n), s.call) {
					broken, missed = broken+1, 0
				}
			}
			t.Logf("%d points", broken)
			if broken == 0 {
				t.Error("the server was never broken")
			}
		})
	}
}

// enoughMisses in a row end a sweep. Calls are counted for every thread by itself, and work moves between threads, so that one
// miss says little.
const enoughMisses = 6

// breakAt runs the work once and reports whether the server was broken.
func breakAt(t *testing.T, ch remote, inject, call string) bool {
	t.Helper()
	if err := ch.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := newNode(t)
	defer server.kill()
	trace := filepath.Join(t.TempDir(), "trace")
	server.before = []string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call, "-e", inject}
	if strings.Contains(inject, ":error=") {
		server.before = append(server.before, "--seccomp-bpf") // faster, but it forgets signals from the second call on
	}
	died := server.tryStart()
	traced := server.before
	server.before = nil // when it is started again
	if died != nil {    // it was broken before it listened; it must come up now
		server.start()
	}
	l := newLoad(t, ch, 5, server)
	l.quiet = true
	ended, restarts := make(chan struct{}), make(chan int, 1)
	var once sync.Once
	end := func() { once.Do(func() { close(ended) }) }
	defer func() { // also when the verdict ends the test
		end()
		if t.Failed() && server.cmd != nil {
			t.Logf("%s; the server had died early: %v", inject, died)
			server.before = traced
			server.dump()
		}
	}()
	go func() { restarts <- keepUp(server, ended) }()
	l.introduceAll()
	l.count(2, 28, make(chan struct{}))()
	l.judge(2*time.Minute, 5)
	end()
	again := <-restarts
	return died != nil || again > 0 || injected(t, trace)
}

// keepUp starts the server again whenever it dies until ended is closed, and returns how often it had to.
func keepUp(server *node, ended <-chan struct{}) (restarts int) {
	for {
		select {
		case <-ended:
			return restarts
		case <-server.rest:
			_ = server.wait()
			if err := server.tryStart(); err != nil {
				server.t.Error(err)
				return restarts
			}
			restarts++
		}
	}
}

// injected reports whether a trace has an injected failure.
func injected(t *testing.T, trace string) bool {
	t.Helper()
	return strings.Contains(read(t, trace), "(INJECTED)")
}

// introduceAll is introduce for a server that may die meanwhile.
func (l *load) introduceAll() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range l.people {
		if status, answer := l.until(ctx, "/api/messages", l.appearance(i)); status/100 != 2 {
			l.t.Errorf("status %d: %s", status, answer)
		}
	}
}

// dump has it say what all its goroutines are doing, and die. Under a tracer it is the tracer's child.
func (n *node) dump() {
	pid, said := n.cmd.Process.Pid, n.said
	if children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)); err == nil && len(n.before) > 0 {
		_, _ = fmt.Sscan(string(children), &pid)
	}
	_ = syscall.Kill(pid, syscall.SIGQUIT)
	time.Sleep(time.Second)
	n.t.Logf("it said %s", said)
}
