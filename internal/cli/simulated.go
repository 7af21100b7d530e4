package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// simulated is what came of a simulation. Times are in seconds.
type simulated struct {
	Recipients int     `json:"recipients"`
	Introduced float64 `json:"introduced_seconds"`
	Accepted   float64 `json:"accepted_seconds"`
	// Delivered counts the recipients who saw the news, Took the time from the call until the last of them did.
	Delivered  int     `json:"delivered"`
	Took       float64 `json:"took_seconds"`
	PerSecond  float64 `json:"per_second"`
	Duplicates int     `json:"duplicates"`
	// Refused counts requests that a limit refused, Early those that came before they should have.
	Refused  int                    `json:"refused"`
	Early    int                    `json:"early"`
	Requests int                    `json:"requests"`
	Ops      map[fakechannel.Op]int `json:"ops"`
	// RequestsPerSecond is from the first to the last of them.
	RequestsPerSecond float64                    `json:"requests_per_second"`
	Statuses          map[string]int             `json:"statuses"`
	Faults            map[fakechannel.Action]int `json:"faults"`
	Peaks             map[string]int             `json:"peaks"`

	Urgent     int     `json:"urgent"`
	UrgentLost int     `json:"urgent_missing"`
	UrgentP50  float64 `json:"urgent_p50_seconds"`
	UrgentP99  float64 `json:"urgent_p99_seconds"`

	Tenants []simulatedTenant `json:"tenants"`
}

// simulatedTenant is the share of one tenant.
type simulatedTenant struct {
	Tenant    string  `json:"tenant"`
	Delivered int     `json:"delivered"`
	PerSecond float64 `json:"per_second"`
	Refused   int     `json:"refused"`

	first, last time.Time
}

// tell notes a message that somebody saw.
func (t *simulatedTenant) tell(at time.Time) {
	t.Delivered++
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
	if at.After(t.last) {
		t.last = at
	}
}

// rate works out how many a second there were between the first and the last.
func (t *simulatedTenant) rate() {
	if took := t.last.Sub(t.first).Seconds(); took > 0 {
		t.PerSecond = float64(t.Delivered-1) / took
	}
}

// mostTenants is how many tenants are listed.
const mostTenants = 10

func (r *simulated) print(out io.Writer) error {
	t := newTable(out, false)
	t.row("told", fmt.Sprintf("%d of %s in %.2f s, %.1f/s", r.Delivered, count(r.Recipients, "recipient"), r.Took, r.PerSecond))
	t.row("accepted", fmt.Sprintf("in %.3f s, after %.2f s to make the conversations known", r.Accepted, r.Introduced))
	t.row("seen twice", r.Duplicates)
	t.row("refused", fmt.Sprintf("%d by a limit, %d of all came too early", r.Refused, r.Early))
	t.row("requests", fmt.Sprintf("%d (%s), %.1f/s; answered %s", r.Requests, listed(r.Ops), r.RequestsPerSecond, listed(r.Statuses)))
	if len(r.Faults) > 0 {
		t.row("faults", listed(r.Faults))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Peaks)) {
		if r.Peaks[name] == 0 { // nothing of that kind was asked for
			continue
		}
		t.row("busiest window", fmt.Sprintf("%d, where %s is the limit", r.Peaks[name], name))
	}
	if r.Urgent > 0 {
		told := fmt.Sprintf("%s, p50 %s, p99 %s", count(r.Urgent, "message"), shortly(r.UrgentP50), shortly(r.UrgentP99))
		if r.UrgentLost > 0 {
			told += fmt.Sprintf(", %d not seen yet", r.UrgentLost)
		}
		t.row("urgent", told)
	}
	t.gap()
	t.row("TENANT", "MESSAGES", "PER SECOND", "REFUSED")
	for i, tenant := range r.Tenants {
		if i == mostTenants {
			t.row(fmt.Sprintf("and %d more", len(r.Tenants)-i))
			break
		}
		t.row(tenant.Tenant, tenant.Delivered, fmt.Sprintf("%.1f", tenant.PerSecond), fmt.Sprint(tenant.Refused))
	}
	return t.flush()
}

func shortly(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond).String()
}

// listed is a map of numbers in words, such as "201: 5, 503: 1".
func listed[K cmp.Ordered](m map[K]int) (text string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if text != "" {
			text += ", "
		}
		name := fmt.Sprint(k)
		if name == "0" {
			name = "not at all"
		}
		text += fmt.Sprintf("%s: %d", name, m[k])
	}
	return text
}
