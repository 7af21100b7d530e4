package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

// reference is the queue as it is meant to be: a list that is searched from end to end for every question. Deliveries
// are in the order of their acceptance.
type reference struct {
	all    []*expected
	places int
	going  map[int][]headsup.Busy // what goes on, by conversation
}

// expected is a delivery of the reference.
type expected struct {
	id           outbox.DeliveryID
	message      outbox.MessageID
	conversation int
	lane         outbox.Lane
	expires      time.Time
	hold         bool // unknown when it is lost
	policy       headsup.Policy
	wanted       time.Time
	verb         outbox.Verb
	revises      *expected // nil for what is sent

	state            outbox.State
	due              time.Time // zero: now
	place            int       // among those that are ready; 0 before it was
	claims, failures int
	attempt          outbox.Attempt // the last
	until            time.Time
	past             []outbox.State
	aside            bool // it is held since it was put aside
	said             bool // the channel has given it an id
	unsure           bool // an attempt may have arrived
	lost             int  // attempts in a row
	collapse         string
	late             bool // it ended when a claim found that it had expired
	replayed         bool
	checked          bool // it is final, and so it is in the store
	single           bool // the only delivery of its message
	moved            bool // to another route, where it got another rank
}

func (d *expected) to(s outbox.State) {
	s = d.ending(s)
	if s.Final() {
		d.unsure = false
	}
	d.state, d.due, d.aside = s, time.Time{}, false
	d.past = append(d.past, s)
}

// ending is the state that it comes to instead of s, if somebody may have it already.
func (d *expected) ending(s outbox.State) outbox.State {
	if d.unsure && s.Final() && s != outbox.StateDelivered {
		return outbox.StateUnknown
	}
	return s
}

func (d *expected) waits() bool { return !d.state.Final() && d.state != outbox.StateSending }

func (d *expected) expired(now time.Time) bool {
	return d.verb == outbox.VerbSend && !d.replayed && !d.expires.IsZero() && !now.Before(d.expires)
}

// pointless reports whether it revises what was never said.
func (d *expected) pointless() bool {
	if d.revises == nil || d.revises.said || d.revises.unsure {
		return false
	}
	return d.revises.state != outbox.StateDelivered && d.revises.state != outbox.StateUnknown
}

// accept adds a delivery.
func (r *reference) accept(d *expected, due, at time.Time) {
	r.all = append(r.all, d)
	if d.wanted = at; due.After(at) {
		d.to(outbox.StateScheduled)
		d.due, d.wanted = due, due
		return
	}
	d.to(outbox.StateReady)
	r.enqueue(d)
}

// judge says what the policy of a delivery makes of it.
func (r *reference) judge(d *expected, now time.Time) outbox.Judgement {
	if d.verb != outbox.VerbSend {
		return outbox.Judgement{}
	}
	s := outbox.Situation{Busy: r.going[d.conversation], WantedAt: d.wanted, ExpiresAt: d.expires, Now: now}
	if d.replayed {
		s.ExpiresAt = time.Time{}
	}
	return outbox.Judge(d.policy, s)
}

// judgeHeld judges what is held in a conversation once more.
func (r *reference) judgeHeld(conversation int, now time.Time) {
	held := r.which(func(d *expected) bool { return d.state == outbox.StateHeld && d.conversation == conversation })
	slices.SortFunc(held, func(a, b *expected) int {
		return cmp.Or(a.wanted.Compare(b.wanted), cmp.Compare(a.id, b.id))
	})
	for _, d := range held {
		switch j := r.judge(d, now); {
		case d.aside && d.due.After(now):
		case !d.aside && j.Hold:
			d.due = j.Until
		default:
			r.released(d)
		}
	}
}

func (r *reference) released(d *expected) {
	d.to(outbox.StateReady)
	d.moved = true // among other conversations its place is where the driver finds it
	r.enqueue(d)
}

// resume makes what was put aside in a conversation ready, and returns how many it were.
func (r *reference) resume(conversation int) int {
	list := r.which(func(d *expected) bool { return d.aside && d.conversation == conversation })
	slices.SortFunc(list, func(a, b *expected) int {
		return cmp.Or(a.wanted.Compare(b.wanted), cmp.Compare(a.id, b.id))
	})
	for _, d := range list {
		r.released(d)
	}
	return len(list)
}

// collapse ends what a new delivery replaces.
func (r *reference) collapse(d *expected) {
	for _, old := range r.all {
		if d.collapse != "" && old.collapse == d.collapse && old.conversation == d.conversation && old.waits() && !old.unsure {
			old.to(outbox.StateSuppressed)
		}
	}
}

func (r *reference) enqueue(d *expected) {
	r.places++
	d.place = r.places
}

// promote makes ready what was scheduled for a time that has come, and lets be claimed what was to be tried again then.
func (r *reference) promote(now time.Time) {
	var ready []*expected
	for _, d := range r.all {
		if d.state == outbox.StateReady && !d.due.After(now) {
			d.due = time.Time{}
		}
		if d.state == outbox.StateScheduled && !d.due.After(now) {
			ready = append(ready, d)
		}
	}
	slices.SortFunc(ready, func(a, b *expected) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id))
	})
	for _, d := range ready {
		d.to(outbox.StateReady)
		r.enqueue(d)
	}
	over := make(map[int]bool)
	for _, d := range r.all {
		if d.state == outbox.StateHeld && !d.due.After(now) {
			over[d.conversation] = true
		}
	}
	for conversation := range over {
		r.judgeHeld(conversation, now)
	}
}

// head reports whether nothing is before a delivery in its conversation and lane.
func (r *reference) head(d *expected) bool {
	return !slices.ContainsFunc(r.all, func(o *expected) bool {
		return o.conversation == d.conversation && o.lane == d.lane && !o.state.Final() && o.place > 0 && o.place < d.place
	})
}

// sending is what has been handed out.
func (r *reference) sending() []*expected {
	return r.which(func(d *expected) bool { return d.state == outbox.StateSending })
}

// claimable is what Claim may hand out at a time, of which it hands out one for each conversation.
func (r *reference) claimable(now time.Time, free func(conversation int) bool) []*expected {
	return r.which(func(d *expected) bool {
		return d.state == outbox.StateReady && !d.due.After(now) && r.head(d) && free(d.conversation)
	})
}

// nextDue is the earliest time after now that something waits for.
func (r *reference) nextDue(now time.Time) time.Time {
	var next time.Time
	for _, d := range r.all {
		if d.waits() && d.due.After(now) && (next.IsZero() || d.due.Before(next)) {
			next = d.due
		}
	}
	return next
}

func (r *reference) which(match func(*expected) bool) []*expected {
	var found []*expected
	for _, d := range r.all {
		if match(d) {
			found = append(found, d)
		}
	}
	return found
}

func (r *reference) counts() map[outbox.State]int64 {
	counts := make(map[outbox.State]int64)
	for _, d := range r.all {
		counts[d.state]++
	}
	return counts
}
