package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
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

// drawn makes a submission, and the deliveries that are expected of it.
func (m *model) drawn(t *rapid.T) (outbox.Submission, []*expected) {
	id := outbox.MessageID(m.w.ids.Add(1))
	s := outbox.Submission{At: m.now, Message: outbox.Message{
		ID: id, AppID: app, Tenant: tenant, Lane: outbox.Lane(rapid.IntRange(0, 2).Draw(t, "lane")),
		Body: jsontext.Value(`{}`), CreatedAt: m.now, OnUnknown: headsup.OnUnknownRetry, Window: headsup.WindowExisting,
	}}
	if rapid.IntRange(0, 3).Draw(t, "hold") == 0 {
		s.Message.OnUnknown = headsup.OnUnknownHold
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
		s.Message.ExpiresAt = m.seconds(t, "expires at")
	}
	if key := rapid.SampledFrom([]string{"", "", "", "k", "l"}).Draw(t, "key"); key != "" {
		s.Message.Key = fmt.Sprint(m.w.runs, key)
		s.Message.Fingerprint = []byte(rapid.SampledFrom([]string{"1", "1", "1", "2"}).Draw(t, "content"))
	}
	s.Message.Policy = m.policy(t)
	s.Message.CollapseKey = rapid.SampledFrom([]string{"", "", "", "c", "d"}).Draw(t, "collapse key")
	var ds []*expected
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "deliveries") {
		i := rapid.IntRange(0, conversationsOfModel-1).Draw(t, "conversation")
		nd := outbox.NewDelivery{ID: outbox.DeliveryID(m.w.ids.Add(1)), Conversation: m.conversations[i].Row}
		if rapid.Bool().Draw(t, "later") {
			nd.DueAt = m.seconds(t, "due")
		}
		s.Deliveries = append(s.Deliveries, nd)
		ds = append(ds, &expected{
			id: nd.ID, message: id, conversation: i, lane: s.Message.Lane, expires: s.Message.ExpiresAt,
			hold: s.Message.OnUnknown == headsup.OnUnknownHold, collapse: s.Message.CollapseKey,
			policy: s.Message.Policy,
		})
	}
	ds[0].single = len(ds) == 1
	return s, ds
}

// last says something in a lane of every conversation.
func (m *model) last(t *rapid.T, lane outbox.Lane) {
	s := outbox.Submission{At: m.now, Message: outbox.Message{
		ID: outbox.MessageID(m.w.ids.Add(1)), AppID: app, Tenant: tenant, Lane: lane, Body: jsontext.Value(`{}`),
		CreatedAt: m.now,
	}}
	var ds []*expected
	for i, c := range m.conversations {
		nd := outbox.NewDelivery{ID: outbox.DeliveryID(m.w.ids.Add(1)), Conversation: c.Row}
		s.Deliveries = append(s.Deliveries, nd)
		ds = append(ds, &expected{id: nd.ID, message: s.Message.ID, conversation: i, lane: lane})
	}
	_, err := m.store.SubmitMessage(m.w.ctx, s, false)
	ok(t, err)
	m.accepted(s, ds)
}

// accepted adds a submission to the model.
func (m *model) accepted(s outbox.Submission, ds []*expected) {
	m.messages = append(m.messages, s.Message.ID)
	if s.Message.Key != "" {
		m.keys[s.Message.Key] = s
	}
	for _, d := range ds {
		m.queue.collapse(d)
	}
	for i, d := range ds {
		m.queue.accept(d, s.Deliveries[i].DueAt, s.At)
	}
}

