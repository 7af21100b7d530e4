package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
)

// Purge implements [outbox.Store].
func (s *Store) Purge(ctx context.Context, p outbox.Purge) (done outbox.Purged, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		done, err = t.purge(ctx, p)
		return err
	})
	return done, err
}

// old is a message that a purge looks at, and what its deliveries are.
type old struct {
	id, alone int64
	created   time.Time
	content   bool
	underWay  bool
	last      time.Time // when the last of them ended
}

// purge locks the messages of a step, which a replay and a revision do, too, and then looks at their deliveries.
func (t *tx) purge(ctx context.Context, p outbox.Purge) (done outbox.Purged, err error) {
	before := p.ContentBefore
	if p.RecordsBefore.After(before) {
		before = p.RecordsBefore
	}
	rows, err := t.Query(ctx, "SELECT id FROM messages WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE", int64(p.After), p.Limit)
	if err != nil {
		return done, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(ids) == 0 {
		return done, err
	}
	page, err := t.oldOnes(ctx, ids)
	if err != nil {
		return done, err
	}
	var contents, records, alone []int64
	over := len(ids) < p.Limit
	for _, m := range page {
		if !m.created.Before(before) { // ids grow with time: so it goes on
			over = true
			break
		}
		switch {
		case m.underWay:
		case m.created.Before(p.RecordsBefore) && m.last.Before(p.RecordsBefore):
			records = append(records, m.id)
			if m.alone != 0 {
				alone = append(alone, m.alone)
			}
		case m.content && m.created.Before(p.ContentBefore):
			contents = append(contents, m.id)
		}
	}
	if !over {
		done.Next = outbox.MessageID(ids[len(ids)-1])
	}
	if len(contents) > 0 {
		t.last.Queue("UPDATE messages SET body = NULL, value = NULL WHERE id = ANY ($1)", contents)
	}
	done.Contents, done.Records = len(contents), len(records)
	return done, t.removeEnded(ctx, records, alone)
}

func (t *tx) oldOnes(ctx context.Context, ids []int64) (page []old, err error) {
	rows, err := t.Query(ctx, `SELECT m.id, coalesce(m.alone, 0), m.created_at, m.body IS NOT NULL,
			EXISTS (SELECT FROM deliveries d WHERE d.id = m.alone)
				OR EXISTS (SELECT FROM deliveries d WHERE d.message = m.id AND NOT d.alone)
				OR EXISTS (SELECT FROM spreads s WHERE s.message = m.id)
				OR EXISTS (SELECT FROM sweeps s WHERE s.message = m.id),
			greatest((SELECT f.updated_at FROM finished f WHERE f.id = m.alone),
				(SELECT max(f.updated_at) FROM finished f WHERE f.message = m.id AND NOT f.alone))
		FROM messages m WHERE m.id = ANY ($1) ORDER BY m.id`, ids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m old
		if err := rows.Scan(&m.id, &m.alone, &m.created, &m.content, &m.underWay, (*optionalTime)(&m.last)); err != nil {
			return nil, err
		}
		page = append(page, m)
	}
	return page, rows.Err()
}

// removeEnded removes messages whose deliveries are all final; alone are those deliveries that are their messages' only
// ones.
func (t *tx) removeEnded(ctx context.Context, messages, alone []int64) error {
	if len(messages) == 0 {
		return nil
	}
	rows, err := t.Query(ctx, `WITH gone AS (
			DELETE FROM finished WHERE id = ANY ($2) OR message = ANY ($1) AND NOT alone RETURNING id, state),
		said AS (DELETE FROM sends s USING gone g WHERE s.delivery = g.id)
		SELECT state, count(*) FROM gone GROUP BY state`, messages, alone)
	if err != nil {
		return err
	}
	var state, n int64
	if _, err := pgx.ForEachRow(rows, []any{&state, &n}, func() error {
		t.count(state, 0, n)
		return nil
	}); err != nil {
		return err
	}
	t.last.Queue("DELETE FROM receipts WHERE message = ANY ($1)", messages)
	t.last.Queue("DELETE FROM messages WHERE id = ANY ($1)", messages)
	return nil
}
