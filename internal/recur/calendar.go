package recur

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// calendar is a rule of days, weeks, months or years: a list of local times, of which those of one period are found at
// once. What fits in a month or a year is asked of the library, a period at a time, because it would look for a day that
// never comes until the year 9999.
type calendar struct {
	option       rrule.ROption
	start, until moment
	times        []wall // of the day, sorted; none when it is the start's
}

// timesOf lists the times of day that a rule names. A part that it leaves out is the start's, which depends on the zone
// when the start is an instant: then there are none.
func timesOf(o *rrule.ROption) []wall {
	if len(o.Byhour)*len(o.Byminute)*len(o.Bysecond) > maxTimes {
		return nil // it will be refused
	}
	var times []wall
	for _, h := range o.Byhour {
		for _, m := range o.Byminute {
			for _, s := range o.Bysecond {
				times = append(times, wall(h*3600+m*60+s))
			}
		}
	}
	return times
}

// perPeriod is at least how many occurrences there are in one period.
func (c *calendar) perPeriod() int {
	o := &c.option
	months := 1
	if o.Freq == rrule.YEARLY {
		if months = len(o.Bymonth); months == 0 {
			months = 12
		}
	}
	days := [...]int{31 * months, 31, 7, 1}[o.Freq]
	if o.Freq <= rrule.MONTHLY {
		inWeeks := 0
		for _, d := range o.Byweekday {
			if inWeeks += months; d.N() == 0 {
				inWeeks += 4 * months
			}
		}
		for _, n := range []int{len(o.Bymonthday) * months, inWeeks, len(o.Byyearday), 7 * len(o.Byweekno)} {
			if n > 0 {
				days = min(days, n)
			}
		}
		if inWeeks == 0 && len(o.Bymonthday)+len(o.Byyearday)+len(o.Byweekno) == 0 {
			days = months // the start's day
		}
	}
	return days * max(1, len(o.Byhour)) * max(1, len(o.Byminute)) * max(1, len(o.Bysecond))
}

// complete takes from the start what the rule does not say (RFC 5545, section 3.3.10).
func (c *calendar) complete(from time.Time) rrule.ROption {
	o := c.option
	o.Byhour, o.Byminute, o.Bysecond = orOne(o.Byhour, from.Hour()), orOne(o.Byminute, from.Minute()), orOne(o.Bysecond, from.Second())
	today := [...]rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}[from.Weekday()]
	someDay := len(o.Byweekday)+len(o.Bymonthday)+len(o.Byyearday) > 0
	switch {
	case someDay:
	case o.Freq == rrule.YEARLY && len(o.Byweekno) > 0, o.Freq == rrule.WEEKLY:
		o.Byweekday = []rrule.Weekday{today}
	case o.Freq == rrule.YEARLY:
		o.Bymonth, o.Bymonthday = orOne(o.Bymonth, int(from.Month())), []int{from.Day()}
	case o.Freq == rrule.MONTHLY:
		o.Bymonthday = []int{from.Day()}
	}
	return o
}

func orOne(list []int, v int) []int {
	if len(list) == 0 {
		return []int{v}
	}
	return list
}

// begin is the beginning of the period that is n intervals after the one that the start is in.
func (c *calendar) begin(from time.Time, n int) time.Time {
	y, m, d := from.Date()
	n *= c.option.Interval
	switch c.option.Freq {
	case rrule.YEARLY:
		return time.Date(y+n, 1, 1, 0, 0, 0, 0, time.UTC)
	case rrule.MONTHLY:
		return time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	case rrule.WEEKLY:
		into := (int(from.Weekday()) + 6 - c.option.Wkst.Day()) % 7
		return time.Date(y, m, d-into+7*n, 0, 0, 0, 0, time.UTC)
	case rrule.DAILY, rrule.HOURLY, rrule.MINUTELY, rrule.SECONDLY: // what is shorter than a day is not counted here
	}
	return time.Date(y, m, d+n, 0, 0, 0, 0, time.UTC)
}

// reached is the number of a period that begins at w or before.
func (c *calendar) reached(from time.Time, w wall) int {
	to, n := w.date(), 0
	switch c.option.Freq {
	case rrule.YEARLY:
		n = to.Year() - from.Year()
	case rrule.MONTHLY:
		n = 12*(to.Year()-from.Year()) + int(to.Month()) - int(from.Month())
	case rrule.WEEKLY:
		n = int(to.Sub(c.begin(from, 0)) / (7 * 24 * time.Hour))
	default:
		n = int(to.Sub(c.begin(from, 0)) / (24 * time.Hour))
	}
	return max(0, n/c.option.Interval)
}

