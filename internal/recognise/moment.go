package recognise

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Instant is a point in time as somebody has said it.
type Instant struct {
	Time              time.Time
	HasDate, HasClock bool
}

// longestMoment is how many words and signs a date may have.
const longestMoment = 20

// Moment reads a text that is a date, a time of day or both, and nothing else. now says when it was said, and in which
// zone. Days without a year, and weekdays, are the next ones; "next Friday" is that of next week. Hours are of 24, unless
// something says which half of the day they are in.
func Moment(locale, text string, now time.Time) (Instant, bool) {
	if at, ok := standard(strings.TrimSpace(text), now.Location()); ok {
		return at, true
	}
	lang, region := split(locale)
	p := &reader{
		cal: calendars[LanguageOf(locale)], numbers: vocabularies[LanguageOf(locale)], now: now, tokens: scan(plain(text)),
		monthFirst: LanguageOf(locale) == English && (lang != "en" || region == "" || region == "US" || region == "PH"),
	}
	if len(p.tokens) == 0 || len(p.tokens) > longestMoment {
		return Instant{}, false
	}
	for p.i < len(p.tokens) {
		if !p.rule() || p.failed {
			return Instant{}, false
		}
	}
	return p.resolve()
}

// standard reads what programs write.
func standard(text string, zone *time.Location) (Instant, bool) {
	for layout, clock := range map[string]bool{
		time.RFC3339: true, "2006-01-02T15:04:05": true, "2006-01-02T15:04": true, "2006-01-02 15:04": true, time.DateOnly: false,
	} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return Instant{at.In(zone), true, clock}, true
		}
	}
	return Instant{}, false
}

// token is a word, a number or a sign.
type token struct {
	text  string
	value int // of a number; -1 else
}

