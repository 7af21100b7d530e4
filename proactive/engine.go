// Package proactive is the engine that most programs import: it accepts notifications and sees to it that they arrive.
//
// [Engine.Notify] accepts a notification, which is on disk when it returns, and [Engine.Run] delivers it: into the right
// conversation, at the right time, again after failures that may pass, until there is an outcome. [Engine.Status] tells
// how far it has come. Jobs are long work whose end is told where they were started. [Engine.Schedule] tells something
// again and again, or at a time on each recipient's clock.
//
//	engine, err := proactive.New(proactive.Config{Store: store, Channel: channel})
//	go engine.Run(ctx)
//	accepted, err := engine.Notify(ctx, headsup.Notification{To: headsup.ToConversation(ref), Text: "It is done."})
package proactive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/loglimit"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/template"
)

// Store is everything that the engine keeps. The drivers under store/ implement it.
type Store interface {
	outbox.Store
	book.Store
	JobStore
	schedule.Store
	template.Store
	Forgetter
}

// Config makes an [Engine].
type Config struct {
	// AppID is the bot's application id; it may be empty, for local tests.
	AppID string

	// Store and Channel are required.
	Store   Store
	Channel headsup.Channel

	// Proven has deliveries fail whose service URL nobody has named but an unauthenticated caller in development mode
	// ([book.SourceDev]). It is for a bot with credentials, whose tokens would go there.
	Proven bool

	// MayCall says which service URLs are called at all; others are not imported. Nil means all.
	MayCall func(serviceURL string) bool

	// Global is where channels are called when a conversation's own service URL is found to be wrong, and no newer one is known.
	// None is not tried.
	Global map[activity.ChannelID]string

	// Profiles say whom the bot may write to who has never written to it; see [pace.Profiles.FirstContact]. Nil are the
	// published ones.
	Profiles pace.Profiles

	// Addresses are where people are on channels that write to addresses ([headsup.Target]), by channel: email, sms. Each makes
	// an address the reference of its conversation, or says what is wrong with it. A channel that is not there is not written to.
	Addresses map[activity.ChannelID]func(address string) (activity.Reference, error)

	// FirstContact has people looked for whom the bot has not met. Nil leaves them alone.
	FirstContact *FirstContact

	// Slots is how many deliveries are attempted at once. Zero means 256.
	Slots int

	// DrainTimeout is how long running attempts may go on when the engine stops. Zero means 10 s.
	DrainTimeout time.Duration

	// MinInterval is how near two occurrences of a schedule may be to each other; zero means [schedule.MinInterval].
	// MaxSchedules is how many schedules there may be; zero means [schedule.MaxSchedules].
	MinInterval  time.Duration
	MaxSchedules int

	// Topics says what goes for notifications of a topic that do not say so themselves, by its name.
	Topics map[string]Topic

	// Preferences are what goes for people who have not said otherwise.
	Preferences Defaults

	// ActionKeys return the secrets that buttons of notices are signed with: the one that signs first, then those before it
	// that are still good, for up to 90 days. They are asked for whenever one is needed. Nil leaves out all buttons but those
	// that open a page.
	ActionKeys func() []ActionKey

	// Pressed is told of buttons of notices with do "do" that no handler of [Engine.Act] takes, in the person's own turn, and
	// reports whether somebody else does. What nobody takes goes to the bot's handler. May be nil.
	Pressed func(ctx context.Context, t *headsup.Turn, p Press) (taken bool, err error)

	// ButtonRefused is told why a button did nothing: a word such as forged, expired or used. May be nil.
	ButtonRefused func(reason string)

	// ActionURL is where links do what buttons do elsewhere, in mails: a URL, to which a ticket is appended; what is asked for
	// there, [Engine.Look] tells and [Engine.Follow] does. Empty leaves them out.
	ActionURL string

	// NoticeAnswers is asked to have answers be noticed until a time, as receipts, by a fallback that depends on them. Nil where
	// whoever hears an answer calls [Engine.Receive].
	NoticeAnswers func(ctx context.Context, until time.Time) error

	// Retention says how long what is over is kept. The zero value keeps it for ever.
	Retention Retention

	// Observer is told of what is accepted, attempted and ended, from New on, and of occurrences of schedules if it is a
	// [schedule.Observer] too. May be nil.
	Observer outbox.Observer

	// TracerProvider makes the spans of attempts, each linked to the trace that its notification was accepted under. Nil
	// makes none.
	TracerProvider trace.TracerProvider

	// Logger receives structured logs. Nil discards them. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MinInterval == 0 {
		c.MinInterval = schedule.MinInterval
	}
	if c.MaxSchedules == 0 {
		c.MaxSchedules = schedule.MaxSchedules
	}
	if c.FirstContact != nil {
		c.FirstContact = new(c.FirstContact.withDefaults())
	}
	return c
}

