package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// Readers of events go on after the last id that they have seen, so ids must grow in the order in which events can be
// seen. Transactions that write events run side by side, and none should wait for another: they leave their events in
// events_fresh. Then whoever holds the row of event_ids, one at a time, moves what is committed there to events and gives
// it the next ids. That is done after every commit that has left something, by every node that looks, and before
// anything is read, so that who has written something finds it.

// eventLog is what a node knows of events in memory.
type eventLog struct {
	wanted atomic.Pointer[wants]
	last   atomic.Int64  // the last id that this node has seen
	again  chan struct{} // has a token when it is time to look
	news   chan struct{} // has a token when there are events
}

// wants says which events are written, and until when; the zero time is no end. It does not change. Of another node's
// changes a node hears within a second.
type wants struct {
	version int64
	until   map[want]time.Time
}

type want struct {
	appID string
	typ   event.Type
}

func newEventLog() *eventLog {
	return &eventLog{again: make(chan struct{}, 1), news: make(chan struct{}, 1)}
}

// look has the node look whether there are events, and what is wanted.
func (l *eventLog) look() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

func (l *eventLog) signal() {
	select {
	case l.news <- struct{}{}:
	default: // they are told already
	}
}

// keep puts what is wanted into memory, unless that is older than what is there.
func (l *eventLog) keep(w *wants) {
	for {
		before := l.wanted.Load()
		if before != nil && before.version >= w.version || l.wanted.CompareAndSwap(before, w) {
			return
		}
	}
}

// watchEvents looks for what other nodes have done with events, whenever it is told to, until the store closes.
func (s *Store) watchEvents(ctx context.Context) {
	for failed := false; ; {
		select {
		case <-s.events.again:
		case <-ctx.Done():
			return
		}
		err := s.lookForEvents(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "events not looked for", "error", err.Error())
		}
		failed = err != nil
	}
}

func (s *Store) lookForEvents(ctx context.Context) error {
	var version, last int64
	if err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT w.version, i.last FROM event_wants w, event_ids i").Scan(&version, &last)
	}); err != nil {
		return err
	}
	changed := false
	if known := s.events.wanted.Load(); known == nil || known.version != version {
		if err := s.loadWants(ctx); err != nil {
			return err
		}
		changed = true // webhooks, perhaps
	}
	if err := s.number(ctx); err != nil {
		return err
	}
	if s.events.last.Load() < last { // another node's
		s.events.last.Store(last)
		changed = true
	}
	if changed {
		s.events.signal()
	}
	return nil
}

func (s *Store) loadWants(ctx context.Context) error {
	return s.snapshot(ctx, func(ctx context.Context, q querier) error {
		w, err := readWants(ctx, q)
		if err == nil {
			s.events.keep(w)
		}
		return err
	})
}

func readWants(ctx context.Context, q querier) (*wants, error) {
	found := &wants{until: make(map[want]time.Time)}
	if err := q.QueryRow(ctx, "SELECT version FROM event_wants").Scan(&found.version); err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, "SELECT app_id, type, until FROM event_readers")
	if err != nil {
		return nil, err
	}
	var appID string
	var typ int64
	var until time.Time
	if _, err := pgx.ForEachRow(rows, []any{&appID, &typ, &until}, func() error {
		found.until[want{appID, word(eventTypes, typ)}] = until
		return nil
	}); err != nil {
		return nil, err
	}
	hooks, err := webhooks(ctx, q, "WHERE disabled = ''")
	for _, w := range hooks {
		for _, typ := range w.Types {
			found.until[want{w.AppID, typ}] = time.Time{}
		}
	}
	return found, err
}

// rewant notes that something else is wanted; on this node from the commit on. It is the last that a transaction does.
func (t *tx) rewant(ctx context.Context) error {
	if _, err := t.Exec(ctx, "UPDATE event_wants SET version = version + 1"); err != nil {
		return err
	}
	w, err := readWants(ctx, t)
	if err != nil {
		return err
	}
	t.after(func() { t.store.events.keep(w) })
	t.postsChange()
	return nil
}

// postsChange has all nodes look at webhooks again.
func (t *tx) postsChange() {
	t.after(func() {
		t.store.events.signal()
		t.store.bus.tell(topicEvents, "")
	})
}

// Wanted implements [event.Wanting].
func (s *Store) Wanted(appID string, types ...event.Type) bool {
	w := s.events.wanted.Load()
	if w == nil || len(w.until) == 0 {
		return false
	}
	for _, typ := range types {
		if until, ok := w.until[want{appID, typ}]; ok && (until.IsZero() || s.cfg.Now().Before(until)) {
			return true
		}
	}
	return false
}

