// Package schedule keeps what recurs: rules, and the occurrences that they have had.
//
// A [Schedule] is a [Rule], such as a cron expression on the clock of a time zone, and what is to be told then, which is
// its owner's affair. [Store] keeps schedules, the clocks that say when each is next due, and every [Occurrence]. A
// [Runner] waits until one is due and asks its [Teller] what to tell; the notification is accepted in the transaction
// that makes the occurrence a row, so it is told once, by whichever node comes first, and whatever is killed when.
//
//	runner, err := schedule.NewRunner(schedule.Config{Store: store, Teller: engine})
//	go runner.Run(ctx)
//
// Package proactive is what most programs use: its engine is the teller.
package schedule

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/recur"
	"github.com/headsup-bot/headsup/outbox"
)

// Errors of stores.
var (
	ErrNotFound = errors.New("schedule: no such schedule")
	// ErrKeyReused: the idempotency key belongs to a schedule with other content.
	ErrKeyReused = errors.New("schedule: the idempotency key was used for another schedule")
	// ErrTooMany: the app has as many schedules as it may have.
	ErrTooMany = errors.New("schedule: the app has too many schedules")
	// ErrChanged: somebody else has changed the schedule, or told the occurrence, meanwhile.
	ErrChanged = errors.New("schedule: it was changed meanwhile")
)

// ID names a schedule. It is positive, unique over all nodes and grows with time.
type ID int64

// String is the id as people see it.
func (id ID) String() string { return ident.Text("sch", int64(id)) }

// ParseID reads what [ID.String] wrote, or returns [ErrNotFound].
func ParseID(text string) (ID, error) {
	n, err := ident.Parse("sch", text)
	if err != nil {
		return 0, ErrNotFound
	}
	return ID(n), nil
}

// Recipient is the zone that stands for whichever zone a recipient lives in.
const Recipient = recur.Recipient

// Rule says when. Exactly one of At, Cron and RRule is set. A moment is an instant such as 2026-12-24T18:00:00Z, or a
// local time such as 2026-12-24T18:00 on the zone's clock.
//
// A local time that is left out when clocks go forward is reached at the first instant after the gap; one that is shown
// twice when they go back, the first time only. Intervals, such as */15 or FREQ=HOURLY, go by the time that passes.
type Rule struct {
	// At is one moment.
	At string `json:"at,omitzero"`
	// Cron is an expression of five fields, or of six that begin with seconds. Names of months and days, L, W and # are
	// understood. When both fields of days are restricted, either is enough.
	Cron string `json:"cron,omitzero"`
	// RRule is a recurrence rule of RFC 5545, or lines with DTSTART, one RRULE and EXDATE.
	RRule string `json:"rrule,omitzero"`
	// Start is the first moment that may be an occurrence. An RRULE counts from it and takes from it what it does not say
	// itself; empty means, for an RRULE, when it is scheduled.
	Start string `json:"start,omitzero"`
	// Until is the last moment that may be an occurrence. Empty means no end.
	Until string `json:"until,omitzero"`
	// Except are moments, or days such as 2026-12-24, at which there is none.
	Except []string `json:"except,omitzero"`
	// Zone is an IANA name, or [Recipient]: then there is an occurrence for each zone among the recipients, who are told
	// at their local time. Empty means UTC.
	Zone string `json:"zone,omitzero"`
	// FallbackZone is that of recipients whose zone nobody knows. Empty means UTC. Only with [Recipient].
	FallbackZone string `json:"fallback_zone,omitzero"`
}

func (r Rule) parse() (*recur.Rule, error) {
	parsed, err := recur.Parse(recur.Spec{
		At: r.At, Cron: r.Cron, RRule: r.RRule, Start: r.Start, Until: r.Until, Except: r.Except, Zone: r.Zone,
		Fallback: r.FallbackZone,
	})
	if wrong, ok := errors.AsType[*recur.Error](err); ok {
		return nil, &RuleError{Field: wrong.Field, Reason: wrong.Reason}
	}
	return parsed, err
}

