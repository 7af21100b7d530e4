package pace

import (
	"context"
	"slices"
	"time"
)

// Node makes a limiter keep, together with those of other processes, within windows that all of them share.
type Node struct {
	// Name names the node, also after a restart; Run is this process. Two processes of a node must never run at once: when
	// one begins, the calls of those before it are over.
	Name, Run string
	// Look asks for [Limiter.Asking] to be looked at. It must not block or call the limiter.
	Look func()
	// Calls counts the calls of conversations. Nil if nobody does.
	Calls Calls
}

// Calls counts calls into conversations for all nodes, but for those that a queue counts in the step in which it hands
// out a delivery.
type Calls interface {
	// Begin counts a call that is about to be made, if the rule has room for it. Then it returns what is to be called when
	// the call is over, at a time of this process, or was not made. Otherwise it tells how long to wait before asking again.
	Begin(ctx context.Context, s Scope, r Rule, k Kind) (end func(at time.Time, made bool), wait time.Duration, err error)
}

const (
	// shareLease is how long a share lasts, and shareKept how often it is prolonged while it is used.
	shareLease = 3 * time.Second
	shareKept  = shareLease / 3
	// shareDrift is by how much the clock of a process may be slower than that of the database within a lease.
	shareDrift = shareLease / 20
	// shareIdle is how long after its last use a share is given back.
	shareIdle = 3 * time.Second
	// shareSaturated is how long after a refusal a node could use all that there is.
	shareSaturated = 3 * shareKept / 2

	// How soon to look again: when there was not enough, when there is something to give back, and at all.
	shareShort = shareKept / 2
	shareOver  = 25 * time.Millisecond
	shareSoon  = 10 * time.Millisecond

	// replyLook and deliveryLook are how long to wait at most for what another node may give back at any time.
	replyLook    = 50 * time.Millisecond
	deliveryLook = time.Second
)

// share is what this node has of a gate that it shares with others.
type share struct {
	rule    Rule      // what the node may use while it has the share; nothing at first
	grows   []int     // the limits that it will have when they are stored
	until   time.Time // on the limiter's clock, as those below
	refused time.Time // a call, last
	used    time.Time // by a call, last
	asked   time.Time
	due     time.Time // when to ask again
	short   bool      // there was not enough
	last    []int     // what was used of each window when it was asked for last
}

// Join has the limiter share its windows with other nodes. It is to be called once, before the first call. What several
// processes have called is then counted where they share it, so [Limiter.Recover] and [Limiter.OnUnkept] are not needed.
func (l *Limiter) Join(n Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node = &n
	l.shared, l.pending, l.probing = make(map[Scope]*gate), make(map[Scope]*unstored), make(map[Scope]bool)
}

// Shared reports whether the limiter has joined others.
func (l *Limiter) Shared() bool { return l != nil && l.node != nil }

// Rule is what a channel allows a conversation. Where the limiter has joined others it is not the limiter that counts the
// calls of conversations, but [Calls] and the queue.
func (l *Limiter) Rule(channel string) Rule {
	if r := l.rules(Route{Channel: channel}); r != nil {
		return r.exact
	}
	return Rule{}
}

// ruleAt is what this node may use of a gate.
func (l *Limiter) ruleAt(g *gate, rule Rule) Rule {
	if l.node == nil || len(rule.Windows) == 0 {
		return rule
	}
	if g.share == nil || !l.latest.Before(g.share.until) {
		return rule.part(nil)
	}
	return g.share.rule
}

// part is a rule with other limits, and the part of the reserve that is due to them; nil for none at all.
func (r Rule) part(limits []int) Rule {
	p := Rule{Windows: slices.Clone(r.Windows), Reserve: r.Reserve, Within: r.Within}
	for i, w := range r.Windows {
		n := 0
		if limits != nil {
			n = limits[i]
		}
		p.Windows[i].Limit = n
		p.Reserve = max(0, min(p.Reserve, (2*r.Reserve*n+w.Limit)/(2*w.Limit), n-1)) // to the nearest
	}
	return p
}