// Engine accepts and delivers notifications. Safe for concurrent use.
type Engine struct {
	cfg Config
	*works
}

// works is what an engine and its views for one tenant ([Engine.Bound]) share.
type works struct {
	worker *outbox.Worker
	runner *schedule.Runner
	spread chan struct{} // has a token when there may be messages to spread

	signer  *ticket.Signer        // of buttons; nil without keys
	acts    map[string]ActHandler // by name; filled before it runs
	refused loglimit.Reasons

	speakers map[string]speaker // by the handler's name; filled before it runs
	talk     talk               // set before it runs

	ended   chan outbox.DeliveryID // deliveries that others may have waited for, to fall back
	noticed noticing

	heard    services // where tenants were heard from last
	catalogs apps

	templates templates

	mu       sync.Mutex
	watchers map[outbox.MessageID][]chan struct{} // guarded by mu
}

// New makes an engine. It sends nothing until it runs.
func New(cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	switch {
	case cfg.Store == nil:
		return nil, errors.New("proactive: config: Store is required")
	case cfg.Channel == nil:
		return nil, errors.New("proactive: config: Channel is required")
	}
	for name, topic := range cfg.Topics {
		if err := topic.Validate(); err != nil {
			return nil, fmt.Errorf("proactive: config: topic %q: %w", name, err)
		}
	}
	if cfg.FirstContact != nil {
		if err := cfg.FirstContact.validate(); err != nil {
			return nil, fmt.Errorf("proactive: config: FirstContact: %w", err)
		}
	}
	if err := cfg.Preferences.validate(); err != nil {
		return nil, fmt.Errorf("proactive: config: Preferences: %w", err)
	}
	if err := cfg.Retention.validate(); err != nil {
		return nil, fmt.Errorf("proactive: config: %w", err)
	}
	e := &Engine{cfg, &works{
		signer: signerOf(cfg.ActionKeys), acts: make(map[string]ActHandler), ended: make(chan outbox.DeliveryID, 1024),
		speakers: make(map[string]speaker), watchers: make(map[outbox.MessageID][]chan struct{}), spread: make(chan struct{}, 1),
	}}
	worker, err := outbox.NewWorker(outbox.WorkerConfig{
		Store: cfg.Store, Sender: (*sender)(e), Slots: cfg.Slots, DrainTimeout: cfg.DrainTimeout,
		Done: func(a *outbox.Attempt, o outbox.Outcome) {
			e.tell(a.Message)
			if a.Fallback && (o.State.Final() || o.State == outbox.StateHeld) { // while it was put aside, that may have become wrong
				e.mayFallBack(a.Delivery)
			}
		},
		Observer: cfg.Observer, TracerProvider: cfg.TracerProvider, Logger: cfg.Logger, Now: cfg.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("proactive: %w", err)
	}
	e.worker = worker
	if e.runner, err = schedule.NewRunner(schedule.Config{
		AppID: cfg.AppID, Store: cfg.Store, Teller: (*teller)(e), Observer: (*teller)(e), Logger: cfg.Logger, Now: cfg.Now,
	}); err != nil {
		return nil, fmt.Errorf("proactive: %w", err)
	}
	if cfg.Observer != nil {
		cfg.Store.Observe(cfg.Observer)
	}
	return e, nil
}

// Run delivers until ctx ends, then finishes what is being sent and returns nil. What is not sent by then stays in the
// store, for the next run. Run it once.
func (e *Engine) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	beside.Go(func() { e.spreadAll(ctx) })
	beside.Go(func() { e.retain(ctx) })
	beside.Go(func() { e.fallBack(ctx) })
	beside.Go(func() { e.reopen(ctx) })
	beside.Go(func() { _ = e.runner.Run(ctx) }) // it is never an error
	defer beside.Wait()
	return e.worker.Run(ctx)
}

// watch returns a channel that is signalled when a delivery of the message has an outcome, and a function to stop.
func (e *Engine) watch(id outbox.MessageID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers[id] = append(e.watchers[id], c)
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		rest := e.watchers[id]
		for i := range rest {
			if rest[i] == c {
				rest = append(rest[:i:i], rest[i+1:]...)
				break
			}
		}
		if len(rest) == 0 {
			delete(e.watchers, id)
		} else {
			e.watchers[id] = rest
		}
	}
}

func (e *Engine) tell(id outbox.MessageID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.watchers[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
