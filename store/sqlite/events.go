package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// eventLog is what is known of events in memory.
type eventLog struct {
	last   event.ID // belongs to the writer
	wanted atomic.Pointer[wants]
	news   chan struct{}
}

// wants says which events are written, and until when; the zero time is no end. It does not change.
type wants map[want]time.Time

type want struct {
	appID string
	typ   event.Type
}

func (l *eventLog) signal() {
	select {
	case l.news <- struct{}{}:
	default: // they are told already
	}
}

// load reads what is wanted, and the last id. Webhooks may remember a later one than any event that is kept.
func (l *eventLog) load(c *conn) error {
	if _, err := c.one(func(r row) { l.last = event.ID(max(r.int(0), r.int(1))) },
		"SELECT (SELECT max(id) FROM events), (SELECT max(cursor) FROM webhooks)"); err != nil {
		return err
	}
	w, err := readWants(c)
	if err == nil {
		l.wanted.Store(w)
	}
	return err
}

// readWants is nil when nothing is wanted, which makes asking cheap.
func readWants(c *conn) (*wants, error) {
	found := make(wants)
	if err := c.each(func(r row) error {
		found[want{r.text(0), word(eventTypes, r.int(1))}] = r.time(2)
		return nil
	}, "SELECT app_id, type, until FROM event_readers"); err != nil {
		return nil, err
	}
	if err := c.each(func(r row) error {
		w, err := scanWebhook(r)
		for _, typ := range w.Types {
			found[want{w.AppID, typ}] = time.Time{}
		}
		return err
	}, selectWebhook+"WHERE disabled = ''"); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found, nil
}

// rewant puts into memory what is wanted when the transaction is on disk.
func (t *tx) rewant() error {
	w, err := readWants(t.conn)
	if err != nil {
		return err
	}
	t.after(func() { t.store.events.wanted.Store(w) })
	return nil
}

// Wanted implements [event.Wanting].
func (s *Store) Wanted(appID string, types ...event.Type) bool {
	w := s.events.wanted.Load()
	if w == nil {
		return false
	}
	for _, typ := range types {
		if until, ok := (*w)[want{appID, typ}]; ok && (until.IsZero() || s.cfg.Now().Before(until)) {
			return true
		}
	}
	return false
}

// Want implements [event.Store].
func (s *Store) Want(ctx context.Context, appID string, types []event.Type, until time.Time) error {
	return s.writer.do(ctx, func(t *tx) error {
		for _, typ := range types {
			n, err := code(eventTypes, typ)
			if err != nil {
				return fmt.Errorf("sqlite: want: %w", err)
			}
			if _, err := t.exec(`INSERT INTO event_readers (app_id, type, until) VALUES (?, ?, ?)
					ON CONFLICT DO UPDATE SET until = max(until, excluded.until)`, text(appID), n, until); err != nil {
				return err
			}
		}
		return t.rewant()
	})
}

// tell writes an event.
func (t *tx) tell(e event.Event, data any) error {
	raw, err := event.Encode(data)
	if err != nil {
		return err
	}
	typ, err := code(eventTypes, e.Type)
	if err != nil {
		return err
	}
	l := &t.store.events
	l.last = max(l.last+1, event.ID(ident.New()))
	t.news = true
	_, err = t.exec("INSERT INTO events (id, app_id, tenant_id, type, at, conversation, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
		int64(l.last), text(e.AppID), text(e.Tenant), typ, e.At, int64(e.Conversation), []byte(raw))
	return err
}

// tellOutcome writes what follows from a delivery's final state, if anybody wants to know.
func (t *tx) tellOutcome(h *hot, c outbox.Change) error {
	if t.store.events.wanted.Load() == nil || h.verb != send {
		return nil
	}
	e, err := t.conversation(h.conversation)
	switch {
	case errors.Is(err, book.ErrNotFound): // it was forgotten, and nobody is told of it any more
		return nil
	case err != nil:
		return err
	}
	appID, typ := e.conv.Key.AppID, event.OfState(c.State)
	wanted := t.store.Wanted(appID, typ)
	follow := c.State == outbox.StateDelivered && t.store.Wanted(appID, event.NotificationAnswered)
	if !wanted && !follow {
		return nil
	}
	m := outbox.Message{ID: h.message}
	if _, err := t.one(func(r row) { m.Topic, m.Value, m.Window = r.text(0), r.bytes(1), word(windowWords, r.int(2)) },
		"SELECT topic, value, window FROM messages WHERE id = ?", int64(h.message)); err != nil {
		return err
	}
	if follow && m.Window != headsup.WindowNew { // what was said in a new conversation is answered there
		if _, err := t.exec(`INSERT OR REPLACE INTO unanswered (delivery, conversation, activity_id, at, followed)
				VALUES (?, ?, ?, ?, 0)`, int64(h.id), int64(h.conversation), string(h.activity), c.At); err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	d := outbox.Delivery{ID: h.id, State: c.State, Reason: c.Reason, Activity: h.activity, Claims: int(h.claims)}
	return t.tell(event.Event{AppID: appID, Tenant: e.conv.Key.Tenant, Type: typ, At: c.At, Conversation: h.conversation},
		event.DeliveryData(&e.conv, &m, &d))
}

// hear writes what a person has said, and what that answers.
func (t *tx) hear(key headsup.ConversationKey, op event.Heard) error {
	e, err := t.conversationByKey(key)
	if err != nil {
		return err
	}
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.MessageReceived, At: op.At}
	if e != nil {
		told.Conversation = e.conv.Row
		op.Message.Kind = string(e.conv.Kind)
	}
	if t.store.Wanted(key.AppID, event.MessageReceived) {
		if err := t.tell(told, op.Message); err != nil {
			return err
		}
	}
	if e == nil || !t.store.Wanted(key.AppID, event.NotificationAnswered) {
		return nil
	}
	id, err := t.answered(e.conv.Row, op)
	if id == 0 || err != nil {
		return err
	}
	if _, err := t.receive(op.Receipt(id)); err != nil {
		return err
	}
	data := api.AnswerEvent{Message: op.Message}
	if data.DeliveryEvent, err = t.deliveryData(&e.conv, id); err != nil {
		return err
	}
	told.Type = event.NotificationAnswered
	return t.tell(told, data)
}

