package headsup

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Errors of turns.
var (
	// ErrInTurn: code inside a turn asked to continue another conversation. Waiting for that conversation while holding
	// this one could wait forever, so it is refused: use [Turn.Notify], which commits with the turn.
	ErrInTurn = errors.New("headsup: another conversation's turn is running in this context; use Turn.Notify")

	// ErrTurnEnded: what was to be committed with a turn came after its handler had returned.
	ErrTurnEnded = errors.New("headsup: the turn has ended")

	// ErrLeaseLost: the turn took longer than its lease and somebody else has the conversation now. Nothing that the
	// turn decided was committed.
	ErrLeaseLost = errors.New("headsup: the conversation's lease was lost")

	// ErrConflict: something that the turn has read and wants to change was changed by somebody else meanwhile. Nothing was
	// committed. A turn that has not called its channel yet is run again by the [Bot], so handlers only see to it that what
	// they do elsewhere may be done twice.
	ErrConflict = errors.New("headsup: what the turn has read was changed by somebody else")
)

// LeaseTime is how long a conversation belongs to whoever took it. Every turn and every attempt to deliver has a
// deadline that ends before.
const LeaseTime = 15 * time.Second

// Turns is what a [Bot] needs from a store: the lease that lets a conversation do one thing at a time, the memory of
// which activities were handled, and the commit that ends a turn.
type Turns interface {
	// Lease takes the conversation for [LeaseTime], waiting first come first served until it is free or ctx ends.
	// A lease that has run out is taken from its holder.
	Lease(ctx context.Context, key ConversationKey) (Lease, error)

	// Answered returns what was answered to an inbound activity whose turn has committed, and whether there is such a
	// turn. Answers are kept for at least ten minutes.
	Answered(ctx context.Context, key ConversationKey, id activity.ID) (Answer, bool, error)

	// Commit makes ops durable in one transaction if the lease is still held, and returns after they are synced to
	// disk; [ErrLeaseLost] otherwise, and an error that wraps [ErrConflict] when an op was decided on what is no longer so.
	// An error means that nothing happened.
	Commit(ctx context.Context, l Lease, ops []Op) error
}

// Lease is the right to act in a conversation. Its fence grows with every holder, so a commit by an earlier holder can
// be told from one by the present one.
type Lease interface {
	Key() ConversationKey
	Fence() int64
	// Release gives the conversation back. Only the first call counts.
	Release()
}

// Op is one part of what a turn commits. Packages that keep something per turn declare plain data types that implement
// it, and each store driver applies them; a driver refuses an Op that it does not know.
type Op interface {
	// TurnOp marks the type. It does nothing.
	TurnOp()
}

// Answer is what an inbound activity was answered: the HTTP status and body.
type Answer struct {
	Status int
	// Body is JSON, or empty.
	Body []byte
}

// RecordAnswer is the [Op] that remembers an inbound activity as handled. It also marks the conversation's last inbound
// activity, if the reference book has the conversation.
type RecordAnswer struct {
	Activity activity.ID
	Answer   Answer
	At       time.Time
}

// TurnOp implements [Op].
func (RecordAnswer) TurnOp() {}
