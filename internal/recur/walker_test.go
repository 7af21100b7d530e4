package recur_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/internal/recur"
)

// The walker goes through real time a minute at a time and looks at the clock on the wall. It knows nothing of how the
// package finds occurrences.
type walker struct {
	loc      *time.Location
	fits     func(at, shown time.Time) bool // shown is on the wall at the instant, as a time in UTC
	interval bool                           // by the time that passes
}

func (w walker) shown(t time.Time) time.Time {
	_, offset := t.In(w.loc).Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// walk lists the occurrences after from, up to to. Both are whole minutes.
func (w walker) walk(from, to time.Time) []time.Time {
	var all []time.Time
	latest := w.shown(from)
	for t := from.Add(-48 * time.Hour); t.Before(from); t = t.Add(30 * time.Minute) { // what was shown before clocks went back
		if shown := w.shown(t); shown.After(latest) {
			latest = shown
		}
	}
	for t := from.Add(time.Minute); !t.After(to); t = t.Add(time.Minute) {
		shown := w.shown(t)
		if w.interval {
			if w.fits(t, shown) {
				all = append(all, t.UTC())
			}
			continue
		}
		hit := false
		for m := latest.Add(time.Minute); !m.After(shown); m = m.Add(time.Minute) {
			hit = hit || w.fits(t, m)
		}
		if shown.After(latest) {
			latest = shown
		}
		if hit {
			all = append(all, t.UTC())
		}
	}
	return all
}

var walked = []string{
	"UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Sao_Paulo",
	"America/Caracas", "America/Havana", "America/Scoresbysund", "America/Asuncion", "Africa/Casablanca", "Africa/Cairo",
	"Asia/Tehran", "Asia/Kathmandu", "Asia/Pyongyang", "Asia/Gaza", "Asia/Amman", "Australia/Lord_Howe", "Australia/Adelaide",
	"Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Norfolk",
}

// someTime is a minute, most often a little after one at which a clock is changed.
func someTime(t *rapid.T, loc *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(1104537600, 1956528000).Draw(t, "around"), 0).In(loc) // 2005 to 2032
	if _, end := at.ZoneBounds(); !end.IsZero() && rapid.IntRange(0, 9).Draw(t, "near a change") > 0 {
		at = end.Add(time.Duration(rapid.IntRange(-120, 30*60).Draw(t, "minutes after")) * time.Minute)
	}
	return at.Truncate(time.Minute).UTC()
}

