package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Model lets a store and a simple model of the queue do the same random things, and fails when they differ: when a
// delivery is lost, handed out twice or out of order, when a count is wrong, or when workers are not woken. It is a part
// of [Run]; flags of package rapid make it longer.
func Model(t *testing.T, o Options) {
	w := &world{open: func() Store { return o.Open(t) }, ctx: t.Context(), ids: new(atomic.Int64)}
	rapid.Check(t, func(t *rapid.T) {
		m := w.begin(t)
		t.Repeat(map[string]func(*rapid.T){
			"submit":  m.submit,
			"claim":   m.claim,
			"outcome": m.outcome,
			"stale":   m.stale,
			"cancel":  m.cancel,
			"move":    m.move,
			"travel":  m.travel,
			"edit":    m.edit,
			"recall":  m.recall,
			"replay":  m.replay,
			"settle":  m.settle,
			"advance": m.advance,
			"reclaim": m.reclaim,
			"crash":   m.crash,
			"extend":  m.extend,
			"turn":    m.turn,
			"busy":    m.busy,
			"free":    m.unbusy,
			"hold":    m.holds,
			"release": m.release,
			"resume":  m.resume,
			"":        m.check,
		})
		m.finish(t)
	})
}

// world is what the runs of a model share. A run that ends well leaves nothing behind that waits, so that the next one
// may use its store.
type world struct {
	open  func() Store
	ctx   context.Context
	ids   *atomic.Int64
	store Store // nil when the last run did not end well
	runs  int
}

// model is one run.
type model struct {
	w      *world
	store  Store
	before map[outbox.State]int64 // counts at the beginning
	now    time.Time

	conversations []book.Conversation
	hosts         [conversationsOfModel]int // where each conversation is
	turns         map[int]headsup.Lease
	queue         reference
	messages      []outbox.MessageID
	recalled      map[outbox.MessageID]bool
	keys          map[string]outbox.Submission
	// lastClaim is when Claim was called last, and told what it said is due next; sated: it had found no more.
	lastClaim, told time.Time
	sated           bool
}

const conversationsOfModel, hostsOfModel = 5, 3

func (w *world) begin(t *rapid.T) *model {
	if w.store == nil {
		w.store = w.open()
	}
	w.runs++
	m := &model{
		w: w, store: w.store, now: present(), turns: make(map[int]headsup.Lease), keys: make(map[string]outbox.Submission),
		recalled: make(map[outbox.MessageID]bool), queue: reference{going: make(map[int][]headsup.Busy)},
	}
	w.store = nil
	for i := range conversationsOfModel {
		m.hosts[i] = i % hostsOfModel
		m.conversations = append(m.conversations, m.sight(t, i))
	}
	counts, err := m.store.Counts(w.ctx)
	ok(t, err)
	m.before = counts
	return m
}

// sight tells where a conversation is.
func (m *model) sight(t *rapid.T, conversation int) book.Conversation {
	s := sightingOf(keyOf(fmt.Sprint("model-", conversation)), m.now)
	s.Reference.ServiceURL = fmt.Sprintf("https://host-%d.example/", m.hosts[conversation])
	c, err := m.store.Sight(m.w.ctx, s)
	ok(t, err)
	return c
}

