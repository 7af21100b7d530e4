package outbox

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Store keeps messages and deliveries. Every method is one atomic step; those that change something return after the
// change is synced to disk. Methods are safe for concurrent use, and a driver commits concurrent calls together.
//
// A delivery is ready, in the order of its becoming so, among the deliveries of its conversation and lane. The first of
// them that is ready, sending, or waiting for its next try is the head; only heads are handed out, so a head that is
// tried again holds up its lane and no other. Scheduled, held and unknown deliveries hold up nobody. Scheduled and held
// ones take their place when they become ready: those that are scheduled in the first Claim at or after their time,
// several in the order of their times, then of their ids.
type Store interface {
	// SubmitMessage accepts a submission. With take, and if its only delivery is due, a head, and its conversation free,
	// the delivery is handed out in the same step, and its history begins with sending. [ErrKeyReused] when the key
	// belongs to other content; [book.ErrNotFound] when a conversation is not in the book; some error when an id is taken.
	SubmitMessage(ctx context.Context, s Submission, take bool) (Receipt, error)

	// Claim hands out up to n deliveries: heads that are due, most pressing lane first, then in order of readiness,
	// whose conversation's lease is free, which is taken. State (sending), claims and fence are on disk when it returns.
	// Deliveries whose message has expired become expired instead, at the latest when their turn comes, and hold up
	// nobody. Fewer than n mean that there are no more now. It also tells when the next one is due that now is not; zero
	// for none.
	Claim(ctx context.Context, n int, now time.Time) (Claimed, error)

	// RecordOutcome ends an attempt and gives the conversation's lease back. An outcome whose fence is not the
	// delivery's, or whose delivery is not being sent any more, is refused with headsup.ErrLeaseLost and changes nothing.
	// That a turn has taken over the conversation meanwhile does not matter: the outcome is the truth all the same.
	RecordOutcome(ctx context.Context, o Outcome) error

	// Extend prolongs the leases of running attempts and returns those that are lost: ended, reclaimed, or their
	// conversation taken over.
	Extend(ctx context.Context, attempts []Attempt, until time.Time) (lost []DeliveryID, err error)

	// ReclaimExpired takes back attempts whose lease has run out at now: ready again, at once and in their old place, or
	// unknown, as OnUnknown says, with reason "lease_lost". It returns how many.
	ReclaimExpired(ctx context.Context, now time.Time) (int, error)

	// CancelMessage cancels the deliveries that are not handed out and not final, and returns the record as it is then:
	// what is sending or final stays as it is.
	CancelMessage(ctx context.Context, id MessageID, at time.Time) (Record, error)

	// MessageByKey returns the id and fingerprint of the message that was accepted under an idempotency key, or
	// ErrNotFound.
	MessageByKey(ctx context.Context, appID string, tenant activity.TenantID, key string) (MessageID, []byte, error)

	// MessageRecord returns a message with its deliveries and their history, or ErrNotFound.
	MessageRecord(ctx context.Context, id MessageID) (Record, error)

	// Counts tells how many deliveries are in each state.
	Counts(ctx context.Context) (map[State]int64, error)

	// OldestDue tells since when the delivery that has waited longest could have been handed out: since its time, its
	// next try's, or when it became ready. Heads only, of which a driver may look at the first hundred of each lane; zero
	// when none is due at now.
	OldestDue(ctx context.Context, now time.Time) (time.Time, error)

	// Observe has o told, from now on, of every message that is accepted and every delivery that ends, once what it is
	// told is durable. It is called before anything else uses the store, if at all.
	Observe(o Observer)

	// Wakeups is signalled when there may be something to claim that there was not before, or when the next one may be
	// due earlier than Claim has told. Signals are joined.
	Wakeups() <-chan struct{}
}

// Claimed is what [Store.Claim] hands out.
type Claimed struct {
	Attempts []Attempt
	// NextDue is when the next delivery becomes due; zero for none.
	NextDue time.Time
}
