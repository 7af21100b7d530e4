package pace

import (
	"cmp"
	"slices"
	"time"
)

// LongestCall is how long a call may be under way at most: whoever makes one gives it up by then. After it nobody who has
// died can have a call on its way.
const LongestCall = 13 * time.Second

// Shares is how the nodes of an installation share the windows of one tenant or bot. It is what a database keeps in one
// row, which is locked while one of them looks at it; its JSON form is to be stored. Times in it are by the database's
// clock.
//
// Of every window the nodes have as many calls together as it allows, at most: each may have so many occupied by itself,
// and nobody gives away what is occupied. See the package's comment.
type Shares struct {
	Nodes []Share `json:"nodes,omitempty"`
}

// Share is what one run of a node has of a scope's windows.
type Share struct {
	// Node names the node, also after a restart; Run is its process. Two processes of a node never run at once.
	Node string `json:"node"`
	Run  string `json:"run"`
	// Until is when the share ends unless it is prolonged before. Calls begin before that only.
	Until time.Time `json:"until"`
	// Ended is when the node's calls were over at the latest, if that is known.
	Ended time.Time `json:"ended,omitzero"`
	Parts []Part    `json:"parts"`
	// Used are the ends of calls in windows that are too long to be waited out, as they were when this was written; with
	// Ended those in all windows.
	Used Usage `json:"used,omitzero"`
}

// Part is what a node has of one window, by its length.
type Part struct {
	Per nanoseconds `json:"per"`
	// Has is how many calls the node may have occupied.
	Has int `json:"has"`
	// Wants is how many it could use, and First how many of these while people wait for replies.
	Wants int `json:"wants"`
	First int `json:"first,omitzero"`
}

// nanoseconds is the length of a window.
type nanoseconds int64

func (n nanoseconds) duration() time.Duration { return time.Duration(n) }

// asker is the node that looks at the shares: what it could use, and what it has occupied.
type asker struct {
	node, run string
	began     time.Time // this process, by the database's clock
	lease     time.Duration
	used      Usage // by the database's clock
	parts     []wanted
}

// wanted is what a node says of one window.
type wanted struct{ occupied, wants, first int }

// over is when the last call of the share was over at the latest; meaningless while it is alive.
func (s *Share) over() time.Time {
	last := s.Until.Add(LongestCall)
	if !s.Ended.IsZero() && s.Ended.Before(last) {
		return s.Ended
	}
	return last
}

// alive reports whether calls may begin in the share.
func (s *Share) alive(now time.Time) bool { return s.Ended.IsZero() && !now.After(s.Until) }

// part is what the share has of a window. A window that it does not know, since the limits have been changed, is counted
// with as many as it has of any.
func (s *Share) part(per time.Duration) (p Part) {
	for _, has := range s.Parts {
		if has.Per.duration() == per {
			return has
		}
		p.Has = max(p.Has, has.Has)
	}
	return p
}

// occupies is how many calls of a window the share occupies at most: all that it has while it is alive. After that it is
// what is known to have been called, and what may have been called besides, which is free one window after the share's
// last call was over.
func (s *Share) occupies(per time.Duration, now time.Time) int {
	has := s.part(per).Has
	if s.alive(now) {
		return has
	}
	known := s.Used.Used(per, now)
	if now.Sub(s.over()) > per {
		return known
	}
	return known + min(max(0, has-s.Used.Used(per, s.Until)), s.unknown())
}

// unknown is how many calls may have been made that are not known. Each needs one of every window: the long ones, whose
// calls are known but for these, bound them.
func (s *Share) unknown() int {
	n := everything
	for _, p := range s.Parts {
		if p.Per.duration() > shortWindow {
			n = min(n, max(0, p.Has-s.Used.Used(p.Per.duration(), s.Until)))
		}
	}
	return n
}

// standing is how a node stands after it has asked.
type standing struct {
	short bool // it has less than its due
	over  bool // it has more, and gives it back as it becomes free
	tell  bool // another one can take what was given back, or can give what is missing
}

