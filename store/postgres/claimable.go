package postgres

import (
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup/outbox"
)

// claimable is what one node tells the others about what there may be to claim: the lanes of routes, and the lowest rank
// that was added in each; and the earliest time for which something waits.
type claimable struct {
	ranks map[inRoute]int64
	due   int64 // as a place
}

// inRoute is a lane of a route.
type inRoute struct {
	route int64
	lane  outbox.Lane
}

// String is how it is told: "1.0.17 3.2.4 @1700000000000000" or "." where others only need to look again at what they know
// of; empty, to look everywhere, where it would be too long.
func (c *claimable) String() string {
	if len(c.ranks) > mostLanesTold {
		return ""
	}
	var b strings.Builder
	b.WriteByte('.')
	for in, rank := range c.ranks {
		fmt.Fprintf(&b, " %d.%d.%d", in.route, in.lane, rank)
	}
	if c.due != nowhere {
		fmt.Fprintf(&b, " @%d", c.due)
	}
	return b.String()
}

// mostLanesTold is how many lanes fit into a hint.
const mostLanesTold = 100

// readClaimable reads what String has written.
func readClaimable(body string) (offers []offer, due int64, ok bool) {
	due = nowhere
	words := strings.Fields(body)
	if len(words) == 0 || words[0] != "." {
		return nil, due, false
	}
	for _, word := range words[1:] {
		var o offer
		if _, err := fmt.Sscanf(word, "@%d", &due); err == nil {
			continue
		}
		if _, err := fmt.Sscanf(word, "%d.%d.%d", &o.route, &o.lane, &o.rank); err != nil || o.lane < 0 || o.lane >= laneCount {
			return nil, due, false
		}
		offers = append(offers, o)
	}
	return offers, due, true
}

// tellClaim queues a hint that there may be something to claim.
func (b *bus) tellClaim(offers []offer, due int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.claims == nil {
		b.claims = &claimable{ranks: make(map[inRoute]int64), due: nowhere}
	}
	c := b.claims
	c.due = min(c.due, due)
	for _, o := range offers {
		in := inRoute{o.route, o.lane}
		if rank, told := c.ranks[in]; !told || o.rank < rank {
			c.ranks[in] = o.rank
		}
	}
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// heardOfClaims acts on another node's hint.
func (s *Store) heardOfClaims(body string) {
	offers, due, ok := readClaimable(body)
	if !ok {
		s.routes.lookAgain()
		s.wakeHere()
		return
	}
	s.routes.offer(offers)
	if sooner := s.routes.later(due); sooner || len(offers) > 0 || due == nowhere {
		s.wakeHere()
	}
}
