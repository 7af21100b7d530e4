package pace

import (
	"cmp"
	"slices"
	"time"
)

// The bounds of a pause that a channel asks for.
const (
	ShortestPause = time.Second
	LongestPause  = time.Hour
)

const (
	// probeEvery is how often a scope is tried after a pause.
	probeEvery = time.Second
	// stale is how long after its end a pause is kept that nobody has tried to end.
	stale = 10 * time.Minute

	// opensAt is how many calls in a row must fail within failsWithin of each other for a host to be paused, and
	// longestOutage the longest pause between two tries of a host that is down; longestTrip that of [Limiter.Trip].
	opensAt       = 10
	failsWithin   = time.Minute
	longestOutage = 15 * time.Second
	longestTrip   = 5 * time.Minute

	// When so many conversations of a tenant are throttled within a while, the tenant is.
	throttledTenant = 3
	throttledWithin = 5 * time.Second
)

// Reasons of pauses.
const (
	ReasonThrottled   = "throttled"   // the channel wants fewer calls
	ReasonUnreachable = "unreachable" // the host does not answer, or says that it is out of order
)

// block is a scope that is paused, or was and has not succeeded since.
type block struct {
	pause    Pause
	until    time.Time // on the limiter's clock
	probe    *Permit   // on its way
	probedAt time.Time

	// Where several nodes share the pause:
	mine  time.Time // until when this node may try the scope
	asked time.Time // whether it may
}

// due reports whether the scope may be tried by whoever may.
func (b *block) due(now time.Time) bool {
	return !now.Before(b.until) && b.probe == nil && now.Sub(b.probedAt) >= probeEvery
}

// blockOpen reports whether a call may be made. l.mu is held.
func (l *Limiter) blockOpen(b *block, now time.Time) bool {
	if l.node != nil && !now.Before(b.mine) {
		l.wantsProbe(b, now)
		return false
	}
	return b.due(now)
}

// opens is when a call may be made, as far as that is known.
func (b *block) opens(now time.Time) time.Time {
	t := later(b.until, b.probedAt.Add(probeEvery))
	if b.probe != nil {
		t = later(t, now.Add(probeEvery))
	}
	return t
}

// throttled is a conversation that has been told to wait.
type throttled struct {
	conversation string
	at           time.Time
}

// failures are those of a host since it has answered last.
type failures struct {
	n    int
	last time.Time
}

// scopes are those that a call is in.
func (r Route) scopes(conversation string) []Scope {
	s := make([]Scope, 0, 4)
	s = append(s, r.OfTenant(), r.OfBot())
	if conversation != "" {
		s = append(s, r.OfConversation(conversation))
	}
	if r.Host != "" {
		s = append(s, r.OfHost())
	}
	return s
}

// Pause leaves a scope alone until a time, or for longer if it is paused for longer already. When the time has come, one
// call at a time may be made, at most one each second, until one succeeds.
func (l *Limiter) Pause(s Scope, until time.Time, reason string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	p := l.pause(s, until, l.at(until), reason)
	l.tells(s)
	l.mu.Unlock()
	l.tell(p)
}

func (l *Limiter) pause(s Scope, told, until time.Time, reason string) Pause {
	b := l.blocks[s]
	if b == nil {
		b = &block{}
		l.blocks[s] = b
		l.blocked.Add(1)
	}
	if until.After(b.until) || b.pause.Reason == "" {
		b.until = until
		b.pause = Pause{Scope: s, Until: told, Reason: reason, Trips: b.pause.Trips + 1, Version: b.pause.Version}
		b.mine = time.Time{}
		l.paused.Add(1)
	}
	return b.pause
}

