package main

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// large measures what is done with a notification to very many: made, looked at, rescheduled
// and cancelled.
func large(ctx context.Context, o options) error {
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
	if err := p.meet(ctx, o.waiting); err != nil {
		return err
	}
	fmt.Printf("  %d conversations met: memory %s\n", p.known, memory("VmRSS"))
	start := time.Now()
	step := func(what string) {
		fmt.Printf("  %-40s %8.2f s, memory %s, at most %s\n", what, time.Since(start).Seconds(), memory("VmRSS"), memory("VmHWM"))
		start = time.Now()
	}
	id, err := p.spreads(ctx, 24*time.Hour)
	if err != nil {
		return err
	}
	step("deliveries made")
	if err := p.looked(ctx, id); err != nil {
		return err
	}
	step("looked at, all waiting")
	for _, change := range []struct {
		what string
		make func() error
	}{
		{"rescheduled", func() error { return p.store.RescheduleMessage(ctx, id, time.Now().Add(48*time.Hour), time.Now()) }},
		{"cancelled", func() error { return p.store.CancelMessage(ctx, id, time.Now()) }},
	} {
		if err := change.make(); err != nil {
			return err
		}
		step(change.what + ": acknowledged")
		if err := p.swept(ctx); err != nil {
			return err
		}
		step(change.what + ": all")
	}
	if err := p.looked(ctx, id); err != nil {
		return err
	}
	step("looked at, all final")
	return nil
}

// looked reads a message as its page in the API does.
func (p *pipeline) looked(ctx context.Context, id outbox.MessageID) error {
	r, err := p.store.MessageRecord(ctx, id, 100)
	if err == nil && len(r.Deliveries) != min(100, p.known) {
		err = fmt.Errorf("%d deliveries are shown", len(r.Deliveries))
	}
	return err
}

// swept goes on with changes until there are none.
func (p *pipeline) swept(ctx context.Context) error {
	next := time.Now().UnixNano()
	for more := true; more; {
		var err error
		if _, more, err = p.store.SweepMessages(ctx, 500, func() outbox.DeliveryID {
			next++
			return outbox.DeliveryID(next)
		}); err != nil {
			return err
		}
	}
	return nil
}
