package api

import (
	"encoding/json"
	"time"
)

// Types of events. There may be more in time: receivers pass over what they do not know.
const (
	EventMessageReceived        = "message.received"
	EventNotificationDelivered  = "notification.delivered"
	EventNotificationFailed     = "notification.failed"
	EventNotificationUnknown    = "notification.unknown"
	EventNotificationExpired    = "notification.expired"
	EventNotificationSuppressed = "notification.suppressed"
	EventNotificationCancelled  = "notification.cancelled"
	EventNotificationAnswered   = "notification.answered"
	EventDeliveryArrived        = "delivery.arrived"
	EventDeliveryBounced        = "delivery.bounced"
	EventDeliveryRead           = "delivery.read"
	EventDeliveryReacted        = "delivery.reacted"
	EventDeliveryClicked        = "delivery.clicked"
	EventCardAction             = "card.action"
	EventPreferencesChanged     = "preferences.changed"
	// EventWebhookTest is sent to a webhook that is tested and is no type to ask for.
	EventWebhookTest = "webhook.test"
)

// Event is something that has happened, as webhooks receive it and the event stream tells it.
type Event struct {
	ID        string          `json:"id" doc:"Names the event. It stays the same however often the event comes." example:"evt_0zk3v9q2m7r4x"`
	Type      string          `json:"type" doc:"What has happened; it says what data is." example:"notification.delivered"`
	Timestamp time.Time       `json:"timestamp" doc:"When it happened."`
	Data      json.RawMessage `json:"data" doc:"MessageEvent, DeliveryEvent, AnswerEvent, ReceiptEvent, ActionEvent or PreferencesEvent."`
}

// MessageEvent is the data of message.received: what a person said to the bot.
type MessageEvent struct {
	Channel      string          `json:"channel" doc:"The channel." example:"directline"`
	Conversation string          `json:"conversation" doc:"The conversation's id on the channel."`
	Kind         string          `json:"kind,omitempty" doc:"personal, group, channel or meeting, where it is known."`
	Tenant       string          `json:"tenant,omitempty" doc:"The Entra tenant, on channels that have tenants."`
	Person       Person          `json:"person" doc:"Who said it."`
	Text         string          `json:"text,omitempty" doc:"The text, if there is one."`
	Activity     json.RawMessage `json:"activity" doc:"The whole activity, as it arrived."`
}

// Person is somebody on a channel.
type Person struct {
	ID          string `json:"id" doc:"The channel user id." example:"dl_ann"`
	Name        string `json:"name,omitempty" doc:"The name that the channel told."`
	AADObjectID string `json:"aad_object_id,omitempty" doc:"The Entra object id, on channels that tell it."`
}

// DeliveryEvent is the data of the notification events but for notification.answered: what became of one delivery.
type DeliveryEvent struct {
	Notification string          `json:"notification" doc:"The notification." example:"ntf_0zk3v9q2m7r4x"`
	Delivery     string          `json:"delivery" doc:"The delivery: the notification's way to one conversation." example:"dlv_0zk3v9q2m7r4y"`
	State        string          `json:"state" doc:"Where the delivery stands."`
	Reason       string          `json:"reason,omitempty" doc:"Why, as a stable word."`
	Attempts     int             `json:"attempts" doc:"How often it was tried."`
	Channel      string          `json:"channel" doc:"The channel."`
	Conversation string          `json:"conversation" doc:"The conversation's id on the channel."`
	Tenant       string          `json:"tenant,omitempty" doc:"The Entra tenant, on channels that have tenants."`
	Person       *Person         `json:"person,omitempty" doc:"The person, in a personal conversation."`
	ActivityID   string          `json:"activity_id,omitempty" doc:"The id that the channel gave the message."`
	Topic        string          `json:"topic,omitempty" doc:"As it was given with the notification."`
	Value        json.RawMessage `json:"value,omitzero" doc:"As it was given with the notification."`
}

// AnswerEvent is the data of notification.answered: the delivery that was answered, and the message that answers it.
type AnswerEvent struct {
	DeliveryEvent
	Message MessageEvent `json:"message" doc:"What the person said."`
}

// ReceiptEvent is the data of the delivery events: the delivery, and what became of it after it was said.
type ReceiptEvent struct {
	DeliveryEvent
	Receipt Receipt `json:"receipt" doc:"What became of it."`
}