// scan splits a text that is plain. Signs that say nothing are left out.
func scan(text string) []token {
	var out []token
	runes := []rune(text)
	if len(runes) > 200 {
		return nil
	}
	for i := 0; i < len(runes); {
		end := i
		switch r := runes[i]; {
		case r >= '0' && r <= '9':
			for end < len(runes) && runes[end] >= '0' && runes[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(string(runes[i:end]))
			if err != nil {
				return nil
			}
			out = append(out, token{string(runes[i:end]), n})
		case unicode.IsLetter(r):
			for end < len(runes) && unicode.IsLetter(runes[end]) {
				end++
			}
			out = append(out, token{string(runes[i:end]), -1})
		case strings.ContainsRune(":./-", r):
			end++
			out = append(out, token{string(r), -1})
		case unicode.IsSpace(r) || strings.ContainsRune(",'’!?º°", r):
			end++
		default:
			return nil
		}
		i = end
	}
	return out
}

// reader reads tokens from left to right and gathers what they say.
type reader struct {
	cal        calendar
	numbers    vocabulary
	now        time.Time
	monthFirst bool
	tokens     []token
	i          int

	failed    bool // the same was said twice, or what was said is no date
	date      *day
	weekday   *weekday
	hour, min int
	clock     bool
	part      period
	span      time.Duration
	spanned   bool
	preposed  bool // what comes next is a time of day
}

type day struct {
	year  int // 0 if none was said
	month time.Month
	day   int
}

type weekday struct {
	day        time.Weekday
	next, this bool
}

// rule takes what comes next, and reports whether it means anything.
func (p *reader) rule() bool {
	pre := p.preposed
	p.preposed = false
	switch {
	case p.agoOrIn(), p.dayPeriod(), p.relativeDay(), p.numericDate(pre), p.writtenDate(pre), p.dayOfWeek(), p.clockTime(pre):
		return true
	case p.phrase(p.cal.at):
		p.preposed = true
		return true
	case p.phrase(p.cal.fill), p.sign("."), p.sign("-"):
		return true
	}
	return false
}

// peek returns the token n places on.
func (p *reader) peek(n int) token {
	if p.i+n >= len(p.tokens) {
		return token{"", -1}
	}
	return p.tokens[p.i+n]
}

func (p *reader) sign(s string) bool {
	if p.peek(0).text != s {
		return false
	}
	p.i++
	return true
}

// follows returns how many tokens a phrase takes at a place, or 0 if another one stands there. Signs between words of a
// phrase do not matter: "après-demain".
func (p *reader) follows(at int, phrase string) int {
	n := 0
	for _, word := range strings.Fields(phrase) {
		for n > 0 && (p.peek(at+n).text == "-" || p.peek(at+n).text == ".") {
			n++
		}
		if p.peek(at+n).text != word {
			return 0
		}
		n++
	}
	return n
}

// phrase takes the longest of several.
func (p *reader) phrase(list []string) bool {
	n := 0
	for _, one := range list {
		n = max(n, p.follows(0, one))
	}
	p.i += n
	return n > 0
}

// lookup takes the longest phrase of a map and returns what it stands for.
func lookup[V any](p *reader, at int, m map[string]V) (v V, used int) {
	for one, value := range m {
		if n := p.follows(at, one); n > used {
			v, used = value, n
		}
	}
	return v, used
}

// number reads a number below a hundred, or an article, in digits or one word.
func (p *reader) number(at int) (n, used int) {
	t := p.peek(at)
	if t.value >= 0 {
		return t.value, 1
	}
	if n, ok := p.numbers.small[t.text]; ok {
		return n, 1
	}
	if slices.Contains(p.numbers.articles, t.text) {
		return 1, 1
	}
	return 0, 0
}

// agoOrIn reads "in two weeks", "3 days ago".
func (p *reader) agoOrIn() bool {
	start, sign := p.i, 1
	switch {
	case p.phrase(p.cal.in):
	case p.phrase(p.cal.ago):
		sign = -1
	case len(p.cal.agoAfter) > 0:
		sign = 0
	default:
		return false
	}
	n, used := p.number(0)
	if used == 0 {
		p.i = start
		return false
	}
	of, more := lookup(p, used, p.cal.units)
	if more == 0 || n > 10000 {
		p.i = start
		return false
	}
	p.i += used + more
	if sign == 0 {
		if !p.phrase(p.cal.agoAfter) {
			p.i = start
			return false
		}
		sign = -1
	}
	p.move(n*sign, of)
	return true
}

// move says how far from now.
func (p *reader) move(n int, of unit) {
	y, m, d := p.now.Date()
	switch of {
	case minutes, hours:
		step := time.Minute
		if of == hours {
			step = time.Hour
		}
		p.failed = p.failed || p.spanned || p.clock
		p.span, p.spanned = time.Duration(n)*step, true
	case days, weeks:
		if of == weeks {
			n *= 7
		}
		at := time.Date(y, m, d+n, 12, 0, 0, 0, time.UTC)
		p.setDate(at.Year(), at.Month(), at.Day())
	case months, years:
		if of == years {
			n *= 12
		}
		first := time.Date(y, m+time.Month(n), 1, 12, 0, 0, 0, time.UTC)
		p.setDate(first.Year(), first.Month(), min(d, daysIn(first.Year(), first.Month())))
	}
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 12, 0, 0, 0, time.UTC).Day()
}

func (p *reader) setDate(year int, month time.Month, d int) {
	p.failed = p.failed || p.date != nil
	p.date = &day{year, month, d}
}

// dayPeriod reads "pm", "de la tarde".
func (p *reader) dayPeriod() bool {
	part, used := lookup(p, 0, p.cal.periods)
	if used == 0 {
		return false
	}
	p.failed = p.failed || p.part != 0
	p.part = part
	p.i += used
	return true
}

// relativeDay reads "tomorrow".
func (p *reader) relativeDay() bool {
	n, used := lookup(p, 0, p.cal.relative)
	if used == 0 {
		return false
	}
	p.i += used
	p.move(n, days)
	return true
}

// numericDate reads "5.1.2027", "1/5", "2027-01-05".
func (p *reader) numericDate(pre bool) bool {
	a, sep, b := p.peek(0), p.peek(1).text, p.peek(2)
	if a.value < 0 || b.value < 0 || !slices.Contains([]string{".", "/", "-"}, sep) || pre && p.peek(3).text != sep {
		return false
	}
	c := token{"", -1}
	used := 3
	if p.peek(3).text == sep && p.peek(4).value >= 0 {
		c, used = p.peek(4), 5
	}
	switch {
	case c.value < 0 && sep == "-": // a span, perhaps
		return false
	case len(a.text) == 4 && c.value >= 0:
		p.setDate(a.value, time.Month(b.value), c.value)
	default:
		d, m := a.value, b.value
		if p.monthFirst && sep != "." && d <= 12 || m > 12 {
			d, m = m, d
		}
		p.setDate(p.year(c), time.Month(m), d)
	}
	p.i += used
	return true
}

