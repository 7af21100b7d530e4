package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// aside checks deliveries that their senders have put aside.
func (s suite) aside(t *testing.T) {
	s.promise(t, "PutAsideUntilItsTime", asideUntil)
	s.promise(t, "PutAsideHoldsUpNobody", asideHoldsUpNobody)
	s.promise(t, "PutAsideIsNotJudged", asideIsNotJudged)
	s.promise(t, "ResumedAtOnce", asideResumed)
	s.promise(t, "ReleasedInTheirOrder", asideInOrder)
	s.promise(t, "HeldForItsPolicyAfterwards", asideThenHeld)
	s.promise(t, "PutAsideExpires", asideExpires)
	s.promise(t, "PutAsideIsChangedLikeWhatWaits", asideIsChanged)
	s.promise(t, "RecalledMeanwhileIsNotPutAside", asideRecalled)
	s.promise(t, "PutAsideMayHaveArrived", asideInDoubt)
	s.promise(t, "RevisionIsPutAside", asideRevision)
	s.promise(t, "NoOutcomeWithoutTimeOrReason", asideRefused)
	s.promise(t, "TopicGoesWithTheAttempt", topicOfAttempt)
	if s.Durable {
		t.Run("PutAsideOutlivesTheProcess", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			c := e.meet("a")
			m := e.say(c)
			e.ends(asideOf(e.claimsOnly(1, e.start, m)[0], e.start, e.at(time.Hour)))
			e.Store = s.Reopen(t, e.Store)
			if claimed := e.claims(1, e.at(time.Minute)); len(claimed.Attempts) != 0 || !claimed.NextDue.Equal(e.at(time.Hour)) {
				e.Fatalf("%d handed out, next due %v", len(claimed.Attempts), claimed.NextDue)
			}
			e.ends(outcomeOf(e.claimsOnly(1, e.at(time.Hour), m)[0], e.at(time.Hour)))
		})
	}
	if s.Node != nil {
		t.Run("PutAsideOnOneNodeIsResumedOnAnother", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			other := newEnv(t, s.Node(t, e.Store))
			c := e.meet("a")
			m := e.say(c)
			e.ends(asideOf(e.claimsOnly(1, e.start, m)[0], e.start, e.at(time.Hour)))
			e.quiet()
			other.resumes(1, e.start, c)
			e.woken()
			e.claimsOnly(1, e.start, m)
		})
	}
}

// asideOf puts an attempt aside.
func asideOf(a outbox.Attempt, at, until time.Time) outbox.Outcome {
	return outbox.Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateHeld, RetryAt: until, Reason: "quiet_hours", Detail: "until eight", At: at,
	}
}

// resumes has what was put aside looked at again.
func (e *env) resumes(want int, at time.Time, in ...book.Conversation) {
	e.Helper()
	rows := make([]book.Row, len(in))
	for i, c := range in {
		rows[i] = c.Row
	}
	n, err := e.Resume(e.ctx, rows, at)
	e.ok(err)
	if n != want {
		e.Fatalf("%d were resumed, want %d", n, want)
	}
}

func asideUntil(e *env) {
	c := e.meet("a")
	s := e.say(c)
	a := e.claimsOnly(1, e.start, s)[0]
	e.quiet()
	e.ends(asideOf(a, e.at(time.Second), e.at(time.Hour)))
	e.woken()
	e.lease(c.Key).Release() // nobody has the conversation
	e.is(e.RecordOutcome(e.ctx, outcomeOf(a, e.at(time.Second))), headsup.ErrLeaseLost)
	e.counts(map[outbox.State]int64{outbox.StateHeld: 1})
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld)
	equal(e.T, "change", d.History[2], outbox.Change{
		At: e.at(time.Second), State: outbox.StateHeld, Attempt: 1, Reason: "quiet_hours", Detail: "until eight", RetryAt: e.at(time.Hour),
	})
	if d.Reason != "quiet_hours" || !d.DueAt.Equal(e.at(time.Hour)) || d.Failures != 0 {
		e.Errorf("held for %q until %v, with %d failures", d.Reason, d.DueAt, d.Failures)
	}
	if claimed := e.claims(1, e.at(time.Minute)); len(claimed.Attempts) != 0 || !claimed.NextDue.Equal(e.at(time.Hour)) {
		e.Fatalf("%d handed out, next due %v", len(claimed.Attempts), claimed.NextDue)
	}
	again := e.claimsOnly(1, e.at(time.Hour), s)[0]
	if again.Claims != 2 || again.Failures != 0 || again.Fence <= a.Fence {
		e.Errorf("claim %d with %d failures, fence %d", again.Claims, again.Failures, again.Fence)
	}
	e.ends(outcomeOf(again, e.at(time.Hour)))
	d = e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateReady, outbox.StateSending, outbox.StateDelivered)
	equal(e.T, "release", d.History[3], outbox.Change{At: e.at(time.Hour), State: outbox.StateReady, Attempt: 1, Reason: outbox.ReasonResumed})
}

