package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) digest(t *testing.T) {
	s.promise(t, "BehindIsTheRestOfTheLane", behind)
	s.promise(t, "JoinedComesWithLaterAttempts", joinedComesAlong)
	s.promise(t, "JoinLeavesOutWhatDoesNotWait", joinLeavesOut)
	s.promise(t, "JoinOfALostAttemptIsRefused", lostJoin)
	s.promise(t, "JoinAnewForgetsThoseBefore", joinsAnew)
	s.promise(t, "ReplayedIsNotJoined", replayedIsNotJoined)
	if s.Durable {
		s.promise(t, "JoinedOutlivesACrash", func(e *env) {
			m := e.bundle("a", 3)
			a := e.claimsOnly(1, e.start, m[0])[0]
			e.joins(a, m[1:]...)
			e.Store = s.Reopen(e.T, e.Store)
			again := e.claimsOnly(1, e.start, m[0])[0]
			if len(again.Sends) != 1 || again.Sends[0].With != a.Delivery || !again.MayHaveArrived {
				e.Errorf("the lead comes again with %+v", again.Sends)
			}
			e.parts(a, m...)
		})
	}
}

// bundle accepts messages of one topic to one conversation, which are held until nothing goes on.
func (e *env) bundle(conversation string, n int) []outbox.Submission {
	e.Helper()
	return e.bundleIn(e.meet(conversation), n)
}

func (e *env) bundleIn(c book.Conversation, n int) (all []outbox.Submission) {
	e.Helper()
	for range n {
		s := politely(headsup.Policy{Name: headsup.PolicyWait, Release: headsup.ReleaseDigest}, e.message(c))
		s.Message.Topic = "news"
		all = append(all, e.accept(s))
	}
	return all
}

func (e *env) joins(lead outbox.Attempt, others ...outbox.Submission) {
	e.Helper()
	j := outbox.Joining{Lead: lead.Delivery, Fence: lead.Fence, At: e.start}
	for _, s := range others {
		j.Others = append(j.Others, s.Deliveries[0].ID)
	}
	e.ok(e.Join(e.ctx, j))
}

// parts checks what a lead says, and returns it.
func (e *env) parts(lead outbox.Attempt, want ...outbox.Submission) []outbox.Part {
	e.Helper()
	found, err := e.Joined(e.ctx, lead.Delivery)
	e.ok(err)
	e.are("joined", found, want)
	return found
}

func (e *env) are(what string, found []outbox.Part, want []outbox.Submission) {
	e.Helper()
	if len(found) != len(want) {
		e.Fatalf("%s are %d, want %d", what, len(found), len(want))
	}
	for i, p := range found {
		if p.Delivery != want[i].Deliveries[0].ID {
			e.Errorf("%s: %d is %d, want %d", what, i, p.Delivery, want[i].Deliveries[0].ID)
		}
		equal(e.T, what, p.Message, e.record(want[i]).Message)
	}
}

func behind(e *env) {
	c := e.meet("a")
	m := e.bundleIn(c, 4)
	e.accept(inLane(outbox.LaneUrgent, due(e.message(c), e.at(time.Hour))))
	e.accept(inLane(outbox.LaneBulk, e.message(c)))
	e.sayIn(time.Hour, c)
	e.say(e.meet("b"))
	a := e.claimsOnly(1, e.start, m[0])[0]
	for n, want := range map[int][]outbox.Submission{2: m[1:3], 10: m[1:]} {
		found, err := e.Behind(e.ctx, a.Delivery, n)
		e.ok(err)
		e.are("behind it", found, want)
		if found[0].State != outbox.StateReady {
			e.Errorf("it is %s", found[0].State)
		}
	}
	_, err := e.cancels(m[1].Message.ID, e.start)
	e.ok(err)
	found, err := e.Behind(e.ctx, a.Delivery, 1)
	e.ok(err)
	e.are("behind it", found, m[2:3])
	e.ends(outcomeOf(a, e.start))
	found, err = e.Behind(e.ctx, a.Delivery, 10)
	e.ok(err)
	e.are("behind what is over", found, nil)
}

