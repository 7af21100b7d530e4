package recur

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	_ "time/tzdata" // so that a program needs no time zones on its machine
)

// wall is what a local clock shows: seconds since 1970 as if it were in UTC.
type wall int64

const day wall = 24 * 60 * 60

func wallOf(t time.Time, loc *time.Location) wall {
	_, offset := t.In(loc).Zone()
	return wall(t.Unix() + int64(offset))
}

// date is the wall's calendar as a time in UTC.
func (w wall) date() time.Time { return time.Unix(int64(w), 0).UTC() }

// firstAt is the first instant at which the clock shows w or a later time.
func firstAt(w wall, loc *time.Location) time.Time {
	const before = 26 * time.Hour // no clock is so far from UTC
	t := time.Unix(int64(w), 0).Add(-before).In(loc)
	for {
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		shown := time.Unix(int64(w)-int64(offset), 0)
		switch {
		case !start.IsZero() && shown.Before(start):
			return start.UTC() // it was left out
		case end.IsZero() || shown.Before(end):
			return shown.UTC()
		}
		t = end
	}
}

// moment is an instant, or a local time on some zone's clock. The zero value is none.
type moment struct {
	instant time.Time
	local   wall
	set     bool
}

func (m moment) given() bool { return m.set }

func (m moment) in(loc *time.Location) time.Time {
	if m.instant.IsZero() {
		return firstAt(m.local, loc)
	}
	return m.instant
}

// on is what the zone's clock shows at the moment.
func (m moment) on(loc *time.Location) wall {
	if m.instant.IsZero() {
		return m.local
	}
	return wallOf(m.instant, loc)
}

// localForms are those of RFC 3339 without offset, with and without seconds, and the one of RFC 5545.
var localForms = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "20060102T150405"}

func parseMoment(field, text string) (m moment, err error) {
	if text == "" {
		return m, nil
	}
	m.set = true
	for _, form := range []string{time.RFC3339Nano, "20060102T150405Z"} {
		if m.instant, err = time.Parse(form, text); err == nil {
			m.instant = m.instant.Truncate(time.Millisecond) // as exact as stores are
			return m, inRange(field, m.instant)
		}
	}
	m.instant = time.Time{}
	for _, form := range localForms {
		if t, err := time.Parse(form, text); err == nil {
			m.local = wall(t.Unix())
			return m, inRange(field, t)
		}
	}
	return m, wrong(field, "is not a time such as 2026-12-24T18:00:00Z or, on the zone's clock, 2026-12-24T18:00")
}

func inRange(field string, t time.Time) error {
	if y := t.Year(); y < FirstYear || y > LastYear {
		return wrong(field, "is not in the years %d to %d", FirstYear, LastYear)
	}
	return nil
}

// exception is a moment or a whole day.
type exception struct {
	moment
	day bool
}

func parseException(field, text string) (x exception, err error) {
	for _, form := range []string{time.DateOnly, "20060102"} {
		if t, err := time.Parse(form, text); err == nil {
			return exception{moment{local: wall(t.Unix()), set: true}, true}, inRange(field, t)
		}
	}
	x.moment, err = parseMoment(field, text)
	if err != nil {
		return x, wrong(field, "is not a day such as 2026-12-24 or a time such as 2026-12-24T18:00")
	}
	if !x.given() {
		return x, wrong(field, "is empty")
	}
	return x, nil
}

func (x exception) covers(t time.Time, loc *time.Location) bool {
	if x.day {
		w := wallOf(t, loc)
		return w >= x.local && w < x.local+day
	}
	return x.in(loc).Equal(t)
}

// last is an instant up to which everything after t that the exception covers is behind.
func (x exception) last(t time.Time, loc *time.Location) time.Time {
	if end := firstAt(x.local+day, loc).Add(-1); x.day && end.After(t) {
		return end
	}
	return t
}

// zoneName is what IANA's names look like. It keeps out paths, and files beside the zones.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)

var errZone = errors.New("is not a time zone of the IANA database such as Europe/Berlin")

var zones sync.Map // by name, of which there are some hundreds

// Zone returns a time zone by its IANA name; UTC for an empty one.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if found, ok := zones.Load(name); ok {
		loc, _ := found.(*time.Location)
		return loc, nil
	}
	if len(name) > 64 || !zoneName.MatchString(name) || strings.EqualFold(name, "local") {
		return nil, errZone
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, errZone
	}
	zones.Store(name, loc)
	return loc, nil
}
