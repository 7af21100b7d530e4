package pace_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/pace"
)

// BenchmarkPermit is what a call costs: where nothing is limited, and on Teams, each in a conversation of its own.
func BenchmarkPermit(b *testing.B) {
	for name, profiles := range map[string]pace.Profiles{"unlimited": {}, "teams": pace.Published()} {
		b.Run(name, func(b *testing.B) {
			l, err := pace.New(pace.Config{Profiles: profiles})
			if err != nil {
				b.Fatal(err)
			}
			tenants := make([]pace.Route, 100)
			for i := range tenants {
				tenants[i] = route(strconv.Itoa(i))
			}
			ids := make([]string, 1<<16)
			for i := range ids {
				ids[i] = strconv.Itoa(i)
			}
			now := t0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(250 * time.Microsecond) // 4,000 calls per second
				r := tenants[i%len(tenants)]
				if l.Room(r, now) == 0 {
					b.Fatal("no room")
				}
				p, ok := l.Take(r, ids[i%len(ids)], pace.Delivery, now)
				if !ok {
					b.Fatal("no permit")
				}
				p.Done(now)
			}
		})
	}
}
