package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/teams"
)

const (
	// MaxReceipts is how many receipts of a delivery are shown at most.
	MaxReceipts = 100
	// MaxReceiptDetail is how long the detail of a receipt is at most, in bytes.
	MaxReceiptDetail = 256
	// lookBack is how many deliveries of a conversation, from the newest on, a reaction or a read receipt is looked for among.
	lookBack = 100
)

// Receipt tells what became of a delivery after it was said.
type Receipt struct {
	// Delivery is its id as people see it, or the key that it was sent under ([headsup.Outgoing]).
	Delivery string
	Kind     outbox.ReceiptKind
	// By is the channel's id of whoever did it; empty when nobody knows.
	By activity.AccountID
	// Detail is which reaction, which action or link, or why it came back: one line.
	Detail string
	// At is when; zero means now.
	At time.Time
	// Gone: it is not so any more.
	Gone bool
}

// Receive notes what became of a delivery, for whoever learns of it, such as a channel's own webhook. It reports whether that
// was news: a repeat does no harm. [ErrNoDelivery], also for one that only changes what another has said; a [*FieldError].
func (e *Engine) Receive(ctx context.Context, r Receipt) (news bool, err error) {
	if !slices.Contains(outbox.ReceiptKinds(), r.Kind) {
		return false, &FieldError{"kind", "is no kind of receipt"}
	}
	if err := checkText("detail", r.Detail, MaxReceiptDetail); err != nil {
		return false, err
	}
	if err := checkText("by", string(r.By), MaxActivityID); err != nil {
		return false, err
	}
	id, _, _ := strings.Cut(r.Delivery, ":")
	d, err := e.delivery(ctx, id)
	switch {
	case err != nil:
		return false, err
	case d.Verb != outbox.VerbSend:
		return false, ErrNoDelivery
	}
	if r.At.IsZero() {
		r.At = e.cfg.Now()
	}
	return e.receive(ctx, []outbox.Receipt{{Delivery: d.ID, Kind: r.Kind, By: r.By, Detail: r.Detail, At: r.At, Gone: r.Gone}})
}

func (e *Engine) receive(ctx context.Context, all []outbox.Receipt) (news bool, err error) {
	if len(all) == 0 {
		return false, nil
	}
	noted, err := e.cfg.Store.Receive(ctx, all)
	if err != nil {
		return false, fmt.Errorf("proactive: note receipts: %w", err)
	}
	for _, r := range noted {
		e.mayFallBack(r.Delivery)
	}
	return len(noted) > 0, nil
}

// delivery is [Engine.Delivery] without its receipts.
func (e *Engine) delivery(ctx context.Context, id string) (outbox.Delivery, error) {
	n, err := ident.Parse("dlv", id)
	if err != nil {
		return outbox.Delivery{}, ErrNoDelivery
	}
	d, err := e.cfg.Store.DeliveryRecord(ctx, outbox.DeliveryID(n))
	if err == nil && d.Key.AppID != e.cfg.AppID {
		return outbox.Delivery{}, ErrNoDelivery // another bot's
	}
	return d, err
}

// receipts notes what a channel tells of what was said: reactions, and that it was read.
func (e *Engine) receipts(next headsup.Handler) headsup.Handler {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		var err error
		switch a := t.Activity(); {
		case t.Proactive() || a.From == nil || a.From.ID == "" || a.From.Role == activity.RoleBot:
		case a.Type == activity.TypeMessageReaction:
			err = e.reacted(ctx, t.Key(), a)
		case a.Type == activity.TypeEvent && a.Name == teams.EventReadReceipt:
			err = e.read(ctx, t.Key(), a)
		}
		if err != nil {
			return err
		}
		return next.HandleTurn(ctx, t)
	})
}

// reacted notes reactions to what was said. In a channel of Microsoft Teams they come from the thread that a post begins.
func (e *Engine) reacted(ctx context.Context, key headsup.ConversationKey, a *activity.Activity) error {
	if a.ReplyToID == "" {
		return nil
	}
	places := []headsup.ConversationKey{key}
	if room, root := teams.Post(key.Conversation); root != "" {
		key.Conversation = room
		places = append(places, key)
	}
	for _, where := range places {
		said, err := e.saidIn(ctx, where)
		if err != nil {
			return err
		}
		var all []outbox.Receipt
		for _, s := range said {
			if s.Activity != a.ReplyToID {
				continue
			}
			at := toldAt(a, e.cfg.Now())
			add := func(reactions []activity.Reaction, gone bool) {
				for _, r := range reactions {
					if detail := string(r.Type); detail != "" && len(detail) <= MaxReceiptDetail {
						all = append(all, outbox.Receipt{
							Delivery: s.Delivery, Kind: outbox.ReceiptReacted, By: a.From.ID, Detail: detail, At: at, Gone: gone,
						})
					}
				}
			}
			add(a.ReactionsRemoved, true)
			add(a.ReactionsAdded, false)
		}
		if len(all) > 0 {
			_, err := e.receive(ctx, all)
			return err
		}
	}
	return nil
}

