package headsup

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/card"
)

// NotificationID names a notification: "ntf_" and 13 letters and digits.
type NotificationID string

// Lane is how pressing a notification is. Each lane of a conversation is delivered in its own order, more pressing lanes
// first.
type Lane string

const (
	LaneUrgent Lane = "urgent"
	LaneNormal Lane = "normal" // also the zero value's meaning
	LaneBulk   Lane = "bulk"
)

// OnUnknown says what happens when it cannot be known whether an attempt was delivered.
type OnUnknown string

const (
	// OnUnknownRetry delivers again after a while: at least once. Also the zero value's meaning.
	OnUnknownRetry OnUnknown = "retry"
	// OnUnknownHold leaves the delivery in state unknown: at most once.
	OnUnknownHold OnUnknown = "hold"
)

// Window says which conversation with a person is used.
type Window string

const (
	// WindowExisting continues the conversation that the target names. Also the zero value's meaning.
	WindowExisting Window = "existing"
	// WindowNew opens a new conversation with the person where the channel can.
	WindowNew Window = "new"
)

// Notification is something the bot wants to say without having been asked: what, to whom, when and how.
type Notification struct {
	// To is whom. Exactly one of its members is set.
	To Target

	// Text is what to say, as plain text: no channel is to find markup in it. Exactly one of Text, Markdown, Activity,
	// Card, Notice and Handler is set.
	Text string
	// Markdown is what to say, as text that channels format as far as they can.
	Markdown string
	// Activity is what to say, as an activity without address: the conversation's reference is applied when it is sent.
	Activity *activity.Activity
	// Card is what to show: an Adaptive Card, the JSON object with "type": "AdaptiveCard" and a version.
	Card jsontext.Value
	// Notice is what to say in its parts: each channel is given the form of it that it shows best, with a way to opt out.
	Notice *card.Notice
	// Handler names who says it: one of the handlers that the engine was given, which runs in a proactive turn of the
	// conversation, with Value in its event.
	Handler string
	// Template is what to say, as one of the templates that the engine keeps says it of some data: to each recipient in
	// their language. It is instead of Text, Markdown, Activity, Card and Summary.
	Template *Templated
	// Summary says it in a few words where the message itself cannot be shown, such as a pop-up or a channel without
	// cards. May be empty; not with Activity, which has its own.
	Summary string

	// Key makes the notification idempotent: the same key with the same content is accepted once and answered with the
	// same id for at least 24 hours; with other content it is refused. Empty means no key. At most 255 bytes.
	Key string

	// At and In say when: at an instant, or after a while. Neither means now; not both.
	At time.Time
	In time.Duration

	// ExpiresAt ends attempts: what was not delivered by then is not delivered any more. Zero means no end.
	ExpiresAt time.Time

	// Lane, OnUnknown and Window: see their zero values.
	Lane      Lane
	OnUnknown OnUnknown
	Window    Window

	// Topic groups notifications of one kind. At most 255 bytes.
	Topic string

	// Policy says what to do when the conversation is busy. The zero value is that of the topic, or adhoc.
	Policy Policy

	// Fallback are other ways, in their order, for when those before did not do. For a notification to one person or place.
	Fallback []Fallback

	// CollapseKey lets the notification replace, in each of its conversations, what waits there under the same key and was
	// not handed out yet: a person who was away gets the last of several, not all. Empty replaces nothing. At most 255 bytes.
	CollapseKey string

	// Locale is written into the message when it has none. BCP 47.
	Locale string

	// Value travels with the notification and is shown with it. Any JSON.
	Value jsontext.Value
}

// Templated is data for a template.
type Templated struct {
	// Name is the template's, and Version the number of the version; 0 is the one that is current when the notification
	// is accepted. What is accepted stays with its version.
	Name    string `json:"name,omitzero"`
	Version int    `json:"version,omitzero"`
	// Data is a JSON object with the template's parameters.
	Data jsontext.Value `json:"data,omitzero"`
	// Each has values for some recipients in place of those in Data, by the recipient's external id, channel user id or
	// e-mail address: a JSON object of objects. At most 1,000.
	Each jsontext.Value `json:"each,omitzero"`
}

// Target says to whom. Set exactly one member.
type Target struct {
	// Reference is one conversation. If the book knows it, the book says where it is; if not, it is added to the book as
	// one that was imported, which receives no token until its channel has vouched for it.
	Reference *activity.Reference
	// Conversation is a conversation in the reference book by its id on the channel.
	Conversation activity.ConversationID
	// User is a person in the reference book by channel user id: the latest conversation with that person alone.
	User activity.AccountID
	// ExternalID is a person by the id that they have in the caller's own system, as far as the book was told it: the
	// latest conversation with that person alone.
	ExternalID string
	// ObjectID, UPN and Email are a person by their id in Microsoft Entra, their user principal name or their e-mail address,
	// as far as a channel has told it: the latest conversation with that person alone. Letter case does not count.
	ObjectID, UPN, Email string
	// Team is a team of Microsoft Teams by its id: a new post in its General channel, or in the one that Room names; or an
	// answer to the post there that Thread names. The book must know the team and the channel, and makes the conversation.
	Team, Room string
	Thread     activity.ID
	// ReplyTo is a delivery that was said in a channel of a team, "dlv_" and 13 letters and digits: an answer in its thread.
	ReplyTo string
	// Address is somebody on a channel where people are written to who have never written themselves, as a URI:
	// "mailto:ann@example.com", "sms:+15551234567". The book makes the conversation if it does not have it.
	Address string
	// Tag is every conversation with the tag that can be reached.
	Tag string
	// Everyone is every conversation in the reference book that can be reached.
	Everyone bool
}

// ToConversation targets the conversation of a reference.
func ToConversation(ref activity.Reference) Target { return Target{Reference: &ref} }

// Notifier accepts notifications that belong to a turn. Package proactive implements it.
type Notifier interface {
	// Prepare checks n and returns its id and the op that accepts it when the turn commits.
	Prepare(ctx context.Context, n Notification) (NotificationID, Op, error)
}

// NoticeShower is a [Notifier] that also shows the notices which handlers send themselves.
type NoticeShower interface {
	// ShowNotice puts in the place of an activity's notice, which is the only attachment, what the channel of a turn takes. The
	// activity may be changed, and is addressed already.
	ShowNotice(ctx context.Context, t *Turn, a *activity.Activity) error
}
