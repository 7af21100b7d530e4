package recur

import (
	"time"

	"github.com/teambition/rrule-go"
)

// stepper is a rule of hours, minutes or seconds: every so often from the start, if the local time fits.
type stepper struct {
	start, until           moment
	step                   int64 // seconds
	count                  int
	months, hours, minutes uint64 // sets; 0 is all
	monthDays              []int
	weekDays               uint64
}

// maxSteps bounds the search for one occurrence.
const maxSteps = 5000

func newStepper(o *rrule.ROption, start, until moment) (pattern, error) {
	s := &stepper{
		start: start, until: until, count: o.Count,
		months: setOf(o.Bymonth), hours: setOf(o.Byhour), minutes: setOf(o.Byminute), monthDays: o.Bymonthday,
	}
	for _, d := range o.Byweekday {
		s.weekDays |= 1 << ((d.Day() + 1) % 7)
	}
	unit := map[rrule.Frequency]int64{rrule.HOURLY: 3600, rrule.MINUTELY: 60, rrule.SECONDLY: 1}[o.Freq]
	switch {
	case len(o.Bysecond) > 0 || len(o.Bysetpos) > 0:
		return nil, wrong("rrule", "has BYSECOND or BYSETPOS, which are not for FREQ=%s", o.Freq)
	case len(o.Byminute) > 0 && o.Freq == rrule.HOURLY && o.Interval > 1:
		return nil, wrong("rrule", "has BYMINUTE with FREQ=HOURLY and an INTERVAL; use FREQ=MINUTELY")
	case len(o.Byminute) > 0 && o.Freq == rrule.HOURLY:
		unit = 60 // so many minutes of every hour
	}
	s.step = unit * int64(o.Interval)
	return s, nil
}

func setOf(list []int) (set uint64) {
	for _, v := range list {
		set |= 1 << v
	}
	return set
}

func (s *stepper) next(after, limit time.Time, loc *time.Location) (time.Time, bool) {
	if s.until.given() {
		if until := s.until.in(loc); until.Before(limit) {
			limit = until
		}
	}
	base := s.start.in(loc).Unix()
	t := base
	if s.count == 0 {
		t = s.from(base, after.Unix()+1)
	}
	seen := 0
	for range maxSteps + s.count {
		now := time.Unix(t, 0).In(loc)
		if now.After(limit) {
			break
		}
		if skip := s.skip(now, loc); skip > 0 {
			t = s.from(base, skip)
			continue
		}
		if seen++; s.count > 0 && seen > s.count {
			break
		}
		if now.After(after) {
			return now, true
		}
		t += s.step
	}
	return time.Time{}, false
}

// from is the first step that is at a time or later.
func (s *stepper) from(base, at int64) int64 {
	if at <= base {
		return base
	}
	return base + (at-base+s.step-1)/s.step*s.step
}

// skip is 0 when a time fits; else an instant before which none fits.
func (s *stepper) skip(t time.Time, loc *time.Location) int64 {
	w := wallOf(t, loc)
	shown := w.date()
	y, m, d := shown.Date()
	var to wall
	switch {
	case s.months != 0 && s.months&(1<<m) == 0:
		to = wall(time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Unix())
	case s.weekDays != 0 && s.weekDays&(1<<shown.Weekday()) == 0, !onMonthDay(s.monthDays, shown):
		to = wall(time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).Unix())
	case s.hours != 0 && s.hours&(1<<shown.Hour()) == 0:
		to = w - w%3600 + 3600
	case s.minutes != 0 && s.minutes&(1<<shown.Minute()) == 0:
		to = w - w%60 + 60
	default:
		return 0
	}
	at := t.Unix() + int64(to-w)
	if _, end := t.ZoneBounds(); !end.IsZero() { // then the clock is changed, and shows something else
		at = min(at, end.Unix())
	}
	return at
}

func (s *stepper) closest() time.Duration { return time.Duration(s.step) * time.Second }
