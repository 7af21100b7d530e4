package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// crowded is to how many conversations a message goes here that has very many deliveries: more than any driver changes in
// one step.
const crowded = 1200

func (s suite) sweep(t *testing.T) {
	s.promise(t, "RecordsOfManyAreCounted", manyAreCounted)
	s.promise(t, "NothingOfManyIsSaidAfterACancel", manyAreCancelled)
	s.promise(t, "ManyAreRecalled", manyAreRecalled)
	s.promise(t, "ManyAreRescheduled", manyAreRescheduled)
	s.promise(t, "ManyAreEdited", manyAreEdited)
	s.promise(t, "LaterChangesOfManyTakeTheirPlace", laterChangesOfMany)
	s.promise(t, "WhatIsBeingChangedIsNotPurged", changingIsNotPurged)
	s.sweepRaces(t)
	if s.Durable {
		s.promise(t, "ChangesOfManyGoOnAfterACrash", func(e *env) {
			m := e.saysToMany()
			e.ok(e.CancelMessage(e.ctx, m.Message.ID, e.start))
			for step := 0; e.sweeps(300); step++ {
				if step%2 == 0 {
					e.Store = s.Reopen(e.T, e.Store)
				}
				if a := e.claims(5, e.start).Attempts; len(a) != 0 {
					e.Fatalf("%d were handed out after the cancellation", len(a))
				}
			}
			e.counted(m, map[outbox.State]int64{outbox.StateCancelled: crowded})
		})
	}
}

// saysToMany accepts a message to very many, and spreads it.
func (e *env) saysToMany() outbox.Submission {
	e.Helper()
	return e.saysToManyAt(time.Time{})
}

func (e *env) saysToManyAt(due time.Time) outbox.Submission {
	e.Helper()
	sightings := make([]book.Sighting, crowded)
	for i := range sightings {
		sightings[i] = sightingOf(keyOf(fmt.Sprint("many", i)), e.start)
	}
	together(8, func(part int) {
		for i := part; i < crowded; i += 8 {
			if _, err := e.Sight(e.ctx, sightings[i]); err != nil {
				e.Error(err)
				return
			}
		}
	})
	n, last, err := e.Extent(e.ctx, app, book.Filter{})
	e.ok(err)
	m := e.message()
	m.Spread = &outbox.Spread{Last: last, Conversations: n, DueAt: due}
	e.accept(m)
	for more := true; more; {
		_, more, err = e.SpreadMessages(e.ctx, 500, e.start, e.nextDelivery)
		e.ok(err)
	}
	return m
}

// sweeps takes one step of what is being changed, and tells whether there is more.
func (e *env) sweeps(n int) (more bool) {
	e.Helper()
	_, more, err := e.SweepMessages(e.ctx, n, e.nextDelivery)
	e.ok(err)
	return more
}

// swept goes on until nothing is being changed.
func (e *env) swept() {
	e.Helper()
	for e.sweeps(400) {
	}
}

// counted checks how many deliveries of a message are in each state, and that nothing is being changed.
func (e *env) counted(s outbox.Submission, want map[outbox.State]int64) {
	e.Helper()
	r, err := e.MessageRecord(e.ctx, s.Message.ID, 0)
	e.ok(err)
	equal(e.T, "counts", r.Counts, want)
	if r.Message.Changing {
		e.Error("it is being changed still")
	}
}

// saysSome hands out n and delivers them.
func (e *env) saysSome(n int, at time.Time) []outbox.Attempt {
	e.Helper()
	attempts := e.claims(n, at).Attempts
	if len(attempts) != n {
		e.Fatalf("%d were handed out, want %d", len(attempts), n)
	}
	e.deliverAll(attempts, at)
	return attempts
}

// deliverAll ends attempts well, several at once.
func (e *env) deliverAll(attempts []outbox.Attempt, at time.Time) {
	e.Helper()
	const hands = 64
	together(hands, func(hand int) {
		for i := hand; i < len(attempts); i += hands {
			if err := e.RecordOutcome(e.ctx, outcomeOf(attempts[i], at)); err != nil {
				e.Error(err)
			}
		}
	})
}

