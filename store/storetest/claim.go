package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) claim(t *testing.T) {
	s.promise(t, "AttemptTellsAll", attemptTellsAll)
	s.promise(t, "AttemptGoesWhereTheConversationIsNow", attemptGoesWhereItIs)
	s.promise(t, "OnlyHeadsInOrderOfReadiness", onlyHeads)
	s.promise(t, "OrderIsThatOfAcceptanceNotOfIDs", orderOfAcceptance)
	s.promise(t, "PressingLanesFirst", pressingLanesFirst)
	s.promise(t, "RetryingHeadBlocksItsLaneOnly", retryingHeadBlocks)
	s.promise(t, "ScheduledBlocksNobody", scheduledBlocksNobody)
	s.promise(t, "ReadyInOrderOfDueTime", readyInOrderOfDueTime)
	s.promise(t, "ScheduledTakesItsPlaceWhenItBecomesReady", scheduledTakesItsPlace)
	s.promise(t, "UnknownBlocksNobody", unknownBlocksNobody)
	s.promise(t, "NoMoreThanAskedFor", noMoreThanAskedFor)
	s.promise(t, "BusyConversationWaitsAndWakesWhenFree", busyConversationWaits)
	s.promise(t, "TurnWaitsForTheOutcome", turnWaitsForOutcome)
	s.expiring(t, "LeaseThatRanOutIsTakenOver", claimTakesOver)
	s.promise(t, "NextDueIsTheEarliest", nextDue)
	s.promise(t, "ExpiredIsNotHandedOut", expiredIsNotHandedOut)
	s.promise(t, "ManyWorkersDeliverEachOnceInOrder", manyWorkers)
}

func attemptTellsAll(e *env) {
	c := e.meet("a")
	s := e.message(c)
	m := &s.Message
	m.OnUnknown, m.Window, m.Lane = headsup.OnUnknownHold, headsup.WindowNew, outbox.LaneBulk
	m.ExpiresAt, m.CreatedAt = e.at(time.Hour), e.at(-time.Second)
	e.accept(s)
	a := e.claimsOnly(10, e.at(time.Second), s)[0]
	e.isAttempt(a, s, c, 1, 0, e.at(time.Second))
	d := e.stands(s, outbox.StateReady, outbox.StateSending)
	equal(e.T, "change", d.History[1], outbox.Change{At: e.at(time.Second), State: outbox.StateSending, Attempt: 1})
	if d.Claims != 1 || !d.UpdatedAt.Equal(e.at(time.Second)) || !d.DueAt.IsZero() {
		e.Errorf("claims %d, updated at %v, due at %v", d.Claims, d.UpdatedAt, d.DueAt)
	}
}

// attemptGoesWhereItIs: a message that waits follows its conversation when the channel moves.
func attemptGoesWhereItIs(e *env) {
	s := e.say(e.meet("a"))
	moved := sightingOf(keyOf("a"), e.at(time.Minute))
	moved.Reference.ServiceURL = "https://moved.example/"
	c := e.sight(moved)
	e.isAttempt(e.claimsOnly(1, e.at(time.Hour), s)[0], s, c, 1, 0, e.at(time.Hour))
}

func onlyHeads(e *env) {
	a, b := e.meet("a"), e.meet("b")
	a1, b1, a2, b2, a3 := e.say(a), e.say(b), e.say(a), e.say(b), e.say(a)
	first := e.claimsOnly(10, e.start, a1, b1)
	e.claimsOnly(10, e.start)
	e.ends(outcomeOf(first[1], e.start))
	second := e.claimsOnly(10, e.start, b2)
	e.ends(outcomeOf(first[0], e.start))
	third := e.claimsOnly(10, e.start, a2)
	e.ends(outcomeOf(second[0], e.start))
	e.ends(outcomeOf(third[0], e.start))
	e.claimsOnly(10, e.start, a3)
}

func orderOfAcceptance(e *env) {
	c := e.meet("a")
	first, second := e.message(c), e.message(c)
	first.Message.ID, second.Message.ID = second.Message.ID, first.Message.ID
	first.Deliveries, second.Deliveries = second.Deliveries, first.Deliveries
	second.At = e.at(-time.Second) // another node, another clock
	e.accept(first)
	e.accept(second)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, first)[0], e.start))
	e.claimsOnly(10, e.start, second)
}

