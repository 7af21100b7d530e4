package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
)

// Change implements [book.Store].
func (s *Store) Change(ctx context.Context, c book.Change) (n int, err error) {
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	c.At = exact(c.At)
	c.TeamName, c.RoomName, c.Standing.Cause = clean(c.TeamName), clean(c.RoomName), clean(c.Standing.Cause)
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		all, err := t.concerned(ctx, c)
		n = len(all)
		if err != nil || n == 0 {
			return err
		}
		return t.changeAll(ctx, all, c)
	})
	return n, err
}

// concerned locks the conversations that a change is about, as everybody does who changes one, and raises their versions.
func (t *tx) concerned(ctx context.Context, c book.Change) ([]*entry, error) {
	if c.Team == "" {
		e, err := t.changing(ctx, c.Key)
		switch {
		case errors.Is(err, book.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []*entry{e}, nil
	}
	rows, err := t.lockRows(ctx, `WHERE c.team_id = $1 AND c.channel_id = $2 AND c.tenant_id = $3 AND c.bot_id = $4 AND c.app_id = $5
			AND ($6 = '' OR c.room_id = $6)
		ORDER BY t.key FOR NO KEY UPDATE OF t`, c.Team, c.Key.Channel, c.Key.Tenant, c.Key.Bot, c.Key.AppID, c.Room)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	found, err := entries(ctx, t, rows)
	if err != nil {
		return nil, err
	}
	all := make([]*entry, 0, len(rows))
	for _, r := range rows {
		if e, ok := found[r]; ok {
			all = append(all, e)
		}
	}
	return all, nil
}

// lockRows locks the rows of turns of conversations c, and raises the versions there.
func (t *tx) lockRows(ctx context.Context, which string, args ...any) ([]book.Row, error) {
	found, err := t.Query(ctx, "SELECT c.id FROM conversations c JOIN turns t ON t.conversation = c.id "+which, args...)
	if err != nil {
		return nil, err
	}
	rows, err := pgx.CollectRows(found, pgx.RowTo[book.Row])
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	_, err = t.Exec(ctx, "UPDATE turns SET version = version + 1 WHERE conversation = ANY ($1)", rows)
	return rows, err
}

func (t *tx) changeAll(ctx context.Context, all []*entry, c book.Change) error {
	rows, reach, cause := make([]book.Row, len(all)), make([]book.Reach, len(all)), make([]string, len(all))
	at, until := make([]optionalTime, len(all)), make([]optionalTime, len(all))
	for i, e := range all {
		to := e.conv
		if c.Takes(to) {
			stand(&to, e.conv.Struck(c.Standing))
		}
		rows[i], reach[i], cause[i] = to.Row, to.Reach, to.Cause
		at[i], until[i] = optionalTime(to.ReachAt), optionalTime(to.Until)
	}
	roomName := ""
	if c.Room != "" {
		roomName = c.RoomName
	}
	var b pgx.Batch
	b.Queue(`UPDATE conversations c SET reach = u.reach, reach_cause = u.cause, reach_at = u.at, reach_until = u.until,
			team_name = coalesce($6, c.team_name), room_name = coalesce($7, c.room_name), updated_at = $8
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) u (id, reach, cause, at, until)
		WHERE c.id = u.id`, rows, reach, cause, at, until, optionalText(c.TeamName), optionalText(roomName), c.At)
	if len(c.Left) > 0 {
		b.Queue(`DELETE FROM members m USING people p WHERE m.person = p.id AND m.conversation = ANY ($1)
			AND p.app_id = $2 AND p.tenant_id = $3 AND p.channel_id = $4 AND p.user_id = ANY ($5)`,
			rows, c.Key.AppID, c.Key.Tenant, c.Key.Channel, c.Left)
	}
	return t.SendBatch(ctx, &b).Close()
}

// Reopen implements [book.Store].
func (s *Store) Reopen(ctx context.Context, at time.Time, n int) (reopened int, err error) {
	at = exact(at)
	some := false
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM conversations c WHERE c.reach_until <= $1)", at).Scan(&some)
	}); err != nil || !some {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		// Those that somebody else has locked are the next time's.
		rows, err := t.lockRows(ctx, "WHERE c.reach_until <= $1 ORDER BY t.key LIMIT $2 FOR NO KEY UPDATE OF t SKIP LOCKED", at, n)
		if err != nil || len(rows) == 0 {
			return err
		}
		tag, err := t.Exec(ctx, `UPDATE conversations SET reach = $2, reach_cause = $3, reach_at = $4, reach_until = NULL, updated_at = $4
			WHERE id = ANY ($1) AND reach_until <= $4`, rows, book.ReachActive, book.CauseTimeOver, at)
		reopened = int(tag.RowsAffected())
		return err
	})
	return reopened, err
}