// ActionEvent is the data of card.action: a button of a notice that somebody has pressed, whose do is "do". It is told once for
// each button that was sent.
type ActionEvent struct {
	Name         string          `json:"name" doc:"As it was given with the action." example:"approve"`
	Value        json.RawMessage `json:"value,omitzero" doc:"As it was given with the action: the person cannot change it."`
	Notification string          `json:"notification,omitempty" doc:"The notification that has the button, as long as that is kept." example:"ntf_0zk3v9q2m7r4x"`
	Delivery     string          `json:"delivery,omitempty" doc:"Its delivery; not given for a notice that the bot has sent in a turn of its own." example:"dlv_0zk3v9q2m7r4y"`
	Topic        string          `json:"topic,omitempty" doc:"As it was given with the notification."`
	Channel      string          `json:"channel" doc:"The channel."`
	Conversation string          `json:"conversation" doc:"The conversation's id on the channel."`
	Tenant       string          `json:"tenant,omitempty" doc:"The Entra tenant, on channels that have tenants."`
	Person       Person          `json:"person" doc:"Who pressed it."`
}

// PreferencesEvent is the data of preferences.changed: somebody wants something else to be told than before. Those of a human are the
// same in all conversations, and it is told once for all of them; when people are merged, once for each who wants something else by that.
type PreferencesEvent struct {
	By           string      `json:"by,omitempty" doc:"How it was said: button, word, link, card (that of the settings), api, or merge, for somebody who was merged with others; or as a program has given it." example:"word"`
	Changed      []string    `json:"changed" doc:"The members of before and now that differ, in order: cap, digest, opted_out, quiet_hours, stopped, time_zone, topics."`
	Topics       []string    `json:"topics,omitempty" doc:"The topics of which something else is wanted."`
	Before       Preferences `json:"before" doc:"What was wanted."`
	Now          Preferences `json:"now" doc:"What is wanted."`
	Channel      string      `json:"channel" doc:"The channel."`
	Conversation string      `json:"conversation,omitempty" doc:"The id on the channel of the conversation by which it was said; not given where it was said of a person."`
	Tenant       string      `json:"tenant,omitempty" doc:"The Entra tenant, on channels that have tenants."`
	Person       *Person     `json:"person,omitempty" doc:"Who wants it; not given for a group or a channel."`
	PersonID     string      `json:"person_id,omitempty" doc:"Their id in /v1/people and /v1/preferences." example:"per_0zk3v9q2m7r4x"`
}

// WebhookRequest asks for a webhook.
type WebhookRequest struct {
	URL         string   `json:"url" minLength:"1" maxLength:"2048" doc:"Where events are posted to: https. http and hosts that are not public only where the operator allows it." example:"https://example.com/headsup"`
	Events      []string `json:"events,omitempty" minItems:"1" maxItems:"16" enum:"message.received,notification.delivered,notification.failed,notification.unknown,notification.expired,notification.suppressed,notification.cancelled,notification.answered,delivery.arrived,delivery.bounced,delivery.read,delivery.reacted,delivery.clicked,card.action,preferences.changed" doc:"Which types of events it receives. All, if not given."`
	Description string   `json:"description,omitempty" maxLength:"255" doc:"What it is for, in your words."`
	Secret      string   `json:"secret,omitempty" maxLength:"128" doc:"The secret to sign with: whsec_ and the base64 of 24 to 64 random bytes. One is made, if not given."`
}

// WebhookChange changes a webhook. What is not given stays as it is.
type WebhookChange struct {
	URL         *string  `json:"url,omitempty" minLength:"1" maxLength:"2048" doc:"As when it was made."`
	Events      []string `json:"events,omitempty" minItems:"1" maxItems:"16" enum:"message.received,notification.delivered,notification.failed,notification.unknown,notification.expired,notification.suppressed,notification.cancelled,notification.answered,delivery.arrived,delivery.bounced,delivery.read,delivery.reacted,delivery.clicked,card.action,preferences.changed" doc:"As when it was made."`
	Description *string  `json:"description,omitempty" maxLength:"255" doc:"As when it was made."`
	Enabled     *bool    `json:"enabled,omitempty" doc:"false lets nothing be sent and nothing be recorded for it; true begins again with what is still kept."`
}

