//go:build chaos

package chaos_test

import "time"

// How long the tests are with "make chaos".
const (
	kills        = 200
	terminations = 100
	pause        = time.Minute
	outage       = time.Minute
)
