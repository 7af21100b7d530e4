package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// hot is a row of the table deliveries, as far as the code needs it. Its history stays in the database.
type hot struct {
	id               outbox.DeliveryID
	message          outbox.MessageID
	conversation     book.Row
	lane             outbox.Lane
	alone            bool
	seq              int64 // 0 when it is in no lane
	state            int64
	fence            int64
	claims, failures int64
	activity         activity.ID
	wantedAt         time.Time
	createdAt        time.Time
	verb             int64
	revises          outbox.DeliveryID
	replayed         bool
	unsure           bool  // an attempt may have arrived
	lost             int64 // attempts in a row
	route, rank      int64
}

const hotColumns = `d.id, d.message, d.conversation, d.lane, d.alone, coalesce(d.seq, 0), d.state, d.fence, d.claims,
	d.failures, coalesce(d.activity_id, ''), d.wanted_at, d.created_at, coalesce(d.verb, 0), coalesce(d.revises, 0),
	coalesce(d.replayed, false), coalesce(d.unsure, false), coalesce(d.lost, 0),
	d.route, d.rank`

// fields are where a row of hotColumns goes.
func (h *hot) fields() []any {
	return []any{
		(*int64)(&h.id), (*int64)(&h.message), (*int64)(&h.conversation), &h.lane, &h.alone, &h.seq, &h.state, &h.fence,
		&h.claims, &h.failures, (*string)(&h.activity), &h.wantedAt, &h.createdAt, &h.verb, (*int64)(&h.revises), &h.replayed,
		&h.unsure, &h.lost, &h.route, &h.rank,
	}
}

func collectHot(rows pgx.Rows, err error) (found []hot, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h hot
		if err := rows.Scan(h.fields()...); err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	return found, rows.Err()
}

// ended is a delivery that has become final in the transaction: how it was before, as far as somebody wants to know, its
// state, and its last change.
type ended struct {
	hot
	to     int64
	change outbox.Change
}

const endedColumns = `d.id, d.message, d.conversation, d.lane, coalesce(d.seq, 0), d.state, d.fence, d.claims, d.wanted_at,
	coalesce(d.verb, 0), coalesce(d.revises, 0), d.to_state, coalesce(d.said, '')`

// endedFields are where a row of endedColumns goes.
func (e *ended) endedFields() []any {
	return []any{
		(*int64)(&e.id), (*int64)(&e.message), (*int64)(&e.conversation), &e.lane, &e.seq, &e.state, &e.fence, &e.claims,
		&e.wantedAt, &e.verb, (*int64)(&e.revises), &e.to, (*string)(&e.activity),
	}
}

// endOf is the rest of a line of the history in SQL, with the number of the attempt, which is often known to the database
// only.
func endOf(attempt string) string {
	return "CASE WHEN " + attempt + ` > 0 THEN ',"attempt":' || ` + attempt + ` || E'}\n' ELSE E'}\n' END`
}