// Webhook is an address that events are posted to.
type Webhook struct {
	ID             string     `json:"id" doc:"Names the webhook." example:"whk_0zk3v9q2m7r4x"`
	URL            string     `json:"url" doc:"Where events are posted to."`
	Events         []string   `json:"events" doc:"Which types of events it receives."`
	Description    string     `json:"description,omitempty" doc:"As it was given."`
	Tenant         string     `json:"tenant,omitempty" doc:"The tenant that it is bound to, because the key was that it was made with: it is told only what happens there."`
	Enabled        bool       `json:"enabled" doc:"Whether it receives events."`
	DisabledReason string     `json:"disabled_reason,omitempty" enum:"requested,gone,failing" doc:"Why it receives none: requested by you, gone (it answered 410), failing (it failed for days)."`
	DisabledAt     *time.Time `json:"disabled_at,omitempty" doc:"Since when it receives none."`
	FailingSince   *time.Time `json:"failing_since,omitempty" doc:"Since when every attempt has failed."`
	PausedUntil    *time.Time `json:"paused_until,omitempty" doc:"When it is tried next, after it could not be reached or asked to wait."`
	Dropped        int64      `json:"dropped" doc:"How many events became too old before it took them."`
	CreatedAt      time.Time  `json:"created_at" doc:"When it was made."`
}

// CreatedWebhook is a webhook that was made this moment, with its secret.
type CreatedWebhook struct {
	Webhook
	Secret string `json:"secret" doc:"What its requests are signed with. It is told here and never again." example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
}

// Webhooks are all webhooks.
type Webhooks struct {
	Webhooks []Webhook `json:"webhooks" doc:"In the order in which they were made."`
}

// WebhookTest is what became of a test.
type WebhookTest struct {
	Status    int    `json:"status,omitzero" doc:"The HTTP status that it answered. Not given when there was no answer."`
	LatencyMS int64  `json:"latency_ms" doc:"How long that took, in milliseconds."`
	Error     string `json:"error,omitempty" enum:"address_blocked,connection_failed,dns,gone,redirect,refused,reset,throttled,timeout,tls" doc:"What was wrong, as a stable word. Not given when all was well."`
}

// SecretRotation asks for a new secret.
type SecretRotation struct {
	Keep string `json:"keep,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How long requests are signed with the old secret too, at most 168h. 24h, if not given; 0s ends it at once." example:"24h"`
}

// RotatedSecret is a webhook's new secret.
type RotatedSecret struct {
	Secret        string     `json:"secret" doc:"What its requests are signed with from now on. It is told here and never again."`
	PreviousUntil *time.Time `json:"previous_until,omitempty" doc:"Until when they are signed with the old secret too."`
}

// WebhookDelivery is one event on its way to a webhook.
type WebhookDelivery struct {
	Event    string           `json:"event" doc:"The event's id." example:"evt_0zk3v9q2m7r4x"`
	Type     string           `json:"type" doc:"The event's type."`
	State    string           `json:"state" enum:"pending,delivered" doc:"Where it stands. What is pending when the event becomes too old is dropped."`
	NextAt   *time.Time       `json:"next_at,omitempty" doc:"When it is tried next."`
	Attempts []WebhookAttempt `json:"attempts" doc:"The last 20 attempts, oldest first."`
}

// WebhookAttempt is one attempt to post an event.
type WebhookAttempt struct {
	At time.Time `json:"at" doc:"When."`
	WebhookTest
}

// WebhookDeliveries is one page of events on their way to a webhook.
type WebhookDeliveries struct {
	Deliveries []WebhookDelivery `json:"deliveries" doc:"Newest event first."`
	NextCursor string            `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// WebhookReplay asks for events again. Exactly one member is set.
type WebhookReplay struct {
	Event string     `json:"event,omitempty" maxLength:"64" doc:"One event, by its id." example:"evt_0zk3v9q2m7r4x"`
	Since *time.Time `json:"since,omitempty" doc:"Every event of the webhook's types since then, as far as they are kept."`
}

// WebhookReplayed tells what comes again.
type WebhookReplayed struct {
	Events int `json:"events" doc:"How many events."`
}
