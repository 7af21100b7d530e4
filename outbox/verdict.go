package outbox

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
)

// Reasons of changes that the outbox itself gives.
const (
	ReasonGaveUp  = "gave_up"
	ReasonExpired = "expired"
	// ReasonNothingSent: there is nothing to revise, since the delivery that was to be revised has said nothing.
	ReasonNothingSent = "nothing_sent"
	ReasonRecalled    = "recalled"
	ReasonRescheduled = "rescheduled"
	ReasonReplayed    = "replayed"
	ReasonSettled     = "settled"
	// ReasonPartial: a handler has said something and did not come to its end; nobody knows what is left to say.
	ReasonPartial = "partial"
	// ReasonNothingSaid: a handler came to its end and has said nothing.
	ReasonNothingSaid = "nothing_said"
	// ReasonCollapsed: a later message with the same collapse key has replaced it.
	ReasonCollapsed = "collapsed"
	// ReasonRestored: the store was restored from a backup, and it may have been said since that was made.
	ReasonRestored = "restored"
)

// unreachedFor is of how many attempts that have not reached their channel one counts as failed.
const unreachedFor = 24

// maxDetail bounds what a channel's words may add to a delivery's history.
const maxDetail = 300

// outcome says what the result of an attempt means for its delivery. One of whose attempts may have arrived ends as unknown,
// whatever keeps it from being tried again.
func (w *Worker) outcome(a *Attempt, r result) Outcome {
	if recorded, ok := errors.AsType[*Recorded](r.err); ok {
		return recorded.Outcome
	}
	o, settled := w.notNow(a, r.err)
	if !settled {
		o = w.judge(a, r)
	}
	if step, ok := errors.AsType[*Step](r.err); ok {
		o = w.comesCloser(a, step)
	}
	end := Ending(Change{State: o.State, Reason: o.Reason}, a.MayHaveArrived || o.MayHaveArrived)
	o.State, o.Reason = end.State, end.Reason
	return o
}

// comesCloser is the outcome of an attempt that was a step.
func (w *Worker) comesCloser(a *Attempt, step *Step) Outcome {
	now := w.cfg.Now()
	o := Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: StateReady, RetryAt: now.Add(step.After), To: step.To,
		Reason: step.Reason, Detail: detailOf(step.Detail), At: now,
	}
	if !a.ExpiresAt.IsZero() && o.RetryAt.After(a.ExpiresAt) {
		o.State, o.RetryAt, o.To = StateExpired, time.Time{}, 0
		o.Detail, o.Reason = o.Reason+": "+o.Detail, ReasonExpired
	}
	return o
}

// detailOf is as much of a channel's words as a delivery's history keeps.
func detailOf(text string) string {
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "")
	}
	return text
}

// judge says what the result means by itself.
func (w *Worker) judge(a *Attempt, r result) Outcome {
	now := w.cfg.Now()
	o := Outcome{Delivery: a.Delivery, Fence: a.Fence, Activity: r.activity, At: now}
	failure := headsup.MeaningOf(r.err)
	if failure == nil {
		o.State = StateDelivered
		return o
	}
	o.Reason, o.Status = failure.Reason, failure.Status
	if failure.Err != nil {
		o.Detail = detailOf(failure.Err.Error())
	}
	wait := time.Duration(0)
	last := func(state State, reason string) { // there will be no other attempt
		o.State, o.RetryAt, o.Detail, o.Reason = state, time.Time{}, o.Reason+": "+o.Detail, reason
	}
	switch failure.Meaning {
	case headsup.MeaningPermanent, headsup.MeaningUnsupported:
		o.State = StateFailed
		return o
	case headsup.MeaningThrottled:
		// The channel's own word counts, however often it has given it; a tenth more keeps those who heard it apart.
		wait = failure.RetryAfter + rand.N(max(0, failure.RetryAfter)/10+1)
		if failure.RetryAfter <= 0 {
			wait = w.cfg.Retry.Wait(a.Claims)
		}
	case headsup.MeaningTransient:
		if failure.Unreached { // it can be nothing that this delivery is to blame for, and expires when it is no longer wanted
			wait = w.cfg.Retry.Wait(a.Claims)
			o.Failed = a.ExpiresAt.IsZero() && a.Claims%unreachedFor == 0
			break
		}
		o.Failed = true
		wait = w.cfg.Retry.Wait(a.Failures + 1)
	case headsup.MeaningUnknown:
		o.MayHaveArrived = true
		r, ok := w.cfg.Sender.(Recogniser)
		once := ok && r.Recognises(a)
		if a.OnUnknown == headsup.OnUnknownHold && !once {
			o.State = StateUnknown
			return o
		}
		o.Failed = true
		retry := w.cfg.RetryUnknown
		if once {
			retry = w.cfg.Retry // nobody gets it twice, so the sooner the truth is known the better
		}
		wait = retry.Wait(a.Failures + 1)
	}
	if o.Failed && a.Failures+1 >= w.cfg.MaxFailures {
		last(StateFailed, ReasonGaveUp)
		return o
	}
	o.State, o.RetryAt = StateReady, now.Add(max(wait, failure.RetryAfter))
	if !a.ExpiresAt.IsZero() && o.RetryAt.After(a.ExpiresAt) {
		last(StateExpired, ReasonExpired)
	}
	return o
}
