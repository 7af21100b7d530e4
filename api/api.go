// Package api is the HTTP API's requests and responses as Go types. The server describes itself with them, and clients
// may use them; they hold data only.
//
// Times are RFC 3339 in UTC, durations are like "90s" or "2h30m", ids are opaque text.
package api

import (
	"encoding/json"
	"time"
)

// Target says to whom. Exactly one member is set.
type Target struct {
	Conversation string `json:"conversation,omitempty" maxLength:"2048" doc:"A conversation in the reference book, by its id on the channel." example:"Kq3TzPd8aLx5mWn0-hu"`
	User         string `json:"user,omitempty" maxLength:"2048" doc:"A person in the reference book, by channel user id: the latest conversation with that person alone." example:"dl_ann"`
	ExternalID   string `json:"external_id,omitempty" maxLength:"255" doc:"A person in the reference book, by the id that they have in your own system (see update-conversation): the latest conversation with that person alone." example:"employee-4711"`
	ObjectID     string `json:"object_id,omitempty" maxLength:"255" doc:"A person in the reference book, by their object id in Microsoft Entra: the latest conversation with that person alone. Letter case does not count, nor does it in the next two." example:"b7a1c3e4-6d52-4f19-8e07-2c95d1fa6b38"`
	UPN          string `json:"upn,omitempty" maxLength:"255" doc:"The same by their user principal name, as a channel has told it." example:"ann@example.com"`
	Email        string `json:"email,omitempty" maxLength:"255" doc:"The same by their e-mail address, as a channel has told it." example:"ann.berg@example.com"`
	Team         string `json:"team,omitempty" maxLength:"255" doc:"A team of Microsoft Teams in the reference book, by its id there: a new post in its General channel, or in the one that channel names." example:"19:f0a1c2@thread.tacv2"`
	Channel      string `json:"channel,omitempty" maxLength:"255" doc:"With team: the id of the channel of the team." example:"19:b7d3e4@thread.tacv2"`
	Thread       string `json:"thread,omitempty" maxLength:"64" doc:"With team: the id of a post in the channel. What is said is an answer to it." example:"1700000000000"`
	ReplyTo      string `json:"reply_to,omitempty" maxLength:"64" doc:"A delivery that was said in a channel of a team: an answer in its thread." example:"dlv_01jz8k3m4n5p6"`
	Tag          string `json:"tag,omitempty" maxLength:"64" doc:"Every conversation with this tag that can be reached." example:"on-call"`
	Everyone     bool   `json:"everyone,omitzero" doc:"Every conversation in the reference book that can be reached."`

	Reference json.RawMessage `json:"reference,omitzero" doc:"A ConversationReference as one of the Microsoft SDKs stores it. A conversation that the reference book knows is told where the book has it; another is added to the book."`
	Address   json.RawMessage `json:"address,omitzero" doc:"A text is an e-mail address or a telephone number, as mailto:ann@example.com or sms:+15551234567: who has it is written to if the server has such a channel, whether or not they have ever written. An object is an address as bots of Bot Builder 3 stored it: Node's address, C#'s ResumptionCookie as JSON, or a ConversationStarter row; otherwise like reference."`
}

