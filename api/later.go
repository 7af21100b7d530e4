package api

import (
	"encoding/json"
	"time"
)

// NotificationSummary is a notification in a list.
type NotificationSummary struct {
	ID         string          `json:"id" doc:"Names the notification." example:"ntf_0zk3v9q2m7r4x"`
	State      string          `json:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled" doc:"The state that all deliveries share, or the least settled one among them."`
	To         Target          `json:"to" doc:"As it was asked for."`
	Activity   json.RawMessage `json:"activity" doc:"What is said."`
	Lane       string          `json:"lane" enum:"urgent,normal,bulk" doc:"How pressing it is."`
	OnUnknown  string          `json:"on_unknown" enum:"retry,hold" doc:"What happens when the channel's answer is lost."`
	Topic      string          `json:"topic,omitempty" doc:"As it was given."`
	Value      json.RawMessage `json:"value,omitzero" doc:"As it was given."`
	CreatedAt  time.Time       `json:"created_at" doc:"When it was accepted."`
	ExpiresAt  *time.Time      `json:"expires_at,omitempty" doc:"As it was given."`
	EditedAt   *time.Time      `json:"edited_at,omitempty" doc:"When what it says was changed last."`
	RecalledAt *time.Time      `json:"recalled_at,omitempty" doc:"When it was recalled."`
	Counts     map[string]int  `json:"counts" doc:"How many of its deliveries are in each state that any is in."`
}

// Notifications is one page of notifications.
type Notifications struct {
	Notifications []NotificationSummary `json:"notifications" doc:"Newest first. A page may hold fewer than the limit, even none, although there are more."`
	NextCursor    string                `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// BatchItem is one notification of a batch.
type BatchItem struct {
	NotificationRequest
	IdempotencyKey string `json:"idempotency_key,omitempty" maxLength:"255" doc:"The same key with the same content is accepted once and answered the same for at least 24 hours; with other content it is refused."`
}

// BatchRequest asks for several notifications.
type BatchRequest struct {
	Notifications []BatchItem `json:"notifications" minItems:"1" maxItems:"1000" doc:"Each is accepted or refused by itself."`
}

// BatchResult tells what became of a batch.
type BatchResult struct {
	Accepted int               `json:"accepted" doc:"How many were accepted, those included that had been before."`
	Refused  int               `json:"refused" doc:"How many were not."`
	Results  []BatchItemResult `json:"results" doc:"One for each notification, in their order."`
}

// BatchItemResult tells what became of one notification of a batch: ID and State, or Problem.
type BatchItemResult struct {
	ID       string   `json:"id,omitempty" doc:"Names the notification." example:"ntf_0zk3v9q2m7r4x"`
	State    string   `json:"state,omitempty" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled" doc:"Where it stands."`
	Replayed bool     `json:"replayed,omitzero" doc:"It had been accepted before under its key."`
	Problem  *Problem `json:"problem,omitempty" doc:"Why it was refused."`
}

// RescheduleRequest says when instead. Exactly one member is set.
type RescheduleRequest struct {
	At *time.Time `json:"at,omitempty" doc:"When to say it; now, if that is past." example:"2026-12-24T18:00:00Z"`
	In string     `json:"in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How long from now to say it: a number with unit ms, s, m or h, or several." example:"1h30m"`
}

// EditRequest says what a notification says instead. Exactly one member is set.
type EditRequest struct {
	Text     string          `json:"text,omitempty" maxLength:"65536" doc:"What to say, as a plain message." example:"Your build is done after all."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What to say, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
}

// Deliveries is one page of deliveries.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries" doc:"Newest first. A page may hold fewer than the limit, even none, although there are more."`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// ReplayRequest says which deliveries are tried again: those that match every member that is given, among those that have
// ended without success.
type ReplayRequest struct {
	State        string `json:"state,omitempty" enum:"failed,unknown,expired,suppressed,cancelled" doc:"Those in this state."`
	Reason       string `json:"reason,omitempty" maxLength:"64" doc:"Those with this reason." example:"not_found"`
	Conversation string `json:"conversation,omitempty" maxLength:"2048" doc:"Those to this conversation, by its id on the channel."`
	Notification string `json:"notification,omitempty" maxLength:"64" doc:"Those of this notification."`
	Limit        int    `json:"limit,omitzero" minimum:"1" maximum:"10000" default:"1000" doc:"How many at most, oldest first; 1000, if not given."`
}

// ReplayResult tells how many deliveries are tried again.
type ReplayResult struct {
	Replayed int `json:"replayed" doc:"How many are ready again."`
}

// SettleRequest says what became of a delivery whose outcome is unknown.
type SettleRequest struct {
	State string `json:"state" enum:"delivered,failed" doc:"What became of it."`
}

// JobProgress says how far a job has come. Exactly one of Text and Activity is set.
type JobProgress struct {
	Text     string          `json:"text,omitempty" maxLength:"65536" doc:"What the job's conversation is told, as a plain message. Exactly one of text and activity." example:"Half of the tests have passed."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What it is told, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Percent  *int            `json:"percent,omitempty" minimum:"0" maximum:"100" doc:"How much is done. It is kept with the job." example:"50"`
}

// JobReport is what was told of a job's progress last.
type JobReport struct {
	Text         string    `json:"text,omitempty" doc:"What was told."`
	Percent      *int      `json:"percent,omitempty" doc:"How much is done."`
	At           time.Time `json:"at" doc:"When it was told."`
	Notification string    `json:"notification" doc:"The notification that tells it." example:"ntf_0zk3v9q2m7r4x"`
}

