package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// slowDisk holds up syncs until it is told to let them through.
type slowDisk struct {
	held    atomic.Bool
	waiting chan struct{}
	pass    chan struct{}
}

func onSlowDisk(t *testing.T) (*sqlite.Store, *slowDisk) {
	t.Helper()
	s := openStore(t, t.TempDir())
	d := &slowDisk{waiting: make(chan struct{}, 100), pass: make(chan struct{})}
	s.HookSync(func(log *os.File, sync func(*os.File) error) error {
		if d.held.Load() {
			d.waiting <- struct{}{}
			<-d.pass
		}
		return sync(log)
	})
	return s, d
}

// TestNothingIsToldBeforeItIsSynced: neither the call that writes nor one that reads returns while the sync is under way;
// meanwhile the next transaction is run.
func TestNothingIsToldBeforeItIsSynced(t *testing.T) {
	t.Parallel()
	s, disk := onSlowDisk(t)
	var told observed
	s.Observe(&told)
	rows := meet(t, s, 3)
	disk.held.Store(true)
	var done [5]atomic.Bool
	var wg sync.WaitGroup
	start := func(i int, f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			done[i].Store(true)
		})
	}
	first, second := submissionTo(rows[0]), submissionTo(rows[1])
	start(0, func() error {
		_, err := s.SubmitMessage(t.Context(), first, true)
		return err
	})
	<-disk.waiting
	start(1, func() error {
		_, err := s.SubmitMessage(t.Context(), second, false)
		return err
	})
	start(2, func() error {
		_, err := s.MessageRecord(t.Context(), first.Message.ID, 100)
		return err
	})
	start(3, func() error {
		_, err := s.Counts(t.Context())
		return err
	})
	start(4, func() error { // who is refused learns what is not synced, too
		err := s.RecordOutcome(t.Context(), delivered(outbox.Attempt{Delivery: first.Deliveries[0].ID}))
		if !errors.Is(err, headsup.ErrLeaseLost) {
			return fmt.Errorf("an outcome with another fence: %w", err)
		}
		return nil
	})
	time.Sleep(50 * time.Millisecond) // long enough for all that would be told
	for i := range done {
		if done[i].Load() {
			t.Errorf("call %d has returned before the sync", i)
		}
	}
	if n := told.accepted.Load(); n != 0 {
		t.Errorf("the observer was told of %d before the sync", n)
	}
	disk.held.Store(false)
	close(disk.pass)
	wg.Wait()
	if n := told.accepted.Load(); n != 2 {
		t.Errorf("the observer was told of %d, want 2", n)
	}
}

type observed struct{ accepted, ended atomic.Int64 }

func (o *observed) Accepted(outbox.Lane, int)                                 { o.accepted.Add(1) }
func (o *observed) Attempted(*outbox.Attempt, headsup.Meaning, time.Duration) {}
func (o *observed) Ended(outbox.End)                                          { o.ended.Add(1) }

// TestDiskThatFailsToSync: at every place where the log is synced the disk refuses, once, and either keeps what it was
// given or forgets it. Nothing is acknowledged then; what was acknowledged before is there, what was handed out can be
// ended, and everything that was accepted is delivered.
func TestDiskThatFailsToSync(t *testing.T) {
	t.Parallel()
	for _, forgets := range []bool{false, true} {
		for failing := 1; failing <= 16; failing++ {
			t.Run(fmt.Sprintf("forgets=%v/%d", forgets, failing), func(t *testing.T) {
				t.Parallel()
				failToSync(t, failing, forgets)
			})
		}
	}
}

