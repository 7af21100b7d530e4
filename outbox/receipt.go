package outbox

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Receipt is something that became of a delivery after it was said.
type Receipt struct {
	Delivery DeliveryID
	Kind     ReceiptKind
	// By is the channel's id of whoever did it; empty when nobody tells.
	By activity.AccountID
	// Detail is which reaction it was, which action, or why it came back; empty where there is nothing to tell.
	Detail string
	At     time.Time
	// Gone: it is not so any more, such as a reaction that was taken back.
	Gone bool
}

// ReceiptKind is what became of a delivery.
type ReceiptKind string

const (
	// ReceiptArrived: it has come to the person's device or mailbox; a channel that takes messages to hand them on may tell
	// that later.
	ReceiptArrived ReceiptKind = "arrived"
	// ReceiptBounced: the channel had taken it, and it did not arrive after all.
	ReceiptBounced ReceiptKind = "bounced"
	// ReceiptRead: the person has seen it, as far as the channel knows.
	ReceiptRead ReceiptKind = "read"
	// ReceiptReacted: somebody has put a sign on it. Detail is which.
	ReceiptReacted ReceiptKind = "reacted"
	// ReceiptClicked: somebody has used a button of it, or followed a link. Detail is which.
	ReceiptClicked ReceiptKind = "clicked"
	// ReceiptAnswered: somebody has replied.
	ReceiptAnswered ReceiptKind = "answered"
)

// ReceiptKinds are all there are.
func ReceiptKinds() []ReceiptKind {
	return []ReceiptKind{ReceiptArrived, ReceiptBounced, ReceiptRead, ReceiptReacted, ReceiptClicked, ReceiptAnswered}
}

// Said is an activity that a delivery has said.
type Said struct {
	Delivery DeliveryID
	Activity activity.ID
}

// MaxReceiptDetails is how many receipts of one kind a delivery has of one person at most: reactions, say, whose names a client
// may make up.
const MaxReceiptDetails = 50

// Receipts is the part of a [Store] that knows what became of deliveries. They are kept as long as their delivery is.
type Receipts interface {
	// Receive notes receipts, durably, and returns those that have told something new, in their order: there was none of the
	// same delivery, kind, person and detail; or, of one that is Gone, there was. Those of deliveries that there are not, or
	// that revise others, are left out, and so are those of one kind by one person beyond [MaxReceiptDetails]. Each that is new
	// is an event.
	Receive(ctx context.Context, all []Receipt) ([]Receipt, error)

	// SaidIn lists what deliveries with [VerbSend] have said in a conversation, of the last n of them that were delivered,
	// the newest delivery first. A driver may look at the last million of all its deliveries alone.
	SaidIn(ctx context.Context, c book.Row, n int) ([]Said, error)

	// ReceiptsOf lists the receipts of deliveries, up to n of each: by delivery, time, kind, person and detail.
	ReceiptsOf(ctx context.Context, ids []DeliveryID, n int) ([]Receipt, error)

	// CountReceipts tells how many receipts of each kind there are of a message's deliveries.
	CountReceipts(ctx context.Context, ids []MessageID) (map[MessageID]map[ReceiptKind]int64, error)
}
