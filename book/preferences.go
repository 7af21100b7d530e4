package book

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/recur"
)

// Preferences are what somebody wants to be told, and when. Those of a human are the same in all conversations with the human
// alone; a group or a channel has its own. The zero value wants everything, as the operator has it. A value is shared, and must not be
// changed.
type Preferences struct {
	// OptedOut: nothing is wanted any more, but what is mandatory.
	OptedOut bool `json:"opted_out,omitzero"`
	// Stopped are the channels on which nothing at all may be said any more, since somebody has said so there: by STOP in an
	// SMS, or by the link in an e-mail.
	Stopped []activity.ChannelID `json:"stopped,omitempty"`
	// Topics are those of which something was said: whether they are wanted. All others are as the operator has them.
	Topics map[string]bool `json:"topics,omitempty"`
	// Quiet are the hours in which nothing is said that can wait. Nil are the operator's; empty are none.
	Quiet []Quiet `json:"quiet_hours,omitzero"`
	// TimeZone is the IANA name of the zone that hours and days are meant in. Empty is the one that the channel has told.
	TimeZone string `json:"time_zone,omitzero"`
	// Cap bounds how much is said in a day. Nil is the operator's.
	Cap *Cap `json:"cap,omitzero"`
	// Digest has notifications said together. Nil is the operator's.
	Digest *Digest `json:"digest,omitzero"`
	// ChangedAt is when they were changed last; zero for never.
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// Quiet is a span of quiet hours.
type Quiet struct {
	// From and To are times of the day. Where To is not after From the span ends on the next day.
	From TimeOfDay `json:"from"`
	To   TimeOfDay `json:"to"`
	// Days are those on which it begins: mon, tue, wed, thu, fri, sat, sun. None is every day.
	Days []Weekday `json:"days,omitempty"`
}

// Cap is how much may be said in a day, which is a day on the person's clock. Zero is as much as there is.
type Cap struct {
	PerDay   int `json:"per_day,omitzero"`
	PerTopic int `json:"per_topic,omitzero"`
}

// Digest says when what has come up is said, together.
type Digest struct {
	Every DigestEvery `json:"every"`
	// At is the time of the day, of a daily one. Zero is midnight.
	At TimeOfDay `json:"at,omitzero"`
}

// DigestEvery is how often.
type DigestEvery string

const (
	DigestOff    DigestEvery = "off" // each by itself, at once
	DigestHourly DigestEvery = "hourly"
	DigestDaily  DigestEvery = "daily"
)

// TimeOfDay is a time on a local clock, in minutes since midnight. As a text it is 22:00.
type TimeOfDay int16

// MarshalText implements [encoding.TextMarshaler].
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", int(t)/60, int(t)%60) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *TimeOfDay) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTimeOfDay(string(text))
	return err
}

// ParseTimeOfDay reads a time such as 22:00, up to 24:00.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	if len(text) == 5 && text[2] == ':' {
		hours, err := strconv.ParseUint(text[:2], 10, 8)
		minutes, bad := strconv.ParseUint(text[3:], 10, 8)
		if err == nil && bad == nil && minutes < 60 && hours*60+minutes <= dayMinutes {
			return TimeOfDay(hours*60 + minutes), nil //nolint:gosec // it is at most a day
		}
	}
	return 0, fmt.Errorf("%q is not a time such as 22:00", text)
}

const dayMinutes = 24 * 60

// Weekday is a day of the week: mon, tue, wed, thu, fri, sat, sun.
type Weekday string

