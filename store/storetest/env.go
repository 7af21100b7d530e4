package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

const (
	app    = "app"
	tenant = activity.TenantID("tenant")
)

// env is a test with its store. Its methods fail the test when the store returns an error.
type env struct {
	*testing.T
	Store
	ctx context.Context
	// start is when the test begins, for the clock that it makes up.
	start time.Time
	ids   *atomic.Int64
}

func newEnv(t *testing.T, s Store) *env {
	return &env{T: t, Store: s, ctx: within(t), start: present(), ids: new(atomic.Int64)}
}

// present is the time as stores keep it.
func present() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// at is a while after the start.
func (e *env) at(d time.Duration) time.Time { return e.start.Add(d) }

func (e *env) nextID() int64 { return e.ids.Add(1) }

// ok fails the test if err is not nil.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// is fails the test if err is not want.
func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("the error is %v, want %v", err, want)
	}
}

// together calls f n times at once and waits.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	wg.Wait()
}

// keyOf names a Direct Line conversation of the test's bot.
func keyOf(id string) headsup.ConversationKey {
	return headsup.ConversationKey{
		AppID: app, Tenant: tenant, Channel: activity.ChannelDirectLine, Bot: "bot",
		Conversation: activity.ConversationID(id),
	}
}

// referenceTo is a reference with that key, to a person named after the conversation.
func referenceTo(key headsup.ConversationKey) activity.Reference {
	return activity.Reference{
		User:         &activity.ChannelAccount{ID: "user-of-" + activity.AccountID(key.Conversation), Name: "Somebody"},
		Bot:          &activity.ChannelAccount{ID: key.Bot, Role: activity.RoleBot},
		Conversation: activity.ConversationAccount{ID: key.Conversation, TenantID: key.Tenant},
		ChannelID:    key.Channel,
		ServiceURL:   "https://channel.example/",
		Locale:       "en-GB",
	}
}

// sightingOf is what an activity by an authenticated channel tells.
func sightingOf(key headsup.ConversationKey, at time.Time) book.Sighting {
	return book.Sighting{
		Key: key, Reference: referenceTo(key), Kind: book.KindPersonal, Source: book.SourceClaim, VerifiedAt: at, At: at,
	}
}

func (e *env) sight(s book.Sighting) book.Conversation {
	e.Helper()
	c, err := e.Sight(e.ctx, s)
	e.ok(err)
	return c
}

// meet puts a conversation into the book.
func (e *env) meet(id string) book.Conversation {
	e.Helper()
	return e.sight(sightingOf(keyOf(id), e.start))
}

// lease takes a conversation that is free.
func (e *env) lease(key headsup.ConversationKey) headsup.Lease {
	e.Helper()
	l, err := e.Lease(e.ctx, key)
	e.ok(err)
	return l
}

// busy reports whether somebody holds the conversation. (A driver that looks at the context first makes it true always,
// so it is only asked where it should be.)
func (e *env) busy(key headsup.ConversationKey) bool {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	l, err := e.Lease(ctx, key)
	if err != nil {
		return true
	}
	l.Release()
	return false
}

// message is a submission at the start of the test, with one delivery for each conversation, due at once.
func (e *env) message(to ...book.Conversation) outbox.Submission {
	id := e.nextID()
	s := outbox.Submission{
		At: e.start,
		Message: outbox.Message{
			ID: outbox.MessageID(id), AppID: app, Tenant: tenant, Lane: outbox.LaneNormal,
			Body:      jsontext.Value(fmt.Sprintf(`{"type":"message","text":"%d"}`, id)),
			OnUnknown: headsup.OnUnknownRetry, Window: headsup.WindowExisting, CreatedAt: e.start,
		},
	}
	for _, c := range to {
		s.Deliveries = append(s.Deliveries, outbox.NewDelivery{ID: outbox.DeliveryID(e.nextID()), Conversation: c.Row})
	}
	return s
}

// accept submits and returns the submission.
func (e *env) accept(s outbox.Submission) outbox.Submission {
	e.Helper()
	r, err := e.SubmitMessage(e.ctx, s, false)
	e.ok(err)
	want := outbox.Accepted{Message: s.Message.ID}
	equal(e.T, "receipt", r, want)
	return s
}

// say submits a message that is due at once.
func (e *env) say(to ...book.Conversation) outbox.Submission {
	e.Helper()
	return e.accept(e.message(to...))
}

// sayIn submits a message that is due a while after the start.
func (e *env) sayIn(d time.Duration, to ...book.Conversation) outbox.Submission {
	e.Helper()
	return e.accept(due(e.message(to...), e.at(d)))
}

