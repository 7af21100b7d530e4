//go:build chaos

package chaos_test

import (
	"flag"
	"time"
)

// kills is how often the storms kill: make chaos KILLS=1000.
var kills = 200

func init() { flag.IntVar(&kills, "kills", kills, "how often the storms kill") }

// How long the tests are with "make chaos".
const (
	terminations = 100
	pause        = time.Minute
	outage       = time.Minute
)
