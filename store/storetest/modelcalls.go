package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

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
	if !state.Final() && m.recalled[d.message] && d.verb != outbox.VerbDelete {
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

func (m *model) edit(t *rapid.T) { m.revise(t, jsontext.Value(`{}`)) }

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
