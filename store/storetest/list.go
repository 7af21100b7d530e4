package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) list(t *testing.T) {
	s.promise(t, "DeliveriesAreFilteredNewestFirst", deliveriesAreFiltered)
	s.promise(t, "DeliveryIsFoundByItself", deliveryByItself)
	s.promise(t, "MessagesAreFilteredNewestFirst", messagesAreFiltered)
	s.promise(t, "ListsAreWholeThoughThingsMove", listsAreWhole)
}

// allDeliveries lists page by page.
func (e *env) allDeliveries(f outbox.DeliveryFilter, limit int) []outbox.Delivery {
	e.Helper()
	f.AppID, f.Limit = app, limit
	var all []outbox.Delivery
	for {
		page, err := e.ListDeliveries(e.ctx, f)
		e.ok(err)
		if len(page.Deliveries) > limit {
			e.Fatalf("a page of %d", len(page.Deliveries))
		}
		all = append(all, page.Deliveries...)
		if f.Before = page.Next; f.Before == 0 {
			return all
		}
	}
}

func (e *env) allMessages(f outbox.MessageFilter, limit int) []outbox.Summary {
	e.Helper()
	f.AppID, f.Limit = app, limit
	var all []outbox.Summary
	for {
		page, err := e.ListMessages(e.ctx, f)
		e.ok(err)
		if len(page.Messages) > limit {
			e.Fatalf("a page of %d", len(page.Messages))
		}
		all = append(all, page.Messages...)
		if f.Before = page.Next; f.Before == 0 {
			return all
		}
	}
}

func deliveriesAreFiltered(e *env) {
	a, b := e.meet("a"), e.meet("b")
	other := e.message(a)
	other.Message.AppID = "other"
	e.accept(other)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, other)[0], e.start))
	delivered := e.say(a)
	e.saidAs(e.claimsOnly(1, e.start, delivered)[0], "said", e.start)
	failed := e.endsAs("b", outbox.StateFailed, "blocked")
	parked := e.endsAs("b", outbox.StateUnknown, "no_answer")
	e.revises(delivered, edited, e.start)
	ready := e.say(b, a)
	scheduled := e.sayIn(time.Hour, a, b)
	e.claims(1, e.start)

	var every []outbox.Delivery
	for _, s := range []outbox.Submission{delivered, failed, parked, ready, scheduled} {
		every = append(every, e.record(s).Deliveries...)
	}
	slices.SortFunc(every, func(x, y outbox.Delivery) int { return int(y.ID - x.ID) })
	for name, f := range map[string]outbox.DeliveryFilter{
		"all": {}, "delivered": {State: outbox.StateDelivered}, "failed": {State: outbox.StateFailed}, "ready": {State: outbox.StateReady},
		"scheduled": {State: outbox.StateScheduled}, "sending": {State: outbox.StateSending}, "expired": {State: outbox.StateExpired},
		"blocked": {Reason: "blocked"}, "to a": {Conversation: a.Row}, "to b": {Conversation: b.Row},
		"unknown to b": {Conversation: b.Row, State: outbox.StateUnknown}, "to nobody": {Conversation: 4711},
		"of the revised": {Message: delivered.Message.ID}, "of several": {Message: ready.Message.ID}, "of nothing": {Message: 4711},
		"scheduled of several": {Message: scheduled.Message.ID, State: outbox.StateScheduled},
		"failed for another":   {State: outbox.StateFailed, Reason: "other"},
	} {
		want := slices.DeleteFunc(slices.Clone(every), func(d outbox.Delivery) bool {
			return f.State != "" && d.State != f.State || f.Reason != "" && d.Reason != f.Reason ||
				f.Conversation != 0 && d.Conversation != f.Conversation || f.Message != 0 && d.Message != f.Message
		})
		for _, limit := range []int{1, 2, 100} {
			equal(e.T, fmt.Sprintf("%s, by %d", name, limit), e.allDeliveries(f, limit), want)
		}
	}
}

func deliveryByItself(e *env) {
	s := e.say(e.meet("a"), e.meet("b"))
	a := e.claims(1, e.start).Attempts[0]
	e.ends(outcomeOf(a, e.start))
	for _, want := range e.record(s).Deliveries {
		got, err := e.DeliveryRecord(e.ctx, want.ID)
		e.ok(err)
		equal(e.T, "delivery", got, want)
	}
	_, err := e.DeliveryRecord(e.ctx, 4711)
	e.is(err, outbox.ErrNoDelivery)
}

