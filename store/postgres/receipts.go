package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
)

// Receive implements [outbox.Receipts].
func (s *Store) Receive(ctx context.Context, all []outbox.Receipt) (news []outbox.Receipt, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		news, err = t.receive(ctx, all)
		return err
	})
	return news, err
}

// ofDelivery is what a delivery is of, be it final or not.
const ofDelivery = `(SELECT id, message, conversation, verb, activity_id, claims, state, reason FROM deliveries WHERE id = ANY ($1)
	UNION ALL SELECT id, message, conversation, verb, activity_id, claims, state, reason FROM finished WHERE id = ANY ($1))`

// receive notes receipts, and returns those that are new. Their messages are not removed meanwhile.
func (t *tx) receive(ctx context.Context, all []outbox.Receipt) (news []outbox.Receipt, err error) {
	ids := make([]int64, len(all))
	for i, r := range all {
		ids[i] = int64(r.Delivery)
	}
	if _, err := t.Exec(ctx, `SELECT FROM messages WHERE id IN (SELECT d.message FROM `+ofDelivery+` AS d)
		ORDER BY id FOR KEY SHARE`, ids); err != nil {
		return nil, err
	}
	var b pgx.Batch
	for _, r := range all {
		kind, err := code(receiptKinds, r.Kind)
		if err != nil {
			return nil, err
		}
		sql, args := "DELETE FROM receipts WHERE delivery = ANY ($1) AND kind = $2 AND person = $3 AND detail = $4",
			[]any{[]int64{int64(r.Delivery)}, kind, clean(string(r.By)), clean(r.Detail)}
		if !r.Gone {
			sql = `INSERT INTO receipts (delivery, kind, person, detail, message, conversation, at)
				SELECT d.id, $2, $3, $4, d.message, d.conversation, $5 FROM ` + ofDelivery + ` AS d WHERE d.verb IS NULL
					AND (SELECT count(*) FROM receipts r WHERE r.delivery = d.id AND r.kind = $2 AND r.person = $3) < $6
				ON CONFLICT DO NOTHING`
			args = append(args, exact(r.At), outbox.MaxReceiptDetails)
		}
		b.Queue(sql, args...)
	}
	res := t.SendBatch(ctx, &b)
	for _, r := range all {
		tag, err := res.Exec()
		if err != nil {
			_ = res.Close()
			return nil, err
		}
		if tag.RowsAffected() > 0 {
			news = append(news, r)
		}
	}
	if err := res.Close(); err != nil {
		return nil, err
	}
	return news, t.tellReceipts(ctx, news)
}

