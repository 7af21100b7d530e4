package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// finishedColumns are a row of the table finished as hot reads it.
const finishedColumns = `d.id, d.message, d.conversation, d.lane, d.alone, 0::bigint, d.state, d.fence, d.claims,
	d.failures, coalesce(d.activity_id, ''), d.updated_at, d.created_at, coalesce(d.verb, 0), coalesce(d.revises, 0),
	coalesce(d.replayed, false), d.state = 7 OR d.state = 6 AND coalesce(d.reason, '') = 'partial', 0,
	0::bigint, 0::bigint`

// finishedByID reads a delivery that is final: ErrState when it is not yet, ErrNoDelivery when there is none. The row is
// locked.
func (t *tx) finishedByID(ctx context.Context, id outbox.DeliveryID) (h hot, err error) {
	err = t.QueryRow(ctx, "SELECT "+finishedColumns+" FROM finished d WHERE d.id = $1 FOR UPDATE", int64(id)).Scan(h.fields()...)
	if !errors.Is(err, pgx.ErrNoRows) {
		return h, err
	}
	there, err := hotByID(ctx, t, id)
	switch {
	case err != nil:
		return h, err
	case len(there) > 0:
		return h, outbox.ErrState
	}
	return h, outbox.ErrNoDelivery
}

// ReplayDelivery implements [outbox.Store].
func (s *Store) ReplayDelivery(ctx context.Context, id outbox.DeliveryID, r outbox.Replay) (outbox.Delivery, error) {
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		var where int64
		err := t.QueryRow(ctx, "SELECT conversation FROM finished WHERE id = $1", int64(id)).Scan(&where)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		there, err := t.lock(ctx, []book.Row{book.Row(where)})
		if err != nil {
			return err
		}
		h, err := t.finishedByID(ctx, id)
		switch {
		case err != nil:
			return err
		case h.state == delivered:
			return outbox.ErrState
		}
		var recalled, purged, changing bool
		if err := t.QueryRow(ctx, "SELECT recalled_at IS NOT NULL, body IS NULL, not_before IS NOT NULL FROM messages WHERE id = $1 FOR SHARE", int64(h.message)).
			Scan(&recalled, &purged, &changing); err != nil {
			return err
		}
		switch {
		case recalled && h.verb != remove:
			return outbox.ErrRecalled
		case purged && h.verb != remove:
			return outbox.ErrPurged
		case changing && h.verb != remove:
			return outbox.ErrChanging
		}
		if _, ok := there[h.conversation]; !ok {
			return book.ErrNotFound
		}
		return t.replay(ctx, []hot{h}, there, r)
	}); err != nil {
		return outbox.Delivery{}, err
	}
	return s.DeliveryRecord(ctx, id)
}

// replay brings deliveries back from the finished ones, in this order. Their conversations are locked; routes are theirs.
func (t *tx) replay(ctx context.Context, list []hot, routes map[book.Row]int64, r outbox.Replay) error {
	if len(list) == 0 {
		return nil
	}
	at := r.At
	if r.Forbidden {
		where := make([]int64, len(list))
		for i := range list {
			where[i] = int64(list[i].conversation)
		}
		// With a new version, nobody goes by what they remember of the conversation.
		if _, err := t.Exec(ctx, `WITH tried AS (UPDATE conversations SET reach = $2, reach_cause = $3, reach_at = $4, reach_until = NULL, updated_at = $4
				WHERE id = ANY ($1) AND reach <> $2 AND reach <> $6 AND reach_cause <> ALL ($5) RETURNING id)
			UPDATE turns SET version = version + 1 FROM tried WHERE turns.conversation = tried.id`, where, book.ReachActive, outbox.ReasonReplayed, exact(at), book.EventCauses(), book.ReachProspective); err != nil {
			return err
		}
	}
	ids, waits, lanes := make([]int64, len(list)), make([]int16, len(list)), make([]lane, len(list))
	ways, ranks := make([]int64, len(list)), make([]int64, len(list))
	for i := range list {
		ids[i], lanes[i] = int64(list[i].id), lane{list[i].conversation, list[i].lane}
	}
	taken, err := collectLanes(t.Query(ctx, occupied, t.laneArrays(lanes)...))
	if err != nil {
		return err
	}
	for i := range list {
		h := &list[i]
		t.count(h.state, ready, 1)
		ways[i] = routes[h.conversation]
		ranks[i] = t.store.routes.rank(ways[i], h.lane, h.message, h.alone)
		if !taken[lanes[i]] {
			taken[lanes[i]], waits[i] = true, int16(waitsClaim)
			t.offer(ways[i], h.lane, ranks[i])
		}
	}
	places, err := t.places(ctx, len(list))
	if err != nil {
		return err
	}
	t.wake = true
	c := outbox.Change{At: at, State: outbox.StateReady, Reason: outbox.ReasonReplayed}
	if _, err := t.Exec(ctx, `WITH back AS (
			DELETE FROM finished d USING unnest($1::bigint[], $2::smallint[], $3::bigint[], $7::bigint[], $8::bigint[])
				AS n (id, waits, seq, route, rank)
			WHERE d.id = n.id RETURNING d.*, n.waits, n.seq, n.route, n.rank)
		INSERT INTO deliveries (id, message, conversation, lane, alone, route, rank, seq, state, waits, wanted_at, fence, claims, failures,
			reason, activity_id, created_at, updated_at, history, verb, revises, replayed, unsure)
		SELECT d.id, d.message, d.conversation, d.lane, d.alone, d.route, d.rank, d.seq, 2, d.waits, $4, d.fence, d.claims, 0, $5, d.activity_id,
			d.created_at, $4, d.history || $6 || `+endOf("d.claims")+`, d.verb, d.revises, true, CASE WHEN d.state = 7 OR d.state = 6 AND d.reason = 'partial' THEN true END FROM back d`,
		ids, waits, places, at, c.Reason, history.Begin(c), ways, ranks); err != nil {
		return err
	}
	t.last.Queue("DELETE FROM sends WHERE delivery = ANY ($1)", ids)
	return t.mayCollapse(ctx, list)
}

