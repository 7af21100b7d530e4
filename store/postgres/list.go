package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
)

// examine bounds how many rows are looked at for one page.
const examine = 5000

// query is a part of a list: one table, and which of its rows.
type query struct {
	from, where string
	args        arguments
}

// narrow adds what a filter asks for and [queriesOf] has not, but for the app and the page. m is the message.
func (q *query) narrow(f outbox.DeliveryFilter) {
	if f.State != "" {
		code, err := stateCode(f.State)
		if err != nil {
			code = -1
		}
		q.where += " AND d.state = " + q.args.add(code)
	}
	if f.Reason != "" {
		q.where += " AND d.reason = " + q.args.add(f.Reason)
	}
	if f.Conversation != 0 && f.Message != 0 { // found by the message
		q.where += " AND d.conversation = " + q.args.add(int64(f.Conversation))
	}
	if f.Tenant != "" {
		q.where += " AND m.tenant_id = " + q.args.add(string(f.Tenant))
	}
}

// ListDeliveries implements [outbox.Store].
func (s *Store) ListDeliveries(ctx context.Context, f outbox.DeliveryFilter) (outbox.DeliveryPage, error) {
	var page outbox.DeliveryPage
	err := s.snapshot(ctx, func(ctx context.Context, q querier) (err error) {
		page, err = listDeliveries(ctx, q, f)
		return err
	})
	return page, err
}

