package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

const (
	// toldFor is how long it is kept whom something was said to: longer than any day, on whatever clock.
	toldFor = 72 * time.Hour
	// forgetsTold is how many that are older every count forgets.
	forgetsTold = 10
)

// Count implements [outbox.Store].
func (s *Store) Count(ctx context.Context, c outbox.Counting) (within bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		within, err = t.countTold(ctx, c)
		return err
	})
	return within, err
}

// countTold locks those whom it counts for, so that what is said in several conversations with one human is counted one after
// the other. In one conversation nothing else is said meanwhile.
func (t *tx) countTold(ctx context.Context, c outbox.Counting) (bool, error) {
	found, err := entries(ctx, t, []book.Row{c.Conversation})
	if err != nil {
		return false, err
	}
	e, known := found[c.Conversation]
	if !known {
		return false, book.ErrNotFound
	}
	who, err := t.personIn(ctx, e)
	if err != nil {
		return false, err
	}
	owner, all := int64(who), []int64{-int64(c.Conversation)}
	if who == 0 { // a conversation with nobody in particular
		owner = all[0]
	} else {
		rows, err := t.Query(ctx, `SELECT o.id FROM people o WHERE o.id = ANY (ARRAY (
				SELECT $1::bigint UNION SELECT h.id FROM people p JOIN people h ON h.human = p.human WHERE p.id = $1))
			ORDER BY o.id FOR NO KEY UPDATE`, who)
		if err != nil {
			return false, err
		}
		if all, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return false, err
		}
	}
	var total, ofTopic int
	if err := t.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE topic = $2) FROM told
		WHERE owner = ANY ($1) AND at >= $3 AND delivery <> $4`, all, clean(c.Topic), c.Since, int64(c.Delivery)).Scan(&total, &ofTopic); err != nil {
		return false, err
	}
	if !c.Cap.Within(total, ofTopic) {
		return false, nil
	}
	var b pgx.Batch
	b.Queue(`INSERT INTO told (owner, delivery, topic, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner, delivery) DO UPDATE SET at = excluded.at`, owner, int64(c.Delivery), clean(c.Topic), c.At)
	b.Queue(`DELETE FROM told WHERE (owner, delivery) IN
		(SELECT owner, delivery FROM told WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)`, c.At.Add(-toldFor), forgetsTold)
	return true, t.SendBatch(ctx, &b).Close()
}

// Uncount implements [outbox.Store].
func (s *Store) Uncount(ctx context.Context, id outbox.DeliveryID, in book.Row) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		found, err := entries(ctx, t, []book.Row{in})
		if err != nil || found[in] == nil {
			return err
		}
		owner, err := t.personIn(ctx, found[in])
		if err != nil {
			return err
		}
		if owner == 0 {
			owner = book.PersonRow(-int64(in))
		}
		_, err = t.Exec(ctx, "DELETE FROM told WHERE owner = $1 AND delivery = $2", int64(owner), int64(id))
		return err
	})
}
