package fakechannel

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Scope is what a limit counts by.
type Scope string

const (
	ByConversation Scope = "conversation"
	ByTenant       Scope = "tenant"
)

// RetryForm is how a refusal says when to come back.
type RetryForm string

const (
	Seconds RetryForm = "seconds" // a number of seconds, rounded up
	Date    RetryForm = "date"    // an HTTP date, rounded up to a second
	Silent  RetryForm = "silent"  // not at all
)

// Limit is how many requests a channel takes in any window of some length. Windows slide, and are exact: of the requests
// that it took, no more than Requests arrived in any span of Window, however it is laid. What is refused does not count.
type Limit struct {
	Scope    Scope         `json:"scope"`
	Requests int           `json:"requests"`
	Window   time.Duration `json:"window"`
	// Form is how it says when to come back; empty means Seconds.
	Form RetryForm `json:"form,omitzero"`
	// Every also counts what says nothing: creating conversations and asking for members. Otherwise only sends, replies,
	// updates and deletes count.
	Every bool `json:"every,omitzero"`
	// Op counts requests of one op only, whatever Every says.
	Op Op `json:"op,omitzero"`
}

// Name is how a report calls the limit, such as "conversation 7 per 1s" or "conversation 14 members per 1s".
func (l Limit) Name() string {
	if l.Op != "" {
		return fmt.Sprintf("%s %d %s per %v", l.Scope, l.Requests, l.Op, l.Window)
	}
	return fmt.Sprintf("%s %d per %v", l.Scope, l.Requests, l.Window)
}

// counts reports whether the limit counts requests of an op.
func (l Limit) counts(op Op) bool {
	if l.Op != "" {
		return l.Op == op
	}
	return l.Every || op.says()
}

func (l Limit) validate() error {
	switch {
	case l.Scope != ByConversation && l.Scope != ByTenant:
		return fmt.Errorf("limit %s: there is no scope %q", l.Name(), l.Scope)
	case l.Requests < 1 || l.Window <= 0:
		return fmt.Errorf("limit %s allows nothing", l.Name())
	case !slices.Contains([]RetryForm{"", Seconds, Date, Silent}, l.Form):
		return fmt.Errorf("limit %s: there is no form %q", l.Name(), l.Form)
	}
	return nil
}

// TeamsLimits are what Teams publishes for one bot ("Optimize your bot with rate limiting"): 50 requests a second per app
// and tenant, and four windows per conversation for what is said there.
func TeamsLimits() []Limit {
	return append([]Limit{{Scope: ByTenant, Requests: 50, Window: time.Second, Every: true}}, windows("", 1)...)
}

// TeamsRosterLimits are the other windows of the same page, per conversation: for creating it, for asking for its members, and
// for the channels of a team. They need a [World], which knows what is created.
func TeamsRosterLimits() []Limit {
	return slices.Concat(windows(OpCreate, 1), windows(OpMembers, 2), windows(OpTeams, 2))
}

// windows are the four of one row of the page.
func windows(op Op, times int) []Limit {
	return []Limit{
		{Scope: ByConversation, Requests: 7 * times, Window: time.Second, Op: op},
		{Scope: ByConversation, Requests: 8 * times, Window: 2 * time.Second, Op: op},
		{Scope: ByConversation, Requests: 60 * times, Window: 30 * time.Second, Op: op},
		{Scope: ByConversation, Requests: 1800 * times, Window: time.Hour, Op: op},
	}
}

// limits enforces limits. Its owner guards it.
type limits struct {
	limits  []Limit
	windows []map[string]*window // for each limit, by conversation or tenant
	peaks   []int                // for each limit, the most arrivals in one window
}

// window holds times of arrival, oldest first, no older than the window is long.
type window struct {
	taken, arrived []time.Time
}

func newLimits(list []Limit) (*limits, error) {
	ls := &limits{limits: list, windows: make([]map[string]*window, len(list)), peaks: make([]int, len(list))}
	for i, l := range list {
		if err := l.validate(); err != nil {
			return nil, fmt.Errorf("fakechannel: %w", err)
		}
		ls.windows[i] = make(map[string]*window)
	}
	return ls, nil
}

// refusal is what a limit says to a request too many.
type refusal struct {
	scope      Scope
	retryAfter string
}

// arrive counts a request, and returns why it is refused, or nil. All limits must have room.
func (ls *limits) arrive(c call, now time.Time) *refusal {
	var worst time.Duration
	var by Limit
	refused := false
	windows := make([]*window, 0, len(ls.limits))
	for i, l := range ls.limits {
		if !l.counts(c.op) {
			continue
		}
		key := cmp.Or(c.conversation, c.thread)
		if l.Scope == ByTenant {
			key = c.tenant
		}
		w := ls.windows[i][key]
		if w == nil {
			w = &window{}
			ls.windows[i][key] = w
		}
		w.forget(now.Add(-l.Window))
		w.arrived = append(w.arrived, now)
		ls.peaks[i] = max(ls.peaks[i], len(w.arrived))
		if len(w.taken) >= l.Requests {
			// Room for one more comes when the oldest of the last l.Requests leaves the window.
			if wait := w.taken[len(w.taken)-l.Requests].Add(l.Window).Sub(now); !refused || wait > worst {
				worst, by, refused = wait, l, true
			}
			continue
		}
		windows = append(windows, w)
	}
	if refused {
		return &refusal{scope: by.Scope, retryAfter: by.Form.format(now, worst)}
	}
	for _, w := range windows {
		w.taken = append(w.taken, now)
	}
	return nil
}

// forget drops what arrived at or before a time.
func (w *window) forget(until time.Time) {
	w.taken = since(w.taken, until)
	w.arrived = since(w.arrived, until)
}

func since(times []time.Time, after time.Time) []time.Time {
	n := 0
	for n < len(times) && !times[n].After(after) {
		n++
	}
	return times[n:]
}

func (f RetryForm) format(now time.Time, wait time.Duration) string {
	switch f {
	case Date:
		return now.Add(wait + time.Second - 1).UTC().Truncate(time.Second).Format(http.TimeFormat)
	case Silent:
		return ""
	case Seconds, "":
	}
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}