func (m *model) submit(t *rapid.T) {
	s, ds := m.drawn(t)
	take := rapid.Bool().Draw(t, "take")
	r, err := m.store.SubmitMessage(m.w.ctx, s, take)
	if earlier, used := m.keys[s.Message.Key]; used {
		if string(earlier.Message.Fingerprint) != string(s.Message.Fingerprint) {
			if !errors.Is(err, outbox.ErrKeyReused) {
				t.Fatalf("the error is %v, want %v", err, outbox.ErrKeyReused)
			}
			return
		}
		ok(t, err)
		if !r.Replayed || r.Message != earlier.Message.ID || r.Attempt != nil {
			t.Fatalf("the receipt is %+v, want message %d again", r, earlier.Message.ID)
		}
		return
	}
	ok(t, err)
	if r.Replayed || r.Message != s.Message.ID {
		t.Fatalf("the receipt is %+v, want message %d", r, s.Message.ID)
	}
	free := m.free(ds[0].conversation)
	m.accepted(s, ds)
	d := ds[0]
	want := take && len(ds) == 1 && d.policy.IsZero() && free && d.state == outbox.StateReady && m.queue.head(d) && !d.expired(m.now)
	if got := r.Attempt != nil; got != want {
		t.Fatalf("handed out at once: %v, want %v", got, want)
	}
	if want {
		d.past = nil // one step
		m.handedOut(t, d, *r.Attempt)
	}
}

// handedOut checks an attempt and lets the model follow.
func (m *model) handedOut(t *rapid.T, d *expected, a outbox.Attempt) {
	t.Helper()
	d.claims++
	if j := m.queue.judge(d, m.now); j.Hold || j.Suppress || a.As != j.As {
		t.Fatalf("delivery %d is handed out to be said as %q, but %v goes on, and its policy says %+v", d.id, a.As, m.queue.going[d.conversation], j)
	}
	if a.Delivery != d.id || a.Message != d.message || a.Claims != d.claims || a.Failures != d.failures ||
		a.Fence <= d.attempt.Fence || a.Conversation.Row != m.conversations[d.conversation].Row || a.Lane != d.lane || a.Verb != d.verb ||
		a.MayHaveArrived != d.unsure || d.revises != nil && (a.Revises != d.revises.id || (a.Sent != "") != d.revises.said) {
		t.Fatalf("the attempt is %+v, want delivery %d of message %d, claim %d with %d failures and a new fence",
			a, d.id, d.message, d.claims, d.failures)
	}
	d.to(outbox.StateSending)
	d.attempt, d.until = a, m.now.Add(headsup.LeaseTime)
}

func (m *model) claim(t *rapid.T) {
	n := rapid.IntRange(1, 5).Draw(t, "n")
	m.claims(t, n)
}

func (m *model) claims(t *rapid.T, n int) {
	m.drainWakeups()
	c, err := m.store.Claim(m.w.ctx, n, m.now)
	ok(t, err)
	m.queue.promote(m.now)
	m.followExpiry(t)
	m.followPolicy(t)
	could := m.queue.claimable(m.now, m.free)
	given := make(map[int]*expected) // by conversation
	for _, a := range c.Attempts {
		i := slices.IndexFunc(could, func(d *expected) bool { return d.id == a.Delivery })
		if i < 0 {
			t.Fatalf("delivery %d is handed out, but may not be", a.Delivery)
		}
		d := could[i]
		if given[d.conversation] != nil {
			t.Fatalf("deliveries %d and %d are handed out in one conversation", given[d.conversation].id, d.id)
		}
		if given[d.conversation] = d; d.expired(m.now) || d.pointless() {
			t.Fatalf("delivery %d has expired or nothing to revise, and its turn has come, but it is %s", d.id, d.state)
		}
		m.handedOut(t, d, a)
	}
	left := slices.DeleteFunc(could, func(d *expected) bool { return given[d.conversation] != nil })
	if len(given) < n && len(left) > 0 {
		t.Fatalf("%d of %d are handed out, but delivery %d is not", len(given), n, left[0].id)
	}
	m.fair(t, given, left)
	if want := m.queue.nextDue(m.now); !c.NextDue.Equal(want) {
		t.Fatalf("the next is due at %v, want %v", c.NextDue, want)
	}
	m.lastClaim, m.told, m.sated = m.now, c.NextDue, len(given) < n
}