// Throttled pauses what a channel has throttled for as long as it asks, between [ShortestPause] and [LongestPause]; for
// longer from time to time if it does not say, which is 0. That is the conversation, and the tenant too when several of
// its conversations were throttled within moments, or when there is no conversation. It returns the pauses.
func (l *Limiter) Throttled(r Route, conversation string, wait time.Duration, now time.Time) []Pause {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	told, now := now, l.clock(now)
	tenant := l.gate(l.tenants, r.OfTenant())
	scopes := []Scope{r.OfTenant()}
	if conversation != "" {
		scopes = []Scope{r.OfConversation(conversation)}
		tenant.throttled = slices.DeleteFunc(tenant.throttled, func(t throttled) bool {
			return t.conversation == conversation || now.Sub(t.at) > throttledWithin
		})
		tenant.throttled = append(tenant.throttled, throttled{conversation, now})
		if len(tenant.throttled) >= throttledTenant {
			tenant.throttled = nil
			scopes = append(scopes, r.OfTenant())
		}
	}
	var pauses []Pause
	for _, s := range scopes {
		d := min(max(wait, ShortestPause), LongestPause)
		if b := l.blocks[s]; b != nil && wait == 0 && !now.Before(b.until) {
			d = doubled(ShortestPause, b.pause.Trips, time.Minute)
		}
		pauses = append(pauses, l.pause(s, told.Add(d), now.Add(d), ReasonThrottled))
		l.tells(s)
	}
	l.sweep(now)
	l.mu.Unlock()
	l.tell(pauses...)
	return pauses
}

// Failed tells that a call has failed in a way that speaks of the host rather than of the call: it could not be reached,
// broke off, or said that it is out of order. After ten in a row the host is paused, for longer from time to time while
// what is tried fails too. The reason, [ReasonUnreachable] or a word like it, is that of the pause that it leads to, which is
// returned if there is one.
func (l *Limiter) Failed(r Route, reason string, now time.Time) (Pause, bool) {
	if l == nil || r.Host == "" {
		return Pause{}, false
	}
	l.mu.Lock()
	told, now := now, l.clock(now)
	f := l.failing[r.Host]
	if f == nil {
		f = &failures{}
		l.failing[r.Host] = f
		l.blocked.Add(1)
	}
	if now.Sub(f.last) > failsWithin {
		f.n = 0
	}
	f.n++
	f.last = now
	b := l.blocks[r.OfHost()]
	if b == nil && f.n < opensAt || b != nil && now.Before(b.until) {
		l.mu.Unlock()
		return Pause{}, false
	}
	trips := 0
	if b != nil {
		trips = b.pause.Trips
	}
	d := doubled(ShortestPause, trips, longestOutage)
	p := l.pause(r.OfHost(), told.Add(d), now.Add(d), reason)
	l.tells(p.Scope)
	l.sweep(now)
	l.mu.Unlock()
	l.tell(p)
	return p, true
}

// Trip pauses a scope for a second, and twice as long each time that it happens again after a pause without a success in
// between, up to five minutes. While the scope is paused it does nothing.
func (l *Limiter) Trip(s Scope, reason string, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	told, now := now, l.clock(now)
	trips := 0
	if b := l.blocks[s]; b != nil {
		if now.Before(b.until) {
			l.mu.Unlock()
			return
		}
		trips = b.pause.Trips
	}
	d := doubled(ShortestPause, trips, longestTrip)
	p := l.pause(s, told.Add(d), now.Add(d), reason)
	l.tells(s)
	l.sweep(now)
	l.mu.Unlock()
	l.tell(p)
}

// Succeeded tells that a channel has taken a call: pauses on its way that have run out are over.
func (l *Limiter) Succeeded(r Route, conversation string, now time.Time) {
	l.lift(r, r.scopes, conversation, now)
}

// Reached tells that the host has answered, whatever it said: if it was tried after a pause, that is over.
func (l *Limiter) Reached(r Route, now time.Time) {
	l.lift(r, func(string) []Scope { return []Scope{r.OfHost()} }, "", now)
}

func (l *Limiter) lift(r Route, scopes func(string) []Scope, conversation string, now time.Time) {
	if !l.anyBlocked() {
		return
	}
	l.mu.Lock()
	now = l.clock(now)
	l.recover(r.Host)
	var over []Pause
	for _, s := range scopes(conversation) {
		if b := l.blocks[s]; b != nil && !now.Before(b.until) {
			l.unblock(s)
			l.tells(s)
			over = append(over, b.ended(s, false))
		}
	}
	if len(over) > 0 {
		l.wakeAll()
	}
	l.mu.Unlock()
	if len(over) > 0 {
		l.tell(over...)
		l.freed()
	}
}