// read notes that everything was read up to a message.
func (e *Engine) read(ctx context.Context, key headsup.ConversationKey, a *activity.Activity) error {
	var value struct {
		Last activity.ID `json:"lastReadMessageId"`
	}
	if json.Unmarshal(a.Value, &value) != nil || value.Last == "" {
		return nil // a receipt for nothing is nothing
	}
	said, err := e.saidIn(ctx, key)
	if err != nil {
		return err
	}
	said = slices.DeleteFunc(said, func(s outbox.Said) bool { return !upTo(s.Activity, value.Last) })
	unread, err := e.unread(ctx, said, a.From.ID)
	if err != nil {
		return err
	}
	at := toldAt(a, e.cfg.Now())
	all := make([]outbox.Receipt, 0, len(unread))
	for _, id := range unread {
		all = append(all, outbox.Receipt{Delivery: id, Kind: outbox.ReceiptRead, By: a.From.ID, At: at})
	}
	_, err = e.receive(ctx, all)
	return err
}

// unread leaves out what somebody has read before: nothing has to be written for that.
func (e *Engine) unread(ctx context.Context, said []outbox.Said, by activity.AccountID) (ids []outbox.DeliveryID, err error) {
	for _, s := range said {
		if !slices.Contains(ids, s.Delivery) {
			ids = append(ids, s.Delivery)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := e.cfg.Store.ReceiptsOf(ctx, ids, MaxReceipts)
	if err != nil {
		return nil, fmt.Errorf("proactive: look for receipts: %w", err)
	}
	return slices.DeleteFunc(ids, func(id outbox.DeliveryID) bool {
		return slices.ContainsFunc(known, func(r outbox.Receipt) bool { return r.Delivery == id && r.Kind == outbox.ReceiptRead && r.By == by })
	}), nil
}

// saidIn is what was said in a conversation of late.
func (e *Engine) saidIn(ctx context.Context, key headsup.ConversationKey) ([]outbox.Said, error) {
	c, err := e.cfg.Store.Conversation(ctx, key)
	if errors.Is(err, book.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	said, err := e.cfg.Store.SaidIn(ctx, c.Row, lookBack)
	if err != nil {
		return nil, fmt.Errorf("proactive: look for what was said: %w", err)
	}
	return said, nil
}

// upTo reports whether a message is not after another one of its conversation. In Microsoft Teams ids are numbers; those of
// Direct Line end with one, behind a bar, and begin with their conversation.
func upTo(id, last activity.ID) bool {
	of, number := numbered(id)
	ofLast, lastNumber := numbered(last)
	return id == last || of == ofLast && number > 0 && number <= lastNumber
}

func numbered(id activity.ID) (of string, n uint64) {
	of, number := "", string(id)
	if i := strings.LastIndexByte(number, '|'); i >= 0 {
		of, number = number[:i], number[i+1:]
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return string(id), 0
	}
	return of, n
}

// toldAt is when something happened, as its channel tells it. That cannot be in the future.
func toldAt(a *activity.Activity, now time.Time) time.Time {
	if at := a.Timestamp.Time(); !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// withReceipts puts their receipts into deliveries.
func (e *Engine) withReceipts(ctx context.Context, all []outbox.Delivery) error {
	var ids []outbox.DeliveryID
	for _, d := range all {
		if d.Claims > 0 && d.Verb == outbox.VerbSend { // nothing becomes of what was never tried
			ids = append(ids, d.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := e.cfg.Store.ReceiptsOf(ctx, ids, MaxReceipts)
	if err != nil {
		return fmt.Errorf("proactive: look for receipts: %w", err)
	}
	of := make(map[outbox.DeliveryID][]outbox.Receipt)
	for _, r := range found {
		of[r.Delivery] = append(of[r.Delivery], r)
	}
	for i := range all {
		all[i].Receipts = of[all[i].ID]
	}
	return nil
}

// countReceipts counts the receipts of messages, of which those need not be looked at that have not said anything.
func (e *Engine) countReceipts(ctx context.Context, all ...outbox.Summary) (map[outbox.MessageID]map[outbox.ReceiptKind]int64, error) {
	var ids []outbox.MessageID
	for _, s := range all {
		for state := range s.Counts {
			if state != outbox.StateScheduled && state != outbox.StateCancelled {
				ids = append(ids, s.Message.ID)
				break
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	counts, err := e.cfg.Store.CountReceipts(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("proactive: count receipts: %w", err)
	}
	return counts, nil
}