// fair checks the order of what was given against what could have been given, and was left.
func (m *model) fair(t *rapid.T, given map[int]*expected, left []*expected) {
	had := make(map[int]int) // by host
	jumped := make(map[int]int)
	for _, d := range given {
		host := m.hosts[d.conversation]
		had[host]++
		jumps := false
		for _, o := range left {
			if m.hosts[o.conversation] != host {
				continue
			}
			jumps = jumps || o.lane < d.lane
			if o.lane == d.lane && o.place < d.place && o.single && d.single && !o.moved && !d.moved {
				t.Fatalf("delivery %d is handed out, and %d is not, which has waited for longer", d.id, o.id)
			}
		}
		if jumps {
			jumped[host]++
		}
	}
	for _, o := range left {
		for host, n := range had {
			if own := m.hosts[o.conversation]; n > had[own]+1 {
				t.Fatalf("route %d had %d turns, route %d only %d, and delivery %d waits there", host, n, own, had[own], o.id)
			}
		}
	}
	for host, n := range jumped {
		if n > 2 {
			t.Fatalf("%d of route %d are handed out while more pressing ones are left", n, host)
		}
	}
}

// travel has a conversation found behind another host.
func (m *model) travel(t *rapid.T) {
	i := rapid.IntRange(0, conversationsOfModel-1).Draw(t, "conversation")
	m.hosts[i] = rapid.IntRange(0, hostsOfModel-1).Draw(t, "host")
	m.sight(t, i)
	for _, d := range m.queue.all {
		if d.conversation == i && !d.state.Final() {
			d.moved = true
		}
	}
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

// one draws one of those that are being sent, or skips the step.
func (m *model) one(t *rapid.T) *expected {
	sending := m.queue.sending()
	if len(sending) == 0 {
		t.Skip("nothing is being sent")
	}
	return pick(t, "attempt", sending)
}

// pick draws one of some deliveries.
func pick(t *rapid.T, label string, from []*expected) *expected {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

func (m *model) outcome(t *rapid.T) {
	d := m.one(t)
	state := rapid.SampledFrom([]outbox.State{
		outbox.StateDelivered, outbox.StateDelivered, outbox.StateFailed, outbox.StateUnknown, outbox.StateSuppressed,
		outbox.StateReady, outbox.StateReady,
	}).Draw(t, "state")
	o := outbox.Outcome{
		Delivery: d.id, Fence: d.attempt.Fence, State: state, At: m.now, Failed: rapid.Bool().Draw(t, "failed"),
	}
	o.MayHaveArrived = state != outbox.StateDelivered && rapid.IntRange(0, 2).Draw(t, "may have arrived") == 0
	switch state {
	case outbox.StateReady:
		o.RetryAt = m.seconds(t, "retry at")
	case outbox.StateDelivered:
		o.Activity = activity.ID(rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "activity"))
	default:
	}
	ok(t, m.store.RecordOutcome(m.w.ctx, o))
	d.said = d.said || o.Activity != ""
	d.unsure, d.lost = d.unsure || o.MayHaveArrived, 0
	if m.putBack(d, state); d.state == outbox.StateReady && o.RetryAt.After(m.now) {
		d.due = o.RetryAt
	}
	if o.Failed {
		d.failures++
	}
	if o.Activity != "" {
		m.learn(d)
	}
}

// learn: what a revision has changed, it has found.
func (m *model) learn(d *expected) {
	if d.revises != nil && d.revises.state == outbox.StateUnknown {
		d.revises.to(outbox.StateDelivered)
		d.revises.said, d.revises.checked = true, false
	}
}

// stale repeats an attempt that is over.
func (m *model) stale(t *rapid.T) {
	over := m.queue.which(func(d *expected) bool { return d.claims > 0 && d.state != outbox.StateSending })
	if len(over) == 0 {
		t.Skip("nothing was sent")
	}
	d := pick(t, "attempt", over)
	err := m.store.RecordOutcome(m.w.ctx, outcomeOf(d.attempt, m.now))
	if !errors.Is(err, headsup.ErrLeaseLost) {
		t.Fatalf("the error is %v, want %v", err, headsup.ErrLeaseLost)
	}
	lost, err := m.store.Extend(m.w.ctx, []outbox.Attempt{d.attempt}, m.now.Add(time.Minute))
	ok(t, err)
	if !slices.Equal(lost, []outbox.DeliveryID{d.id}) {
		t.Fatalf("lost %v, want %d", lost, d.id)
	}
}

func (m *model) cancel(t *rapid.T) {
	if len(m.messages) == 0 {
		t.Skip("nothing was said")
	}
	id := rapid.SampledFrom(m.messages).Draw(t, "message")
	err := m.store.CancelMessage(m.w.ctx, id, m.now)
	ok(t, err)
	for _, d := range m.queue.all {
		if d.message == id && d.waits() && d.verb == outbox.VerbSend {
			d.to(outbox.StateCancelled)
		}
	}
}

// putBack ends an attempt. What is recalled is not tried again.
func (m *model) putBack(d *expected, state outbox.State) {
	if state == outbox.StateReady && m.recalled[d.message] && d.verb != outbox.VerbDelete {
		state = outbox.StateCancelled
	}
	d.to(state)
}

// anyMessage draws one of the messages, or skips the step.
func (m *model) anyMessage(t *rapid.T) outbox.MessageID {
	if len(m.messages) == 0 {
		t.Skip("nothing was said")
	}
	return rapid.SampledFrom(m.messages).Draw(t, "message")
}

func (m *model) move(t *rapid.T) {
	id, due := m.anyMessage(t), m.seconds(t, "due")
	err := m.store.RescheduleMessage(m.w.ctx, id, due, m.now)
	ok(t, err)
	for _, d := range m.queue.all {
		switch {
		case d.message != id || !d.waits() || d.verb != outbox.VerbSend:
		case due.After(m.now):
			d.to(outbox.StateScheduled)
			d.due, d.wanted, d.place = due, due, 0
		case d.state != outbox.StateReady:
			d.to(outbox.StateReady)
			d.wanted = m.now
			m.queue.enqueue(d)
		case !d.due.IsZero():
			d.to(outbox.StateReady)
		}
	}
}

func (m *model) edit(t *rapid.T)   { m.revise(t, jsontext.Value(`{}`)) }
func (m *model) recall(t *rapid.T) { m.revise(t, nil) }

func (m *model) revise(t *rapid.T, body jsontext.Value) {
	id := m.anyMessage(t)
	var made []outbox.DeliveryID
	err := m.store.ReviseMessage(m.w.ctx, outbox.Revision{Message: id, Body: body, At: m.now, NextID: func() outbox.DeliveryID {
		made = append(made, outbox.DeliveryID(m.w.ids.Add(1)))
		return made[len(made)-1]
	}})
	verb := outbox.VerbUpdate
	switch {
	case m.recalled[id] && len(body) > 0:
		if !errors.Is(err, outbox.ErrRecalled) {
			t.Fatalf("the error is %v, want %v", err, outbox.ErrRecalled)
		}
		return
	case m.recalled[id]:
		ok(t, err)
		return
	case len(body) == 0:
		verb, m.recalled[id] = outbox.VerbDelete, true
	}
	ok(t, err)
	var said []*expected
	coming := make(map[*expected]bool)
	for _, d := range m.queue.all {
		switch {
		case d.message != id:
		case d.waits() && verb == outbox.VerbDelete:
			d.to(outbox.StateCancelled)
		case d.waits() && d.verb == outbox.VerbUpdate:
			coming[d.revises] = true
		}
		given := d.state == outbox.StateSending || d.state == outbox.StateDelivered ||
			d.state == outbox.StateUnknown && verb == outbox.VerbDelete
		if d.message == id && d.verb == outbox.VerbSend && given {
			said = append(said, d)
		}
	}
	said = slices.DeleteFunc(said, func(d *expected) bool { return coming[d] })
	if len(made) != len(said) {
		t.Fatalf("%d deliveries are added, want %d", len(made), len(said))
	}
	for i, d := range said {
		m.queue.accept(&expected{
			id: made[i], message: id, conversation: d.conversation, lane: d.lane, verb: verb, revises: d,
		}, time.Time{}, m.now)
	}
}

func (m *model) replay(t *rapid.T) {
	over := m.queue.which(func(d *expected) bool { return d.state.Final() })
	if len(over) == 0 {
		t.Skip("nothing has ended")
	}
	d := pick(t, "delivery", over)
	_, err := m.store.ReplayDelivery(m.w.ctx, d.id, outbox.Replay{At: m.now})
	var want error
	switch {
	case d.state == outbox.StateDelivered:
		want = outbox.ErrState
	case m.recalled[d.message] && d.verb != outbox.VerbDelete:
		want = outbox.ErrRecalled
	}
	if !errors.Is(err, want) {
		t.Fatalf("the error is %v, want %v", err, want)
	}
	if want == nil {
		d.unsure = d.state == outbox.StateUnknown
		d.to(outbox.StateReady)
		d.failures, d.lost, d.replayed, d.checked, d.moved, d.wanted = 0, 0, true, false, false, m.now
		m.queue.enqueue(d)
	}
}

func (m *model) settle(t *rapid.T) {
	unknown := m.queue.which(func(d *expected) bool { return d.state == outbox.StateUnknown })
	if len(unknown) == 0 {
		t.Skip("nothing is unknown")
	}
	d := pick(t, "delivery", unknown)
	to := rapid.SampledFrom([]outbox.State{outbox.StateDelivered, outbox.StateFailed}).Draw(t, "state")
	_, err := m.store.SettleDelivery(m.w.ctx, d.id, outbox.Settlement{State: to, At: m.now})
	ok(t, err)
	d.to(to)
	d.checked = false
}

func (m *model) advance(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
}

func (m *model) reclaim(t *rapid.T) {
	n, err := m.store.ReclaimExpired(m.w.ctx, m.now)
	ok(t, err)
	want := 0
	for _, d := range m.queue.sending() {
		if m.now.Before(d.until) {
			continue
		}
		want++
		d.unsure = true
		if d.lost++; d.hold || d.lost == 5 {
			d.to(outbox.StateUnknown)
			continue
		}
		if m.putBack(d, outbox.StateReady); d.state == outbox.StateReady && d.lost > 1 {
			d.due = m.now.Add([...]time.Duration{2: 1, 3: 2, 4: 4}[d.lost] * time.Second)
		}
	}
	if n != want {
		t.Fatalf("reclaimed %d, want %d", n, want)
	}
}

// crash lets workers die in the middle of their attempts, perhaps several times in a row.
func (m *model) crash(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "times") {
		m.claims(t, 5)
		m.now = m.now.Add(headsup.LeaseTime)
		m.reclaim(t)
	}
}

