package api

import (
	"encoding/json"
	"time"
)

// ScheduleRule says when something is told. Exactly one of At, In, Cron and RRule is set.
type ScheduleRule struct {
	At           string   `json:"at,omitempty" maxLength:"64" doc:"Once: an instant such as 2026-12-24T18:00:00Z, or a local time such as 2026-12-24T18:00 on the zone's clock." example:"2026-12-24T18:00"`
	In           string   `json:"in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"Once, so long from now: a number with unit ms, s, m or h, or several. It is kept as at." example:"1h30m"`
	Cron         string   `json:"cron,omitempty" maxLength:"1024" doc:"A cron expression: minutes, hours, days of the month, months, days of the week; six fields begin with seconds. Names, L, W and # are understood. When both fields of days are restricted, either is enough." example:"0 9 * * MON-FRI"`
	RRule        string   `json:"rrule,omitempty" maxLength:"16384" doc:"A recurrence rule of RFC 5545, or lines with DTSTART, one RRULE and EXDATE. COUNT is at most 1,000." example:"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"`
	Start        string   `json:"start,omitempty" maxLength:"64" doc:"The first moment that may be an occurrence, written like at. An rrule counts from it and takes from it what it does not say, such as the time of day; it starts now, if not given." example:"2026-12-01T09:00"`
	Until        string   `json:"until,omitempty" maxLength:"64" doc:"The last moment that may be an occurrence, written like at." example:"2027-06-30T09:00"`
	Except       []string `json:"except,omitempty" maxItems:"500" doc:"Moments, or days such as 2026-12-24, at which nothing is told."`
	Zone         string   `json:"zone,omitempty" maxLength:"64" doc:"Whose clock: an IANA time zone; or recipient, for that of each recipient: then there is an occurrence for every zone among them. UTC, if not given." example:"Europe/Berlin"`
	FallbackZone string   `json:"fallback_zone,omitempty" maxLength:"64" doc:"With the zone recipient, the zone of those whose own nobody knows. UTC, if not given." example:"Europe/Berlin"`
}

// ScheduledNotification is what a schedule tells, each time. Exactly one of Text, Markdown, Activity, Card, Notice and Template is set.
type ScheduledNotification struct {
	To           Target          `json:"to" doc:"Whom to tell. Exactly one member. Who that is, is looked up each time."`
	Text         string          `json:"text,omitempty" maxLength:"65536" doc:"What to say, as plain text. Exactly one of text, markdown, activity, card, notice and template." example:"Time for the stand-up."`
	Markdown     string          `json:"markdown,omitempty" maxLength:"65536" doc:"What to say, as Markdown, which channels show as far as they can." example:"Time for the **stand-up**."`
	Activity     json.RawMessage `json:"activity,omitzero" doc:"What to say, as an activity of the Bot Framework protocol. Its address is filled in when it is sent."`
	Card         json.RawMessage `json:"card,omitzero" doc:"What to show, as an Adaptive Card of up to 100 kB."`
	Notice       *Notice         `json:"notice,omitempty" doc:"What to say in its parts. Each channel is given the form of it that it shows best."`
	Summary      string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown. Not with activity, which has its own." example:"Stand-up"`
	Template     *TemplateUse    `json:"template,omitempty" doc:"What to say, as a template says it of data, to each recipient in their language. Instead of all the above."`
	ExpiresIn    string          `json:"expires_in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"What is not delivered so long after an occurrence is not delivered any more." example:"15m"`
	Lane         string          `json:"lane,omitempty" enum:"urgent,normal,bulk" doc:"How pressing it is; normal, if not given."`
	OnUnknown    string          `json:"on_unknown,omitempty" enum:"retry,hold" doc:"What to do when the channel's answer was lost: retry delivers at least once, hold at most once. retry, if not given."`
	Conversation string          `json:"conversation,omitempty" enum:"existing,new" doc:"new opens a new conversation with the person, where the channel can. existing, if not given."`
	Topic        string          `json:"topic,omitempty" maxLength:"255" doc:"Groups notifications of one kind." example:"stand-up"`
	CollapseKey  string          `json:"collapse_key,omitempty" maxLength:"255" doc:"In each of its conversations it replaces what waits there under the same key, such as what an earlier occurrence told." example:"stand-up"`
	Locale       string          `json:"locale,omitempty" maxLength:"64" doc:"The message's language, BCP 47." example:"en-GB"`
	Value        json.RawMessage `json:"value,omitzero" doc:"Your own data. Any JSON; it is kept and shown with the notification."`
	Manners
}

// ScheduleRequest asks for a schedule.
type ScheduleRequest struct {
	Name         string                `json:"name,omitempty" maxLength:"255" doc:"A name for people." example:"stand-up"`
	Rule         ScheduleRule          `json:"rule" doc:"When."`
	Notification ScheduledNotification `json:"notification" doc:"What is told, and to whom."`
	Missed       string                `json:"missed,omitempty" enum:"fire_late,skip,coalesce" doc:"What becomes of occurrences that were missed because no server ran: fire_late tells each, the last 100 at most; skip tells none; coalesce tells the last for all. fire_late, if not given."`
	Grace        string                `json:"grace,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How late an occurrence may be without having been missed, from 1s to 24h; 1m, if not given." example:"5m"`
}

