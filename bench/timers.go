package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
)

// memory is what the operating system says that this process takes (proc(5)): VmRSS now, VmHWM at most.
func memory(what string) string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown here"
	}
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), what+":"); ok {
			var kib int
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return fmt.Sprintf("%d MB", kib/1024)
			}
		}
	}
	return "unknown"
}

// timers measures how late what was scheduled arrives at the sink.
func timers(ctx context.Context, o options) error {
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
	if err := p.start(); err != nil {
		return err
	}
	// One every 20 ms: by itself, each.
	if err := p.fire(ctx, "idle, one after the other", o.singles, 20*time.Millisecond); err != nil {
		return err
	}
	for made := 0; made < o.pending; made += p.known {
		if err := p.spread(ctx, 1000*time.Hour); err != nil {
			return err
		}
	}
	debug.FreeOSMemory()
	fmt.Printf("  %d pending: memory %s\n", o.pending, memory("VmRSS"))
	if err := p.fire(ctx, "with them, 1,000 a second", 10_000, time.Millisecond); err != nil {
		return err
	}
	// Everybody at once.
	if err := s.reset(ctx); err != nil {
		return err
	}
	in := 30 * time.Second
	due := time.Now().Add(in)
	if err := p.spread(ctx, in); err != nil {
		return err
	}
	late := time.Until(due) < 0
	time.Sleep(time.Until(due))
	if err := s.await(ctx, p.known); err != nil {
		return err
	}
	took := time.Since(due)
	fmt.Printf("  %d due at once: all at the sink %.1f s later, %.0f/s", p.known, took.Seconds(), float64(p.known)/took.Seconds())
	if late {
		fmt.Print(" (they were not all stored in time)")
	}
	alone, err := baseline(ctx, o, s)
	if err != nil {
		return err
	}
	fmt.Printf("; HTTP client alone %.0f/s; memory at most %s\n", alone.perSecond, memory("VmHWM"))
	return nil
}

// fire schedules n notifications with so much between them, and tells how late they arrive.
func (p *pipeline) fire(ctx context.Context, what string, n int, apart time.Duration) error {
	if err := p.sink.reset(ctx); err != nil {
		return err
	}
	first := time.Now().Add(2*time.Second + time.Duration(n)*200*time.Microsecond)
	if err := each(accepters, n, func(i int) error {
		at := first.Add(time.Duration(i) * apart).Truncate(time.Microsecond)
		_, err := p.engine.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(p.ref(i % p.known)), Text: stamped(at), At: at,
		})
		return err
	}); err != nil {
		return err
	}
	time.Sleep(time.Until(first.Add(time.Duration(n) * apart)))
	if err := p.sink.await(ctx, n); err != nil {
		return err
	}
	late, err := p.sink.latencies(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  %s: late by p50 %v, p99 %v\n", what, quantile(late, 0.5), quantile(late, 0.99))
	return nil
}
