package pace

import (
	"math"
	"time"
)

// Where a limiter has joined others, a pause is what is stored: every change of it is told by [Limiter.OnPaused], and what
// is stored is learnt again by [Limiter.Learn]. A pause that has run out is tried by the node that may ([Limiter.MayProbe]).

// ProbeWithin is for how long a node may begin to try a scope after it was told that it may.
const ProbeWithin = time.Second

// Known is a pause as it is stored.
type Known struct {
	Pause // but for Until

	In   time.Duration // until its end; negative when it has run out
	Ours bool          // it is this node's turn to try the scope
}

// Learning begins to learn what is stored; what this node tells from now on may not be in it yet.
func (l *Limiter) Learning() (mark int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

// Kept tells that what [Limiter.OnPaused] has told of a scope was stored, or could not be. It is called once for each.
func (l *Limiter) Kept(s Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pending[s]; p != nil {
		p.n--
		p.last = l.told
	}
}

// unstored is what was told of a scope and is not known to be stored.
type unstored struct {
	n    int
	last int64 // what was told of it last, or when it was stored
}

// Learn has the limiter know all pauses that are stored, as they were read after [Limiter.Learning]. It returns those that
// it was this node's turn to try, and that it has not tried.
func (l *Limiter) Learn(mark int64, all []Known, now time.Time) (back []Pause) {
	l.mu.Lock()
	wall, now := now, l.clock(now)
	known := make(map[Scope]bool, len(all))
	freed := false
	var again []Pause
	for _, k := range all {
		known[k.Scope] = true
		if l.unsettled(k.Scope, mark) {
			continue
		}
		b := l.blocks[k.Scope]
		if b == nil {
			b = &block{}
			l.blocks[k.Scope] = b
			l.blocked.Add(1)
		}
		if b.pause.Version != k.Version {
			freed = freed || now.Add(k.In).Before(b.until)
			b.until, b.mine = now.Add(k.In), time.Time{}
			b.pause = k.Pause
			b.pause.Until = wall.Add(k.In).Round(0)
		}
		if k.Ours && b.probe == nil && now.After(b.mine) {
			back = append(back, b.pause)
		}
	}
	for s, b := range l.blocks {
		switch {
		case known[s] || l.unsettled(s, mark):
		case b.pause.Version > 0: // another node has ended it
			l.unblock(s)
			l.recover(s.Host)
			freed = true
		default: // it could not be stored
			again = append(again, b.pause)
			l.tells(s)
		}
	}
	for s, p := range l.pending {
		if p.n == 0 && p.last <= mark {
			delete(l.pending, s)
		}
	}
	if freed {
		l.wakeAll()
	}
	l.mu.Unlock()
	if freed {
		l.freed()
	}
	l.keepAll(again)
	return back
}

// unsettled reports whether something that this node has told may be missing in what was read. l.mu is held, as below.
func (l *Limiter) unsettled(s Scope, mark int64) bool {
	p := l.pending[s]
	return p != nil && (p.n > 0 || p.last > mark)
}

// tells notes that something is told of a scope.
func (l *Limiter) tells(s Scope) {
	if l.node == nil {
		return
	}
	l.told++
	p := l.pending[s]
	if p == nil {
		p = &unstored{}
		l.pending[s] = p
	}
	p.n++
	p.last = l.told
}

// Probing lists the pauses that have run out and that something waits for: the node asks whether it may try.
func (l *Limiter) Probing(now time.Time) (list []Pause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.clock(now)
	for s := range l.probing {
		b := l.blocks[s]
		if b != nil && b.pause.Version > 0 && b.due(now) && now.Sub(b.asked) >= probeEvery/2 {
			b.asked = now
			list = append(list, b.pause)
		}
	}
	clear(l.probing)
	return list
}

// MayProbe tells that it is this node that tries scopes, from a time of this process.
func (l *Limiter) MayProbe(list []Pause, sent time.Time) {
	l.mu.Lock()
	sent = l.clock(sent)
	for _, p := range list {
		if b := l.blocks[p.Scope]; b != nil && b.pause.Version == p.Version {
			b.mine = sent.Add(ProbeWithin)
		}
	}
	l.wakeAll()
	l.mu.Unlock()
	if len(list) > 0 {
		l.freed()
	}
}

// wantsProbe notes that something waits for a pause that has run out.
func (l *Limiter) wantsProbe(b *block, now time.Time) {
	if l.node != nil && b.due(now) && !now.Before(b.mine) {
		l.probing[b.pause.Scope] = true
		l.node.Look()
	}
}

// ended is a pause that is over: the one that this node knows, or whichever there is.
func (b *block) ended(s Scope, whichever bool) Pause {
	p := Pause{Scope: s, Version: b.pause.Version}
	if whichever {
		p.Version = math.MaxInt64
	}
	return p
}