// replayAtOnce bounds one step of a replay, so that its locks are not held for long.
const replayAtOnce = 500

// ReplayDeliveries implements [outbox.Store]. It takes several steps when there are many.
func (s *Store) ReplayDeliveries(ctx context.Context, f outbox.DeliveryFilter, r outbox.Replay) (int, error) {
	if f.State != "" && (!f.State.Final() || f.State == outbox.StateDelivered) {
		return 0, nil
	}
	total := 0
	for after, more := outbox.DeliveryID(0), true; more && total < f.Limit; {
		var n int
		var last outbox.DeliveryID
		if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, last, more, err = t.replayNext(ctx, f, after, min(replayAtOnce, f.Limit-total), r)
			return err
		}); err != nil {
			return total, err
		}
		total += n
		after = last
	}
	return total, nil
}

const mayBeReplayed = ` AND d.state <> 5 AND (d.verb = 2 OR m.recalled_at IS NULL AND m.body IS NOT NULL AND m.not_before IS NULL)
	AND EXISTS (SELECT FROM conversations c WHERE c.id = d.conversation)`

// replayNext replays some of those that match after one.
func (t *tx) replayNext(
	ctx context.Context, f outbox.DeliveryFilter, after outbox.DeliveryID, limit int, r outbox.Replay,
) (n int, last outbox.DeliveryID, more bool, err error) {
	queries, err := queriesOf(ctx, t, f, false, true)
	if err != nil {
		return 0, 0, false, err
	}
	var ids []outbox.DeliveryID
	var where []book.Row
	for _, q := range queries {
		q.narrow(f)
		rows, err := t.Query(ctx, "SELECT d.id, d.conversation FROM finished d JOIN messages m ON m.id = d.message WHERE "+q.where+
			mayBeReplayed+" AND m.app_id = "+q.args.add(f.AppID)+" AND d.id > "+q.args.add(int64(after))+
			" ORDER BY d.id LIMIT "+q.args.add(limit), q.args...)
		if err != nil {
			return 0, 0, false, err
		}
		var id, c int64
		if _, err := pgx.ForEachRow(rows, []any{&id, &c}, func() error {
			ids, where = append(ids, outbox.DeliveryID(id)), append(where, book.Row(c))
			return nil
		}); err != nil {
			return 0, 0, false, err
		}
	}
	if len(ids) == 0 {
		return 0, 0, false, nil
	}
	slices.Sort(ids)
	ids = ids[:min(limit, len(ids))]
	last = ids[len(ids)-1]
	routes, err := t.lock(ctx, where)
	if err != nil {
		return 0, 0, false, err
	}
	list, err := collectHot(t.Query(ctx, "SELECT "+finishedColumns+` FROM finished d JOIN messages m ON m.id = d.message
		WHERE d.id = ANY ($1)`+mayBeReplayed+" ORDER BY d.id FOR UPDATE OF d FOR SHARE OF m", numbers(ids)))
	if err != nil {
		return 0, 0, false, err
	}
	return len(list), last, len(ids) == limit, t.replay(ctx, list, routes, r)
}

// SettleDelivery implements [outbox.Store].
func (s *Store) SettleDelivery(
	ctx context.Context, id outbox.DeliveryID, as outbox.Settlement,
) (outbox.Delivery, error) {
	if as.State != outbox.StateDelivered && as.State != outbox.StateFailed {
		return outbox.Delivery{}, fmt.Errorf("postgres: settle: %q is neither delivered nor failed", as.State)
	}
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		h, err := t.finishedByID(ctx, id)
		switch {
		case err != nil:
			return err
		case h.state != unknown:
			return outbox.ErrState
		}
		return t.settle(ctx, &h, as)
	}); err != nil {
		return outbox.Delivery{}, err
	}
	return s.DeliveryRecord(ctx, id)
}

// settle makes an unknown delivery, whose row is locked, what somebody knows it to be.
func (t *tx) settle(ctx context.Context, h *hot, as outbox.Settlement) error {
	code, err := stateCode(as.State)
	if err != nil {
		return err
	}
	t.count(unknown, code, 1)
	c := outbox.Change{
		At: as.At, State: as.State, Attempt: int(h.claims), Reason: outbox.ReasonSettled, Activity: as.Activity,
	}
	h.wantedAt = as.At // who knows when it was delivered
	h.activity = cmp.Or(as.Activity, h.activity)
	e := ended{hot: *h, to: code, change: c}
	t.ended(&e)
	if err := t.tellOutcomes(ctx, []ended{e}); err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE finished SET state = $2, reason = $3, activity_id = $4, updated_at = $5, history = history || $6
		WHERE id = $1`, int64(h.id), code, c.Reason, optionalText(clean(string(h.activity))), c.At, history.Line(c))
	return err
}