var weekdays = []Weekday{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Limits of preferences.
const (
	MaxTopics    = 200
	MaxTopicName = 255
	MaxQuiet     = 7
	MaxCap       = 100_000
	maxStopped   = 8
)

// IsZero reports whether nothing was said of what is wanted.
func (p Preferences) IsZero() bool {
	return !p.OptedOut && len(p.Stopped) == 0 && len(p.Topics) == 0 && p.Quiet == nil && p.TimeZone == "" && p.Cap == nil && p.Digest == nil &&
		p.ChangedAt.IsZero()
}

// Spans are quiet hours for arithmetic.
func Spans(quiet []Quiet) []recur.Span {
	spans := make([]recur.Span, len(quiet))
	for i, q := range quiet {
		spans[i] = recur.Span{From: int(q.From), To: int(q.To)}
		for _, d := range q.Days {
			spans[i].Days = append(spans[i].Days, time.Weekday(slices.Index(weekdays, d)))
		}
	}
	return spans
}

// PreferenceChange changes preferences: those members that are set.
type PreferenceChange struct {
	// OptedOut as in [Preferences]. In a conversation by e-mail or SMS it is about that channel alone, and about everything there,
	// unless Everywhere: it was not said there, so that it is about all channels, and takes back nothing that was said there.
	OptedOut   *bool
	Everywhere bool
	// Topics are merged into those of which something was said; nil forgets what was said of one.
	Topics map[string]*bool
	// Quiet replaces the quiet hours; DefaultQuiet has the operator's again.
	Quiet        []Quiet
	DefaultQuiet bool
	// TimeZone, Cap and Digest replace what there was. A value that is empty, or zero, has the operator's again.
	TimeZone *string
	Cap      *Cap
	Digest   *Digest
	// By says for people how it was said, such as word, button, link, api; it goes into what is told of the change.
	By string
	// At is when.
	At time.Time
}

// PreferenceError says what is wrong with a change.
type PreferenceError struct{ Field, Reason string }

func (e *PreferenceError) Error() string { return "book: " + e.Field + " " + e.Reason }

// Validate reports what is wrong with a change; a [*PreferenceError].
func (c PreferenceChange) Validate() error {
	for name := range c.Topics {
		if name == "" || len(name) > MaxTopicName {
			return &PreferenceError{"topics", "has a name that is empty or longer than 255 bytes"}
		}
	}
	if len(c.Topics) > MaxTopics {
		return &PreferenceError{"topics", fmt.Sprintf("are more than %d", MaxTopics)}
	}
	if err := ValidateQuiet(c.Quiet); err != nil {
		return err
	}
	if c.TimeZone != nil {
		if _, err := recur.Zone(*c.TimeZone); err != nil {
			return &PreferenceError{"time_zone", err.Error()}
		}
	}
	if c.Cap != nil {
		if err := c.Cap.Validate(); err != nil {
			return err
		}
	}
	if c.Digest != nil {
		return c.Digest.Validate()
	}
	return nil
}

// ValidateQuiet reports what is wrong with quiet hours; a [*PreferenceError].
func ValidateQuiet(quiet []Quiet) error {
	if len(quiet) > MaxQuiet {
		return &PreferenceError{"quiet_hours", fmt.Sprintf("are more than %d spans", MaxQuiet)}
	}
	for _, q := range quiet {
		switch {
		case q.From < 0 || q.From >= dayMinutes:
			return &PreferenceError{"quiet_hours", "begin at no time of the day"}
		case q.To < 0 || q.To > dayMinutes:
			return &PreferenceError{"quiet_hours", "end at no time of the day"}
		case slices.ContainsFunc(q.Days, func(d Weekday) bool { return !slices.Contains(weekdays, d) }):
			return &PreferenceError{"quiet_hours", "have a day that is none of mon, tue, wed, thu, fri, sat, sun"}
		}
	}
	if _, free := freeTime(Spans(quiet)); !free {
		return &PreferenceError{"quiet_hours", "leave no time free"}
	}
	return nil
}

// freeTime looks whether spans leave some time of a week free.
func freeTime(spans []recur.Span) (time.Time, bool) {
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	end, _ := recur.Until(spans, begin, time.UTC)
	return end, end.Before(begin.AddDate(0, 0, 7))
}

// Validate reports what is wrong with a cap; a [*PreferenceError].
func (c Cap) Validate() error {
	if c.PerDay < 0 || c.PerTopic < 0 || c.PerDay > MaxCap || c.PerTopic > MaxCap {
		return &PreferenceError{"cap", fmt.Sprintf("is not between 0 and %d", MaxCap)}
	}
	return nil
}

// Within reports whether one more may be said after so many, and so many of its topic.
func (c Cap) Within(said, ofTopic int) bool {
	return (c.PerDay == 0 || said < c.PerDay) && (c.PerTopic == 0 || ofTopic < c.PerTopic)
}

// Validate reports what is wrong with a digest; a [*PreferenceError].
func (d Digest) Validate() error {
	switch {
	case d.Every != "" && d.Every != DigestOff && d.Every != DigestHourly && d.Every != DigestDaily:
		return &PreferenceError{"digest", "is none of off, hourly, daily"}
	case d.At != 0 && d.Every != DigestDaily:
		return &PreferenceError{"digest", "has a time, and is not daily"}
	case d.At < 0 || d.At >= dayMinutes:
		return &PreferenceError{"digest", "is at no time of the day"}
	}
	return nil
}

// StopsItself reports whether an opt-out on a channel is about that channel alone, and about everything there: laws and carriers
// ask for that where people are written to who never wrote.
func StopsItself(c activity.ChannelID) bool {
	return c == activity.ChannelEmail || c == activity.ChannelSMS || c == activity.ChannelTwilioSMS
}

// Change is what preferences become by a change, which somebody has made on a channel; empty for none.
func (p Preferences) Change(c PreferenceChange, on activity.ChannelID) Preferences {
	if c.Everywhere {
		on = ""
	}
	if c.OptedOut != nil {
		p = p.optOut(*c.OptedOut, on)
	}
	if len(c.Topics) > 0 {
		topics := maps.Clone(p.Topics)
		if topics == nil {
			topics = make(map[string]bool)
		}
		for name, wanted := range c.Topics {
			if wanted == nil {
				delete(topics, name)
			} else if _, known := topics[name]; known || len(topics) < MaxTopics {
				topics[name] = *wanted
			}
		}
		p.Topics = topics
	}
	switch {
	case c.DefaultQuiet:
		p.Quiet = nil
	case c.Quiet != nil:
		p.Quiet = slices.Clone(c.Quiet)
	}
	if c.TimeZone != nil {
		p.TimeZone = *c.TimeZone
	}
	if c.Cap != nil {
		p.Cap = orNil(*c.Cap)
	}
	if c.Digest != nil {
		p.Digest = orNil(*c.Digest)
	}
	p.ChangedAt = c.At
	return p
}

func orNil[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func (p Preferences) optOut(out bool, on activity.ChannelID) Preferences {
	stopped := slices.DeleteFunc(slices.Clone(p.Stopped), func(c activity.ChannelID) bool { return c == on })
	if StopsItself(on) && out && len(stopped) < maxStopped {
		stopped = append(stopped, on)
	}
	if p.Stopped = stopped; !StopsItself(on) || !out {
		p.OptedOut = out
	}
	return p
}

// Merged are the preferences of a human who was merged of two: whatever either does not want is not wanted, and where
// they differ in something else the later word counts.
func (p Preferences) Merged(q Preferences) Preferences {
	if q.IsZero() || p.IsZero() {
		if p.IsZero() {
			return q
		}
		return p
	}
	if q.ChangedAt.After(p.ChangedAt) {
		p, q = q, p
	}
	p.OptedOut = p.OptedOut || q.OptedOut
	for _, c := range q.Stopped {
		if !slices.Contains(p.Stopped, c) {
			p.Stopped = append(slices.Clone(p.Stopped), c)
		}
	}
	topics := maps.Clone(q.Topics)
	for name, wanted := range p.Topics {
		if before, said := topics[name]; said {
			wanted = wanted && before
		}
		if topics == nil {
			topics = make(map[string]bool)
		}
		topics[name] = wanted
	}
	p.Topics = topics
	if p.Quiet == nil {
		p.Quiet = q.Quiet
	}
	p.TimeZone = cmp.Or(p.TimeZone, q.TimeZone)
	p.Cap, p.Digest = cmp.Or(p.Cap, q.Cap), cmp.Or(p.Digest, q.Digest)
	return p
}

// EncodePreferences writes preferences for a store; empty for none.
func EncodePreferences(p Preferences) (string, error) {
	if p.IsZero() {
		return "", nil
	}
	raw, err := json.Marshal(p, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("book: encode preferences: %w", err)
	}
	return string(raw), nil
}

// DecodePreferences reads what EncodePreferences has written.
func DecodePreferences(text string) (p Preferences, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("book: decode preferences: %w", err)
	}
	return p, nil
}

// Whose says whose preferences are meant: those of a conversation, or of whom it is with; or, where Person is set, of a person of an
// app.
type Whose struct {
	Key    headsup.ConversationKey
	AppID  string
	Person PersonRow
}

// Preferred is what has become of preferences.
type Preferred struct {
	Before, Now Preferences
	// Rows are the conversations that they are those of.
	Rows []Row
}

// Preferrer is the part of a [Store] that is about what people want.
type Preferrer interface {
	// Prefer changes preferences, durably, in all conversations that they are those of, and in the same step has what senders
	// have put aside there looked at again: a claim that follows carries the new ones. A conversation that is found with a person
	// later has that person's; whoever is merged gets [Preferences.Merged], and who is split keeps what there was.
	// [ErrNotFound], [ErrNobody].
	Prefer(ctx context.Context, w Whose, c PreferenceChange) (Preferred, error)
	// PreferencesOf returns those of a person, or [ErrNobody].
	PreferencesOf(ctx context.Context, appID string, row PersonRow) (Preferences, error)
}
