package outbox

import "time"

// EditSlack is by how much the clocks of those who edit a message and who hand out its deliveries may be apart.
const EditSlack = time.Minute

// SaysOld reports whether a delivery, which is being sent or was delivered, may have said what its message said before it
// was edited: unless its last attempt was handed out well after that.
func SaysOld(history []Change, edited time.Time) bool {
	for i := len(history) - 1; i >= 0; i-- {
		if c := &history[i]; c.State == StateSending {
			return !c.At.After(edited.Add(EditSlack))
		}
	}
	return true
}

// Waits reports whether a delivery in this state is neither handed out nor final.
func (s State) Waits() bool { return s == StateScheduled || s == StateReady || s == StateHeld }
