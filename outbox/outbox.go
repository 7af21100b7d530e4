// Package outbox delivers: it keeps messages until each of their deliveries has an outcome, and remembers every change
// on the way.
//
// A [Message] is what to say; a [Delivery] is one message on its way to one conversation. [Store] keeps both and hands
// out [Attempt] values to a [Worker], which sends through a channel and records an [Outcome]. The outbox knows nothing
// of people, policies or why something is said.
//
// Delivery is at least once and in order of readiness per conversation and lane. The change that hands out an attempt is
// on disk before the channel is called.
package outbox

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/pace"
)

// Errors of stores.
var (
	ErrNotFound = errors.New("outbox: no such message")
	// ErrKeyReused: the idempotency key belongs to a message with other content.
	ErrKeyReused = errors.New("outbox: the idempotency key was used for another message")
	// ErrNoDelivery: there is no such delivery.
	ErrNoDelivery = errors.New("outbox: no such delivery")
	// ErrState: what is asked for cannot be done to a delivery in its state.
	ErrState = errors.New("outbox: the delivery's state does not allow that")
	// ErrRecalled: the message was recalled.
	ErrRecalled = errors.New("outbox: the message was recalled")
	// ErrNoRoom: nothing new is accepted, so that the store can finish what it has.
	ErrNoRoom = errors.New("outbox: there is no room for more")
	// ErrChanging: the message has very many deliveries, which are being changed.
	ErrChanging = errors.New("outbox: the message's deliveries are being changed")
	// ErrPurged: what the message said is kept no longer.
	ErrPurged = errors.New("outbox: the message's content was purged")
)

// MessageID and DeliveryID are positive, unique over all nodes and grow with time.
type (
	MessageID  int64
	DeliveryID int64
)

// State is where a delivery stands.
type State string

const (
	StateScheduled  State = "scheduled"
	StateReady      State = "ready"
	StateHeld       State = "held"
	StateSending    State = "sending"
	StateDelivered  State = "delivered"
	StateFailed     State = "failed"
	StateUnknown    State = "unknown"
	StateExpired    State = "expired"
	StateSuppressed State = "suppressed"
	StateCancelled  State = "cancelled"

	// StateRecalled is no state of a delivery: in a sum it stands for one that was delivered and has been removed since.
	StateRecalled State = "recalled"
)

// Final reports whether a delivery in this state stays in it by itself. An unknown one is parked: it waits for somebody
// to decide.
func (s State) Final() bool {
	switch s {
	case StateDelivered, StateFailed, StateUnknown, StateExpired, StateSuppressed, StateCancelled, StateRecalled:
		return true
	case StateScheduled, StateReady, StateHeld, StateSending:
		return false
	}
	return false
}

// Verb is what a delivery does.
type Verb string

const (
	// VerbSend says the message.
	VerbSend Verb = ""
	// VerbUpdate replaces what an earlier delivery has said by what the message says now, VerbDelete removes it. Both may
	// be repeated without harm.
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
)

// Lane orders deliveries by how pressing they are; smaller goes first.
type Lane int8

const (
	LaneUrgent Lane = 0
	LaneNormal Lane = 1
	LaneBulk   Lane = 2
)

// Message is what to say, kept once however many deliveries it has.
type Message struct {
	ID     MessageID
	AppID  string
	Tenant activity.TenantID
	// Key is the idempotency key, unique per app and tenant; empty for none. Fingerprint tells whether two requests with
	// the same key are the same.
	Key         string
	Fingerprint []byte
	// Body is the activity to send, as JSON without an address.
	Body      jsontext.Value
	Value     jsontext.Value
	Topic     string
	Lane      Lane
	OnUnknown headsup.OnUnknown
	Window    headsup.Window
	// Handler names the handler that says it, in a turn; empty when the body is said as it is.
	Handler string
	// Policy says what to do when the conversation is busy; see [Judge].
	Policy headsup.Policy
	// CollapseKey: the message replaces, in each of its conversations, deliveries of earlier messages of the app and tenant
	// with the same key, as [Store] tells. Empty for none.
	CollapseKey string
	// Fallback says, as JSON, by which of its deliveries the others are made only when it has to be; a store does not read it.
	// Nothing personal is in it. Empty where all are simply made.
	Fallback string
	// Target is the request's target, for the reader of the record.
	Target    string
	ExpiresAt time.Time // zero: never
	CreatedAt time.Time
	// EditedAt is when the body was replaced last, RecalledAt when the message was recalled; zero for never.
	EditedAt, RecalledAt time.Time
	// Trace is the trace context that it was accepted under, as [TraceOf] writes it; empty for none.
	Trace string
	// Recipients is [Spread.Conversations] of a message that was accepted with a spread, else 0; Spreading is true until
	// all of its deliveries were made, Changing while [Store.SweepMessages] has some to change. A store tells them and takes
	// none.
	Recipients int
	Spreading  bool
	Changing   bool
}

// NewDelivery asks for a delivery of a message.
type NewDelivery struct {
	ID DeliveryID
	// Conversation must be in the book.
	Conversation book.Row
	// DueAt is when it may be sent. Zero or not after the submission's time means now.
	DueAt time.Time
}

// Submission is a message with its deliveries. It is accepted as a whole or not at all.
type Submission struct {
	Message    Message
	Deliveries []NewDelivery
	// Spread makes the deliveries later. Nil makes none; with it, Deliveries is empty.
	Spread *Spread
	At     time.Time
}

