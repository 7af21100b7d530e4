package main

import (
	"context"
	"fmt"
	"time"
)

// slowChannel measures deliveries to a channel as it is on the Internet.
func slowChannel(ctx context.Context, o options) error {
	s, err := startSink(ctx, true)
	if err != nil {
		return err
	}
	defer s.stop()
	o.connections = o.inFlight
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	n := max(o.deliveries, 10*o.inFlight)
	if err := p.meet(ctx, n); err != nil {
		return err
	}
	if err := p.accept(ctx, n); err != nil {
		return err
	}
	if err := s.reset(ctx); err != nil {
		return err
	}
	got, err := p.timed(ctx, n, p.start)
	if err != nil {
		return err
	}
	fmt.Printf("  %d deliveries, %d in flight, answers after %v: %.0f/s (%v of processor time each); memory at most %s\n", n, o.inFlight,
		slowAnswer, got.perSecond, got.each.Round(100*time.Nanosecond), memory("VmHWM"))
	return nil
}