func (m *model) extend(t *rapid.T) {
	d := m.one(t)
	until := m.now.Add(headsup.LeaseTime)
	lost, err := m.store.Extend(m.w.ctx, []outbox.Attempt{d.attempt}, until)
	ok(t, err)
	if len(lost) != 0 {
		t.Fatalf("lost %v", lost)
	}
	d.until = until
}

// turn begins a turn in a conversation that is free, and perhaps commits something that it says.
func (m *model) turn(t *rapid.T) {
	var free []int
	for i := range m.conversations {
		if m.free(i) {
			free = append(free, i)
		}
	}
	if len(free) == 0 {
		t.Skip("every conversation is busy")
	}
	i := rapid.SampledFrom(free).Draw(t, "conversation")
	l, err := m.store.Lease(m.w.ctx, m.conversations[i].Key)
	ok(t, err)
	m.turns[i] = l
	if !rapid.Bool().Draw(t, "says something") {
		return
	}
	s, ds := m.drawn(t)
	err = m.store.Commit(m.w.ctx, l, []headsup.Op{outbox.Submit{Submissions: []outbox.Submission{s}}})
	earlier, used := m.keys[s.Message.Key]
	switch {
	case used && string(earlier.Message.Fingerprint) != string(s.Message.Fingerprint):
		if !errors.Is(err, outbox.ErrKeyReused) {
			t.Fatalf("the error is %v, want %v", err, outbox.ErrKeyReused)
		}
	case used:
		ok(t, err)
	default:
		ok(t, err)
		m.accepted(s, ds)
	}
}

func (m *model) release(t *rapid.T) {
	for i := range m.conversations {
		if l := m.turns[i]; l != nil {
			l.Release()
			delete(m.turns, i)
			return
		}
	}
	t.Skip("there are no turns")
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
const wokenWithin = 2 * time.Second

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
