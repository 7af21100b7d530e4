// Package recur says when something recurs: at an instant, by a cron expression or by an RRULE (RFC 5545), on the clock
// of a time zone. It is arithmetic only: it looks at no clock and keeps nothing.
//
//	rule, err := recur.Parse(recur.Spec{Cron: "0 9 * * MON-FRI", Zone: "Europe/Berlin"})
//	next, ok := rule.Next(time.Now(), rule.Zone())
//
// A [Rule] names either local times, such as every day at half past two, or an interval, such as every quarter of an
// hour. The two differ where a clock is changed:
//
//   - A local time is reached at the first instant at which the clock shows it or a later time. One that is left out
//     when clocks go forward is so reached at the first instant after the gap, and one that is shown twice when they go
//     back is reached once, the first time.
//   - An interval goes by the time that passes: what is left out is not made up for, and what is shown twice counts
//     twice.
//
// A cron expression is an interval when its seconds, minutes or hours begin with * or name every value, an RRULE when its
// FREQ is HOURLY, MINUTELY or SECONDLY.
//
// Rules are written by strangers. Finding the next occurrence takes about a millisecond at the very worst: it looks
// [Horizon] ahead and no further, and what would take longer is refused by [Parse].
package recur

import (
	"fmt"
	"slices"
	"time"
)

// Horizon is how far after an instant its next occurrence may be. It reaches over the eight years without a leap day
// around 2100.
const Horizon = (8*366 + 1) * 24 * time.Hour

// Limits of a rule.
const (
	// MaxCount is the largest COUNT of an RRULE, whose occurrences are counted from its start every time.
	MaxCount = 1000
	// MaxExcept is how many exceptions a rule may have.
	MaxExcept = 500
	// MaxText is the longest cron expression or RRULE in bytes, with its other lines.
	MaxText = 16 << 10
	// FirstYear and LastYear bound all times that a rule names.
	FirstYear, LastYear = 1970, 2200
)

// Recipient is the zone that stands for whichever zone the recipient lives in.
const Recipient = "recipient"

// Spec is a rule as people write it. Exactly one of At, Cron and RRule is set. A moment is an instant such as
// 2026-12-24T18:00:00Z, or a local time such as 2026-12-24T18:00 on the zone's clock.
type Spec struct {
	// At is one moment.
	At string
	// Cron is an expression of five fields, or of six that begin with seconds.
	Cron string
	// RRule is the value of an RRULE property, or lines of an iCalendar object: DTSTART, one RRULE, EXDATE.
	RRule string
	// Start is the first moment that may be an occurrence. An RRULE takes from it what it does not say itself, such as
	// the time of day, and counts its intervals from it; it needs one.
	Start string
	// Until is the last moment that may be an occurrence. Empty means no end.
	Until string
	// Except are moments, or days such as 2026-12-24, at which there is none.
	Except []string
	// Zone is an IANA name, or [Recipient]. Empty means UTC.
	Zone string
	// Fallback is the zone of recipients whose zone nobody knows. Empty means UTC. Only with [Recipient].
	Fallback string
}

// Error says which member of a [Spec] is wrong, by its name in the HTTP API.
type Error struct {
	Field  string
	Reason string
}

func (e *Error) Error() string { return e.Field + ": " + e.Reason }

func wrong(field, reason string, args ...any) *Error {
	return &Error{field, fmt.Sprintf(reason, args...)}
}

// pattern is the part of a rule that recurs.
type pattern interface {
	// next is the first occurrence after an instant, no later than limit.
	next(after, limit time.Time, loc *time.Location) (time.Time, bool)
	// closest is how near two occurrences may be to each other.
	closest() time.Duration
}

// Rule is a rule that was read. It does not change; safe for concurrent use.
type Rule struct {
	pattern      pattern
	zone         *time.Location // nil for the recipient's
	fallback     *time.Location
	start, until moment
	except       []exception
}