// Submit is the op that accepts submissions when a turn commits. A submission whose key was used before is left out; with
// other content it fails the commit with [ErrKeyReused].
type Submit struct {
	Submissions []Submission
}

// TurnOp implements headsup.Op.
func (Submit) TurnOp() {}

// Accepted answers a submission.
type Accepted struct {
	// Message is the accepted one, or the earlier one with the same key.
	Message MessageID
	// Replayed: it had been accepted before.
	Replayed bool
	// Attempt is set when the submission's only delivery was handed out at once.
	Attempt *Attempt
}

// Attempt is the right, and the duty, to deliver one delivery now. It comes with the conversation's lease.
type Attempt struct {
	Delivery DeliveryID
	Message  MessageID
	// Fallback: the message has one.
	Fallback     bool
	Topic        string // the message's
	Conversation book.Conversation
	Body         jsontext.Value
	// Verb says what to do with the body. For another one than [VerbSend], Revises is the delivery that is revised and
	// Sent the id that the channel gave what that one has said; empty when it gave none, or its answer was lost.
	Verb      Verb
	Revises   DeliveryID
	Sent      activity.ID
	OnUnknown headsup.OnUnknown
	Window    headsup.Window
	Lane      Lane
	ExpiresAt time.Time
	CreatedAt time.Time
	// WantedAt is when the delivery was to be made at first.
	WantedAt time.Time
	Trace    string
	// Policy is the message's. As is what applies of it when a conversation is or was busy: interrupt or cancel; empty has
	// it said as it is. What went on is in the conversation.
	Policy headsup.Policy
	As     headsup.PolicyName
	// Handler is the message's. Sends are the activities that it has begun to send in earlier attempts, in their order;
	// for [VerbDelete], those of the delivery that is revised.
	Handler string
	Sends   []Send
	// Lease is the conversation's, for a turn that the attempt runs. Recording the outcome gives it back.
	Lease headsup.Lease
	// Fence must be given back with the outcome.
	Fence int64
	// Claims counts attempts handed out, this one included; Failures those that failed through no throttling.
	Claims, Failures int
	// MayHaveArrived: an earlier attempt may have arrived, and nobody knows. Edited: the message was edited, so that the
	// earlier one may have said something else.
	MayHaveArrived, Edited bool
	// LeaseUntil is when the right ends.
	LeaseUntil time.Time
	// Permit is the channel's, which the claim has taken; nil where nothing is limited. The worker sees to its end.
	Permit *pace.Permit
}

// Outcome is what became of an attempt.
type Outcome struct {
	Delivery DeliveryID
	Fence    int64
	// State is a final state; or ready with RetryAt; or held with RetryAt and Reason, which puts the delivery aside ([Aside]).
	State   State
	RetryAt time.Time
	// To has a delivery that is ready again go on in another conversation: it becomes ready there, behind all that are, and
	// RetryAt does not count. What it revises, or says together with others, goes nowhere else. 0, and a conversation that is
	// not in the book, leave it where it is.
	To book.Row
	// Failed adds one to the delivery's failures.
	Failed bool
	// MayHaveArrived: the attempt's answer was lost. The delivery remembers it if it is tried again.
	MayHaveArrived bool
	// Reason is a stable snake_case word; Status the channel's HTTP status, 0 for none; Detail one line for people.
	Reason string
	Status int
	Detail string
	// Activity is the id that the channel gave.
	Activity activity.ID
	At       time.Time
}

// Replay says how deliveries are replayed.
type Replay struct {
	At time.Time
	// Forbidden: the conversations of those that are replayed, and of no others, are tried once more if the channel has
	// forbidden them: in the same step, what is [book.Conversation.Forbidden] becomes active, with [ReasonReplayed] as its cause.
	Forbidden bool
}

// Delivery is one message's way to one conversation, as far as it has come.
type Delivery struct {
	ID           DeliveryID
	Message      MessageID
	Conversation book.Row
	Key          headsup.ConversationKey
	State        State
	Reason       string
	DueAt        time.Time // when it may be tried next or first; zero when that is past or pointless
	Activity     activity.ID
	Claims       int
	Failures     int
	// MayHaveArrived: it is not final, and an attempt may have arrived. Of a final one the state says it.
	MayHaveArrived bool
	// Verb is what it does, Revises the delivery that it does it to; 0 for [VerbSend].
	Verb      Verb
	Revises   DeliveryID
	CreatedAt time.Time
	UpdatedAt time.Time
	History   []Change
	// Receipts are what became of it. Those who want them ask [Receipts]: no other method of a store tells them.
	Receipts []Receipt
}

// Change is one step of a delivery's history.
type Change struct {
	At    time.Time `json:"at"`
	State State     `json:"state"`
	// Attempt is the number of the attempt that the change belongs to; 0 before the first.
	Attempt  int         `json:"attempt,omitzero"`
	Reason   string      `json:"reason,omitzero"`
	Status   int         `json:"status,omitzero"`
	Detail   string      `json:"detail,omitzero"`
	RetryAt  time.Time   `json:"retry_at,omitzero"`
	Activity activity.ID `json:"activity_id,omitzero"`
}

// Record is a message, and how many deliveries it has in each state, with the first of them.
type Record struct {
	Summary

	Deliveries []Delivery
}
