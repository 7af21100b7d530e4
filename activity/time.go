package activity

import (
	"time"
)

// Time is a date of the protocol, kept as the text it arrived in, so that its offset and its digits survive a round
// trip (A2051). The zero value is an absent date. A text that is no date is kept too, since a message is never refused
// for an odd timestamp (A2042); Time.Time is then the zero time.
type Time struct {
	text string
}

// sevenDigits is the precision that SDKs write and read without loss.
const sevenDigits = 100 * time.Nanosecond

// TimeOf returns t in UTC with a literal Z and at most seven fractional digits, as timestamp and expiration need it
// (A2043, A3090). The zero time gives the zero Time.
func TimeOf(t time.Time) Time {
	return LocalTimeOf(t.UTC())
}

// LocalTimeOf returns t with the offset of its location, as localTimestamp needs it (A2050).
func LocalTimeOf(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{text: t.Truncate(sevenDigits).Format(time.RFC3339Nano)}
}

// Time returns the moment in the offset it was written with. A date without an offset counts as UTC; an absent or
// unreadable date gives the zero time.
func (t Time) Time() time.Time {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if parsed, err := time.Parse(layout, t.text); err == nil {
			return parsed
		}
	}
	return time.Time{}
}

// IsZero reports whether the date is absent.
func (t Time) IsZero() bool { return t.text == "" }

// String returns the text of the date as it travels.
func (t Time) String() string { return t.text }

// MarshalText returns the text as it was read or made. It never fails.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// UnmarshalText keeps the text. It never fails.
func (t *Time) UnmarshalText(text []byte) error {
	t.text = string(text)
	return nil
}
