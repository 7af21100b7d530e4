package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// SubmitMessage implements [outbox.Store].
func (s *Store) SubmitMessage(ctx context.Context, sub outbox.Submission, take bool) (outbox.Accepted, error) {
	var accepted outbox.Accepted
	err := s.writer.do(ctx, func(t *tx) (err error) {
		accepted, err = t.accept(&sub, take)
		return err
	})
	if err != nil {
		return outbox.Accepted{}, err
	}
	return accepted, nil
}

// SubmitMessages implements [outbox.Store].
func (s *Store) SubmitMessages(ctx context.Context, subs []outbox.Submission) ([]outbox.SubmitResult, error) {
	results := make([]outbox.SubmitResult, len(subs))
	err := s.writer.do(ctx, func(t *tx) error {
		for i := range subs {
			r := &results[i]
			if r.Accepted, r.Err = t.accept(&subs[i], false); t.broken != nil {
				return r.Err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// submit accepts a message with its deliveries. Nothing is written before everything that may be refused was checked.
func (t *tx) submit(sub *outbox.Submission, take bool) (outbox.Accepted, error) {
	m := &sub.Message
	if earlier, replayed, err := t.earlier(m); replayed || err != nil {
		return outbox.Accepted{Message: earlier, Replayed: replayed}, err
	}
	for i := range sub.Deliveries {
		if _, err := t.conversation(sub.Deliveries[i].Conversation); err != nil {
			return outbox.Accepted{}, err
		}
	}
	alone := len(sub.Deliveries) == 1
	if err := t.insertMessage(sub, alone); err != nil {
		return outbox.Accepted{}, err
	}
	if err := t.insertSpread(sub); err != nil {
		return outbox.Accepted{}, err
	}
	for i := range sub.Deliveries {
		if err := t.collapse(m, sub.Deliveries[i].Conversation, sub.At); err != nil {
			return outbox.Accepted{}, err
		}
	}
	t.accepted(m.Lane, sub.Recipients())
	accepted := outbox.Accepted{Message: m.ID}
	for i := range sub.Deliveries {
		nd := &sub.Deliveries[i]
		h := hot{
			id: nd.ID, message: m.ID, conversation: nd.Conversation, lane: m.Lane, alone: alone,
			wantedAt: sub.At, createdAt: sub.At,
		}
		var err error
		switch {
		case nd.DueAt.After(sub.At):
			h.wantedAt = nd.DueAt
			err = t.insertScheduled(&h, nd.DueAt, sub.At)
		case take && alone && m.Policy.IsZero() && !expiredAt(m.ExpiresAt, sub.At):
			accepted.Attempt, err = t.insertTaken(&h, sub)
		default:
			err = t.insertReady(&h, sub.At)
		}
		if err == nil {
			err = t.mayCollapse(h.id, m)
		}
		if err != nil {
			return outbox.Accepted{}, err
		}
	}
	return accepted, nil
}

func expiredAt(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

const selectByKey = "SELECT id, fingerprint FROM messages WHERE app_id = ? AND ifnull(tenant_id, '') = ? AND idem_key = ?"

// earlier looks for the message with the same idempotency key.
func (t *tx) earlier(m *outbox.Message) (id outbox.MessageID, replayed bool, err error) {
	if m.Key == "" {
		return 0, false, nil
	}
	same := false
	replayed, err = t.one(func(r row) {
		id, same = outbox.MessageID(r.int(0)), bytes.Equal(r.bytes(1), m.Fingerprint)
	}, selectByKey, text(m.AppID), text(m.Tenant), text(m.Key))
	if err == nil && replayed && !same {
		return 0, false, outbox.ErrKeyReused
	}
	return id, replayed, err
}

func (t *tx) insertMessage(sub *outbox.Submission, alone bool) error {
	m := &sub.Message
	onUnknown, err := code(onUnknowns, m.OnUnknown)
	if err != nil {
		return fmt.Errorf("sqlite: submit: on unknown: %w", err)
	}
	window, err := code(windowWords, m.Window)
	if err != nil {
		return fmt.Errorf("sqlite: submit: window: %w", err)
	}
	policy, err := outbox.EncodePolicy(m.Policy)
	if err != nil {
		return fmt.Errorf("sqlite: submit: %w", err)
	}
	var only value
	if alone {
		only = number(sub.Deliveries[0].ID)
	}
	_, err = t.execValues(`INSERT INTO messages (id, app_id, tenant_id, idem_key, fingerprint, body, value, topic, lane,
			on_unknown, window, handler, policy, collapse_key, target, expires_at, created_at, trace, alone,
			fallback)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		number(m.ID), stored(m.AppID), orNothing(m.Tenant), orNothing(m.Key), blob(m.Fingerprint), blob(m.Body), blob(m.Value),
		orNothing(m.Topic), number(m.Lane), number(onUnknown), number(window), orNothing(m.Handler), orNothing(policy),
		orNothing(m.CollapseKey), orNothing(m.Target), instant(m.ExpiresAt), instant(m.CreatedAt), orNothing(m.Trace), only, orNothing(m.Fallback))
	return err
}

const deliveryColumns = `(id, message, conversation, lane, alone, route, rank, seq, state, waits, wanted_at, due_at,
	lease_until, fence, claims, failures, created_at, updated_at, history)`

// laneTaken is true when somebody is in the lane before.
const laneTaken = "EXISTS (SELECT 1 FROM deliveries WHERE conversation = +? AND lane = +? AND seq > 0)"

// insertScheduled writes a delivery that gets its place and its rank later.
func (t *tx) insertScheduled(h *hot, dueAt, at time.Time) error {
	r, err := t.routeFor(h)
	if err != nil {
		return err
	}
	h.change(outbox.Change{At: at, State: outbox.StateScheduled})
	t.count(0, scheduled, 1)
	t.wake = true
	_, err = t.execValues("INSERT INTO deliveries "+deliveryColumns+
		" VALUES (?, ?, ?, ?, ?, ?, 0, NULL, ?, ?, ?, ?, 0, 0, 0, 0, ?, ?, ?)",
		number(h.id), number(h.message), number(h.conversation), number(h.lane), truth(h.alone), number(r.id),
		number(scheduled), number(waitsTime), instant(h.wantedAt), instant(dueAt), instant(h.createdAt), instant(at), stored(h.history))
	return err
}

func (t *tx) insertReady(h *hot, at time.Time) error {
	r, err := t.routeFor(h)
	if err != nil {
		return err
	}
	h.change(outbox.Change{At: at, State: outbox.StateReady})
	t.count(0, ready, 1)
	t.wake = true
	seq := t.nextSeq()
	t.enters(h.conversation, h.lane, seq)
	t.store.routes.offers(r, h.lane)
	_, err = t.execValues("INSERT INTO deliveries "+deliveryColumns+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NOT "+laneTaken+", ?, 0, 0, 0, 0, 0, ?, ?, ?)",
		number(h.id), number(h.message), number(h.conversation), number(h.lane), truth(h.alone), number(r.id),
		number(t.rank(r, h)), number(seq), number(ready), number(h.conversation), number(h.lane), instant(h.wantedAt),
		instant(h.createdAt), instant(at), stored(h.history))
	return err
}

// insertTaken writes the delivery as handed out, if it is a head and its conversation is free; else as ready.
func (t *tx) insertTaken(h *hot, sub *outbox.Submission) (*outbox.Attempt, error) {
	e, err := t.conversation(h.conversation)
	if err != nil {
		return nil, err
	}
	held, free := t.store.leases.Try(e.conv.Key)
	if !free {
		return nil, t.insertReady(h, sub.At)
	}
	r, err := t.route(e.route)
	if err != nil {
		held.Release()
		return nil, err
	}
	if t.store.lanes.taken(h.conversation, h.lane) {
		taken := false
		if _, err := t.one(func(r row) { taken = r.bool(0) }, "SELECT "+laneTaken,
			int64(h.conversation), int64(h.lane)); err != nil || taken {
			held.Release()
			if err == nil {
				err = t.insertReady(h, sub.At)
			}
			return nil, err
		}
	}
	permit, ok := t.permitAtOnce(r, e, h.lane, sub.At)
	if !ok {
		held.Release()
		return nil, t.insertReady(h, sub.At)
	}
	h.seq, h.rank = t.nextSeq(), t.rank(r, h)
	r.clock[h.lane].Turn(h.rank)
	h.claims, h.fence = 1, held.Fence()
	h.change(outbox.Change{At: sub.At, State: outbox.StateSending, Attempt: 1})
	until := sub.At.Add(t.store.leaseTime)
	t.count(0, sending, 1)
	if _, err := t.execValues("INSERT INTO deliveries "+deliveryColumns+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, ?, 1, 0, ?, ?, ?)",
		number(h.id), number(h.message), number(h.conversation), number(h.lane), truth(h.alone), number(r.id), number(h.rank),
		number(h.seq), number(sending), instant(h.wantedAt), instant(until), number(h.fence), instant(h.createdAt),
		instant(sub.At), stored(h.history)); err != nil {
		held.Release()
		return nil, err
	}
	m := &sub.Message
	a := t.handOut(h, e, held, permit, until, m.OnUnknown)
	a.Body, a.Window, a.ExpiresAt, a.CreatedAt, a.Trace = slices.Clone(m.Body), m.Window, m.ExpiresAt, m.CreatedAt, m.Trace
	a.Handler, a.Topic, a.Fallback, a.WantedAt = m.Handler, m.Topic, m.Fallback != "", h.wantedAt
	return &a, nil
}