// NotificationRequest asks for a notification. Exactly one of Text, Markdown, Activity, Card, Notice and Template is set.
type NotificationRequest struct {
	To           Target          `json:"to" doc:"Whom to tell. Exactly one member."`
	Text         string          `json:"text,omitempty" maxLength:"65536" doc:"What to say, as plain text. Exactly one of text, markdown, activity, card, notice and template." example:"Your build is done."`
	Markdown     string          `json:"markdown,omitempty" maxLength:"65536" doc:"What to say, as Markdown, which channels show as far as they can." example:"Your build is **done**."`
	Activity     json.RawMessage `json:"activity,omitzero" doc:"What to say, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card         json.RawMessage `json:"card,omitzero" doc:"What to show, as an Adaptive Card of up to 100 kB."`
	Notice       *Notice         `json:"notice,omitempty" doc:"What to say in its parts. Each channel is given the form of it that it shows best."`
	Summary      string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown: pop-ups, channels without cards. Not with activity, which has its own." example:"Build 7 is done"`
	Template     *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
	At           *time.Time      `json:"at,omitempty" doc:"When to say it. Now, if neither at nor in is given; not both." example:"2026-12-24T18:00:00Z"`
	In           string          `json:"in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How long from now to say it: a number with unit ms, s, m or h, or several." example:"1h30m"`
	ExpiresAt    *time.Time      `json:"expires_at,omitempty" doc:"What is not delivered by then is not delivered any more."`
	Lane         string          `json:"lane,omitempty" enum:"urgent,normal,bulk" doc:"How pressing it is; normal, if not given."`
	OnUnknown    string          `json:"on_unknown,omitempty" enum:"retry,hold" doc:"What to do when the channel's answer was lost: retry delivers at least once, hold at most once. retry, if not given."`
	Conversation string          `json:"conversation,omitempty" enum:"existing,new" doc:"new opens a new conversation with the person, where the channel can. existing, if not given."`
	Topic        string          `json:"topic,omitempty" maxLength:"255" doc:"Groups notifications of one kind." example:"builds"`
	CollapseKey  string          `json:"collapse_key,omitempty" maxLength:"255" doc:"In each of its conversations it replaces what waits there under the same key: a person who was away gets the last of several." example:"build-7"`
	Locale       string          `json:"locale,omitempty" maxLength:"64" doc:"The message's language, BCP 47." example:"en-GB"`
	Value        json.RawMessage `json:"value,omitzero" doc:"Your own data. Any JSON; it is kept and shown with the notification."`
	Fallback     []Fallback      `json:"fallback,omitempty" maxItems:"5" doc:"Other ways, in their order, for when those before did not do: the same person on another channel, or somebody else. For a notification to one person or place."`
	Manners
}

// Notification is an accepted notification and how far it has come.
type Notification struct {
	ID          string          `json:"id" doc:"Names the notification." example:"ntf_0zk3v9q2m7r4x"`
	State       string          `json:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled,recalled" doc:"The state that all deliveries share, or the least settled one among them. recalled: what was delivered has been removed."`
	To          Target          `json:"to" doc:"As it was asked for; instead of a reference or an address, the conversation that it names."`
	Activity    json.RawMessage `json:"activity,omitzero" doc:"What is said. Missing once that is older than it is kept."`
	Lane        string          `json:"lane" enum:"urgent,normal,bulk" doc:"How pressing it is."`
	OnUnknown   string          `json:"on_unknown" enum:"retry,hold" doc:"What happens when the channel's answer is lost."`
	Topic       string          `json:"topic,omitempty" doc:"As it was given."`
	CollapseKey string          `json:"collapse_key,omitempty" doc:"As it was given."`
	Value       json.RawMessage `json:"value,omitzero" doc:"As it was given."`
	CreatedAt   time.Time       `json:"created_at" doc:"When it was accepted."`
	ExpiresAt   *time.Time      `json:"expires_at,omitempty" doc:"As it was given."`
	EditedAt    *time.Time      `json:"edited_at,omitempty" doc:"When what it says was changed last."`
	RecalledAt  *time.Time      `json:"recalled_at,omitempty" doc:"When it was recalled."`
	Recipients  int             `json:"recipients,omitzero" doc:"To how many conversations it goes, if these are so many that its deliveries are made one after the other. Until all are, there are fewer, and some may drop out on the way."`
	Changing    bool            `json:"changing,omitzero" doc:"true while very many deliveries are being cancelled, rescheduled, edited or recalled. What is to be stopped is not sent any more."`
	Counts      map[string]int  `json:"counts" doc:"How many of its deliveries are in each state that any is in. What was delivered and has been removed since counts once, as recalled."`
	Receipts    map[string]int  `json:"receipts,omitempty" doc:"How many receipts of each kind its deliveries have: arrived, bounced, read, reacted, clicked, answered."`
	Deliveries  []Delivery      `json:"deliveries" doc:"One per conversation, and one for every change of what was said there: the first 100. GET /v1/deliveries lists all of them."`
	More        bool            `json:"more_deliveries,omitzero" doc:"true when there are more than these."`
	Fallback    []Way           `json:"fallback,omitempty" doc:"The other ways that there are, in their order, each with its delivery. Those that led nowhere when it was accepted were left out."`
	Manners
}