// year is that of a token: 0 if it is none, the nearest one if it has two digits, -1 if nobody means it.
func (p *reader) year(t token) int {
	switch {
	case t.value < 0:
		return 0
	case len(t.text) == 2:
		century := p.now.Year() / 100 * 100
		if century+t.value > p.now.Year()+30 {
			century -= 100
		}
		return century + t.value
	case t.value < 1900 || t.value > 2200:
		return -1
	default:
		return t.value
	}
}

// writtenDate reads "5 January 2027", "January 5th", "5 de enero de 2027".
func (p *reader) writtenDate(pre bool) bool {
	if pre && p.peek(1).value >= 0 {
		return false
	}
	if m, used := lookup(p, 0, p.cal.months); used > 0 {
		n, more := p.ordinal(used)
		if more == 0 || n > 31 {
			return false
		}
		p.i += used + more
		p.setDate(p.yearAfter(), time.Month(m), n)
		return true
	}
	n, used := p.ordinal(0)
	if used == 0 {
		return false
	}
	for _, of := range p.cal.of {
		used += p.follows(used, of)
	}
	m, more := lookup(p, used, p.cal.months)
	if more == 0 {
		return false
	}
	p.i += used + more
	p.sign(".")
	p.setDate(p.yearAfter(), time.Month(m), n)
	return true
}

// yearAfter takes a year of four digits.
func (p *reader) yearAfter() int {
	used := 0
	for _, of := range p.cal.of {
		used += p.follows(used, of)
	}
	t := p.peek(used)
	if len(t.text) != 4 || t.value < 0 {
		return 0
	}
	p.i += used + 1
	return p.year(t)
}

// ordinal reads the day of a month.
func (p *reader) ordinal(at int) (n, used int) {
	t := p.peek(at)
	if n, ok := p.numbers.ordinals[t.text]; ok && n > 0 {
		return n, 1
	}
	n, used = p.number(at)
	if used == 0 {
		return 0, 0
	}
	if t.value >= 0 && slices.Contains([]string{"st", "nd", "rd", "th", "er", "."}, p.peek(at+1).text) {
		used++
	}
	return n, used
}

// dayOfWeek reads "Friday", "next Friday", "vendredi prochain".
func (p *reader) dayOfWeek() bool {
	at := 0
	w := weekday{}
	if slices.Contains(p.cal.next, p.peek(0).text) {
		w.next, at = true, 1
	} else if slices.Contains(p.cal.this, p.peek(0).text) {
		w.this, at = true, 1
	}
	d, used := lookup(p, at, p.cal.days)
	if used == 0 {
		return false
	}
	p.i += at + used
	if slices.Contains(p.cal.next, p.peek(0).text) {
		w.next = true
		p.i++
	}
	w.day = time.Weekday(d)
	p.failed = p.failed || p.weekday != nil
	p.weekday = &w
	return true
}

// clockTime reads a time of day.
func (p *reader) clockTime(pre bool) bool {
	if h, used := lookup(p, 0, p.cal.noon); used > 0 {
		p.i += used
		p.setClock(h, 0)
		return true
	}
	if shift, used := lookup(p, 0, p.cal.past); used > 0 {
		return p.shifted(used, shift)
	}
	if p.cal.half && p.peek(0).text == "halb" {
		return p.shifted(1, -30)
	}
	h, used := p.number(0)
	if used == 0 || h > 24 {
		return false
	}
	digits := p.peek(0).value >= 0
	named := 0
	for _, word := range p.cal.hour {
		named = max(named, p.follows(used, word))
	}
	min, minUsed := p.peek(used+1), 2
	switch {
	case digits && p.peek(used).text == ":" && min.value >= 0, digits && pre && p.peek(used).text == "." && min.value >= 0 && len(min.text) == 2:
		p.i += used + minUsed
		for range 2 { // seconds, and the word for hours
			if p.sign(":") && p.peek(0).value >= 0 {
				p.i++
			}
		}
		p.phrase(p.cal.hour)
		p.setClock(h, min.value)
		return true
	case named > 0:
		p.i += used + named
		m := 0
		if t := p.peek(0); t.value >= 0 && t.value < 60 && p.peek(1).text != "." {
			m = t.value
			p.i++
		}
		p.setClock(h, m)
	case pre || p.periodAt(used):
		p.i += used
		p.setClock(h, 0)
	default:
		return false
	}
	if shift, more := lookup(p, 0, p.cal.after); more > 0 {
		p.i += more
		p.shift(shift)
	}
	return true
}

