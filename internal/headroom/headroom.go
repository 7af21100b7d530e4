// Package headroom bounds the memory that garbage takes until it is collected.
//
// Go lets the heap grow by a percentage of what is alive before it collects again. A process that keeps little and lets
// much pass through does well with a large percentage, until it keeps more for a while, such as thousands of requests and
// their stacks: then most of its memory is garbage. [Keep] lowers the percentage as what is alive grows.
package headroom

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// most and least bound the percentage: more than most saves hardly any work, and with less than least a process that
	// keeps much would do little else than collect.
	most, least = 300, 50
	// room is how much garbage there may be, between those bounds.
	room = 64 << 20
)

// Keep sets the percentage after every collection from then on, for as long as the process lives. Call it once.
func Keep() {
	debug.SetGCPercent(most)
	again(&keeper{percent: most, samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}})
}

// keeper is what is set, and the room for what is measured.
type keeper struct {
	percent int
	samples []metrics.Sample
}

// again has k adjust after the next collection: what nobody holds is cleaned up then.
func again(k *keeper) { runtime.AddCleanup(new(*keeper), (*keeper).adjust, k) }

func (k *keeper) adjust() {
	again(k)
	metrics.Read(k.samples)
	var alive uint64 // what the percentage is taken of
	for _, s := range k.samples {
		alive += s.Value.Uint64()
	}
	percent := percentFor(alive)
	if diff := percent - k.percent; diff < -least/5 || diff > least/5 { // setting it stops everybody for a moment
		k.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor is the percentage that leaves the room, within its bounds.
func percentFor(alive uint64) int {
	if alive == 0 {
		return most
	}
	return int(min(most, max(least, 100*room/alive)))
}
