package recur

import (
	"slices"
	"strings"

	"github.com/teambition/rrule-go"
)

// Limits of an RRULE besides those of [Spec].
const (
	// maxInterval is the largest INTERVAL.
	maxInterval = 10_000
	// maxTimes is how many times of day a rule of days or longer periods may name, and maxPeriod how many occurrences it
	// may have in one of its periods: they are found a period at a time.
	maxTimes  = 288
	maxPeriod = 2500
)

// unfold reads the lines of an iCalendar object (RFC 5545, section 3.1): what they say goes where a [Spec] has it.
func unfold(s Spec) (Spec, error) {
	if len(s.RRule) > MaxText {
		return s, wrong("rrule", "is longer than %d bytes", MaxText)
	}
	text := strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "", "\r", "").Replace(strings.TrimSpace(s.RRule))
	s.Except = slices.Clone(s.Except)
	rule := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		head, value, property := strings.Cut(line, ":")
		if !property {
			head, value = "RRULE", line
		}
		name, params, _ := strings.Cut(strings.ToUpper(head), ";")
		if line == "" {
			continue
		}
		switch name {
		case "RRULE":
			if rule != "" {
				return s, wrong("rrule", "has two rules")
			}
			rule = value
		case "DTSTART":
			if s.Start != "" {
				return s, wrong("rrule", "has a DTSTART beside start")
			}
			s.Start = value
			if len(value) == len("20060102") {
				s.Start += "T000000"
			}
		case "EXDATE":
			s.Except = append(s.Except, strings.Split(value, ",")...)
		default:
			return s, wrong("rrule", "has %q; it may have DTSTART, RRULE and EXDATE", clip(name))
		}
		if params == "" {
			continue
		}
		zone, err := zoneParam(head)
		if err != nil {
			return s, err
		}
		if zone != "" && s.Zone != "" && s.Zone != zone {
			return s, wrong("rrule", "has another TZID than zone")
		}
		if zone != "" {
			s.Zone = zone
		}
	}
	s.RRule = rule
	return s, nil
}

// zoneParam reads TZID from a property's parameters, and skips VALUE, which tells nothing that the value does not.
func zoneParam(head string) (zone string, err error) {
	for _, p := range strings.Split(head, ";")[1:] {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(name) {
		case "TZID":
			zone = value
		case "VALUE":
		default:
			return "", wrong("rrule", "has the parameter %q; it may have TZID and VALUE", clip(name))
		}
	}
	return zone, nil
}

// clip keeps what strangers wrote short in messages.
func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}

// parts are what an RRULE may say, and which lists of numbers they are.
var parts = []string{
	"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY", "BYMONTHDAY", "BYYEARDAY",
	"BYWEEKNO", "BYMONTH", "BYSETPOS",
}

func parseRRule(text string, start moment) (pattern, error) {
	if !start.given() {
		return nil, wrong("start", "is needed: an rrule counts from it")
	}
	said := make(map[string]string)
	for part := range strings.SplitSeq(strings.Trim(strings.ToUpper(text), "; "), ";") {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || value == "" || !slices.Contains(parts, name):
			return nil, wrong("rrule", "has %q, which is no part of a rule such as FREQ=WEEKLY;BYDAY=MO", clip(part))
		case said[name] != "":
			return nil, wrong("rrule", "has %s twice", name)
		}
		said[name] = value
	}
	until, err := parseMoment("rrule", said["UNTIL"])
	if len(said["UNTIL"]) == len("20060102") {
		until, err = parseMoment("rrule", said["UNTIL"]+"T235959") // the whole day
	}
	if err != nil {
		return nil, wrong("rrule", "has an UNTIL that is not a time such as 20261224T180000Z")
	}
	if said["COUNT"] != "" && until.given() {
		return nil, wrong("rrule", "has COUNT and UNTIL; give one of them")
	}
	delete(said, "UNTIL")
	var plain []string
	for _, name := range parts {
		if value := said[name]; value != "" {
			plain = append(plain, name+"="+value)
		}
	}
	o, err := rrule.StrToROption(strings.Join(plain, ";"))
	if err != nil {
		return nil, wrong("rrule", "is not a rule such as FREQ=WEEKLY;BYDAY=MO: %s", clip(err.Error()))
	}
	if err := checkRRule(o, said); err != nil {
		return nil, err
	}
	if o.Freq >= rrule.HOURLY {
		return newStepper(o, start, until)
	}
	c := &calendar{option: *o, start: start, until: until, times: timesOf(o)}
	switch n := c.perPeriod(); {
	case max(1, len(o.Byhour))*max(1, len(o.Byminute))*max(1, len(o.Bysecond)) > maxTimes:
		return nil, wrong("rrule", "names more than %d times of a day; use FREQ=MINUTELY or FREQ=HOURLY", maxTimes)
	case n > maxPeriod:
		return nil, wrong("rrule", "may have %d occurrences in one period, and at most %d can be; choose a shorter FREQ", n, maxPeriod)
	}
	return c, nil
}

// checkRRule holds a rule to what RFC 5545, section 3.3.10, allows, and to our limits.
func checkRRule(o *rrule.ROption, said map[string]string) error {
	o.Interval = max(o.Interval, 1)
	if said["FREQ"] == "" {
		return wrong("rrule", "has no FREQ")
	}
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{{"INTERVAL", o.Interval, maxInterval}, {"COUNT", o.Count, MaxCount}} {
		if said[n.name] != "" && (n.value < 1 || n.value > n.most || strings.Trim(said[n.name], "0") == "") {
			return wrong("rrule", "has a %s that is not between 1 and %d", n.name, n.most)
		}
	}
	for _, list := range []*[]int{
		&o.Bysecond, &o.Byminute, &o.Byhour, &o.Bymonthday, &o.Byyearday, &o.Byweekno, &o.Bymonth, &o.Bysetpos,
	} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if _, err := rrule.NewRRule(*o); err != nil {
		return wrong("rrule", "is out of bounds: %s", err)
	}
	numbered := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	far := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() > 5 || d.N() < -5 })
	yearly, monthly := o.Freq == rrule.YEARLY, o.Freq == rrule.MONTHLY
	switch {
	case len(o.Byweekno) > 0 && !yearly:
		return wrong("rrule", "has BYWEEKNO, which is for FREQ=YEARLY")
	case len(o.Byyearday) > 0 && !yearly:
		return wrong("rrule", "has BYYEARDAY, which is for FREQ=YEARLY")
	case len(o.Bymonthday) > 0 && o.Freq == rrule.WEEKLY:
		return wrong("rrule", "has BYMONTHDAY, which is not for FREQ=WEEKLY")
	case numbered && !yearly && !monthly, numbered && len(o.Byweekno) > 0:
		return wrong("rrule", "has a BYDAY with a number, which is for FREQ=MONTHLY and FREQ=YEARLY without BYWEEKNO")
	case far && (monthly || len(o.Bymonth) > 0):
		return wrong("rrule", "has a BYDAY with a number beyond 5 in a month")
	case len(o.Bysetpos) > 0 && !strings.Contains(strings.ReplaceAll(o.RRuleString(), "BYSETPOS", ""), "BY"):
		return wrong("rrule", "has BYSETPOS without another BY part")
	}
	return nil
}
