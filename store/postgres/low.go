package postgres

import (
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup/outbox"
)

// While somebody's transaction stays open anywhere in the database, entries of what has left a queue cannot be taken out
// of its indexes, and whoever asks for the first steps over all of them. So a node remembers where the first stood when it
// looked last, and begins there.
//
// It must not begin too late: whoever in this process puts something in front of that lowers it when this is committed, and
// nodes tell each other. A hint may get lost, or a statement may fail, so now and then a node looks from the very beginning
// (see discover), the more seldom the longer that takes.

// low is the place before which nothing is, as far as this node knows: a rank, or a time in microseconds since 1970.
type low struct {
	from    int64
	offered int64 // the lowest that was added since somebody began to look
}

// unknownLow is where nothing is known.
var unknownLow = low{math.MinInt64, math.MaxInt64}

// offer notes that there may be something at a place.
func (l *low) offer(at int64) { l.from, l.offered = min(l.from, at), min(l.offered, at) }

// look begins a look, and tells from where on.
func (l *low) look() int64 {
	l.offered = math.MaxInt64
	return l.from
}

// found ends a look, which has found the first at a place, and reports whether it may have missed one before that, which was
// offered meanwhile.
func (l *low) found(first int64) (missed bool) {
	l.from = min(first, l.offered)
	return l.offered < first
}

// nowhere is the place of the first where there is none.
const nowhere = math.MaxInt64

// duePlace is the place of what is due at a time.
func duePlace(at time.Time) int64 { return at.UnixMicro() }

// dueFrom is a place as the database has it.
func dueFrom(place int64) pgtype.Timestamptz {
	switch place {
	case math.MinInt64:
		return pgtype.Timestamptz{Valid: true, InfinityModifier: pgtype.NegativeInfinity}
	case math.MaxInt64:
		return pgtype.Timestamptz{Valid: true, InfinityModifier: pgtype.Infinity}
	}
	return pgtype.Timestamptz{Valid: true, Time: time.UnixMicro(place)}
}

// lows remembers where lanes of conversations begin: places in a lane are given in the order of the commits, so what has
// come this far once never goes back, whoever else works there. It keeps two generations, like the cache.
type lows struct {
	mu         sync.Mutex
	young, old map[lane]int64 // guarded by mu
}

// lowsSize is how many lanes a generation holds.
const lowsSize = 20_000

func newLows() *lows { return &lows{young: make(map[lane]int64)} }

// left notes that all up to a place have left a lane.
func (l *lows) left(where map[lane]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for in, seq := range where {
		if len(l.young) >= lowsSize {
			l.old, l.young = l.young, make(map[lane]int64)
		}
		l.young[in] = max(l.young[in], l.old[in], seq)
	}
}

// of tells behind which places the first of lanes are; 0 where nothing is known.
func (l *lows) of(lanes []lane) []int64 {
	list := make([]int64, len(lanes))
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, in := range lanes {
		list[i] = max(l.young[in], l.old[in])
	}
	return list
}

// offer is a lane of a route that has a head to be claimed, with this rank.
type offer struct {
	route int64
	lane  outbox.Lane
	rank  int64
}
