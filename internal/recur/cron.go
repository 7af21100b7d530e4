package recur

import (
	"math/bits"
	"regexp"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// cron is an expression whose fields are sets, but for days that depend on their month, which gronx is asked about.
type cron struct {
	seconds, minutes, hours uint64
	months                  uint64
	monthDays, weekDays     days
	// either: it is enough that one of the two fields of days fits, because both are restricted (crontab(5)).
	either   bool
	interval bool
}

// days is one of the two fields of days.
type days struct {
	set    uint64
	varies []string // parts with L, W or #
	field  int
}

// Fields in the order of gronx, which counts from seconds.
const (
	fieldSecond = iota
	fieldMinute
	fieldHour
	fieldMonthDay
	fieldMonth
	fieldWeekDay
	fields
)

var fieldNames = [fields]string{"seconds", "minutes", "hours", "days of the month", "months", "days of the week"}

// fieldMax is the largest value of a field.
var fieldMax = [fields]int{59, 59, 23, 31, 12, 7}

// What a part of a field may look like, once names are numbers.
var (
	plainPart    = regexp.MustCompile(`^(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?$`)
	monthDayPart = regexp.MustCompile(`^(L|([1-9]|[12][0-9]|3[01])W|\?)$`)
	weekDayPart  = regexp.MustCompile(`^([0-7]L|[0-7]#[1-5]|\?)$`)
	monthName    = regexp.MustCompile(`JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC`)
	dayName      = regexp.MustCompile(`SUN|MON|TUE|WED|THU|FRI|SAT`)
)

func parseCron(text string) (pattern, error) {
	if len(text) > MaxText {
		return nil, wrong("cron", "is longer than %d bytes", MaxText)
	}
	given := strings.Fields(strings.ToUpper(text))
	if len(given) != 5 && len(given) != 6 && (len(given) != 1 || !strings.HasPrefix(given[0], "@")) {
		return nil, wrong("cron", "has %d fields; five are minutes, hours, days of the month, months and days of the week, six begin with seconds", len(given))
	}
	segments, err := gronx.Segments(text)
	if err != nil || len(segments) != fields {
		return nil, wrong("cron", "is not an expression such as 0 9 * * MON-FRI")
	}
	for i, field := range given {
		// Names are numbers in all fields for gronx.
		at := i + fields - len(given)
		if monthName.MatchString(field) && at != fieldMonth || dayName.MatchString(field) && at != fieldWeekDay {
			return nil, wrong("cron", "has %s where %s are", field, fieldNames[at])
		}
	}
	c := &cron{}
	var values [fields]uint64
	for field, segment := range segments {
		set, varies, err := parseField(field, segment)
		if err != nil {
			return nil, err
		}
		values[field] = set
		switch field {
		case fieldMonthDay:
			c.monthDays = days{set, varies, field}
		case fieldWeekDay:
			c.weekDays = days{set, varies, field}
		}
	}
	c.seconds, c.minutes, c.hours, c.months = values[fieldSecond], values[fieldMinute], values[fieldHour], values[fieldMonth]
	c.either = !star(segments[fieldMonthDay]) && !star(segments[fieldWeekDay])
	for field := fieldSecond; field <= fieldHour; field++ {
		if strings.HasPrefix(segments[field], "*") || bits.OnesCount64(values[field]) == fieldMax[field]+1 {
			c.interval = true
		}
	}
	return c, nil
}

// star reports whether a field of days does not restrict them by itself (crontab(5)).
func star(segment string) bool { return strings.HasPrefix(segment, "*") || segment == "?" }

// parseField reads a field as a set of values, and the parts of it that depend on the month.
func parseField(field int, segment string) (set uint64, varies []string, err error) {
	for part := range strings.SplitSeq(segment, ",") {
		switch {
		case field == fieldMonthDay && monthDayPart.MatchString(part), field == fieldWeekDay && weekDayPart.MatchString(part):
			if part != "?" {
				varies = append(varies, part)
				continue
			}
			part = "*"
		case !plainPart.MatchString(part):
			return 0, nil, wrong("cron", "has %q for the %s", part, fieldNames[field])
		}
		values, err := parsePart(field, part)
		if err != nil {
			return 0, nil, err
		}
		set |= values
	}
	for _, part := range varies {
		if _, err := due(field, part, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
			return 0, nil, wrong("cron", "has %q for the %s", part, fieldNames[field])
		}
	}
	return set, varies, nil
}

// parsePart asks gronx about every value of a field.
func parsePart(field int, part string) (set uint64, err error) {
	bad := wrong("cron", "has %q for the %s, which are %d to %d", part, fieldNames[field], firstOf(field), fieldMax[field])
	if _, step, ok := strings.Cut(part, "/"); ok && (len(step) > 2 || number(step) > fieldMax[field]) {
		return 0, bad
	}
	last := fieldMax[field]
	if field == fieldWeekDay {
		last = 6 // 7 is Sunday too
	}
	for v := firstOf(field); v <= last; v++ {
		fits, err := due(field, part, sample(field, v))
		if err != nil {
			return 0, bad
		}
		if fits {
			set |= 1 << v
		}
	}
	if set == 0 {
		return 0, bad
	}
	return set, nil
}

func firstOf(field int) int {
	if field == fieldMonthDay || field == fieldMonth {
		return 1
	}
	return 0
}

func number(digits string) int {
	n := 0
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}

// sample is a time at which a field has a value.
func sample(field, v int) time.Time {
	switch field {
	case fieldSecond:
		return time.Date(2024, 1, 1, 0, 0, v, 0, time.UTC)
	case fieldMinute:
		return time.Date(2024, 1, 1, 0, v, 0, 0, time.UTC)
	case fieldHour:
		return time.Date(2024, 1, 1, v, 0, 0, 0, time.UTC)
	case fieldMonth:
		return time.Date(2024, time.Month(v), 1, 0, 0, 0, 0, time.UTC)
	case fieldWeekDay:
		return time.Date(2024, 9, 1+v, 0, 0, 0, 0, time.UTC) // the 1st is a Sunday
	}
	return time.Date(2024, 1, v, 0, 0, 0, 0, time.UTC)
}

func due(field int, part string, on time.Time) (bool, error) {
	var c gronx.SegmentChecker
	c.SetRef(on)
	return c.CheckDue(part, field)
}

func (d *days) fit(value int, on time.Time) bool {
	if d.set&(1<<value) != 0 {
		return true
	}
	for _, part := range d.varies {
		if fits, err := due(d.field, part, on); fits && err == nil {
			return true
		}
	}
	return false
}

// onDay reports whether there are occurrences on a day.
func (c *cron) onDay(on time.Time) bool {
	if c.months&(1<<on.Month()) == 0 {
		return false
	}
	month := c.monthDays.fit(on.Day(), on)
	if c.either {
		return month || c.weekDays.fit(int(on.Weekday()), on)
	}
	return month && c.weekDays.fit(int(on.Weekday()), on)
}

// timeFrom is the first time of day, in seconds, that is from or later.
func (c *cron) timeFrom(from wall) (wall, bool) {
	h, m, s := int(from/3600), int(from/60%60), int(from%60)
	if c.hours&(1<<h) != 0 {
		if c.minutes&(1<<m) != 0 {
			if s := from64(c.seconds, s); s < 64 {
				return wall(h*3600 + m*60 + s), true
			}
		}
		if m := from64(c.minutes, m+1); m < 64 {
			return wall(h*3600 + m*60 + from64(c.seconds, 0)), true
		}
	}
	if h := from64(c.hours, h+1); h < 64 {
		return wall(h*3600 + from64(c.minutes, 0)*60 + from64(c.seconds, 0)), true
	}
	return 0, false
}

// from64 is the first value of a set that is v or larger; 64 for none.
func from64(set uint64, v int) int { return bits.TrailingZeros64(set &^ (1<<v - 1)) }

// from is the first local time that fits, from w to limit.
func (c *cron) from(w, limit wall) (wall, bool) {
	today := w - (w%day+day)%day
	at := w - today
	for ; today <= limit; today, at = today+day, 0 {
		if !c.onDay(today.date()) {
			continue
		}
		if t, ok := c.timeFrom(at); ok {
			return today + t, today+t <= limit
		}
	}
	return 0, false
}

func (c *cron) next(after, limit time.Time, loc *time.Location) (time.Time, bool) {
	if c.interval {
		return c.elapsed(after, limit, loc)
	}
	w, last := wallOf(after, loc), wallOf(limit, loc)
	for {
		var ok bool
		if w, ok = c.from(w+1, last); !ok {
			return time.Time{}, false
		}
		if t := firstAt(w, loc); t.After(after) {
			return t, true
		}
	}
}

// elapsed looks for the next second whose local time fits, in one stretch of time with the same offset after another.
func (c *cron) elapsed(after, limit time.Time, loc *time.Location) (time.Time, bool) {
	t := time.Unix(after.Unix()+1, 0).In(loc)
	for !t.After(limit) {
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		stop := limit
		if !end.IsZero() && end.Before(limit) {
			stop = end.Add(-1)
		}
		if w, ok := c.from(wall(t.Unix()+int64(offset)), wall(stop.Unix()+int64(offset))); ok {
			return time.Unix(int64(w)-int64(offset), 0), true
		}
		if end.IsZero() {
			break
		}
		t = end
	}
	return time.Time{}, false
}

func (c *cron) closest() time.Duration {
	first, _ := c.timeFrom(0) // no field is empty
	least := day
	for last := first; least > 1; {
		t, ok := wall(0), false
		if last+1 < day {
			t, ok = c.timeFrom(last + 1)
		}
		if !ok {
			least = min(least, first+day-last)
			break
		}
		least, last = min(least, t-last), t
	}
	return time.Duration(least) * time.Second
}