func (c *calendar) next(after, limit time.Time, loc *time.Location) (time.Time, bool) {
	first := c.start.on(loc)
	from, now, last := first.date(), wallOf(after, loc), wallOf(limit, loc)
	if c.until.given() {
		last = min(last, c.until.on(loc))
	}
	o := c.complete(from)
	period := newPeriod(&o, c.times)
	n, seen := 0, 0
	if c.option.Count == 0 {
		n = c.reached(from, now)
	}
	for ; ; n++ {
		begin := c.begin(from, n)
		if wall(begin.Unix()) > last {
			return time.Time{}, false
		}
		for _, w := range period.in(begin) {
			if w < first {
				continue
			}
			if seen++; w > last || c.option.Count > 0 && seen > c.option.Count {
				return time.Time{}, false
			}
			if w <= now {
				continue
			}
			if t := firstAt(w, loc); t.After(after) {
				return t, true
			}
		}
	}
}

func (c *calendar) closest() time.Duration {
	times := c.times
	if len(times) == 0 { // on every clock that is some whole minutes from UTC they are as far apart
		o := c.complete(c.start.on(time.UTC).date())
		times = timesOf(&o)
	}
	least := day + times[0] - times[len(times)-1]
	for i := 1; i < len(times); i++ {
		least = min(least, times[i]-times[i-1])
	}
	return time.Duration(least) * time.Second
}

// period finds the occurrences of one period.
type period struct {
	o         *rrule.ROption
	times     []wall
	months    uint64
	monthDays []int
	weekDays  uint64
	found     []wall // reused
}

func newPeriod(complete *rrule.ROption, times []wall) *period {
	p := &period{o: complete, times: times, months: setOf(complete.Bymonth), monthDays: complete.Bymonthday}
	if len(times) == 0 {
		p.times = timesOf(complete)
	}
	for _, d := range complete.Byweekday {
		p.weekDays |= 1 << ((d.Day() + 1) % 7)
	}
	return p
}

// in lists the occurrences of the period that begins at a time, in order. The list is good until the next call.
func (p *period) in(begin time.Time) []wall {
	p.found = p.found[:0]
	switch p.o.Freq {
	case rrule.YEARLY:
		p.ask(begin, 10_000)
	case rrule.MONTHLY:
		if p.months == 0 || p.months&(1<<begin.Month()) != 0 {
			p.ask(begin, 12*10_000)
		}
	case rrule.WEEKLY:
		for range 7 {
			p.day(begin)
			begin = begin.AddDate(0, 0, 1)
		}
		p.choose()
	default:
		p.day(begin)
		p.choose()
	}
	return p.found
}

// ask has the library list one period. The interval takes it beyond its last year after that.
func (p *period) ask(begin time.Time, interval int) {
	defer func() {
		if recover() != nil { // no rule is known that does it, but it indexes a lot
			p.found = p.found[:0]
		}
	}()
	o := *p.o
	o.Dtstart, o.Interval, o.Count, o.Until = begin, interval, 0, time.Time{}
	rule, err := rrule.NewRRule(o)
	if err != nil {
		return // it was tried when the rule was read
	}
	each := rule.Iterator()
	for t, ok := each(); ok; t, ok = each() {
		p.found = append(p.found, wall(t.Unix()))
	}
	slices.Sort(p.found)
	p.found = slices.Compact(p.found)
}

// day adds the times of a day if it fits.
func (p *period) day(on time.Time) {
	if p.months != 0 && p.months&(1<<on.Month()) == 0 || p.weekDays != 0 && p.weekDays&(1<<on.Weekday()) == 0 ||
		!onMonthDay(p.monthDays, on) {
		return
	}
	for _, t := range p.times {
		p.found = append(p.found, wall(on.Unix())+t)
	}
}

// choose keeps the positions that BYSETPOS names.
func (p *period) choose() {
	if len(p.o.Bysetpos) == 0 || len(p.found) == 0 {
		return
	}
	n := len(p.found)
	kept := make([]wall, 0, len(p.o.Bysetpos))
	for i, w := range p.found {
		if slices.Contains(p.o.Bysetpos, i+1) || slices.Contains(p.o.Bysetpos, i-n) {
			kept = append(kept, w)
		}
	}
	p.found = kept
}

func onMonthDay(days []int, on time.Time) bool {
	if len(days) == 0 {
		return true
	}
	last := time.Date(on.Year(), on.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return slices.Contains(days, on.Day()) || slices.Contains(days, on.Day()-last-1)
}
