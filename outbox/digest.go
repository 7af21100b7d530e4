package outbox

import (
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Several deliveries of one conversation may be said as one activity. The first of their lane, the lead, says it, in its
// own attempt and under its own key. Before it calls the channel it writes down which others are in it, so that a repeat,
// also by another process, says the same. The others stay where they are, behind it in the lane; when they are handed out,
// whoever would say them finds what they were said with, and says nothing.

// Part is one of several deliveries that are said as one.
type Part struct {
	Delivery DeliveryID
	State    State
	// Activity is the id that the channel gave; empty as long as there is none.
	Activity activity.ID
	Message  Message
}

// Joining says which deliveries an attempt says together with its own.
type Joining struct {
	// Lead is the attempt's delivery, and Fence the attempt's.
	Lead  DeliveryID
	Fence int64
	// Others are in the order in which they are said.
	Others []DeliveryID
	At     time.Time
}
