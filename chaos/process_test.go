package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// tail keeps the last of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if most := 256 << 10; len(l.text) > most {
		l.text = bytes.Clone(l.text[len(l.text)-most:])
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// channel starts a fake channel in a process of its own, which outlives every server.
func channel(t *testing.T, args ...string) *fakechannel.Remote {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), binary, append([]string{"fake-channel"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the fake channel did not start: ", err)
	}
	return fakechannel.Connect(strings.TrimSpace(line), &http.Client{Timeout: time.Minute, Transport: &http.Transport{}})
}

// node is a server that can be started, and broken, again and again. It keeps its address.
type node struct {
	t *testing.T
	// before is put before the program and its arguments, such as a tracer; args are flags of serve, env more of the
	// environment.
	before, args, env []string
	// stderr gets the log; a tail, if nil.
	stderr io.Writer

	listen string
	cmd    *exec.Cmd
	said   *tail
	rest   chan struct{} // closed when the output has ended
}

// newNode makes a server over SQLite in a directory of the test. It is not started.
func newNode(t *testing.T, args ...string) *node {
	t.Helper()
	n := &node{t: t, listen: "127.0.0.1:0", args: append([]string{
		"--data", filepath.Join(t.TempDir(), "data"), "--admin-listen", "off", "--log-level", "warn",
	}, args...)}
	t.Cleanup(func() {
		if t.Failed() && n.cmd != nil {
			select {
			case <-n.rest:
				t.Logf("the server at %s has ended by itself; it said %s", n.listen, n.said)
			default:
				t.Logf("the server at %s said %s", n.listen, n.said)
			}
		}
		n.kill()
	})
	return n
}

// url is where it listens, once it was started.
func (n *node) url() string { return "http://" + n.listen }

// start starts it and waits until it listens.
func (n *node) start() {
	n.t.Helper()
	if err := n.tryStart(); err != nil {
		n.t.Fatal(err)
	}
}

// tryStart is start for a server that may not come up.
func (n *node) tryStart() error {
	words := append(append([]string{}, n.before...), binary, "serve", "--listen", n.listen)
	words = append(words, n.args...)
	n.cmd = exec.CommandContext(context.Background(), words[0], words[1:]...)
	n.cmd.Env = append(os.Environ(), n.env...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a tracer and what it traces end together
	n.said, n.rest = &tail{}, make(chan struct{})
	n.cmd.Stderr = n.said
	if n.stderr != nil {
		n.cmd.Stderr = n.stderr
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	in := bufio.NewReader(out)
	line, err := in.ReadString('\n')
	if err != nil {
		waited := n.cmd.Wait()
		n.cmd = nil
		return fmt.Errorf("the server did not start: %w, %w; it said %s", err, waited, n.said)
	}
	if listen := strings.TrimPrefix(strings.TrimSpace(line), "headsup: listening on http://"); n.listen != listen {
		n.listen = listen // the first time; clients read it from then on
	}
	go func() {
		defer close(n.rest)
		_, _ = io.Copy(io.Discard, in)
	}()
	return nil
}

// kill ends it as a power cut would, as far as the process can tell.
func (n *node) kill() {
	if n.cmd != nil {
		_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		_ = n.wait()
	}
}

// signal sends it a signal.
func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := syscall.Kill(-n.cmd.Process.Pid, s); err != nil {
		n.t.Fatal(err)
	}
}

// wait returns how it ended.
func (n *node) wait() error {
	<-n.rest
	err := n.cmd.Wait()
	n.cmd = nil
	return err
}

// errNotByItself: a process had to be killed.
var errNotByItself = errors.New("it did not end by itself")

// ended is how it ended, if it does within a time.
func (n *node) ended(within time.Duration) error {
	n.t.Helper()
	cmd, rest := n.cmd, n.rest
	done := make(chan error, 1)
	go func() {
		<-rest
		done <- cmd.Wait()
	}()
	n.cmd = nil
	select {
	case err := <-done:
		return err
	case <-time.After(within):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return errors.Join(errNotByItself, <-done)
	}
}
