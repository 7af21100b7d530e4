package personal

import (
	"context"

	"github.com/headsup-bot/headsup/internal/privacy"
)

var receiptColumns = []column{{"delivery", isDelivery}, {"kind", isReceipt}, {"detail", isText}, {"at", isTime}}

// receiptsOf are the receipts of what was said to a conversation.
func (b Books) receiptsOf(parts int64, p place) (all []source) {
	const sql = "SELECT 0, r.delivery, r.kind, r.detail, r.at FROM "
	for part := range parts + 1 {
		all = append(all, source{
			record: "receipt", args: []any{part, p.row}, columns: receiptColumns, limit: -1,
			sql: sql + "finished d JOIN receipts r ON r.delivery = d.id WHERE " + b.InPart + " AND 0 >= $3 AND $4 < 0 ORDER BY r.delivery, r.at",
		})
	}
	return append(all, source{
		record: "receipt", args: []any{p.row}, columns: receiptColumns, limit: -1,
		sql: sql + "deliveries d JOIN receipts r ON r.delivery = d.id WHERE d.conversation = $1 AND 0 >= $2 AND $3 < 0 ORDER BY r.delivery, r.at",
	})
}

// theirReceipts chooses receipts of somebody ($1) on a channel ($2) in a tenant ($3).
const theirReceipts = `receipts.person = $1 AND (
	EXISTS (SELECT 1 FROM conversations c WHERE c.id = receipts.conversation AND c.channel_id = $2 AND c.tenant_id = $3)
	OR EXISTS (SELECT 1 FROM forgotten f WHERE f.id = receipts.conversation AND f.channel_id = $2 AND f.tenant_id = $3))`

// exportReceipts tells what the person did with what was said to others, too.
func (b Books) exportReceipts(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	o, err := b.own(ctx, e)
	if err != nil {
		return err
	}
	return b.walkThrough(ctx, source{
		record: "receipt", args: []any{string(e.User), string(e.Channel), string(e.Tenant)}, columns: receiptColumns, limit: -1,
		sql: `SELECT 0, receipts.delivery, receipts.kind, receipts.detail, receipts.at, receipts.conversation FROM receipts
			WHERE ` + theirReceipts + ` AND 0 >= $4 AND $5 < 0 ORDER BY receipts.delivery, receipts.at`,
		only: func(r Row) bool { return !o.rows[r.Int(5)] }, // those are told with their conversation
	}, yield)
}

// eraseReceipts removes what the person did with what was said to others, too.
func (e Eraser) eraseReceipts(ctx context.Context, s *step, n int) (over bool, err error) {
	gone, err := e.Exec(ctx, `DELETE FROM receipts WHERE (delivery, kind, person, detail) IN
		(SELECT delivery, kind, person, detail FROM receipts WHERE `+theirReceipts+` LIMIT $4)`,
		string(s.entry.User), string(s.entry.Channel), string(s.entry.Tenant), int64(n))
	s.count("receipt", gone)
	return gone < int64(n), err
}
