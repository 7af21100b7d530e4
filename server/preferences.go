package server

import (
	"errors"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/proactive"
)

// Preferences are what goes for people who have not said otherwise. The zero value leaves everything to them.
type Preferences struct {
	// Quiet are spans such as "22:00-07:00" or "00:00-24:00 sat sun", on each person's clock.
	Quiet []string
	// TimeZone is the IANA name of the zone of people of whom none is known. Empty is UTC.
	TimeZone string
	// CapPerDay and CapPerTopic bound how much somebody gets in a day; CapDrops has the rest suppressed rather than held.
	CapPerDay, CapPerTopic int
	CapDrops               bool
	// Digest is off, hourly, daily, or daily@09:00. Empty is off.
	Digest string
	// MandatoryWaits has mandatory topics wait as all others do.
	MandatoryWaits bool
	// NoWords leaves what people say to the bot alone.
	NoWords bool
}

// parseQuiet reads a span such as "22:00-07:00 mon fri".
func parseQuiet(text string) (q book.Quiet, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return q, errors.New("is empty")
	}
	from, to, _ := strings.Cut(words[0], "-")
	if q.From, err = book.ParseTimeOfDay(from); err == nil {
		q.To, err = book.ParseTimeOfDay(to)
	}
	for _, d := range words[1:] {
		q.Days = append(q.Days, book.Weekday(d))
	}
	return q, err
}

// parseDigest reads off, hourly, daily or daily@09:00.
func parseDigest(text string) (d book.Digest, err error) {
	every, at, timed := strings.Cut(text, "@")
	d.Every = book.DigestEvery(every)
	if timed {
		d.At, err = book.ParseTimeOfDay(at)
	}
	return d, err
}

// defaults are the preferences as the engine takes them. Its error is a wrong setting.
func (p Preferences) defaults() (d proactive.Defaults, err error) {
	d = proactive.Defaults{
		TimeZone: p.TimeZone, CapDrops: p.CapDrops, MandatoryWaits: p.MandatoryWaits,
		Cap: book.Cap{PerDay: p.CapPerDay, PerTopic: p.CapPerTopic},
	}
	for _, text := range p.Quiet {
		q, err := parseQuiet(text)
		if err != nil {
			return d, wrong("preferences.quiet", "%q: %v", text, err)
		}
		d.Quiet = append(d.Quiet, q)
	}
	if d.Digest, err = parseDigest(p.Digest); err != nil {
		return d, wrong("preferences.digest", "%v", err)
	}
	if bad, ok := errors.AsType[*proactive.FieldError](d.Validate()); ok {
		field := bad.Field
		switch {
		case field == "quiet_hours":
			field = "quiet"
		case field == "cap" && (p.CapPerDay < 0 || p.CapPerDay > book.MaxCap):
			field = "cap_per_day"
		case field == "cap":
			field = "cap_per_topic"
		}
		return d, wrong("preferences."+field, "%s", bad.Reason)
	}
	return d, nil
}

func (c Config) validatePreferences() error {
	_, err := c.Preferences.defaults()
	return err
}

// words has people say to the bot what they want to be told, unless that is off.
func (s *Server) words() headsup.Middleware {
	if s.cfg.Preferences.NoWords {
		return func(next headsup.Handler) headsup.Handler { return next }
	}
	return s.engine.Words(nil)
}
