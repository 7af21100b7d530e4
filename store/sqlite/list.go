package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/headsup-bot/headsup/outbox"
)

// examine bounds how many rows are looked at for one page.
const examine = 5000

// query is a part of a list: one table, and which of its rows.
type query struct {
	from, where string
	args        []any
}

func (q *query) and(condition string, args ...any) {
	q.where += " AND " + condition
	q.args = append(q.args, args...)
}

// narrow adds what a filter asks for, but for the app and the page.
func (q *query) narrow(f outbox.DeliveryFilter) {
	if f.State != "" {
		code, err := stateCode(f.State)
		if err != nil {
			code = -1
		}
		q.and("d.state = +?", code)
	}
	if f.Reason != "" {
		q.and("d.reason = +?", f.Reason)
	}
	if f.Conversation != 0 {
		q.and("d.conversation = +?", int64(f.Conversation))
	}
	if f.Message != 0 {
		q.and("d.message = +?", int64(f.Message))
	}
}

// ListDeliveries implements [outbox.Store].
func (s *Store) ListDeliveries(ctx context.Context, f outbox.DeliveryFilter) (outbox.DeliveryPage, error) {
	var page outbox.DeliveryPage
	err := s.snapshot(ctx, func(c *conn) (err error) {
		page, err = listDeliveries(c, f)
		return err
	})
	return page, err
}

func listDeliveries(c *conn, f outbox.DeliveryFilter) (page outbox.DeliveryPage, err error) {
	queries, err := c.queriesOf(f)
	if err != nil {
		return page, err
	}
	floor := int64(0)
	for _, q := range queries {
		if f.State == "" && f.Reason == "" {
			break // whatever is looked at matches
		}
		n, err := q.floor(c)
		if err != nil {
			return page, err
		}
		floor = max(floor, n)
	}
	arms := make([]string, len(queries))
	var args []any
	for i, q := range queries {
		q.narrow(f)
		columns := finishedDelivery
		if q.from == "deliveries" {
			columns = hotDelivery
		}
		arms[i] = "SELECT * FROM (SELECT " + columns + " FROM " + q.from + ` d CROSS JOIN messages m ON m.id = d.message
			LEFT JOIN conversations c ON c.id = d.conversation WHERE ` + q.where +
			" AND d.id >= +? AND m.app_id = ? ORDER BY d.id DESC LIMIT +?)"
		args = append(append(args, q.args...), floor, text(f.AppID), f.Limit+1)
	}
	err = c.each(func(r row) error {
		d, err := scanDelivery(r)
		page.Deliveries = append(page.Deliveries, d)
		return err
	}, strings.Join(arms, " UNION ALL ")+" ORDER BY 1 DESC LIMIT +?", append(args, f.Limit+1)...)
	switch {
	case err != nil:
		return outbox.DeliveryPage{}, err
	case len(page.Deliveries) > f.Limit:
		page.Deliveries = page.Deliveries[:f.Limit]
		page.Next = page.Deliveries[f.Limit-1].ID
	case floor > 0:
		page.Next = outbox.DeliveryID(floor)
	}
	return page, nil
}

// queriesOf is where the deliveries that match a filter may be: one query for each table and way to find them. All have
// f.Before as their bound.
func (c *conn) queriesOf(f outbox.DeliveryFilter) ([]query, error) {
	before := int64(f.Before)
	if before == 0 {
		before = 1<<63 - 1
	}
	within := func(from, where string, args ...any) query {
		q := query{from: from, where: where, args: args}
		q.and("d.id < +?", before)
		return q
	}
	hot := f.State == "" || !f.State.Final()
	final := f.State == "" || f.State.Final()
	var found []query
	both := func(where string, arg int64) {
		if hot {
			found = append(found, within("deliveries", where, arg))
		}
		if final {
			found = append(found, within("finished", where, arg))
		}
	}
	switch {
	case f.Message != 0:
		var alone int64
		if _, err := c.one(func(r row) { alone = r.int(0) }, "SELECT alone FROM messages WHERE id = ?", int64(f.Message)); err != nil {
			return nil, err
		}
		if alone != 0 {
			both(itself, alone)
		}
		both(ofNumber, int64(f.Message))
	case f.Conversation != 0:
		if hot {
			found = append(found, within("deliveries", "d.conversation = +? AND d.seq IS NOT NULL", int64(f.Conversation)),
				within("deliveries", "d.conversation = +? AND d.seq IS NULL", int64(f.Conversation)))
		}
		if final {
			found = append(found, within("finished", "d.conversation = +?", int64(f.Conversation)))
		}
	case final && !hot && f.State != outbox.StateDelivered:
		code, err := stateCode(f.State)
		if err != nil {
			return nil, err
		}
		found = append(found, within("finished", "d.state <> 5 AND d.state = +?", code))
	default:
		if hot {
			found = append(found, within("deliveries", "true"))
		}
		if final {
			found = append(found, within("finished", "true"))
		}
	}
	return found, nil
}

