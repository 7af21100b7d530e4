package outbox

import (
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Send is an activity that a handler sends for a delivery: it is recorded before the channel is called, and again when
// the channel has taken it. So it is known, whenever the process dies, what may have been said.
type Send struct {
	Delivery DeliveryID
	// Fence is the attempt's.
	Fence int64
	// Ordinal counts the delivery's activities from 0.
	Ordinal int
	// Taken: the channel has taken it. Activity is the id that it gave, if it gave one.
	Taken    bool
	Activity activity.ID
	At       time.Time
	// With is the delivery that says this one together with others; see [Store.Join]. 0 for none; its own id for the one
	// that says them.
	With DeliveryID
}

// Conclude is the op that records an attempt's outcome when the turn that it has run commits: both happen or neither. An
// outcome that [Store.RecordOutcome] would refuse fails the commit with headsup.ErrLeaseLost.
type Conclude struct {
	Outcome Outcome
}

// TurnOp implements headsup.Op.
func (Conclude) TurnOp() {}

// Recorded is the error by which a [Sender] tells that an attempt's outcome is recorded already, by a [Conclude].
type Recorded struct {
	Outcome Outcome
}

// Step is the error by which a [Sender] tells that an attempt has said nothing yet, but has come a step further: the
// delivery is to be attempted again, at once or a while later, and nothing has failed. Its history has the step.
type Step struct {
	// Reason is a stable snake_case word for the step; Detail one line for people.
	Reason, Detail string
	// After is how long to wait with the next one, and To as in [Outcome].
	After time.Duration
	To    book.Row
}

func (s *Step) Error() string { return "outbox: a step: " + s.Reason }

func (r *Recorded) Error() string { return "outbox: recorded as " + string(r.Outcome.State) }