// join makes the shared gates on a way. l.mu is held, as below.
func (l *Limiter) join(rules *rules, r Route) {
	if len(rules.tenant.Windows) > 0 {
		l.joinGate(l.tenants, r.OfTenant(), rules.tenant)
	}
	if len(rules.bot.Windows) > 0 {
		l.joinGate(l.bots, r.OfBot(), rules.bot)
	}
}

func (l *Limiter) joinGate(all map[Scope]*gate, s Scope, rule Rule) {
	g := l.gate(all, s)
	if g.share == nil {
		g.share = &share{rule: rule.part(nil), last: make([]int, len(rule.Windows)), due: l.latest, used: l.latest}
		l.shared[s] = g
		l.node.Look()
	}
}

// lacks notes that a gate has refused a call.
func (l *Limiter) lacks(rules *rules, r Route, k Kind, now time.Time) {
	if l.node == nil || rules == nil {
		return
	}
	l.eachGate(rules, r, "", func(g *gate, rule Rule) {
		if g.share != nil && g.usage.room(rule, k, g.waiting, now) < 1 {
			g.share.refused = now
			wait := shareSoon
			if g.share.short {
				wait = shareShort
			}
			l.askBy(g.share, g.share.asked.Add(wait))
		}
	})
}

// takes notes that a shared gate is used, and asks for more before a long window is empty.
func (l *Limiter) takes(g *gate, whole Rule, now time.Time) {
	if g == nil || g.share == nil {
		return
	}
	g.share.used = now
	for i, w := range g.share.rule.Windows {
		if most := whole.Windows[i]; w.Per > shortWindow && w.Limit < most.Limit && w.Limit-g.usage.Used(w.Per, now) <= spare(most)/2 {
			l.askBy(g.share, g.share.asked.Add(shareSoon))
		}
	}
}

// askBy has a share asked for at a time, unless it is asked for earlier.
func (l *Limiter) askBy(s *share, at time.Time) {
	if at.Before(s.due) {
		s.due = at
		l.node.Look()
	}
}

// spare is how many calls of a long window a node has beside those that are occupied: as many as may be forgotten when it
// dies, and no fewer than it can use before it gets more.
func spare(w Window) int {
	return max(Unkept, int((int64(w.Limit)*int64(2*shareKept)+int64(w.Per)-1)/int64(w.Per)))
}

// Asking lists the scopes whose shares are to be asked for now, and tells when there will be more, in time from now.
func (l *Limiter) Asking(now time.Time) (due []Scope, next time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.clock(now)
	next = shareKept
	for s, g := range l.shared {
		if wait := g.share.due.Sub(now); wait > 0 {
			next = min(next, wait)
		} else {
			due = append(due, s)
		}
	}
	return due, next
}

// Ask asks for this node's share of a scope. shares is what is stored, which is locked, and is changed to what is to be
// stored; sent is a time of this process, and now one of the database that is not before it; began is when this process
// began, by the database. What is lost by it is lost at once; what is won is to be had after [Limiter.Stored]. It
// reports whether other nodes have reason to ask too.
func (l *Limiter) Ask(s Scope, shares *Shares, sent, now, began time.Time) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.shared[s]
	if g == nil {
		return false
	}
	local := l.clock(sent)
	whole := l.ruleOf(s)
	g.usage.Trim(whole, local)
	used := g.usage.shifted(now.Sub(local))
	if l.left {
		for ; used.onWay > 0; used.onWay-- {
			used.answered = append(used.answered, now.Add(LongestCall).UnixNano())
		}
	}
	has, stand := shares.ask(whole, asker{
		node: l.node.Name, run: l.node.Run, began: began, lease: shareLease, used: used, parts: l.wants(g, whole, local),
	}, now)
	lowered := make([]int, len(has))
	for i := range has {
		lowered[i] = min(has[i], g.share.rule.Windows[i].Limit)
	}
	g.share.rule, g.share.grows = whole.part(lowered), has
	g.share.asked, g.share.short = local, stand.short
	g.share.due = local.Add(shareKept)
	if stand.over {
		g.share.due = local.Add(shareOver)
	}
	return stand.tell
}

