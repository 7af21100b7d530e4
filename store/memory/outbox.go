package memory

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// SubmitMessage implements [outbox.Store].
func (s *Store) SubmitMessage(_ context.Context, sub outbox.Submission, take bool) (outbox.Accepted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin()
	var attempt *outbox.Attempt
	enter := s.enter
	if take && len(sub.Deliveries) == 1 {
		enter = func(d *delivery, dueAt, at time.Time) {
			if attempt = s.take(d, dueAt, at); attempt == nil {
				s.enter(d, dueAt, at)
			}
		}
	}
	accepted, err := t.submit(sub, enter)
	if err != nil {
		return outbox.Accepted{}, err
	}
	t.commit()
	accepted.Attempt = attempt
	return accepted, nil
}

// SubmitMessages implements [outbox.Store].
func (s *Store) SubmitMessages(_ context.Context, subs []outbox.Submission) ([]outbox.SubmitResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]outbox.SubmitResult, len(subs))
	for i, sub := range subs {
		t := s.begin()
		if results[i].Accepted, results[i].Err = t.submit(sub, nil); results[i].Err == nil {
			t.commit()
		}
	}
	return results, nil
}

// submit plans a submission. enter is called for each of its deliveries; nil is [Store.enter].
func (t *tx) submit(sub outbox.Submission, enter func(d *delivery, dueAt, at time.Time)) (outbox.Accepted, error) {
	if enter == nil {
		enter = t.s.enter
	}
	key := messageKey{sub.Message.AppID, sub.Message.Tenant, sub.Message.Key}
	if earlier := cmp.Or(t.keys[key], t.s.queue.keys[key]); earlier != nil && key.key != "" {
		if !bytes.Equal(earlier.Fingerprint, sub.Message.Fingerprint) {
			return outbox.Accepted{}, outbox.ErrKeyReused
		}
		return outbox.Accepted{Message: earlier.ID, Replayed: true}, nil
	}
	m := &message{Message: copyMessage(sub.Message), ranks: make(map[*route]int64)}
	m.Recipients, m.Spreading = 0, false
	if sub.Spread != nil {
		m.spread = &spread{Spread: *sub.Spread, outdone: make(map[book.Row]bool)}
		m.Recipients, m.Spreading = sub.Spread.Conversations, true
	}
	if t.messages[m.ID] != nil || t.s.queue.messages[m.ID] != nil {
		return outbox.Accepted{}, fmt.Errorf("memory: submit: message %d exists", m.ID)
	}
	t.messages[m.ID] = m
	if m.Key != "" {
		t.keys[key] = m
	}
	for _, nd := range sub.Deliveries {
		d, err := t.delivery(m, nd, sub.At)
		if err != nil {
			return outbox.Accepted{}, err
		}
		m.deliveries = append(m.deliveries, d)
	}
	t.then = append(t.then, func() {
		t.s.queue.messages[m.ID] = m
		if m.Key != "" {
			t.s.queue.keys[key] = m
		}
		if o := t.s.queue.observer; o != nil {
			o.Accepted(m.Lane, sub.Recipients())
		}
		for _, d := range m.deliveries {
			t.s.collapse(d, sub.At)
		}
		for i, d := range m.deliveries {
			t.s.queue.deliveries[d.ID] = d
			d.wantedAt, d.since = sub.At, sub.At
			if due := sub.Deliveries[i].DueAt; due.After(sub.At) {
				d.wantedAt, d.since = due, due
			}
			enter(d, sub.Deliveries[i].DueAt, sub.At)
		}
	})
	return outbox.Accepted{Message: m.ID}, nil
}

func (t *tx) delivery(m *message, nd outbox.NewDelivery, at time.Time) (*delivery, error) {
	if t.ids[nd.ID] || t.s.queue.deliveries[nd.ID] != nil {
		return nil, fmt.Errorf("memory: submit: delivery %d exists", nd.ID)
	}
	t.ids[nd.ID] = true
	e, ok := t.s.book.row(nd.Conversation)
	if !ok {
		return nil, book.ErrNotFound
	}
	return &delivery{
		Delivery: outbox.Delivery{ID: nd.ID, Message: m.ID, Conversation: e.Row, Key: e.Key, CreatedAt: at},
		message:  m, conversation: e,
	}, nil
}