// ask gives a node a share by what it and the others want. What it has grown by may be used once this is stored; what it has
// lost may not be used from now on.
func (s *Shares) ask(rule Rule, a asker, now time.Time) (has []int, stand standing) {
	mine := s.settle(rule, a, now)
	live := []*Share{mine}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.alive(now) {
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(x, y *Share) int { return cmp.Compare(x.Run, y.Run) })
	has = make([]int, len(rule.Windows))
	for i, w := range rule.Windows {
		had := mine.Parts[i].Has
		free, available := w.Limit-had, w.Limit
		for j := range s.Nodes {
			n := &s.Nodes[j]
			occupied := n.occupies(w.Per, now)
			free -= occupied
			if !n.alive(now) {
				available -= occupied
			}
		}
		othersShort, othersOver := false, false
		for j, target := range divide(max(0, available), live, w.Per, now) {
			switch n := live[j]; {
			case n != mine:
				othersShort = othersShort || n.part(w.Per).Has < target
				othersOver = othersOver || n.part(w.Per).Has > target
			case target < had:
				has[i] = max(target, min(had, a.parts[i].occupied))
			default:
				has[i] = min(target, had+max(0, free))
			}
			if live[j] == mine {
				stand.short = stand.short || has[i] < target
				stand.over = stand.over || has[i] > target
			}
		}
		stand.tell = stand.tell || has[i] < had && othersShort || stand.short && othersOver
	}
	for i := range has {
		mine.Parts[i].Has = has[i]
	}
	if s.keep(mine, a, now) {
		clear(has)
	}
	return has, stand
}

// settle takes the asking node's share out of the row, notes the end of the node's earlier processes, and forgets those who
// occupy nothing any more.
func (s *Shares) settle(rule Rule, a asker, now time.Time) *Share {
	mine := &Share{Node: a.node, Run: a.run, Parts: make([]Part, len(rule.Windows))}
	for i, w := range rule.Windows {
		mine.Parts[i] = Part{Per: nanoseconds(w.Per), Wants: a.parts[i].wants, First: a.parts[i].first}
	}
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n Share) bool {
		if n.Run != a.run {
			return false
		}
		for i := range mine.Parts { // it knows itself what of this is occupied, also when its share has run out
			mine.Parts[i].Has += n.occupies(mine.Parts[i].Per.duration(), now)
		}
		return true
	})
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Node == a.node && n.Ended.IsZero() {
			n.Ended = a.began
		}
	}
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n Share) bool { return !n.alive(now) && !n.occupiesAny(now) })
	return mine
}

func (s *Share) occupiesAny(now time.Time) bool {
	for _, p := range s.Parts {
		if s.occupies(p.Per.duration(), now) > 0 {
			return true
		}
	}
	return false
}

// keep puts the asking node's share into the row. One that wants nothing and has nothing on its way ends, which keep
// reports: what it has called stays known.
func (s *Shares) keep(mine *Share, a asker, now time.Time) (ended bool) {
	mine.Until = now.Add(a.lease)
	switch {
	case wantsNothing(mine.Parts) && a.used.onWay == 0:
		mine.Ended, mine.Used = now, a.used
		for i := range mine.Parts {
			mine.Parts[i].Has = 0
		}
		ended = true
		if !mine.occupiesAny(now) {
			return true
		}
	case slices.ContainsFunc(mine.Parts, func(p Part) bool { return p.Per.duration() > shortWindow }):
		mine.Used = Usage{answered: a.used.answered}
	}
	s.Nodes = append(s.Nodes, *mine)
	return ended
}

func wantsNothing(parts []Part) bool {
	for _, p := range parts {
		if p.Wants > 0 {
			return false
		}
	}
	return true
}

// divide shares a window's calls out: first to those for whom people wait, then as evenly as can be used. What cannot be
// halved goes to the first; when there are fewer calls than nodes, to one after the other.
func divide(n int, nodes []*Share, per time.Duration, now time.Time) []int {
	wants, first := make([]int, len(nodes)), make([]int, len(nodes))
	wanting := 0
	for i, s := range nodes {
		p := s.part(per)
		wants[i], first[i] = p.Wants, min(p.First, p.Wants)
		if p.Wants > 0 {
			wanting++
		}
	}
	turn := 0
	if n < wanting {
		turn = int(now.Unix()/2) % len(nodes)
	}
	return level(n, level(n, make([]int, len(nodes)), first, turn), wants, turn)
}

// level gives everybody at least what he has, and the rest as evenly as the wants allow, the odd ones from a turn on.
func level(n int, has, wants []int, turn int) []int {
	at := func(height, i int) int { return max(has[i], min(wants[i], height)) }
	low, high := 0, n
	for low < high {
		mid := (low + high + 1) / 2
		sum := 0
		for i := range has {
			sum += at(mid, i)
		}
		if sum <= n {
			low = mid
		} else {
			high = mid - 1
		}
	}
	all, left := make([]int, len(has)), n
	for i := range all {
		all[i] = at(low, i)
		left -= all[i]
	}
	for k := range all {
		if i := (k + turn) % len(all); left > 0 && all[i] < wants[i] {
			all[i]++
			left--
		}
	}
	return all
}
