package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) receipts(t *testing.T) {
	s.promise(t, "ReceiptIsNotedOnce", receiptOnce)
	s.promise(t, "ReceiptMayBeTakenBack", receiptGone)
	s.promise(t, "ReceiptsOfOnePersonAreBounded", receiptsBounded)
	s.promise(t, "ReceiptsAreOfWhatWasSaid", receiptsOfSends)
	s.promise(t, "ReceiptMayComeBeforeTheOutcome", receiptBeforeOutcome)
	s.promise(t, "EveryNewReceiptIsAnEvent", receiptsAreTold)
	s.promise(t, "AnswerLeavesAReceipt", answerLeavesReceipt)
	s.promise(t, "ReceiptsGoWithTheirMessage", receiptsArePurged)
	s.promise(t, "SaidInTellsTheNewest", saidInTellsNewest)
}

// receives notes a receipt at the start, and reports whether it was new.
func (e *env) receives(id outbox.DeliveryID, kind outbox.ReceiptKind, by activity.AccountID, detail string) bool {
	e.Helper()
	return e.receivesAt(outbox.Receipt{Delivery: id, Kind: kind, By: by, Detail: detail, At: e.start})
}

func (e *env) receivesAt(r outbox.Receipt) bool {
	e.Helper()
	news, err := e.Receive(e.ctx, []outbox.Receipt{r})
	if e.ok(err); len(news) == 1 {
		equal(e.T, "new receipt", news[0], r)
	}
	return len(news) == 1
}

// hasReceipts checks the receipts of a message's only delivery.
func (e *env) hasReceipts(of outbox.Submission, want ...outbox.Receipt) {
	e.Helper()
	got, err := e.ReceiptsOf(e.ctx, []outbox.DeliveryID{of.Deliveries[0].ID}, 100)
	e.ok(err)
	if len(got) != len(want) {
		e.Fatalf("the receipts are %+v, want %+v", got, want)
	}
	for i := range got {
		if got[i].At = got[i].At.UTC(); !got[i].At.Equal(want[i].At) {
			e.Errorf("receipt %d is of %v, want %v", i, got[i].At, want[i].At)
		}
		got[i].At = want[i].At
		equal(e.T, "receipt", got[i], want[i])
	}
}

func (e *env) countsReceipts(of outbox.Submission, want map[outbox.ReceiptKind]int64) {
	e.Helper()
	got, err := e.CountReceipts(e.ctx, []outbox.MessageID{of.Message.ID})
	e.ok(err)
	if len(want) == 0 && len(got) == 0 {
		return
	}
	equal(e.T, "counts of receipts", got, map[outbox.MessageID]map[outbox.ReceiptKind]int64{of.Message.ID: want})
}

func receiptOnce(e *env) {
	s := e.delivers(e.meet("a"), "sent", e.start)
	id := s.Deliveries[0].ID
	var want []outbox.Receipt
	for i, kind := range outbox.ReceiptKinds() {
		r := outbox.Receipt{Delivery: id, Kind: kind, By: "ann", Detail: string(kind), At: e.at(time.Duration(i) * time.Minute)}
		if !e.receivesAt(r) {
			e.Errorf("%s is not new", kind)
		}
		want = append(want, r)
		r.At = e.at(time.Hour)
		if e.receivesAt(r) {
			e.Errorf("%s is new once more", kind)
		}
	}
	e.hasReceipts(s, want...)
	if !e.receives(id, outbox.ReceiptReacted, "ben", "reacted") || !e.receives(id, outbox.ReceiptReacted, "ann", "heart") || !e.receives(id, outbox.ReceiptReacted, "", "") {
		e.Error("that of somebody else, or of another kind, is not new")
	}
	e.countsReceipts(s, map[outbox.ReceiptKind]int64{
		outbox.ReceiptArrived: 1, outbox.ReceiptBounced: 1, outbox.ReceiptRead: 1, outbox.ReceiptReacted: 4, outbox.ReceiptClicked: 1, outbox.ReceiptAnswered: 1,
	})
	some, err := e.ReceiptsOf(e.ctx, []outbox.DeliveryID{id, id + 1}, 2)
	if e.ok(err); len(some) != 2 {
		e.Errorf("of two that were asked for there are %+v", some)
	}
	if none, err := e.Receive(e.ctx, nil); err != nil || len(none) != 0 {
		e.Errorf("of none, new are %+v, %v", none, err)
	}
	if _, err := e.Receive(e.ctx, []outbox.Receipt{{Delivery: id, Kind: "unheard-of", At: e.start}}); err == nil {
		e.Error("a kind that there is not is noted")
	}
}

