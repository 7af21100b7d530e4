package outbox

import (
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// DeliveryFilter says which deliveries are meant: those that match every member that is set.
type DeliveryFilter struct {
	// AppID is whose messages they are of. Required, though it may be empty.
	AppID string
	// Tenant is the tenant of those messages.
	Tenant       activity.TenantID
	State        State
	Reason       string
	Conversation book.Row
	Message      MessageID
	// Before is where a page ended: only smaller ids are listed. Zero for the first page.
	Before DeliveryID
	// Limit is how many at most; positive.
	Limit int
}

// DeliveryPage is a part of a list. A store looks at a bounded number of rows for it, so it may hold fewer than the limit,
// even none, although there are more.
type DeliveryPage struct {
	Deliveries []Delivery
	// Next is the Before of the next page; zero on the last one.
	Next DeliveryID
}

// MessageFilter says which messages are meant: those that match every member that is set.
type MessageFilter struct {
	// AppID is whose messages. Required, though it may be empty.
	AppID  string
	Tenant activity.TenantID
	// State is the one that [Summary.State] tells.
	State State
	Topic string
	// Conversation is one that the message was to be said in.
	Conversation book.Row
	// CreatedAfter and CreatedBefore bound the time of creation: not before the one, before the other.
	CreatedAfter, CreatedBefore time.Time
	// Above and Before bound the ids, of messages or, with a conversation, of their deliveries in it: only those between
	// them are looked at, which saves walking through all that is newer or older. Before is also where a page ended.
	// Zero for no bound.
	Above, Before int64
	// Limit is how many at most; positive.
	Limit int
}

// MessagePage is a part of a list. As for [DeliveryPage], it may hold fewer than the limit although there are more.
type MessagePage struct {
	Messages []Summary
	// Next is the Before of the next page; zero on the last one.
	Next int64
}

// Summary is a message and how many of its deliveries, revisions included, are in each state. One that was delivered and
// has been removed since counts, together with what removed it, once as [StateRecalled].
type Summary struct {
	Message Message
	Counts  map[State]int64
}

// State sums the deliveries up: the state that all share, or else the least settled one among them.
func (s Summary) State() State { return StateOf(s.Counts) }

// CountStates counts deliveries of one message as a [Summary] does.
func CountStates(deliveries []Delivery) map[State]int64 {
	counts := make(map[State]int64)
	given := make(map[DeliveryID]bool)
	removed := int64(0)
	for _, d := range deliveries {
		counts[d.State]++
		if d.State == StateDelivered {
			given[d.ID] = true
		}
	}
	for _, d := range deliveries {
		if d.Verb == VerbDelete && d.State == StateDelivered && given[d.Revises] {
			removed++
		}
	}
	CountRecalled(counts, removed)
	return counts
}

// CountRecalled makes counts tell of deliveries that are delivered and were removed, of which there are so many.
func CountRecalled(counts map[State]int64, removed int64) {
	if removed == 0 {
		return
	}
	counts[StateRecalled] = removed
	if counts[StateDelivered] -= 2 * removed; counts[StateDelivered] == 0 {
		delete(counts, StateDelivered)
	}
}

// StateOf returns the least settled state of which there are any; delivered if there are none.
func StateOf(counts map[State]int64) State {
	for _, state := range [...]State{
		StateSending, StateReady, StateHeld, StateScheduled, StateUnknown, StateFailed, StateExpired, StateRecalled,
		StateCancelled, StateSuppressed,
	} {
		if counts[state] > 0 {
			return state
		}
	}
	return StateDelivered
}
