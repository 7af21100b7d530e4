package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

// text is what a delivery says; the activity around it makes about 700 bytes.
func text(i int) string { return fmt.Sprintf("%06d ", i) + strings.Repeat("Your build is done. ", 24) }

// stamped is a text that says since when it is to be there.
func stamped(at time.Time) string {
	return fmt.Sprintf("%s%d ", stampPrefix, at.UnixNano()) + strings.Repeat("Your build is done. ", 24)
}

// accepters is how many goroutines accept at once.
const accepters = 256

// pipeline is a store of its own, and an engine on it.
type pipeline struct {
	store     store
	place     place
	server    int // process id of its database; 0 if it has none
	sink      *sinkProcess
	client    *connector.Client
	slots     int
	known     int          // conversations c0, c1, … in the book
	next      atomic.Int64 // the next that is told something
	delivered int64        // as the store had counted last
	profiled  func() (stop func(), err error)
	// counted counts what this process does, countedThere what the database does.
	counted, countedThere func(n int) (count func() instructions, err error)

	engine *proactive.Engine
	cancel context.CancelFunc
	done   chan error
}

// store is what an engine, a bot and its state need, and a close.
type store interface {
	proactive.Store
	headsup.Turns
	state.Store
	Close() error
}

func newPipeline(ctx context.Context, o options, s *sinkProcess) (p *pipeline, err error) {
	p = &pipeline{
		sink: s, slots: o.slots, server: o.server, profiled: o.profiled, counted: o.counting(this), countedThere: o.counting(func() []int { return databaseProcesses(o.server) }),
	}
	if p.place, err = o.place(ctx); err != nil {
		return nil, err
	}
	if p.store, err = p.place.open(ctx); err != nil {
		p.place.remove()
		return nil, err
	}
	p.client, err = connector.New(connector.Config{AllowLoopback: true, MaxConns: o.connections, RootCAs: s.roots})
	if err == nil {
		err = p.make()
	}
	if err != nil {
		p.close()
	}
	return p, err
}

// make makes the engine.
func (p *pipeline) make() (err error) {
	p.engine, err = proactive.New(proactive.Config{
		Store: p.store, Channel: headsup.NewConnectorChannel(p.client), Slots: p.slots,
	})
	return err
}

// ref is where a conversation is. They are not kept: the memory that is measured is the engine's.
func (p *pipeline) ref(i int) activity.Reference {
	return activity.Reference{
		ChannelID: "test", ServiceURL: p.sink.url,
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i))},
		User:         &activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint("u", i))}, Bot: &activity.ChannelAccount{ID: "bot"},
	}
}

// meet puts conversations into the book.
func (p *pipeline) meet(ctx context.Context, n int) error {
	p.known = n
	return each(accepters, n, func(i int) error {
		ref := p.ref(i)
		_, err := p.store.Sight(ctx, book.Sighting{
			Key: headsup.KeyOf("", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceImport, At: time.Now(),
		})
		return err
	})
}

// accept accepts n notifications to one conversation after the other.
func (p *pipeline) accept(ctx context.Context, n int) error {
	return each(accepters, n, func(i int) error {
		k := int(p.next.Add(1)) % p.known
		_, err := p.engine.Notify(ctx, headsup.Notification{To: headsup.ToConversation(p.ref(k)), Text: text(i)})
		return err
	})
}

// spread accepts a message to everybody, due after a while, and makes its deliveries.
func (p *pipeline) spread(ctx context.Context, in time.Duration) error {
	_, err := p.spreads(ctx, in)
	return err
}

// spreads is spread that tells which message it was.
func (p *pipeline) spreads(ctx context.Context, in time.Duration) (outbox.MessageID, error) {
	_, last, err := p.store.Extent(ctx, "", book.Filter{})
	if err != nil {
		return 0, err
	}
	now := time.Now()
	id := outbox.MessageID(now.UnixNano())
	if _, err := p.store.SubmitMessage(ctx, outbox.Submission{
		At: now, Message: outbox.Message{ID: id, Lane: outbox.LaneNormal, Body: []byte(`{"type":"message","text":"` + text(0) + `"}`), CreatedAt: now},
		Spread: &outbox.Spread{Filter: book.Filter{Reach: book.ReachActive}, Last: last, Conversations: p.known, DueAt: now.Add(in)},
	}, false); err != nil {
		return 0, err
	}
	return id, p.expand(ctx)
}

// expand makes the deliveries of all messages that are to be spread.
func (p *pipeline) expand(ctx context.Context) error {
	next := time.Now().UnixNano()
	for more := true; more; {
		var err error
		if _, more, err = p.store.SpreadMessages(ctx, 500, time.Now(), func() outbox.DeliveryID {
			next++
			return outbox.DeliveryID(next)
		}); err != nil {
			return err
		}
	}
	return nil
}

// start runs the engine, until stop.
func (p *pipeline) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	engine, done := p.engine, make(chan error, 1)
	p.cancel, p.done = cancel, done
	go func() { done <- engine.Run(ctx) }()
	return nil
}

// stop stops the engine and makes another one, which does not run yet.
func (p *pipeline) stop() error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	if err := <-p.done; err != nil {
		return err
	}
	return p.make()
}

func (p *pipeline) close() {
	if err := p.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: engine:", err)
	}
	_ = p.store.Close()
	p.place.remove()
}
