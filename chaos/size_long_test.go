//go:build chaos

package chaos_test

import (
	"flag"
	"time"
)

// kills is how often the storms kill: make chaos KILLS=1000.
var kills = 200

// crowd is how many people hear of one notification: go test -tags chaos ./chaos -run Crowd -crowd 1000000.
var crowd = 100_000

func init() {
	flag.IntVar(&kills, "kills", kills, "how often the storms kill")
	flag.IntVar(&crowd, "crowd", crowd, "how many people hear of one notification")
}

// How long the tests are with "make chaos".
const (
	terminations = 100
	pause        = time.Minute
	outage       = time.Minute
	pinned       = 4 * time.Minute
	memoryEnds   = 30

	sockets = 5000
	falls   = 5

	crowdPatience = 30 * time.Minute
)