// RuleError says which member of a [Rule] is wrong, by its name in JSON.
type RuleError struct {
	Field  string
	Reason string
}

func (e *RuleError) Error() string { return "schedule: rule: " + e.Field + ": " + e.Reason }

// Complete returns the rule with what it leaves open settled at a time, or a [*RuleError]: an RRULE without a start begins
// then. least is how near two occurrences may be to each other.
func (r Rule) Complete(now time.Time, least time.Duration) (Rule, error) {
	parsed, err := r.parse()
	if wrong, ok := errors.AsType[*RuleError](err); ok && wrong.Field == "start" && r.RRule != "" && r.Start == "" {
		loc, zoneErr := r.clock()
		if zoneErr != nil {
			return r, zoneErr
		}
		r.Start = now.In(loc).Format("2006-01-02T15:04:05")
		parsed, err = r.parse()
	}
	if err != nil {
		return r, err
	}
	if closest := parsed.Closest(); closest < least {
		field := "cron"
		if r.RRule != "" {
			field = "rrule"
		}
		return r, &RuleError{field, fmt.Sprintf("has occurrences %v apart, and %v is the least", closest, least)}
	}
	return r, nil
}

// clock is the zone's; that of recipients whose zone nobody knows, if it goes by theirs.
func (r Rule) clock() (*time.Location, error) {
	name, field := r.Zone, "zone"
	if r.PerRecipient() {
		name, field = r.FallbackZone, "fallback_zone"
	}
	loc, err := recur.Zone(name)
	if err != nil {
		return nil, &RuleError{field, err.Error()}
	}
	return loc, nil
}

// PerRecipient reports whether the rule goes by the clock of each recipient.
func (r Rule) PerRecipient() bool { return r.Zone == Recipient }

// BaseZone is the name of the rule's zone; that of recipients whose zone nobody knows, if it goes by theirs. Never empty.
func (r Rule) BaseZone() string {
	name := r.Zone
	if r.PerRecipient() {
		name = r.FallbackZone
	}
	if name == "" {
		return "UTC"
	}
	return name
}

// Next lists up to n occurrences after a time on the clock of a zone, or returns a [*RuleError]. An empty zone is
// [Rule.BaseZone]. There are fewer when the rule ends, or the next one is more than eight years after the one before.
func (r Rule) Next(after time.Time, zone string, n int) ([]time.Time, error) {
	parsed, err := r.parse()
	if err != nil {
		return nil, err
	}
	loc := parsed.Zone()
	if zone != "" && zone != r.BaseZone() {
		if loc, err = recur.Zone(zone); err != nil {
			return nil, &RuleError{"zone", err.Error()}
		}
	}
	var all []time.Time
	for range n {
		next, ok := parsed.Next(after, loc)
		if !ok {
			break
		}
		all = append(all, next)
		after = next
	}
	return all, nil
}

// Clocks says when a rule is next due after a time in each of some zones; those in which it is not are left out. A rule
// that does not go by the recipients' clocks has one clock, whatever the zones.
func (r Rule) Clocks(after time.Time, zones []string) ([]Clock, error) {
	names := []string{r.BaseZone()}
	if r.PerRecipient() {
		names = append(names, zones...)
	}
	var clocks []Clock
	seen := make(map[string]bool)
	for _, zone := range names {
		if seen[zone] {
			continue
		}
		seen[zone] = true
		next, err := r.Next(after, zone, 1)
		if err != nil {
			return nil, err
		}
		if len(next) > 0 {
			clocks = append(clocks, Clock{Zone: zone, NextAt: next[0]})
		}
	}
	return clocks, nil
}

// Known reports whether a zone can be gone by.
func Known(zone string) bool {
	_, err := recur.Zone(zone)
	return err == nil && zone != ""
}

// Local is a time on the clock of a zone, or in UTC if the zone is not known.
func Local(t time.Time, zone string) time.Time {
	loc, err := recur.Zone(zone)
	if err != nil {
		loc = time.UTC
	}
	return t.In(loc)
}

