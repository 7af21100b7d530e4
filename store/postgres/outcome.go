package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// RecordOutcome implements [outbox.Store]. Repeating it is refused, and changes nothing: the fence is that of one attempt.
func (s *Store) RecordOutcome(ctx context.Context, o outbox.Outcome) error {
	if err := checkOutcome(o); err != nil {
		return err
	}
	v := verdictOf(o)
	if v.to != 0 {
		return v.result(s.move(ctx, v))
	}
	return v.result(s.outcomes.do(ctx, v))
}

// RecordLater implements [outbox.Recorder].
func (s *Store) RecordLater(o outbox.Outcome, done func(error)) {
	if err := checkOutcome(o); err != nil {
		done(err)
		return
	}
	v := verdictOf(o)
	if v.to != 0 { // seldom
		go func() { done(v.result(s.move(context.Background(), v))) }()
		return
	}
	s.outcomes.later(v, func(err error) { done(v.result(err)) })
}

func checkOutcome(o outbox.Outcome) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("postgres: outcome: %w", err)
	}
	return nil
}

func verdictOf(o outbox.Outcome) *verdict {
	v := &verdict{
		id: o.Delivery, fence: o.Fence, failed: o.Failed, unsure: o.MayHaveArrived,
		told: outbox.Change{
			At: o.At, State: o.State, Reason: o.Reason, Status: o.Status, Detail: o.Detail, Activity: o.Activity,
		},
	}
	if !o.State.Final() {
		v.told.RetryAt = o.RetryAt
	}
	if o.State == outbox.StateReady {
		v.to = o.To
	}
	return v
}

// attempt names an attempt.
type attempt struct {
	id    outbox.DeliveryID
	fence int64
}

// verdict ends an attempt.
type verdict struct {
	id     outbox.DeliveryID
	fence  int64 // of the attempt
	told   outbox.Change
	failed bool
	unsure bool  // it may have arrived
	lost   int64 // so many attempts in a row were
	to     book.Row

	change outbox.Change // what is written: told, unless the message was recalled or an earlier attempt may have arrived
	done   bool          // the attempt was the delivery's present one
}

// result is what is told of it, given the error of its transaction.
func (v *verdict) result(err error) error {
	if err == nil && !v.done {
		return headsup.ErrLeaseLost
	}
	return err
}

// queueLock adds what locks the conversations of attempts. These are free when the deliveries are not being sent any more.
func (t *tx) queueLock(b *pgx.Batch, list []*verdict) {
	t.after(func() {
		for _, v := range list {
			t.store.handed.forget(attempt{v.id, v.fence})
		}
	})
	if keys, ok := t.store.handed.turns(list); ok {
		b.Queue("SELECT FROM turns WHERE key = ANY ($1) ORDER BY key FOR NO KEY UPDATE", keys)
		t.after(func() { t.store.freed(keys) })
		return
	}
	ids := make([]int64, len(list))
	for i, v := range list {
		ids[i] = int64(v.id)
	}
	b.Queue(`SELECT t.key FROM deliveries d JOIN turns t ON t.conversation = d.conversation
		WHERE d.id = ANY ($1) ORDER BY t.key FOR NO KEY UPDATE OF t`, ids).Query(t.released)
}

// released reads the keys of turns that are given back, and tells who waits for them when that is committed.
func (t *tx) released(r pgx.Rows) error {
	keys, err := pgx.CollectRows(r, pgx.RowTo[int64])
	t.after(func() { t.store.freed(keys) })
	return err
}

// record ends attempts by their outcomes.
func (t *tx) record(ctx context.Context, list []*verdict) error {
	again := false
	for _, v := range list {
		again = again || v.told.State != outbox.StateDelivered
	}
	var b pgx.Batch
	t.queueLock(&b, list)
	if again {
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		b = pgx.Batch{}
	}
	return t.conclude(ctx, &b, list)
}

