package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

type eventTables struct {
	log        []event.Event // in order
	last       event.ID
	news       chan struct{}
	readers    map[want]time.Time
	unanswered map[outbox.DeliveryID]*unanswered
	webhooks   map[event.WebhookID]*webhook
}

type want struct {
	appID string
	typ   event.Type
}

// unanswered is a delivery that somebody may answer.
type unanswered struct {
	*delivery
	said     activity.ID
	at       time.Time
	followed bool // a message came after it that answered another one
}

type webhook struct {
	event.Webhook
	posts map[event.ID]*post
}

type post struct {
	event.Post
	away bool // the last attempt found nobody there
}

func newEventTables() eventTables {
	return eventTables{
		news: make(chan struct{}, 1), readers: make(map[want]time.Time),
		unanswered: make(map[outbox.DeliveryID]*unanswered), webhooks: make(map[event.WebhookID]*webhook),
	}
}

func (l *eventTables) signal() {
	select {
	case l.news <- struct{}{}:
	default: // they are told already
	}
}

// wanted reports whether anybody wants a type. The store's lock is held.
func (l *eventTables) wanted(appID string, typ event.Type) bool {
	if until, ok := l.readers[want{appID, typ}]; ok && time.Now().Before(until) {
		return true
	}
	for _, w := range l.webhooks {
		if w.AppID == appID && w.Wants(typ) {
			return true
		}
	}
	return false
}

// Wanted implements [event.Wanting].
func (s *Store) Wanted(appID string, types ...event.Type) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(types, func(typ event.Type) bool { return s.events.wanted(appID, typ) })
}

// Want implements [event.Store].
func (s *Store) Want(_ context.Context, appID string, types []event.Type, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, typ := range types {
		if !slices.Contains(event.Types(), typ) {
			return fmt.Errorf("memory: want: unknown word %q", typ)
		}
		if key := (want{appID, typ}); until.After(s.events.readers[key]) {
			s.events.readers[key] = until
		}
	}
	return nil
}

// tell writes an event. s.mu is held.
func (s *Store) tell(e event.Event, data any) {
	raw, err := event.Encode(data)
	if err != nil {
		panic(err) // what is told was JSON before
	}
	l := &s.events
	l.last = max(l.last+1, event.ID(ident.New()))
	e.ID, e.Data = l.last, raw
	l.log = append(l.log, e)
	l.signal()
}

// tellOutcome writes what follows from a final state, if anybody wants to know. s.mu is held.
func (s *Store) tellOutcome(d *delivery, c outbox.Change) {
	if d.Verb != outbox.VerbSend {
		return
	}
	appID, typ := d.Key.AppID, event.OfState(c.State)
	if c.State == outbox.StateDelivered && d.message.Window != headsup.WindowNew && s.events.wanted(appID, event.NotificationAnswered) {
		s.events.unanswered[d.ID] = &unanswered{delivery: d, said: cmp.Or(c.Activity, d.Activity), at: c.At}
	}
	if s.events.wanted(appID, typ) {
		told := d.Delivery
		told.Activity = cmp.Or(c.Activity, d.Activity)
		s.tell(event.Event{AppID: appID, Tenant: d.Key.Tenant, Type: typ, At: c.At, Conversation: d.Conversation},
			event.DeliveryData(&d.conversation.Conversation, &d.message.Message, &told))
	}
}

// hear writes what a person has said, and what that answers. s.mu is held.
func (s *Store) hear(key headsup.ConversationKey, op event.Heard) {
	e := s.book.byKey[key]
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.MessageReceived, At: op.At}
	if e != nil {
		told.Conversation = e.Row
		op.Message.Kind = string(e.Kind)
	}
	if s.events.wanted(key.AppID, event.MessageReceived) {
		s.tell(told, op.Message)
	}
	if e == nil || !s.events.wanted(key.AppID, event.NotificationAnswered) {
		return
	}
	if d := s.events.answered(e.Row, op); d != nil {
		s.receive(op.Receipt(d.ID))
		told.Type = event.NotificationAnswered
		data := event.DeliveryData(&e.Conversation, &d.message.Message, &d.Delivery)
		s.tell(told, api.AnswerEvent{DeliveryEvent: data, Message: op.Message})
	}
}

// acted writes that a button was pressed. s.mu is held.
func (s *Store) acted(key headsup.ConversationKey, op event.Acted) {
	if !s.events.wanted(key.AppID, event.CardAction) {
		return
	}
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.CardAction, At: op.At}
	if e := s.book.byKey[key]; e != nil {
		told.Conversation = e.Row
	}
	s.tell(told, op.Action)
}

// answered finds the delivery that a message answers, and notes that it is answered; nil for none.
func (l *eventTables) answered(c book.Row, op event.Heard) *delivery {
	var here []*unanswered
	for _, u := range l.unanswered {
		if u.Conversation == c && u.at.After(op.At.Add(-event.AnswerWithin)) {
			here = append(here, u)
		}
	}
	slices.SortFunc(here, func(a, b *unanswered) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.ID, a.ID)) })
	i := slices.IndexFunc(here, func(u *unanswered) bool { return op.ReplyTo != "" && u.said == op.ReplyTo })
	if i < 0 {
		i = slices.IndexFunc(here, func(u *unanswered) bool { return !u.followed })
	}
	if i < 0 {
		return nil
	}
	for _, u := range here {
		u.followed = true
	}
	delete(l.unanswered, here[i].ID)
	return here[i].delivery
}

// LastEvent implements [event.Store].
func (s *Store) LastEvent(context.Context) (event.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(1, s.events.last), nil
}

// after is the part of the log after an event.
func (l *eventTables) after(id event.ID) []event.Event {
	i, _ := slices.BinarySearchFunc(l.log, id+1, func(e event.Event, id event.ID) int { return cmp.Compare(e.ID, id) })
	return l.log[i:]
}

// event finds one that is kept.
func (l *eventTables) event(id event.ID) (event.Event, bool) {
	rest := l.after(id - 1)
	if len(rest) == 0 || rest[0].ID != id {
		return event.Event{}, false
	}
	return copyEvent(rest[0]), true
}

func copyEvent(e event.Event) event.Event {
	e.Data = slices.Clone(e.Data)
	return e
}

// Events implements [event.Store].
func (s *Store) Events(_ context.Context, appID string, after event.ID, limit int) ([]event.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []event.Event
	for _, e := range s.events.after(after) {
		if e.AppID == appID && len(found) < limit {
			found = append(found, copyEvent(e))
		}
	}
	return found, nil
}

// EventNews implements [event.Store].
func (s *Store) EventNews() <-chan struct{} { return s.events.news }

// DropEvents implements [event.Store].
func (s *Store) DropEvents(_ context.Context, before, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.events
	maps.DeleteFunc(l.unanswered, func(_ outbox.DeliveryID, u *unanswered) bool {
		return !u.at.After(now.Add(-event.AnswerWithin))
	})
	maps.DeleteFunc(l.readers, func(_ want, until time.Time) bool { return !until.After(now) })
	for len(l.log) > 0 && l.log[0].At.Before(before) {
		e := l.log[0]
		l.log = l.log[1:]
		for _, w := range l.webhooks {
			p, posted := w.posts[e.ID]
			if posted && !p.Delivered || !posted && w.Covers(&e) && e.ID > w.Cursor {
				w.Dropped++
			}
			w.Cursor = max(w.Cursor, e.ID)
			delete(w.posts, e.ID)
		}
	}
	return false, nil
}
