package pace

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Config makes a [Limiter].
type Config struct {
	// Profiles are what the channels allow. Nil means [Published]; an empty map limits nothing, and pauses are kept all
	// the same.
	Profiles Profiles

	// Paused is told of every pause that begins, is prolonged or ends; one that ends has no Until. It must not block or
	// call the limiter. May be nil.
	Paused func(Pause)

	// Now is the clock of [Limiter.Wait] and [Limiter.Stats]; everything else is told the time. Nil is time.Now.
	Now func() time.Time
}

// Limiter hands out permits for calls. It keeps what is used in memory, and forgets conversations, tenants and bots when
// it does not matter any more. Safe for concurrent use. A nil Limiter limits nothing; neither does it do so for a channel
// without a profile, at no cost.
//
// The times that it is told should come from one clock. Those of [time.Now] are compared by their monotonic part, so
// that setting the wall clock does no harm.
type Limiter struct {
	cfg      Config
	profiles map[string]*rules
	origin   time.Time    // when it was made
	blocked  atomic.Int32 // how many blocks and failing hosts there are

	counters
	rosters rosters

	observing sync.RWMutex
	onFreed   []func() // guarded by observing, as those below
	onPaused  []func(Pause)
	onUnkept  func(context.Context, Route, string) error

	mu      sync.Mutex
	tenants map[Scope]*gate      // guarded by mu, as all below; each with its conversations
	bots    map[Scope]*gate      // by bot
	blocks  map[Scope]*block     // what is paused or probed
	failing map[string]*failures // by host
	latest  time.Time            // the latest time that it was told, on its own clock
	crashed time.Time            // when it took over from a process that was killed; zero when that does not matter
	longest time.Duration        // of all windows
	node    *Node                // nil unless it has joined others; not changed after that
	shared  map[Scope]*gate      // those of which this node has a share, or asks for one
	left    bool                 // it gives its shares back
	told    int64                // how often something was told of pauses
	pending map[Scope]*unstored  // what was told of them
	probing map[Scope]bool       // scopes that something waits to be tried
	swept   int                  // how many gates and blocks were left when they were looked through last
	wake    chan struct{}        // closed and replaced when those who wait should look again; nil while nobody does
}

