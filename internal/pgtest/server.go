//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a process of PostgreSQL, the parent of all others of its cluster.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// Mode says how a server is stopped.
type Mode syscall.Signal

const (
	// Fast ends sessions and writes everything back, as an operator does.
	Fast = Mode(syscall.SIGINT)
	// Immediate ends at once, without writing anything back: what was committed is found in the log at the next start.
	Immediate = Mode(syscall.SIGQUIT)
	// Killed is what a power failure does to the processes: all are killed.
	Killed = Mode(syscall.SIGKILL)
)

// run starts the server and waits until it answers.
func (c *Cluster) run() error {
	if c.port == "" {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.port = port
	}
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), //nolint:noctx // it outlives the test that needs it first
		"-D", c.data(), "-p", c.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+c.dir)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.environment(), log, log
	c.as.apply(cmd)
	s, err := launch(cmd)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	c.server = s
	return c.answers(s)
}

func (c *Cluster) log() string { return filepath.Join(c.dir, "log") }

// answers waits until the server takes connections.
func (c *Cluster) answers(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-s.ended:
			c.server = nil
			return fmt.Errorf("pgtest: the server has ended:\n%s", c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: the server does not answer: %w\n%s", err, c.lastWords())
		}
	}
}

// lastWords are the end of the server's log.
func (c *Cluster) lastWords() string {
	raw, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-4096):])
}

// Stop stops the server.
func (c *Cluster) Stop(tb testing.TB, m Mode) {
	tb.Helper()
	if err := c.stop(m); err != nil {
		tb.Fatal(err)
	}
}

func (c *Cluster) stop(m Mode) error {
	s := c.server
	if s == nil {
		return nil
	}
	c.server = nil
	others := children(s.cmd.Process.Pid)
	if err := s.cmd.Process.Signal(syscall.Signal(m)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("pgtest: %w", err)
	}
	if m == Killed {
		for _, pid := range others {
			_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended needs nothing
		}
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(patience):
		_ = s.cmd.Process.Kill() // it is too late for anything else
		return fmt.Errorf("pgtest: the server does not stop:\n%s", c.lastWords())
	}
}

// Run starts a server that was stopped, on the same port, and waits until it takes connections. Those whom it was killed
// under may still be leaving its shared memory: it is tried until they have.
func (c *Cluster) Run(tb testing.TB) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		err := c.run()
		switch {
		case err == nil:
			return
		case !strings.Contains(err.Error(), "shared memory") || time.Now().After(deadline):
			tb.Fatal(err)
		}
		if err := os.Truncate(c.log(), 0); err != nil { // what it says next time is about next time
			tb.Fatal(err)
		}
		<-tick.C
	}
}

// remove ends the server and forgets its data.
func (c *Cluster) remove() error {
	return errors.Join(c.stop(Immediate), os.RemoveAll(c.dir))
}

// Pause stops all processes of the server where they are, and returns a function that lets them go on.
func (c *Cluster) Pause(tb testing.TB) (resume func()) {
	tb.Helper()
	parent := c.server.cmd.Process.Pid
	stopped := append(children(parent), parent)
	signal := func(s syscall.Signal) {
		for _, pid := range stopped {
			_ = syscall.Kill(pid, s) // one that has ended needs nothing
		}
	}
	signal(syscall.SIGSTOP)
	return func() { signal(syscall.SIGCONT) }
}