func listDeliveries(ctx context.Context, c querier, f outbox.DeliveryFilter) (page outbox.DeliveryPage, err error) {
	queries, err := queriesOf(ctx, c, f, f.State == "" || !f.State.Final(), f.State == "" || f.State.Final())
	if err != nil {
		return page, err
	}
	before := int64(f.Before)
	if before == 0 {
		before = math.MaxInt64
	}
	floor := int64(0)
	for i := range queries {
		q := &queries[i]
		q.where += " AND d.id < " + q.args.add(before)
		if f.State == "" && f.Reason == "" && f.Tenant == "" {
			continue // whatever is looked at matches
		}
		n, err := q.floor(ctx, c)
		if err != nil {
			return page, err
		}
		floor = max(floor, n)
	}
	for _, q := range queries {
		found, err := q.deliveries(ctx, c, f, floor)
		if err != nil {
			return outbox.DeliveryPage{}, err
		}
		page.Deliveries = append(page.Deliveries, found...)
	}
	slices.SortFunc(page.Deliveries, func(a, b outbox.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	switch {
	case len(page.Deliveries) > f.Limit:
		page.Deliveries = page.Deliveries[:f.Limit]
		page.Next = page.Deliveries[f.Limit-1].ID
	case floor > 0:
		page.Next = outbox.DeliveryID(floor)
	}
	return page, nil
}

// deliveries are the newest that match, from floor on; one more than the limit at most.
func (q query) deliveries(ctx context.Context, c querier, f outbox.DeliveryFilter, floor int64) ([]outbox.Delivery, error) {
	q.narrow(f)
	columns := finishedDelivery
	if q.from == "deliveries" {
		columns = hotDelivery
	}
	return collectDeliveries(c.Query(ctx, "SELECT "+columns+" FROM "+q.from+` d JOIN messages m ON m.id = d.message `+withConversation+
		" WHERE "+q.where+" AND d.id >= "+q.args.add(floor)+" AND m.app_id = "+q.args.add(f.AppID)+
		" ORDER BY d.id DESC LIMIT "+q.args.add(f.Limit+1), q.args...))
}

// queriesOf is where the deliveries that match a filter may be: one query for each way to find them, hot ones or final
// ones or both, which the caller may narrow further.
func queriesOf(ctx context.Context, c querier, f outbox.DeliveryFilter, hot, final bool) (found []query, err error) {
	within := func(condition string, value int64) {
		for _, from := range []struct {
			table  string
			wanted bool
		}{{"deliveries", hot}, {"finished", final}} {
			if from.wanted {
				q := query{from: from.table}
				q.where = strings.ReplaceAll(condition, "?", q.args.add(value))
				found = append(found, q)
			}
		}
	}
	switch {
	case f.Message != 0:
		var alone int64
		err := c.QueryRow(ctx, "SELECT coalesce(alone, 0) FROM messages WHERE id = $1", int64(f.Message)).Scan(&alone)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, err
		}
		if alone != 0 {
			within("d.id = ?", alone)
		}
		within("d.message = ? AND NOT d.alone", int64(f.Message))
	case f.Conversation != 0:
		if hot {
			for _, which := range []string{"d.seq IS NOT NULL", "d.seq IS NULL"} { // each has its index
				q := query{from: "deliveries"}
				q.where = "d.conversation = " + q.args.add(int64(f.Conversation)) + " AND " + which
				found = append(found, q)
			}
		}
		if final {
			q := query{from: "finished"}
			q.where = "d.conversation = " + q.args.add(int64(f.Conversation))
			found = append(found, q)
		}
	case final && !hot && f.State != outbox.StateDelivered:
		for code := delivered + 1; code < states; code++ {
			if f.State == "" || f.State == stateNames[code] {
				q := query{from: "finished"}
				q.where = "d.state <> 5 AND d.state = " + q.args.add(code)
				found = append(found, q)
			}
		}
	default:
		within("d.id > ?", 0)
	}
	return found, nil
}

// floor is the last id that is looked at for a page, if rows that match are too far between; else 0.
func (q query) floor(ctx context.Context, c querier) (floor int64, err error) {
	args := slices.Clone(q.args)
	err = c.QueryRow(ctx, "SELECT d.id FROM "+q.from+" d WHERE "+q.where+" ORDER BY d.id DESC LIMIT 1 OFFSET "+args.add(examine-1),
		args...).Scan(&floor)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return floor, err
}

// ListMessages implements [outbox.Store].
func (s *Store) ListMessages(ctx context.Context, f outbox.MessageFilter) (outbox.MessagePage, error) {
	var page outbox.MessagePage
	err := s.snapshot(ctx, func(ctx context.Context, q querier) (err error) {
		page, err = listMessages(ctx, q, f)
		return err
	})
	return page, err
}

// listed is a message of a list, the number by which the list goes on, and its only delivery.
type listed struct {
	outbox.Message
	at, alone int64
}

func listMessages(ctx context.Context, c querier, f outbox.MessageFilter) (page outbox.MessagePage, err error) {
	before, seen := f.Before, 0
	if before == 0 {
		before = math.MaxInt64
	}
	for {
		list, err := nextMessages(ctx, c, f, before, min(max(2*f.Limit, 100), examine+1-seen))
		if err != nil {
			return outbox.MessagePage{}, err
		}
		counts, err := countsOf(ctx, c, list)
		if err != nil {
			return outbox.MessagePage{}, err
		}
		for i, m := range list {
			if len(page.Messages) == f.Limit || seen == examine {
				page.Next = before
				return page, nil
			}
			seen++
			before = m.at
			if m.AppID != f.AppID || f.Tenant != "" && m.Tenant != f.Tenant || f.Topic != "" && m.Topic != f.Topic || m.CreatedAt.Before(f.CreatedAfter) ||
				!f.CreatedBefore.IsZero() && !m.CreatedAt.Before(f.CreatedBefore) {
				continue
			}
			if sum := (outbox.Summary{Message: m.Message, Counts: counts[i]}); f.State == "" || sum.State() == f.State {
				page.Messages = append(page.Messages, sum)
			}
		}
		if len(list) == 0 {
			return page, nil
		}
	}
}

// nextMessages are the messages of a filter before a number, newest first, by their ids, or by those of the deliveries in
// a conversation.
func nextMessages(ctx context.Context, c querier, f outbox.MessageFilter, before int64, n int) (list []listed, err error) {
	statement := "SELECT " + messageColumns + ", m.id FROM messages m WHERE m.id < $1 AND m.id > $2 ORDER BY m.id DESC LIMIT $3"
	args := []any{before, f.Above, n}
	if f.Conversation != 0 {
		var said []string
		for _, from := range []string{"deliveries d WHERE d.seq IS NOT NULL AND", "deliveries d WHERE d.seq IS NULL AND", "finished d WHERE"} {
			said = append(said, "(SELECT d.id, d.message FROM "+from+
				" d.conversation = $4 AND d.verb IS NULL AND d.id < $1 AND d.id > $2 ORDER BY d.id DESC LIMIT $3)")
		}
		statement = "SELECT " + messageColumns + ", d.id FROM (" + strings.Join(said, " UNION ALL ") +
			") AS d JOIN messages m ON m.id = d.message ORDER BY d.id DESC LIMIT $3"
		args = append(args, int64(f.Conversation))
	}
	rows, err := c.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m listed
		if m.Message, m.alone, err = scanMessage(rows, &m.at); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, rows.Err()
}

// countsOf counts messages' deliveries as a summary does.
func countsOf(ctx context.Context, c querier, list []listed) ([]map[outbox.State]int64, error) {
	counts := make([]map[outbox.State]int64, len(list))
	ids, alone := make([]int64, len(list)), make([]int64, len(list))
	for i, m := range list {
		counts[i] = make(map[outbox.State]int64)
		ids[i], alone[i] = int64(m.ID), m.alone
	}
	if len(list) == 0 {
		return counts, nil
	}
	var parts []string
	for _, from := range []string{"deliveries", "finished"} {
		parts = append(parts,
			"SELECT n.i, d.state, d.verb, d.revises FROM unnest($2::bigint[]) WITH ORDINALITY AS n (id, i) JOIN "+from+" d ON d.id = n.id WHERE n.id <> 0",
			"SELECT n.i, d.state, d.verb, d.revises FROM unnest($1::bigint[]) WITH ORDINALITY AS n (id, i) JOIN "+from+" d ON d.message = n.id AND NOT d.alone")
	}
	rows, err := c.Query(ctx, `SELECT i, state, count(*), count(*) FILTER (WHERE verb = 2 AND state = 5
			AND EXISTS (SELECT FROM finished o WHERE o.id = d.revises AND o.state = 5))
		FROM (`+strings.Join(parts, " UNION ALL ")+") AS d GROUP BY i, state", ids, alone)
	if err != nil {
		return nil, err
	}
	var i, state, n, removed int64
	gone := make([]int64, len(list))
	_, err = pgx.ForEachRow(rows, []any{&i, &state, &n, &removed}, func() error {
		if state < 1 || state >= states {
			return fmt.Errorf("postgres: a delivery is in the unknown state %d", state)
		}
		counts[i-1][stateNames[state]] += n
		gone[i-1] += removed
		return nil
	})
	for i, n := range gone {
		outbox.CountRecalled(counts[i], n)
	}
	return counts, err
}