func messagesAreFiltered(e *env) {
	a, b := e.meet("a"), e.meet("b")
	var all []outbox.Summary
	add := func(s outbox.Submission, topic string, age time.Duration, counts map[outbox.State]int64) outbox.Submission {
		s.Message.Topic, s.Message.CreatedAt = topic, e.at(-age)
		e.accept(s)
		all = append(all, outbox.Summary{Message: s.Message, Counts: counts})
		return s
	}
	done := add(e.message(a), "x", 3*time.Hour, map[outbox.State]int64{outbox.StateDelivered: 1, outbox.StateReady: 1})
	e.saidAs(e.claimsOnly(1, e.start, done)[0], "said", e.start)
	e.revises(done, edited, e.start)
	all[0].Message.Body, all[0].Message.EditedAt = edited, e.start
	add(due(e.message(a), e.at(time.Hour)), "y", 2*time.Hour, map[outbox.State]int64{outbox.StateScheduled: 1})
	add(e.message(b, e.meet("c")), "x", time.Hour, map[outbox.State]int64{outbox.StateReady: 2})
	add(e.message(b), "", 0, map[outbox.State]int64{outbox.StateReady: 1})
	add(e.message(), "", 0, map[outbox.State]int64{})
	other := e.message(a)
	other.Message.AppID = "other"
	e.accept(other)
	slices.Reverse(all)

	for name, f := range map[string]struct {
		outbox.MessageFilter
		want []int // counted from the oldest
	}{
		"all":          {outbox.MessageFilter{}, []int{4, 3, 2, 1, 0}},
		"x":            {outbox.MessageFilter{Topic: "x"}, []int{2, 0}},
		"ready":        {outbox.MessageFilter{State: outbox.StateReady}, []int{3, 2, 0}},
		"delivered":    {outbox.MessageFilter{State: outbox.StateDelivered}, []int{4}},
		"ready x":      {outbox.MessageFilter{State: outbox.StateReady, Topic: "x"}, []int{2, 0}},
		"after":        {outbox.MessageFilter{CreatedAfter: e.at(-2 * time.Hour)}, []int{4, 3, 2, 1}},
		"before":       {outbox.MessageFilter{CreatedBefore: e.at(-2 * time.Hour)}, []int{0}},
		"to a":         {outbox.MessageFilter{Conversation: a.Row}, []int{1, 0}},
		"to b":         {outbox.MessageFilter{Conversation: b.Row}, []int{3, 2}},
		"scheduled, a": {outbox.MessageFilter{Conversation: a.Row, State: outbox.StateScheduled}, []int{1}},
		"nobody":       {outbox.MessageFilter{Conversation: 4711}, nil},
		"above":        {outbox.MessageFilter{Above: int64(done.Message.ID)}, []int{4, 3, 2, 1}},
		"below":        {outbox.MessageFilter{Before: int64(done.Message.ID) + 1}, []int{0}},
	} {
		var want []outbox.Summary
		for _, i := range f.want {
			want = append(want, all[len(all)-1-i])
		}
		for _, limit := range []int{1, 2, 100} {
			equal(e.T, fmt.Sprintf("%s, by %d", name, limit), e.allMessages(f.MessageFilter, limit), want)
		}
	}
}

// listsAreWhole: a delivery that stays is on exactly one page, whatever the others do between the pages.
func listsAreWhole(e *env) {
	c := e.meet("a")
	var said []outbox.Submission
	for range 30 {
		said = append(said, e.say(c))
	}
	f := outbox.DeliveryFilter{AppID: app, Conversation: c.Row, Limit: 4}
	var got []outbox.DeliveryID
	for {
		page, err := e.ListDeliveries(e.ctx, f)
		e.ok(err)
		for _, d := range page.Deliveries {
			got = append(got, d.ID)
		}
		if f.Before = page.Next; f.Before == 0 {
			break
		}
		e.ends(outcomeOf(e.claims(1, e.start).Attempts[0], e.start))
		e.say(c)
	}
	var want []outbox.DeliveryID
	for _, s := range slices.Backward(said) {
		want = append(want, s.Deliveries[0].ID)
	}
	if !slices.Equal(got, want) {
		e.Errorf("listed %v, want %v", got, want)
	}
}