// due makes a submission's deliveries due at a time.
func due(s outbox.Submission, at time.Time) outbox.Submission {
	for i := range s.Deliveries {
		s.Deliveries[i].DueAt = at
	}
	return s
}

// inLane puts a submission into a lane.
func inLane(l outbox.Lane, s outbox.Submission) outbox.Submission {
	s.Message.Lane = l
	return s
}

// claims hands out.
func (e *env) claims(n int, now time.Time) outbox.Claimed {
	e.Helper()
	c, err := e.Claim(e.ctx, n, now)
	e.ok(err)
	return c
}

// claimsOnly hands out up to n and expects the deliveries of these messages, in this order.
func (e *env) claimsOnly(n int, now time.Time, want ...outbox.Submission) []outbox.Attempt {
	e.Helper()
	c := e.claims(n, now)
	got := make([]outbox.MessageID, len(c.Attempts))
	for i, a := range c.Attempts {
		got[i] = a.Message
	}
	ids := make([]outbox.MessageID, len(want))
	for i, s := range want {
		ids[i] = s.Message.ID
	}
	if !slices.Equal(got, ids) {
		e.Fatalf("claimed messages %v, want %v", got, ids)
	}
	return c.Attempts
}

// outcomeOf ends an attempt that went well.
func outcomeOf(a outbox.Attempt, at time.Time) outbox.Outcome {
	return outbox.Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateDelivered, Status: 200, Activity: "sent", At: at,
	}
}

// retryOf ends an attempt that is to be repeated.
func retryOf(a outbox.Attempt, at, retryAt time.Time) outbox.Outcome {
	return outbox.Outcome{
		Delivery: a.Delivery, Fence: a.Fence, State: outbox.StateReady, RetryAt: retryAt, Failed: true,
		Reason: "unavailable", Status: 503, At: at,
	}
}

func (e *env) ends(o outbox.Outcome) {
	e.Helper()
	e.ok(e.RecordOutcome(e.ctx, o))
}

// every is more deliveries than a message of these tests has.
const every = 1 << 20

// cancels cancels a message, however many deliveries it has, and returns what became of it.
func (e *env) cancels(id outbox.MessageID, at time.Time) (outbox.Record, error) {
	if err := e.CancelMessage(e.ctx, id, at); err != nil {
		return outbox.Record{}, err
	}
	for more := true; more; {
		var err error
		if _, more, err = e.SweepMessages(e.ctx, 1000, e.nextDelivery); err != nil {
			return outbox.Record{}, err
		}
	}
	return e.MessageRecord(e.ctx, id, every)
}

func (e *env) record(s outbox.Submission) outbox.Record {
	e.Helper()
	r, err := e.MessageRecord(e.ctx, s.Message.ID, every)
	e.ok(err)
	return r
}

// delivery is a message's only delivery.
func (e *env) delivery(s outbox.Submission) outbox.Delivery {
	e.Helper()
	r := e.record(s)
	if len(r.Deliveries) != 1 {
		e.Fatalf("message %d has %d deliveries, want 1", s.Message.ID, len(r.Deliveries))
	}
	return r.Deliveries[0]
}

// stands checks the states that a message's only delivery went through. The last is where it stands.
func (e *env) stands(s outbox.Submission, want ...outbox.State) outbox.Delivery {
	e.Helper()
	d := e.delivery(s)
	got := make([]outbox.State, len(d.History))
	for i, c := range d.History {
		got[i] = c.State
	}
	if !slices.Equal(got, want) || d.State != want[len(want)-1] {
		e.Fatalf("message %d went through %v and is %s, want %v", s.Message.ID, got, d.State, want)
	}
	return d
}

// counts checks how many deliveries there are in each state.
func (e *env) counts(want map[outbox.State]int64) {
	e.Helper()
	got, err := e.Counts(e.ctx)
	e.ok(err)
	for _, s := range allStates {
		if got[s] != want[s] {
			e.Errorf("%d deliveries are %s, want %d", got[s], s, want[s])
		}
	}
}

var allStates = []outbox.State{
	outbox.StateScheduled, outbox.StateReady, outbox.StateHeld, outbox.StateSending, outbox.StateDelivered,
	outbox.StateFailed, outbox.StateUnknown, outbox.StateExpired, outbox.StateSuppressed, outbox.StateCancelled,
}

// quiet takes the wake-ups that have been signalled so far.
func (e *env) quiet() {
	select {
	case <-e.Wakeups():
	default:
	}
}

// woken expects a wake-up, now or soon.
func (e *env) woken() {
	e.Helper()
	select {
	case <-e.Wakeups():
	case <-e.ctx.Done():
		e.Fatal("the workers were not woken")
	}
}