func receiptsBounded(e *env) {
	id := e.delivers(e.meet("a"), "sent", e.start).Deliveries[0].ID
	for i := range outbox.MaxReceiptDetails {
		if !e.receives(id, outbox.ReceiptReacted, "ann", fmt.Sprint("r", i)) {
			e.Fatalf("reaction %d is not noted", i)
		}
	}
	if e.receives(id, outbox.ReceiptReacted, "ann", "one more") {
		e.Error("one more is noted")
	}
	if !e.receives(id, outbox.ReceiptReacted, "ben", "like") || !e.receives(id, outbox.ReceiptRead, "ann", "") {
		e.Error("another person's, or another kind's, is not noted")
	}
	e.receivesAt(outbox.Receipt{Delivery: id, Kind: outbox.ReceiptReacted, By: "ann", Detail: "r1", At: e.start, Gone: true})
	if !e.receives(id, outbox.ReceiptReacted, "ann", "one more") {
		e.Error("in place of one that is gone another is not noted")
	}
}

func receiptGone(e *env) {
	s := e.delivers(e.meet("a"), "sent", e.start)
	like := outbox.Receipt{Delivery: s.Deliveries[0].ID, Kind: outbox.ReceiptReacted, By: "ann", Detail: "like", At: e.start}
	gone := like
	gone.Gone, gone.At = true, e.at(time.Minute)
	if e.receivesAt(gone) {
		e.Error("what was never so has ended")
	}
	e.receivesAt(like)
	other := gone
	other.Detail = "heart"
	if e.receivesAt(other) {
		e.Error("another reaction was taken back")
	}
	if !e.receivesAt(gone) || e.receivesAt(gone) {
		e.Error("it was not taken back once")
	}
	e.hasReceipts(s)
	if !e.receivesAt(like) {
		e.Error("it is not new once more")
	}
	e.hasReceipts(s, like)
}

func receiptsOfSends(e *env) {
	c := e.meet("a")
	s := e.delivers(c, "sent", e.start)
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: s.Message.ID, At: e.start, NextID: e.nextDelivery}))
	for _, d := range e.record(s).Deliveries {
		if got := e.receives(d.ID, outbox.ReceiptRead, "ann", ""); got != (d.Verb == outbox.VerbSend) {
			e.Errorf("a receipt of what does %q is new: %v", d.Verb, got)
		}
	}
	if e.receives(outbox.DeliveryID(e.nextID()), outbox.ReceiptRead, "ann", "") {
		e.Error("there is a receipt of what there is not")
	}
}

func receiptBeforeOutcome(e *env) {
	e.wants(event.DeliveryArrived)
	s := e.say(e.meet("a"))
	a := e.claimsOnly(1, e.start, s)[0]
	if !e.receives(a.Delivery, outbox.ReceiptArrived, "", "") {
		e.Error("what is being sent has no receipts")
	}
	e.ends(outcomeOf(a, e.start))
	e.hasReceipts(s, outbox.Receipt{Delivery: a.Delivery, Kind: outbox.ReceiptArrived, At: e.start})
	equal(e.T, "state", dataOf[api.ReceiptEvent](e, e.told(event.DeliveryArrived)[0]).State, string(outbox.StateSending))
}

func receiptsAreTold(e *env) {
	var want []event.Type
	for _, kind := range outbox.ReceiptKinds() {
		if typ := event.OfReceipt(kind); typ != "" {
			want = append(want, typ)
		}
	}
	e.wants(want...)
	c := e.meet("a")
	s := e.message(c)
	s.Message.Topic, s.Message.Value = "deals", []byte(`{"deal":7}`)
	e.accept(s)
	o := outcomeOf(e.claimsOnly(1, e.start, s)[0], e.start)
	o.Activity = "sent"
	e.ends(o)
	for _, kind := range outbox.ReceiptKinds() {
		for range 2 {
			e.receives(s.Deliveries[0].ID, kind, "ann", "this")
		}
	}
	gone := outbox.Receipt{Delivery: s.Deliveries[0].ID, Kind: outbox.ReceiptReacted, By: "ann", Detail: "this", At: e.at(time.Minute), Gone: true}
	e.receivesAt(gone)
	told := e.told(append(want, event.DeliveryReacted)...)
	last := dataOf[api.ReceiptEvent](e, told[len(told)-1])
	equal(e.T, "receipt", last.Receipt, api.Receipt{Kind: "reacted", At: gone.At.UTC(), Person: "ann", Detail: "this", Gone: true})
	if last.Topic != "deals" || string(last.Value) != `{"deal":7}` || last.State != "delivered" || last.ActivityID != "sent" || last.Conversation != "a" {
		e.Errorf("the event tells %+v", last)
	}
	if ev := told[len(told)-1]; ev.Conversation != c.Row || ev.Tenant != tenant || !ev.At.Equal(gone.At) {
		e.Errorf("the event is %+v", ev)
	}
	e.forgets(c)
	if !e.receives(s.Deliveries[0].ID, outbox.ReceiptRead, "ben", "") {
		e.Error("what was said to a conversation that was forgotten has no receipts")
	}
	e.told(append(want, event.DeliveryReacted)...)
}