func pressingLanesFirst(e *env) {
	var cs []book.Conversation
	for i := range 6 {
		cs = append(cs, e.meet(fmt.Sprint(i)))
	}
	bulk := e.accept(inLane(outbox.LaneBulk, e.message(cs[0])))
	normal := e.accept(inLane(outbox.LaneNormal, e.message(cs[1])))
	urgent := e.accept(inLane(outbox.LaneUrgent, e.message(cs[2])))
	normal2 := e.accept(inLane(outbox.LaneNormal, e.message(cs[3])))
	urgent2 := e.accept(inLane(outbox.LaneUrgent, e.message(cs[4])))
	own := e.accept(inLane(outbox.LaneNormal, e.message(cs[5])))
	ownUrgent := e.accept(inLane(outbox.LaneUrgent, e.message(cs[5])))

	e.claimsOnly(2, e.start, urgent, urgent2)
	later := e.claimsOnly(3, e.start, ownUrgent, normal, normal2)
	e.claimsOnly(10, e.start, bulk)
	e.claimsOnly(10, e.start)
	e.ends(outcomeOf(later[0], e.start))
	e.claimsOnly(10, e.start, own)
}

func retryingHeadBlocks(e *env) {
	a, b := e.meet("a"), e.meet("b")
	head, next := e.say(a), e.say(a)
	e.ends(retryOf(e.claimsOnly(1, e.start, head)[0], e.start, e.at(time.Minute)))
	e.claimsOnly(10, e.at(time.Second))

	urgent := e.accept(inLane(outbox.LaneUrgent, e.message(a)))
	bulk := e.accept(inLane(outbox.LaneBulk, e.message(a)))
	other := e.say(b)
	free := e.claimsOnly(10, e.at(time.Second), urgent, other)
	e.ends(outcomeOf(free[0], e.at(time.Second)))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(2*time.Second), bulk)[0], e.at(2*time.Second)))

	e.claimsOnly(10, e.at(59*time.Second))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), head)[0], e.at(time.Minute)))
	e.claimsOnly(10, e.at(time.Minute), next)
}

func scheduledBlocksNobody(e *env) {
	c := e.meet("a")
	scheduled := e.sayIn(time.Minute, c)
	now := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, now)[0], e.start))
	e.claimsOnly(10, e.at(59*time.Second))
	e.stands(scheduled, outbox.StateScheduled)
	e.claimsOnly(10, e.at(time.Minute), scheduled)
	e.stands(scheduled, outbox.StateScheduled, outbox.StateReady, outbox.StateSending)

	past := e.message(e.meet("b"))
	past.Deliveries[0].DueAt = e.at(-time.Minute)
	e.accept(past)
	e.stands(past, outbox.StateReady)
}

func readyInOrderOfDueTime(e *env) {
	a, b := e.meet("a"), e.meet("b")
	third := e.sayIn(30*time.Second, a)
	first := e.sayIn(10*time.Second, a)
	otherSecond := e.sayIn(20*time.Second, b)
	second := e.sayIn(20*time.Second, a)
	fourth := e.sayIn(30*time.Second, a) // due with the third and accepted later
	now := e.say(a)

	attempts := e.claimsOnly(10, e.at(time.Minute), now, otherSecond)
	for _, want := range []outbox.Submission{first, second, third, fourth} {
		e.ends(outcomeOf(attempts[0], e.at(time.Minute)))
		attempts = e.claimsOnly(10, e.at(time.Minute), want)
	}
}

// scheduledTakesItsPlace: behind those that were ready when it became so, before those that come after, and never in
// front of a head that is being tried.
func scheduledTakesItsPlace(e *env) {
	c := e.meet("a")
	scheduled := e.sayIn(time.Minute, c)
	head := e.say(c)
	e.ends(retryOf(e.claimsOnly(10, e.start, head)[0], e.start, e.at(2*time.Minute)))
	waiting := e.say(c)
	e.claimsOnly(10, e.at(time.Minute)) // it becomes ready here
	last := e.say(c)
	attempts := e.claimsOnly(10, e.at(2*time.Minute), head)
	for _, want := range []outbox.Submission{waiting, scheduled, last} {
		e.ends(outcomeOf(attempts[0], e.at(2*time.Minute)))
		attempts = e.claimsOnly(10, e.at(2*time.Minute), want)
	}
}

