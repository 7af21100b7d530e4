package main

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
)

// singles measures one notification at a time, on an idle engine, beside a bare post.
func singles(ctx context.Context, o options) error {
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
	if err := p.meet(ctx, 1000); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	h, err := startServer(ctx, o, s, 1000)
	if err != nil {
		return err
	}
	defer h.stop()
	var byLibrary, byHTTP, bare []time.Duration
	for i := range o.singles {
		for k, send := range []func() error{
			func() error {
				_, err := p.engine.Notify(ctx, headsup.Notification{To: headsup.ToConversation(p.ref(i % 1000)), Text: stamped(time.Now())})
				return err
			},
			func() error {
				return h.notify(ctx, api.NotificationRequest{To: h.to(i), Text: stamped(time.Now())})
			},
		} {
			if err := s.reset(ctx); err != nil {
				return err
			}
			if err := send(); err != nil {
				return err
			}
			if err := s.await(ctx, 1); err != nil {
				return err
			}
			took, err := s.latencies(ctx)
			if err != nil {
				return err
			}
			if k == 0 {
				byLibrary = append(byLibrary, took...)
			} else {
				byHTTP = append(byHTTP, took...)
			}
		}
		start := time.Now()
		if err := s.post(ctx, text(0)); err != nil {
			return err
		}
		bare = append(bare, time.Since(start))
	}
	hop := quantile(bare, 0.5)
	for _, m := range []struct {
		what string
		took []time.Duration
	}{{"a bare HTTP round trip", bare}, {"library call to sink", byLibrary}, {"HTTP call to sink", byHTTP}} {
		fmt.Printf("  %-24s p50 %8v  p99 %8v  %.1f times a bare one\n", m.what, quantile(m.took, 0.5), quantile(m.took, 0.99),
			float64(quantile(m.took, 0.5))/float64(hop))
	}
	return nil
}
