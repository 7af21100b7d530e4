// Package backoff computes how long to wait before trying again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is exponential growth with full jitter: the wait before retry n is a random time up to Base·2ⁿ⁻¹, never above
// Max and never below Min.
type Policy struct {
	Base, Min, Max time.Duration
}

// Wait returns the time to wait after the n-th failure, n counting from 1.
func (p Policy) Wait(n int) time.Duration {
	limit := p.Base
	for range n - 1 {
		if limit >= p.Max/2 {
			limit = p.Max
			break
		}
		limit *= 2
	}
	limit = min(limit, p.Max)
	if limit <= p.Min {
		return p.Min
	}
	return p.Min + rand.N(limit-p.Min)
}
