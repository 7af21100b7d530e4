package pace

import "time"

// conversation is a gate with its place in the list of those that may be forgotten.
type conversation struct {
	gate
	id     string
	tenant *gate
	rules  *rules

	next   *conversation // in the list
	listed bool
	at     time.Time // since when it is in the list
}

// idleList holds the conversations that have nothing on its way, those first that came first.
type idleList struct {
	first, last *conversation
	size        int
}

func (q *idleList) add(c *conversation, now time.Time) {
	if c.listed {
		return
	}
	c.listed, c.at, c.next = true, now, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
	q.size++
}

func (q *idleList) remove() *conversation {
	c := q.first
	if q.first = c.next; q.first == nil {
		q.last = nil
	}
	c.listed, c.next = false, nil
	q.size--
	return c
}

// forgetAtOnce bounds how many conversations one call looks at. It is more than one, so that the list gets shorter.
const forgetAtOnce = 4

// forgetSome forgets conversations whose past does not matter any more.
func (r *rules) forgetSome(now time.Time) {
	for range forgetAtOnce {
		if r.idle.first == nil || now.Sub(r.idle.first.at) <= r.forget {
			return
		}
		c := r.idle.remove()
		if c.usage.OnWay() > 0 || c.waiting > 0 {
			continue // it comes back when its call ends
		}
		c.usage.Trim(r.conversation, now)
		if c.usage.Empty() || len(c.usage.answered) == 1 && c.usage.Used(r.forget, now) == 0 {
			delete(c.tenant.conversations, c.id)
			continue
		}
		r.idle.add(c, now)
	}
}

// sweepFrom is how many gates and blocks are kept without asking whether they are needed.
const sweepFrom = 256

// sweep forgets tenants, bots and pauses when they have become twice as many as were needed.
func (l *Limiter) sweep(now time.Time) {
	if len(l.tenants)+len(l.bots)+len(l.blocks)+len(l.failing) < max(sweepFrom, 2*l.swept) {
		return
	}
	for s, g := range l.tenants {
		g.usage.Trim(l.ruleOf(s), now)
		if g.usage.Empty() && g.waiting == 0 && g.share == nil && len(g.conversations) == 0 {
			delete(l.tenants, s)
		}
	}
	for s, g := range l.bots {
		g.usage.Trim(l.ruleOf(s), now)
		if g.usage.Empty() && g.waiting == 0 && g.share == nil {
			delete(l.bots, s)
		}
	}
	for s, b := range l.blocks {
		if b.probe == nil && l.node == nil && now.Sub(b.until) > stale {
			l.unblock(s)
		}
	}
	for host, f := range l.failing {
		if now.Sub(f.last) > stale {
			l.recover(host)
		}
	}
	l.swept = len(l.tenants) + len(l.bots) + len(l.blocks) + len(l.failing)
}

// ruleOf is the rule of a scope's gate; empty for one whose channel has no profile.
func (l *Limiter) ruleOf(s Scope) Rule {
	r := l.profiles[s.Channel]
	switch {
	case r == nil:
	case s.Level == LevelTenant:
		return r.tenant
	case s.Level == LevelBot:
		return r.bot
	case s.Level == LevelConversation:
		return r.conversation
	}
	return Rule{}
}
