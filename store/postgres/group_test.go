package postgres_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/store/postgres"
)

// A transaction that waits for a lock keeps its own operations, and nobody else's.
func TestAStuckTransactionStallsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const stuck = 0
		free := make(chan struct{})
		g := postgres.NewGroup(2, func(_ context.Context, ops []int) error {
			if slices.Contains(ops, stuck) {
				<-free
			}
			return nil
		})
		go func() { _ = g.Do(t.Context(), stuck) }()
		synctest.Wait()
		began, done := time.Now(), make(chan error, 1)
		go func() { done <- g.Do(t.Context(), 1) }()
		select {
		case err := <-done:
			if took := time.Since(began); err != nil || took > 10*time.Millisecond {
				t.Errorf("after %v: %v", took, err)
			}
		case <-time.After(time.Minute):
			t.Error("an operation waits for the transaction of another one")
		}
		close(free)
		synctest.Wait()
		g.Close()
	})
}

// What comes in while a transaction runs, and is little, shares the next one.
func TestWhatComesInDuringATransactionSharesTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := postgres.NewGroup(2, func(_ context.Context, ops []int) error {
			batches = append(batches, ops)
			time.Sleep(time.Millisecond)
			return nil
		})
		for i := range 4 {
			go func() { _ = g.Do(t.Context(), i) }()
			synctest.Wait()
		}
		g.Close()
		if len(batches) != 2 || !slices.Equal(batches[1], []int{1, 2, 3}) {
			t.Errorf("transactions %v", batches)
		}
	})
}

func TestAGroupClosesWithWhatIsQueuedDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := postgres.NewGroup(4, func(context.Context, []int) error {
			time.Sleep(time.Millisecond)
			return nil
		})
		errs := make(chan error, 2)
		for i := range 2 { // the second waits until the first is over, and with it those who close
			go func() { errs <- g.Do(t.Context(), i) }()
			synctest.Wait()
		}
		closed := make(chan struct{})
		go func() {
			g.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("it does not close")
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
