package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// slowChannel measures deliveries to a channel as it is on the Internet, and in turns with them what Go's HTTP client
// alone sends there. The client is a process of its own, since memory is measured, too.
func slowChannel(ctx context.Context, o options) error {
	s, err := startSink(ctx, true)
	if err != nil {
		return err
	}
	defer s.stop()
	o.deliveries, o.connections, o.slots = max(o.deliveries, 10*o.inFlight), o.inFlight, o.inFlight
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.meet(ctx, o.deliveries); err != nil {
		return err
	}
	fmt.Printf("  %d deliveries, %d in flight, answers after %v; memory at first %s\n", o.deliveries, o.inFlight, slowAnswer, memory("VmRSS"))
	var ratios []float64
	for range o.pairs {
		alone, err := aloneThere(ctx, o, s)
		if err != nil {
			return err
		}
		if err := p.accept(ctx, o.deliveries); err != nil {
			return err
		}
		if err := s.reset(ctx); err != nil {
			return err
		}
		used, err := s.number(ctx, "/used")
		if err != nil {
			return err
		}
		got, err := p.timed(ctx, o.deliveries, p.start)
		if err := errors.Join(err, p.stop()); err != nil {
			return err
		}
		now, err := s.number(ctx, "/used")
		if err != nil {
			return err
		}
		ratios = append(ratios, got.perSecond/alone.perSecond)
		fmt.Printf("  %6.0f/s (%v of processor time each, %v in the sink%s), HTTP client alone %6.0f/s (%v; %s), ratio %.2f\n",
			got.perSecond, got.each.Round(100*time.Nanosecond), (time.Duration(now-used) / time.Duration(o.deliveries)).Round(100*time.Nanosecond), got.andDatabase(),
			alone.perSecond, alone.each.Round(100*time.Nanosecond), alone.memory, ratios[len(ratios)-1])
	}
	fmt.Printf("  median ratio %.2f; memory at most %s\n", median(ratios), memory("VmHWM"))
	return nil
}

// aloneRate is what a client in a process of its own has reached.
type aloneRate struct {
	rate
	memory string
}

// aloneThere has a process of its own post to the sink.
func aloneThere(ctx context.Context, o options, s *sinkProcess) (got aloneRate, err error) {
	self, err := os.Executable()
	if err != nil {
		return got, err
	}
	cmd := exec.CommandContext(ctx, self, "-post", s.url, "-roots", base64.StdEncoding.EncodeToString(s.pem),
		"-n", fmt.Sprint(o.deliveries), "-in-flight", fmt.Sprint(o.inFlight))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return got, fmt.Errorf("the client alone: %w", err)
	}
	var unit string
	if _, err := fmt.Sscan(string(out), &got.perSecond, &got.each, &got.memory, &unit); err != nil {
		return got, fmt.Errorf("the client alone said %q: %w", out, err)
	}
	got.memory += " " + unit
	return got, nil
}

// postThere is that process: it posts to a sink that speaks HTTP/2, as programs do by themselves, and prints how fast,
// the processor time of each, and the most memory that it took.
func postThere(ctx context.Context, o options, url, roots string) error {
	pem, err := base64.StdEncoding.DecodeString(roots)
	if err != nil {
		return err
	}
	s := sinkAt(url, pem)
	start, used := time.Now(), processorTime()
	if err := each(o.inFlight, o.deliveries, func(i int) error { return s.post(ctx, text(i)) }); err != nil {
		return err
	}
	took := time.Since(start)
	_, err = fmt.Println(float64(o.deliveries)/took.Seconds(), int64(processorTime()-used)/int64(o.deliveries), memory("VmHWM"))
	return err
}
