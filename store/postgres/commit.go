package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/state"
)

// Most turns end with the same: what was answered is recorded, and state is written. Those that end at about the same time
// share a transaction, in which each kind of step is one statement for all of them.

// committing is the end of such a turn.
type committing struct {
	lease  *lease
	answer *headsup.RecordAnswer // nil for none
	writes []state.Write

	lost bool // somebody else has the conversation
}

// plain is a commit that can be made together with others; nil for one with other ops, or of a turn that a delivery runs.
func plain(l *lease, ops []headsup.Op) *committing {
	c := &committing{lease: l}
	for _, op := range ops {
		switch op := op.(type) {
		case headsup.RecordAnswer:
			if c.answer != nil {
				return nil
			}
			c.answer = &op
		case state.Save:
			c.writes = append(c.writes, op.Writes...)
		default:
			return nil
		}
	}
	if l.delivery != 0 {
		return nil
	}
	return c
}

// commitAll commits the ends of turns together. When one of them fails, none has happened.
func (s *Store) commitAll(ctx context.Context, list []*committing) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		if err := t.extendAll(ctx, list); err != nil {
			return err
		}
		var writes []state.Write
		var answers answerArrays
		for _, c := range list {
			if c.lost {
				continue
			}
			writes = append(writes, c.writes...)
			if c.answer != nil {
				answers.add(c.lease, *c.answer)
			}
		}
		// Others do so at the same time: in one order.
		slices.SortStableFunc(writes, func(a, b state.Write) int {
			return cmp.Or(cmp.Compare(a.Key.AppID, b.Key.AppID), cmp.Compare(a.Key.Tenant, b.Key.Tenant), cmp.Compare(a.Key.Path, b.Key.Path))
		})
		if err := t.writeState(ctx, writes); err != nil {
			return err
		}
		answers.queue(t)
		return nil
	})
}

// extendAll is extend for several turns, which also notes when somebody was heard. It locks in the order of keys.
func (t *tx) extendAll(ctx context.Context, list []*committing) error {
	byKey := make(map[turnHeld]time.Time, len(list))
	for _, c := range list {
		held := turnHeld{c.lease.turn, c.lease.fence}
		at := byKey[held]
		if c.answer != nil {
			at = c.answer.At
		}
		if byKey[held] = at; c.lease.gone.Load() {
			delete(byKey, held)
		}
	}
	all := make([]turnHeld, 0, len(byKey))
	for held := range byKey {
		all = append(all, held)
	}
	slices.SortFunc(all, func(a, b turnHeld) int { return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.fence, b.fence)) })
	keys, fences := make([]int64, len(all)), make([]int64, len(all))
	var heard times
	for i, held := range all {
		keys[i], fences[i] = held.turn, held.fence
		heard.add(byKey[held])
	}
	rows, err := t.Query(ctx, `UPDATE turns t SET until = clock_timestamp() + $4::interval,
			last_inbound_at = CASE WHEN t.conversation IS NULL OR n.heard IS NULL THEN t.last_inbound_at ELSE n.heard END
		FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS n (key, fence, heard) OFFSET 0) AS n
		WHERE t.key = n.key AND t.fence = n.fence RETURNING t.key, t.fence`, keys, fences, []pgtype.Timestamptz(heard), t.store.leaseTime)
	if err != nil {
		return err
	}
	kept := make(map[turnHeld]bool, len(all))
	var held turnHeld
	if _, err := pgx.ForEachRow(rows, []any{&held.turn, &held.fence}, func() error {
		kept[held] = true
		return nil
	}); err != nil {
		return err
	}
	for _, c := range list {
		c.lost = !kept[turnHeld{c.lease.turn, c.lease.fence}]
	}
	return nil
}

// turnHeld is a turn that somebody has taken with a fence.
type turnHeld struct{ turn, fence int64 }

// answerArrays are rows of the table inbound.
type answerArrays struct {
	conversation, body [][]byte
	activity           []string
	status             []int32
	at                 times
}

func (a *answerArrays) add(l *lease, op headsup.RecordAnswer) {
	a.conversation, a.body = append(a.conversation, keyHash(l.key)), append(a.body, orNil(op.Answer.Body))
	a.activity = append(a.activity, clean(string(op.Activity)))
	a.status = append(a.status, int32(op.Answer.Status)) //nolint:gosec // of HTTP
	a.at.add(op.At)
}

func (a *answerArrays) queue(t *tx) {
	if len(a.activity) == 0 {
		return
	}
	t.last.Queue(`INSERT INTO inbound (conversation, activity_id, status, body, at)
		SELECT * FROM unnest($1::bytea[], $2::text[], $3::integer[], $4::bytea[], $5::timestamptz[])
		ON CONFLICT (conversation, activity_id) DO UPDATE SET status = excluded.status, body = excluded.body, at = excluded.at`,
		a.conversation, a.activity, a.status, a.body, []pgtype.Timestamptz(a.at))
}