// Want implements [event.Store]. Other nodes hear of it within a second.
func (s *Store) Want(ctx context.Context, appID string, types []event.Type, until time.Time) error {
	codes := make([]int64, len(types))
	for i, typ := range types {
		var err error
		if codes[i], err = code(eventTypes, typ); err != nil {
			return fmt.Errorf("postgres: want: %w", err)
		}
	}
	slices.Sort(codes)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, `INSERT INTO event_readers (app_id, type, until)
				SELECT $1, n, $3 FROM unnest($2::bigint[]) n
				ON CONFLICT (app_id, type) DO UPDATE SET until = greatest(event_readers.until, excluded.until)`,
			appID, codes, exact(until)); err != nil {
			return err
		}
		return t.rewant(ctx)
	})
}

// tell writes events. They get their ids later.
func (t *tx) tell(ctx context.Context, events ...event.Event) error {
	if len(events) == 0 {
		return nil
	}
	t.news = true
	rows := make([][]any, len(events))
	for i, e := range events {
		typ, err := code(eventTypes, e.Type)
		if err != nil {
			return err
		}
		rows[i] = []any{e.AppID, typ, exact(e.At), int64(e.Conversation), []byte(e.Data), e.Tenant}
	}
	var b pgx.Batch
	for _, r := range rows {
		b.Queue("INSERT INTO events_fresh (app_id, type, at, conversation, data, tenant_id) VALUES ($1, $2, $3, $4, $5, $6)", r...)
	}
	return t.SendBatch(ctx, &b).Close()
}

const numberAtOnce = 1000

// number gives ids to the events that are committed and have none.
func (s *Store) number(ctx context.Context) error {
	for {
		var waiting bool
		if err := s.read(ctx, func(ctx context.Context, q querier) error {
			return q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM events_fresh)").Scan(&waiting)
		}); err != nil || !waiting {
			return err
		}
		var n int64
		var last event.ID
		if err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, last, err = t.number(ctx)
			return err
		}); err != nil {
			return err
		}
		if n > 0 {
			s.events.last.Store(int64(last))
			s.events.signal()
			s.bus.tell(topicEvents, "")
		}
		if n < numberAtOnce {
			return nil
		}
	}
}

// number gives ids to some events, and returns to how many, and the last id that was given to any. From then on nobody
// else gives any until the transaction ends.
func (t *tx) number(ctx context.Context) (n int64, last event.ID, err error) {
	// No webhook's cursor is beyond the last id, unless it came from elsewhere.
	if err := t.QueryRow(ctx, "SELECT greatest(i.last, (SELECT max(cursor) FROM webhooks)) FROM event_ids i FOR UPDATE OF i").Scan(&last); err != nil {
		return 0, 0, err
	}
	base := max(int64(last), ident.New()) // ids tell when, as all do
	tag, err := t.Exec(ctx, `WITH fresh AS (
			DELETE FROM events_fresh WHERE number IN (SELECT number FROM events_fresh ORDER BY number LIMIT $2) RETURNING *)
		INSERT INTO events (id, app_id, tenant_id, type, at, conversation, data)
		SELECT $1 + row_number() OVER (ORDER BY number), app_id, tenant_id, type, at, conversation, data FROM fresh`, base, numberAtOnce)
	if n = tag.RowsAffected(); err != nil || n == 0 {
		return 0, last, err
	}
	last = event.ID(base + n)
	_, err = t.Exec(ctx, "UPDATE event_ids SET last = $1", last)
	return n, last, err
}

// numberAll gives ids to all events that are committed, and returns the last one; as number, it keeps others from it.
func (t *tx) numberAll(ctx context.Context) (event.ID, error) {
	for {
		n, last, err := t.number(ctx)
		if err != nil || n < numberAtOnce {
			return last, err
		}
	}
}

// tellOutcomes writes what follows from deliveries that have become final, as far as anybody wants to know.
func (t *tx) tellOutcomes(ctx context.Context, all []ended) error {
	if w := t.store.events.wanted.Load(); w == nil || len(w.until) == 0 {
		return nil
	}
	rows := make(map[book.Row]bool)
	for i := range all {
		if all[i].verb == send {
			rows[all[i].conversation] = true
		}
	}
	conversations, err := entries(ctx, t, slices.Sorted(maps.Keys(rows)))
	if err != nil {
		return err
	}
	var told, followed []*ended
	for i := range all {
		x := &all[i]
		e := conversations[x.conversation]
		if x.verb != send || e == nil { // it was forgotten, and nobody is told of it any more
			continue
		}
		appID := e.conv.Key.AppID
		if t.store.Wanted(appID, event.OfState(x.change.State)) {
			told = append(told, x)
		}
		if x.change.State == outbox.StateDelivered && t.store.Wanted(appID, event.NotificationAnswered) {
			followed = append(followed, x)
		}
	}
	messages, err := toldMessages(ctx, t, told, followed)
	if err != nil {
		return err
	}
	if err := t.follow(ctx, followed, messages); err != nil {
		return err
	}
	events := make([]event.Event, 0, len(told))
	for _, x := range told {
		e, m := conversations[x.conversation], messages[x.message]
		d := outbox.Delivery{
			ID: x.id, State: x.change.State, Reason: x.change.Reason, Activity: x.activity, Claims: int(x.claims),
		}
		data, err := event.Encode(event.DeliveryData(&e.conv, &m, &d))
		if err != nil {
			return err
		}
		events = append(events, event.Event{
			AppID: e.conv.Key.AppID, Tenant: e.conv.Key.Tenant, Type: event.OfState(x.change.State), At: x.change.At,
			Conversation: x.conversation, Data: data,
		})
	}
	return t.tell(ctx, events...)
}