// conclude ends attempts in conversations that are locked, or will be by what is queued in b.
func (t *tx) conclude(ctx context.Context, b *pgx.Batch, list []*verdict) error {
	for _, v := range list {
		v.change, v.done = v.told, false
	}
	if err := t.reconsider(ctx, list); err != nil {
		return err
	}
	known := make(map[attempt]*verdict, len(list))
	var over endings
	var back returns
	var aside asides
	for _, v := range list {
		if known[attempt{v.id, v.fence}] != nil {
			continue // the same twice: one of them is enough
		}
		known[attempt{v.id, v.fence}] = v
		switch v.change.State {
		case outbox.StateReady:
			back.add(v)
		case outbox.StateHeld:
			aside.add(v)
		default:
			to, err := stateCode(v.change.State)
			if err != nil {
				return err
			}
			over.add(v.id, v.fence, to, v.failed, v.change)
		}
	}
	var gone []ended
	if len(over.id) > 0 {
		over.queue(b, func(e ended) {
			v := known[attempt{e.id, e.fence}]
			v.done = true
			e.change = v.change
			e.change.Attempt = int(e.claims)
			gone = append(gone, e)
		})
	}
	if len(back.id) > 0 {
		back.queue(b, func(a attempt, in offer, waits int64) {
			known[a].done = true
			t.count(sending, ready, 1)
			if waits == waitsClaim {
				t.offer(in.route, in.lane, in.rank)
			} else {
				t.later(known[a].change.RetryAt)
			}
		})
	}
	left := make(map[lane]int64)
	if len(aside.id) > 0 {
		aside.queue(b, func(a attempt, l lane, seq int64) {
			known[a].done = true
			t.count(sending, held, 1)
			t.later(known[a].change.RetryAt)
			left[l] = seq // only heads are sent
		})
	}
	if err := t.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	t.vacate(slices.Collect(maps.Keys(left)), left)
	if err := t.finished(ctx, gone); err != nil {
		return err
	}
	return t.learn(ctx, gone)
}

// learn notes what delivered revisions tell of the deliveries that they revise.
func (t *tx) learn(ctx context.Context, list []ended) error {
	for i := range list {
		e := &list[i]
		if e.verb == send || e.to != delivered || e.change.Activity == "" {
			continue
		}
		h, err := t.finishedByID(ctx, e.revises)
		switch {
		case errors.Is(err, outbox.ErrState), errors.Is(err, outbox.ErrNoDelivery), err == nil && h.state != unknown:
			continue
		case err != nil:
			return err
		}
		as := outbox.Settlement{State: outbox.StateDelivered, Activity: e.change.Activity, At: e.change.At}
		if err := t.settle(ctx, &h, as); err != nil {
			return err
		}
	}
	return nil
}

