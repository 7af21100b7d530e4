package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
)

// receiptKey is what there is one receipt of.
type receiptKey struct {
	kind   outbox.ReceiptKind
	by     activity.AccountID
	detail string
}

// Receive implements [outbox.Receipts].
func (s *Store) Receive(_ context.Context, all []outbox.Receipt) (news []outbox.Receipt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		if !slices.Contains(outbox.ReceiptKinds(), r.Kind) {
			return nil, fmt.Errorf("memory: receive: unknown word %q", r.Kind)
		}
	}
	for _, r := range all {
		if s.receive(r) {
			news = append(news, r)
		}
	}
	return news, nil
}

// receive notes a receipt, and reports whether it is new. s.mu is held.
func (s *Store) receive(r outbox.Receipt) bool {
	d := s.queue.deliveries[r.Delivery]
	if d == nil || d.Verb != outbox.VerbSend {
		return false
	}
	key := receiptKey{r.Kind, r.By, r.Detail}
	if _, known := d.receipts[key]; known != r.Gone {
		return false
	}
	same := 0
	for k := range d.receipts {
		if k.kind == r.Kind && k.by == r.By {
			same++
		}
	}
	if !r.Gone && same >= outbox.MaxReceiptDetails {
		return false
	}
	if r.Gone {
		delete(d.receipts, key)
	} else {
		if d.receipts == nil {
			d.receipts = make(map[receiptKey]outbox.Receipt)
		}
		d.receipts[key] = r
	}
	typ, c := event.OfReceipt(r.Kind), d.conversation
	if typ != "" && s.book.byKey[c.Key] == c && s.events.wanted(c.Key.AppID, typ) { // else it was forgotten, or nobody wants to know
		s.tell(event.Event{AppID: c.Key.AppID, Tenant: c.Key.Tenant, Type: typ, At: r.At, Conversation: c.Row},
			event.ReceiptData(&c.Conversation, &d.message.Message, &d.Delivery, r))
	}
	return true
}

// SaidIn implements [outbox.Receipts].
func (s *Store) SaidIn(_ context.Context, c book.Row, n int) (said []outbox.Said, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.queue.deliveries))
	for _, id := range slices.Backward(ids) {
		d := s.queue.deliveries[id]
		if d.Conversation != c || d.Verb != outbox.VerbSend || d.State != outbox.StateDelivered {
			continue
		}
		if n--; n < 0 {
			break
		}
		if d.Activity != "" {
			said = append(said, outbox.Said{Delivery: id, Activity: d.Activity})
		}
		for _, sent := range d.sends {
			if sent.Activity != "" && sent.Activity != d.Activity {
				said = append(said, outbox.Said{Delivery: id, Activity: sent.Activity})
			}
		}
	}
	return said, nil
}

// ReceiptsOf implements [outbox.Receipts].
func (s *Store) ReceiptsOf(_ context.Context, ids []outbox.DeliveryID, n int) (found []outbox.Receipt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		d := s.queue.deliveries[id]
		if d == nil {
			continue
		}
		all := slices.SortedFunc(maps.Values(d.receipts), func(a, b outbox.Receipt) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(slices.Index(outbox.ReceiptKinds(), a.Kind), slices.Index(outbox.ReceiptKinds(), b.Kind)),
				cmp.Compare(a.By, b.By), cmp.Compare(a.Detail, b.Detail))
		})
		found = append(found, all[:min(n, len(all))]...)
	}
	return found, nil
}

// CountReceipts implements [outbox.Receipts].
func (s *Store) CountReceipts(
	_ context.Context, ids []outbox.MessageID,
) (map[outbox.MessageID]map[outbox.ReceiptKind]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make(map[outbox.MessageID]map[outbox.ReceiptKind]int64)
	for _, id := range ids {
		m := s.queue.messages[id]
		if m == nil {
			continue
		}
		for _, d := range m.deliveries {
			for key := range d.receipts {
				if counts[id] == nil {
					counts[id] = make(map[outbox.ReceiptKind]int64)
				}
				counts[id][key.kind]++
			}
		}
	}
	return counts, nil
}
