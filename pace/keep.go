package pace

import (
	"context"
	"slices"
	"time"
)

// A process may be killed at any time, and the next one must not pass a window that the first has filled. It can know:
//
//   - what was delivered, since a queue stores every attempt before its call is made;
//   - what it was told by [Limiter.OnUnkept]: a call that was not an attempt of the queue, such as a reply, is made only
//     while at most [Unkept] such calls to its gate have not been stored, or when it is stored itself;
//   - that all calls were answered, or given up, before it began.
//
// So [Limiter.Recover] counts what is known, and has every gate begin with Unkept calls more, as if they had been made at
// the moment of the start, which is later than they were. Gates whose windows are all short are not stored, but begin
// full: they are waited out. What counts in a window is then never less than what was called within it, and that is all
// that the argument in the package's comment needs.

// Unkept is how many calls of a gate may be forgotten in a crash.
const Unkept = 3

// shortWindow is the length up to which windows are waited out after a crash.
const shortWindow = 2 * time.Second

// kept reports whether what is used of a gate must survive a crash.
func (r Rule) kept() bool { return r.Longest() > shortWindow }

// Remembers is how far back calls matter on a channel: the longest of its windows, 0 for none.
func (l *Limiter) Remembers(channel string) time.Duration {
	r := l.rules(Route{Channel: channel})
	if r == nil {
		return 0
	}
	return max(r.conversation.Longest(), r.tenant.Longest(), r.bot.Longest())
}

// OnPaused has f told, from now on, of every pause that begins, is prolonged or ends; one that ends has no Until. It must
// not block or call the limiter.
func (l *Limiter) OnPaused(f func(Pause)) {
	if l == nil {
		return
	}
	l.observing.Lock()
	defer l.observing.Unlock()
	l.onPaused = append(l.onPaused, f)
}

// OnUnkept has store called before a call by which too much would be used that a crash could make forgotten. It stores
// what [Limiter.Unkept] tells of the way. While it fails, such calls do. It is to be set before the first call.
func (l *Limiter) OnUnkept(store func(ctx context.Context, r Route, conversation string) error) {
	if l == nil {
		return
	}
	l.observing.Lock()
	defer l.observing.Unlock()
	l.onUnkept = store
}

// Unkept tells what is used of the gates on a way, if that must be stored: of those whose windows are too long to be
// waited out, and that were used by others than deliveries. stored is to be called when it is durable. It replaces what
// was told of the same gate before, so what is told later must be stored later.
func (l *Limiter) Unkept(r Route, conversation string) (used []Gate, stored func()) {
	rules := l.rules(r)
	if rules == nil {
		return nil, func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	gates := make(map[*gate]int)
	for s, g := range l.keeps(rules, r, conversation) {
		if g.unkept > 0 {
			gates[g] = g.unkept
			used = append(used, Gate{Scope: s, Usage: Usage{onWay: g.usage.onWay, answered: slices.Clone(g.usage.answered)}})
		}
	}
	return used, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for g, n := range gates {
			g.unkept = max(0, g.unkept-n)
		}
	}
}

// keep counts a call that is no attempt of a queue, and has it stored if it must be.
func (l *Limiter) keep(ctx context.Context, p *Permit, r Route, conversation string) error {
	l.observing.RLock()
	store := l.onUnkept
	l.observing.RUnlock()
	if store == nil || p == nil || p.rules == nil || l.node != nil {
		return nil
	}
	must := false
	l.mu.Lock()
	for _, g := range l.keeps(p.rules, r, conversation) {
		g.unkept++
		must = must || g.unkept > Unkept
	}
	l.mu.Unlock()
	if !must {
		return nil
	}
	return store(ctx, r, conversation)
}

// keeps are the gates on a way that were used and must survive a crash. l.mu is held.
func (l *Limiter) keeps(rules *rules, r Route, conversation string) map[Scope]*gate {
	found := make(map[Scope]*gate)
	if g := l.bots[r.OfBot()]; g != nil && rules.bot.kept() {
		found[r.OfBot()] = g
	}
	tenant := l.tenants[r.OfTenant()]
	if tenant == nil {
		return found
	}
	if rules.tenant.kept() {
		found[r.OfTenant()] = tenant
	}
	if c := tenant.conversations[conversation]; c != nil && rules.conversation.kept() {
		found[r.OfConversation(conversation)] = &c.gate
	}
	return found
}

// Recover has the limiter take over what is known of another one whose process was killed before now. Use it before the
// first call.
func (l *Limiter) Recover(known Snapshot, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.crashed = l.clock(now)
	l.mu.Unlock()
	l.Prime(known, now)
}

// recovering reports whether something from before a crash may matter still. l.mu is held, as below.
func (l *Limiter) recovering() bool {
	if !l.crashed.IsZero() && l.latest.Sub(l.crashed) > l.longest {
		l.crashed = time.Time{}
	}
	return !l.crashed.IsZero()
}

// begin makes the gates on a way, which are not as good as new after a crash.
func (l *Limiter) begin(rules *rules, r Route, conversation string) {
	if len(rules.bot.Windows) > 0 {
		l.gate(l.bots, r.OfBot())
	}
	if len(rules.tenant.Windows) == 0 && len(rules.conversation.Windows) == 0 {
		return
	}
	tenant := l.gate(l.tenants, r.OfTenant())
	if conversation != "" && len(rules.conversation.Windows) > 0 {
		rules.idle.add(l.conversation(tenant, conversation, rules), l.latest)
	}
}

// assume counts what may have been called before a crash, in a gate that is new.
func (l *Limiter) assume(g *gate, rule Rule) {
	if !l.recovering() {
		return
	}
	n := Unkept
	if !rule.kept() {
		n = 0
		for _, w := range rule.Windows {
			n = max(n, w.Limit)
		}
	}
	for range n {
		g.usage.Add(l.crashed)
	}
}
