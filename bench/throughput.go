package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// backlog measures how fast what was accepted before is delivered: a message for each conversation, or more.
func backlog(ctx context.Context, o options) error {
	o.deliveries = max(o.deliveries, o.conversations)
	return pairs(ctx, o, func(ctx context.Context, p *pipeline) (rate, error) {
		if err := p.accept(ctx, o.deliveries); err != nil {
			return rate{}, err
		}
		if err := p.sink.reset(ctx); err != nil {
			return rate{}, err
		}
		return p.timed(ctx, o.deliveries, func() error { return p.start() })
	})
}

// whileAccepting measures how fast is delivered while all of it is accepted.
func whileAccepting(ctx context.Context, o options) error {
	return pairs(ctx, o, func(ctx context.Context, p *pipeline) (rate, error) {
		if err := p.sink.reset(ctx); err != nil {
			return rate{}, err
		}
		if err := p.start(); err != nil {
			return rate{}, err
		}
		return p.timed(ctx, o.deliveries, func() error { return p.accept(ctx, o.deliveries) })
	})
}

// rate is how fast something went, and how much processor time each took in this process, and in those of the database.
type rate struct {
	perSecond      float64
	each, database time.Duration
	counted, there instructions
}

// andDatabase tells what the database has used, if that is known.
func (r rate) andDatabase() string {
	if r.database == 0 {
		return ""
	}
	return fmt.Sprintf(" and %v in the database%s", r.database.Round(100*time.Nanosecond), r.there)
}

// pairs measures the pipeline and Go's HTTP client alone in turns.
func pairs(ctx context.Context, o options, measure func(context.Context, *pipeline) (rate, error)) error {
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
	fmt.Printf("  %d deliveries of about 700 bytes to %d conversations, accepted by library from %d goroutines, pace off, %s;\n"+
		"  %d connections, and %d slots of the engine\n", o.deliveries, o.conversations, accepters, p.place.what, o.connections, p.slots)
	var ratios, costs []float64
	for range o.pairs {
		alone, err := baseline(ctx, o, s)
		if err != nil {
			return err
		}
		got, err := measure(ctx, p)
		if err := p.stop(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		ratios = append(ratios, got.perSecond/alone.perSecond)
		costs = append(costs, float64(got.each)/float64(alone.each))
		fmt.Printf("  %6.0f/s (%v of processor time each%s%s), HTTP client alone %6.0f/s (%v%s), ratio %.2f\n", got.perSecond,
			got.each.Round(100*time.Nanosecond), got.counted, got.andDatabase(), alone.perSecond, alone.each.Round(100*time.Nanosecond),
			alone.counted, got.perSecond/alone.perSecond)
	}
	fmt.Printf("  median ratio %.2f; processor time %.1f times that of the HTTP client\n", median(ratios), median(costs))
	return nil
}

// timed measures what begin sets going, until n more are delivered, the store knows it, and the sink has them.
func (p *pipeline) timed(ctx context.Context, n int, begin func() error) (rate, error) {
	stop, err := p.profiled()
	if err != nil {
		return rate{}, err
	}
	defer stop()
	count, err := p.counted(n)
	if err != nil {
		return rate{}, err
	}
	countThere, err := p.countedThere(n)
	if err != nil {
		return rate{}, err
	}
	want := p.delivered + int64(n)
	start, used, usedThere := time.Now(), processorTime(), databaseTime(p.server)
	if err := begin(); err != nil {
		return rate{}, err
	}
	if err := p.sink.await(ctx, n); err != nil {
		return rate{}, err
	}
	for {
		counts, err := p.store.Counts(ctx)
		if err != nil {
			return rate{}, err
		}
		if p.delivered = counts["delivered"]; p.delivered >= want {
			took := time.Since(start)
			each := time.Duration(n)
			return rate{
				float64(n) / took.Seconds(), (processorTime() - used) / each, (databaseTime(p.server) - usedThere) / each, count(), countThere(),
			}, nil
		}
		time.Sleep(time.Millisecond)
	}
}

// baseline is Go's HTTP client posting the same texts, and nothing else.
func baseline(ctx context.Context, o options, s *sinkProcess) (rate, error) {
	// What programs have by themselves, for as long as this is measured.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	if err := s.reset(ctx); err != nil {
		return rate{}, err
	}
	count, err := o.counting(this)(o.deliveries)
	if err != nil {
		return rate{}, err
	}
	start, used := time.Now(), processorTime()
	err = each(o.connections, o.deliveries, func(i int) error { return s.post(ctx, text(i)) })
	took, cost := time.Since(start), processorTime()-used
	return rate{
		perSecond: float64(o.deliveries) / took.Seconds(), each: cost / time.Duration(o.deliveries), counted: count(),
	}, err
}

// each calls f for 0 to n-1 from so many goroutines.
func each(goroutines, n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	failure := make(chan error, goroutines)
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					failure <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failure:
		return err
	default:
		return nil
	}
}

// crowded measures the drain of stores in which more and more waits, in turns.
func crowded(ctx context.Context, o options) error {
	s, err := startSink(ctx, false)
	if err != nil {
		return err
	}
	defer s.stop()
	const few, atOnce = 10_000, 5_000
	var sizes []int
	for n := few; n <= o.waiting; n *= 10 {
		sizes = append(sizes, n)
	}
	if last := sizes[len(sizes)-1]; o.waiting > last {
		sizes = append(sizes, o.waiting)
	}
	var stores []*pipeline
	for _, n := range sizes {
		p, err := newPipeline(ctx, o, s)
		if err != nil {
			return err
		}
		defer p.close()
		if err := p.meet(ctx, min(n, o.conversations)); err != nil {
			return err
		}
		for made := 0; made < n; made += p.known {
			if err := p.spread(ctx, 0); err != nil {
				return err
			}
		}
		stores = append(stores, p)
	}
	fmt.Printf("  %d delivered of what waits, in turns\n", atOnce)
	rates := make([][]float64, len(stores))
	for range 2 * o.pairs {
		for i, p := range stores {
			if err := s.reset(ctx); err != nil {
				return err
			}
			got, err := p.timed(ctx, atOnce, p.start)
			if err := p.stop(); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], got.perSecond)
			counts, err := p.store.Counts(ctx)
			if err != nil {
				return err
			}
			p.delivered = counts["delivered"]
			if i == 0 && counts["ready"] < 2*atOnce {
				if err := p.spread(ctx, 0); err != nil {
					return err
				}
			}
		}
	}
	for i, n := range sizes {
		var ratios []float64
		for k, r := range rates[i] {
			ratios = append(ratios, r/rates[0][k])
		}
		fmt.Printf("  %8d waiting: %6.0f/s, %.2f of the first\n", n, median(slicesClone(rates[i])), median(ratios))
	}
	return nil
}

func slicesClone(all []float64) []float64 { return append([]float64(nil), all...) }