func unknownBlocksNobody(e *env) {
	c := e.meet("a")
	first, second := e.say(c), e.say(c)
	o := outcomeOf(e.claimsOnly(10, e.start, first)[0], e.start)
	o.State, o.Activity = outbox.StateUnknown, ""
	e.ends(o)
	e.claimsOnly(10, e.start, second)
	e.stands(first, outbox.StateReady, outbox.StateSending, outbox.StateUnknown)
}

func noMoreThanAskedFor(e *env) {
	const n = 7
	var said []outbox.Submission
	for i := range n {
		said = append(said, e.say(e.meet(fmt.Sprint(i))))
	}
	e.claimsOnly(1, e.start, said[0])
	e.claimsOnly(3, e.start, said[1:4]...)
	e.claimsOnly(0, e.start)
	e.claimsOnly(10, e.start, said[4:]...)
}

func busyConversationWaits(e *env) {
	a, b := e.meet("a"), e.meet("b")
	l := e.lease(a.Key)
	s, other := e.say(a), e.say(b)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, other)[0], e.start))
	e.stands(s, outbox.StateReady)
	e.quiet()
	l.Release()
	e.woken()
	attempt := e.claimsOnly(10, e.start, s)[0]

	next := e.say(a)
	e.claimsOnly(10, e.start)
	e.quiet()
	e.ends(outcomeOf(attempt, e.start))
	e.woken()
	e.claimsOnly(10, e.start, next)
}

func turnWaitsForOutcome(e *env) {
	c := e.meet("a")
	e.say(c)
	a := e.claims(1, e.start).Attempts[0]
	if !e.busy(c.Key) {
		e.Error("the conversation is free although a delivery is on its way")
	}
	var over atomic.Bool
	turn := make(chan error, 1)
	go func() {
		l, err := e.Lease(e.ctx, c.Key)
		if err == nil {
			if !over.Load() {
				e.Error("the turn did not wait for the outcome")
			}
			if l.Fence() <= a.Fence {
				e.Errorf("the turn's fence %d follows the attempt's %d", l.Fence(), a.Fence)
			}
			l.Release()
		}
		turn <- err
	}()
	over.Store(true)
	e.ends(outcomeOf(a, e.start))
	e.ok(<-turn)
}

// claimTakesOver: a turn that hangs holds up deliveries only for as long as its lease.
func claimTakesOver(e *env) {
	c := e.meet("a")
	hung := e.lease(c.Key)
	s := e.say(c)
	poll := time.NewTicker(shortLease / 10)
	defer poll.Stop()
	for {
		attempts := e.claims(1, e.start).Attempts
		if len(attempts) == 1 {
			break
		}
		select {
		case <-poll.C:
		case <-e.ctx.Done():
			e.Fatal("the delivery waits although the turn's lease has run out")
		}
	}
	e.stands(s, outbox.StateReady, outbox.StateSending)
	e.is(e.Commit(e.ctx, hung, []headsup.Op{answered("1", e.start)}), headsup.ErrLeaseLost)
}

func nextDue(e *env) {
	a, b := e.meet("a"), e.meet("b")
	nextIs := func(now, want time.Time, said ...outbox.Submission) []outbox.Attempt {
		e.Helper()
		c := e.claims(10, now)
		if !c.NextDue.Equal(want) {
			e.Errorf("the next is due at %v, want %v", c.NextDue, want)
		}
		if len(c.Attempts) != len(said) {
			e.Fatalf("%d are handed out, want %d", len(c.Attempts), len(said))
		}
		return c.Attempts
	}
	nextIs(e.start, time.Time{})
	now := e.say(a)
	late := e.sayIn(time.Hour, b)
	soon := e.sayIn(time.Minute, b)
	attempts := nextIs(e.start, e.at(time.Minute), now)
	e.ends(retryOf(attempts[0], e.start, e.at(30*time.Second)))
	nextIs(e.at(time.Second), e.at(30*time.Second))
	attempts = nextIs(e.at(30*time.Second), e.at(time.Minute), now)
	e.ends(outcomeOf(attempts[0], e.at(30*time.Second)))
	nextIs(e.at(59*time.Second), e.at(time.Minute))
	err := e.CancelMessage(e.ctx, soon.Message.ID, e.at(59*time.Second))
	e.ok(err)
	nextIs(e.at(59*time.Second), e.at(time.Hour))
	nextIs(e.at(time.Hour), time.Time{}, late)
	nextIs(e.at(time.Hour), time.Time{})
}

