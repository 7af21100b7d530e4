package backoff

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The bounds of what RetryAfter returns.
const (
	shortestWait = time.Second
	longestWait  = time.Hour
)

// RetryAfter reads the header of that name in both of its forms (RFC 9110, section 10.2.3), between a second and an
// hour. A date is measured against the service's own clock if the answer shows it. What makes no sense counts as
// absent, which is 0.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 32)
		if err != nil { // more digits than anybody can wait for
			return longestWait
		}
		return clampWait(time.Duration(seconds) * time.Second)
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return clampWait(until.Sub(now))
}

func clampWait(d time.Duration) time.Duration {
	return min(max(d, shortestWait), longestWait)
}