func asideHoldsUpNobody(e *env) {
	c := e.meet("a")
	first, second, third := e.say(c), e.say(c), e.say(c)
	e.ends(asideOf(e.claimsOnly(10, e.start, first)[0], e.start, e.at(time.Hour)))
	e.ends(outcomeOf(e.claimsOnly(10, e.start, second)[0], e.start))
	e.ends(asideOf(e.claimsOnly(10, e.start, third)[0], e.start, e.at(time.Minute)))
	fourth := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(10, e.start, fourth)[0], e.start))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), third)[0], e.at(time.Minute)))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Hour), first)[0], e.at(time.Hour)))
}

func asideIsNotJudged(e *env) {
	c := e.meet("a")
	s := e.wait(c)
	e.ends(asideOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Hour)))
	e.mark(c, headsup.Busy{})
	e.free(c, "")
	e.claimsOnly(1, e.at(time.Minute))
	e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld)
}

func asideResumed(e *env) {
	a, b, other := e.meet("a"), e.meet("b"), e.meet("other")
	inA, inB, there := e.say(a), e.say(b), e.say(other)
	for _, at := range e.claimsOnly(10, e.start, inA, inB, there) {
		e.ends(asideOf(at, e.start, e.at(time.Hour)))
	}
	e.mark(a, headsup.Busy{})
	held := e.wait(a)
	e.claimsOnly(10, e.start)
	e.quiet()
	e.resumes(2, e.at(time.Second), a, b)
	e.woken()
	e.stands(held, outbox.StateReady, outbox.StateHeld) // something goes on still
	e.resumes(0, e.at(time.Second), a, b)
	claimed := e.claims(10, e.at(time.Second))
	if len(claimed.Attempts) != 2 {
		e.Fatalf("%d are handed out, want 2", len(claimed.Attempts))
	}
	d := e.stands(inA, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateReady, outbox.StateSending)
	equal(e.T, "release", d.History[3], outbox.Change{At: e.at(time.Second), State: outbox.StateReady, Attempt: 1, Reason: outbox.ReasonResumed})
}

func asideInOrder(e *env) {
	c := e.meet("a")
	var all []outbox.Submission
	for range 4 {
		all = append(all, e.say(c))
	}
	for i := range all { // the first for longest, and all until the same time
		e.ends(asideOf(e.claimsOnly(10, e.at(time.Duration(i)*time.Second), all[i])[0], e.at(time.Duration(i)*time.Second), e.at(time.Hour)))
	}
	e.counts(map[outbox.State]int64{outbox.StateHeld: 4})
	for _, s := range all {
		e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Hour), s)[0], e.at(time.Hour)))
	}
}

func asideThenHeld(e *env) {
	c := e.meet("a")
	s := e.accept(politely(headsup.Policy{Name: headsup.PolicyWait, MaxWait: 3 * time.Hour}, e.message(c)))
	e.ends(asideOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Hour)))
	e.mark(c, headsup.Busy{})
	e.claimsOnly(1, e.at(time.Hour))
	d := e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateReady, outbox.StateHeld)
	if d.Reason != outbox.ReasonBusy {
		e.Errorf("held for %q", d.Reason)
	}
	e.freeAt(c, "", e.at(2*time.Hour))
	e.claimsOnly(1, e.at(2*time.Hour), s)
}

func asideExpires(e *env) {
	c := e.meet("a")
	s := e.message(c)
	s.Message.ExpiresAt = e.at(time.Minute)
	e.accept(s)
	e.ends(asideOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Minute)))
	e.claimsOnly(1, e.at(time.Minute))
	e.counts(map[outbox.State]int64{outbox.StateExpired: 1})
}