// collapse ends what waits and is replaced by a new delivery, or would come later. s.mu is held.
func (s *Store) collapse(d *delivery, at time.Time) {
	m := d.message
	if m.CollapseKey == "" {
		return
	}
	same := func(o *message) bool {
		return o.CollapseKey == m.CollapseKey && o.AppID == m.AppID && o.Tenant == m.Tenant
	}
	for _, o := range s.queue.messages {
		if o.spread != nil && o.ID < m.ID && same(o) {
			o.spread.outdone[d.Conversation] = true
		}
	}
	for _, old := range s.queue.byID() {
		if old.message != m && old.Conversation == d.Conversation && old.waits() && !old.MayHaveArrived &&
			old.Verb == outbox.VerbSend && same(old.message) {
			s.queue.drop(old, outbox.Change{At: at, State: outbox.StateSuppressed, Reason: outbox.ReasonCollapsed})
			s.wake()
		}
	}
}

// enter adds a delivery to the queue. s.mu is held.
func (s *Store) enter(d *delivery, dueAt, at time.Time) {
	if dueAt.After(at) {
		s.queue.change(d, outbox.Change{At: at, State: outbox.StateScheduled})
		d.DueAt = dueAt
		heap.Push(&s.queue.later, timer{dueAt, d})
	} else {
		s.queue.becomeReady(d, outbox.Change{At: at, State: outbox.StateReady})
	}
	s.wake()
}

// take hands out a new delivery if nothing is in its way. s.mu is held.
func (s *Store) take(d *delivery, dueAt, at time.Time) *outbox.Attempt {
	if len(*s.queue.laneOf(d)) > 0 || dueAt.After(at) || d.expired(at) || !d.message.Policy.IsZero() {
		return nil
	}
	held, ok := s.leases.Try(d.Key)
	if !ok {
		return nil
	}
	r := d.conversation.route
	if s.limits.Room(r.way, at) < math.MaxInt && r.ahead(d.message.Lane) {
		held.Release()
		return nil
	}
	permit, ok := s.limits.Take(r.way, string(d.Key.Conversation), pace.Delivery, at)
	if !ok {
		held.Release()
		return nil
	}
	s.queue.enqueue(d)
	r.clock[d.message.Lane].Turn(d.rank)
	a := s.handOut(d, held, at)
	a.Permit = permit
	return &a
}

// handOut makes a head an attempt. s.mu is held.
func (s *Store) handOut(d *delivery, held *lease, now time.Time) outbox.Attempt {
	d.lease, d.fence, d.until = held, held.Fence(), now.Add(s.leaseTime)
	d.Claims++
	s.queue.sending[d.ID] = d
	s.queue.change(d, outbox.Change{At: now, State: outbox.StateSending, Attempt: d.Claims})
	m := d.message
	a := outbox.Attempt{
		Delivery: d.ID, Message: m.ID, Conversation: d.conversation.copy(), Body: slices.Clone(m.Body),
		OnUnknown: d.onUnknown(), Window: m.Window, Lane: m.Lane, Topic: m.Topic, Fallback: m.Fallback != "", CreatedAt: m.CreatedAt, WantedAt: d.wantedAt, Trace: m.Trace,
		Fence: d.fence, Claims: d.Claims, Failures: d.Failures, LeaseUntil: d.until,
		Verb: d.Verb, Revises: d.Revises, MayHaveArrived: d.MayHaveArrived, Edited: !m.EditedAt.IsZero(),
	}
	a.Handler, a.Lease, a.Policy = m.Handler, held, m.Policy
	if d.Verb != outbox.VerbSend {
		a.Sent, a.Sends = s.queue.deliveries[d.Revises].Activity, slices.Clone(s.queue.deliveries[d.Revises].sends)
	} else if a.Sends = slices.Clone(d.sends); !d.replayed {
		a.ExpiresAt = m.ExpiresAt
	}
	return a
}

// partial reports whether a handler has said a part of it.
func (d *delivery) partial() bool {
	return d.State == outbox.StateFailed && d.Reason == outbox.ReasonPartial
}

