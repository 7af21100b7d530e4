package api

import "time"

// Preferences are what somebody wants to be told, and when.
type Preferences struct {
	OptedOut   bool              `json:"opted_out" doc:"Nothing is wanted any more, but topics that are mandatory."`
	Stopped    []string          `json:"stopped,omitempty" doc:"Channels on which nothing at all is said any more, since somebody has said so there: by STOP in an SMS, or by the link in an e-mail."`
	Topics     map[string]string `json:"topics,omitempty" doc:"Topics of which something was said: on or off. All others are as the configuration has them." example:"{\"deals\":\"off\"}"`
	QuietHours []QuietHours      `json:"quiet_hours,omitempty" doc:"When nothing is said that can wait. Left out: as the configuration has it; empty: never, and quiet is false."`
	Quiet      *bool             `json:"quiet,omitempty" doc:"False for somebody who has no quiet hours, whatever the configuration says."`
	TimeZone   string            `json:"time_zone,omitempty" doc:"IANA name of the zone that hours and days are meant in. Left out: as the channel has told." example:"Europe/Berlin"`
	Cap        *Cap              `json:"cap,omitempty" doc:"How much is said in a day. Left out: as the configuration has it."`
	Digest     *Digest           `json:"digest,omitempty" doc:"Whether notifications are said together. Left out: as the configuration has it."`
	ChangedAt  *time.Time        `json:"changed_at,omitempty" doc:"When they were changed last."`
}

// QuietHours are a span of the day on the person's clock.
type QuietHours struct {
	From string   `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"When it begins." example:"22:00"`
	To   string   `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$" doc:"When it ends; on the next day, where that is not after it begins." example:"07:00"`
	Days []string `json:"days,omitempty" maxItems:"7" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"Days on which it begins. All, if not given."`
}

// Cap is how much may be said in a day on the person's clock.
type Cap struct {
	PerDay   int `json:"per_day,omitempty" minimum:"0" maximum:"100000" doc:"Of everything. 0 is as much as there is."`
	PerTopic int `json:"per_topic,omitempty" minimum:"0" maximum:"100000" doc:"Of each topic. 0 is as much as there is."`
}

// Digest says when what has come up is said together.
type Digest struct {
	Every string `json:"every" enum:"off,hourly,daily" doc:"off says each by itself, at once."`
	At    string `json:"at,omitempty" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"With daily: at what time on the person's clock. Midnight, if not given." example:"09:00"`
}

// PreferenceChange changes preferences: those members that are given.
type PreferenceChange struct {
	OptedOut   *bool             `json:"opted_out,omitempty" doc:"Whether nothing is wanted any more. Through a conversation by e-mail or SMS it is about that channel alone, and about everything there."`
	Topics     map[string]string `json:"topics,omitempty" maxProperties:"200" doc:"What is said of topics: on, off, or default to forget what was said. All others stay as they are." example:"{\"deals\":\"off\"}"`
	Quiet      string            `json:"quiet,omitempty" enum:"none,default" doc:"none for no quiet hours; default for those of the configuration."`
	QuietHours []QuietHours      `json:"quiet_hours,omitempty" maxItems:"7" doc:"Replaces the quiet hours."`
	TimeZone   *string           `json:"time_zone,omitempty" maxLength:"64" doc:"IANA name of the person's zone; empty for the one that the channel tells."`
	Cap        *Cap              `json:"cap,omitempty" doc:"Replaces the cap. One without members is that of the configuration."`
	Digest     *DigestChange     `json:"digest,omitempty" doc:"Replaces the digest."`
}

// DigestChange is a digest, or the configuration's.
type DigestChange struct {
	Every string `json:"every" enum:"off,hourly,daily,default" doc:"off says each by itself, at once; default is as the configuration has it."`
	At    string `json:"at,omitempty" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"With daily: at what time on the person's clock. Midnight, if not given." example:"09:00"`
}

// Words for topics in preferences.
const (
	TopicOn      = "on"
	TopicOff     = "off"
	TopicDefault = "default"
)