func manyAreCounted(e *env) {
	m := e.saysToMany()
	e.saysSome(7, e.start)
	r, err := e.MessageRecord(e.ctx, m.Message.ID, 3)
	e.ok(err)
	all := e.record(m)
	if len(all.Deliveries) != crowded {
		e.Fatalf("%d deliveries, want %d", len(all.Deliveries), crowded)
	}
	equal(e.T, "first ones", r.Deliveries, all.Deliveries[:3])
	want := map[outbox.State]int64{outbox.StateDelivered: 7, outbox.StateReady: crowded - 7}
	equal(e.T, "counts of some", r.Counts, want)
	equal(e.T, "counts of all", all.Counts, want)
	got, err := e.Message(e.ctx, m.Message.ID)
	e.ok(err)
	equal(e.T, "message", got, r.Message)
	_, err = e.Message(e.ctx, 4711)
	e.is(err, outbox.ErrNotFound)
}

func manyAreCancelled(e *env) {
	m := e.saysToMany()
	e.saysSome(5, e.start)
	running := e.claims(4, e.start).Attempts
	failed := outcomeOf(running[0], e.start)
	failed.State, failed.Activity = outbox.StateFailed, ""
	e.ends(failed)

	e.ok(e.CancelMessage(e.ctx, m.Message.ID, e.start))
	e.ok(e.CancelMessage(e.ctx, m.Message.ID, e.at(time.Second))) // it may be repeated
	changing := e.record(m).Message.Changing
	if changing {
		_, err := e.ReplayDelivery(e.ctx, running[0].Delivery, outbox.Replay{At: e.start})
		e.is(err, outbox.ErrChanging)
		n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, Message: m.Message.ID, Limit: 10}, outbox.Replay{At: e.start})
		e.ok(err)
		if n != 0 {
			e.Errorf("%d were replayed while it was being cancelled", n)
		}
	}
	for changing {
		if a := e.claims(50, e.at(time.Second)).Attempts; len(a) != 0 {
			e.Fatalf("%d were handed out after the cancellation", len(a))
		}
		changing = e.sweeps(400)
	}
	e.ends(outcomeOf(running[1], e.at(time.Second))) // what was being sent goes its way
	e.ends(retryOf(running[2], e.at(time.Second), e.at(time.Minute)))
	e.ends(outcomeOf(running[3], e.at(time.Second)))
	got := e.claims(50, e.at(time.Hour)).Attempts
	if len(got) != 1 || got[0].Delivery != running[2].Delivery {
		e.Fatalf("handed out is %v, want the one that was being sent", got)
	}
	e.ends(outcomeOf(got[0], e.at(time.Hour)))
	e.counted(m, map[outbox.State]int64{outbox.StateDelivered: 8, outbox.StateFailed: 1, outbox.StateCancelled: crowded - 9})
}

func manyAreRecalled(e *env) {
	m := e.saysToMany()
	e.saysSome(1050, e.start)
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: m.Message.ID, Body: edited, At: e.start, NextID: e.nextDelivery}))
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: m.Message.ID, At: e.start, NextID: e.nextDelivery}))
	removed := 0
	for more := true; more; {
		more = e.sweeps(300)
		attempts := e.claims(crowded, e.start).Attempts
		for _, a := range attempts {
			if a.Verb != outbox.VerbDelete {
				e.Fatalf("handed out %q after the recall", a.Verb)
			}
		}
		if removed == 0 {
			e.deliverAll(attempts[:20], e.start)
		}
		removed += len(attempts)
	}
	if removed != 1050 {
		e.Errorf("%d were to be removed, want 1050", removed)
	}
	r, err := e.MessageRecord(e.ctx, m.Message.ID, 0)
	e.ok(err)
	if r.Message.Changing || r.Counts[outbox.StateRecalled] != 20 || r.Counts[outbox.StateDelivered] != 1030 ||
		r.Counts[outbox.StateCancelled] < crowded-1050 || r.Counts[outbox.StateReady] != 0 {
		e.Errorf("changing %v, counts %v", r.Message.Changing, r.Counts)
	}
}