// Missed says what becomes of occurrences that nobody told when they were due, because nothing ran.
type Missed string

const (
	// FireLate tells each of them late, the last [MaxCatchUp] at most. Also the zero value's meaning.
	FireLate Missed = "fire_late"
	// Skip tells none of them.
	Skip Missed = "skip"
	// Coalesce tells the last of them for all.
	Coalesce Missed = "coalesce"
)

// Limits.
const (
	// MaxCatchUp is how many missed occurrences of one clock are told late.
	MaxCatchUp = 100
	// DefaultGrace is how late an occurrence may be without having been missed, and MaxGrace how late at most.
	DefaultGrace = time.Minute
	MaxGrace     = 24 * time.Hour
	// KeepOccurrences is how many occurrences of a schedule are kept, the newest.
	KeepOccurrences = 1000
	// MaxSchedules and MinInterval are what an app may have when nothing else is said.
	MaxSchedules = 1_000_000
	MinInterval  = 10 * time.Second
)

// Clock says when a schedule is due next in a zone.
type Clock struct {
	Zone   string
	NextAt time.Time
}

// State is where a schedule stands.
type State string

const (
	// StateActive: it is due some time. StatePaused: it waits for somebody to resume it. StateEnded: it is not due any
	// more.
	StateActive State = "active"
	StatePaused State = "paused"
	StateEnded  State = "ended"
)

// Schedule is what is told, and when.
type Schedule struct {
	ID    ID
	AppID string
	// Tenant is the tenant of a channel that it is bound to: whom it tells is looked for there only. It never changes. Empty
	// binds it to none.
	Tenant activity.TenantID
	// Name is for people; may be empty.
	Name string
	// Key is the idempotency key, unique per app and tenant; empty for none. Fingerprint tells whether two requests with the
	// same key are the same.
	Key         string
	Fingerprint []byte
	Rule        Rule
	Missed      Missed
	// Grace is how late an occurrence may be without having been missed.
	Grace time.Duration
	// Template is what is told, as the [Teller] understands it.
	Template jsontext.Value
	// Revision counts up with every change, from 1. The store sets it.
	Revision int64
	// Occurrences is the number of the latest occurrence; 0 before the first. The store sets it.
	Occurrences          int64
	CreatedAt, UpdatedAt time.Time
	// PausedAt is when it was paused; zero when it is not.
	PausedAt time.Time
	// Clocks are in the order of their times, and of their zones. A paused schedule has none.
	Clocks []Clock
}

// State is where the schedule stands.
func (s *Schedule) State() State {
	switch {
	case !s.PausedAt.IsZero():
		return StatePaused
	case len(s.Clocks) == 0:
		return StateEnded
	}
	return StateActive
}

// Result is what became of an occurrence.
type Result string

const (
	// Fired: its notification was accepted. Skipped: there is none.
	Fired   Result = "fired"
	Skipped Result = "skipped"
)

// Reasons of occurrences that were skipped, and of those that were told for others.
const (
	ReasonMissed    = "missed"    // the policy is to skip those, or they were more than are told late
	ReasonNobody    = "nobody"    // there is nobody to tell
	ReasonExpired   = "expired"   // it is too late to tell it
	ReasonInvalid   = "invalid"   // what is to be told cannot be told
	ReasonRestored  = "restored"  // the store was restored from a backup, and it may have been told since that was made
	ReasonCoalesced = "coalesced" // it was told for earlier ones too
)

// Occurrence is one time at which a schedule was due.
type Occurrence struct {
	// Number counts up per schedule from 1, in the order in which they were told. The store sets it.
	Number int64
	// Zone is whose clock it was due on, and At when.
	Zone   string
	At     time.Time
	Result Result
	Reason string
	// Message is the notification; 0 for none. The store sets it.
	Message outbox.MessageID
	// FiredAt is when it became what it is.
	FiredAt time.Time
	// Others is how many more occurrences, before it or after it, share its fate; those beyond some thousand are not
	// counted.
	Others int
}
