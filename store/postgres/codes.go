package postgres

import (
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
)

// Deliveries' states as they are stored. Numbers are never used again for something else.
const (
	scheduled int64 = iota + 1
	ready
	held
	sending
	delivered
	failed
	unknown
	expired
	suppressed
	cancelled

	states = iota + 1
)

var stateNames = [states]outbox.State{
	scheduled: outbox.StateScheduled, ready: outbox.StateReady, held: outbox.StateHeld, sending: outbox.StateSending,
	delivered: outbox.StateDelivered, failed: outbox.StateFailed, unknown: outbox.StateUnknown,
	expired: outbox.StateExpired, suppressed: outbox.StateSuppressed, cancelled: outbox.StateCancelled,
}

func stateCode(s outbox.State) (int64, error) {
	for code, name := range stateNames {
		if name == s && s != "" {
			return int64(code), nil
		}
	}
	return 0, fmt.Errorf("unknown state %q", s)
}

// What a delivery waits for.
const (
	waitsNothing int64 = iota
	waitsClaim
	waitsTime
)

// What deliveries do.
const (
	send int64 = iota
	update
	remove
)

var (
	verbs       = []outbox.Verb{send: outbox.VerbSend, update: outbox.VerbUpdate, remove: outbox.VerbDelete}
	onUnknowns  = []headsup.OnUnknown{"", headsup.OnUnknownRetry, headsup.OnUnknownHold}
	windowWords = []headsup.Window{"", headsup.WindowExisting, headsup.WindowNew}
)

var eventTypes = []event.Type{
	"", event.MessageReceived, event.NotificationDelivered, event.NotificationFailed, event.NotificationUnknown,
	event.NotificationExpired, event.NotificationSuppressed, event.NotificationCancelled, event.NotificationAnswered,
	event.DeliveryArrived, event.DeliveryBounced, event.DeliveryRead, event.DeliveryReacted, event.DeliveryClicked,
	event.CardAction, event.PreferencesChanged,
}

var receiptKinds = []outbox.ReceiptKind{
	"", outbox.ReceiptArrived, outbox.ReceiptBounced, outbox.ReceiptRead, outbox.ReceiptReacted, outbox.ReceiptClicked,
	outbox.ReceiptAnswered,
}

// code is the number of a word in the list of its kind.
func code[T ~string](words []T, w T) (int64, error) {
	for i, known := range words {
		if known == w {
			return int64(i), nil
		}
	}
	return 0, fmt.Errorf("unknown word %q", w)
}

func word[T ~string](words []T, code int64) T {
	if code < 0 || code >= int64(len(words)) {
		return ""
	}
	return words[code]
}
