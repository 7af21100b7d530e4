package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peers measures the same job done with the official JavaScript SDK as its documentation does it, in turns.
func peers(ctx context.Context, o options) error {
	script := filepath.Join("bench", "peers", "drain.mjs")
	if _, err := os.Stat(filepath.Join("examples", "bots", "node_modules", "botbuilder")); err != nil {
		return fmt.Errorf("the SDK is not installed (npm ci in examples/bots, which make bench does): %w", err)
	}
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
	if err := p.meet(ctx, o.deliveries); err != nil {
		return err
	}
	n := max(1, o.deliveries/20)
	var ratios []float64
	for range o.pairs {
		out, err := exec.CommandContext(ctx, "node", script, "botbuilder", s.url, strconv.Itoa(n)).Output()
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		took, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			return err
		}
		if err := p.accept(ctx, o.deliveries); err != nil {
			return err
		}
		if err := s.reset(ctx); err != nil {
			return err
		}
		got, err := p.timed(ctx, o.deliveries, p.start)
		if err := p.stop(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		ratios = append(ratios, got.perSecond*took/float64(n))
		fmt.Printf("  %6.0f/s, botbuilder for JavaScript in a loop %6.0f/s: %.1f times\n", got.perSecond, float64(n)/took, ratios[len(ratios)-1])
	}
	fmt.Printf("  median %.1f times, durable against not\n", median(ratios))
	return nil
}
