package outbox

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Store keeps messages and deliveries. Every method is one atomic step; those that change something return after the
// change is synced to disk. Methods are safe for concurrent use, and a driver commits concurrent calls together.
//
// A delivery is ready, in the order of its becoming so, among the deliveries of its conversation and lane. The first of
// them that is ready, sending, or waiting for its next try is the head; only heads are handed out, so a head that is
// tried again holds up its lane and no other. Scheduled, held and unknown deliveries hold up nobody. Scheduled and held
// ones take their place when they become ready: those that are scheduled in the first Claim at or after their time,
// several in the order of their times, then of their ids.
//
// More may wait than can be sent. Then it is the turn of routes ([RouteOf]) one after the other, so that the many of one
// tenant do not hold up another's; a conversation whose service URL moves to another host takes what waits for it along.
// In a route one turn in eight of those for which a more pressing lane waits goes to the lanes below it, and one in eight
// of these further down. In a lane of a route heads go by rank: each delivery gets one with its place, as package
// internal/fair tells, by which broadcasts take turns, a message does not wait behind those that were longer, and single
// messages go in the order of their becoming ready.
//
// A driver may be given a [pace.Limiter], or keep to the same profiles in another way. Then it takes a permit for each
// delivery that it hands out, in the same step, and gives it back if that step does not happen; the permit goes with the
// attempt, and it is the worker, or who makes the call, that ends it. What has no permit waits: a route that has no room
// is not looked at, whatever waits there, until [pace.Limiter.Next] or what [pace.Limiter.OnFreed] tells, and a head
// whose conversation has none is not until the conversation's Next, which is its due time then. NextDue tells of both.
// A durable driver keeps the pauses that a channel has asked for ([pace.ReasonThrottled]), and what occupies windows, over
// a restart.
//
// A message may have a policy for conversations in which something goes on. Then the claim that would hand out one of its
// deliveries with [VerbSend] does what [Judge] says, once it has the conversation's lease: it holds the delivery, which
// leaves its lane, or suppresses it, and goes on with the next; or hands it out, and tells how it is to be said. What is
// held is judged again in the step that changes what goes on ([headsup.Mark]), and in the first Claim at or after the time
// that the last judgement told, which NextDue tells: those that are not held any more become ready, behind those that were
// scheduled until then, in the order of the times at which they were wanted, then of their ids. The step that accepts a message judges
// nothing, and hands out none that has a policy.
//
// A sender may put a delivery aside ([Aside]), whatever it is: it is held, too, but nothing that goes on in its conversation
// changes that. It becomes ready in the first Claim at or after its time, or in [Store.Resume], with [ReasonResumed], among
// those that are released then.
//
// An attempt whose outcome says so, or that was lost, may have arrived. A delivery remembers that until it is delivered or
// settled, also through a replay. What is not delivered in the end, for whatever reason, is unknown then: every change of a
// delivery is what [Ending] makes of it.
type Store interface {
	// SubmitMessage accepts a submission. With take, and if its only delivery is due, a head, and its conversation free,
	// the delivery is handed out in the same step, and its history begins with sending. Where something is limited it needs
	// a permit, and nothing may wait in its route that is as pressing. [ErrKeyReused] when the key
	// belongs to other content; [book.ErrNotFound] when a conversation is not in the book; some error when an id is taken.
	//
	// With a collapse key it first replaces what waits: deliveries with [VerbSend] to the same conversations, of messages of
	// the same app and tenant with the same key, that are not handed out and may not have arrived, become suppressed with
	// [ReasonCollapsed]. Deliveries of the submission itself stay. What an earlier message that is spreading would have
	// waiting in such a conversation later ends in the same way when it is made.
	SubmitMessage(ctx context.Context, s Submission, take bool) (Accepted, error)

	// SubmitMessages accepts several submissions in one step, in their order, each by itself as SubmitMessage does without
	// take: one that is refused for its key or a conversation does not keep the others out. The results are in the order
	// of the submissions. No error of the step itself means that all results hold.
	SubmitMessages(ctx context.Context, subs []Submission) ([]SubmitResult, error)

	// SpreadMessages makes deliveries of messages that were accepted with a [Spread]: for up to n conversations of one of
	// them, in the order of their rows, and notes in the same step how far that one has come, so that each conversation
	// gets one delivery however often the process is killed. The message is one of the most pressing lane, and among
	// these the one for which the fewest were made, so that a short one does not wait for a long one. A driver that can
	// take several steps at once takes a few, each of up to n, of several messages or, where one goes to thousands, of several
	// stretches of the book. nextID makes the ids, one at a time; it may be called more often than it is needed. Several
	// callers may work at once. It returns how many deliveries it made, and whether there may be more to make. CancelMessage and a recall end a spread;
	// RescheduleMessage changes its time.
	SpreadMessages(ctx context.Context, n int, at time.Time, nextID func() DeliveryID) (made int, more bool, err error)

	// Claim hands out up to n deliveries: heads that are due, whose conversation's lease is free, which is taken, and for
	// which there is room. It shares them out among the routes that have some as evenly as these can use them: none gets two
	// more than another that has more. A claim goes on with the route that has waited longest, so several claims of one
	// share them out in the same way. State (sending), claims and fence are on disk when it returns.
	// Deliveries whose message has expired become expired instead, at the latest when their turn comes, and hold up
	// nobody; those that revise what has no id become suppressed in the same way, with [ReasonNothingSent], unless what they
	// revise is delivered or may have arrived, if only in part. What revises, and what was replayed, does not expire. Fewer than n mean that
	// there are no more now. It also tells when the next one is due that now is not; zero for none.
	Claim(ctx context.Context, n int, now time.Time) (Claimed, error)

	// Mark says that a conversation is busy, or takes it back, durably, and returns the entry as it is then. It waits for no
	// lease: what is being sent goes its way. [headsup.Mark] does the same in the commit of a turn. [book.ErrNotFound].
	Mark(ctx context.Context, key headsup.ConversationKey, m headsup.Mark) (book.Conversation, error)

	// RecordOutcome ends an attempt and gives the conversation's lease back. An outcome whose fence is not the
	// delivery's, or whose delivery is not being sent any more, is refused with headsup.ErrLeaseLost and changes nothing.
	// That a turn has taken over the conversation meanwhile does not matter: the outcome is the truth all the same. What
	// was to be tried again becomes cancelled instead, with [ReasonRecalled], if its message was recalled meanwhile; a
	// [VerbDelete] does not. The same holds for what ReclaimExpired takes back. When a revision is delivered, with the id of
	// what it revises, then that is known: if it is unknown, it becomes delivered with that id and [ReasonSettled].
	RecordOutcome(ctx context.Context, o Outcome) error

	// Resume makes what senders have put aside in some conversations ready at once, with [ReasonResumed], and returns how many
	// it were. What is held for what goes on there stays.
	Resume(ctx context.Context, in []book.Row, at time.Time) (int, error)

	// Sending lists the attempts that were handed out in some conversations and are not over. After a change of a conversation
	// that a claim sees, those of before are among them as long as they may say something.
	Sending(ctx context.Context, in []book.Row) ([]Running, error)

	// Count notes that a delivery is about to be said, and reports whether that is within a cap; otherwise it notes nothing. It
	// is counted once, at the last time, however often it is tried. All conversations with one human alone are counted together;
	// what is older than Since does not count, and may be forgotten.
	Count(ctx context.Context, c Counting) (within bool, err error)

	// Uncount takes back that a delivery in a conversation was counted: nothing was said. It is no error if it was not.
	Uncount(ctx context.Context, id DeliveryID, in book.Row) error

	// RecordSend notes an activity of a running attempt, or that it was taken. It is refused as RecordOutcome is. What was
	// noted comes with later attempts, until the delivery is replayed, which begins anew.
	RecordSend(ctx context.Context, s Send) error

	// Behind lists up to n deliveries with [VerbSend] that stand behind one in its lane, in order: until the first that is
	// not ready and due, or of which something was sent or joined already. What is not in a lane has nothing behind it.
	Behind(ctx context.Context, id DeliveryID, n int) ([]Part, error)

	// Join writes down, durably, which deliveries a running attempt says together with its own; it is refused as
	// RecordOutcome is. Those of others that do not wait in the attempt's lane any more are left out. Each other that was
	// joined may have arrived, and its attempts come with a [Send] that tells the lead, until it is replayed; so do those
	// of the lead, which is one of the parts. A lead that has joined others before has
	// only these from then on.
	Join(ctx context.Context, j Joining) error

	// Joined lists the parts of what a lead says, the lead's own first, the others in the order in which they were joined,
	// however they stand; none if it has joined nothing.
	Joined(ctx context.Context, lead DeliveryID) ([]Part, error)

	// Extend prolongs the leases of running attempts and returns those that are lost: ended, reclaimed, or their
	// conversation taken over.
	Extend(ctx context.Context, attempts []Attempt, until time.Time) (lost []DeliveryID, err error)

	// ReclaimExpired takes back attempts whose lease has run out at now, with [ReasonLeaseLost]. What becomes of them says
	// [AfterLoss], given how many attempts of the delivery in a row have been lost like that since it was submitted,
	// replayed, or an outcome was recorded; those that are tried again are ready in their old place. It returns how many. A
	// durable store does the same, with [ReasonProcessStopped], to what it knows to have been sent by a process that is gone.
	// In a conversation that stands as [book.ReachProspective] nothing has been said by an attempt that was lost.
	ReclaimExpired(ctx context.Context, now time.Time) (int, error)

	// CancelMessage cancels the deliveries of a message that are not handed out and not final: what is sending or final
	// stays as it is, and so do revisions. What may have arrived is unknown, with [ReasonCancelled].
	//
	// Of very many deliveries, this and the next two change some, and note in the same step that the others are to be
	// changed, which [Store.SweepMessages] does and [Message.Changing] tells. Meanwhile nothing of the message is handed out
	// that is to be cancelled or to be told later: a claim changes it instead. What was sending, and waits for its next try
	// before its turn has come, is changed too. A cancellation ends a rescheduling, a recall whatever else is under way.
	CancelMessage(ctx context.Context, id MessageID, at time.Time) error

	// RescheduleMessage makes the deliveries that CancelMessage would cancel due at another time: scheduled, or ready
	// when that is not after at. What was ready before keeps its place in the latter case, and what is due already is
	// not changed. Other changes have [ReasonRescheduled]. It does nothing while the message is being cancelled.
	RescheduleMessage(ctx context.Context, id MessageID, due, at time.Time) error

	// ReviseMessage edits or recalls a message. An edit replaces the body, which is what deliveries say that
	// are not handed out yet, and adds a delivery with [VerbUpdate] for each that is being sent or delivered, unless one
	// waits for it already. A recall cancels what is not handed out, with [ReasonRecalled], and adds a delivery with
	// [VerbDelete] for each that is being sent, delivered or unknown, such as what it has just stopped and may have arrived,
	// or failed with [ReasonPartial].
	// Those that are added are ready, in the lane of the message,
	// and get their ids in the order of those that they revise; in a conversation that is not in the book any more there
	// are none. An edit of a recalled message is refused with [ErrRecalled]; a second recall changes nothing.
	//
	// Of very many, those that are handed out after an edit say the new body, and need no update; but one may get one if it
	// was handed out within [EditSlack] after it.
	ReviseMessage(ctx context.Context, r Revision) error

	// SweepMessages goes on with changes of messages with very many deliveries: it looks at up to n of one, in the order of
	// their ids, changes those that are to be changed, and notes in the same step how far it has come, so that it goes on
	// there however often the process is killed. nextID makes the ids of deliveries that are added; it may be called more
	// often than it is needed. Several callers may work at once. It tells the messages that it has changed and whether there
	// may be more to do.
	SweepMessages(ctx context.Context, n int, nextID func() DeliveryID) (changed []MessageID, more bool, err error)

	// ReplayDelivery makes a delivery that has ended without success ready again: failed, unknown, expired, suppressed or
	// cancelled. It takes a new place, has no failures and does not expire; claims and history go on, with
	// [ReasonReplayed]. [ErrNoDelivery]; [ErrState] in any other state; [ErrRecalled] or [ErrPurged] if its message was
	// recalled or purged, unless it is a [VerbDelete]; [ErrChanging] while its message is being cancelled or rescheduled;
	// [book.ErrNotFound] if its conversation is not in the book any more.
	ReplayDelivery(ctx context.Context, id DeliveryID, r Replay) (Delivery, error)

	// ReplayDeliveries replays up to f.Limit deliveries that match f and may be replayed, oldest first, and returns how
	// many. f.Before is not used.
	ReplayDeliveries(ctx context.Context, f DeliveryFilter, r Replay) (int, error)

	// SettleDelivery makes an unknown delivery delivered or failed, with [ReasonSettled], because somebody knows.
	// [ErrNoDelivery]; [ErrState] when it is not unknown.
	SettleDelivery(ctx context.Context, id DeliveryID, as Settlement) (Delivery, error)

	// Park makes what could be handed out at a time unknown, with [ReasonRestored]: deliveries with [VerbSend] that are
	// ready or held, or scheduled and due at at. It is for a store that was restored from a backup, whose owner does not
	// know what was said since the backup was made; nothing may be sending. What revises may be repeated without harm and
	// stays as it is. It returns how many were parked.
	Park(ctx context.Context, at time.Time) (int, error)

	// Purge forgets what is over, of some messages in the order of their ids: a step of a walk over all of them. Messages
	// with a delivery that is not final stay as they are. One without content is as it was in all else, but what was to
	// be replayed of it is refused with [ErrPurged]; one that is removed is not found any more, nor are its deliveries and
	// its idempotency key, and Counts does not count them.
	Purge(ctx context.Context, p Purge) (Purged, error)

	// DeliveryRecord returns a delivery with its history, or ErrNoDelivery.
	DeliveryRecord(ctx context.Context, id DeliveryID) (Delivery, error)

	// ListDeliveries lists the deliveries that match f, newest first.
	ListDeliveries(ctx context.Context, f DeliveryFilter) (DeliveryPage, error)

	// ListMessages lists the messages that match f, newest first.
	ListMessages(ctx context.Context, f MessageFilter) (MessagePage, error)

	// MessageByKey returns the id and fingerprint of the message that was accepted under an idempotency key, or
	// ErrNotFound.
	MessageByKey(ctx context.Context, appID string, tenant activity.TenantID, key string) (MessageID, []byte, error)

	// Message returns a message, or ErrNotFound.
	Message(ctx context.Context, id MessageID) (Message, error)

	// MessageRecord returns a message, how many of its deliveries are in each state, and up to n of these with their
	// history, in the order of their ids; or ErrNotFound. However many there are, it keeps no more than those in memory.
	MessageRecord(ctx context.Context, id MessageID, n int) (Record, error)

	// Fallbacks looks at n messages that have a fallback, after one, in the order of their ids, and lists those of which one
	// of several deliveries is not final. It also tells the last that it has looked at; 0 when there are no more.
	Fallbacks(ctx context.Context, after MessageID, n int) (found []MessageID, last MessageID, err error)

	// Counts tells how many deliveries are in each state.
	Counts(ctx context.Context) (map[State]int64, error)

	// OldestDue tells since when the delivery that has waited longest could have been handed out: since its time, its
	// next try's, or when it became ready. Heads only, of which a driver may look at the first hundred of each lane of a
	// hundred routes; zero when none is due at now.
	OldestDue(ctx context.Context, now time.Time) (time.Time, error)

	// Observe has o told, from now on, of every message that is accepted and every delivery that ends, once what it is
	// told is durable. It is called before anything else uses the store, if at all.
	Observe(o Observer)

	// Wakeups is signalled when there may be something to claim that there was not before, or when the next one may be
	// due earlier than Claim has told. Signals are joined.
	Wakeups() <-chan struct{}

	Receipts
}

// Claimed is what [Store.Claim] hands out.
type Claimed struct {
	Attempts []Attempt
	// NextDue is when the next delivery becomes due; zero for none.
	NextDue time.Time
}

// Counting is about to say something to somebody.
type Counting struct {
	Delivery     DeliveryID
	Conversation book.Row
	Topic        string
	Cap          book.Cap
	// Since is when the day began that the cap is for.
	Since, At time.Time
}

// Running names an attempt.
type Running struct {
	Delivery DeliveryID
	Fence    int64
}

// SubmitResult is what became of one of several submissions.
type SubmitResult struct {
	Accepted Accepted
	// Err is why it was refused; nil if it was not.
	Err error
}

// Settlement is what somebody knows of an unknown delivery.
type Settlement struct {
	// State is delivered or failed.
	State State
	// Activity is the id that the channel gave, which an edit or a recall needs; empty when it is not known.
	Activity activity.ID
	At       time.Time
}

// Revision edits or recalls a message.
type Revision struct {
	Message MessageID
	// Body is what the message says from now on. Empty recalls it.
	Body jsontext.Value
	At   time.Time
	// NextID makes the ids of deliveries that are added. It may be called more often than it is needed.
	NextID func() DeliveryID
}
