// Command bench measures deliveries per second through the full pipeline (turn lease, history, SQLite with every commit
// synced) as a ratio to what Go's own HTTP client posts to the same sink in the same run, and how long one notification
// takes from the call to the sink.
//
// The sink is a process of its own. Baseline and pipeline are measured in turns, and the median of the pairs is what
// counts: machines are shared and noisy, so the times alone say little.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

type options struct {
	deliveries, conversations, pairs, singles, connections int
	only                                                   string
}

func main() {
	var o options
	sink := flag.Bool("sink", false, "be the sink (used by the bench itself)")
	flag.IntVar(&o.deliveries, "n", 20_000, "deliveries per measurement")
	flag.IntVar(&o.conversations, "conversations", 10_000, "conversations that they go to")
	flag.IntVar(&o.pairs, "pairs", 5, "pairs of baseline and pipeline")
	flag.IntVar(&o.singles, "singles", 500, "single notifications on an idle engine")
	flag.IntVar(&o.connections, "connections", 256, "connections of the baseline, and slots of the engine")
	flag.StringVar(&o.only, "only", "", "measure only the one whose name begins so")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the whole run to this file")
	flag.Parse()
	var err error
	if *profile != "" {
		stop, failed := startProfile(*profile)
		if failed != nil {
			fmt.Fprintln(os.Stderr, "bench:", failed)
			os.Exit(1)
		}
		defer stop()
	}
	if *sink {
		err = serveSink()
	} else {
		err = run(context.Background(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // as the binary does
	debug.SetGCPercent(300)
	s, err := startSink(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	fmt.Printf("%d deliveries (texts of %d bytes, activities of about 700) to %d conversations, accepted by library, pace off, SQLite synced on every commit;\n"+
		"sink in its own process; %d connections and slots, %d accepting at once; %s, %d CPUs\n\n",
		o.deliveries, len(text(0)), o.conversations, o.connections, accepters, runtime.Version(), runtime.NumCPU())

	for _, m := range []struct {
		name    string
		measure func(context.Context, options, *sinkProcess) (float64, error)
	}{{"backlog drain", drain}, {"accept and deliver", acceptAndDeliver}} {
		if !strings.HasPrefix(m.name, o.only) {
			continue
		}
		var ratios []float64
		for pair := range o.pairs {
			base, err := baseline(ctx, o, s)
			if err != nil {
				return err
			}
			rate, err := m.measure(ctx, o, s)
			if err != nil {
				return err
			}
			ratios = append(ratios, rate/base)
			fmt.Printf("  %-20s pair %d: %6.0f/s, HTTP client alone %6.0f/s, ratio %.2f\n", m.name, pair+1, rate, base, rate/base)
		}
		slices.Sort(ratios)
		fmt.Printf("%-20s median ratio %.2f\n\n", m.name, ratios[len(ratios)/2])
	}
	if o.only != "" {
		return nil
	}
	return singles(ctx, o, s)
}

// singles measures one notification at a time, and for comparison one bare post at a time, in turns.
func singles(ctx context.Context, o options, s *sinkProcess) error {
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	p.start()
	if err := s.reset(ctx); err != nil {
		return err
	}
	var bare []time.Duration
	for i := range o.singles {
		start := time.Now()
		if err := s.post(ctx, text(0)); err != nil {
			return err
		}
		bare = append(bare, time.Since(start))
		if err := p.notify(ctx, i, stamped()); err != nil {
			return err
		}
		if err := s.await(ctx, 2*(i+1)); err != nil {
			return err
		}
	}
	took, err := s.latencies(ctx)
	if err != nil {
		return err
	}
	slices.Sort(took)
	slices.Sort(bare)
	fmt.Printf("one notification, call to sink, idle: p50 %v, p99 %v (a bare HTTP round trip: p50 %v, p99 %v; ratio of p50 %.1f)\n",
		quantile(took, 0.5), quantile(took, 0.99), quantile(bare, 0.5), quantile(bare, 0.99),
		float64(quantile(took, 0.5))/float64(quantile(bare, 0.5)))
	return nil
}

func startProfile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(10 * time.Microsecond)
}