// Parse reads a rule. Its error is an [*Error].
func Parse(s Spec) (*Rule, error) {
	s, err := unfold(s)
	if err != nil {
		return nil, err
	}
	r := &Rule{}
	if err := r.clocks(s); err != nil {
		return nil, err
	}
	if err := r.bounds(s); err != nil {
		return nil, err
	}
	set := 0
	for _, text := range []string{s.At, s.Cron, s.RRule} {
		if text != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, wrong("cron", "give exactly one of at, in, cron and rrule")
	case s.At != "":
		r.pattern, err = parseAt(s)
	case s.Cron != "":
		r.pattern, err = parseCron(s.Cron)
	default:
		r.pattern, err = parseRRule(s.RRule, r.start)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Rule) clocks(s Spec) (err error) {
	if s.Zone != Recipient {
		if s.Fallback != "" {
			return wrong("fallback_zone", "is only for the zone %s", Recipient)
		}
		if r.zone, err = Zone(s.Zone); err != nil {
			return wrong("zone", "%s", err)
		}
		r.fallback = r.zone
		return nil
	}
	if r.fallback, err = Zone(s.Fallback); err != nil {
		return wrong("fallback_zone", "%s", err)
	}
	return nil
}

func (r *Rule) bounds(s Spec) (err error) {
	if s.At != "" && (s.Start != "" || s.Until != "" || len(s.Except) > 0) {
		return wrong("at", "is one moment: start, until and except are for cron and rrule")
	}
	if r.start, err = parseMoment("start", s.Start); err != nil {
		return err
	}
	if r.until, err = parseMoment("until", s.Until); err != nil {
		return err
	}
	if len(s.Except) > MaxExcept {
		return wrong("except", "has more than %d entries", MaxExcept)
	}
	for i, text := range s.Except {
		x, err := parseException(fmt.Sprintf("except.%d", i), text)
		if err != nil {
			return err
		}
		r.except = append(r.except, x)
	}
	return nil
}

// PerRecipient reports whether the rule goes by the clock of each recipient.
func (r *Rule) PerRecipient() bool { return r.zone == nil }

// Zone is the rule's clock; that of recipients whose zone nobody knows, if it goes by theirs.
func (r *Rule) Zone() *time.Location { return r.fallback }

// Closest is how near two occurrences may be to each other by the clock; [Horizon] when there is only one.
func (r *Rule) Closest() time.Duration { return r.pattern.closest() }

// Next is the first occurrence after an instant on the clock of a zone, in UTC. It reports false when there is none
// within [Horizon].
func (r *Rule) Next(after time.Time, loc *time.Location) (time.Time, bool) {
	limit := after.Add(Horizon)
	if r.start.given() {
		if start := r.start.in(loc); after.Before(start) {
			after = start.Add(-1)
			limit = after.Add(Horizon)
		}
	}
	if r.until.given() {
		if until := r.until.in(loc); until.Before(limit) {
			limit = until
		}
	}
	// Each exception is met once; an occurrence that is none ends it.
	for range len(r.except) + maxPerDay {
		t, ok := r.pattern.next(after, limit, loc)
		if !ok || t.After(limit) {
			return time.Time{}, false
		}
		x, excepted := r.excepts(t, loc)
		if !excepted {
			return t.UTC(), true
		}
		after = x.last(t, loc)
	}
	return time.Time{}, false
}

// maxPerDay leaves room for exceptions that are met more than once, since a day can be.
const maxPerDay = 8

func (r *Rule) excepts(t time.Time, loc *time.Location) (exception, bool) {
	i := slices.IndexFunc(r.except, func(x exception) bool { return x.covers(t, loc) })
	if i < 0 {
		return exception{}, false
	}
	return r.except[i], true
}

// at is one moment.
type at struct{ moment }

func parseAt(s Spec) (pattern, error) {
	m, err := parseMoment("at", s.At)
	return at{m}, err
}

func (a at) next(after, _ time.Time, loc *time.Location) (time.Time, bool) {
	t := a.in(loc)
	return t, t.After(after)
}

func (at) closest() time.Duration { return Horizon }
