package sqlite

import (
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// lanes remembers which lanes may hold deliveries that wait, so that an empty one need not be looked into: most
// deliveries find their lane empty and leave it so. It errs on the side of "may". It belongs to the writer.
type lanes struct {
	// may has the last place that was given in each.
	may map[lane]int64
	// out are those of attempts that are handed out.
	out map[lane]struct{}
	// active is how many deliveries are in any lane.
	active int64
	// blind: more lanes are in use than are remembered, so that every lane may.
	blind bool
	// old is true while there may be deliveries from before the start; since is the first place given after it.
	old   bool
	since int64
}

type lane struct {
	conversation book.Row
	lane         outbox.Lane
}

// rememberedLanes bounds the memory that lanes take: about 10 MB.
const rememberedLanes = 200_000

func newLanes(since, active int64) lanes {
	return lanes{may: make(map[lane]int64), out: make(map[lane]struct{}), active: active, old: active > 0, since: since}
}

// enter notes that a delivery will wait in a lane, with the place seq.
func (l *lanes) enter(c book.Row, n outbox.Lane, seq int64) {
	if l.blind {
		return
	}
	if len(l.may) >= rememberedLanes {
		l.blind = true
		clear(l.may)
		return
	}
	at := lane{c, n}
	l.may[at] = max(l.may[at], seq)
}

// left notes that nobody waits in a lane.
func (l *lanes) left(c book.Row, n outbox.Lane) { delete(l.may, lane{c, n}) }

// behind reports whether somebody may wait behind the delivery with the place seq.
func (l *lanes) behind(c book.Row, n outbox.Lane, seq int64) bool {
	return l.may[lane{c, n}] > seq || l.blind || l.old && seq < l.since
}

// last reports whether nobody can have come into a lane after the one with the place seq, which is remembered.
func (l *lanes) last(c book.Row, n outbox.Lane, seq int64) bool { return l.may[lane{c, n}] == seq }

// taken reports whether somebody may be in a lane.
func (l *lanes) taken(c book.Row, n outbox.Lane) bool {
	_, may := l.may[lane{c, n}]
	_, out := l.out[lane{c, n}]
	return may || out || l.blind || l.old
}

// moved notes by how much the number of deliveries in lanes has changed. When none is left, everything is known again.
func (l *lanes) moved(n int64) {
	if l.active += n; l.active == 0 {
		l.old, l.blind = false, false
		clear(l.may)
	}
}
