package postgres

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

// ended is a delivery that has become final in the transaction: how it was before, its state, and its last change.
type ended struct {
	hot
	to     int64
	change outbox.Change
}

// A history is one JSON object a line, in the shape of [outbox.Change]. Lines are made of two parts, since the number of
// the attempt is often known to the database only: it stands at the end.

// line is a change without its attempt and its end.
func line(c outbox.Change) string {
	b := make([]byte, 0, 128)
	b = appendTime(append(b, `{"at":`...), c.At)
	b = append(append(append(b, `,"state":"`...), c.State...), '"')
	b = appendText(b, "reason", c.Reason)
	if c.Status != 0 {
		b = fmt.Appendf(b, `,"status":%d`, c.Status)
	}
	b = appendText(b, "detail", c.Detail)
	if !c.RetryAt.IsZero() {
		b = appendTime(append(b, `,"retry_at":`...), c.RetryAt)
	}
	return string(appendText(b, "activity_id", string(c.Activity)))
}

// wholeLine is a change as a line.
func wholeLine(c outbox.Change) string {
	if c.Attempt == 0 {
		return line(c) + "}\n"
	}
	return fmt.Sprintf("%s,\"attempt\":%d}\n", line(c), c.Attempt)
}

// endOf is the rest of a line in SQL, with the number of the attempt.
func endOf(attempt string) string {
	return "CASE WHEN " + attempt + ` > 0 THEN ',"attempt":' || ` + attempt + ` || E'}\n' ELSE E'}\n' END`
}

// lastTime is the last that can be written (RFC 3339, 1).
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

func appendTime(b []byte, t time.Time) []byte {
	if t.After(lastTime) {
		t = lastTime
	}
	b = append(b, '"')
	b = t.UTC().Truncate(time.Microsecond).AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendText adds a member unless it is empty. Bytes that are no text become U+FFFD.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, ',', '"'), name...), `":`...)
	b, _ = jsontext.AppendQuote(b, value)
	return b
}

func parseHistory(lines []byte) ([]outbox.Change, error) {
	var changes []outbox.Change
	for line := range bytes.Lines(lines) {
		var c outbox.Change
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("postgres: history: %w", err)
		}
		changes = append(changes, c)
	}
	return changes, nil
}
