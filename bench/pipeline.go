package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// text is what a delivery says; the activity around it makes about 700 bytes.
func text(i int) string { return fmt.Sprintf("%06d ", i) + strings.Repeat("Your build is done. ", 24) }

func stamped() string {
	return fmt.Sprintf("%s%d ", stampPrefix, time.Now().UnixNano()) + strings.Repeat("Your build is done. ", 24)
}

// accepters is how many goroutines accept at once.
const accepters = 256

// pipeline is an engine on a store of its own.
type pipeline struct {
	engine *proactive.Engine
	store  *sqlite.Store
	dir    string
	refs   []activity.Reference
	cancel context.CancelFunc
	done   chan error
}

func newPipeline(ctx context.Context, o options, s *sinkProcess) (_ *pipeline, err error) {
	p := &pipeline{}
	if p.dir, err = os.MkdirTemp("", "headsup-bench-"); err != nil {
		return nil, err
	}
	if p.store, err = sqlite.Open(ctx, sqlite.Config{Dir: p.dir}); err != nil {
		return nil, err
	}
	client, err := connector.New(connector.Config{AllowLoopback: true, MaxConns: o.connections})
	if err != nil {
		return nil, err
	}
	p.engine, err = proactive.New(proactive.Config{
		Store: p.store, Channel: headsup.NewConnectorChannel(client), Slots: o.connections,
	})
	if err != nil {
		return nil, err
	}
	for i := range o.conversations {
		p.refs = append(p.refs, activity.Reference{
			ChannelID: "test", ServiceURL: s.url, Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i))},
			User: &activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint("u", i))}, Bot: &activity.ChannelAccount{ID: "bot"},
		})
	}
	// The book learns the conversations before anything is measured.
	return p, each(o.conversations, func(i int) error {
		_, err := p.engine.Notify(ctx, headsup.Notification{To: headsup.ToConversation(p.refs[i]), Text: "x", In: 24 * time.Hour})
		return err
	})
}

func (p *pipeline) notify(ctx context.Context, i int, text string) error {
	_, err := p.engine.Notify(ctx, headsup.Notification{To: headsup.ToConversation(p.refs[i%len(p.refs)]), Text: text})
	return err
}

func (p *pipeline) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan error, 1)
	go func() { p.done <- p.engine.Run(ctx) }()
}

func (p *pipeline) close() {
	if p.cancel != nil {
		p.cancel()
		if err := <-p.done; err != nil {
			fmt.Fprintln(os.Stderr, "bench: engine:", err)
		}
	}
	_ = p.store.Close()
	_ = os.RemoveAll(p.dir)
}

// each calls f for 0 to n-1 from as many goroutines as accept.
func each(n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	failure := make(chan error, accepters)
	for range accepters {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
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

// baseline is Go's HTTP client posting the same texts, and nothing else.
func baseline(ctx context.Context, o options, s *sinkProcess) (float64, error) {
	// What programs have by themselves, for as long as this is measured.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	if err := s.reset(ctx); err != nil {
		return 0, err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	failure := make(chan error, o.connections)
	start := time.Now()
	for range o.connections {
		wg.Go(func() {
			for i := next.Add(1); int(i) <= o.deliveries; i = next.Add(1) {
				if err := s.post(ctx, text(int(i))); err != nil {
					failure <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failure:
		return 0, err
	default:
		return float64(o.deliveries) / took.Seconds(), nil
	}
}

// drain delivers what has been accepted before.
func drain(ctx context.Context, o options, s *sinkProcess) (float64, error) {
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return 0, err
	}
	defer p.close()
	if err := each(o.deliveries, func(i int) error { return p.notify(ctx, i, text(i)) }); err != nil {
		return 0, err
	}
	if err := s.reset(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	p.start()
	return p.rate(ctx, o, s, start)
}

// acceptAndDeliver delivers while accepting.
func acceptAndDeliver(ctx context.Context, o options, s *sinkProcess) (float64, error) {
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return 0, err
	}
	defer p.close()
	if err := s.reset(ctx); err != nil {
		return 0, err
	}
	p.start()
	start := time.Now()
	if err := each(o.deliveries, func(i int) error { return p.notify(ctx, i, text(i)) }); err != nil {
		return 0, err
	}
	return p.rate(ctx, o, s, start)
}

// rate is deliveries per second since start, once the sink has everything and the store knows it.
func (p *pipeline) rate(ctx context.Context, o options, s *sinkProcess, start time.Time) (float64, error) {
	if err := s.await(ctx, o.deliveries); err != nil {
		return 0, err
	}
	for {
		counts, err := p.store.Counts(ctx)
		if err != nil {
			return 0, err
		}
		if counts["delivered"] == int64(o.deliveries) {
			return float64(o.deliveries) / time.Since(start).Seconds(), nil
		}
		time.Sleep(time.Millisecond)
	}
}
