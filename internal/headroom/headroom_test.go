package headroom_test

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/headroom"
)

func percent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// until collects until the percentage is right; it is set a little after each collection.
func until(t *testing.T, what string, right func(uint64) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !right(percent()); {
		if time.Now().After(end) {
			t.Fatalf("%s: the percentage is %d", what, percent())
		}
		runtime.GC()
	}
}

// The percentage is the process's, hence one test.
func TestThePercentageFallsAsMoreIsKept(t *testing.T) {
	headroom.Keep()
	until(t, "at first", func(p uint64) bool { return p == 300 })
	kept := make([][]byte, 0, 20)
	for range cap(kept) / 2 {
		kept = append(kept, make([]byte, 10<<20))
	}
	until(t, "with 100 MB", func(p uint64) bool { return p >= 50 && p < 80 })
	for range cap(kept) / 2 {
		kept = append(kept, make([]byte, 10<<20))
	}
	until(t, "with 200 MB", func(p uint64) bool { return p == 50 })
	runtime.KeepAlive(kept) // and no longer
	until(t, "with nothing again", func(p uint64) bool { return p == 300 })
}
