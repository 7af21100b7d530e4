package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) observe(t *testing.T) {
	s.promise(t, "ObserverIsToldWhatHappened", observerIsTold)
	s.promise(t, "ObserverIsNotToldWhatDidNotHappen", observerIsNotTold)
	s.promise(t, "OldestDueTellsSinceWhen", oldestDue)
	s.promise(t, "TraceIsKept", traceIsKept)
}

// notes is an observer that writes down what it is told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) write(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) Accepted(l outbox.Lane, deliveries int) {
	n.write("accepted %d in lane %d", deliveries, l)
}

func (n *notes) Attempted(*outbox.Attempt, headsup.Meaning, time.Duration) {
	n.write("a store has attempted something")
}

func (n *notes) Ended(e outbox.End) {
	n.write("%s (%s) in lane %d, %v late", e.State, e.Reason, e.Lane, e.At.Sub(e.WantedAt))
}

// told checks what was written down since the last time.
func (n *notes) told(e *env, want ...string) {
	e.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.lines, want) {
		e.Errorf("the observer was told %q, want %q", n.lines, want)
	}
	n.lines = nil
}

func observerIsTold(e *env) {
	n := new(notes)
	e.Observe(n)
	a, b := e.meet("a"), e.meet("b")
	said := e.accept(inLane(outbox.LaneUrgent, e.message(a, b)))
	n.told(e, "accepted 2 in lane 0")
	attempts := e.claims(10, e.at(time.Second)).Attempts
	n.told(e)
	e.ends(retryOf(attempts[0], e.at(time.Second), e.at(time.Minute)))
	n.told(e)
	failed := outcomeOf(attempts[1], e.at(2*time.Second))
	failed.State, failed.Reason = outbox.StateFailed, "blocked"
	e.ends(failed)
	n.told(e, "failed (blocked) in lane 0, 2s late")
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Hour), said)[0], e.at(time.Hour)))
	n.told(e, "delivered () in lane 0, 1h0m0s late")

	later := e.sayIn(time.Hour, a)
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Hour+time.Second), later)[0], e.at(time.Hour+3*time.Second)))
	n.told(e, "accepted 1 in lane 1", "delivered () in lane 1, 3s late")

	brief := e.message(a)
	brief.Message.ExpiresAt = e.at(time.Minute)
	e.accept(brief)
	e.claimsOnly(10, e.at(time.Minute))
	n.told(e, "accepted 1 in lane 1", "expired () in lane 1, 1m0s late")

	err := e.CancelMessage(e.ctx, e.say(a).Message.ID, e.at(time.Second))
	e.ok(err)
	n.told(e, "accepted 1 in lane 1", "cancelled () in lane 1, 1s late")

	held := e.message(a)
	held.Message.OnUnknown = headsup.OnUnknownHold
	e.claimsOnly(10, e.start, e.accept(held))
	_, err = e.ReclaimExpired(e.ctx, e.at(headsup.LeaseTime))
	e.ok(err)
	n.told(e, "accepted 1 in lane 1", fmt.Sprintf("unknown (lease_lost) in lane 1, %v late", headsup.LeaseTime))

	r, err := e.SubmitMessage(e.ctx, e.message(b), true)
	e.ok(err)
	e.ends(outcomeOf(*r.Attempt, e.at(time.Millisecond)))
	n.told(e, "accepted 1 in lane 1", "delivered () in lane 1, 1ms late")

	l := e.lease(a.Key)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{outbox.Submit{Submissions: []outbox.Submission{e.message(a, b), e.message(b)}}}))
	l.Release()
	n.told(e, "accepted 2 in lane 1", "accepted 1 in lane 1")
}

func observerIsNotTold(e *env) {
	n := new(notes)
	e.Observe(n)
	a := e.meet("a")
	s := e.message(a)
	s.Message.Key, s.Message.Fingerprint = "k", []byte("1")
	e.accept(s)
	n.told(e, "accepted 1 in lane 1")
	again := e.message(a)
	again.Message.Key, again.Message.Fingerprint = "k", []byte("1")
	if r, err := e.SubmitMessage(e.ctx, again, false); err != nil || !r.Replayed {
		e.Errorf("receipt %v, %v", r, err)
	}
	again.Message.Fingerprint = []byte("2")
	if _, err := e.SubmitMessage(e.ctx, again, false); !errors.Is(err, outbox.ErrKeyReused) {
		e.Errorf("error %v", err)
	}
	attempt := e.claimsOnly(1, e.start, s)[0]
	wrong := outcomeOf(attempt, e.start)
	wrong.Fence++
	e.is(e.RecordOutcome(e.ctx, wrong), headsup.ErrLeaseLost)
	n.told(e)
	e.ends(outcomeOf(attempt, e.start))
	e.is(e.RecordOutcome(e.ctx, outcomeOf(attempt, e.start)), headsup.ErrLeaseLost)
	n.told(e, "delivered () in lane 1, 0s late")
	e.Observe(nil)
	e.say(a)
	n.told(e)
}

func oldestDue(e *env) {
	at := func(now time.Duration, want time.Time) {
		e.Helper()
		got, err := e.OldestDue(e.ctx, e.at(now))
		e.ok(err)
		if !got.Equal(want) {
			e.Errorf("the oldest is due since %v, want %v", got, want)
		}
	}
	a, b := e.meet("a"), e.meet("b")
	at(0, time.Time{})
	e.sayIn(time.Hour, a)
	at(0, time.Time{})
	at(2*time.Hour, e.at(time.Hour)) // though nobody has made it ready
	first := e.say(b)
	e.accept(inLane(outbox.LaneBulk, func() outbox.Submission { s := e.message(a); s.At = e.at(time.Minute); return s }()))
	at(2*time.Hour, e.start)
	attempt := e.claimsOnly(1, e.at(time.Minute), first)[0]
	at(2*time.Hour, e.at(time.Minute))
	e.ends(retryOf(attempt, e.at(time.Minute), e.at(2*time.Minute)))
	e.ends(outcomeOf(e.claims(1, e.at(time.Minute)).Attempts[0], e.at(time.Minute))) // the one in lane bulk
	at(time.Minute, time.Time{})
	at(3*time.Minute, e.at(2*time.Minute)) // since its next try could begin
	e.claimsOnly(1, e.at(3*time.Minute), first)
	at(3*time.Minute, time.Time{})
	held := e.lease(a.Key)
	e.claimsOnly(10, e.at(2*time.Hour)) // makes the scheduled one ready; its conversation is taken
	held.Release()
	at(3*time.Hour, e.at(time.Hour))
}

func traceIsKept(e *env) {
	a, b := e.meet("a"), e.meet("b")
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	with := e.message(a)
	with.Message.Trace = parent
	e.accept(with)
	if got := e.record(with).Message.Trace; got != parent {
		e.Errorf("the record has the trace %q", got)
	}
	if got := e.claimsOnly(1, e.start, with)[0].Trace; got != parent {
		e.Errorf("the attempt has the trace %q", got)
	}
	taken := e.message(b)
	taken.Message.Trace = parent
	if r, err := e.SubmitMessage(e.ctx, taken, true); err != nil || r.Attempt == nil || r.Attempt.Trace != parent {
		e.Errorf("handed out at once: %+v, %v", r.Attempt, err)
	}
	if got := e.record(e.say(b)).Message.Trace; got != "" {
		e.Errorf("a message without a trace has %q", got)
	}
}
