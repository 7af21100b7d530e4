package schedule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// Teller makes what schedules tell. Its methods are called by one goroutine at a time.
type Teller interface {
	// Tell makes the notification of an occurrence. It is nil when there is none, with the reason: [ReasonNobody],
	// [ReasonExpired] or [ReasonInvalid]. An error means that it cannot be made at the moment.
	Tell(ctx context.Context, s Schedule, o Occurrence) (tell *outbox.Submission, reason string, err error)

	// Zones lists the time zones of whom a schedule tells that goes by their clocks, as far as they are known.
	Zones(ctx context.Context, s Schedule) ([]string, error)
}

// Observer is told of occurrences. It must not block.
type Observer interface {
	// Occurred is called when an occurrence became a row, by whoever made it one.
	Occurred(s Schedule, o Occurrence)
}

// Config makes a [Runner].
type Config struct {
	// AppID is whose schedules these are.
	AppID string

	// Store and Teller are required.
	Store  Store
	Teller Teller

	// Observer may be nil.
	Observer Observer

	// Logger receives structured logs. Nil discards them. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

// Runner tells what is due. Any number of them may run on one store, in any number of processes.
type Runner struct {
	cfg Config
}

// NewRunner makes a runner; [Runner.Run] makes it work.
func NewRunner(cfg Config) (*Runner, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("schedule: config: Store is required")
	case cfg.Teller == nil:
		return nil, errors.New("schedule: config: Teller is required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Runner{cfg: cfg}, nil
}

const (
	// pageSize is how many clocks are looked at and moved in one step, and maxTold how many deliveries one step makes
	// before it is committed.
	pageSize = 100
	maxTold  = 2000
	// poll is how often the runner looks for what nobody has told it of: another node's changes, and a clock of the
	// machine that was put forward.
	poll = 2 * time.Second
	// again is how long it waits after a failure.
	again = time.Second
	// sweepEvery is how often it looks for zones of recipients that are new.
	sweepEvery = time.Hour
)

// Run tells what is due until ctx ends, and returns nil. Run it once.
func (r *Runner) Run(ctx context.Context) error {
	due, sweep := time.NewTimer(0), time.NewTimer(0)
	defer due.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
		case <-r.cfg.Store.ScheduleNews():
		case <-sweep.C:
			r.sweep(ctx)
			sweep.Reset(sweepEvery)
			continue
		}
		due.Reset(r.tellDue(ctx))
	}
}

// tellDue tells all that is due, and returns how long to wait then.
func (r *Runner) tellDue(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		due, err := r.cfg.Store.DueClocks(ctx, pageSize, r.cfg.Now())
		if err != nil {
			r.failed(ctx, "due schedules not listed", err)
			return again
		}
		if len(due.Clocks) == 0 {
			if due.Next.IsZero() {
				return poll
			}
			return min(poll, max(0, due.Next.Sub(r.cfg.Now())))
		}
		if !r.page(ctx, due.Clocks) {
			return again
		}
	}
	return 0
}

func (r *Runner) failed(ctx context.Context, what string, err error, attrs ...any) {
	if ctx.Err() == nil {
		r.cfg.Logger.ErrorContext(ctx, "schedules held up", append(attrs, "what", what, "error", err.Error())...)
	}
}

// page moves due clocks on, and reports whether any did.
func (r *Runner) page(ctx context.Context, due []DueClock) (moved bool) {
	var steps []step
	told := 0
	flush := func() {
		moved = r.fire(ctx, steps) || moved
		steps, told = steps[:0], 0
	}
	for _, d := range due {
		s, err := r.plan(ctx, d)
		if err != nil {
			r.failed(ctx, "schedule not told", err, "schedule_id", d.Schedule.ID.String())
			continue
		}
		steps = append(steps, s)
		if s.firing.Tell != nil {
			told += 1 + len(s.firing.Tell.Deliveries)
		}
		if told >= maxTold {
			flush()
		}
	}
	flush()
	return moved
}

// step is a firing, and whose.
type step struct {
	schedule Schedule
	firing   Firing
}

func (r *Runner) fire(ctx context.Context, steps []step) (moved bool) {
	if len(steps) == 0 {
		return false
	}
	firings := make([]Firing, len(steps))
	for i, s := range steps {
		firings[i] = s.firing
	}
	results, err := r.cfg.Store.Fire(ctx, firings)
	if err != nil {
		r.failed(ctx, "schedules not told", err, "schedules", len(steps))
		return false
	}
	for i, s := range steps {
		switch err := results[i]; {
		case errors.Is(err, ErrChanged): // somebody else was first
			moved = true
		case err != nil: // such as a conversation that was forgotten meanwhile: it is looked up again
			r.failed(ctx, "schedule not told", err, "schedule_id", s.schedule.ID.String())
		default:
			moved = true
			r.occurred(ctx, s)
		}
	}
	return moved
}

func (r *Runner) occurred(ctx context.Context, s step) {
	for i, o := range s.firing.Occurrences {
		if i == len(s.firing.Occurrences)-1 && s.firing.Tell != nil {
			o.Message = s.firing.Tell.Message.ID
		}
		if r.cfg.Observer != nil {
			r.cfg.Observer.Occurred(s.schedule, o)
		}
	}
	if s.schedule.Rule.PerRecipient() {
		r.addZones(ctx, s.schedule)
	}
}

// sweep gives schedules that go by their recipients' clocks a clock for every zone that they have no clock for yet.
func (r *Runner) sweep(ctx context.Context) {
	for before := ID(0); ctx.Err() == nil; {
		found, err := r.cfg.Store.Schedules(ctx, r.cfg.AppID, Filter{State: StateActive, PerRecipient: true}, before, pageSize)
		if err != nil {
			r.failed(ctx, "zones of recipients not looked up", err)
			return
		}
		for _, s := range found {
			r.addZones(ctx, s)
			before = s.ID
		}
		if len(found) < pageSize {
			return
		}
	}
}

// addZones adds clocks for zones that are new. Of s.Clocks it takes what is there for what need not be added.
func (r *Runner) addZones(ctx context.Context, s Schedule) {
	zones, err := r.cfg.Teller.Zones(ctx, s)
	if err == nil {
		var clocks []Clock
		if clocks, err = s.Rule.Clocks(r.cfg.Now(), missing(zones, s.Clocks)); err == nil && len(clocks) > 0 {
			err = r.cfg.Store.AddClocks(ctx, s.ID, s.Revision, clocks)
		}
	}
	if err != nil {
		r.failed(ctx, "zones of recipients not looked up", err, "schedule_id", s.ID.String())
	}
}

// missing lists the zones that can be gone by and have no clock.
func missing(zones []string, clocks []Clock) []string {
	have := make(map[string]bool, len(clocks))
	for _, c := range clocks {
		have[c.Zone] = true
	}
	var some []string
	for _, z := range zones {
		if !have[z] && Known(z) {
			some = append(some, z)
		}
	}
	return some
}
