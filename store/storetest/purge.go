package storetest

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) purge(t *testing.T) {
	s.promise(t, "OldContentIsForgottenAndTheRecordStays", forgetsContent)
	s.promise(t, "OldRecordsAreRemoved", removesRecords)
	s.promise(t, "WhatIsUnderWayIsNotPurged", keepsWhatIsUnderWay)
	s.promise(t, "PurgedInSteps", purgesInSteps)
}

// over is a purge whose cuts lie so long after the start.
func (e *env) over(content, records time.Duration) outbox.Purge {
	p := outbox.Purge{Limit: 100}
	if content != 0 {
		p.ContentBefore = e.at(content)
	}
	if records != 0 {
		p.RecordsBefore = e.at(records)
	}
	return p
}

func (e *env) purges(p outbox.Purge, want outbox.Purged) {
	e.Helper()
	got, err := e.Purge(e.ctx, p)
	e.ok(err)
	equal(e.T, "purged", got, want)
}

func forgetsContent(e *env) {
	failed := e.endsAs("a", outbox.StateFailed, "why")
	young := due(e.message(e.meet("b")), e.start)
	young.Message.CreatedAt, young.At = e.at(time.Hour), e.at(time.Hour)
	e.accept(young)
	a := e.claimsOnly(10, e.at(time.Hour), young)[0]
	e.ends(outcomeOf(a, e.at(time.Hour)))
	before := e.record(failed)

	e.purges(e.over(0, 0), outbox.Purged{})
	e.purges(e.over(time.Hour, 0), outbox.Purged{Contents: 1})
	e.purges(e.over(time.Hour, 0), outbox.Purged{})
	before.Message.Body, before.Message.Value = nil, nil
	equal(e.T, "record", e.record(failed), before)
	if r := e.record(young); len(r.Message.Body) == 0 {
		e.Error("what is young has lost its content")
	}
	_, err := e.ReplayDelivery(e.ctx, before.Deliveries[0].ID, outbox.Replay{At: e.at(time.Hour)})
	e.is(err, outbox.ErrPurged)
	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: failed.Message.AppID, Limit: 10}, outbox.Replay{At: e.at(time.Hour)})
	if e.ok(err); n != 0 {
		e.Errorf("%d are replayed", n)
	}
	e.claimsOnly(10, e.at(time.Hour))
}

func removesRecords(e *env) {
	c := e.meet("a")
	s := e.message(c, e.meet("b"), e.meet("c"))
	s.Message.Key, s.Message.Fingerprint = "k", []byte("f")
	e.accept(s)
	for i, a := range e.claims(10, e.start).Attempts {
		o := outcomeOf(a, e.at(time.Minute))
		if i == 0 {
			o.State, o.Activity = outbox.StateUnknown, ""
		}
		e.ends(o)
	}
	lone := e.endsAs("d", outbox.StateExpired, "expired")
	e.purges(e.over(0, time.Minute), outbox.Purged{Records: 1}) // lone ended at the start
	_, err := e.MessageRecord(e.ctx, lone.Message.ID, every)
	e.is(err, outbox.ErrNotFound)
	_, err = e.MessageRecord(e.ctx, s.Message.ID, every)
	e.ok(err)
	e.purges(e.over(time.Hour, time.Hour), outbox.Purged{Records: 1})
	for _, d := range s.Deliveries {
		_, err = e.DeliveryRecord(e.ctx, d.ID)
		e.is(err, outbox.ErrNoDelivery)
	}
	_, _, err = e.MessageByKey(e.ctx, s.Message.AppID, s.Message.Tenant, "k")
	e.is(err, outbox.ErrNotFound)
	e.counts(map[outbox.State]int64{})
	page, err := e.ListDeliveries(e.ctx, outbox.DeliveryFilter{AppID: s.Message.AppID, Limit: 10})
	if e.ok(err); len(page.Deliveries) != 0 {
		e.Errorf("listed are %v", page.Deliveries)
	}
	again := e.message(c)
	again.Message.Key, again.Message.Fingerprint = "k", []byte("another")
	e.accept(again)
	e.claimsOnly(10, e.at(time.Hour), again)
}

func keepsWhatIsUnderWay(e *env) {
	e.endsAs("d", outbox.StateDelivered, "")
	c := e.meet("a")
	sending, ready, later := e.say(c), e.say(c), e.sayIn(48*time.Hour, c)
	several := e.message(e.meet("b"), e.meet("c"))
	several.Deliveries[1].DueAt = e.at(48 * time.Hour)
	e.accept(several)
	attempts := e.claimsOnly(10, e.start, sending, several)
	e.ends(outcomeOf(attempts[1], e.start))
	spreading := e.spreadTo(book.Filter{}, 4)
	e.purges(e.over(time.Hour, time.Hour), outbox.Purged{Records: 1})
	for _, s := range []outbox.Submission{sending, ready, later, several, spreading} {
		if r := e.record(s); len(r.Message.Body) == 0 {
			e.Errorf("message %d has lost its content", s.Message.ID)
		}
	}
	e.ends(outcomeOf(attempts[0], e.at(time.Minute)))
	e.ends(outcomeOf(e.claimsOnly(10, e.at(time.Minute), ready)[0], e.at(time.Minute)))
	e.purges(e.over(time.Hour, time.Hour), outbox.Purged{Records: 2})
}

func purgesInSteps(e *env) {
	var said []outbox.Submission
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		said = append(said, e.endsAs(id, outbox.StateDelivered, ""))
	}
	p := e.over(time.Hour, 0)
	p.Limit = 2
	for i := range 2 {
		last := said[2*i+1].Message.ID
		e.purges(p, outbox.Purged{Contents: 2, Next: last})
		p.After = last
	}
	e.purges(p, outbox.Purged{Contents: 1})
}
