package outbox

import (
	"errors"
	"fmt"
	"time"
)

// What a claim holds for what goes on in a conversation it judges itself ([Judge]). What only the sender knows it finds out
// in the attempt, and puts the delivery aside, or drops it: nothing was said then, and nothing has failed.

// ReasonResumed is of what was put aside and is ready again.
const ReasonResumed = "resumed"

// shortestAside keeps what is put aside from being looked at again in the same moment.
const shortestAside = time.Millisecond

// Aside is the error by which a [Sender] tells that an attempt is not to be made now. The delivery is held, out of its lane,
// so that it holds up nobody, until its time, or until [Store.Resume] has it looked at sooner. The sender gives the permit
// back.
type Aside struct {
	// Until is when to look again. One that expires before is looked at then.
	Until time.Time
	// Reason is a stable snake_case word for why, none of those of [Judge]; Detail one line for people.
	Reason, Detail string
}

func (a *Aside) Error() string { return "outbox: put aside: " + a.Reason }

// Unwanted is the error by which a [Sender] tells that a delivery is not to be made at all: it is suppressed. The sender
// gives the permit back.
type Unwanted struct {
	// Reason is a stable snake_case word for why; Detail one line for people.
	Reason, Detail string
}

func (u *Unwanted) Error() string { return "outbox: unwanted: " + u.Reason }

// Judged reports whether a reason of what is held is one of [Judge]: it is judged again whenever something changes in the
// conversation. What is held for any other reason was put aside.
func Judged(reason string) bool {
	switch reason {
	case ReasonBusy, ReasonDialog, ReasonQuestion, ReasonTalking:
		return true
	}
	return false
}

// Validate reports what is wrong with an outcome by itself.
func (o Outcome) Validate() error {
	switch {
	case o.State.Final(), o.State == StateReady:
		return nil
	case o.State != StateHeld:
		return fmt.Errorf("%q is not an outcome", o.State)
	case o.RetryAt.IsZero():
		return errors.New("what is put aside needs a time")
	case o.Reason == "" || Judged(o.Reason):
		return fmt.Errorf("%q is no reason to put something aside", o.Reason)
	}
	return nil
}

// Resumed is the change by which what was put aside becomes ready.
func Resumed(at time.Time, attempt int) Change {
	return Change{At: at, State: StateReady, Attempt: attempt, Reason: ReasonResumed}
}

// notNow is the outcome of an attempt that was not made.
func (w *Worker) notNow(a *Attempt, err error) (o Outcome, yes bool) {
	o = Outcome{Delivery: a.Delivery, Fence: a.Fence, At: w.cfg.Now()}
	if aside, ok := errors.AsType[*Aside](err); ok {
		o.State, o.Reason, o.Detail, o.RetryAt = StateHeld, aside.Reason, detailOf(aside.Detail), aside.Until
		if !a.ExpiresAt.IsZero() && o.RetryAt.After(a.ExpiresAt) {
			o.RetryAt = a.ExpiresAt
		}
		if soon := o.At.Add(shortestAside); o.RetryAt.Before(soon) {
			o.RetryAt = soon
		}
		return o, true
	}
	if unwanted, ok := errors.AsType[*Unwanted](err); ok {
		o.State, o.Reason, o.Detail = StateSuppressed, unwanted.Reason, detailOf(unwanted.Detail)
		return o, true
	}
	return o, false
}

// attempted reports whether a result is that of an attempt that was made, as far as the sender could.
func attempted(err error) bool {
	return !errors.As(err, new(*Step)) && !errors.As(err, new(*Aside)) && !errors.As(err, new(*Unwanted))
}
