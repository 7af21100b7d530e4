package sqlite

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
)

// Receive implements [outbox.Receipts].
func (s *Store) Receive(ctx context.Context, all []outbox.Receipt) (news []outbox.Receipt, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		news = nil
		for _, r := range all {
			isNew, err := t.receive(r)
			if err != nil {
				return err
			}
			if isNew {
				news = append(news, r)
			}
		}
		return nil
	})
	return news, err
}

// receive notes a receipt, and reports whether it is new.
func (t *tx) receive(r outbox.Receipt) (bool, error) {
	kind, err := code(receiptKinds, r.Kind)
	if err != nil {
		return false, err
	}
	n := 0
	if r.Gone {
		var gone int64
		gone, err = t.exec("DELETE FROM receipts WHERE delivery = ? AND kind = ? AND person = ? AND detail = ?",
			int64(r.Delivery), kind, text(r.By), text(r.Detail))
		n = int(gone)
	} else {
		var added int64
		added, err = t.exec(`INSERT INTO receipts (delivery, kind, person, detail, message, conversation, at)
			SELECT ?1, ?2, ?3, ?4, message, conversation, ?5 FROM (
				SELECT message, conversation, verb FROM deliveries WHERE id = ?1
				UNION ALL SELECT message, conversation, verb FROM finished WHERE id = ?1) WHERE verb IS NULL
				AND (SELECT count(*) FROM receipts WHERE delivery = ?1 AND kind = ?2 AND person = ?3) < ?6
			ON CONFLICT DO NOTHING`, int64(r.Delivery), kind, text(r.By), text(r.Detail), r.At, int64(outbox.MaxReceiptDetails))
		n = int(added)
	}
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.tellReceipt(r)
}

// tellReceipt writes the event of a receipt, if anybody wants to know.
func (t *tx) tellReceipt(r outbox.Receipt) error {
	typ := event.OfReceipt(r.Kind)
	if t.store.events.wanted.Load() == nil || typ == "" {
		return nil
	}
	var m outbox.Message
	d := outbox.Delivery{ID: r.Delivery}
	if _, err := t.one(func(r row) {
		m.ID, m.Topic, m.Value, d.Conversation = outbox.MessageID(r.int(0)), r.text(1), r.bytes(2), book.Row(r.int(3))
		d.Activity, d.Claims, d.State, d.Reason = activity.ID(r.text(4)), int(r.int(5)), stateNames[r.int(6)], r.text(7)
	}, `SELECT m.id, m.topic, m.value, d.conversation, d.activity_id, d.claims, d.state, d.reason FROM (
			SELECT message, conversation, activity_id, claims, state, reason FROM deliveries WHERE id = ?1
			UNION ALL SELECT message, conversation, activity_id, claims, state, reason FROM finished WHERE id = ?1) d
		JOIN messages m ON m.id = d.message`, int64(r.Delivery)); err != nil {
		return err
	}
	e, err := t.conversation(d.Conversation)
	switch {
	case errors.Is(err, book.ErrNotFound): // it was forgotten, and nobody is told of it any more
		return nil
	case err != nil:
		return err
	case !t.store.Wanted(e.conv.Key.AppID, typ):
		return nil
	}
	return t.tell(event.Event{
		AppID: e.conv.Key.AppID, Tenant: e.conv.Key.Tenant, Type: typ, At: r.At, Conversation: d.Conversation,
	}, event.ReceiptData(&e.conv, &m, &d, r))
}

// saidParts is in how many parts of the table finished [Store.SaidIn] looks: each is a look into an index, whether it has
// something or not.
const saidParts = 256

// SaidIn implements [outbox.Receipts].
func (s *Store) SaidIn(ctx context.Context, c book.Row, n int) (said []outbox.Said, err error) {
	err = s.read(ctx, func(q *conn) error {
		said = nil
		var last, first int64
		if _, err := q.one(func(r row) { last, first = r.int(0), r.int(1) },
			"SELECT (SELECT max(part) FROM finished), (SELECT min(part) FROM finished)"); err != nil {
			return err
		}
		for part := last; part >= max(first, last-saidParts+1) && len(said) < n; part-- {
			if err := q.each(func(r row) error {
				said = append(said, outbox.Said{Delivery: outbox.DeliveryID(r.int(0)), Activity: activity.ID(r.text(1))})
				return nil
			}, `SELECT id, activity_id FROM finished WHERE part = +? AND conversation = +? AND state = 5 AND verb IS NULL
				ORDER BY id DESC LIMIT +?`, part, int64(c), n-len(said)); err != nil {
				return err
			}
		}
		slices.SortFunc(said, func(a, b outbox.Said) int { return cmp.Compare(b.Delivery, a.Delivery) })
		return saidInParts(q, &said)
	})
	return said, err
}

// saidInParts adds the other activities of deliveries that have said several, and leaves out those that have no id.
func saidInParts(q *conn, said *[]outbox.Said) error {
	all := make([]outbox.Said, 0, len(*said))
	for _, d := range *said {
		if d.Activity != "" {
			all = append(all, d)
		}
		if err := q.each(func(r row) error {
			if id := activity.ID(r.text(0)); id != d.Activity {
				all = append(all, outbox.Said{Delivery: d.Delivery, Activity: id})
			}
			return nil
		}, "SELECT activity_id FROM sends WHERE delivery = ? AND activity_id IS NOT NULL ORDER BY ordinal", int64(d.Delivery)); err != nil {
			return err
		}
	}
	*said = all
	return nil
}

// ReceiptsOf implements [outbox.Receipts].
func (s *Store) ReceiptsOf(ctx context.Context, ids []outbox.DeliveryID, n int) (found []outbox.Receipt, err error) {
	err = s.read(ctx, func(q *conn) error {
		found = nil
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			if err := q.each(func(r row) error {
				found = append(found, outbox.Receipt{
					Delivery: id, Kind: word(receiptKinds, r.int(0)), By: activity.AccountID(r.text(1)), Detail: r.text(2), At: r.time(3),
				})
				return nil
			}, "SELECT kind, person, detail, at FROM receipts WHERE delivery = ? ORDER BY at, kind, person, detail LIMIT +?",
				int64(id), n); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// CountReceipts implements [outbox.Receipts].
func (s *Store) CountReceipts(
	ctx context.Context, ids []outbox.MessageID,
) (counts map[outbox.MessageID]map[outbox.ReceiptKind]int64, err error) {
	err = s.read(ctx, func(q *conn) error {
		counts = make(map[outbox.MessageID]map[outbox.ReceiptKind]int64)
		for _, id := range ids {
			if err := q.each(func(r row) error {
				if counts[id] == nil {
					counts[id] = make(map[outbox.ReceiptKind]int64)
				}
				counts[id][word(receiptKinds, r.int(0))] = r.int(1)
				return nil
			}, "SELECT kind, count(*) FROM receipts WHERE message = ? GROUP BY kind", int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}