func failToSync(t *testing.T, failing int, forgets bool) {
	dir := t.TempDir()
	s := openStore(t, dir)
	rows := meet(t, s, 4)
	var mu sync.Mutex
	info, err := os.Stat(filepath.Join(dir, "headsup.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	synced := info.Size()
	syncs, broke := 0, false
	s.HookSync(func(log *os.File, sync func(*os.File) error) error {
		mu.Lock()
		defer mu.Unlock()
		info, err := log.Stat()
		if err != nil {
			return err
		}
		if syncs++; syncs == failing {
			broke = true
			if forgets {
				if err := log.Truncate(synced); err != nil {
					return err
				}
			}
			return os.NewSyscallError("fdatasync", syscall.EIO)
		}
		synced = info.Size()
		return sync(log)
	})
	if err := s.Check(t.Context()); err != nil && failing != 1 {
		t.Fatal(err)
	}
	accepted, done := make(map[outbox.MessageID]bool), make(map[outbox.MessageID]bool)
	note := func(m map[outbox.MessageID]bool, id outbox.MessageID) {
		mu.Lock()
		defer mu.Unlock()
		m[id] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// end ends an attempt as the worker does: until it is recorded, or refused.
	end := func(a outbox.Attempt) {
		for {
			switch err := s.RecordOutcome(ctx, delivered(a)); {
			case err == nil:
				note(done, a.Message)
				return
			case errors.Is(err, headsup.ErrLeaseLost): // it is there, though that was answered with an error
				return
			case ctx.Err() != nil:
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 8 {
				sub := submissionTo(rows[(w+i)%len(rows)])
				sub.Message.OnUnknown = headsup.OnUnknownHold // what was never handed out is not unknown
				r, err := s.SubmitMessage(ctx, sub, i%2 == 0)
				if err != nil {
					continue
				}
				note(accepted, r.Message)
				if r.Attempt != nil {
					end(*r.Attempt)
				}
			}
		})
	}
	wg.Wait()
	if err := drainAll(ctx, s, end); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if !broke {
		t.Fatalf("there were %d syncs only", syncs)
	}
	mu.Unlock()
	for id := range accepted {
		r, err := s.MessageRecord(ctx, id, 100)
		if err != nil || r.Deliveries[0].State != outbox.StateDelivered {
			t.Errorf("message %d was accepted: %+v, %v", id, r.Deliveries, err)
		}
	}
	if err := s.CheckLanes(ctx); err != nil {
		t.Error(err)
	}
	for _, row := range rows { // no lease is left behind
		if r, err := s.SubmitMessage(ctx, submissionTo(row), true); err != nil || r.Attempt == nil {
			t.Errorf("conversation %d is not free: %+v, %v", row, r, err)
		} else {
			end(*r.Attempt)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkAfterCrash(t, dir, accepted, done)
}

// drainAll delivers until nothing waits and nothing is being sent.
func drainAll(ctx context.Context, s *sqlite.Store, end func(outbox.Attempt)) error {
	for {
		if c, err := s.Claim(ctx, 4, time.Now()); err == nil {
			for _, a := range c.Attempts {
				end(a)
			}
		}
		if n, err := s.Counts(ctx); err == nil && n[outbox.StateReady] == 0 {
			if n[outbox.StateSending] != 0 {
				return fmt.Errorf("%d are being sent by nobody", n[outbox.StateSending])
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

// TestDiskThatStaysBroken: everybody gets an error meanwhile, nobody waits for ever, and when the disk is well again so
// is the store.
func TestDiskThatStaysBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	var broken atomic.Bool
	s.HookSync(func(log *os.File, sync func(*os.File) error) error {
		if broken.Load() {
			return os.NewSyscallError("fdatasync", syscall.EIO)
		}
		return sync(log)
	})
	before, err := s.SubmitMessage(t.Context(), submissionTo(row), true)
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	lost := submissionTo(row)
	for range 3 {
		if _, err := s.SubmitMessage(t.Context(), lost, false); !errors.Is(err, sqlite.ErrUnsynced) {
			t.Errorf("accepting says %v", err)
		}
	}
	if err := s.RecordOutcome(t.Context(), delivered(*before.Attempt)); !errors.Is(err, sqlite.ErrUnsynced) {
		t.Errorf("an outcome says %v", err)
	}
	if _, err := s.Counts(t.Context()); !errors.Is(err, sqlite.ErrUnsynced) {
		t.Errorf("reading says %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, sqlite.ErrUnsynced) {
		t.Errorf("the check says %v", err)
	}
	broken.Store(false)
	for deadline := time.Now().Add(time.Minute); s.Check(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the store does not recover")
		}
	}
	if err := s.RecordOutcome(t.Context(), delivered(*before.Attempt)); err != nil {
		t.Errorf("what was handed out before cannot be ended: %v", err)
	}
	if _, err := s.SubmitMessage(t.Context(), submissionTo(row), false); err != nil {
		t.Error(err)
	}
}

// TestCloseOnABrokenDisk: closing does not hang, and what was acknowledged is there.
func TestCloseOnABrokenDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	var broken atomic.Bool
	s.HookSync(func(log *os.File, sync func(*os.File) error) error {
		if broken.Load() {
			return os.NewSyscallError("fdatasync", syscall.EIO)
		}
		return sync(log)
	})
	sub := submissionTo(row)
	if _, err := s.SubmitMessage(t.Context(), sub, false); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := s.Check(t.Context()); !errors.Is(err, sqlite.ErrUnsynced) {
		t.Errorf("the check says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkAfterCrash(t, dir, map[outbox.MessageID]bool{sub.Message.ID: true}, nil)
}

// TestReadersOutliveADiskThatFailsToSync: those who read while the database is closed and opened again are refused or
// answered, whenever they come, and nobody waits for ever.
func TestReadersOutliveADiskThatFailsToSync(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	rows := meet(t, s, 4)
	var syncs atomic.Int64
	s.HookSync(func(log *os.File, sync func(*os.File) error) error {
		if syncs.Add(1)%4 == 0 {
			return syscall.EIO
		}
		return sync(log)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	reading, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			for reading.Err() == nil {
				if _, _, err := s.Setting(reading, "app id"); err != nil {
					time.Sleep(time.Millisecond) // who is refused at once would else take the processor from those who mend it
				}
			}
		})
	}
	for accepted := 0; accepted < 60; {
		switch _, err := s.SubmitMessage(ctx, submissionTo(rows[accepted%4]), false); {
		case err == nil:
			accepted++
		case ctx.Err() != nil:
			t.Fatalf("after %d were accepted: %v", accepted, err)
		}
	}
	stop()
	readers.Wait()
}
