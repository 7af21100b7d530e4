package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) spread(t *testing.T) {
	s.promise(t, "EverybodyGetsOneDelivery", everybodyGetsOne)
	s.promise(t, "WhoIsMetLaterIsNotTold", metLaterIsNotTold)
	s.promise(t, "FiltersChoose", spreadFilters)
	s.promise(t, "SeveralWorkersRepeatNothing", severalSpread)
	s.promise(t, "ShortOnesDoNotWaitForLongOnes", shortSpreadsGoFirst)
	s.promise(t, "CancelAndRecallEndIt", spreadEnds)
	s.promise(t, "TimesHold", spreadTimes)
	s.promise(t, "ExtentCounts", extentCounts)
	if s.Durable {
		s.promise(t, "GoesOnAfterACrash", func(e *env) {
			everyone := e.crowd(5)
			m := e.spreadTo(book.Filter{Reach: book.ReachActive}, len(everyone))
			e.spreads(2, 2, true)
			e.Store = s.Reopen(e.T, e.Store)
			if r := e.record(m); !r.Message.Spreading || len(r.Deliveries) != 2 {
				e.Errorf("after the crash, spreading is %v and %d deliveries are made", r.Message.Spreading, len(r.Deliveries))
			}
			e.spreads(10, 3, false)
			e.goesTo(m, everyone...)
		})
	}
}

// crowd puts conversations into the book.
func (e *env) crowd(n int) []book.Conversation {
	e.Helper()
	all := make([]book.Conversation, n)
	for i := range all {
		all[i] = e.meet(fmt.Sprint("c", i))
	}
	return all
}

// spreadTo accepts a message to all whom a filter lets through.
func (e *env) spreadTo(f book.Filter, want int) outbox.Submission {
	e.Helper()
	n, last, err := e.Extent(e.ctx, app, f)
	e.ok(err)
	if n != want {
		e.Fatalf("the filter lets %d through, want %d", n, want)
	}
	m := e.message()
	m.Spread = &outbox.Spread{Filter: f, Last: last, Conversations: n}
	return e.accept(m)
}

// spreads makes deliveries at the start of the test's time, and expects so many.
func (e *env) spreads(n, want int, more bool) {
	e.Helper()
	made, left, err := e.SpreadMessages(e.ctx, n, e.start, func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) })
	e.ok(err)
	if made != want || left != more {
		e.Fatalf("%d deliveries were made and more is %v, want %d and %v", made, left, want, more)
	}
}

// goesTo checks who gets a message: each of these once, in this order, and it is not being spread any more.
func (e *env) goesTo(s outbox.Submission, want ...book.Conversation) {
	e.Helper()
	r := e.record(s)
	if r.Message.Spreading {
		e.Error("it is being spread still")
	}
	got := make([]book.Row, len(r.Deliveries))
	for i, d := range r.Deliveries {
		got[i] = d.Conversation
	}
	rows := make([]book.Row, len(want))
	for i, c := range want {
		rows[i] = c.Row
	}
	equal(e.T, "conversations", got, rows)
}

func everybodyGetsOne(e *env) {
	e.spreads(10, 0, false)
	all := e.crowd(7)
	e.ok(e.StrikeOut(e.ctx, all[3].Key, book.Standing{Reach: book.ReachUninstalled, Cause: "gone", At: e.start}))
	other := sightingOf(keyOf("other"), e.start)
	other.Key.AppID = "another"
	e.sight(other)
	told := append(all[:3:3], all[4:]...)

	m := e.message()
	m.Message.Key, m.Message.Fingerprint = "key", []byte("mark")
	n, last, err := e.Extent(e.ctx, app, book.Filter{Reach: book.ReachActive})
	e.ok(err)
	m.Spread = &outbox.Spread{Filter: book.Filter{Reach: book.ReachActive}, Last: last, Conversations: n}
	e.accept(m)
	e.counts(nil)
	e.quiet()
	if r := e.record(m); !r.Message.Spreading || r.Message.Recipients != 6 || len(r.Deliveries) != 0 {
		e.Errorf("when it was accepted, the record is %+v", r)
	}
	again, err := e.SubmitMessage(e.ctx, m, false)
	e.ok(err)
	if !again.Replayed || again.Message != m.Message.ID {
		e.Errorf("accepted again, the receipt is %+v", again)
	}

	e.spreads(4, 4, true)
	e.woken()
	e.spreads(4, 2, false)
	e.spreads(4, 0, false)
	e.goesTo(m, told...)
	e.counts(map[outbox.State]int64{outbox.StateReady: 6})
	attempts := e.claims(10, e.start).Attempts
	if len(attempts) != 6 {
		e.Fatalf("%d were handed out, want 6", len(attempts))
	}
	for i, a := range attempts {
		if a.Conversation.Row != told[i].Row || a.Message != m.Message.ID || string(a.Body) != string(m.Message.Body) {
			e.Errorf("attempt %d is of message %d to conversation %d", i, a.Message, a.Conversation.Row)
		}
		e.ends(outcomeOf(a, e.start))
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 6})
}

func metLaterIsNotTold(e *env) {
	all := e.crowd(3)
	m := e.spreadTo(book.Filter{Reach: book.ReachActive}, 3)
	e.spreads(2, 2, true)
	e.meet("late")
	e.ok(e.Forget(e.ctx, all[2].Key, e.start))
	e.spreads(2, 0, false)
	e.goesTo(m, all[:2]...)
}