func answerLeavesReceipt(e *env) {
	e.wants(event.NotificationAnswered)
	c := e.meet("a")
	s := e.delivers(c, "sent", e.start)
	e.hears(c, "yes", "", e.at(time.Minute))
	e.hears(c, "really", "", e.at(2*time.Minute))
	e.hasReceipts(s, outbox.Receipt{Delivery: s.Deliveries[0].ID, Kind: outbox.ReceiptAnswered, By: "ann", At: e.at(time.Minute)})
	e.told(event.NotificationAnswered)
}

func receiptsArePurged(e *env) {
	alone := e.delivers(e.meet("a"), "sent", e.start)
	several := e.say(e.meet("b"), e.meet("c"))
	for _, a := range e.claims(10, e.start).Attempts {
		e.ends(outcomeOf(a, e.start))
	}
	all := append([]outbox.NewDelivery{alone.Deliveries[0]}, several.Deliveries...)
	for _, d := range all {
		e.receives(d.ID, outbox.ReceiptRead, "ann", "")
	}
	e.countsReceipts(several, map[outbox.ReceiptKind]int64{outbox.ReceiptRead: 2})
	e.purges(e.over(time.Hour, 0), outbox.Purged{Contents: 2})
	e.countsReceipts(alone, map[outbox.ReceiptKind]int64{outbox.ReceiptRead: 1})
	e.purges(e.over(time.Hour, time.Hour), outbox.Purged{Records: 2})
	for _, d := range all {
		left, err := e.ReceiptsOf(e.ctx, []outbox.DeliveryID{d.ID}, 10)
		if e.ok(err); len(left) != 0 {
			e.Errorf("left are %+v", left)
		}
		if e.receives(d.ID, outbox.ReceiptRead, "ben", "") {
			e.Error("what was removed gets receipts")
		}
	}
	e.countsReceipts(alone, nil)
	e.countsReceipts(several, nil)
}

func saidInTellsNewest(e *env) {
	c := e.meet("a")
	e.delivers(e.meet("b"), "elsewhere", e.start)
	first := e.delivers(c, "1", e.start)
	e.delivers(c, "", e.start)
	failed := e.say(c)
	o := outcomeOf(e.claimsOnly(1, e.start, failed)[0], e.start)
	o.State, o.Activity = outbox.StateFailed, "no"
	e.ends(o)
	parts := e.message(c)
	parts.Message.Handler = "h"
	e.accept(parts)
	a := e.claimsOnly(1, e.start, parts)[0]
	for i, id := range []activity.ID{"p0", "p1"} {
		e.ok(e.RecordSend(e.ctx, outbox.Send{Delivery: a.Delivery, Fence: a.Fence, Ordinal: i, Taken: true, Activity: id, At: e.start}))
	}
	o = outcomeOf(a, e.start)
	o.Activity = "p1"
	e.ends(o)
	last := e.delivers(c, "2", e.start)
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{Message: last.Message.ID, Body: []byte(`{"type":"message","text":"new"}`), At: e.start, NextID: e.nextDelivery}))
	update := outcomeOf(e.claimsOnly(1, e.start, last)[0], e.start)
	e.ends(update)
	e.say(c) // and nothing became of it yet
	want := []outbox.Said{
		{Delivery: last.Deliveries[0].ID, Activity: "2"}, {Delivery: parts.Deliveries[0].ID, Activity: "p1"},
		{Delivery: parts.Deliveries[0].ID, Activity: "p0"}, {Delivery: first.Deliveries[0].ID, Activity: "1"},
	}
	for _, test := range []struct{ n, want int }{{10, 4}, {4, 4}, {3, 3}, {2, 3}, {1, 1}} {
		got, err := e.SaidIn(e.ctx, c.Row, test.n)
		e.ok(err)
		equal(e.T, "said", got, want[:test.want])
	}
}