// reconsider looks at what was not delivered: what was to be tried again is cancelled if its message was recalled, and
// what one of whose attempts may have arrived ends as [outbox.Ending] has it.
func (t *tx) reconsider(ctx context.Context, list []*verdict) error {
	var ids []int64
	for _, v := range list {
		if v.told.State != outbox.StateDelivered {
			ids = append(ids, int64(v.id))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := t.Query(ctx, `SELECT d.id, coalesce(d.unsure, false), m.recalled_at IS NOT NULL AND coalesce(d.verb, 0) <> 2
		FROM deliveries d JOIN messages m ON m.id = d.message WHERE d.id = ANY ($1)`, ids)
	if err != nil {
		return err
	}
	type facts struct{ unsure, recalled bool }
	known := make(map[int64]facts, len(ids))
	var id int64
	var f facts
	if _, err := pgx.ForEachRow(rows, []any{&id, &f.unsure, &f.recalled}, func() error {
		known[id] = f
		return nil
	}); err != nil {
		return err
	}
	for _, v := range list {
		c, f := &v.change, known[int64(v.id)]
		if !c.State.Final() && f.recalled {
			c.Detail = strings.Trim(c.Reason+": "+c.Detail, ": ")
			c.State, c.Reason, c.RetryAt = outbox.StateCancelled, outbox.ReasonRecalled, time.Time{}
		}
		*c = outbox.Ending(*c, f.unsure || v.unsure)
	}
	return nil
}

// endings are deliveries that become final, as arrays.
type endings struct {
	id, fence    []int64
	to           []int16
	failed       []int32
	reason, sent texts
	at           times
	line         []string
}

// anyFence is for what is not being sent.
const anyFence = -1

func (a *endings) add(id outbox.DeliveryID, fence, to int64, failed bool, c outbox.Change) {
	a.id, a.fence = append(a.id, int64(id)), append(a.fence, fence)
	a.to = append(a.to, int16(to))
	failures := int32(0)
	if failed {
		failures = 1
	}
	a.failed = append(a.failed, failures)
	a.reason.add(clean(c.Reason))
	a.sent.add(clean(string(c.Activity)))
	a.at.add(c.At)
	a.line = append(a.line, history.Begin(c))
}

// moveToFinished moves deliveries out of the hot table and tells what they were.
var moveToFinished = `WITH gone AS (
		DELETE FROM deliveries d
		USING ` + rowsOf("e", "$1::bigint[] id", "$2::bigint[] fence", "$3::smallint[] to_state", "$4::integer[] failed", "$5::text[] why",
	"$6::text[] sent", "$7::timestamptz[] at", "$8::text[] line") + `
		WHERE d.id = e.id AND (e.fence = -1 OR d.fence = e.fence AND d.state = 4)
		RETURNING d.id, d.message, d.conversation, d.lane, d.alone, d.seq, d.state, d.fence, d.claims, d.failures, d.verb, d.replayed,
			d.revises, d.created_at, d.wanted_at, e.to_state, e.failed, e.why, coalesce(e.sent, d.activity_id) AS said, e.at AS ended_at,
			d.history || e.line || ` + endOf("d.claims") + ` AS whole),
	moved AS (INSERT INTO finished (id, message, conversation, fence, lane, alone, state, claims, failures, verb, replayed,
			revises, created_at, updated_at, reason, activity_id, history)
		SELECT id, message, conversation, fence, lane, alone, to_state, claims, failures + failed, verb, replayed,
			revises, created_at, ended_at, why, said, whole FROM gone)
	SELECT ` + endedColumns + ` FROM gone d`

func (a *endings) queue(b *pgx.Batch, each func(ended)) {
	b.Queue(moveToFinished, a.id, a.fence, a.to, a.failed, a.reason.arg(), a.sent.arg(), a.at.arg(), a.line).Query(func(r pgx.Rows) error {
		for r.Next() {
			var e ended
			if err := r.Scan(e.endedFields()...); err != nil {
				return err
			}
			each(e)
		}
		return r.Err()
	})
}

// finished does what follows from deliveries having ended.
func (t *tx) finished(ctx context.Context, list []ended) error {
	var left []lane
	seen, first := make(map[lane]bool, len(list)), make(map[lane]int64, len(list))
	for i := range list {
		e := &list[i]
		t.count(e.state, e.to, 1)
		t.ended(e)
		if l := (lane{e.conversation, e.lane}); e.seq != 0 && !seen[l] {
			seen[l] = true
			left = append(left, l)
		}
		if e.state == sending { // only heads are
			l := lane{e.conversation, e.lane}
			first[l] = max(first[l], e.seq)
		}
	}
	t.vacate(left, first)
	return t.tellOutcomes(ctx, list)
}

// finish ends deliveries, each by a change, as [outbox.Ending] has it, in conversations that are locked.
func (t *tx) finish(ctx context.Context, list []hot, change func(*hot) outbox.Change) error {
	if len(list) == 0 {
		return nil
	}
	var a endings
	changes := make(map[outbox.DeliveryID]outbox.Change, len(list))
	for i := range list {
		h := &list[i]
		c := outbox.Ending(change(h), h.unsure)
		to, err := stateCode(c.State)
		if err != nil {
			return err
		}
		changes[h.id] = c
		a.add(h.id, anyFence, to, false, c)
	}
	var gone []ended
	var b pgx.Batch
	a.queue(&b, func(e ended) {
		e.change = changes[e.id]
		e.change.Attempt = int(e.claims)
		gone = append(gone, e)
	})
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	return t.finished(ctx, gone)
}

// returns are attempts whose deliveries become ready again, as arrays.
type returns struct {
	id, fence    []int64
	waits, lost  []int16
	failed       []int32
	unsure       []bool
	reason, sent texts
	due, at      times
	line         []string
}

func (a *returns) add(v *verdict) {
	c := v.change
	waits, due := waitsClaim, time.Time{}
	if c.RetryAt.After(c.At) {
		waits, due = waitsTime, c.RetryAt
	}
	failures := int32(0)
	if v.failed {
		failures = 1
	}
	a.id, a.fence = append(a.id, int64(v.id)), append(a.fence, v.fence)
	a.waits, a.failed = append(a.waits, int16(waits)), append(a.failed, failures)
	a.unsure, a.lost = append(a.unsure, v.unsure), append(a.lost, int16(v.lost)) //nolint:gosec // there are few
	a.reason.add(clean(c.Reason))
	a.sent.add(clean(string(c.Activity)))
	a.due.add(due)
	a.at.add(c.At)
	a.line = append(a.line, history.Begin(c))
}

var putBack = `UPDATE deliveries d SET state = 2, waits = e.waits, due_at = e.due, lease_until = NULL,
		failures = d.failures + e.failed, reason = e.why, activity_id = coalesce(e.sent, d.activity_id), updated_at = e.at,
		history = d.history || e.line || ` + endOf("d.claims") + `,
		unsure = CASE WHEN d.unsure OR e.unsure THEN true END, lost = nullif(e.lost, 0)
	FROM ` + rowsOf("e", "$1::bigint[] id", "$2::bigint[] fence", "$3::smallint[] waits", "$4::integer[] failed", "$5::text[] why",
	"$6::text[] sent", "$7::timestamptz[] due", "$8::timestamptz[] at", "$9::text[] line", "$10::boolean[] unsure",
	"$11::smallint[] lost") + `
	WHERE d.id = e.id AND d.fence = e.fence AND d.state = 4 RETURNING d.id, d.fence, d.route, d.lane, d.rank, d.waits`

func (a *returns) queue(b *pgx.Batch, each func(attempt, offer, int64)) {
	b.Queue(putBack, a.id, a.fence, a.waits, a.failed, a.reason.arg(), a.sent.arg(), a.due.arg(), a.at.arg(), a.line, a.unsure, a.lost).Query(func(r pgx.Rows) error {
		var id, fence, waits int64
		var in offer
		_, err := pgx.ForEachRow(r, []any{&id, &fence, &in.route, &in.lane, &in.rank, &waits}, func() error {
			each(attempt{outbox.DeliveryID(id), fence}, in, waits)
			return nil
		})
		return err
	})
}

// Extend implements [outbox.Store].
func (s *Store) Extend(
	ctx context.Context, attempts []outbox.Attempt, until time.Time,
) (lost []outbox.DeliveryID, err error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	ids, fences := make([]int64, len(attempts)), make([]int64, len(attempts))
	for i, a := range attempts {
		ids[i], fences[i] = int64(a.Delivery), a.Fence
	}
	var kept map[int64]bool
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		kept = make(map[int64]bool, len(ids))
		var b pgx.Batch
		b.Queue(`SELECT FROM unnest($1::bigint[]) AS a (id) JOIN deliveries d ON d.id = a.id
			JOIN turns t ON t.conversation = d.conversation ORDER BY t.key FOR NO KEY UPDATE OF t`, ids)
		b.Queue(`UPDATE deliveries d SET lease_until = CASE WHEN $3 THEN $4 ELSE clock_timestamp() + $5::interval END,
				turn_until = clock_timestamp() + $5::interval
			FROM unnest($1::bigint[], $2::bigint[]) AS a (id, fence)
			WHERE d.id = a.id AND d.state = 4 AND d.fence = a.fence AND d.turn_until > clock_timestamp()
			RETURNING d.id`, ids, fences, s.callersTime, until, s.leaseTime).Query(func(r pgx.Rows) error {
			var id int64
			_, err := pgx.ForEachRow(r, []any{&id}, func() error {
				kept[id] = true
				return nil
			})
			return err
		})
		return t.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if !kept[int64(a.Delivery)] {
			lost = append(lost, a.Delivery)
		} else {
			s.handed.lasts(attempt{a.Delivery, a.Fence})
		}
	}
	return lost, nil
}

// hotByID reads deliveries that are not final.
func hotByID(ctx context.Context, q querier, ids ...outbox.DeliveryID) ([]hot, error) {
	return collectHot(q.Query(ctx, "SELECT "+hotColumns+" FROM deliveries d WHERE d.id = ANY ($1) ORDER BY d.id", numbers(ids)))
}

// utterance is what a delivery has said: the id that the channel gave it, if it gave one, and whether it has said
// something, or may have.
type utterance struct {
	id   activity.ID
	said bool
}

func utterances(ctx context.Context, q querier, ids []outbox.DeliveryID) (map[outbox.DeliveryID]utterance, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, `SELECT id, coalesce(activity_id, ''), activity_id IS NOT NULL OR state IN (5, 7) OR state = 6 AND coalesce(reason = 'partial', false) FROM finished WHERE id = ANY ($1)
		UNION ALL SELECT id, coalesce(activity_id, ''), activity_id IS NOT NULL OR coalesce(unsure, false) FROM deliveries WHERE id = ANY ($1)`,
		numbers(ids))
	if err != nil {
		return nil, err
	}
	found := make(map[outbox.DeliveryID]utterance, len(ids))
	var id int64
	var given string
	var said bool
	_, err = pgx.ForEachRow(rows, []any{&id, &given, &said}, func() error {
		found[outbox.DeliveryID(id)] = utterance{activity.ID(given), said}
		return nil
	})
	return found, err
}