// AtAddress is the target of an address, such as mailto:ann@example.com.
func AtAddress(uri string) Target {
	text, _ := json.Marshal(uri) // which a text always can be
	return Target{Address: text}
}

// Fallback is another way of a notification. Exactly one of Channel and To is set.
type Fallback struct {
	Channel string  `json:"channel,omitempty" maxLength:"255" doc:"The same person on this channel: their latest conversation alone with the bot there; on email, also the e-mail address that the reference book knows of them. Without one the way is left out." example:"email"`
	To      *Target `json:"to,omitempty" doc:"Somebody or some place else. Exactly one member, and neither tag nor everyone."`
	After   string  `json:"after,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How much time the way before has, from when that was said; or, as long as it was not, from when it could have been. One that failed has none. Between 1s and 168h; 10m, if not given." example:"10m"`
	Unless  string  `json:"unless,omitempty" enum:"delivered,read,answered" doc:"What has to have become of a way before it: delivered, and not come back; read, or reacted to; answered, or a button of it used. Each includes what comes after it. delivered, if not given."`
}

// Way is a fallback of a notification that was accepted.
type Way struct {
	Delivery string `json:"delivery,omitempty" doc:"The delivery that it is, if it is among those that are shown." example:"dlv_0zk3v9q2m7r4z"`
	Channel  string `json:"channel,omitempty" doc:"As it was given; not for somebody else."`
	After    string `json:"after" doc:"How much time the way before has." example:"10m0s"`
	Unless   string `json:"unless" enum:"delivered,read,answered" doc:"What makes it needless."`
}