func ok(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// free reports whether neither a turn nor an attempt has the conversation.
func (m *model) free(conversation int) bool {
	return m.turns[conversation] == nil && !slices.ContainsFunc(m.queue.sending(), func(d *expected) bool {
		return d.conversation == conversation
	})
}

// seconds draws a time from a few seconds ago to a minute from now; most are about now.
func (m *model) seconds(t *rapid.T, label string) time.Time {
	return m.now.Add(time.Duration(rapid.IntRange(-2, 60).Draw(t, label)) * time.Second)
}

// followExpiry finds what has become expired, or suppressed since there is nothing to revise. Claim may see to that earlier than when a delivery's turn comes, so the
// model follows if it was time.
func (m *model) followExpiry(t *rapid.T) {
	old := m.queue.which(func(d *expected) bool { return d.waits() && (d.expired(m.now) || d.pointless()) })
	for d, got := range m.stored(t, old) {
		switch {
		case got.State == d.ending(outbox.StateExpired) && d.expired(m.now):
			d.to(outbox.StateExpired)
			d.late = true
		case got.State == d.ending(outbox.StateSuppressed) && d.pointless():
			d.to(outbox.StateSuppressed)
		}
	}
}

func (m *model) drainWakeups() {
	select {
	case <-m.store.Wakeups():
	default:
	}
}

// pick draws one of some deliveries.
func pick(t *rapid.T, label string, from []*expected) *expected {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

// stored reads what the store has of some deliveries.
func (m *model) stored(t *rapid.T, ds []*expected) map[*expected]outbox.Delivery {
	t.Helper()
	read := make(map[outbox.MessageID]outbox.Record)
	found := make(map[*expected]outbox.Delivery)
	for _, d := range ds {
		r, known := read[d.message]
		if !known {
			var err error
			r, err = m.store.MessageRecord(m.w.ctx, d.message, every)
			ok(t, err)
			read[d.message] = r
		}
		i := slices.IndexFunc(r.Deliveries, func(got outbox.Delivery) bool { return got.ID == d.id })
		if i < 0 {
			t.Fatalf("delivery %d is lost", d.id)
		}
		found[d] = r.Deliveries[i]
	}
	return found
}

// check compares the store with the model after every step. What was found to be final is not read again before the
// end.
func (m *model) check(t *rapid.T) {
	m.compare(t, m.queue.which(func(d *expected) bool { return !d.checked }))
	counts, err := m.store.Counts(m.w.ctx)
	ok(t, err)
	want := m.queue.counts()
	for _, s := range allStates {
		if got := counts[s] - m.before[s]; got != want[s] {
			t.Fatalf("%d deliveries are %s, want %d", got, s, want[s])
		}
	}
	m.checkWakeups(t)
}

// compare compares some deliveries with what the store has of them.
func (m *model) compare(t *rapid.T, ds []*expected) {
	t.Helper()
	for d, got := range m.stored(t, ds) {
		if d.state == outbox.StateReady && !d.due.After(m.now) && got.DueAt.IsZero() {
			got.DueAt = d.due // past
		}
		if got.State != d.state || got.Claims != d.claims || got.Failures != d.failures || !got.DueAt.Equal(d.due) ||
			got.MayHaveArrived != d.unsure {
			t.Fatalf("delivery %d is %s, claims %d, failures %d, due %v, may have arrived: %v; want %s, %d, %d, %v, %v", d.id,
				got.State, got.Claims, got.Failures, got.DueAt, got.MayHaveArrived, d.state, d.claims, d.failures, d.due, d.unsure)
		}
		past := make([]outbox.State, len(got.History))
		for i, c := range got.History {
			past[i] = c.State
		}
		if !d.late && !slices.Equal(past, d.past) {
			t.Fatalf("delivery %d went through %v, want %v", d.id, past, d.past)
		}
		d.checked = d.state.Final()
	}
}

// wokenWithin is how soon: a lease that is given back over the network is free a moment later.
const wokenWithin = 20 * time.Second

// checkWakeups: a worker that found no more, and now sleeps until the time that it was told, must be woken when there is
// something to claim without that time coming, or when the time has become an earlier one.
func (m *model) checkWakeups(t *rapid.T) {
	if !m.sated {
		return
	}
	next := m.queue.nextDue(m.lastClaim)
	earlier := !next.IsZero() && (m.told.IsZero() || next.Before(m.told))
	if !earlier && len(m.queue.claimable(m.lastClaim, m.free)) == 0 {
		return
	}
	select {
	case <-m.store.Wakeups():
		m.sated = false // the worker wakes and will claim
	case <-time.After(wokenWithin):
		t.Fatal("there is something new to claim, now or earlier than was told, but nobody was woken")
	}
}

// finish lets a worker do what is left, and one thing more in every lane, and expects that nothing remains.
func (m *model) finish(t *rapid.T) {
	for len(m.turns) > 0 {
		m.release(t)
	}
	for _, lane := range []outbox.Lane{outbox.LaneBulk, outbox.LaneNormal, outbox.LaneUrgent} {
		m.last(t, lane)
	}
	for {
		m.deliver(t)
		m.claims(t, 100)
		if len(m.queue.sending()) == 0 {
			if m.told.IsZero() {
				break
			}
			m.now = m.told
		}
	}
	m.check(t)
	m.compare(t, m.queue.all)
	for _, d := range m.queue.all {
		if !d.state.Final() {
			t.Fatalf("delivery %d is left %s", d.id, d.state)
		}
	}
	for i := range m.conversations {
		m.say(t, i, headsup.Mark{Free: true, All: true})
	}
	m.w.store = m.store
}

// deliver ends what is being sent, all at once.
func (m *model) deliver(t *rapid.T) {
	sending := m.queue.sending()
	errs := make([]error, len(sending))
	together(len(sending), func(i int) {
		errs[i] = m.store.RecordOutcome(m.w.ctx, outcomeOf(sending[i].attempt, m.now))
	})
	ok(t, errors.Join(errs...))
	for _, d := range sending {
		d.said = true
		d.to(outbox.StateDelivered)
		m.learn(d)
	}
}