// Resume ends a pause, and reports whether there was one.
func (l *Limiter) Resume(s Scope) bool {
	if !l.anyBlocked() {
		return false
	}
	l.mu.Lock()
	b := l.blocks[s]
	was := l.unblock(s)
	if was {
		l.tells(s)
	}
	if s.Level == LevelHost {
		l.recover(s.Host)
	}
	l.wakeAll()
	l.mu.Unlock()
	if was {
		l.tell(b.ended(s, true))
		l.freed()
	}
	return was
}

// Pauses are those that hold at now, and those that are over but for a success, in the order of their ends.
func (l *Limiter) Pauses() []Pause {
	if !l.anyBlocked() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Pause, 0, len(l.blocks))
	for _, b := range l.blocks {
		all = append(all, b.pause)
	}
	slices.SortFunc(all, func(a, b Pause) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Scope.String(), b.Scope.String()))
	})
	return all
}

// unblock, recover and the others below are called with l.mu held.
func (l *Limiter) unblock(s Scope) bool {
	if l.blocks[s] == nil {
		return false
	}
	delete(l.blocks, s)
	l.blocked.Add(-1)
	return true
}

func (l *Limiter) recover(host string) {
	if l.failing[host] != nil {
		delete(l.failing, host)
		l.blocked.Add(-1)
	}
}

// blocksOn are those of the scopes that a call is in.
func (l *Limiter) blocksOn(r Route, conversation string) []*block {
	if len(l.blocks) == 0 {
		return nil
	}
	var found []*block
	for _, s := range r.scopes(conversation) {
		if b := l.blocks[s]; b != nil {
			found = append(found, b)
		}
	}
	return found
}

// open reports whether nothing on the way is paused.
func (l *Limiter) open(r Route, conversation string, now time.Time) bool {
	for _, b := range l.blocksOn(r, conversation) {
		if !l.blockOpen(b, now) {
			return false
		}
	}
	return true
}

// openFor is how many deliveries pauses let through: none, one, or all.
func (l *Limiter) openFor(r Route, now time.Time) int {
	n := everything
	for _, b := range l.blocksOn(r, "") {
		if !l.blockOpen(b, now) {
			return 0
		}
		n = 1
	}
	return n
}

// opens is when pauses may let a call through.
func (l *Limiter) opens(r Route, conversation string, now time.Time) time.Time {
	t := now
	for _, b := range l.blocksOn(r, conversation) {
		t = later(t, b.opens(now))
		if l.node != nil && !now.Before(b.mine) && b.due(now) { // another node may try, or this one when it is told so
			t = later(t, now.Add(ProbeWithin))
		}
	}
	return t
}

// probe notes that a call is the one that a scope is tried with.
func (l *Limiter) probe(p *Permit, r Route, conversation string, now time.Time) {
	p.probes = l.blocksOn(r, conversation)
	for _, b := range p.probes {
		b.probe, b.probedAt = p, now
	}
}

// endProbes notes that the call is over; one that was not made does not count.
func (p *Permit) endProbes(unmade bool) {
	for _, b := range p.probes {
		if b.probe == p {
			b.probe = nil
			if unmade {
				b.probedAt = time.Time{}
			}
		}
	}
}

// at is a time on the limiter's clock that was computed from one that it was told.
func (l *Limiter) at(t time.Time) time.Time {
	return l.origin.Round(0).Add(t.Sub(l.origin))
}

// tell is called without the lock.
func (l *Limiter) tell(ps ...Pause) {
	if l.cfg.Paused != nil {
		for _, p := range ps {
			l.cfg.Paused(p)
		}
	}
	l.keepAll(ps)
}

// keepAll tells those who keep pauses.
func (l *Limiter) keepAll(ps []Pause) {
	l.observing.RLock()
	defer l.observing.RUnlock()
	for _, f := range l.onPaused {
		for _, p := range ps {
			f(p)
		}
	}
}

// doubled is a time, doubled so often, but not above a bound.
func doubled(d time.Duration, times int, bound time.Duration) time.Duration {
	for ; times > 0 && d < bound; times-- {
		d *= 2
	}
	return min(d, bound)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