// said reports whether it has said something, or may have.
func (d *delivery) said() bool {
	return d.Activity != "" || d.State == outbox.StateDelivered || d.State == outbox.StateUnknown || d.MayHaveArrived || d.partial()
}

// onUnknown is what happens when an attempt is lost. Repeating a revision does no harm.
func (d *delivery) onUnknown() headsup.OnUnknown {
	if d.Verb != outbox.VerbSend {
		return headsup.OnUnknownRetry
	}
	return d.message.OnUnknown
}

// RecordOutcome implements [outbox.Store].
func (s *Store) RecordOutcome(_ context.Context, o outbox.Outcome) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("memory: outcome: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.attempt(o.Delivery, o.Fence)
	if err != nil {
		return err
	}
	s.record(d, o)
	return nil
}

// record ends an attempt with its outcome. s.mu is held.
func (s *Store) record(d *delivery, o outbox.Outcome) {
	if o.Failed {
		d.Failures++
	}
	d.lost, d.MayHaveArrived = 0, d.MayHaveArrived || o.MayHaveArrived
	d.Activity = cmp.Or(o.Activity, d.Activity)
	c := outbox.Change{
		At: o.At, State: o.State, Attempt: d.Claims, Reason: o.Reason, Status: o.Status, Detail: o.Detail,
		Activity: o.Activity,
	}
	if !o.State.Final() {
		c.RetryAt = o.RetryAt
	}
	if to, known := s.book.row(o.To); known && o.State == outbox.StateReady && s.moves(d, to) {
		s.move(d, to, c)
		return
	}
	s.end(d, c)
	if o.State == outbox.StateDelivered && d.Verb != outbox.VerbSend && o.Activity != "" {
		if of := s.queue.deliveries[d.Revises]; of.State == outbox.StateUnknown {
			s.settle(of, outbox.Settlement{State: outbox.StateDelivered, Activity: o.Activity, At: o.At})
		}
	}
}

// moves reports whether what was being sent goes on in another conversation. s.mu is held.
func (s *Store) moves(d *delivery, to *entry) bool {
	return d.State == outbox.StateSending && d.conversation != to && d.message.RecalledAt.IsZero()
}

// move takes an attempt back, and has its delivery go on in another conversation. s.mu is held.
func (s *Store) move(d *delivery, to *entry, c outbox.Change) {
	delete(s.queue.sending, d.ID)
	s.queue.vacate(d)
	d.conversation, d.Conversation, d.Key = to, to.Row, to.Key
	d.since, c.RetryAt = c.At, time.Time{}
	s.queue.becomeReady(d, c)
	d.lease.Release()
	d.lease = nil
	s.wake()
}

// attempt finds the delivery of an attempt that is still right. s.mu is held.
func (s *Store) attempt(id outbox.DeliveryID, fence int64) (*delivery, error) {
	d, known := s.queue.deliveries[id]
	switch {
	case !known:
		return nil, fmt.Errorf("memory: delivery %d: %w", id, outbox.ErrNotFound)
	case d.State != outbox.StateSending || d.fence != fence:
		return nil, headsup.ErrLeaseLost
	}
	return d, nil
}

// end takes an attempt back. s.mu is held.
func (s *Store) end(d *delivery, c outbox.Change) {
	delete(s.queue.sending, d.ID)
	if !c.State.Final() && d.Verb != outbox.VerbDelete && !d.message.RecalledAt.IsZero() {
		c.Detail = strings.Trim(c.Reason+": "+c.Detail, ": ")
		c.State, c.Reason, c.RetryAt = outbox.StateCancelled, outbox.ReasonRecalled, time.Time{}
	}
	s.queue.change(d, c)
	switch c.State {
	default:
		s.queue.leave(d)
	case outbox.StateHeld:
		s.queue.vacate(d)
		s.queue.holdUntil(d, c.RetryAt)
	case outbox.StateReady:
		d.since = c.At
		if c.RetryAt.After(c.At) {
			d.DueAt, d.since = c.RetryAt, c.RetryAt
		}
		s.queue.offer(d)
	}
	d.lease.Release()
	d.lease = nil
	s.wake()
}

