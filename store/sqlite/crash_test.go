//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// TestKilledAgainAndAgain kills a process that accepts and delivers, at some moment of its work, many times over the
// same data. Whatever it said was accepted or done must be so.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	accepted := make(map[outbox.MessageID]bool)
	done := make(map[outbox.MessageID]bool)
	for round := range 12 {
		killAfter(t, dir, 20+round*37, accepted, done)
		checkAfterCrash(t, dir, accepted, done)
	}
	if len(accepted) < 100 || len(done) < 100 {
		t.Errorf("only %d were accepted and %d done: the test proves little", len(accepted), len(done))
	}
}

// killAfter starts the process and kills it when it has told so many things; what it told before it died counts.
func killAfter(t *testing.T, dir string, lines int, accepted, done map[outbox.MessageID]bool) {
	t.Helper()
	cmd := helper(t, "work", dir)
	n := 0
	err := listen(t, cmd, accepted, done, func() {
		if n++; n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	})
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// listen runs a working process to its end, notes what it tells, and calls heard after every line.
func listen(t *testing.T, cmd *exec.Cmd, accepted, done map[outbox.MessageID]bool, heard func()) error {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for told := bufio.NewScanner(out); told.Scan(); heard() {
		var what string
		var id outbox.MessageID
		if _, err := fmt.Sscanf(told.Text(), "%s %d.", &what, &id); err != nil || !strings.HasSuffix(told.Text(), ".") {
			t.Log(told.Text()) // why it ends, or a line that it could not finish
			continue
		}
		switch what {
		case "accepted":
			accepted[id] = true
		case "done":
			done[id] = true
		}
	}
	return cmd.Wait()
}

// TestDiskThatFillsUp: no file may grow beyond a limit, from too little for an empty database on. The process ends with
// an error; what it has acknowledged is there, and when there is room again everything works.
func TestDiskThatFillsUp(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{0, 1 << 10, 50 << 10, 100 << 10, 150 << 10, 200 << 10, 300 << 10, 1 << 20, 3 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			accepted, done := make(map[outbox.MessageID]bool), make(map[outbox.MessageID]bool)
			cmd := helper(t, "work on a small disk", dir)
			cmd.Env = append(cmd.Env, fmt.Sprint(helperLimit, "=", limit))
			if err := listen(t, cmd, accepted, done, func() {}); err == nil {
				t.Error("the process ended without an error")
			}
			checkAfterCrash(t, dir, accepted, done)
		})
	}
}

// workOnASmallDisk works while no file is larger than a limit.
func workOnASmallDisk(dir string) error {
	limit, err := strconv.ParseUint(os.Getenv(helperLimit), 10, 64)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	return work(dir)
}

func checkAfterCrash(t *testing.T, dir string, accepted, done map[outbox.MessageID]bool) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for id := range accepted {
		r, err := s.MessageRecord(t.Context(), id, 100)
		if err != nil || len(r.Deliveries) != 1 {
			t.Fatalf("message %d was accepted and is lost: %v", id, err)
		}
		d := r.Deliveries[0]
		if last := d.History[len(d.History)-1]; last.State != d.State || last.Reason != d.Reason {
			t.Errorf("message %d is %s, but its history ends with %s", id, d.State, last.State)
		}
		switch d.State {
		case outbox.StateReady, outbox.StateScheduled:
			if done[id] {
				t.Errorf("message %d was delivered and is %s", id, d.State)
			}
		case outbox.StateDelivered:
		case outbox.StateUnknown:
			if d.Reason != "process_stopped" || r.Message.OnUnknown != headsup.OnUnknownHold {
				t.Errorf("message %d is unknown with reason %q", id, d.Reason)
			}
		default:
			t.Errorf("message %d is %s", id, d.State)
		}
	}
	counts, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, dir, counts)
}

// checkFile looks at the tables themselves.
func checkFile(t *testing.T, dir string, counts map[outbox.State]int64) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "headsup.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text := func(query string) (s string) {
		if err := db.QueryRow(query).Scan(&s); err != nil {
			t.Fatal(query, err)
		}
		return s
	}
	if got := text("PRAGMA integrity_check"); got != "ok" {
		t.Error(got)
	}
	for query, want := range map[string]string{
		// Nobody is sending, and counters are right.
		"SELECT count(*) FROM deliveries WHERE state NOT IN (1, 2, 3)": "0",
		"SELECT count(*) FROM deliveries WHERE state = 1":              fmt.Sprint(counts[outbox.StateScheduled]),
		"SELECT count(*) FROM deliveries WHERE state = 2":              fmt.Sprint(counts[outbox.StateReady]),
		"SELECT count(*) FROM finished WHERE state = 5":                fmt.Sprint(counts[outbox.StateDelivered]),
		"SELECT count(*) FROM finished WHERE state = 7":                fmt.Sprint(counts[outbox.StateUnknown]),
		// A delivery is in one table.
		"SELECT count(*) FROM deliveries JOIN finished USING (id)": "0",
		// Every message has its delivery.
		`SELECT count(*) FROM messages WHERE alone NOT IN (SELECT id FROM deliveries UNION ALL SELECT id FROM finished)`: "0",
		// The head of every lane waits to be claimed or for its next try, and nobody else in the lane does.
		`SELECT count(*) FROM (SELECT (waits > 0) <> (seq = min(seq) OVER (PARTITION BY conversation, lane)) AS wrong
			FROM deliveries WHERE seq IS NOT NULL) WHERE wrong`: "0",
		"SELECT count(*) FROM deliveries WHERE (seq IS NULL) <> (state = 1)": "0",
		"SELECT count(*) FROM deliveries, counters WHERE seq >= next_seq":    "0",
	} {
		if got := text(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// work accepts and delivers until it is killed, and tells on its standard output what has been acknowledged.
func work(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	var rows []book.Row
	for i := range 8 {
		c, err := s.Sight(ctx, sightingOf(fmt.Sprint(i)))
		if err != nil {
			return err
		}
		rows = append(rows, c.Row)
	}
	ids.Store(time.Now().UnixNano())
	failed := make(chan error)
	var out sync.Mutex
	tell := func(what string, id outbox.MessageID) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("%s %d.\n", what, id)
	}
	end := func(a outbox.Attempt) error {
		o := delivered(a)
		if a.Failures == 0 && a.Delivery%5 == 0 {
			o = outbox.Outcome{
				Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateReady, Failed: true, Reason: "throttled", At: time.Now(),
				RetryAt: time.Now().Add(time.Duration(a.Delivery%3) * 10 * time.Millisecond),
			}
		}
		if err := s.RecordOutcome(ctx, o); err != nil {
			return err
		}
		if o.State == outbox.StateDelivered {
			tell("done", a.Message)
		}
		return nil
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				sub := submissionTo(rows[(w+i)%len(rows)])
				if i%4 == 1 {
					sub.Message.OnUnknown = headsup.OnUnknownHold
				}
				if i%6 == 2 {
					sub.Deliveries[0].DueAt = sub.At.Add(20 * time.Millisecond)
				}
				r, err := s.SubmitMessage(ctx, sub, i%2 == 0)
				if err != nil {
					failed <- err
					return
				}
				tell("accepted", r.Message)
				if r.Attempt != nil {
					if err := end(*r.Attempt); err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	go func() {
		for {
			c, err := s.Claim(ctx, 4, time.Now())
			for _, a := range c.Attempts {
				err = errors.Join(err, end(a))
			}
			if err != nil {
				failed <- err
				return
			}
			select {
			case <-s.Wakeups():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return <-failed
}
