package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// Mark implements [outbox.Store].
func (s *Store) Mark(ctx context.Context, key headsup.ConversationKey, m headsup.Mark) (now book.Conversation, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.mark(ctx, turnKey(key), m)
		switch {
		case err != nil:
			return err
		case row == 0:
			return book.ErrNotFound
		}
		if err := t.flush(ctx); err != nil {
			return err
		}
		found, err := entries(ctx, t, []book.Row{row})
		if e, ok := found[row]; ok && err == nil {
			now = e.copy()
		}
		return err
	})
	return now, err
}

// mark changes what goes on in a conversation, and judges what is held there. It returns the conversation's row, 0 if the
// book does not have it.
func (t *tx) mark(ctx context.Context, turn int64, m headsup.Mark) (row book.Row, err error) {
	var busy optionalText
	err = t.QueryRow(ctx, "SELECT coalesce(conversation, 0), busy FROM turns WHERE key = $1 FOR NO KEY UPDATE", turn).Scan(&row, &busy)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && row == 0:
		return 0, nil
	case err != nil:
		return 0, err
	}
	all, err := outbox.DecodeBusy(string(busy))
	if err != nil {
		return 0, err
	}
	stored, err := outbox.EncodeBusy(m.Apply(all))
	if err != nil {
		return 0, err
	}
	if _, err := t.Exec(ctx, "UPDATE turns SET busy = nullif($2, '') WHERE key = $1", turn, clean(stored)); err != nil {
		return 0, err
	}
	return row, t.judgeHeld(ctx, []book.Row{row}, m.At)
}

// idle are the conversations of heads in which nothing goes on, whatever a policy looks at.
func idle(heads []*head, now time.Time) []int64 {
	rows := make([]int64, 0, len(heads))
	for _, h := range heads {
		if quiet := time.Time(h.inbound).Add(headsup.MaxQuiet); len(h.going) == 0 && !now.Before(quiet) {
			rows = append(rows, int64(h.conversation))
		}
	}
	return rows
}

// judge says what the policy makes of a candidate whose conversation was taken.
func (c *candidate) judge(h *head, now time.Time) (headsup.Policy, outbox.Judgement, error) {
	return judge(&c.hot, string(c.policy), h.going, time.Time(h.inbound), c.expiresAt, now)
}

func judge(
	h *hot, policy string, going []headsup.Busy, inbound, expiresAt, now time.Time,
) (p headsup.Policy, j outbox.Judgement, err error) {
	if p, err = outbox.DecodePolicy(policy); err != nil {
		return p, j, err
	}
	if h.replayed {
		expiresAt = time.Time{}
	}
	return p, outbox.Judge(p, outbox.Situation{
		Busy: going, LastInbound: inbound, WantedAt: h.wantedAt, ExpiresAt: expiresAt, Now: now,
	}), nil
}

// holding is a head that is to be held.
type holding struct {
	hot
	outbox.Judgement
}

// hold takes heads out of their lanes, in conversations that are locked.
func (t *tx) hold(ctx context.Context, list []holding, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]int64, len(list))
	var reasons texts
	var until times
	var lines []string
	var left []lane
	for i := range list {
		h := &list[i]
		ids[i] = int64(h.id)
		c := h.Held(now, int(h.claims))
		reasons.add(c.Reason)
		until.add(h.Until)
		t.later(h.Until)
		lines = append(lines, history.Line(c))
		left = append(left, lane{h.conversation, h.lane})
		t.count(h.state, held, 1)
	}
	if _, err := t.Exec(ctx, `UPDATE deliveries d SET state = 3, seq = NULL, waits = 2, due_at = n.until, reason = n.reason,
			updated_at = $5, history = d.history || n.line
		FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) AS n (id, reason, until, line) WHERE d.id = n.id`,
		ids, []pgtype.Text(reasons), []pgtype.Timestamptz(until), lines, now); err != nil {
		return err
	}
	t.vacate(left, nil)
	return nil
}

// withoutHeld parts those that are held from the others, and returns the conversations of these.
func withoutHeld(list []hot) (others []hot, in []book.Row) {
	others = slices.DeleteFunc(list, func(h hot) bool {
		if h.state != held {
			return false
		}
		in = append(in, h.conversation)
		return true
	})
	slices.Sort(in)
	return others, slices.Compact(in)
}

const selectHeld = "SELECT " + hotColumns + `, m.policy, m.expires_at, t.busy, t.last_inbound_at, d.due_at, coalesce(d.reason, '')
	FROM turns t JOIN deliveries d ON d.conversation = t.conversation AND d.seq IS NULL AND d.state = 3
	JOIN messages m ON m.id = d.message
	WHERE t.conversation = ANY ($1) ORDER BY d.wanted_at, d.id`

// judgeHeld judges what is held in conversations, which are locked, once more, and makes what was put aside until now ready.
func (t *tx) judgeHeld(ctx context.Context, in []book.Row, now time.Time) error {
	if len(in) == 0 {
		return nil
	}
	free, later, err := t.heldIn(ctx, in, now)
	if err != nil {
		return err
	}
	if len(later) > 0 {
		ids := make([]int64, len(later))
		var until times
		for i := range later {
			ids[i] = int64(later[i].id)
			until.add(later[i].Until)
			t.later(later[i].Until) // the next due time may be another
		}
		t.last.Queue(`UPDATE deliveries d SET due_at = n.until FROM unnest($1::bigint[], $2::timestamptz[]) AS n (id, until)
			WHERE d.id = n.id`, ids, []pgtype.Timestamptz(until))
	}
	list, changes := make([]hot, len(free)), make(map[outbox.DeliveryID]outbox.Change, len(free))
	for i := range free {
		h := &free[i]
		list[i], changes[h.id] = h.hot, h.Released(now, int(h.claims))
	}
	return t.release(ctx, list, func(h *hot) outbox.Change { return changes[h.id] })
}

// heldIn lists what is held in conversations: what is free now, and what is to be judged at another time than was thought.
func (t *tx) heldIn(ctx context.Context, in []book.Row, now time.Time) (free, later []holding, err error) {
	rows, err := t.Query(ctx, selectHeld, numbers(in))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h holding
		var policy, busy optionalText
		var expiresAt, inbound, due optionalTime
		var reason string
		if err := rows.Scan(append(h.fields(), &policy, &expiresAt, &busy, &inbound, &due, &reason)...); err != nil {
			return nil, nil, err
		}
		if !outbox.Judged(reason) { // it was put aside
			if !time.Time(due).After(now) {
				h.Judgement = outbox.Judgement{Reason: outbox.ReasonResumed}
				free = append(free, h)
			}
			continue
		}
		going, err := outbox.DecodeBusy(string(busy))
		if err == nil {
			_, h.Judgement, err = judge(&h.hot, string(policy), going, time.Time(inbound), time.Time(expiresAt), now)
		}
		switch {
		case err != nil:
			return nil, nil, err
		case !h.Hold:
			free = append(free, h)
		case !exact(h.Until).Equal(time.Time(due)):
			later = append(later, h)
		}
	}
	return free, later, rows.Err()
}