// toldMessages reads what events tell of messages.
func toldMessages(ctx context.Context, q querier, some ...[]*ended) (map[outbox.MessageID]outbox.Message, error) {
	found := make(map[outbox.MessageID]outbox.Message)
	for _, list := range some {
		for _, x := range list {
			found[x.message] = outbox.Message{ID: x.message}
		}
	}
	if len(found) == 0 {
		return found, nil
	}
	rows, err := q.Query(ctx, "SELECT id, topic, value, window_code FROM messages WHERE id = ANY ($1)", slices.Sorted(maps.Keys(found)))
	if err != nil {
		return nil, err
	}
	var m outbox.Message
	var window int64
	_, err = pgx.ForEachRow(rows, []any{&m.ID, (*optionalText)(&m.Topic), (*[]byte)(&m.Value), &window}, func() error {
		m.Window = word(windowWords, window)
		found[m.ID] = m
		m.Value = nil // the next row's goes elsewhere
		return nil
	})
	return found, err
}

// follow notes deliveries that somebody may answer. What was said in a new conversation is answered there.
func (t *tx) follow(ctx context.Context, some []*ended, messages map[outbox.MessageID]outbox.Message) error {
	var b pgx.Batch
	for _, x := range some {
		if messages[x.message].Window != headsup.WindowNew {
			b.Queue(`INSERT INTO unanswered (delivery, conversation, activity_id, at, followed) VALUES ($1, $2, $3, $4, false)
				ON CONFLICT (delivery) DO UPDATE SET activity_id = excluded.activity_id, at = excluded.at, followed = false`,
				x.id, x.conversation, optionalText(x.activity), exact(x.change.At))
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return t.SendBatch(ctx, &b).Close()
}

// hear writes what a person has said, and what that answers. The caller holds the conversation's lease.
func (t *tx) hear(ctx context.Context, key headsup.ConversationKey, op event.Heard) error {
	known, err := look(ctx, t, key, people{})
	if err != nil {
		return err
	}
	e := known.entry
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.MessageReceived, At: op.At}
	if e != nil {
		told.Conversation = e.conv.Row
		op.Message.Kind = string(e.conv.Kind)
	}
	if t.store.Wanted(key.AppID, event.MessageReceived) {
		if told.Data, err = event.Encode(op.Message); err != nil {
			return err
		}
		if err := t.tell(ctx, told); err != nil {
			return err
		}
	}
	if e == nil || !t.store.Wanted(key.AppID, event.NotificationAnswered) {
		return nil
	}
	id, err := t.answered(ctx, e.conv.Row, op)
	if id == 0 || err != nil {
		return err
	}
	if _, err := t.receive(ctx, []outbox.Receipt{op.Receipt(id)}); err != nil {
		return err
	}
	data := api.AnswerEvent{Message: op.Message}
	if data.DeliveryEvent, err = t.deliveryData(ctx, &e.conv, id); err != nil {
		return err
	}
	told.Type = event.NotificationAnswered
	if told.Data, err = event.Encode(data); err != nil {
		return err
	}
	return t.tell(ctx, told)
}

// acted writes that a button was pressed. The caller holds the conversation's lease.
func (t *tx) acted(ctx context.Context, key headsup.ConversationKey, op event.Acted) error {
	if !t.store.Wanted(key.AppID, event.CardAction) {
		return nil
	}
	known, err := look(ctx, t, key, people{})
	if err != nil {
		return err
	}
	told := event.Event{AppID: key.AppID, Tenant: key.Tenant, Type: event.CardAction, At: op.At}
	if e := known.entry; e != nil {
		told.Conversation = e.conv.Row
	}
	if told.Data, err = event.Encode(op.Action); err != nil {
		return err
	}
	return t.tell(ctx, told)
}

// answered finds the delivery that a message answers, and notes that it is answered; 0 for none.
func (t *tx) answered(ctx context.Context, c book.Row, op event.Heard) (answered outbox.DeliveryID, err error) {
	rows, err := t.Query(ctx, `SELECT delivery, activity_id, followed FROM unanswered WHERE conversation = $1 AND at > $2
		ORDER BY at DESC, delivery DESC`, c, exact(op.At.Add(-event.AnswerWithin)))
	if err != nil {
		return 0, err
	}
	var latest, id outbox.DeliveryID
	var said activity.ID
	var followed bool
	if _, err := pgx.ForEachRow(rows, []any{&id, (*optionalText)(&said), &followed}, func() error {
		switch {
		case op.ReplyTo != "" && said == op.ReplyTo:
			answered = id
		case !followed && latest == 0:
			latest = id
		}
		return nil
	}); err != nil {
		return 0, err
	}
	if answered == 0 {
		answered = latest
	}
	if answered == 0 {
		return 0, nil
	}
	if _, err := t.Exec(ctx, "DELETE FROM unanswered WHERE delivery = $1", answered); err != nil {
		return 0, err
	}
	_, err = t.Exec(ctx, "UPDATE unanswered SET followed = true WHERE conversation = $1", c)
	return answered, err
}

// deliveryData reads what an event tells of a delivery that was delivered.
func (t *tx) deliveryData(ctx context.Context, c *book.Conversation, id outbox.DeliveryID) (api.DeliveryEvent, error) {
	var m outbox.Message
	d := outbox.Delivery{ID: id, State: outbox.StateDelivered}
	err := t.QueryRow(ctx, `SELECT m.id, m.topic, m.value, d.activity_id, d.claims
		FROM finished d JOIN messages m ON m.id = d.message WHERE d.id = $1`, id).
		Scan(&m.ID, (*optionalText)(&m.Topic), (*[]byte)(&m.Value), (*optionalText)(&d.Activity), &d.Claims)
	if notThere(err) {
		err = nil
	}
	return event.DeliveryData(c, &m, &d), err
}

const eventColumns = "e.id, e.app_id, e.tenant_id, e.type, e.at, e.conversation, e.data"

func scanEvent(r pgx.Row, more ...any) (e event.Event, err error) {
	var typ int64
	err = r.Scan(append([]any{&e.ID, &e.AppID, &e.Tenant, &typ, &e.At, &e.Conversation, (*[]byte)(&e.Data)}, more...)...)
	e.Type = word(eventTypes, typ)
	return e, err
}

// LastEvent implements [event.Store].
func (s *Store) LastEvent(ctx context.Context) (id event.ID, err error) {
	if err := s.number(ctx); err != nil {
		return 0, err
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT greatest(last, 1) FROM event_ids").Scan(&id)
	})
	return id, err
}