func manyAreRescheduled(e *env) {
	m := e.saysToManyAt(e.at(time.Minute))
	e.ok(e.RescheduleMessage(e.ctx, m.Message.ID, e.at(time.Hour), e.start))
	for changing := true; changing; {
		if a := e.claims(50, e.at(2*time.Minute)).Attempts; len(a) != 0 {
			e.Fatalf("%d were handed out before their new time", len(a))
		}
		changing = e.sweeps(400)
	}
	e.counted(m, map[outbox.State]int64{outbox.StateScheduled: crowded})
	if next := e.claims(1, e.at(2*time.Minute)).NextDue; !next.Equal(e.at(time.Hour)) {
		e.Errorf("the next is due at %v", next)
	}

	e.ok(e.RescheduleMessage(e.ctx, m.Message.ID, time.Time{}, e.at(3*time.Minute)))
	e.swept()
	e.counted(m, map[outbox.State]int64{outbox.StateReady: crowded})
	e.saysSome(50, e.at(3*time.Minute))
}

func manyAreEdited(e *env) {
	m := e.saysToMany()
	e.saysSome(1050, e.start)
	late := e.at(2 * outbox.EditSlack)
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: m.Message.ID, Body: edited, At: e.start, NextID: e.nextDelivery}))
	early := e.claims(100, late).Attempts // before the edit comes to them
	e.deliverAll(early, late)
	e.swept()
	updates := 0
	for _, a := range early {
		equal(e.T, "body", a.Body, edited)
	}
	for {
		attempts := e.claims(200, late).Attempts
		if len(attempts) == 0 {
			break
		}
		for _, a := range attempts {
			equal(e.T, "body", a.Body, edited)
			if a.Verb == outbox.VerbUpdate {
				updates++
			}
		}
		e.deliverAll(attempts, late)
	}
	if updates != 1050 {
		e.Errorf("%d were told that it was edited, want 1050", updates)
	}
	e.counted(m, map[outbox.State]int64{outbox.StateDelivered: crowded + 1050})
}

func laterChangesOfMany(e *env) {
	m := e.saysToMany()
	e.saysSome(1050, e.start)
	revise := func(body string) {
		rev := outbox.Revision{Message: m.Message.ID, At: e.start, NextID: e.nextDelivery}
		if body != "" {
			rev.Body = []byte(body)
		}
		e.ok(e.ReviseMessage(e.ctx, rev))
	}
	e.ok(e.RescheduleMessage(e.ctx, m.Message.ID, e.at(time.Hour), e.start))
	e.sweeps(100)
	e.ok(e.RescheduleMessage(e.ctx, m.Message.ID, e.at(2*time.Hour), e.start))
	e.sweeps(100)
	revise(`{"type":"message","text":"first"}`)
	e.sweeps(100)
	revise(`{"type":"message","text":"second"}`)
	e.ok(e.CancelMessage(e.ctx, m.Message.ID, e.start))
	e.ok(e.RescheduleMessage(e.ctx, m.Message.ID, e.at(3*time.Hour), e.start)) // to no avail
	e.swept()
	e.counted(m, map[outbox.State]int64{
		outbox.StateDelivered: 1050, outbox.StateReady: 1050, outbox.StateCancelled: crowded - 1050,
	})
	for range 2 {
		revise("")
	}
	e.swept()
	r, err := e.MessageRecord(e.ctx, m.Message.ID, 0)
	e.ok(err)
	equal(e.T, "counts", r.Counts, map[outbox.State]int64{
		outbox.StateDelivered: 1050, outbox.StateReady: 1050, outbox.StateCancelled: crowded,
	})
}

func changingIsNotPurged(e *env) {
	m := e.saysToMany()
	e.saysSome(crowded, e.start)
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: m.Message.ID, At: e.start, NextID: e.nextDelivery}))
	e.deliverAll(e.claims(crowded, e.start).Attempts, e.start)
	changing := e.record(m).Message.Changing
	done, err := e.Purge(e.ctx, outbox.Purge{ContentBefore: e.at(time.Hour), RecordsBefore: e.at(time.Hour), Limit: 100})
	e.ok(err)
	if changing == (done.Records == 1) {
		e.Errorf("being changed is %v, and %+v was purged", changing, done)
	}
}