func spreadFilters(e *env) {
	all := e.crowd(6)
	tags := []string{"red"}
	for _, i := range []int{1, 3, 4} {
		e.ok(e.Label(e.ctx, all[i].Key, book.Labels{Tags: &tags}, e.start))
	}
	group := sightingOf(keyOf("group"), e.start)
	group.Kind = book.KindGroup
	in := e.sight(group)
	for _, c := range []struct {
		filter book.Filter
		want   []book.Conversation
	}{
		{book.Filter{Tag: "red", Reach: book.ReachActive}, []book.Conversation{all[1], all[3], all[4]}},
		{book.Filter{Kind: book.KindGroup}, []book.Conversation{in}},
		{book.Filter{User: all[2].Reference.User.ID}, all[2:3]},
		{book.Filter{}, append(all[:6:6], in)},
	} {
		m := e.spreadTo(c.filter, len(c.want))
		for more := true; more; {
			var err error
			_, more, err = e.SpreadMessages(e.ctx, 2, e.start, func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) })
			e.ok(err)
		}
		e.goesTo(m, c.want...)
	}
}

func severalSpread(e *env) {
	all := e.crowd(40)
	m := e.spreadTo(book.Filter{Reach: book.ReachActive}, 40)
	together(8, func(int) {
		for more := true; more; {
			var err error
			_, more, err = e.SpreadMessages(e.ctx, 3, e.start, func() outbox.DeliveryID { return outbox.DeliveryID(e.nextID()) })
			if err != nil {
				e.Error(err)
				return
			}
		}
	})
	r := e.record(m)
	seen := make(map[book.Row]bool)
	for _, d := range r.Deliveries {
		seen[d.Conversation] = true
	}
	if len(seen) != len(all) || len(r.Deliveries) != len(all) {
		e.Errorf("%d deliveries to %d conversations, want %d", len(r.Deliveries), len(seen), len(all))
	}
}

func shortSpreadsGoFirst(e *env) {
	all := e.crowd(9)
	one := []string{"one"}
	e.ok(e.Label(e.ctx, all[8].Key, book.Labels{Tags: &one}, e.start))
	long := e.spreadTo(book.Filter{Reach: book.ReachActive}, 9)
	e.spreads(2, 2, true)
	short := e.spreadTo(book.Filter{Tag: "one"}, 1)
	e.spreads(2, 1, true)
	e.goesTo(short, all[8])
	e.spreads(2, 2, true)

	urgent := e.message()
	urgent.Spread = &outbox.Spread{Last: all[8].Row, Conversations: 9}
	urgent = e.accept(inLane(outbox.LaneUrgent, urgent))
	e.spreads(10, 9, true)
	e.goesTo(urgent, all...)
	e.spreads(10, 5, false)
	e.goesTo(long, all...)
}

func spreadEnds(e *env) {
	all := e.crowd(6)
	cancelled := e.spreadTo(book.Filter{Reach: book.ReachActive}, 6)
	e.spreads(2, 2, true)
	r, err := e.cancels(cancelled.Message.ID, e.start)
	e.ok(err)
	equal(e.T, "record", e.record(cancelled), r)
	e.spreads(10, 0, false)
	e.goesTo(cancelled, all[:2]...)
	e.counts(map[outbox.State]int64{outbox.StateCancelled: 2})

	recalled := e.spreadTo(book.Filter{Reach: book.ReachActive}, 6)
	e.spreads(3, 3, true)
	if r = e.revises(recalled, nil, e.start); r.Message.Spreading || r.Message.Recipients != 6 {
		e.Errorf("after the recall the message is %+v", r.Message)
	}
	e.spreads(10, 0, false)
	e.goesTo(recalled, all[:3]...)
	if a := e.claims(10, e.at(time.Hour)).Attempts; len(a) != 0 {
		e.Errorf("%d were handed out of what was cancelled and recalled", len(a))
	}
}

func spreadTimes(e *env) {
	all := e.crowd(3)
	_, last, err := e.Extent(e.ctx, app, book.Filter{})
	e.ok(err)
	m := e.message()
	m.Spread = &outbox.Spread{Last: last, Conversations: 3, DueAt: e.at(time.Minute)}
	e.accept(m)
	e.spreads(1, 1, true)
	e.counts(map[outbox.State]int64{outbox.StateScheduled: 1})
	err = e.RescheduleMessage(e.ctx, m.Message.ID, e.at(time.Hour), e.start)
	e.ok(err)
	e.spreads(10, 2, false)
	e.goesTo(m, all...)
	if a := e.claims(10, e.at(2*time.Minute)).Attempts; len(a) != 0 {
		e.Errorf("%d were handed out before the time that they were moved to", len(a))
	}
	if a := e.claims(10, e.at(time.Hour)).Attempts; len(a) != 3 {
		e.Errorf("%d were handed out at their time, want 3", len(a))
	}
}

func extentCounts(e *env) {
	n, _, err := e.Extent(e.ctx, app, book.Filter{})
	e.ok(err)
	if n != 0 {
		e.Errorf("an empty book has %d", n)
	}
	all := e.crowd(4)
	e.ok(e.StrikeOut(e.ctx, all[0].Key, book.Standing{Reach: book.ReachBlocked, Cause: "blocked", At: e.start}))
	for _, c := range []struct {
		f    book.Filter
		want int
	}{
		{book.Filter{}, 4}, {book.Filter{Reach: book.ReachActive}, 3}, {book.Filter{Reach: book.ReachBlocked}, 1},
		{book.Filter{Tag: "none"}, 0}, {book.Filter{Kind: book.KindPersonal, Reach: book.ReachActive}, 3},
	} {
		n, last, err := e.Extent(e.ctx, app, c.f)
		e.ok(err)
		if n != c.want || last < all[3].Row {
			e.Errorf("%+v lets %d through, the last row is %d; want %d and %d", c.f, n, last, c.want, all[3].Row)
		}
	}
}
