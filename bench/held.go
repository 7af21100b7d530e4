package main

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

// heldOnes measures how soon what was held is at the sink once the dialog has ended: on the node that has ended it, and, where
// there can be several, on another one, while the node that has ended it delivers nothing.
func heldOnes(ctx context.Context, o options) error {
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
	fmt.Printf("  from the return of the handler that ends a dialog, its commit included; %s\n", p.place.what)
	var bare []time.Duration
	for range o.singles {
		start := time.Now()
		if err := s.post(ctx, text(0)); err != nil {
			return err
		}
		bare = append(bare, time.Since(start))
	}
	if err := p.releases(ctx, "one node", p.store, o.singles, bare); err != nil {
		return err
	}
	if o.database == "" {
		return nil
	}
	other, err := p.place.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }()
	return p.releases(ctx, "the dialog ends on another node", other, o.singles, bare)
}

// releases has dialogs end on a node, and tells how soon what was held for them is at the sink.
func (p *pipeline) releases(ctx context.Context, what string, node store, times int, bare []time.Duration) error {
	var ended time.Time
	bot, err := headsup.New(headsup.Config{
		Channel: headsup.NewConnectorChannel(p.client), Turns: node, Middleware: []headsup.Middleware{state.Middleware(node)},
	}, headsup.HandlerFunc(func(_ context.Context, t *headsup.Turn) error {
		if t.Activity().Text == "begin" {
			return t.Busy(headsup.Busy{By: headsup.BusyDialog, Reason: "booking"})
		}
		err := t.Free(headsup.BusyDialog)
		ended = time.Now()
		return err
	}))
	if err != nil {
		return err
	}
	hear := func(i int, text string) error {
		ref := p.ref(i % p.known)
		_, err := bot.Process(ctx, auth.Identity{Kind: auth.KindDevelopment}, said(ref, fmt.Sprint(what, " ", text, " ", i), text))
		return err
	}
	var took []time.Duration
	for i := range times {
		if err := p.sink.reset(ctx); err != nil {
			return err
		}
		if err := hear(i, "begin"); err != nil {
			return err
		}
		stamp := time.Now()
		n, err := p.engine.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(p.ref(i % p.known)), Text: stamped(stamp), Policy: headsup.Policy{Name: headsup.PolicyWait},
		})
		if err != nil {
			return err
		}
		if err := p.reaches(ctx, n, outbox.StateHeld); err != nil {
			return err
		}
		if err := hear(i, "end"); err != nil {
			return err
		}
		if err := p.sink.await(ctx, 1); err != nil {
			return err
		}
		since, err := p.sink.latencies(ctx)
		if err != nil {
			return err
		}
		took = append(took, stamp.Add(since[0]).Sub(ended))
	}
	fmt.Printf("  %-32s p50 %8v  p99 %8v  at most %8v  %.1f times a bare HTTP round trip (%v)\n", what, quantile(took, 0.5),
		quantile(took, 0.99), quantile(took, 1), float64(quantile(took, 0.5))/float64(quantile(bare, 0.5)), quantile(bare, 0.5))
	return nil
}

// reaches waits until a notification is in a state.
func (p *pipeline) reaches(ctx context.Context, n proactive.Accepted, want outbox.State) error {
	for {
		s, err := p.engine.Status(ctx, n.ID)
		if err != nil || s.State() == want {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// said is what a person says in a conversation.
func said(ref activity.Reference, id, text string) *activity.Activity {
	return &activity.Activity{
		Type: activity.TypeMessage, ID: activity.ID(id), ChannelID: ref.ChannelID, ServiceURL: ref.ServiceURL,
		From: ref.User, Recipient: ref.Bot, Conversation: &ref.Conversation, Text: text,
	}
}
