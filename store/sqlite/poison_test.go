//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// poison is the body of a message that ends every process which attempts it.
const poison = `{"text":"poison"}`

// TestPoisonEndsNoMoreProcesses: each process works until it is killed by what it attempts; the next one finds that in the
// claims of the one before. In the end the message is given up, and what waits behind it is delivered.
func TestPoisonEndsNoMoreProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Sight(t.Context(), sightingOf("c"))
	if err != nil {
		t.Fatal(err)
	}
	bad, behind := submissionTo(c.Row), submissionTo(c.Row)
	bad.Message.Body = []byte(poison)
	for _, sub := range []outbox.Submission{bad, behind} {
		if _, err := s.SubmitMessage(t.Context(), sub, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	killed := 0
	for ; killed <= outbox.PoisonAfter; killed++ {
		out, err := helper(t, "attempt", dir).Output()
		if err == nil {
			if got := strings.TrimSpace(string(out)); got != fmt.Sprint("delivered ", behind.Message.ID) {
				t.Errorf("the last process says %q", got)
			}
			break
		}
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the process ended by itself: %v", err)
		}
		if told := bufio.NewScanner(strings.NewReader(string(out))); told.Scan() {
			t.Errorf("a process that was killed says %q", told.Text())
		}
	}
	if killed != outbox.PoisonAfter {
		t.Errorf("%d processes were killed, want %d", killed, outbox.PoisonAfter)
	}
	s = openStore(t, dir)
	d, err := s.DeliveryRecord(t.Context(), bad.Deliveries[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	last := d.History[len(d.History)-1]
	if d.State != outbox.StateUnknown || d.Reason != outbox.ReasonPoison || d.Claims != outbox.PoisonAfter || last.Detail != outbox.ReasonProcessStopped {
		t.Errorf("it is %s (%s) after %d claims: %+v", d.State, d.Reason, d.Claims, last)
	}
}

// attempt delivers everything there is, and tells what. The poison kills it.
func attempt(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	for {
		c, err := s.Claim(ctx, 1, time.Now().Add(time.Minute)) // whatever was put off is due
		if err != nil {
			return err
		}
		if len(c.Attempts) == 0 {
			return s.Close()
		}
		for _, a := range c.Attempts {
			if string(a.Body) == poison {
				if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
					return err
				}
				select {}
			}
			if err := s.RecordOutcome(ctx, delivered(a)); err != nil {
				return err
			}
			fmt.Println("delivered", a.Message)
		}
	}
}
