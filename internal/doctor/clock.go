package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

var clockChecks = []Check{{
	ID: "clock",
	About: "This machine's clock, against those of the identity provider, the channels and the database, as the checks before have met them. " +
		"Tokens are good for a time, by everybody's own clock; five minutes of difference are allowed for.",
	Faults: []Fault{
		{"wrong", Fail, "It is more than five minutes off: tokens are refused, ours and those of others.", "set the clock, and have it kept: timedatectl set-ntp true, or chrony"},
		{"drifts", Warn, "It is more than a minute off.", "have it kept: timedatectl set-ntp true, or chrony"},
	},
	run: checkClock,
}}

// clock is how much this machine is ahead of another.
type clock struct {
	of    string
	ahead time.Duration
	blur  time.Duration // how wrong that may be
}

// observe notes the time that an answer tells (RFC 9110 section 6.6.1). It is cut to a second.
func (p *patient) observe(of string, res *http.Response, asked time.Time) {
	told, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return
	}
	answered := p.Now()
	middle := asked.Add(answered.Sub(asked) / 2)
	p.clocks = append(p.clocks, clock{of, middle.Sub(told.Add(time.Second / 2)), answered.Sub(asked)/2 + time.Second})
}

func checkClock(_ context.Context, p *patient) []Result {
	const wrong, drifts = 5 * time.Minute, time.Minute
	if len(p.clocks) == 0 {
		return p.skip("nobody was met who tells the time")
	}
	// Many agree on the time; one that is wrong by itself must not say that this machine is.
	slices.SortFunc(p.clocks, func(a, b clock) int { return int(a.ahead.Abs() - b.ahead.Abs()) })
	c := p.clocks[len(p.clocks)/2]
	found := fmt.Sprintf("%s against %s, the middle one of %s", offset(c.ahead), c.of, many(int64(len(p.clocks)), "clock"))
	if len(p.clocks) == 1 {
		found = fmt.Sprintf("%s against %s", offset(c.ahead), c.of)
	}
	switch off := c.ahead.Abs() - c.blur; {
	case off > wrong:
		return p.fault("wrong", found)
	case off > drifts:
		return p.fault("drifts", found)
	}
	return p.ok("%s", found)
}

// offset is in words how much this machine is ahead.
func offset(d time.Duration) string {
	switch {
	case d.Abs() < 2*time.Second:
		return "right"
	case d > 0:
		return d.Round(time.Second).String() + " ahead"
	}
	return (-d).Round(time.Second).String() + " behind"
}