func joinedComesAlong(e *env) {
	m := e.bundle("a", 4)
	a := e.claimsOnly(1, e.start, m[0])[0]
	e.joins(a, m[2], m[1])
	found := e.parts(a, m[0], m[2], m[1])
	if found[0].State != outbox.StateSending || found[1].State != outbox.StateReady {
		e.Errorf("they are %s and %s", found[0].State, found[1].State)
	}
	if left, err := e.Behind(e.ctx, a.Delivery, 10); err != nil || len(left) != 0 {
		e.Errorf("behind it are %d, %v, though the first was joined", len(left), err)
	}
	e.ends(retryOf(a, e.start, time.Time{}))
	if a = e.claimsOnly(1, e.start, m[0])[0]; len(a.Sends) != 1 || a.Sends[0].With != a.Delivery {
		e.Errorf("the lead comes again with %+v", a.Sends)
	}
	e.ends(outcomeOf(a, e.start))
	b := e.claimsOnly(1, e.start, m[1])[0]
	if len(b.Sends) != 1 || b.Sends[0].With != a.Delivery || b.Sends[0].Taken || !b.MayHaveArrived {
		e.Errorf("joined with %+v", b)
	}
	e.ends(outcomeOf(b, e.start))
	_, err := e.cancels(m[2].Message.ID, e.start)
	e.ok(err)
	if d := e.delivery(m[2]); d.State != outbox.StateUnknown || d.Reason != outbox.ReasonCancelled {
		e.Errorf("what was joined is %s for %q after it was cancelled", d.State, d.Reason)
	}
	if last := e.claimsOnly(1, e.start, m[3])[0]; len(last.Sends) != 0 || last.MayHaveArrived {
		e.Errorf("what was not joined comes with %+v", last.Sends)
	}
	found = e.parts(a, m[0], m[2], m[1])
	if found[0].Activity != "sent" || found[1].State != outbox.StateUnknown || found[2].State != outbox.StateDelivered {
		e.Errorf("in the end they are %+v", found)
	}
}

func joinLeavesOut(e *env) {
	c := e.meet("a")
	m := e.bundleIn(c, 3)
	other := e.say(e.meet("b"))
	later := e.sayIn(time.Hour, c)
	a := e.claimsOnly(1, e.start, m[0])[0]
	_, err := e.cancels(m[1].Message.ID, e.start)
	e.ok(err)
	e.joins(a, m[0], m[1], other, later, m[2])
	e.parts(a, m[0], m[2])
	e.stands(m[1], outbox.StateReady, outbox.StateCancelled)
	if e.delivery(other).MayHaveArrived || !e.delivery(m[2]).MayHaveArrived {
		e.Error("what may have arrived is not what was joined")
	}
}

func lostJoin(e *env) {
	m := e.bundle("a", 2)
	a := e.claimsOnly(1, e.start, m[0])[0]
	j := outbox.Joining{Lead: a.Delivery, Fence: a.Fence + 1, Others: []outbox.DeliveryID{m[1].Deliveries[0].ID}, At: e.start}
	e.is(e.Join(e.ctx, j), headsup.ErrLeaseLost)
	e.ends(outcomeOf(a, e.start))
	j.Fence = a.Fence
	e.is(e.Join(e.ctx, j), headsup.ErrLeaseLost)
	e.parts(a)
	if e.delivery(m[1]).MayHaveArrived {
		e.Error("what was not joined may have arrived")
	}
}

func joinsAnew(e *env) {
	m := e.bundle("a", 3)
	a := e.claimsOnly(1, e.start, m[0])[0]
	e.joins(a, m[1], m[2])
	e.ok(e.RescheduleMessage(e.ctx, m[1].Message.ID, e.at(time.Hour), e.start))
	e.joins(a, m[1], m[2])
	e.parts(a, m[0], m[2])
	e.ends(outcomeOf(a, e.start))
	if late := e.claimsOnly(2, e.at(time.Hour), m[2])[0]; len(late.Sends) != 1 {
		e.Errorf("what is joined still comes with %+v", late.Sends)
	} else {
		e.ends(outcomeOf(late, e.start))
	}
	if left := e.claimsOnly(1, e.at(time.Hour), m[1])[0]; len(left.Sends) != 0 || !left.MayHaveArrived {
		e.Errorf("what is joined no longer comes with %+v", left.Sends)
	}
}

func replayedIsNotJoined(e *env) {
	m := e.bundle("a", 2)
	a := e.claimsOnly(1, e.start, m[0])[0]
	e.joins(a, m[1])
	e.ends(outcomeOf(a, e.start))
	_, err := e.cancels(m[1].Message.ID, e.start)
	e.ok(err)
	_, err = e.ReplayDelivery(e.ctx, m[1].Deliveries[0].ID, outbox.Replay{At: e.start})
	e.ok(err)
	if b := e.claimsOnly(1, e.start, m[1])[0]; len(b.Sends) != 0 {
		e.Errorf("replayed, it comes with %+v", b.Sends)
	}
	e.parts(a, m[0])
}
