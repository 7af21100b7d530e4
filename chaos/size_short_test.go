//go:build !chaos

package chaos_test

import "time"

// How long the tests are.
const (
	kills        = 8
	terminations = 4
	pause        = 3 * time.Second
	outage       = 3 * time.Second
	memoryEnds   = 3

	sockets = 100
	falls   = 2

	crowd         = 3000
	crowdPatience = 5 * time.Minute
)