// New makes a limiter. The error is what is wrong with the profiles.
func New(cfg Config) (*Limiter, error) {
	if cfg.Profiles == nil {
		cfg.Profiles = Published()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.Profiles.Validate(); err != nil {
		return nil, fmt.Errorf("pace: profiles: %w", err)
	}
	l := &Limiter{
		cfg: cfg, profiles: make(map[string]*rules), origin: cfg.Now(),
		tenants: make(map[Scope]*gate), bots: make(map[Scope]*gate), blocks: make(map[Scope]*block),
		failing: make(map[string]*failures),
	}
	for channel, p := range cfg.Profiles {
		if !p.Unlimited() {
			l.profiles[channel] = p.prepare()
			l.longest = max(l.longest, l.Remembers(channel))
		}
	}
	return l, nil
}

// gate is one tenant, bot or conversation.
type gate struct {
	usage   Usage
	waiting int    // replies that wait for this gate
	unkept  int    // calls that a crash would make forgotten
	share   *share // of a gate that is shared with other nodes

	// Of a tenant:
	conversations map[string]*conversation
	throttled     []throttled
}

// Permit is the right to make one call. A nil one is the right to make any number. Its methods are safe for concurrent
// use; the first Done or Cancel counts.
type Permit struct {
	l            *Limiter
	rules        *rules
	tenant, bot  *gate
	conversation *conversation
	probes       []*block
	over         func(at time.Time, made bool) // tells those who count for all nodes; may be nil
	ended        bool                          // guarded by l.mu
	used         atomic.Bool
}

// Use reports whether the permit may be used for a call now, and marks it as used: it is good for one call. Where several
// nodes share windows it is also good for some seconds only.
func (p *Permit) Use() bool { return p != nil && !p.used.Swap(true) && p.good() }

// Take hands out a permit for one call, if there is room now in the windows of the conversation, the tenant and the bot,
// and nothing on the way is paused. Call it right before the call is made, or before what leads to the call at once. The
// conversation is named within the route's tenant; an empty one counts for none, such as that of a conversation which is
// to be opened. The permit may be nil, where nothing is limited.
func (l *Limiter) Take(r Route, conversation string, k Kind, now time.Time) (*Permit, bool) {
	rules := l.rules(r)
	if rules == nil && !l.anyBlocked() {
		return nil, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(rules, r, conversation, k, l.clock(now))
}

func (l *Limiter) take(rules *rules, r Route, conversation string, k Kind, now time.Time) (*Permit, bool) {
	switch {
	case !l.open(r, conversation, now):
		l.refused.Add(1)
		return nil, false
	case rules != nil && l.room(rules, r, conversation, k, now) < 1:
		l.refused.Add(1)
		l.lacks(rules, r, k, now)
		return nil, false
	}
	p := &Permit{l: l, rules: rules}
	l.probe(p, r, conversation, now)
	if rules == nil && p.probes == nil {
		return nil, true
	}
	l.granted.Add(1)
	if rules == nil {
		return p, true
	}
	counts := conversation != "" && len(rules.conversation.Windows) > 0 && l.node == nil
	if len(rules.tenant.Windows) > 0 || counts {
		p.tenant = l.gate(l.tenants, r.OfTenant())
		p.tenant.usage.Take()
		l.takes(p.tenant, rules.tenant, now)
	}
	if len(rules.bot.Windows) > 0 {
		p.bot = l.gate(l.bots, r.OfBot())
		p.bot.usage.Take()
		l.takes(p.bot, rules.bot, now)
	}
	if counts {
		p.conversation = l.conversation(p.tenant, conversation, rules)
		p.conversation.usage.Take()
	}
	rules.forgetSome(now)
	l.sweep(now)
	return p, true
}

// OnEnd has f called when the permit's call is over, or was not made. It is to be set before the permit is handed on.
func (p *Permit) OnEnd(f func(at time.Time, made bool)) { p.over = f }

// Done ends the permit's call: the channel has answered, or nobody waits for its answer any more. The permit is free one
// window later.
func (p *Permit) Done(now time.Time) {
	if p == nil {
		return
	}
	l := p.l
	l.mu.Lock()
	if p.ended {
		l.mu.Unlock()
		return
	}
	p.ended = true
	told := now
	now = l.clock(now)
	p.endProbes(false)
	if p.tenant != nil {
		p.tenant.done(p.rules.tenant, now)
	}
	if p.bot != nil {
		p.bot.done(p.rules.bot, now)
	}
	if p.conversation != nil {
		p.conversation.done(p.rules.conversation, now)
		p.rules.idle.add(p.conversation, now)
	}
	l.mu.Unlock()
	if p.over != nil {
		p.over(told, true)
	}
	if len(p.probes) > 0 {
		l.freed()
	}
}

// Cancel gives the permit back: nothing was sent.
func (p *Permit) Cancel() {
	if p == nil {
		return
	}
	l := p.l
	l.mu.Lock()
	if p.ended {
		l.mu.Unlock()
		return
	}
	p.ended = true
	p.endProbes(true)
	for _, g := range []*gate{p.tenant, p.bot} {
		if g != nil {
			g.usage.Cancel()
		}
	}
	if p.conversation != nil {
		p.conversation.usage.Cancel()
		p.rules.idle.add(p.conversation, l.latest)
	}
	l.wakeAll()
	l.mu.Unlock()
	if p.over != nil {
		p.over(time.Time{}, false)
	}
	l.freed()
}

func (g *gate) done(r Rule, now time.Time) {
	g.usage.Done(now)
	g.usage.Trim(r, now)
}

// Room is how many deliveries to different conversations of the route may be taken now, as far as the tenant, the bot and
// the host decide; math.MaxInt where nothing is limited. One is left after a pause, until a call has succeeded.
func (l *Limiter) Room(r Route, now time.Time) int {
	rules := l.rules(r)
	if rules == nil && !l.anyBlocked() {
		return everything
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.clock(now)
	n := l.openFor(r, now)
	if rules != nil && n > 0 {
		if n = min(n, l.room(rules, r, "", Delivery, now)); n == 0 {
			l.lacks(rules, r, Delivery, now)
		}
	}
	return n
}

// Next is the first time, not before now, at which a delivery may be taken, as far as that is known: it may be refused
// then, and be put off again. With no conversation it is when [Limiter.Room] may be above zero.
func (l *Limiter) Next(r Route, conversation string, now time.Time) time.Time {
	rules := l.rules(r)
	if rules == nil && !l.anyBlocked() {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.clock(now)
	return now.Add(l.next(rules, r, conversation, Delivery, told).Sub(told))
}

// rules are those of the route's channel; nil for none.
func (l *Limiter) rules(r Route) *rules {
	if l == nil {
		return nil
	}
	return l.profiles[r.Channel]
}

func (l *Limiter) anyBlocked() bool { return l != nil && l.blocked.Load() > 0 }

// clock turns a time that the limiter is told into one of its own, which does not go back when the wall clock is set.
func (l *Limiter) clock(now time.Time) time.Time {
	told := l.origin.Round(0).Add(now.Sub(l.origin))
	if told.After(l.latest) {
		l.latest = told
	}
	return told
}

// room is how many calls of that kind all gates let through.
func (l *Limiter) room(rules *rules, r Route, conversation string, k Kind, now time.Time) int {
	n := everything
	l.eachGate(rules, r, conversation, func(g *gate, rule Rule) {
		n = min(n, g.usage.room(rule, k, g.waiting, now))
	})
	return n
}

// next is when all gates and pauses may let a call through.
func (l *Limiter) next(rules *rules, r Route, conversation string, k Kind, now time.Time) time.Time {
	next := l.opens(r, conversation, now)
	if rules == nil {
		return next
	}
	l.eachGate(rules, r, conversation, func(g *gate, rule Rule) {
		t := g.usage.next(rule, k, g.waiting, now)
		if g.share != nil { // another node may give something back
			t = earlier(t, now.Add(lookAgain(k)))
		}
		next = later(next, t)
	})
	return next
}

// eachGate visits the gates on a way.
func (l *Limiter) eachGate(rules *rules, r Route, conversation string, visit func(*gate, Rule)) {
	switch {
	case l.node != nil:
		l.join(rules, r)
	case l.recovering():
		l.begin(rules, r, conversation)
	}
	if len(rules.bot.Windows) > 0 {
		bot := orUnused(l.bots[r.OfBot()])
		visit(bot, l.ruleAt(bot, rules.bot))
	}
	tenant := orUnused(l.tenants[r.OfTenant()])
	visit(tenant, l.ruleAt(tenant, rules.tenant))
	if conversation != "" && l.node == nil {
		g := &unused
		if c := tenant.conversations[conversation]; c != nil {
			g = &c.gate
		}
		visit(g, rules.conversation)
	}
}

// unused is a gate that nobody has used. It is never changed: nobody waits for it.
var unused gate

func orUnused(g *gate) *gate {
	if g == nil {
		return &unused
	}
	return g
}

func (l *Limiter) gate(all map[Scope]*gate, s Scope) *gate {
	g := all[s]
	if g == nil {
		g = &gate{}
		all[s] = g
		l.assume(g, l.ruleOf(s))
	}
	return g
}

func (l *Limiter) conversation(tenant *gate, id string, rules *rules) *conversation {
	c := tenant.conversations[id]
	if c == nil {
		if tenant.conversations == nil {
			tenant.conversations = make(map[string]*conversation)
		}
		c = &conversation{id: id, tenant: tenant, rules: rules}
		tenant.conversations[id] = c
		l.assume(&c.gate, rules.conversation)
	}
	return c
}

// OnFreed has f called, from now on, when calls may be made that [Limiter.Next] has put off, because a pause has ended
// early or a permit was given back. It must not block or call the limiter.
func (l *Limiter) OnFreed(f func()) {
	if l == nil {
		return
	}
	l.observing.Lock()
	defer l.observing.Unlock()
	l.onFreed = append(l.onFreed, f)
}

func (l *Limiter) freed() {
	l.observing.RLock()
	defer l.observing.RUnlock()
	for _, f := range l.onFreed {
		f()
	}
}

// BusyError is why [Limiter.Wait] returns without a permit: there will be none in time.
type BusyError struct {
	// Next is when there may be one; After is how long that is from now.
	Next  time.Time
	After time.Duration
	// Err is why the wait ended, if it had begun. May be nil.
	Err error
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("pace: the channel takes no more calls; the next one in %v", e.After.Round(time.Millisecond))
}

func (e *BusyError) Unwrap() error { return e.Err }

// Wait takes a permit as [Limiter.Take] does, and waits for it until ctx ends. It does not begin to wait when the context
// ends before there can be a permit. The error is a [*BusyError].
func (l *Limiter) Wait(ctx context.Context, r Route, conversation string, k Kind) (*Permit, error) {
	rules := l.rules(r)
	if rules == nil && !l.anyBlocked() {
		return nil, nil //nolint:nilnil // a nil permit is one for anything
	}
	if l.node != nil {
		return l.waitShared(ctx, rules, r, conversation, k)
	}
	return l.wait(ctx, rules, r, conversation, k)
}

func (l *Limiter) wait(ctx context.Context, rules *rules, r Route, conversation string, k Kind) (*Permit, error) {
	began := time.Time{}
	defer func() {
		if !began.IsZero() {
			l.waited(k, time.Since(began))
		}
	}()
	for again := (*pending)(nil); ; {
		if err := ctx.Err(); err != nil {
			l.giveUp(again)
			return nil, &BusyError{Next: l.cfg.Now(), Err: context.Cause(ctx)}
		}
		var p *Permit
		if p, again = l.try(rules, r, conversation, k, again); again == nil {
			if err := l.keep(ctx, p, r, conversation); err != nil {
				p.Cancel()
				return nil, &BusyError{Next: l.cfg.Now().Add(time.Second), After: time.Second, Err: err}
			}
			return p, nil
		}
		if began.IsZero() {
			began = time.Now()
		}
		if err := again.wait(ctx); err != nil {
			l.giveUp(again)
			return nil, err
		}
	}
}

// pending is a wait for a permit.
type pending struct {
	after time.Duration
	next  time.Time
	wake  <-chan struct{}
	gates []*gate // where the reply counts as waiting
}

// try takes a permit, or goes on with a wait for one.
func (l *Limiter) try(rules *rules, r Route, conversation string, k Kind, last *pending) (*Permit, *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last.leave()
	told := l.cfg.Now()
	now := l.clock(told)
	p, ok := l.take(rules, r, conversation, k, now)
	if ok {
		return p, nil
	}
	after := l.next(rules, r, conversation, k, now).Sub(now)
	w := &pending{after: after, next: told.Add(after)}
	if rules != nil && k == Reply {
		l.eachGate(rules, r, conversation, func(g *gate, rule Rule) {
			if g.usage.Room(rule, k, now) < 1 {
				g.waiting++
				w.gates = append(w.gates, g)
			}
		})
	}
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	w.wake = l.wake
	return nil, w
}

// leave takes a reply out of the gates where it waited. The limiter's lock is held.
func (w *pending) leave() {
	if w != nil {
		for _, g := range w.gates {
			g.waiting--
		}
	}
}

// giveUp ends a wait without a permit. Deliveries have left room for it.
func (l *Limiter) giveUp(w *pending) {
	l.mu.Lock()
	w.leave()
	l.mu.Unlock()
	l.freed()
}

var errTooLate = errors.New("that is too late")

// wait is until the earliest time at which there may be a permit.
func (w *pending) wait(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < w.after {
		return &BusyError{Next: w.next, After: w.after, Err: errTooLate}
	}
	timer := time.NewTimer(max(w.after, shortestWait))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-ctx.Done():
		return &BusyError{Next: w.next, After: w.after, Err: context.Cause(ctx)}
	}
	return nil
}

// shortestWait keeps a wait whose end depends on others from becoming a busy loop.
const shortestWait = 100 * time.Microsecond

// wakeAll has those who wait look again. l.mu is held.
func (l *Limiter) wakeAll() {
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}