// floor is the last id that is looked at for a page, if rows that match are too far between; else 0.
func (q query) floor(c *conn) (floor int64, err error) {
	_, err = c.one(func(r row) { floor = r.int(0) },
		"SELECT d.id FROM "+q.from+" d WHERE "+q.where+" ORDER BY d.id DESC LIMIT 1 OFFSET +?", append(q.args, int64(examine-1))...)
	return floor, err
}

// enough ends a walk through rows.
var enough = errors.New("enough")

// ListMessages implements [outbox.Store].
func (s *Store) ListMessages(ctx context.Context, f outbox.MessageFilter) (outbox.MessagePage, error) {
	var page outbox.MessagePage
	err := s.snapshot(ctx, func(c *conn) (err error) {
		page, err = listMessages(c, f)
		return err
	})
	return page, err
}

func listMessages(c *conn, f outbox.MessageFilter) (page outbox.MessagePage, err error) {
	if f.Before == 0 {
		f.Before = 1<<63 - 1
	}
	sql, args := walkMessages(f)
	seen, last := 0, int64(0)
	err = c.each(func(r row) error {
		if len(page.Messages) == f.Limit || seen == examine {
			page.Next = last
			return enough
		}
		seen++
		last = r.int(messageCount)
		m, alone := scanMessage(r)
		if m.AppID != f.AppID || f.Topic != "" && m.Topic != f.Topic || m.CreatedAt.Before(f.CreatedAfter) ||
			!f.CreatedBefore.IsZero() && !m.CreatedAt.Before(f.CreatedBefore) {
			return nil
		}
		counts, err := countsOf(c, m, alone)
		if err != nil {
			return err
		}
		if sum := (outbox.Summary{Message: m, Counts: counts}); f.State == "" || sum.State() == f.State {
			page.Messages = append(page.Messages, sum)
		}
		return nil
	}, sql, args...)
	if errors.Is(err, enough) {
		err = nil
	}
	return page, err
}

// walkMessages is the way through the messages of a filter, newest first: by their ids, or by those of the deliveries in
// a conversation.
func walkMessages(f outbox.MessageFilter) (sql string, args []any) {
	if f.Conversation == 0 {
		return "SELECT " + messageColumns + ", m.id FROM messages m WHERE m.id < +? AND m.id > +? ORDER BY m.id DESC LIMIT +?",
			[]any{f.Before, f.Above, examine + 1}
	}
	var arms []string
	for _, way := range []string{
		"deliveries d WHERE d.conversation = +? AND d.seq IS NOT NULL",
		"deliveries d WHERE d.conversation = +? AND d.seq IS NULL",
		"finished d WHERE d.conversation = +?",
	} {
		arms = append(arms, "SELECT * FROM (SELECT d.id AS id, d.message AS message FROM "+way+
			" AND d.verb IS NULL AND d.id < +? AND d.id > +? ORDER BY d.id DESC LIMIT +?)")
		args = append(args, int64(f.Conversation), f.Before, f.Above, examine+1)
	}
	return "SELECT " + messageColumns + ", x.id FROM (" + strings.Join(arms, " UNION ALL ") +
		" ORDER BY 1 DESC) x CROSS JOIN messages m ON m.id = x.message", args
}

// countsOf counts a message's deliveries by state.
func countsOf(c *conn, m outbox.Message, alone int64) (map[outbox.State]int64, error) {
	counts := make(map[outbox.State]int64)
	add := func(r row) error {
		if state := r.int(0); state >= 1 && state < states {
			counts[stateNames[state]] += r.int(1)
		}
		return nil
	}
	if alone != 0 {
		if err := c.each(add, `SELECT d.state, 1 FROM deliveries d WHERE d.id = ?
			UNION ALL SELECT d.state, 1 FROM finished d WHERE d.id = ?`, alone, alone); err != nil {
			return nil, err
		}
		if m.EditedAt.IsZero() && m.RecalledAt.IsZero() {
			return counts, nil
		}
	}
	return counts, c.each(add, `SELECT d.state, count(*) FROM deliveries d WHERE `+ofNumber+` GROUP BY 1
		UNION ALL SELECT d.state, count(*) FROM finished d WHERE `+ofNumber+` GROUP BY 1`, int64(m.ID), int64(m.ID))
}

// snapshot is read for several statements that see the same.
func (s *Store) snapshot(ctx context.Context, f func(*conn) error) error {
	return s.read(ctx, func(c *conn) error {
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		err := f(c)
		_, ended := c.exec("COMMIT")
		return errors.Join(err, ended)
	})
}
