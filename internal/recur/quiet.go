package recur

import "time"

// Span is a part of the day on a local clock, which begins on some days of the week.
type Span struct {
	// From and To are minutes since midnight, From below 1440 and To at most that. Where To is not after From the span ends on
	// the next day.
	From, To int
	// Days are those on which it begins. None is every day.
	Days []time.Weekday
}

const (
	minute wall = 60
	hour   wall = 60 * minute
)

// on reports whether the span begins on a day.
func (s Span) on(midnight wall) bool {
	if len(s.Days) == 0 {
		return true
	}
	is := midnight.date().Weekday()
	for _, d := range s.Days {
		if d == is {
			return true
		}
	}
	return false
}

// around is the occurrence of the span that covers t, if one does. Its ends are the first instants at which the clock shows
// them, or what comes after them where it leaves them out.
func (s Span) around(t time.Time, loc *time.Location) (end time.Time, covers bool) {
	today := midnight(t, loc)
	for _, begins := range [...]wall{today - day, today} {
		if !s.on(begins) {
			continue
		}
		to := begins + wall(s.To)*minute
		if s.To <= s.From {
			to += day
		}
		if from := firstAt(begins+wall(s.From)*minute, loc); from.After(t) {
			continue
		}
		if end := firstAt(to, loc); end.After(t) {
			return end, true
		}
	}
	return end, false
}

// midnight is the beginning of the local day that t is in, on the local clock.
func midnight(t time.Time, loc *time.Location) wall {
	w := wallOf(t, loc)
	return w - ((w%day)+day)%day
}

// Until is when no span covers t any more, and whether one does at all. Spans that leave no time free end after a week.
func Until(spans []Span, t time.Time, loc *time.Location) (end time.Time, covered bool) {
	end = t
	for last := t.AddDate(0, 0, 7); end.Before(last); {
		further := end
		for _, s := range spans {
			if to, covers := s.around(end, loc); covers && to.After(further) {
				further = to
			}
		}
		if further.Equal(end) {
			break
		}
		end = further
	}
	return end, end.After(t)
}

// Day is the local day that t is in: its first instant, and that of the next.
func Day(t time.Time, loc *time.Location) (begin, end time.Time) {
	today := midnight(t, loc)
	return firstAt(today, loc), firstAt(today+day, loc)
}

// NextHour is the first instant after t at which the local clock shows a full hour.
func NextHour(t time.Time, loc *time.Location) time.Time {
	w := wallOf(t, loc)
	return time.Unix(t.Unix()+int64(hour-(w%hour+hour)%hour), 0).UTC()
}

// NextDaily is the first instant after t at which the local clock shows a time of the day, in minutes since midnight, for the
// first time on a day.
func NextDaily(t time.Time, minutes int, loc *time.Location) time.Time {
	for begins := midnight(t, loc) - day; ; begins += day {
		if at := firstAt(begins+wall(minutes)*minute, loc); at.After(t) {
			return at
		}
	}
}