// Events implements [event.Store].
func (s *Store) Events(ctx context.Context, appID string, after event.ID, limit int) (found []event.Event, err error) {
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT "+eventColumns+" FROM events e WHERE e.app_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3",
			appID, after, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (event.Event, error) { return scanEvent(r) })
		return err
	})
	return found, err
}

// EventNews implements [event.Store].
func (s *Store) EventNews() <-chan struct{} { return s.events.news }

// dropAtOnce bounds one step of forgetting events.
const dropAtOnce = 1000

// DropEvents implements [event.Store]. Of several nodes that do it at once, one finds something.
func (s *Store) DropEvents(ctx context.Context, before, now time.Time) (more bool, err error) {
	if err := s.number(ctx); err != nil {
		return false, err
	}
	before, now = exact(before), exact(now)
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		more = false
		if _, err := t.Exec(ctx, "SELECT last FROM event_ids FOR UPDATE"); err != nil { // one at a time, so that all are counted once
			return err
		}
		tag, err := t.Exec(ctx, `DELETE FROM unanswered WHERE delivery IN (
			SELECT delivery FROM unanswered WHERE at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now.Add(-event.AnswerWithin), dropAtOnce)
		if err != nil {
			return err
		}
		more = tag.RowsAffected() == dropAtOnce
		if tag, err = t.Exec(ctx, "DELETE FROM event_readers WHERE until <= $1", now); err != nil {
			return err
		}
		rewant := tag.RowsAffected() > 0
		last, n, err := t.eventsBefore(ctx, before)
		if err != nil {
			return err
		}
		if last != 0 {
			more = more || n == dropAtOnce
			if err := t.dropThrough(ctx, last); err != nil {
				return err
			}
		}
		if rewant {
			return t.rewant(ctx)
		}
		return nil
	})
	return more, err
}

// eventsBefore finds the oldest events, as long as they are before a time: the last of them, and how many.
func (t *tx) eventsBefore(ctx context.Context, before time.Time) (last event.ID, n int, err error) {
	rows, err := t.Query(ctx, "SELECT id, at FROM events ORDER BY id LIMIT $1", dropAtOnce)
	if err != nil {
		return 0, 0, err
	}
	over := false
	var id event.ID
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		if over = over || !at.Before(before); !over {
			last = id
			n++
		}
		return nil
	})
	return last, n, err
}
