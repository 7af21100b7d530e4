package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

// narrow adds what a filter asks for and [queriesOf] has not, but for the app and the page. m is the message.
func (q *query) narrow(f outbox.DeliveryFilter) {
	if f.State != "" {
		code, err := stateCode(f.State)
		if err != nil {
			code = -1
		}
		q.and("+d.state = +?", code)
	}
	if f.Reason != "" {
		q.and("+d.reason = +?", f.Reason)
	}
	if f.Conversation != 0 && f.Message != 0 { // found by the message
		q.and("+d.conversation = +?", int64(f.Conversation))
	}
	if f.Tenant != "" {
		q.and("m.tenant_id = ?", text(f.Tenant))
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
	queries, err := queriesOf(c, f, f.State == "" || !f.State.Final(), f.State == "" || f.State.Final())
	if err != nil {
		return page, err
	}
	before := int64(f.Before)
	if before == 0 {
		before = 1<<63 - 1
	}
	floor := int64(0)
	for i := range queries {
		q := &queries[i]
		q.and("d.id < +?", before)
		if f.State == "" && f.Reason == "" && f.Tenant == "" {
			continue // whatever is looked at matches
		}
		n, err := q.floor(c)
		if err != nil {
			return page, err
		}
		floor = max(floor, n)
	}
	for _, q := range queries {
		if err := q.deliveries(c, f, floor, &page.Deliveries); err != nil {
			return outbox.DeliveryPage{}, err
		}
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

// deliveries adds the newest that match, from floor on; one more than the limit at most.
func (q query) deliveries(c *conn, f outbox.DeliveryFilter, floor int64, to *[]outbox.Delivery) error {
	q.narrow(f)
	columns := finishedDelivery
	if q.from == "deliveries" {
		columns = hotDelivery
	}
	return c.each(func(r row) error {
		d, err := scanDelivery(r)
		*to = append(*to, d)
		return err
	}, "SELECT "+columns+" FROM "+q.from+` d CROSS JOIN messages m ON m.id = d.message `+withConversation+
		" WHERE "+q.where+" AND d.id >= +? AND m.app_id = ? ORDER BY d.id DESC LIMIT +?",
		append(q.args, floor, text(f.AppID), f.Limit+1)...)
}

// queriesOf is where the deliveries that match a filter may be: one query for each way to find them, hot ones or final
// ones or both, which the caller may narrow further.
func queriesOf(c querier, f outbox.DeliveryFilter, hot, final bool) (found []query, err error) {
	within := func(where string, args ...any) {
		if hot {
			found = append(found, query{"deliveries", where, slices.Clone(args)})
		}
		if final {
			found = append(found, query{"finished", where, slices.Clone(args)})
		}
	}
	switch {
	case f.Message != 0:
		var alone int64
		if _, err := c.one(func(r row) { alone = r.int(0) }, "SELECT alone FROM messages WHERE id = ?", int64(f.Message)); err != nil {
			return nil, err
		}
		if alone != 0 {
			within(itself, alone)
		}
		within(ofNumber, int64(f.Message))
	case f.Conversation != 0:
		if hot {
			found = append(found, query{"deliveries", "d.conversation = +? AND d.seq IS NOT NULL", []any{int64(f.Conversation)}},
				query{"deliveries", "d.conversation = +? AND d.seq IS NULL", []any{int64(f.Conversation)}})
		}
		if final {
			found = append(found, query{"finished", inParts, []any{int64(f.Conversation)}})
		}
	case final && !hot && f.State != outbox.StateDelivered:
		for code := delivered + 1; code < states; code++ {
			if f.State == "" || f.State == stateNames[code] {
				found = append(found, query{"finished", "d.state <> 5 AND d.state = +?", []any{code}})
			}
		}
	default:
		within("true")
	}
	return found, nil
}

// floor is the last id that is looked at for a page, if rows that match are too far between; else 0.
func (q query) floor(c *conn) (floor int64, err error) {
	_, err = c.one(func(r row) { floor = r.int(0) },
		"SELECT d.id FROM "+q.from+" d WHERE "+q.where+" ORDER BY d.id DESC LIMIT 1 OFFSET +?", append(slices.Clone(q.args), examine-1)...)
	return floor, err
}

// partSize is how many rows share a part of the table finished. A part's piece of the index by conversation is a few dozen
// pages, which stay in the cache while it grows.
const partSize = 4096

// parts counts the rows that are added to the table finished.
type parts struct {
	last int64 // the one that grows
	rows int
}

// next is the part of the next row.
func (p *parts) next() int64 {
	if p.rows++; p.rows > partSize {
		p.rows = 1
		p.last++
	}
	return p.last
}

// inParts finds the finished deliveries of a conversation.
const inParts = `d.id IN (WITH RECURSIVE parts (n) AS
		(SELECT max(part) FROM finished UNION ALL SELECT n - 1 FROM parts WHERE n > 1)
	SELECT f.id FROM parts CROSS JOIN finished f ON f.part = parts.n AND f.conversation = +?)`

// errEnough ends a walk through rows.
var errEnough = errors.New("enough")

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
	seen, last := 0, int64(0)
	err = walkMessages(c, f, func(r row) error {
		if len(page.Messages) == f.Limit || seen == examine {
			page.Next = last
			return errEnough
		}
		seen++
		last = r.int(messageCount)
		m, alone, err := scanMessage(r)
		if err != nil {
			return err
		}
		if m.AppID != f.AppID || f.Tenant != "" && m.Tenant != f.Tenant || f.Topic != "" && m.Topic != f.Topic || m.CreatedAt.Before(f.CreatedAfter) ||
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
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return page, err
}

// walkMessages calls f with the rows of a filter, newest first, by their ids, or by those of the deliveries in a
// conversation: the message, then that id.
func walkMessages(c *conn, f outbox.MessageFilter, visit func(row) error) error {
	if f.Conversation == 0 {
		return c.each(visit, "SELECT "+messageColumns+", m.id FROM messages m WHERE m.id < +? AND m.id > +? ORDER BY m.id DESC",
			f.Before, f.Above)
	}
	queries, err := queriesOf(c, outbox.DeliveryFilter{Conversation: f.Conversation}, true, true)
	if err != nil {
		return err
	}
	type place struct{ delivery, message int64 }
	var said []place
	for _, q := range queries {
		if err := c.each(func(r row) error {
			said = append(said, place{r.int(0), r.int(1)})
			return nil
		}, "SELECT d.id, d.message FROM "+q.from+" d WHERE "+q.where+
			" AND d.verb IS NULL AND d.id < +? AND d.id > +? ORDER BY d.id DESC LIMIT +?",
			append(q.args, f.Before, f.Above, examine+1)...); err != nil {
			return err
		}
	}
	slices.SortFunc(said, func(a, b place) int { return cmp.Compare(b.delivery, a.delivery) })
	for _, p := range said {
		if err := c.each(visit, "SELECT "+messageColumns+", +? FROM messages m WHERE m.id = ?", p.delivery, p.message); err != nil {
			return err
		}
	}
	return nil
}

// countsOf counts a message's deliveries as a summary does.
func countsOf(c *conn, m outbox.Message, alone int64) (map[outbox.State]int64, error) {
	counts := make(map[outbox.State]int64)
	if alone != 0 {
		if err := c.each(func(r row) error {
			if state := r.int(0); state >= 1 && state < states {
				counts[stateNames[state]]++
			}
			return nil
		}, `SELECT d.state FROM deliveries d WHERE d.id = ? UNION ALL SELECT d.state FROM finished d WHERE d.id = ?`,
			alone, alone); err != nil {
			return nil, err
		}
		if m.EditedAt.IsZero() && m.RecalledAt.IsZero() {
			return counts, nil
		}
	}
	removed := int64(0)
	err := c.each(func(r row) error {
		for state := int64(1); state < states; state++ {
			if n := r.int(int(state - 1)); n != 0 {
				counts[stateNames[state]] += n
			}
		}
		removed += r.int(states - 1)
		return nil
	}, countStates, int64(m.ID), int64(m.ID))
	outbox.CountRecalled(counts, removed)
	return counts, err
}

// countStates counts in both tables how many deliveries of a message are in each state, and how many have removed another.
var countStates = func() string {
	var sums []string
	for state := range states - 1 {
		sums = append(sums, fmt.Sprintf("count(*) FILTER (WHERE d.state = %d)", state+1))
	}
	sums = append(sums, `count(*) FILTER (WHERE d.verb = 2 AND d.state = 5
		AND EXISTS (SELECT 1 FROM finished o WHERE o.id = d.revises AND o.state = 5))`)
	count := "SELECT " + strings.Join(sums, ", ") + " FROM "
	return count + "deliveries d WHERE " + ofNumber + " UNION ALL " + count + "finished d WHERE " + ofNumber
}()

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
