package outbox

import "time"

// An attempt whose answer was lost may have arrived, and nothing that happens later makes that unhappened: a repeat that is
// refused, a cancellation and the end of its time say nothing about the first one. So a delivery remembers that one of its
// attempts may have arrived until somebody knows: a repeat that is delivered, or a [Settlement]. As long as it does, it ends
// as unknown where it would have ended otherwise, for [Ending] says so to every driver.

// Reasons of what ends although, or because, an attempt may have arrived.
const (
	// ReasonLeaseLost and ReasonProcessStopped: the attempt was handed out and nobody came back with its outcome.
	ReasonLeaseLost      = "lease_lost"
	ReasonProcessStopped = "process_stopped"
	// ReasonCancelled: it was cancelled, but an attempt may have arrived before.
	ReasonCancelled = "cancelled"
	// ReasonPoison: every one of its last [PoisonAfter] attempts was lost, so that it may be what ends processes.
	ReasonPoison = "poison"
)

// PoisonAfter is how many attempts in a row may be lost, by the end of their process or of their lease, before a delivery
// is not tried any more. Any answer begins the count anew.
const PoisonAfter = 5

// Ending is how a delivery changes that is to change by c: one of whose attempts may have arrived does not end as if
// nothing had been said, but as unknown, for the same reason. [ReasonPartial] says so by itself.
func Ending(c Change, mayHaveArrived bool) Change {
	if !mayHaveArrived || c.Reason == ReasonPartial || !c.State.Final() || c.State == StateDelivered || c.State == StateUnknown {
		return c
	}
	if c.Reason == "" {
		c.Reason = string(c.State)
	}
	c.State = StateUnknown
	return c
}

// AfterLoss is how a delivery changes whose attempt was lost; c says when, which and why. It is the lost-th in a row. With
// hold it must not be repeated, and no other delivery is repeated for ever: the claim, which is on disk before the channel
// is called, is all that is known of what such an attempt did, and it may have been what ended the process. The first
// repeat is at once, since nearly always it was not; later ones wait longer and longer, so that a process which is started
// again has time to do other things.
func AfterLoss(c Change, lost int, hold bool) Change {
	switch {
	case hold:
		c.State = StateUnknown
	case lost >= PoisonAfter:
		c.State, c.Detail, c.Reason = StateUnknown, c.Reason, ReasonPoison
	default:
		c.State = StateReady
		if lost > 1 {
			c.RetryAt = c.At.Add(time.Second << (lost - 2))
		}
	}
	return c
}