// tellReceipts writes the events of receipts, as far as anybody wants to know.
func (t *tx) tellReceipts(ctx context.Context, all []outbox.Receipt) error {
	if w := t.store.events.wanted.Load(); w == nil || len(w.until) == 0 {
		return nil
	}
	var ids []int64
	for _, r := range all {
		if event.OfReceipt(r.Kind) != "" {
			ids = append(ids, int64(r.Delivery))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	type told struct {
		message  outbox.Message
		delivery outbox.Delivery
	}
	of := make(map[outbox.DeliveryID]told)
	rows, err := t.Query(ctx, `SELECT d.id, d.conversation, coalesce(d.activity_id, ''), d.claims, d.state, coalesce(d.reason, ''),
		m.id, coalesce(m.topic, ''), m.value FROM `+ofDelivery+` AS d JOIN messages m ON m.id = d.message`, ids)
	if err != nil {
		return err
	}
	var x told
	var state int64
	var places []book.Row
	if _, err := pgx.ForEachRow(rows, []any{
		&x.delivery.ID, &x.delivery.Conversation, &x.delivery.Activity, &x.delivery.Claims, &state, &x.delivery.Reason,
		&x.message.ID, &x.message.Topic, (*[]byte)(&x.message.Value),
	}, func() error {
		x.delivery.State = stateNames[state]
		of[x.delivery.ID] = x
		places = append(places, x.delivery.Conversation)
		x.message.Value = nil // the next row's goes elsewhere
		return nil
	}); err != nil {
		return err
	}
	conversations, err := entries(ctx, t, places)
	if err != nil {
		return err
	}
	var events []event.Event
	for _, r := range all {
		x := of[r.Delivery]
		e, typ := conversations[x.delivery.Conversation], event.OfReceipt(r.Kind)
		if e == nil || typ == "" || !t.store.Wanted(e.conv.Key.AppID, typ) { // e: it was forgotten, and nobody is told of it any more
			continue
		}
		r.By, r.Detail = activity.AccountID(clean(string(r.By))), clean(r.Detail)
		data, err := event.Encode(event.ReceiptData(&e.conv, &x.message, &x.delivery, r))
		if err != nil {
			return err
		}
		events = append(events, event.Event{
			AppID: e.conv.Key.AppID, Tenant: e.conv.Key.Tenant, Type: typ, At: r.At, Conversation: e.conv.Row, Data: data,
		})
	}
	return t.tell(ctx, events...)
}

// SaidIn implements [outbox.Receipts].
func (s *Store) SaidIn(ctx context.Context, c book.Row, n int) (said []outbox.Said, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		said = nil
		rows, err := q.Query(ctx, `WITH last AS MATERIALIZED (
				SELECT id, activity_id FROM finished WHERE conversation = $1 AND state = 5 AND verb IS NULL ORDER BY id DESC LIMIT $2)
			SELECT id, activity_id, -1 AS ordinal FROM last WHERE activity_id IS NOT NULL
			UNION ALL SELECT l.id, s.activity_id, s.ordinal FROM last l JOIN sends s ON s.delivery = l.id
				AND s.activity_id IS DISTINCT FROM l.activity_id AND s.activity_id IS NOT NULL
			ORDER BY 1 DESC, 3`, c, n)
		if err != nil {
			return err
		}
		var one outbox.Said
		var ordinal int64
		_, err = pgx.ForEachRow(rows, []any{&one.Delivery, &one.Activity, &ordinal}, func() error {
			said = append(said, one)
			return nil
		})
		return err
	})
	return said, err
}

// ReceiptsOf implements [outbox.Receipts].
func (s *Store) ReceiptsOf(ctx context.Context, ids []outbox.DeliveryID, n int) (found []outbox.Receipt, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		found = nil
		rows, err := q.Query(ctx, `SELECT r.delivery, r.kind, r.person, r.detail, r.at
			FROM (SELECT DISTINCT unnest($1::bigint[]) AS id) AS d CROSS JOIN LATERAL (
				SELECT * FROM receipts r WHERE r.delivery = d.id ORDER BY r.at, r.kind, r.person, r.detail LIMIT $2) AS r
			ORDER BY r.delivery, r.at, r.kind, r.person, r.detail`, numbers(ids), n)
		if err != nil {
			return err
		}
		var one outbox.Receipt
		var kind int64
		_, err = pgx.ForEachRow(rows, []any{&one.Delivery, &kind, &one.By, &one.Detail, &one.At}, func() error {
			one.Kind = word(receiptKinds, kind)
			found = append(found, one)
			return nil
		})
		return err
	})
	return found, err
}

// CountReceipts implements [outbox.Receipts].
func (s *Store) CountReceipts(
	ctx context.Context, ids []outbox.MessageID,
) (counts map[outbox.MessageID]map[outbox.ReceiptKind]int64, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		counts = make(map[outbox.MessageID]map[outbox.ReceiptKind]int64)
		rows, err := q.Query(ctx, "SELECT message, kind, count(*) FROM receipts WHERE message = ANY ($1) GROUP BY message, kind", numbers(ids))
		if err != nil {
			return err
		}
		var id outbox.MessageID
		var kind, n int64
		_, err = pgx.ForEachRow(rows, []any{&id, &kind, &n}, func() error {
			if counts[id] == nil {
				counts[id] = make(map[outbox.ReceiptKind]int64)
			}
			counts[id][word(receiptKinds, kind)] = n
			return nil
		})
		return err
	})
	return counts, err
}
