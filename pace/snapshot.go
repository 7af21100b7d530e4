package pace

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Snapshot is what a limiter knows, to be kept over a restart. Its JSON form may be stored.
type Snapshot struct {
	// At is when it was taken.
	At time.Time `json:"at"`
	// Gates are those whose past matters, Pauses those that had not ended.
	Gates  []Gate  `json:"gates,omitempty"`
	Pauses []Pause `json:"pauses,omitempty"`
}

// Gate is what is used of a conversation, a tenant or a bot.
type Gate struct {
	Scope Scope `json:"scope"`
	Usage Usage `json:"usage"`
}

// Export tells what the limiter knows at now.
func (l *Limiter) Export(now time.Time) Snapshot {
	if l == nil {
		return Snapshot{At: now}
	}
	l.mu.Lock()
	told, now := now, l.clock(now)
	shift := told.Round(0).Sub(now) // what the wall clock was set by since the limiter's beginning
	s := Snapshot{At: told.Round(0)}
	add := func(scope Scope, g *gate) {
		g.usage.Trim(l.ruleOf(scope), now)
		if g.usage.Empty() {
			return
		}
		u := Usage{onWay: g.usage.onWay, answered: slices.Clone(g.usage.answered)}
		for i := range u.answered {
			u.answered[i] += int64(shift)
		}
		s.Gates = append(s.Gates, Gate{Scope: scope, Usage: u})
	}
	for scope, g := range l.tenants {
		add(scope, g)
		for id, c := range g.conversations {
			of := scope
			of.Level, of.Conversation = LevelConversation, id
			add(of, &c.gate)
		}
	}
	for scope, g := range l.bots {
		add(scope, g)
	}
	l.mu.Unlock()
	slices.SortFunc(s.Gates, func(a, b Gate) int { return cmp.Compare(a.Scope.String(), b.Scope.String()) })
	s.Pauses = l.Pauses()
	return s
}

// Prime has the limiter take over what another one knew, such as that of the process before this one. What was on its way
// then counts as answered at now. Use it before the first call.
func (l *Limiter) Prime(s Snapshot, now time.Time) {
	if l == nil {
		return
	}
	for _, p := range s.Pauses {
		l.Pause(p.Scope, p.Until, p.Reason)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.clock(now)
	for _, kept := range s.Gates {
		g := l.gateOf(kept.Scope, now)
		if g == nil {
			continue
		}
		all := slices.Concat(g.usage.answered, kept.Usage.answered)
		for range kept.Usage.onWay {
			all = append(all, now.UnixNano())
		}
		for i := range all {
			all[i] = min(all[i], now.UnixNano()) // the clock was set back
		}
		slices.Sort(all)
		g.usage.answered = all
		g.usage.Trim(l.ruleOf(kept.Scope), now)
	}
}

// Called counts a call that was made, and answered at a time, without a permit of this limiter, such as by the process
// before this one. Tell of several in the order of their times.
func (l *Limiter) Called(r Route, conversation string, at time.Time) {
	if l.rules(r) == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at = l.clock(at)
	scopes := []Scope{r.OfTenant(), r.OfBot()}
	if conversation != "" {
		scopes = append(scopes, r.OfConversation(conversation))
	}
	for _, s := range scopes {
		if g := l.gateOf(s, at); g != nil {
			g.usage.Add(at)
		}
	}
}

// gateOf is the gate of a scope; nil if nothing is limited there.
func (l *Limiter) gateOf(s Scope, now time.Time) *gate {
	rules := l.profiles[s.Channel]
	if rules == nil || len(l.ruleOf(s).Windows) == 0 {
		return nil
	}
	if s.Level == LevelBot {
		return l.gate(l.bots, s)
	}
	id := s.Conversation
	s.Level, s.Conversation = LevelTenant, ""
	tenant := l.gate(l.tenants, s)
	if id == "" {
		return tenant
	}
	c := l.conversation(tenant, id, rules)
	rules.idle.add(c, now)
	return &c.gate
}

// counters are what Stats tells, as they are counted.
type counters struct {
	granted, refused, paused atomic.Int64
	waits, waitedFor         [2]atomic.Int64
}

func (c *counters) waited(k Kind, d time.Duration) {
	c.waits[k].Add(1)
	c.waitedFor[k].Add(int64(d))
}

// Stats are counts since the limiter was made, and what it keeps now.
type Stats struct {
	// Granted are the permits that were handed out where something is limited; Refused counts how often there was none.
	Granted, Refused int64
	// Waits counts the calls of [Limiter.Wait] that had to wait, by [Kind], and Waited how long in sum.
	Waits  [2]int64
	Waited [2]time.Duration
	// Paused counts the pauses that have begun or were prolonged.
	Paused int64
	// Pauses are those that hold or have not been followed by a success, by level.
	Pauses map[Level]int
	// Use is how full the fullest window is that conversations share, by channel: 1 is full.
	Use map[string]float64
	// Conversations, Tenants and Bots are how many are remembered, OnWay the calls on their way.
	Conversations, Tenants, Bots, OnWay int
}

// Stats tells what the limiter has done.
func (l *Limiter) Stats() Stats {
	s := Stats{Pauses: map[Level]int{LevelConversation: 0, LevelTenant: 0, LevelBot: 0, LevelHost: 0}}
	if l == nil {
		return s
	}
	s.Granted, s.Refused, s.Paused = l.granted.Load(), l.refused.Load(), l.paused.Load()
	for k := range s.Waits {
		s.Waits[k], s.Waited[k] = l.waits[k].Load(), time.Duration(l.waitedFor[k].Load())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for scope := range l.blocks {
		s.Pauses[scope.Level]++
	}
	s.Tenants, s.Bots = len(l.tenants), len(l.bots)
	s.Use = make(map[string]float64, len(l.profiles))
	for channel := range l.profiles {
		s.Use[channel] = 0
	}
	now := l.clock(l.cfg.Now())
	for scope, g := range l.tenants {
		s.Use[scope.Channel] = max(s.Use[scope.Channel], g.usage.share(l.ruleOf(scope), now))
	}
	for scope, g := range l.bots {
		s.Use[scope.Channel] = max(s.Use[scope.Channel], g.usage.share(l.ruleOf(scope), now))
	}
	for _, g := range l.tenants {
		s.Conversations += len(g.conversations)
		s.OnWay += g.usage.onWay
	}
	return s
}
