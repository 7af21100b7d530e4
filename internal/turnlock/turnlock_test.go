package turnlock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/turnlock"
)

func TestAcquireServesFirstComeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := turnlock.New[string](time.Minute, nil)
		first, err := table.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				l, err := table.Acquire(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				order <- i
				l.Release()
			}()
			synctest.Wait()
		}
		other, err := table.Acquire(t.Context(), "b")
		if err != nil {
			t.Fatal("another key waited:", err)
		}
		other.Release()
		first.Release()
		for want := range 3 {
			if got := <-order; got != want {
				t.Fatalf("waiter %d was served at place %d", got, want)
			}
		}
	})
}

func TestLeaseThatRanOutIsTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := turnlock.New[string](15*time.Second, nil)
		hung, err := table.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		next, err := table.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("taken over after %v, want 15s", took)
		}
		if hung.Held() || hung.Extend() {
			t.Error("the old holder still believes that it has the lease")
		}
		if next.Fence() <= hung.Fence() {
			t.Errorf("fence %d does not exceed %d", next.Fence(), hung.Fence())
		}
		hung.Release()
		if !next.Held() {
			t.Error("the old holder's release took the lease from the new one")
		}
	})
}

func TestExtendKeepsWaitersOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := turnlock.New[string](15*time.Second, nil)
		l, err := table.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan time.Duration, 1)
		start := time.Now()
		go func() {
			if _, err := table.Acquire(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			got <- time.Since(start)
		}()
		time.Sleep(10 * time.Second)
		if !l.Extend() {
			t.Fatal("the lease was lost")
		}
		if took := <-got; took != 25*time.Second {
			t.Errorf("taken over after %v, want 25s", took)
		}
	})
}

func TestWaiterThatGivesUpIsSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := turnlock.New[string](time.Minute, nil)
		l, err := table.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := table.Acquire(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a deadline error", err)
		}
		l.Release()
		if _, ok := table.Try("a"); !ok {
			t.Error("the key is not free although its only waiter gave up")
		}
	})
}

func TestFailedTryIsToldWhenTheKeyIsFree(t *testing.T) {
	t.Parallel()
	var freed atomic.Int32
	table := turnlock.New[string](time.Minute, func() { freed.Add(1) })
	l, err := table.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := table.Try("a"); ok {
		t.Fatal("two holders")
	}
	l.Release()
	l.Release()
	if n := freed.Load(); n != 1 {
		t.Errorf("told %d times, want 1", n)
	}
	if _, ok := table.Try("a"); !ok {
		t.Error("the key is not free")
	}
}