// Extend implements [outbox.Store].
func (s *Store) Extend(_ context.Context, attempts []outbox.Attempt, until time.Time) ([]outbox.DeliveryID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lost []outbox.DeliveryID
	for _, a := range attempts {
		d, err := s.attempt(a.Delivery, a.Fence)
		if err != nil || !d.lease.Extend() {
			lost = append(lost, a.Delivery)
			continue
		}
		d.until = until
	}
	return lost, nil
}

// ReclaimExpired implements [outbox.Store].
func (s *Store) ReclaimExpired(_ context.Context, now time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, id := range slices.Sorted(maps.Keys(s.queue.sending)) {
		d := s.queue.sending[id]
		if now.Before(d.until) {
			continue
		}
		d.MayHaveArrived = d.MayHaveArrived || d.conversation.Reach != book.ReachProspective
		d.lost++
		c := outbox.Change{At: now, Attempt: d.Claims, Reason: outbox.ReasonLeaseLost}
		s.end(d, outbox.AfterLoss(c, d.lost, d.onUnknown() == headsup.OnUnknownHold && d.MayHaveArrived))
		n++
	}
	return n, nil
}

// CancelMessage implements [outbox.Store].
func (s *Store) CancelMessage(_ context.Context, id outbox.MessageID, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.messages[id]
	if !known {
		return outbox.ErrNotFound
	}
	m.spreadEnds()
	for _, d := range m.deliveries {
		if d.waits() && d.Verb == outbox.VerbSend {
			s.queue.drop(d, outbox.Change{At: at, State: outbox.StateCancelled})
			s.wake()
		}
	}
	return nil
}

// MessageByKey implements [outbox.Store].
func (s *Store) MessageByKey(
	_ context.Context, appID string, tenant activity.TenantID, key string,
) (outbox.MessageID, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.keys[messageKey{appID, tenant, key}]
	if !known {
		return 0, nil, outbox.ErrNotFound
	}
	return m.ID, slices.Clone(m.Fingerprint), nil
}

// Message implements [outbox.Store].
func (s *Store) Message(_ context.Context, id outbox.MessageID) (outbox.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.messages[id]
	if !known {
		return outbox.Message{}, outbox.ErrNotFound
	}
	return copyMessage(m.Message), nil
}

// MessageRecord implements [outbox.Store].
func (s *Store) MessageRecord(_ context.Context, id outbox.MessageID, n int) (outbox.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := s.queue.messages[id]
	if !known {
		return outbox.Record{}, outbox.ErrNotFound
	}
	return outbox.Record{Summary: m.summary(), Deliveries: m.first(n)}, nil
}

// first are up to n of its deliveries.
func (m *message) first(n int) []outbox.Delivery {
	all := make([]outbox.Delivery, min(n, len(m.deliveries)))
	for i := range all {
		all[i] = m.deliveries[i].copy()
	}
	return all
}

func (d *delivery) copy() outbox.Delivery {
	c := d.Delivery
	c.History = slices.Clone(c.History)
	return c
}

func copyMessage(m outbox.Message) outbox.Message {
	m.Fingerprint = slices.Clone(m.Fingerprint)
	m.Body = slices.Clone(m.Body)
	m.Value = slices.Clone(m.Value)
	return m
}

// Counts implements [outbox.Store].
func (s *Store) Counts(context.Context) (map[outbox.State]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.queue.counts), nil
}

// OldestDue implements [outbox.Store].
func (s *Store) OldestDue(_ context.Context, now time.Time) (oldest time.Time, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.queue.deliveries {
		head := d.State == outbox.StateScheduled || d.State == outbox.StateHeld
		if d.State == outbox.StateReady {
			head = (*s.queue.laneOf(d))[0] == d
		}
		if head && !d.since.After(now) && (oldest.IsZero() || d.since.Before(oldest)) {
			oldest = d.since
		}
	}
	return oldest, nil
}

// Observe implements [outbox.Store].
func (s *Store) Observe(o outbox.Observer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.observer = o
}

// Wakeups implements [outbox.Store].
func (s *Store) Wakeups() <-chan struct{} { return s.wakeups }
