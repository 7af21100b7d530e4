package storetest

import (
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

func (s suite) tenant(t *testing.T) {
	s.promise(t, "ConversationsOfOneTenant", conversationsOfATenant)
	s.promise(t, "SpreadsToOneTenant", spreadsToATenant)
	s.promise(t, "MessagesOfOneTenant", messagesOfATenant)
	s.promise(t, "DeliveriesOfOneTenant", deliveriesOfATenant)
	s.promise(t, "ReplaysOfOneTenant", replaysOfATenant)
	s.promise(t, "KeysOfOneTenant", keysOfATenant)
	s.promise(t, "JobsOfOneTenant", jobsOfATenant)
}

// theirs is another tenant than that of what tests make.
const theirs = activity.TenantID("theirs")

// sayFor accepts a message of a tenant.
func (e *env) sayFor(t activity.TenantID, to ...book.Conversation) outbox.Submission {
	e.Helper()
	m := e.message(to...)
	m.Message.Tenant = t
	return e.accept(m)
}

func conversationsOfATenant(e *env) {
	a, b, x := e.meet("a"), e.meet("b"), e.meetIn(theirs, "x")
	e.ok(e.Label(e.ctx, b.Key, book.Labels{AddTags: []string{"t"}}, e.start))
	e.ok(e.Label(e.ctx, x.Key, book.Labels{AddTags: []string{"t"}}, e.start))
	e.listed(book.Filter{}, a, b, x)
	e.listed(book.Filter{Tenant: tenant}, a, b)
	e.listed(book.Filter{Tenant: theirs}, x)
	e.listed(book.Filter{Tenant: theirs, Reach: book.ReachActive}, x)
	e.listed(book.Filter{Tenant: tenant, Tag: "t"}, b)
	e.listed(book.Filter{Tenant: "nobody's"})
}

func spreadsToATenant(e *env) {
	a, x, b, y := e.meet("a"), e.meetIn(theirs, "x"), e.meet("b"), e.meetIn(theirs, "y")
	ours := e.spreadTo(book.Filter{Reach: book.ReachActive, Tenant: tenant}, 2)
	e.spreads(10, 2, false)
	e.goesTo(ours, a, b)
	others := e.spreadTo(book.Filter{Reach: book.ReachActive, Tenant: theirs}, 2)
	e.spreads(1, 1, true)
	e.spreads(10, 1, false)
	e.goesTo(others, x, y)
}

func messagesOfATenant(e *env) {
	a, x := e.meet("a"), e.meetIn(theirs, "x")
	first, other, last := e.sayFor(tenant, a), e.sayFor(theirs, x), e.sayFor(tenant, a)
	ids := func(f outbox.MessageFilter, limit int) (ids []outbox.MessageID) {
		for _, s := range e.allMessages(f, limit) {
			ids = append(ids, s.Message.ID)
		}
		return ids
	}
	for _, limit := range []int{1, 10} {
		equal(e.T, "ours", ids(outbox.MessageFilter{Tenant: tenant}, limit), []outbox.MessageID{last.Message.ID, first.Message.ID})
		equal(e.T, "theirs", ids(outbox.MessageFilter{Tenant: theirs}, limit), []outbox.MessageID{other.Message.ID})
		equal(e.T, "theirs in ours", ids(outbox.MessageFilter{Tenant: theirs, Conversation: a.Row}, limit), []outbox.MessageID(nil))
	}
}

func deliveriesOfATenant(e *env) {
	a, x := e.meet("a"), e.meetIn(theirs, "x")
	first, other, last := e.sayFor(tenant, a), e.sayFor(theirs, x), e.sayFor(tenant, a)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, first)[0], e.start))
	ids := func(f outbox.DeliveryFilter, limit int) (ids []outbox.DeliveryID) {
		for _, d := range e.allDeliveries(f, limit) {
			ids = append(ids, d.ID)
		}
		return ids
	}
	for _, limit := range []int{1, 10} {
		equal(e.T, "ours", ids(outbox.DeliveryFilter{Tenant: tenant}, limit),
			[]outbox.DeliveryID{last.Deliveries[0].ID, first.Deliveries[0].ID})
		equal(e.T, "theirs", ids(outbox.DeliveryFilter{Tenant: theirs}, limit), []outbox.DeliveryID{other.Deliveries[0].ID})
		equal(e.T, "ours that are delivered", ids(outbox.DeliveryFilter{Tenant: tenant, State: outbox.StateDelivered}, limit),
			[]outbox.DeliveryID{first.Deliveries[0].ID})
		equal(e.T, "theirs of our message", ids(outbox.DeliveryFilter{Tenant: theirs, Message: first.Message.ID}, limit), []outbox.DeliveryID(nil))
		equal(e.T, "theirs in our conversation", ids(outbox.DeliveryFilter{Tenant: theirs, Conversation: a.Row}, limit), []outbox.DeliveryID(nil))
	}
}

func replaysOfATenant(e *env) {
	a, x := e.meet("a"), e.meetIn(theirs, "x")
	ours, others := e.sayFor(tenant, a), e.sayFor(theirs, x)
	for _, attempt := range e.claims(2, e.start).Attempts {
		o := outcomeOf(attempt, e.start)
		o.State = outbox.StateFailed
		e.ends(o)
	}
	n, err := e.ReplayDeliveries(e.ctx, outbox.DeliveryFilter{AppID: app, Tenant: theirs, Limit: 10}, outbox.Replay{At: e.start})
	e.ok(err)
	equal(e.T, "replayed", n, 1)
	equal(e.T, "theirs", e.record(others).Deliveries[0].State, outbox.StateReady)
	equal(e.T, "ours", e.record(ours).Deliveries[0].State, outbox.StateFailed)
}

func keysOfATenant(e *env) {
	a, x := e.meet("a"), e.meetIn(theirs, "x")
	submit := func(in activity.TenantID, to book.Conversation) outbox.Submission {
		m := e.message(to)
		m.Message.Tenant, m.Message.Key, m.Message.Fingerprint = in, "key", []byte(in)
		receipt, err := e.SubmitMessage(e.ctx, m, false)
		e.ok(err)
		if receipt.Replayed {
			e.Errorf("the key of %s is taken", in)
		}
		return m
	}
	ours, others := submit(tenant, a), submit(theirs, x)
	for in, want := range map[activity.TenantID]outbox.MessageID{tenant: ours.Message.ID, theirs: others.Message.ID} {
		got, _, err := e.MessageByKey(e.ctx, app, in, "key")
		e.ok(err)
		equal(e.T, "message", got, want)
	}
	_, _, err := e.MessageByKey(e.ctx, app, "", "key")
	e.is(err, outbox.ErrNotFound)
}

func jobsOfATenant(e *env) {
	first := e.starts(e.jobIn("a"))
	other := e.jobIn("x")
	other.Job.Key.Tenant = theirs
	x := e.starts(other)
	last := e.starts(e.jobIn("b"))
	for in, want := range map[activity.TenantID][]proactive.Job{
		"": {last, x, first}, tenant: {last, first}, theirs: {x}, "nobody's": []proactive.Job(nil),
	} {
		var got []proactive.Job
		for before := proactive.JobNumber(0); ; before = got[len(got)-1].Number {
			page, err := e.Jobs(e.ctx, app, in, before, 1)
			e.ok(err)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		equal(e.T, "jobs of "+string(in), got, want)
	}
}
