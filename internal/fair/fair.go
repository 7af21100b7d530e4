// Package fair is the arithmetic of whose turn it is when more waits than can be sent.
//
// A [Ring] goes round whoever shares a channel's limits, so that the many of one do not hold up the few of another. Within
// each, [Lanes] prefers pressing lanes without starving the others, and a [Clock] ranks what waits in a lane, so that
// broadcasts interleave and a single message does not wait behind them. Nothing here is stored or safe for concurrent
// use: a store keeps ranks, and makes the rest anew when it is opened.
package fair

// Step is by how much the ranks of a message's deliveries grow from one to the next. While a broadcast waits, so many
// other messages may be sent for each of its deliveries.
const Step = 8

// Clock ranks what waits in one queue; smaller goes first. It is start-time fair queueing (Goyal, Vin, Cheng: "Start-time
// Fair Queueing", 1996) in which a message's deliveries are a flow of cost Step each, and the beginnings of messages
// together are one flow of cost 1. So:
//
//   - Messages with one delivery go in the order of their coming.
//   - Two broadcasts take turns, whichever came first and however long they are.
//   - A message that comes while a broadcast waits begins next, behind those that began before it.
//   - A broadcast gets a turn at least for every Step messages that come while it waits, however many these are.
//
// The zero value is ready for use.
type Clock struct {
	now     int64 // the highest rank that had its turn
	arrival int64 // that of the message which came last
}

// Resume makes a clock that came to a rank before. If it came further, what waits since then only waits a little longer.
func Resume(now int64) Clock { return Clock{now: now, arrival: now} }

// Now is the highest rank that had its turn.
func (c *Clock) Now() int64 { return c.now }

// Begin ranks the first, or only, delivery of a message.
func (c *Clock) Begin() int64 {
	c.arrival = max(c.now, c.arrival+1)
	return c.arrival
}

// Next ranks the delivery of a message that follows one with rank last.
func (c *Clock) Next(last int64) int64 { return max(c.now, last+Step) }

// Turn notes that somebody with a rank had his turn.
func (c *Clock) Turn(rank int64) { c.now = max(c.now, rank) }

// lanesCount is how many lanes there are.
const lanesCount = 3

// LaneShare: while a more pressing lane and a less pressing one wait, one in so many turns is the latter's.
const LaneShare = 8

// Lanes shares turns among lanes, which are numbered from 0, the most pressing, to 2. While a more pressing lane waits,
// one turn in [LaneShare] is passed on to those below it, and of these one in LaneShare further down. The zero value is
// ready for use.
type Lanes struct{ passed [lanesCount - 1]int }

// Share says how many of n turns each lane gets, if those that wait can use them all.
func (l *Lanes) Share(n int, waits [lanesCount]bool) (share [lanesCount]int) {
	for lane := range waits {
		if !waits[lane] {
			continue
		}
		below := false
		for _, w := range waits[lane+1:] {
			below = below || w
		}
		if !below {
			share[lane] = n
			return share
		}
		l.passed[lane] += n
		down := l.passed[lane] / LaneShare
		l.passed[lane] %= LaneShare
		share[lane], n = n-down, down
	}
	return share
}
