package backoff_test

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/backoff"
)

func TestWaitStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	p := backoff.Policy{Base: time.Second, Min: 100 * time.Millisecond, Max: time.Minute}
	limits := map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute,
	}
	for n, limit := range limits {
		longest := time.Duration(0)
		for range 2000 {
			w := p.Wait(n)
			if w < p.Min || w > limit {
				t.Fatalf("after failure %d: waits %v, want between %v and %v", n, w, p.Min, limit)
			}
			longest = max(longest, w)
		}
		if longest < limit*3/4 {
			t.Errorf("after failure %d: the longest of 2000 waits is %v; the jitter does not use the range up to %v", n, longest, limit)
		}
	}
}