// acted writes that a button was pressed.
func (t *tx) acted(key headsup.ConversationKey, op event.Acted) error {
	if !t.store.Wanted(key.AppID, event.CardAction) {
		return nil
	}
	e, err := t.conversationByKey(key)
	if err != nil {
		return err
	}
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.CardAction, At: op.At}
	if e != nil {
		told.Conversation = e.conv.Row
	}
	return t.tell(told, op.Action)
}

// answered finds the delivery that a message answers, and notes that it is answered; 0 for none.
func (t *tx) answered(c book.Row, op event.Heard) (answered outbox.DeliveryID, err error) {
	var latest int64
	if err := t.each(func(r row) error {
		id, said, followed := r.int(0), activity.ID(r.text(1)), r.bool(2)
		switch {
		case op.ReplyTo != "" && said == op.ReplyTo:
			answered = outbox.DeliveryID(id)
		case !followed && latest == 0:
			latest = id
		}
		return nil
	}, "SELECT delivery, activity_id, followed FROM unanswered WHERE conversation = ? AND at > +? ORDER BY at DESC, delivery DESC",
		int64(c), op.At.Add(-event.AnswerWithin)); err != nil {
		return 0, err
	}
	if answered == 0 {
		if latest == 0 {
			return 0, nil
		}
		answered = outbox.DeliveryID(latest)
	}
	if _, err := t.exec("DELETE FROM unanswered WHERE delivery = ?", int64(answered)); err != nil {
		return 0, err
	}
	_, err = t.exec("UPDATE unanswered SET followed = 1 WHERE conversation = ?", int64(c))
	return answered, err
}

// deliveryData reads what an event tells of a delivery that was delivered.
func (t *tx) deliveryData(c *book.Conversation, id outbox.DeliveryID) (api.DeliveryEvent, error) {
	var m outbox.Message
	d := outbox.Delivery{ID: id, State: outbox.StateDelivered}
	_, err := t.one(func(r row) {
		m.ID, m.Topic, m.Value = outbox.MessageID(r.int(0)), r.text(1), r.bytes(2)
		d.Activity, d.Claims = activity.ID(r.text(3)), int(r.int(4))
	}, `SELECT m.id, m.topic, m.value, d.activity_id, d.claims FROM finished d JOIN messages m ON m.id = d.message
		WHERE d.id = ?`, int64(id))
	return event.DeliveryData(c, &m, &d), err
}

const eventColumns = "e.id, e.app_id, e.tenant_id, e.type, e.at, e.conversation, e.data"

func scanEvent(r row) event.Event {
	return event.Event{
		ID: event.ID(r.int(0)), AppID: r.text(1), Tenant: activity.TenantID(r.text(2)), Type: word(eventTypes, r.int(3)),
		At: r.time(4), Conversation: book.Row(r.int(5)), Data: r.bytes(6),
	}
}

// LastEvent implements [event.Store].
func (s *Store) LastEvent(ctx context.Context) (id event.ID, err error) {
	err = s.read(ctx, func(c *conn) error {
		_, err := c.one(func(r row) { id = max(1, event.ID(r.int(0))) }, "SELECT max(id) FROM events")
		return err
	})
	return id, err
}

// Events implements [event.Store].
func (s *Store) Events(ctx context.Context, appID string, after event.ID, limit int) (found []event.Event, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			found = append(found, scanEvent(r))
			return nil
		}, "SELECT "+eventColumns+" FROM events e WHERE e.app_id = ? AND e.id > +? ORDER BY e.id LIMIT +?",
			text(appID), int64(after), limit)
	})
	return found, err
}

// EventNews implements [event.Store].
func (s *Store) EventNews() <-chan struct{} { return s.events.news }

// dropAtOnce bounds one step of forgetting events.
const dropAtOnce = 1000

// DropEvents implements [event.Store].
func (s *Store) DropEvents(ctx context.Context, before, now time.Time) (more bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		more = false
		if n, err := t.exec("DELETE FROM unanswered WHERE delivery IN (SELECT delivery FROM unanswered WHERE at <= ? LIMIT +?)",
			now.Add(-event.AnswerWithin), dropAtOnce); err != nil {
			return err
		} else if n == dropAtOnce {
			more = true
		}
		if n, err := t.exec("DELETE FROM event_readers WHERE until <= ?", now); err != nil {
			return err
		} else if n > 0 {
			if err := t.rewant(); err != nil {
				return err
			}
		}
		last, n, err := t.eventsBefore(before)
		if last == 0 || err != nil {
			return err
		}
		more = more || n == dropAtOnce
		return t.dropThrough(last)
	})
	return more, err
}

// eventsBefore finds the oldest events, as long as they are before a time: the last of them, and how many.
func (t *tx) eventsBefore(before time.Time) (last event.ID, n int, err error) {
	over := false
	err = t.each(func(r row) error {
		if over = over || !r.time(1).Before(before); !over {
			last = event.ID(r.int(0))
			n++
		}
		return nil
	}, "SELECT id, at FROM events WHERE id > 0 ORDER BY id LIMIT +?", dropAtOnce)
	return last, n, err
}
