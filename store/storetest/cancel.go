package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) cancel(t *testing.T) {
	s.promise(t, "OnlyWhatIsNotHandedOutIsCancelled", onlyWhatIsNotHandedOut)
	s.promise(t, "CancelledIsNeverHandedOut", cancelledIsNeverHandedOut)
	s.promise(t, "CancelledHeadFreesItsLane", cancelledHeadFreesLane)
	s.promise(t, "CancelRacesWithClaimNeverBoth", cancelRacesWithClaim)
}

func onlyWhatIsNotHandedOut(e *env) {
	err := e.CancelMessage(e.ctx, 4711, e.start)
	e.is(err, outbox.ErrNotFound)

	a, b, c, d, f, g := e.meet("a"), e.meet("b"), e.meet("c"), e.meet("d"), e.meet("f"), e.meet("g")
	other := e.say(d)
	s := e.message(a, b, c, d, f, g)
	s.Deliveries[4].DueAt = e.at(time.Hour)
	e.accept(s)
	attempts := e.claims(10, e.start).Attempts // other, and those to a, b, c and g
	if len(attempts) != 5 {
		e.Fatalf("%d are handed out, want 5", len(attempts))
	}
	e.ends(outcomeOf(attempts[2], e.start))
	e.ends(retryOf(attempts[3], e.start, e.at(time.Minute)))
	parked := outcomeOf(attempts[4], e.start)
	parked.State, parked.Activity = outbox.StateUnknown, ""
	e.ends(parked)

	r, err := e.cancels(s.Message.ID, e.at(time.Second))
	e.ok(err)
	equal(e.T, "record", e.record(s), r)
	want := []outbox.State{
		outbox.StateSending, outbox.StateDelivered, outbox.StateCancelled, outbox.StateCancelled,
		outbox.StateCancelled, outbox.StateUnknown,
	}
	for i, d := range r.Deliveries {
		if d.State != want[i] {
			e.Errorf("delivery %d is %s, want %s", i, d.State, want[i])
		}
		if d.State != outbox.StateCancelled {
			continue
		}
		if last := d.History[len(d.History)-1]; last.State != d.State || !last.At.Equal(e.at(time.Second)) ||
			!d.UpdatedAt.Equal(last.At) || !d.DueAt.IsZero() {
			e.Errorf("delivery %d was changed to %s at %v, updated at %v, due at %v",
				i, last.State, last.At, d.UpdatedAt, d.DueAt)
		}
	}
	again, err := e.cancels(s.Message.ID, e.at(time.Minute))
	e.ok(err)
	equal(e.T, "cancelled again", again, r)
	e.stands(other, outbox.StateReady, outbox.StateSending)

	e.ends(retryOf(attempts[1], e.at(time.Second), e.at(time.Minute))) // what was handed out goes on
	if a := e.claims(10, e.at(time.Hour)).Attempts; len(a) != 1 || a[0].Delivery != s.Deliveries[0].ID {
		e.Errorf("handed out %v, want the delivery that was being sent", a)
	}
}

func cancelledIsNeverHandedOut(e *env) {
	c := e.meet("a")
	ready, scheduled, lost := e.say(c), e.sayIn(time.Minute, c), e.say(e.meet("b"))
	l := e.lease(c.Key)
	e.claimsOnly(10, e.start, lost)
	e.quiet()
	for _, s := range []outbox.Submission{ready, scheduled} {
		err := e.CancelMessage(e.ctx, s.Message.ID, e.start)
		e.ok(err)
	}
	l.Release()
	claimed := e.claims(10, e.at(2*time.Minute))
	if len(claimed.Attempts) != 0 || !claimed.NextDue.IsZero() {
		e.Errorf("handed out %v, next due %v", claimed.Attempts, claimed.NextDue)
	}
	e.stands(ready, outbox.StateReady, outbox.StateCancelled)
	e.stands(scheduled, outbox.StateScheduled, outbox.StateCancelled)

	late := e.at(headsup.LeaseTime + time.Second)
	_, err := e.ReclaimExpired(e.ctx, late)
	e.ok(err)
	err = e.CancelMessage(e.ctx, lost.Message.ID, late)
	e.ok(err)
	e.claimsOnly(10, late)
	e.stands(lost, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateUnknown) // it may have arrived
}

func cancelledHeadFreesLane(e *env) {
	c := e.meet("a")
	head, second, third := e.say(c), e.say(c), e.say(c)
	e.ends(retryOf(e.claimsOnly(10, e.start, head)[0], e.start, e.at(time.Hour)))
	e.claimsOnly(10, e.start)
	err := e.CancelMessage(e.ctx, second.Message.ID, e.start)
	e.ok(err)
	e.claimsOnly(10, e.start)
	e.quiet()
	err = e.CancelMessage(e.ctx, head.Message.ID, e.start)
	e.ok(err)
	e.woken()
	e.claimsOnly(10, e.start, third)
}

func cancelRacesWithClaim(e *env) {
	const n = 40
	said := make([]outbox.Submission, n)
	for i := range said {
		said[i] = e.say(e.meet(string(rune('a' + i))))
	}
	records := make([]outbox.Record, n)
	var mu sync.Mutex
	handedOut := make(map[outbox.MessageID]bool)
	together(2, func(i int) {
		if i == 0 {
			for i := n - 1; i >= 0; i-- { // from the other end, so that they meet
				r, err := e.cancels(said[i].Message.ID, e.start)
				if err != nil {
					e.Error(err)
				}
				records[i] = r
			}
			return
		}
		for range n {
			c, err := e.Claim(e.ctx, 1, e.start)
			if err != nil {
				e.Error(err)
			}
			for _, a := range c.Attempts {
				mu.Lock()
				handedOut[a.Message] = true
				mu.Unlock()
			}
		}
	})
	for i, s := range said {
		told := records[i].Deliveries[0].State
		want := outbox.StateCancelled
		if handedOut[s.Message.ID] {
			want = outbox.StateSending
		}
		if told != want {
			e.Errorf("message %d: cancelling was told %s; handed out: %v", i, told, handedOut[s.Message.ID])
		}
		e.stands(s, outbox.StateReady, want)
	}
}