// wants is what a node could use of each window.
func (l *Limiter) wants(g *gate, whole Rule, now time.Time) []wanted {
	s := g.share
	parts := make([]wanted, len(whole.Windows))
	idle := g.waiting == 0 && now.Sub(s.used) > shareIdle && now.Sub(s.refused) > shareIdle
	for i, w := range whole.Windows {
		p := &parts[i]
		p.occupied = g.usage.Used(w.Per, now)
		recently := max(p.occupied, s.last[i])
		s.last[i] = p.occupied
		switch {
		case l.left || idle:
			continue
		case w.Per > shortWindow:
			p.wants = p.occupied + spare(w)
		case !s.refused.IsZero() && now.Sub(s.refused) <= shareSaturated:
			p.wants = w.Limit
		default:
			p.wants = recently + max(2, recently/4)
		}
		if g.waiting > 0 {
			p.first = p.occupied + g.waiting
		}
		p.wants = min(w.Limit, max(p.wants, p.first))
	}
	return parts
}

// shifted is a usage by another clock, which is ahead by so much.
func (u *Usage) shifted(by time.Duration) Usage {
	other := Usage{onWay: u.onWay, answered: slices.Clone(u.answered)}
	for i := range other.answered {
		other.answered[i] += int64(by)
	}
	return other
}

// Stored tells that what was asked for is stored, at a time of this process before it was asked for.
func (l *Limiter) Stored(scopes []Scope, sent time.Time) {
	l.mu.Lock()
	local := l.clock(sent)
	won := false
	for _, s := range scopes {
		g := l.shared[s]
		if g == nil || g.share.grows == nil {
			continue
		}
		before := l.ruleAt(g, l.ruleOf(s))
		g.share.rule = l.ruleOf(s).part(g.share.grows)
		g.share.until, g.share.grows = local.Add(shareLease-shareDrift), nil
		nothing := true
		for i, w := range g.share.rule.Windows {
			won = won || w.Limit > before.Windows[i].Limit
			nothing = nothing && w.Limit == 0
		}
		if nothing && g.usage.onWay == 0 && g.waiting == 0 && !g.share.refused.After(local.Add(-shareIdle)) {
			delete(l.shared, s)
			g.share = nil
		}
	}
	if won {
		l.wakeAll()
	}
	l.mu.Unlock()
	if won {
		l.freed()
	}
}

// NotStored has scopes asked for again, in a while: the database could not be asked.
func (l *Limiter) NotStored(scopes []Scope, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.clock(now)
	for _, s := range scopes {
		if g := l.shared[s]; g != nil {
			g.share.grows, g.share.due = nil, now.Add(shareShort)
		}
	}
}

// Look has a scope asked for soon: another node has less than its due, or has given something back.
func (l *Limiter) Look(s Scope) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.shared[s]; g != nil {
		l.askBy(g.share, g.share.asked.Add(shareSoon/2))
	}
}

// Leave gives all shares back that are asked for from now on, and returns their scopes.
func (l *Limiter) Leave() (all []Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
	for s := range l.shared {
		all = append(all, s)
	}
	return all
}

// good reports whether the shares that a permit was taken from have not run out. One that has was counted by others as
// long as its call could be under way.
func (p *Permit) good() bool {
	l := p.l
	if l.node == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock(l.cfg.Now())
	for _, g := range []*gate{p.tenant, p.bot} {
		if g != nil && (g.share == nil || !now.Before(g.share.until)) {
			return false
		}
	}
	return true
}

// waitShared is wait where the calls of conversations are counted for all nodes.
func (l *Limiter) waitShared(ctx context.Context, rules *rules, r Route, conversation string, k Kind) (*Permit, error) {
	for {
		p, err := l.wait(ctx, rules, r, conversation, k)
		if err != nil || p == nil || rules == nil || conversation == "" || len(rules.exact.Windows) == 0 || l.node.Calls == nil {
			return p, err
		}
		end, wait, err := l.node.Calls.Begin(ctx, r.OfConversation(conversation), rules.exact, k)
		switch {
		case err != nil:
			p.Cancel()
			return nil, &BusyError{Next: l.cfg.Now().Add(time.Second), After: time.Second, Err: err}
		case end != nil:
			p.over = end
			return p, nil
		}
		p.Cancel()
		w := &pending{after: wait, next: l.cfg.Now().Add(wait)}
		if err := w.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func lookAgain(k Kind) time.Duration {
	if k == Reply {
		return replyLook
	}
	return deliveryLook
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