func asideIsChanged(e *env) {
	c := e.meet("a")
	put := func() outbox.Submission {
		e.Helper()
		s := e.say(c)
		e.ends(asideOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Hour)))
		return s
	}
	s := put()
	_, err := e.cancels(s.Message.ID, e.at(time.Second))
	e.ok(err)
	e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateCancelled)
	s = put()
	e.ok(e.RescheduleMessage(e.ctx, s.Message.ID, e.at(time.Minute), e.at(time.Second)))
	e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateScheduled)
	e.resumes(0, e.at(time.Second), c)
	e.ends(outcomeOf(e.claimsOnly(1, e.at(time.Minute), s)[0], e.at(time.Minute)))
	s = put()
	e.ok(e.Forget(e.ctx, c.Key, e.at(time.Second)))
	e.stands(s, outbox.StateReady, outbox.StateSending, outbox.StateHeld, outbox.StateCancelled)
	e.resumes(0, e.at(time.Second), c)
}

func asideRecalled(e *env) {
	s := e.say(e.meet("a"))
	a := e.claimsOnly(1, e.start, s)[0]
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, At: e.start, NextID: e.nextDelivery}))
	e.ends(asideOf(a, e.start, e.at(time.Hour)))
	r, err := e.DeliveryRecord(e.ctx, a.Delivery)
	e.ok(err)
	if r.State != outbox.StateCancelled || r.Reason != outbox.ReasonRecalled {
		e.Errorf("it is %s (%s)", r.State, r.Reason)
	}
}

func asideInDoubt(e *env) {
	c := e.meet("a")
	s := e.say(c)
	lost := retryOf(e.claimsOnly(1, e.start, s)[0], e.start, e.start)
	lost.MayHaveArrived = true
	e.ends(lost)
	e.ends(asideOf(e.claimsOnly(1, e.start, s)[0], e.start, e.at(time.Hour)))
	if d := e.delivery(s); !d.MayHaveArrived || d.State != outbox.StateHeld || d.Failures != 1 {
		e.Errorf("it is %s with %d failures, may have arrived: %v", d.State, d.Failures, d.MayHaveArrived)
	}
	a := e.claimsOnly(1, e.at(time.Hour), s)[0]
	e.ends(outbox.Outcome{Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateSuppressed, Reason: "opted_out", At: e.at(time.Hour)})
	if d := e.delivery(s); d.State != outbox.StateUnknown || d.Reason != "opted_out" {
		e.Errorf("it is %s (%s)", d.State, d.Reason)
	}
}

func asideRevision(e *env) {
	c := e.meet("a")
	s := e.say(c)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, s)[0], e.start))
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, Body: []byte(`{}`), At: e.start, NextID: e.nextDelivery}))
	a := e.claimsOnly(1, e.start, s)[0]
	e.ends(asideOf(a, e.start, e.at(time.Hour)))
	e.claimsOnly(1, e.start)
	again := e.claimsOnly(1, e.at(time.Hour), s)[0]
	if again.Verb != outbox.VerbUpdate || again.Sent != "sent" {
		e.Errorf("handed out to %q %q", again.Verb, again.Sent)
	}
	e.ends(outcomeOf(again, e.at(time.Hour)))
}

func asideRefused(e *env) {
	a := e.claimsOnly(1, e.start, e.say(e.meet("a")))[0]
	for what, spoil := range map[string]func(*outbox.Outcome){
		"no time":          func(o *outbox.Outcome) { o.RetryAt = time.Time{} },
		"no reason":        func(o *outbox.Outcome) { o.Reason = "" },
		"a claim's reason": func(o *outbox.Outcome) { o.Reason = outbox.ReasonBusy },
	} {
		o := asideOf(a, e.start, e.at(time.Hour))
		spoil(&o)
		if err := e.RecordOutcome(e.ctx, o); err == nil {
			e.Errorf("%s: it was recorded", what)
		}
	}
	e.ends(asideOf(a, e.start, e.at(time.Hour)))
}

func topicOfAttempt(e *env) {
	a, b := e.meet("a"), e.meet("b")
	atOnce, later := e.message(a), e.message(b)
	atOnce.Message.Topic, later.Message.Topic = "news", "deals"
	r, err := e.SubmitMessage(e.ctx, atOnce, true)
	e.ok(err)
	if r.Attempt == nil || r.Attempt.Topic != "news" {
		e.Errorf("handed out at once: %+v", r.Attempt)
	}
	e.accept(later)
	if got := e.claimsOnly(1, e.start, later)[0]; got.Topic != "deals" {
		e.Errorf("the topic is %q", got.Topic)
	}
}
