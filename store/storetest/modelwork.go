package storetest

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

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

// one draws one of those that are being sent, or skips the step.
func (m *model) one(t *rapid.T) *expected {
	sending := m.queue.sending()
	if len(sending) == 0 {
		t.Skip("nothing is being sent")
	}
	return pick(t, "attempt", sending)
}

func (m *model) outcome(t *rapid.T) {
	d := m.one(t)
	state := rapid.SampledFrom([]outbox.State{
		outbox.StateDelivered, outbox.StateDelivered, outbox.StateFailed, outbox.StateUnknown, outbox.StateSuppressed,
		outbox.StateReady, outbox.StateReady, outbox.StateHeld,
	}).Draw(t, "state")
	o := outbox.Outcome{
		Delivery: d.id, Fence: d.attempt.Fence, State: state, At: m.now, Failed: rapid.Bool().Draw(t, "failed"),
	}
	o.MayHaveArrived = state != outbox.StateDelivered && rapid.IntRange(0, 2).Draw(t, "may have arrived") == 0
	switch state {
	case outbox.StateReady:
		o.RetryAt = m.seconds(t, "retry at")
	case outbox.StateHeld:
		o.RetryAt, o.Reason = m.seconds(t, "held until"), "quiet_hours"
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
	if d.state == outbox.StateHeld {
		d.due, d.aside, d.place = o.RetryAt, true, 0
	}
	if o.Failed {
		d.failures++
	}
	if o.Activity != "" {
		m.learn(d)
	}
}

// resume has what was put aside in a conversation looked at again.
func (m *model) resume(t *rapid.T) {
	i := m.somewhere(t)
	n, err := m.store.Resume(m.w.ctx, []book.Row{m.conversations[i].Row}, m.now)
	ok(t, err)
	if want := m.queue.resume(i); n != want {
		t.Fatalf("resumed %d, want %d", n, want)
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