// periodAt reports whether a part of the day is said n places on.
func (p *reader) periodAt(n int) bool {
	_, used := lookup(p, n, p.cal.periods)
	return used > 0
}

// shifted reads the hour after "half past".
func (p *reader) shifted(skip, by int) bool {
	h, used := p.number(skip)
	if used == 0 || h > 24 {
		return false
	}
	p.i += skip + used
	p.phrase(p.cal.hour)
	p.setClock(h, 0)
	p.shift(by)
	return true
}

func (p *reader) setClock(h, m int) {
	p.failed = p.failed || p.clock || p.spanned || h > 24 || m > 59 || h == 24 && m > 0
	p.hour, p.min, p.clock = h%24, m, true
}

func (p *reader) shift(by int) {
	total := (p.hour*60 + p.min + by + 24*60) % (24 * 60)
	p.hour, p.min = total/60, total%60
}

// resolve makes a point in time of what was said.
func (p *reader) resolve() (Instant, bool) {
	if p.spanned {
		if p.date != nil || p.weekday != nil || p.part != 0 {
			return Instant{}, false
		}
		return Instant{p.now.Add(p.span), true, true}, true
	}
	if p.part != 0 && (!p.clock || !p.halve()) {
		return Instant{}, false
	}
	d, ok := p.day()
	if !ok || p.date == nil && p.weekday == nil && !p.clock {
		return Instant{}, false
	}
	at := time.Date(d.year, d.month, d.day, p.hour, p.min, 0, 0, p.now.Location())
	said := p.date != nil || p.weekday != nil
	if !said && !at.After(p.now) {
		at = time.Date(d.year, d.month, d.day+1, p.hour, p.min, 0, 0, p.now.Location())
	}
	return Instant{at, said, p.clock}, true
}

// halve puts the hour into the part of the day that was said.
func (p *reader) halve() bool {
	switch {
	case p.part == morning && p.hour == 12, p.part == night && p.hour == 12:
		p.hour = 0
	case p.part == afternoon && p.hour < 12, p.part == night && p.hour >= 6 && p.hour < 12:
		p.hour += 12
	case p.part == morning && p.hour > 12:
		return false
	}
	return true
}

// day is the date that was said; today if none was.
func (p *reader) day() (day, bool) {
	y, m, d := p.now.Date()
	today := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	switch {
	case p.date != nil:
		return p.dated(today)
	case p.weekday != nil:
		ahead := (int(p.weekday.day) - int(today.Weekday()) + 7) % 7
		switch {
		case p.weekday.next: // weeks begin on Monday
			ahead = 7 - (int(today.Weekday())+6)%7 + (int(p.weekday.day)+6)%7
		case ahead == 0 && !p.weekday.this:
			ahead = 7
		}
		at := today.AddDate(0, 0, ahead)
		return day{at.Year(), at.Month(), at.Day()}, true
	default:
		return day{y, m, d}, true
	}
}

// dated is a date that was said, which has to be one, on the weekday that was said with it.
func (p *reader) dated(today time.Time) (day, bool) {
	d := *p.date
	if d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 || d.year < 0 {
		return day{}, false
	}
	if d.year == 0 {
		d.year = today.Year()
		for range 8 { // until the next 29 February
			at := time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC)
			if at.Day() == d.day && !at.Before(today) {
				break
			}
			d.year++
		}
	}
	at := time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC)
	return d, at.Day() == d.day && (p.weekday == nil || p.weekday.day == at.Weekday())
}