// NotificationSummary is a notification in a list.
type NotificationSummary struct {
	ID          string          `json:"id" doc:"Names the notification." example:"ntf_0zk3v9q2m7r4x"`
	State       string          `json:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled,recalled" doc:"The state that all deliveries share, or the least settled one among them. recalled: what was delivered has been removed."`
	To          Target          `json:"to" doc:"As it was asked for."`
	Activity    json.RawMessage `json:"activity,omitzero" doc:"What is said. Missing once that is older than it is kept."`
	Lane        string          `json:"lane" enum:"urgent,normal,bulk" doc:"How pressing it is."`
	OnUnknown   string          `json:"on_unknown" enum:"retry,hold" doc:"What happens when the channel's answer is lost."`
	Topic       string          `json:"topic,omitempty" doc:"As it was given."`
	CollapseKey string          `json:"collapse_key,omitempty" doc:"As it was given."`
	Value       json.RawMessage `json:"value,omitzero" doc:"As it was given."`
	CreatedAt   time.Time       `json:"created_at" doc:"When it was accepted."`
	ExpiresAt   *time.Time      `json:"expires_at,omitempty" doc:"As it was given."`
	EditedAt    *time.Time      `json:"edited_at,omitempty" doc:"When what it says was changed last."`
	RecalledAt  *time.Time      `json:"recalled_at,omitempty" doc:"When it was recalled."`
	Recipients  int             `json:"recipients,omitzero" doc:"To how many conversations it goes, if these are so many that its deliveries are made one after the other."`
	Changing    bool            `json:"changing,omitzero" doc:"true while very many deliveries are being cancelled, rescheduled, edited or recalled."`
	Counts      map[string]int  `json:"counts" doc:"How many of its deliveries are in each state that any is in. What was delivered and has been removed since counts once, as recalled."`
	Receipts    map[string]int  `json:"receipts,omitempty" doc:"How many receipts of each kind its deliveries have: arrived, bounced, read, reacted, clicked, answered."`
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

// GroupRequest asks for a notification to everybody in a group. Exactly one of Text, Markdown, Activity, Card, Notice and Template is set.
type GroupRequest struct {
	Text      string          `json:"text,omitempty" maxLength:"65536" doc:"What to say, as plain text. Exactly one of text, markdown, activity, card, notice and template." example:"The office is closed tomorrow."`
	Markdown  string          `json:"markdown,omitempty" maxLength:"65536" doc:"What to say, as Markdown, which channels show as far as they can." example:"The office is **closed** tomorrow."`
	Activity  json.RawMessage `json:"activity,omitzero" doc:"What to say, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card      json.RawMessage `json:"card,omitzero" doc:"What to show, as an Adaptive Card of up to 100 kB."`
	Notice    *Notice         `json:"notice,omitempty" doc:"What to say in its parts. Each channel is given the form of it that it shows best."`
	Summary   string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown. Not with activity, which has its own." example:"Closed tomorrow"`
	Template  *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
	At        *time.Time      `json:"at,omitempty" doc:"When to say it. Now, if neither at nor in is given; not both." example:"2026-12-24T18:00:00Z"`
	In        string          `json:"in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How long from now to say it: a number with unit ms, s, m or h, or several." example:"1h30m"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty" doc:"What is not delivered by then is not delivered any more."`
	Lane      string          `json:"lane,omitempty" enum:"urgent,normal,bulk" doc:"How pressing it is; normal, if not given."`
	Topic     string          `json:"topic,omitempty" maxLength:"255" doc:"Groups notifications of one kind. By it the members' are found again." example:"closing-days"`
	Value     json.RawMessage `json:"value,omitzero" doc:"Your own data. Any JSON; it is kept and shown with each member's notification."`
}

// GroupResult tells whom of a group a notification was accepted for.
type GroupResult struct {
	Group    string `json:"group" doc:"The group's object id."`
	Accepted int    `json:"accepted" doc:"For how many members it was accepted now: a notification by itself for each."`
	Replayed int    `json:"replayed" doc:"For how many it had been accepted before under its key."`
	Guests   int    `json:"guests" doc:"How many members are guests of the tenant, who cannot have the app."`
	Refused  int    `json:"refused" doc:"How many have removed or blocked the bot, or are unknown where such people are left alone."`
	Complete bool   `json:"complete" doc:"false when the time of one request was not enough for all of them: repeat it with the same key until it is true."`
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
	State    string   `json:"state,omitempty" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled,recalled" doc:"Where it stands."`
	Replayed bool     `json:"replayed,omitzero" doc:"It had been accepted before under its key."`
	Problem  *Problem `json:"problem,omitempty" doc:"Why it was refused."`
}

// RescheduleRequest says when instead. Exactly one member is set.
type RescheduleRequest struct {
	At *time.Time `json:"at,omitempty" doc:"When to say it; now, if that is past." example:"2026-12-24T18:00:00Z"`
	In string     `json:"in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How long from now to say it: a number with unit ms, s, m or h, or several." example:"1h30m"`
}

// EditRequest says what a notification says instead. Exactly one of Text, Markdown, Activity, Card, Notice and Template is set.
type EditRequest struct {
	Text     string          `json:"text,omitempty" maxLength:"65536" doc:"What to say, as plain text. Exactly one of text, markdown, activity, card, notice and template." example:"Your build is done after all."`
	Markdown string          `json:"markdown,omitempty" maxLength:"65536" doc:"What to say, as Markdown, which channels show as far as they can." example:"Your build is **done** after all."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What to say, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card     json.RawMessage `json:"card,omitzero" doc:"What to show, as an Adaptive Card of up to 100 kB."`
	Notice   *Notice         `json:"notice,omitempty" doc:"What to say in its parts. Each channel is given the form of it that it shows best."`
	Summary  string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown. Not with activity, which has its own." example:"Build 7 is done"`
	Template *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
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
	TryForbidden bool   `json:"try_forbidden,omitzero" doc:"Try those, too, whose conversations the channel has forbidden, once more: another refusal forbids them again. Otherwise they fail at once, until somebody says something there."`
	Limit        int    `json:"limit,omitzero" minimum:"1" maximum:"10000" default:"1000" doc:"How many at most, oldest first; 1000, if not given."`
}

// ReplayResult tells how many deliveries are tried again.
type ReplayResult struct {
	Replayed int `json:"replayed" doc:"How many are ready again."`
}

// SettleRequest says what became of a delivery whose outcome is unknown.
type SettleRequest struct {
	State      string `json:"state" enum:"delivered,failed" doc:"What became of it."`
	ActivityID string `json:"activity_id,omitempty" maxLength:"1024" doc:"The id that the channel gave the message, if it was delivered and you know it: without one it can be neither edited nor recalled."`
}

// Delivery is a notification's way to one conversation.
type Delivery struct {
	ID             string     `json:"id" doc:"Names the delivery." example:"dlv_0zk3v9q2m7r4y"`
	Notification   string     `json:"notification" doc:"The notification that it is of." example:"ntf_0zk3v9q2m7r4x"`
	Verb           string     `json:"verb" enum:"send,update,delete" doc:"What it does: send says it, update changes what was said, delete removes it."`
	Revises        string     `json:"revises,omitempty" doc:"The delivery that said what is changed or removed." example:"dlv_0zk3v9q2m7r4w"`
	State          string     `json:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled" doc:"Where it stands."`
	Reason         string     `json:"reason,omitempty" doc:"Why, as a stable word." example:"not_found"`
	Channel        string     `json:"channel" doc:"The channel." example:"directline"`
	Conversation   string     `json:"conversation" doc:"The conversation's id on the channel."`
	ActivityID     string     `json:"activity_id,omitempty" doc:"The id that the channel gave the message."`
	Attempts       int        `json:"attempts" doc:"How often it was tried."`
	MayHaveArrived bool       `json:"may_have_arrived,omitzero" doc:"It is tried again although an attempt may have arrived: the answer was lost. If it ends without success it is unknown."`
	DueAt          *time.Time `json:"due_at,omitempty" doc:"When it is tried next."`
	CreatedAt      time.Time  `json:"created_at" doc:"When it was accepted."`
	UpdatedAt      time.Time  `json:"updated_at" doc:"When it last changed."`
	History        []Change   `json:"history" doc:"Every change, oldest first."`
	Receipts       []Receipt  `json:"receipts,omitempty" doc:"What became of it after it was said, oldest first: the first 100."`
}

// Receipt is something that became of a delivery after it was said.
type Receipt struct {
	Kind   string    `json:"kind" enum:"arrived,bounced,read,reacted,clicked,answered" doc:"What: arrived on the person's device or in their mailbox; bounced, though the channel had taken it; read, as far as the channel tells; reacted to; clicked, a button or a link; answered."`
	At     time.Time `json:"at" doc:"When."`
	Person string    `json:"person,omitempty" doc:"The channel user id of whoever did it, where it is known." example:"dl_ann"`
	Detail string    `json:"detail,omitempty" doc:"Which reaction, which action or link, or why it came back." example:"like"`
	Gone   bool      `json:"gone,omitzero" doc:"Of an event: it is not so any more, such as a reaction that was taken back."`
}

// Change is one step of a delivery's history.
type Change struct {
	At      time.Time  `json:"at" doc:"When."`
	State   string     `json:"state" doc:"The state from then on."`
	Attempt int        `json:"attempt,omitzero" doc:"The attempt that it belongs to, from 1."`
	Reason  string     `json:"reason,omitempty" doc:"Why, as a stable word."`
	Status  int        `json:"status,omitzero" doc:"The channel's HTTP status."`
	Detail  string     `json:"detail,omitempty" doc:"What the channel said, shortened."`
	RetryAt *time.Time `json:"retry_at,omitempty" doc:"When it is tried again."`
}

// Conversation is one entry of the reference book: a conversation that the bot knows.
type Conversation struct {
	ID            string     `json:"id" doc:"The conversation's id on the channel. Another channel may use the same one." example:"Kq3TzPd8aLx5mWn0-hu"`
	Channel       string     `json:"channel" doc:"The channel." example:"directline"`
	Kind          string     `json:"kind" enum:"personal,group,channel,meeting" doc:"What it is."`
	User          *User      `json:"user,omitempty" doc:"The person, in a personal conversation."`
	ExternalID    string     `json:"external_id,omitempty" doc:"The person's id in your own system, if you have told it." example:"employee-4711"`
	Tags          []string   `json:"tags" doc:"Your tags, in alphabetical order."`
	Members       []User     `json:"members,omitempty" doc:"Who is known to take part, in the order in which the bot met them, at most 500. Only shown when a single conversation is asked for."`
	Tenant        string     `json:"tenant,omitempty" doc:"The Entra tenant, on channels that have tenants."`
	Locale        string     `json:"locale,omitempty" doc:"The language that the channel told last, BCP 47." example:"en-GB"`
	TimeZone      string     `json:"time_zone,omitempty" doc:"The time zone that the channel told last, an IANA name." example:"Europe/Berlin"`
	Place         *Place     `json:"place,omitempty" doc:"Where in Microsoft Teams it is."`
	Reach         string     `json:"reach" enum:"active,uninstalled,blocked,unreachable,prospective" doc:"Whether it can be written to. uninstalled: the bot is not there any more. blocked: somebody there does not want to hear of it. unreachable: nothing can be said there for a while. prospective: there is no conversation yet, only somebody whom the bot has not met."`
	Cause         string     `json:"cause,omitempty" doc:"Why that is so: what an event or an answer of the channel has told." example:"bot_removed"`
	Since         *time.Time `json:"since,omitempty" doc:"Since when that is so."`
	Until         *time.Time `json:"until,omitempty" doc:"When it ends by itself that it is unreachable."`
	LastInboundAt *time.Time `json:"last_inbound_at,omitempty" doc:"When somebody last said something there."`
	Busy          []Busy     `json:"busy,omitempty" doc:"What goes on there, the oldest first."`
	CreatedAt     time.Time  `json:"created_at" doc:"When the bot first knew of it."`
	UpdatedAt     time.Time  `json:"updated_at" doc:"When what is known of it last changed."`
}

// Place is where in Microsoft Teams a conversation is.
type Place struct {
	Team        string `json:"team,omitempty" doc:"The team's id in Teams, which is that of its General channel." example:"19:Qm4v_T0zKxYb7n-LrWj2Hc81@thread.tacv2"`
	TeamName    string `json:"team_name,omitempty" doc:"What the team is called."`
	Group       string `json:"group,omitempty" doc:"The id of the team's group in Microsoft 365, by which Graph knows it."`
	Channel     string `json:"channel,omitempty" doc:"The id of the team's channel."`
	ChannelName string `json:"channel_name,omitempty" doc:"What the channel is called."`
	Meeting     string `json:"meeting,omitempty" doc:"The id of the meeting whose chat it is."`
}

// User is a person on a channel.
type User struct {
	ID         string `json:"id" doc:"The channel user id." example:"dl_ann"`
	Name       string `json:"name,omitempty" doc:"The name that the channel told."`
	ExternalID string `json:"external_id,omitempty" doc:"The person's id in your own system, if you have told it." example:"employee-4711"`
}

// Roster is what the reference book has learnt of who takes part in a conversation.
type Roster struct {
	Conversation string `json:"conversation" doc:"The conversation's id on the channel."`
	Members      int    `json:"members" doc:"How many people the channel has told."`
}

// ConversationUpdate changes what you have noted of a conversation. A member that is left out stays as it is.
type ConversationUpdate struct {
	Tags       []string `json:"tags,omitzero" maxItems:"50" doc:"Replaces all tags; an empty list removes them. Up to 50 of up to 64 bytes, repeats count once." example:"[\"on-call\"]"`
	AddTags    []string `json:"add_tags,omitzero" maxItems:"50" doc:"Adds tags to those that are there, of which there may be 50. One that is there already is no mistake." example:"[\"on-call\"]"`
	RemoveTags []string `json:"remove_tags,omitzero" maxItems:"50" doc:"Removes tags, after others were added. One that is not there is no mistake." example:"[\"holiday\"]"`
	ExternalID *string  `json:"external_id,omitzero" nullable:"false" maxLength:"255" doc:"The id of the conversation's person in your own system; empty removes it. It is noted of the person, in all conversations of that channel. Only for personal conversations." example:"employee-4711"`
}

// Transcript is one page of what was said in a conversation.
type Transcript struct {
	Activities []Utterance `json:"activities" doc:"In the order in which the channel took them in."`
	NextCursor string      `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// Utterance is one activity of a transcript.
type Utterance struct {
	Number   int64           `json:"number" minimum:"1" doc:"Its place in the conversation, counting from 1."`
	Activity json.RawMessage `json:"activity" doc:"The activity, by the person or by the bot."`
}

// Conversations is one page of conversations.
type Conversations struct {
	Conversations []Conversation `json:"conversations" doc:"In the order in which the bot first knew of them."`
	NextCursor    string         `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// JobTarget says where a job is started. Exactly one member is set.
type JobTarget struct {
	Conversation string `json:"conversation,omitempty" maxLength:"2048" doc:"A conversation in the reference book, by its id on the channel." example:"Kq3TzPd8aLx5mWn0-hu"`
	User         string `json:"user,omitempty" maxLength:"2048" doc:"A person in the reference book, by channel user id: the latest conversation with that person alone." example:"dl_ann"`
	ExternalID   string `json:"external_id,omitempty" maxLength:"255" doc:"A person in the reference book, by the id that they have in your own system: the latest conversation with that person alone." example:"employee-4711"`
}

// JobRequest asks for a job: long work whose end is told in a conversation.
type JobRequest struct {
	To    JobTarget       `json:"to" doc:"Where its end is told. Exactly one member."`
	Name  string          `json:"name,omitempty" maxLength:"255" doc:"What kind of work it is." example:"build"`
	Value json.RawMessage `json:"value,omitzero" doc:"Your own data. Any JSON; it is kept and shown with the job."`
}

// JobCompletion says how a job ends. Without members nothing is told.
type JobCompletion struct {
	Text     string          `json:"text,omitempty" maxLength:"65536" doc:"What the job's conversation is told, as plain text. At most one of text, markdown, activity, card, notice and template." example:"Your build is done."`
	Markdown string          `json:"markdown,omitempty" maxLength:"65536" doc:"What it is told, as Markdown, which channels show as far as they can." example:"Your build is **done**."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What it is told, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card     json.RawMessage `json:"card,omitzero" doc:"What it is shown, as an Adaptive Card of up to 100 kB."`
	Notice   *Notice         `json:"notice,omitempty" doc:"What it is told in its parts. Each channel is given the form of it that it shows best."`
	Summary  string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown. Not with activity, which has its own." example:"Build 7 is done"`
	Template *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
}

// JobProgress says how far a job has come. Exactly one of Text, Markdown, Activity, Card, Notice and Template is set.
type JobProgress struct {
	Text     string          `json:"text,omitempty" maxLength:"65536" doc:"What the job's conversation is told, as plain text. Exactly one of text, markdown, activity, card, notice and template." example:"Half of the tests have passed."`
	Markdown string          `json:"markdown,omitempty" maxLength:"65536" doc:"What it is told, as Markdown, which channels show as far as they can." example:"**Half** of the tests have passed."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What it is told, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card     json.RawMessage `json:"card,omitzero" doc:"What it is shown, as an Adaptive Card of up to 100 kB."`
	Notice   *Notice         `json:"notice,omitempty" doc:"What it is told in its parts. Each channel is given the form of it that it shows best."`
	Summary  string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown. Not with activity, which has its own." example:"Build 7 is half done"`
	Template *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
	Percent  *int            `json:"percent,omitempty" nullable:"false" minimum:"0" maximum:"100" doc:"How much is done. It is kept with the job." example:"50"`
}

// JobReport is what was told of a job's progress last.
type JobReport struct {
	Text         string    `json:"text,omitempty" doc:"What was told."`
	Percent      *int      `json:"percent,omitempty" doc:"How much is done."`
	At           time.Time `json:"at" doc:"When it was told."`
	Notification string    `json:"notification" doc:"The notification that tells it." example:"ntf_0zk3v9q2m7r4x"`
}

// Job is long work that was started in a conversation.
type Job struct {
	Number       int64           `json:"number" minimum:"1" doc:"Names the job. Numbers count up." example:"7"`
	State        string          `json:"state" enum:"running,completed" doc:"Where it stands."`
	Name         string          `json:"name,omitempty" doc:"As it was given."`
	Channel      string          `json:"channel" doc:"The channel." example:"directline"`
	Conversation string          `json:"conversation" doc:"The conversation's id on the channel."`
	Value        json.RawMessage `json:"value,omitzero" doc:"As it was given."`
	StartedAt    time.Time       `json:"started_at" doc:"When it was started."`
	CompletedAt  *time.Time      `json:"completed_at,omitempty" doc:"When it was completed."`
	Notification string          `json:"notification,omitempty" doc:"The notification that tells its end, if something is told." example:"ntf_0zk3v9q2m7r4x"`
	Progress     *JobReport      `json:"progress,omitempty" doc:"What was told of its progress last."`
}

// Jobs is one page of jobs.
type Jobs struct {
	Jobs       []Job  `json:"jobs" doc:"By number, lowest first."`
	NextCursor string `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}
