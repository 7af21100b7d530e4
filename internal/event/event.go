// Package event is what others are told of: things that have happened, and who wants to know.
//
// An [Event] is written in the same step of a store as what it tells, so that none is lost; and only when somebody wants
// its [Type], so that it costs nothing when nobody does. [Store] keeps events and the [Webhook] records that say where
// they are posted to. Package webhook posts them.
package event

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// ErrNotFound: there is no such event or webhook.
var ErrNotFound = errors.New("event: not found")

// Type says what has happened.
type Type string

// The types. Each final state of a delivery has its own, and each kind of receipt but the answer, which [Heard] tells.
// PreferencesChanged is written in the step of [book.Preferrer.Prefer], unless nothing has become another.
const (
	MessageReceived        Type = api.EventMessageReceived
	NotificationDelivered  Type = api.EventNotificationDelivered
	NotificationFailed     Type = api.EventNotificationFailed
	NotificationUnknown    Type = api.EventNotificationUnknown
	NotificationExpired    Type = api.EventNotificationExpired
	NotificationSuppressed Type = api.EventNotificationSuppressed
	NotificationCancelled  Type = api.EventNotificationCancelled
	NotificationAnswered   Type = api.EventNotificationAnswered
	DeliveryArrived        Type = api.EventDeliveryArrived
	DeliveryBounced        Type = api.EventDeliveryBounced
	DeliveryRead           Type = api.EventDeliveryRead
	DeliveryReacted        Type = api.EventDeliveryReacted
	DeliveryClicked        Type = api.EventDeliveryClicked
	CardAction             Type = api.EventCardAction
	PreferencesChanged     Type = api.EventPreferencesChanged
)

// Types lists all types.
func Types() []Type {
	return []Type{
		MessageReceived, NotificationDelivered, NotificationFailed, NotificationUnknown, NotificationExpired,
		NotificationSuppressed, NotificationCancelled, NotificationAnswered,
		DeliveryArrived, DeliveryBounced, DeliveryRead, DeliveryReacted, DeliveryClicked, CardAction,
		PreferencesChanged,
	}
}

// ParseTypes reads names of types. None are all. An unknown one, and one that is given twice, is an error.
func ParseTypes(names []string) ([]Type, error) {
	if len(names) == 0 {
		return Types(), nil
	}
	types := make([]Type, 0, len(names))
	for _, name := range names {
		switch t := Type(name); {
		case !slices.Contains(Types(), t):
			return nil, fmt.Errorf("has %q, which is not a type of events", name)
		case slices.Contains(types, t):
			return nil, fmt.Errorf("has %s twice", name)
		default:
			types = append(types, t)
		}
	}
	return types, nil
}

// OfState is the type of the event that tells of a delivery's final state; empty for a state that is not final.
func OfState(s outbox.State) Type {
	if !s.Final() {
		return ""
	}
	return Type("notification." + string(s))
}

// OfReceipt is the type of the event that tells of a receipt; empty for one that [Heard] tells.
func OfReceipt(k outbox.ReceiptKind) Type {
	if k == outbox.ReceiptAnswered {
		return ""
	}
	return Type("delivery." + string(k))
}

// ID names an event. Ids grow in the order in which events were written.
type ID int64

// String is the id as people see it.
func (id ID) String() string { return ident.Text("evt", int64(id)) }

// ParseID reads what [ID.String] wrote.
func ParseID(text string) (ID, error) {
	n, err := ident.Parse("evt", text)
	return ID(n), err
}

// Event is something that has happened. It does not change.
type Event struct {
	ID    ID
	AppID string
	// Tenant is the channel's tenant in which it happened; empty for none.
	Tenant activity.TenantID
	Type   Type
	At     time.Time
	// Conversation is where it happened, if the reference book has it; 0 otherwise.
	Conversation book.Row
	// Data is a JSON object in the shape that the type has in package api.
	Data jsontext.Value
}

// JSON is the event as its receivers see it: an [api.Event].
func (e *Event) JSON() ([]byte, error) {
	return json.Marshal(api.Event{ID: e.ID.String(), Type: string(e.Type), Timestamp: e.At.UTC(), Data: []byte(e.Data)})
}

// AnswerWithin is how long after its delivery a notification can be answered.
const AnswerWithin = 24 * time.Hour

// Heard is the op by which a turn tells what a person has said. The store writes [MessageReceived] and, when it answers
// a delivery of the last [AnswerWithin], [NotificationAnswered], as far as they are wanted; with the latter goes a receipt.
//
// A message whose ReplyTo is an activity that was delivered in the conversation answers that delivery. Any other message
// answers the latest delivery in the conversation that no message has followed yet. A delivery is answered once.
type Heard struct {
	Message api.MessageEvent
	// ReplyTo is the activity that the message says it replies to; empty for none.
	ReplyTo activity.ID
	At      time.Time
}

// TurnOp implements headsup.Op.
func (Heard) TurnOp() {}

// Receipt is what becomes of a delivery that this answers.
func (h Heard) Receipt(id outbox.DeliveryID) outbox.Receipt {
	return outbox.Receipt{Delivery: id, Kind: outbox.ReceiptAnswered, By: activity.AccountID(h.Message.Person.ID), At: h.At}
}

// Acted is the op by which a turn tells of a button that was pressed. The store writes [CardAction], if that is wanted.
type Acted struct {
	Action api.ActionEvent
	At     time.Time
}

// TurnOp implements headsup.Op.
func (Acted) TurnOp() {}

// ActionData is the data of an event about a button that was pressed in a turn.
func ActionData(t *headsup.Turn) api.ActionEvent {
	key := t.Key()
	data := api.ActionEvent{Channel: string(key.Channel), Conversation: string(key.Conversation), Tenant: string(key.Tenant)}
	if from := t.Activity().From; from != nil {
		data.Person = personOf(from)
	}
	return data
}

// DeliveryData is the data of a notification event. Of m it reads ID, Topic and Value; of d all but times and history.
func DeliveryData(c *book.Conversation, m *outbox.Message, d *outbox.Delivery) api.DeliveryEvent {
	data := api.DeliveryEvent{
		Notification: ident.Text("ntf", int64(m.ID)), Delivery: ident.Text("dlv", int64(d.ID)), State: string(d.State),
		Reason: d.Reason, Attempts: d.Claims, Channel: string(c.Key.Channel), Conversation: string(c.Key.Conversation),
		Tenant: string(c.Key.Tenant), ActivityID: string(d.Activity), Topic: m.Topic, Value: []byte(m.Value),
	}
	if c.Kind == book.KindPersonal && c.Reference.User != nil {
		p := personOf(c.Reference.User)
		data.Person = &p
	}
	return data
}

// ReceiptData is the data of an event that tells of a receipt. c, m and d are as in [DeliveryData].
func ReceiptData(c *book.Conversation, m *outbox.Message, d *outbox.Delivery, r outbox.Receipt) api.ReceiptEvent {
	return api.ReceiptEvent{DeliveryEvent: DeliveryData(c, m, d), Receipt: api.Receipt{
		Kind: string(r.Kind), At: r.At.UTC(), Person: string(r.By), Detail: r.Detail, Gone: r.Gone,
	}}
}

func personOf(a *activity.ChannelAccount) api.Person {
	return api.Person{ID: string(a.ID), Name: a.Name, AADObjectID: a.AADObjectID}
}

// Encode writes an event's data.
func Encode(data any) (jsontext.Value, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return raw, nil
}
