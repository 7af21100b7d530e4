package pace

import (
	"context"
	"sync"
	"time"
)

// rosters are the windows of questions about conversations: who is there, and the like. They are apart from those of what is
// said there, and known to this process alone.
type rosters struct {
	mu    sync.Mutex
	gates map[Scope]*roster
}

type roster struct {
	usage Usage
	until time.Time // the channel wants to be left alone
}

// forgetRosters is how many are kept before those are looked for that nobody asks about any more.
const forgetRosters = 1024

// Question is the right to ask a channel once about a conversation, see [Limiter.WaitRoster]. A nil one is that where nothing
// is limited. The first of its methods that is called counts.
type Question struct {
	l      *Limiter
	scope  Scope
	rule   Rule
	permit *Permit
	once   sync.Once
}

// WaitRoster waits until the channel may be asked about a conversation: as long as its own windows for that take
// ([Profile.PerRoster]), and those which the tenant has for everything. What is asked for belongs into the name where
// kinds of questions have windows of their own. It is like [Limiter.Wait] otherwise; the question's end must be told.
func (l *Limiter) WaitRoster(ctx context.Context, r Route, name string, k Kind) (*Question, error) {
	if l == nil {
		return nil, nil //nolint:nilnil // a nil question is one for anything
	}
	q := &Question{l: l, scope: r.OfConversation(name), rule: Rule{Windows: l.cfg.Profiles[r.Channel].PerRoster}}
	for {
		next := q.take()
		if next.IsZero() {
			break
		}
		after := next.Sub(l.cfg.Now())
		if end, ok := ctx.Deadline(); ok && time.Until(end) < after {
			return nil, &BusyError{Next: next, After: after}
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &BusyError{Next: next, After: after, Err: context.Cause(ctx)}
		}
	}
	permit, err := l.Wait(ctx, r, "", k)
	if err != nil {
		q.end(func(g *roster) { g.usage.Cancel() })
		return nil, err
	}
	q.permit = permit
	return q, nil
}

// take counts the question, or returns when it may be counted.
func (q *Question) take() (next time.Time) {
	l := q.l
	l.rosters.mu.Lock()
	defer l.rosters.mu.Unlock()
	now := l.cfg.Now()
	g := l.rosters.gates[q.scope]
	switch {
	case g == nil:
		l.rosters.forgetSome(q.rule, now)
		g = &roster{}
		l.rosters.gates[q.scope] = g
	case now.Before(g.until):
		return g.until
	case g.usage.Room(q.rule, Reply, now) < 1:
		if next = g.usage.Next(q.rule, Reply, now); !next.After(now) { // once one that is on its way is answered
			next = now.Add(shortest)
		}
		return next
	}
	g.usage.Take()
	return time.Time{}
}

// forgetSome removes what nobody asks about any more, if there is much. Its lock is held.
func (rs *rosters) forgetSome(rule Rule, now time.Time) {
	if rs.gates == nil {
		rs.gates = make(map[Scope]*roster)
	}
	if len(rs.gates) < forgetRosters {
		return
	}
	for scope, g := range rs.gates {
		if g.usage.Trim(rule, now); g.usage.Empty() && !now.Before(g.until) {
			delete(rs.gates, scope)
		}
	}
}

// end ends the question, in the books of its gate.
func (q *Question) end(by func(*roster)) {
	q.l.rosters.mu.Lock()
	defer q.l.rosters.mu.Unlock()
	if g := q.l.rosters.gates[q.scope]; g != nil {
		by(g)
		g.usage.Trim(q.rule, q.l.cfg.Now())
	}
}

// Done ends it: the channel has answered, or nobody waits for its answer any more.
func (q *Question) Done(now time.Time) {
	if q == nil {
		return
	}
	q.once.Do(func() {
		q.permit.Done(now)
		q.end(func(g *roster) { g.usage.Done(now) })
	})
}

// Throttled ends it: the channel has refused it, and wants no more questions of that name for a while.
func (q *Question) Throttled(now time.Time, after time.Duration) {
	if q == nil {
		return
	}
	q.once.Do(func() {
		q.permit.Done(now)
		q.end(func(g *roster) {
			g.usage.Done(now)
			g.until = now.Add(after)
		})
	})
}

// Cancel gives it back: nothing was asked.
func (q *Question) Cancel() {
	if q == nil {
		return
	}
	q.once.Do(func() {
		q.permit.Cancel()
		q.end(func(g *roster) { g.usage.Cancel() })
	})
}
