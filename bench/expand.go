package main

import (
	"context"
	"fmt"
	"time"
)

// expansion measures how fast the deliveries of messages to everybody are made, and for how long something else waits
// meanwhile.
func expansion(ctx context.Context, o options) error {
	s, err := startSink(ctx, false)
	if err != nil {
		return err
	}
	defer s.stop()
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.meet(ctx, o.conversations); err != nil {
		return err
	}
	var rates []float64
	var costs, costsThere, waits []time.Duration
	for range o.pairs {
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				case <-time.After(5 * time.Millisecond):
				}
				start := time.Now()
				if _, err := p.store.ReclaimExpired(ctx, start); err != nil { // something that the writer does
					ended <- err
					return
				}
				waits = append(waits, time.Since(start))
			}
		}()
		start, used, usedThere := time.Now(), processorTime(), databaseTime(p.server)
		stopProfile, err := o.profiled()
		if err != nil {
			return err
		}
		err = p.spread(ctx, 24*time.Hour)
		stopProfile()
		if err != nil {
			return err
		}
		rates = append(rates, float64(p.known)/time.Since(start).Seconds())
		each := time.Duration(p.known)
		costs = append(costs, (processorTime()-used)/each)
		costsThere = append(costsThere, (databaseTime(p.server)-usedThere)/each)
		close(stop)
		if err := <-ended; err != nil {
			return err
		}
	}
	cost := rate{each: median(costs), database: median(costsThere)}
	fmt.Printf("  to %d conversations, %s: %.0f rows/s (%v of processor time each%s); another write meanwhile waits p50 %v, p99 %v\n",
		p.known, p.place.what, median(rates), cost.each.Round(100*time.Nanosecond), cost.andDatabase(), quantile(waits, 0.5), quantile(waits, 0.99))
	return nil
}
