package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/pace"
)

func TestAReplyWaitsForItsPermit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 2, Per: time.Second}}})
		r := route("a")
		for range 2 {
			p, err := l.Wait(t.Context(), r, "x", pace.Reply)
			if err != nil {
				t.Fatal(err)
			}
			p.Done(time.Now())
		}
		began := time.Now()
		if _, err := l.Wait(t.Context(), r, "x", pace.Reply); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Second || took > 1010*time.Millisecond {
			t.Errorf("waited for %v", took)
		}
	})
}

func TestNoDeliveryPassesAReplyThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 1, Per: time.Second}}})
		r := route("a")
		p, _ := l.Take(r, "x", pace.Reply, time.Now())
		got := make(chan error, 1)
		go func() {
			_, err := l.Wait(t.Context(), r, "y", pace.Reply)
			got <- err
		}()
		synctest.Wait()
		p.Done(time.Now())
		for range 2000 { // a delivery that asks all the time
			if _, ok := l.Take(r, "z", pace.Delivery, time.Now()); ok {
				t.Fatal("a delivery was let through before the reply")
			}
			select {
			case err := <-got:
				if err != nil {
					t.Fatal(err)
				}
				return
			case <-time.After(time.Millisecond):
			}
		}
		t.Error("the reply got nothing")
	})
}

func TestAWaitThatIsPointlessDoesNotBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, pace.Profile{PerConversation: []pace.Window{{Limit: 1, Per: time.Minute}}})
		r := route("a")
		p, _ := l.Take(r, "x", pace.Reply, time.Now())
		p.Done(time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := l.Wait(ctx, r, "x", pace.Reply)
		busy, ok := errors.AsType[*pace.BusyError](err)
		if !ok || busy.After < 59*time.Second || busy.After > 61*time.Second {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("waited for %v", took)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 1, Per: time.Second}}})
		r := route("a")
		p, _ := l.Take(r, "x", pace.Reply, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := l.Wait(ctx, r, "y", pace.Reply)
			failed <- err
		}()
		time.Sleep(5 * time.Second) // the call in front is still on its way
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		p.Done(time.Now())
		time.Sleep(1001 * time.Millisecond)
		if _, ok := l.Take(r, "z", pace.Delivery, time.Now()); !ok {
			t.Error("a delivery is held up by a reply that has given up")
		}
	})
}

func TestAPermitThatIsGivenBackIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, pace.Profile{PerTenant: []pace.Window{{Limit: 1, Per: time.Hour}}})
		r := route("a")
		p, _ := l.Take(r, "x", pace.Reply, time.Now())
		got := make(chan error, 1)
		go func() {
			_, err := l.Wait(t.Context(), r, "y", pace.Reply)
			got <- err
		}()
		synctest.Wait()
		p.Cancel()
		synctest.Wait()
		select {
		case err := <-got:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the reply waits still")
		}
	})
}