// field is a set of numbers and its text.
func field(t *rapid.T, name string, low, high int) (set map[int]bool, text string) {
	set = make(map[int]bool)
	add := func(from, to, step int) {
		for v := from; v <= to; v += step {
			set[v] = true
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, name) {
	case 0:
		add(low, high, 1)
		return set, "*"
	case 1:
		step := rapid.IntRange(1, high/2).Draw(t, name+" step")
		add(low, high, step)
		return set, fmt.Sprintf("*/%d", step)
	case 2:
		from := rapid.IntRange(low, high).Draw(t, name+" from")
		to := rapid.IntRange(from, high).Draw(t, name+" to")
		step := rapid.IntRange(1, high/2).Draw(t, name+" step")
		add(from, to, step)
		return set, fmt.Sprintf("%d-%d/%d", from, to, step)
	}
	var parts []string
	for _, v := range rapid.SliceOfN(rapid.IntRange(low, high), 1, 4).Draw(t, name+" values") {
		set[v] = true
		parts = append(parts, fmt.Sprint(v))
	}
	return set, strings.Join(parts, ",")
}

func someCron(t *rapid.T) (text string, w walker) {
	minutes, minuteText := field(t, "minutes", 0, 59)
	hours, hourText := field(t, "hours", 0, 23)
	days, dayText := field(t, "days of the month", 1, 31)
	months, monthText := field(t, "months", 1, 12)
	weekDays, weekDayText := field(t, "days of the week", 0, 6)
	if rapid.Bool().Draw(t, "every month") {
		months, monthText = nil, "*"
	}
	either := dayText[0] != '*' && weekDayText[0] != '*'
	w.interval = minuteText[0] == '*' || hourText[0] == '*' || len(minutes) == 60 || len(hours) == 24
	w.fits = func(_, shown time.Time) bool {
		day := days[shown.Day()] && weekDays[int(shown.Weekday())]
		if either {
			day = days[shown.Day()] || weekDays[int(shown.Weekday())]
		}
		return day && (months == nil || months[int(shown.Month())]) && hours[shown.Hour()] && minutes[shown.Minute()]
	}
	return strings.Join([]string{minuteText, hourText, dayText, monthText, weekDayText}, " "), w
}

// list is some values of a part of an RRULE, or nil.
func list(t *rapid.T, name string, low, high int) []int {
	if rapid.Bool().Draw(t, "no "+name) {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.IntRange(low, high), 1, 4, rapid.ID).Draw(t, name)
}

func part(name string, values []int) string {
	if values == nil {
		return ""
	}
	return ";" + name + "=" + strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", ","), "[]")
}

func in(values []int, v int) bool { return values == nil || slices.Contains(values, v) }

var weekDayNames = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

// someRRule is a rule that starts on the wall at a time.
func someRRule(t *rapid.T, loc *time.Location, start time.Time) (text string, w walker) {
	freq := rapid.SampledFrom([]string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"}).Draw(t, "freq")
	every := rapid.IntRange(1, 5).Draw(t, "interval")
	w.interval = freq == "HOURLY" || freq == "MINUTELY"
	if freq == "MINUTELY" {
		every = rapid.IntRange(1, 2000).Draw(t, "interval of minutes")
	}
	months, weekDays := list(t, "months", 1, 12), list(t, "week days", 0, 6)
	if rapid.IntRange(0, 2).Draw(t, "in every month") > 0 {
		months = nil
	}
	hours, minutes := list(t, "hours", 0, 23), list(t, "minutes", 0, 59)
	if w.interval && freq == "HOURLY" && every > 1 {
		minutes = nil
	}
	var days []int
	if freq != "WEEKLY" {
		for _, d := range list(t, "days", 1, 31) {
			if rapid.IntRange(0, 3).Draw(t, "from the end") == 0 {
				d = -d
			}
			days = append(days, d)
		}
	}
	text = "FREQ=" + freq + part("INTERVAL", []int{every}) + part("BYMONTH", months) + part("BYMONTHDAY", days) +
		part("BYHOUR", hours) + part("BYMINUTE", minutes)
	if weekDays != nil {
		var names []string
		for _, d := range weekDays {
			names = append(names, weekDayNames[d])
		}
		text += ";BYDAY=" + strings.Join(names, ",")
	}

	// What is not said is the start's.
	if !w.interval {
		if hours == nil {
			hours = []int{start.Hour()}
		}
		if minutes == nil {
			minutes = []int{start.Minute()}
		}
	}
	if days == nil && weekDays == nil {
		switch freq {
		case "YEARLY":
			days = []int{start.Day()}
			if months == nil {
				months = []int{int(start.Month())}
			}
		case "MONTHLY":
			days = []int{start.Day()}
		case "WEEKLY":
			weekDays = []int{int(start.Weekday())}
		}
	}
	const day = 24 * time.Hour
	monday := func(t time.Time) time.Time {
		return t.Truncate(day).Add(-time.Duration((int(t.Weekday())+6)%7) * day)
	}
	step := time.Duration(every) * time.Minute
	if freq == "HOURLY" && minutes == nil {
		step *= 60
	}
	begin := w.reached(loc, start)
	w.fits = func(at, shown time.Time) bool {
		last := time.Date(shown.Year(), shown.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		due := !shown.Before(start)
		switch freq {
		case "YEARLY":
			due = due && (shown.Year()-start.Year())%every == 0
		case "MONTHLY":
			due = due && (12*(shown.Year()-start.Year())+int(shown.Month()-start.Month()))%every == 0
		case "WEEKLY":
			due = due && int(monday(shown).Sub(monday(start))/(7*day))%every == 0
		case "DAILY":
			due = due && int(shown.Truncate(day).Sub(start.Truncate(day))/day)%every == 0
		default:
			due = !at.Before(begin) && at.Sub(begin)%step == 0
		}
		return due && in(months, int(shown.Month())) &&
			(in(days, shown.Day()) || slices.Contains(days, shown.Day()-last-1)) && in(weekDays, int(shown.Weekday())) &&
			in(hours, shown.Hour()) && in(minutes, shown.Minute())
	}
	return text, w
}

// reached is the first minute at which the wall shows a time or a later one.
func (w walker) reached(loc *time.Location, shown time.Time) time.Time {
	w.loc = loc
	at := shown.Add(-27 * time.Hour)
	for w.shown(at).Before(shown) {
		at = at.Add(time.Minute)
	}
	return at
}

func TestWalker(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(walked).Draw(t, "zone")
		loc, err := recur.Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		from, to := someDays(t, loc)
		spec := recur.Spec{Zone: name}
		var w walker
		if rapid.Bool().Draw(t, "cron") {
			spec.Cron, w = someCron(t)
		} else {
			start := from.Add(time.Duration(rapid.IntRange(-2000*24*60, 2*24*60).Draw(t, "start")) * time.Minute)
			spec.Start = start.Format("2006-01-02T15:04")
			spec.RRule, w = someRRule(t, loc, start)
		}
		w.loc = loc
		rule, err := recur.Parse(spec)
		if err != nil {
			return // too much at once, which is tested elsewhere
		}
		compare(t, spec, rule, w, from, to)
		for range 4 { // the same elsewhere in time
			from, to := someDays(t, loc)
			compare(t, spec, rule, w, from, to)
		}
	})
}

// someDays are some days, most often around a change of the clock.
func someDays(t *rapid.T, loc *time.Location) (from, to time.Time) {
	to = someTime(t, loc)
	return to.Add(-time.Duration(rapid.IntRange(1, 4*24).Draw(t, "hours")) * time.Hour), to
}

func compare(t *rapid.T, spec recur.Spec, rule *recur.Rule, w walker, from, to time.Time) {
	var got []time.Time
	for at := from; ; {
		next, ok := rule.Next(at, w.loc)
		if !ok || next.After(to) {
			break
		}
		if !next.After(at) {
			t.Fatalf("%+v: %v follows %v", spec, next, at)
		}
		got = append(got, next)
		at = next
	}
	want := w.walk(from, to)
	if !slices.EqualFunc(got, want, time.Time.Equal) {
		t.Fatalf("%+v from %v to %v:\n got %s\nwant %s", spec, from.In(w.loc), to.In(w.loc),
			firstFew(got, want, w.loc), firstFew(want, got, w.loc))
	}
}

// firstFew are the first of some times that are not among others.
func firstFew(some, others []time.Time, loc *time.Location) (few []string) {
	for _, at := range some {
		if len(few) < 5 && !slices.ContainsFunc(others, at.Equal) {
			few = append(few, at.In(loc).Format(time.RFC3339))
		}
	}
	return append(few, fmt.Sprintf("of %d", len(some)))
}
