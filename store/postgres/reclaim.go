package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Each step that hands attempts out leaves one row that names them, with the time at which their leases run out. Then
// somebody looks what has become of them: those that are over need nothing, those that are lost are taken back, and for
// those whose leases were extended there is another row. So leases need no index of their own, which each claim would have
// to change.

// noteHanded has somebody look at deliveries when the leases have run out that begin now.
func (t *tx) noteHanded(ids []int64, now time.Time) {
	if len(ids) > 0 {
		t.last.Queue("INSERT INTO handed (until, deliveries) SELECT CASE WHEN $2 THEN $3 ELSE clock_timestamp() END + $4::interval, $1::bigint[]",
			ids, t.store.callersTime, now, t.store.leaseTime)
	}
}

// reclaimAtOnce bounds one step of taking attempts back: how many rows of those that name them it looks at.
const reclaimAtOnce = 32

// ReclaimExpired implements [outbox.Store]. Whether a lease has run out is a question to the database's clock.
func (s *Store) ReclaimExpired(ctx context.Context, now time.Time) (total int, err error) {
	for more := true; more; {
		n := 0
		if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, more, err = t.reclaim(ctx, now)
			return err
		}); err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// past is a time that has come; $1 and $2 are callersTime and the caller's time.
const past = " <= CASE WHEN $1 THEN $2 ELSE clock_timestamp() END"

// lookLater is when what could not be taken back is looked at again.
const lookLater = time.Second

func (t *tx) reclaim(ctx context.Context, now time.Time) (n int, more bool, err error) {
	handed, rows, err := t.lookedFor(ctx, now)
	more = rows == reclaimAtOnce
	if err != nil || len(handed) == 0 {
		return 0, more, err
	}
	sent, late, err := t.stillSent(ctx, handed, now)
	if err != nil {
		return 0, false, err
	}
	var list []*verdict
	if len(late) > 0 {
		if _, err := t.lock(ctx, late); err != nil {
			return 0, false, err
		}
		if list, err = t.overdue(ctx, sent, numbers(late), now); err != nil {
			return 0, false, err
		}
	}
	lost := make(map[int64]bool, len(list))
	for _, v := range list {
		lost[int64(v.id)] = true
	}
	if kept := slices.DeleteFunc(sent, func(id int64) bool { return lost[id] }); len(kept) > 0 {
		t.last.Queue(`INSERT INTO handed (until, deliveries)
			SELECT greatest(min(d.lease_until), CASE WHEN $1 THEN $2 ELSE clock_timestamp() + $4::interval END), $3::bigint[]
			FROM deliveries d WHERE d.id = ANY ($3) AND d.state = 4 HAVING count(*) > 0`, t.store.callersTime, now, kept, lookLater)
	}
	if len(list) == 0 {
		return 0, more, nil
	}
	var b pgx.Batch
	t.queueLock(&b, list)
	return len(list), more, t.conclude(ctx, &b, list)
}

// stillSent tells which deliveries are being sent, and the conversations of those whose lease has run out.
func (t *tx) stillSent(ctx context.Context, deliveries []int64, now time.Time) (sent []int64, late []book.Row, err error) {
	rows, err := t.Query(ctx, "SELECT d.id, d.conversation, d.lease_until"+past+" FROM deliveries d WHERE d.id = ANY ($3) AND d.state = 4",
		t.store.callersTime, now, deliveries)
	if err != nil {
		return nil, nil, err
	}
	var id int64
	var where book.Row
	var over bool
	_, err = pgx.ForEachRow(rows, []any{&id, &where, &over}, func() error {
		if sent = append(sent, id); over {
			late = append(late, where)
		}
		return nil
	})
	return sent, late, err
}

// lookedFor takes rows that name what was handed out whose time has come, and tells the deliveries and how many rows there
// were. Rows that somebody else has taken are left to him.
func (t *tx) lookedFor(ctx context.Context, now time.Time) (deliveries []int64, rows int, err error) {
	found, err := t.Query(ctx, "DELETE FROM handed WHERE id = ANY (ARRAY (SELECT id FROM handed WHERE until"+past+`
		ORDER BY until LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING deliveries`, t.store.callersTime, now, reclaimAtOnce)
	if err != nil {
		return nil, 0, err
	}
	var list []int64
	_, err = pgx.ForEachRow(found, []any{&list}, func() error {
		deliveries = append(deliveries, list...)
		rows++
		list = nil
		return nil
	})
	slices.Sort(deliveries)
	return slices.Compact(deliveries), rows, err
}

// overdue lists those of these deliveries, in locked conversations, whose lease has run out.
func (t *tx) overdue(ctx context.Context, deliveries, conversations []int64, now time.Time) ([]*verdict, error) {
	rows, err := t.Query(ctx, `SELECT d.id, d.fence, d.claims, coalesce(d.lost, 0), m.on_unknown = 2 AND d.verb IS NULL,
			coalesce(d.unsure, false) OR coalesce(c.reach, '') <> $5
		FROM deliveries d JOIN messages m ON m.id = d.message LEFT JOIN conversations c ON c.id = d.conversation
		WHERE d.id = ANY ($3) AND d.state = 4 AND d.lease_until`+past+` AND d.conversation = ANY ($4) ORDER BY d.id`,
		t.store.callersTime, now, deliveries, conversations, book.ReachProspective)
	if err != nil {
		return nil, err
	}
	var list []*verdict
	var id, fence, claims, lost int64
	var hold, unsure bool
	_, err = pgx.ForEachRow(rows, []any{&id, &fence, &claims, &lost, &hold, &unsure}, func() error {
		c := outbox.Change{At: now, Attempt: int(claims), Reason: outbox.ReasonLeaseLost}
		list = append(list, &verdict{
			id: outbox.DeliveryID(id), fence: fence, told: outbox.AfterLoss(c, int(lost)+1, hold && unsure), unsure: unsure, lost: lost + 1,
		})
		return nil
	})
	return list, err
}