// ScheduleChange changes a schedule. What is not given stays as it is.
type ScheduleChange struct {
	Name         *string                `json:"name,omitzero" maxLength:"255" doc:"A name for people."`
	Rule         *ScheduleRule          `json:"rule,omitempty" doc:"Replaces the whole rule, which holds from now on."`
	Notification *ScheduledNotification `json:"notification,omitempty" doc:"Replaces all that is told, and to whom, from now on."`
	Missed       string                 `json:"missed,omitempty" enum:"fire_late,skip,coalesce" doc:"What becomes of occurrences that are missed."`
	Grace        string                 `json:"grace,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"How late an occurrence may be without having been missed."`
}

// Schedule is something that is told at times.
type Schedule struct {
	ID           string                `json:"id" doc:"Names the schedule." example:"sch_0zk3v9q2m7r4x"`
	Name         string                `json:"name,omitempty" doc:"As it was given." example:"stand-up"`
	Tenant       string                `json:"tenant,omitempty" doc:"The tenant that it is bound to, because the key was that it was made with: nobody is told elsewhere."`
	State        string                `json:"state" enum:"active,paused,ended" doc:"Whether it is due some time; paused ones wait to be resumed, ended ones are not due any more."`
	Rule         ScheduleRule          `json:"rule" doc:"When. What was left open is filled in."`
	Notification ScheduledNotification `json:"notification" doc:"What is told, and to whom; instead of a reference or an address, the conversation that it names."`
	Missed       string                `json:"missed" enum:"fire_late,skip,coalesce" doc:"What becomes of occurrences that are missed."`
	Grace        string                `json:"grace" doc:"How late an occurrence may be without having been missed." example:"1m0s"`
	Next         *OccurrenceTime       `json:"next,omitempty" doc:"When it is due next; not given when it is not."`
	Zones        int                   `json:"zones" doc:"On the clocks of how many zones it is due."`
	Occurrences  int64                 `json:"occurrences" doc:"How many occurrences it has had."`
	PausedAt     *time.Time            `json:"paused_at,omitempty" doc:"When it was paused."`
	CreatedAt    time.Time             `json:"created_at" doc:"When it was made."`
	UpdatedAt    time.Time             `json:"updated_at" doc:"When it was changed last."`
}

// Schedules is one page of schedules.
type Schedules struct {
	Schedules  []Schedule `json:"schedules" doc:"Newest first."`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// OccurrenceTime is a time at which a schedule is due.
type OccurrenceTime struct {
	At    time.Time `json:"at" doc:"The instant." example:"2026-12-01T08:00:00Z"`
	Zone  string    `json:"zone" doc:"Whose clock." example:"Europe/Berlin"`
	Local string    `json:"local" doc:"What that clock shows." example:"2026-12-01T09:00:00+01:00"`
}

// SchedulePreviewRequest asks when a rule is due.
type SchedulePreviewRequest struct {
	Rule ScheduleRule `json:"rule" doc:"When."`
	N    int          `json:"n,omitzero" minimum:"1" maximum:"100" default:"10" doc:"How many occurrences; 10, if not given."`
}

// SchedulePreview tells when a rule is due.
type SchedulePreview struct {
	Rule *ScheduleRule    `json:"rule,omitempty" doc:"The rule as it would be kept: what was left open is filled in. Only for a rule that is not kept."`
	Next []OccurrenceTime `json:"next" doc:"The next occurrences, in order. There are fewer than asked for when the rule ends."`
}

// Occurrence is one time at which a schedule was due.
type Occurrence struct {
	Number       int64     `json:"number" doc:"Counts up from 1." example:"7"`
	At           time.Time `json:"at" doc:"When it was due."`
	Zone         string    `json:"zone" doc:"On whose clock."`
	Local        string    `json:"local" doc:"What that clock showed." example:"2026-12-01T09:00:00+01:00"`
	State        string    `json:"state" enum:"fired,skipped" doc:"fired: its notification was accepted; skipped: there is none."`
	Reason       string    `json:"reason,omitempty" doc:"Why it was skipped (missed, nobody, expired, invalid, restored), or coalesced for one that was told for earlier ones too." example:"missed"`
	Others       int       `json:"others,omitzero" doc:"How many more occurrences it stands for; those beyond 1,000 are not counted."`
	Notification string    `json:"notification,omitempty" doc:"The notification." example:"ntf_0zk3v9q2m7r4x"`
	FiredAt      time.Time `json:"fired_at" doc:"When it became what it is."`
	LateMS       int64     `json:"late_ms" doc:"How long that was after it was due, in milliseconds."`
}

// Occurrences is one page of a schedule's occurrences.
type Occurrences struct {
	Occurrences []Occurrence `json:"occurrences" doc:"Newest first. The newest 1,000 are kept."`
	NextCursor  string       `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// ScheduleDeleted tells what became of what a schedule had told.
type ScheduleDeleted struct {
	Cancelled []string `json:"cancelled" doc:"The notifications that were cancelled."`
}