func expiredIsNotHandedOut(e *env) {
	c := e.meet("a")
	brief := func(s outbox.Submission) outbox.Submission {
		s.Message.ExpiresAt = e.at(time.Minute)
		return e.accept(s)
	}
	first, second, lasting := brief(e.message(c)), brief(e.message(c)), e.say(c)
	scheduled := brief(due(e.message(c), e.at(2*time.Minute)))
	retried := e.claimsOnly(10, e.at(59*time.Second), first)[0]
	e.ends(retryOf(retried, e.at(59*time.Second), e.at(time.Hour)))

	attempt := e.claimsOnly(10, e.at(time.Hour), lasting)[0]
	e.ends(outcomeOf(attempt, e.at(time.Hour)))
	e.claimsOnly(10, e.at(time.Hour))
	d := e.stands(first, outbox.StateReady, outbox.StateSending, outbox.StateReady, outbox.StateExpired)
	if last := d.History[3]; !last.At.Equal(e.at(time.Hour)) || !d.UpdatedAt.Equal(last.At) || !d.DueAt.IsZero() {
		e.Errorf("expired at %v, updated at %v, due at %v", last.At, d.UpdatedAt, d.DueAt)
	}
	e.stands(second, outbox.StateReady, outbox.StateExpired)
	e.counts(map[outbox.State]int64{outbox.StateExpired: 3, outbox.StateDelivered: 1})
	if s := e.delivery(scheduled).State; s != outbox.StateExpired {
		e.Errorf("what was scheduled for later than its expiry is %s", s)
	}

	// An attempt that was handed out in time is not taken away.
	intime := brief(e.message(e.meet("b")))
	a := e.claimsOnly(10, e.at(59*time.Second), intime)[0]
	e.claimsOnly(10, e.at(time.Hour))
	e.ends(outcomeOf(a, e.at(time.Hour)))
	e.stands(intime, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
}

func manyWorkers(e *env) {
	const conversations, each, workers = 8, 12, 6
	var said [conversations][]outbox.MessageID
	place := make(map[outbox.MessageID]int)
	for i := range conversations {
		c := e.meet(fmt.Sprint(i))
		for range each {
			s := e.say(c)
			said[i] = append(said[i], s.Message.ID)
			place[s.Message.ID] = i
		}
	}
	var (
		mu     sync.Mutex
		sent   [conversations][]outbox.MessageID
		inside [conversations]bool
		left   = conversations * each
	)
	begin := func(a outbox.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		i := place[a.Message]
		if inside[i] {
			e.Errorf("two attempts in conversation %d", i)
		}
		inside[i] = true
		sent[i] = append(sent[i], a.Message)
		left--
	}
	done := func(a outbox.Attempt) {
		mu.Lock()
		inside[place[a.Message]] = false
		mu.Unlock()
		o := outcomeOf(a, e.start)
		o.Activity = activity.ID(fmt.Sprint(a.Message))
		if err := e.RecordOutcome(e.ctx, o); err != nil {
			e.Error(err)
		}
	}
	together(workers, func(int) {
		for e.ctx.Err() == nil && !e.Failed() {
			c, err := e.Claim(e.ctx, 2, e.start)
			if err != nil {
				e.Error(err)
			}
			for _, a := range c.Attempts {
				begin(a)
			}
			for _, a := range c.Attempts {
				done(a)
			}
			mu.Lock()
			finished := left == 0
			mu.Unlock()
			if finished {
				return
			}
		}
	})
	for i := range said {
		if !slices.Equal(sent[i], said[i]) {
			e.Errorf("conversation %d was sent %v, want %v", i, sent[i], said[i])
		}
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: conversations * each})
}
