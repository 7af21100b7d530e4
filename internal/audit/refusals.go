package audit

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Whoever is refused may come as often as he likes, from as many addresses as he has. So refusals are counted, and an hour
// has no more entries about them than hourly and twice sources.
const (
	sources = 64  // addresses that are told apart between two writes, and kinds of refusals for all others
	hourly  = 256 // entries after which an hour's refusals wait for its end
)

// Elsewhere is in the place of the address where there were too many to tell them apart.
const Elsewhere = "elsewhere"

// maxReason bounds a reason, which is a word of ours, in bytes.
const maxReason = 64

// refusal is what refusals have in common that are one entry.
type refusal struct {
	action Action
	reason string
	actor  string
	from   string
}

type count struct {
	n           int64
	first, last time.Time
}

type refusals struct {
	mu        sync.Mutex
	counts    map[refusal]*count // guarded by mu
	addresses int                // of those, how many name one; guarded by mu
	hour      time.Time          // the present one; guarded by mu
	written   int                // entries in it; guarded by mu
}

// Refused counts something that was refused, for one of the actions that begin with "refused.". The reason is a word from
// the code; actor is who it was, if that is known. It neither waits nor fails.
func (l *Log) Refused(a Action, reason, actor string, from netip.Addr) {
	if l == nil {
		return
	}
	l.refusals.add(refusal{a, reason[:min(len(reason), maxReason)], actor, source(from)}, l.cfg.Now())
}

// source is an address as refusals are counted by: of IPv6 the network that one customer has.
func source(from netip.Addr) string {
	switch from = from.Unmap().WithZone(""); {
	case !from.IsValid():
		return ""
	case from.Is4():
		return from.String()
	}
	network, _ := from.Prefix(64) // it has that many bits
	return network.String()
}

func (r *refusals) add(what refusal, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts[what]
	if c == nil {
		c = r.admit(what)
	}
	if c.n++; c.first.IsZero() {
		c.first = now
	}
	c.last = now
}

// admit makes a count, or finds one that does for what would be too many.
func (r *refusals) admit(what refusal) *count {
	if r.addresses < sources {
		r.addresses++
		c := new(count)
		r.counts[what] = c
		return c
	}
	for _, what := range []refusal{{what.action, what.reason, "", Elsewhere}, {what.action, "", "", Elsewhere}} {
		if c := r.counts[what]; c != nil {
			return c
		}
		if len(r.counts) < 2*sources || what.reason == "" { // there are few actions
			c := new(count)
			r.counts[what] = c
			return c
		}
	}
	return nil // not reached: the last one is always admitted
}

// take returns what was counted, as acts, unless the hour has had enough of them and is not over.
func (r *refusals) take(now time.Time, last bool) []Act {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hour := now.Truncate(time.Hour); !hour.Equal(r.hour) {
		r.hour, r.written = hour, 0
	}
	if len(r.counts) == 0 || r.written >= hourly && !last {
		return nil
	}
	acts := make([]Act, 0, len(r.counts))
	for _, what := range slices.SortedFunc(maps.Keys(r.counts), compareRefusals) {
		c := r.counts[what]
		acts = append(acts, Act{Action: what.action, Actor: what.actor, From: what.from, Detail: Detail{
			"reason": what.reason, "count": c.n,
			"first": c.first.UTC().Format(time.RFC3339), "last": c.last.UTC().Format(time.RFC3339),
		}})
	}
	r.written += len(acts)
	clear(r.counts)
	r.addresses = 0
	return acts
}

func compareRefusals(a, b refusal) int {
	return cmp.Or(cmp.Compare(a.action, b.action), cmp.Compare(a.reason, b.reason), cmp.Compare(a.actor, b.actor), cmp.Compare(a.from, b.from))
}
