package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/pace"
)

// Sender delivers: it makes one attempt and returns the id that the channel gave the activity, also beside an error if it
// has learnt the id. Its error is read with [headsup.MeaningOf]. The attempt is the worker's: it is not changed.
type Sender interface {
	Deliver(ctx context.Context, a *Attempt) (activity.ID, error)
}

// Recogniser is a [Sender] that knows which channels recognise a repeat.
type Recogniser interface {
	// Recognises reports whether the channel of an attempt knows a repeat of it from the first, and says it once.
	Recognises(a *Attempt) bool
}

// WorkerConfig makes a [Worker].
type WorkerConfig struct {
	// Store and Sender are required.
	Store  Store
	Sender Sender

	// Slots is how many attempts run at once. Zero means 256.
	Slots int

	// AttemptTimeout bounds an attempt. Zero means 10 s; it is below [headsup.LeaseTime], so that an attempt has ended
	// before anybody else may try.
	AttemptTimeout time.Duration

	// DrainTimeout is how long attempts may go on after Run's context has ended. Zero means AttemptTimeout.
	DrainTimeout time.Duration

	// Retry says how long to wait after a failure that may pass, and RetryUnknown after an attempt that may have arrived,
	// unless its channel recognises the repeat. Zero means up to 5 minutes from 1 s, and from 30 s.
	Retry, RetryUnknown backoff.Policy

	// MaxFailures ends a delivery after so many failures. Zero means 32, which takes about an hour. Being throttled does
	// not count. Nor does a channel that could not be reached ([headsup.SendError]): that ends the delivery when it expires,
	// or, if it never does, after 24 times as many attempts, which takes about a day.
	MaxFailures int

	// Done is told every recorded outcome, if set. It must not block.
	Done func(*Attempt, Outcome)

	// Observer is told of attempts. May be nil.
	Observer Observer

	// TracerProvider makes the spans of attempts. Nil makes none.
	TracerProvider trace.TracerProvider

	// Logger receives structured logs. Nil discards them. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

func (c WorkerConfig) withDefaults() WorkerConfig {
	if c.Slots == 0 {
		c.Slots = 256
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = 10 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = c.AttemptTimeout
	}
	if c.Retry == (backoff.Policy{}) {
		c.Retry = backoff.Policy{Base: time.Second, Min: 100 * time.Millisecond, Max: 5 * time.Minute}
	}
	if c.RetryUnknown == (backoff.Policy{}) {
		c.RetryUnknown = backoff.Policy{Base: time.Minute, Min: 30 * time.Second, Max: 5 * time.Minute}
	}
	if c.MaxFailures == 0 {
		c.MaxFailures = 32
	}
	if c.Done == nil {
		c.Done = func(*Attempt, Outcome) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c WorkerConfig) validate() error {
	switch {
	case c.Store == nil:
		return errors.New("Store is required")
	case c.Sender == nil:
		return errors.New("Sender is required")
	case c.Slots < 1:
		return fmt.Errorf("Slots is %d; it must be positive", c.Slots)
	case c.AttemptTimeout < 0 || c.AttemptTimeout > headsup.LeaseTime-2*time.Second:
		return fmt.Errorf("AttemptTimeout is %v; it must be positive and at most %v", c.AttemptTimeout, headsup.LeaseTime-2*time.Second)
	}
	return nil
}

// Worker claims deliveries and attempts them. It never claims more than it can attempt at once, so what is claimed is
// being sent. Safe for concurrent use.
type Worker struct {
	cfg  WorkerConfig
	free chan struct{} // one token per free slot
	// several is signalled when so many slots are free that a claim is worth while.
	several  chan struct{}
	claimsAt int
	tracer   trace.Tracer
	traces   bool

	mu      sync.Mutex
	running map[DeliveryID]running // guarded by mu
	handed  chan claimed

	recorder   Recorder
	recording  sync.WaitGroup // of outcomes
	unrecorded chan struct{}  // one token for each outcome whose slot somebody else has
}

// claimed is an attempt that is to be made, and since when it can have been claimed, by this process's own clock.
type claimed struct {
	*Attempt // by itself, so that stacks and channels need not hold it: it is large, and thousands wait
	since    time.Time
}

// running is an attempt that is being made, or whose outcome is being recorded, and the slot that makes it.
type running struct {
	*Attempt
	slot *slot
}

// slot makes attempts, one after another. Its context outlives them: it is made anew only after one was stopped.
type slot struct {
	attempt *Attempt // guarded by Worker.mu
	ctx     context.Context
	stop    context.CancelCauseFunc
}

// NewWorker makes a worker; [Worker.Run] makes it work.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("outbox: worker: %w", err)
	}
	w := &Worker{
		cfg: cfg, free: make(chan struct{}, cfg.Slots), several: make(chan struct{}, 1), claimsAt: claimsAt(cfg),
		running: make(map[DeliveryID]running), handed: make(chan claimed, cfg.Slots),
		recorder: recorderOf(cfg.Store), unrecorded: make(chan struct{}, min(cfg.Slots, mostUnrecorded)),
	}
	if cfg.TracerProvider != nil {
		w.tracer, w.traces = cfg.TracerProvider.Tracer(tracerName), true
	}
	return w, nil
}

// Reserve takes a slot, if one is free, for an attempt that will be handed in with Hand. It fails while the worker does
// not run.
func (w *Worker) Reserve() bool {
	select {
	case <-w.free:
		return true
	default:
		return false
	}
}

// Cancel gives a reserved slot back.
func (w *Worker) Cancel() {
	w.free <- struct{}{}
	if w.claimsAt > 0 && len(w.free) >= w.claimsAt {
		select {
		case w.several <- struct{}{}:
		default:
		}
	}
}

// Hand starts an attempt in a reserved slot. It is the worker's from then on.
func (w *Worker) Hand(a *Attempt) { w.handed <- claimed{a, time.Now()} }

// heartbeat is how often leases of long attempts are extended and lost ones are looked for.
const heartbeat = 5 * time.Second

// Run works until ctx ends, then lets running attempts finish for at most DrainTimeout, and records what became of each.
// It returns nil after a drain. Run it once.
func (w *Worker) Run(ctx context.Context) error {
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	// One goroutine per slot, which keeps its grown stack from attempt to attempt.
	todo := make(chan claimed, w.cfg.Slots)
	start := func(a claimed) { todo <- a }
	var attempts, helpers sync.WaitGroup
	for range w.cfg.Slots {
		attempts.Go(func() {
			var s slot
			for a := range todo {
				w.attempt(work, &s, a)
			}
		})
	}
	for range w.cfg.Slots {
		w.free <- struct{}{}
	}
	helpers.Go(func() { w.keepLeases(ctx) })
	w.claim(ctx, start)

	hard := time.AfterFunc(w.cfg.DrainTimeout, func() { stop(errors.New("outbox: shutting down")) })
	defer hard.Stop()
	w.retire(start)
	close(todo)
	attempts.Wait()
	w.recording.Wait()
	helpers.Wait()
	return nil
}

// retire takes all slots out of use, starting what was handed in until then.
func (w *Worker) retire(start func(claimed)) {
	for left := w.cfg.Slots; left > 0; {
		select {
		case <-w.free:
			left--
		case a := <-w.handed:
			start(a)
		}
	}
}

// claim fills free slots until ctx ends.
func (w *Worker) claim(ctx context.Context, start func(claimed)) {
	due := time.NewTimer(0)
	defer due.Stop()
	hungry := true // there may be something to claim
	for ctx.Err() == nil {
		var slot <-chan struct{}
		if hungry {
			slot = w.free
		}
		select {
		case <-ctx.Done():
			return
		case a := <-w.handed:
			start(a)
		case <-w.cfg.Store.Wakeups():
			hungry = true
		case <-due.C:
			hungry = true
		case <-slot:
			hungry = w.fill(ctx, due, start)
		}
	}
}

// poll is how often the worker looks for work that nobody has told it of, such as in a conversation whose turn hangs
// until its lease runs out.
const poll = 5 * time.Second

// Gatherer is a [Store] for which a claim costs about the same for one delivery and for many.
type Gatherer interface {
	// ClaimAtLeast is for how many slots a claim is worth while. While fewer are free, and most are in use, a worker waits
	// with its claim, for a moment, in which those who accept may take slots, too: what is handed out as it is accepted
	// needs no claim.
	ClaimAtLeast() int
}

// claimPatience is how long a worker waits.
const claimPatience = 3 * time.Millisecond

// claimsAt is how many slots a claim waits for, besides the first.
func claimsAt(cfg WorkerConfig) int {
	if g, ok := cfg.Store.(Gatherer); ok {
		return min(cfg.Slots/4, g.ClaimAtLeast())
	}
	return 0
}

// gather takes the slots that are free for a claim, besides one that is taken, and starts what is handed in meanwhile.
func (w *Worker) gather(ctx context.Context, start func(claimed)) (n int) {
	select {
	case <-w.several: // it was said of earlier ones
	default:
	}
	if len(w.free) < w.claimsAt {
		patience := time.NewTimer(claimPatience)
		defer patience.Stop()
		for waits := true; waits; {
			select {
			case a := <-w.handed:
				start(a)
			case <-w.several:
				waits = false
			case <-patience.C:
				waits = false
			case <-ctx.Done():
				waits = false
			}
		}
	}
	for n = 1; n < w.cfg.Slots && w.Reserve(); {
		n++
	}
	return n
}

// fill claims for one slot that is taken and all that are free, and reports whether there may be more.
func (w *Worker) fill(ctx context.Context, due *time.Timer, start func(claimed)) (more bool) {
	n := w.gather(ctx, start)
	since := time.Now()
	found, err := w.cfg.Store.Claim(ctx, n, w.cfg.Now())
	for range n - len(found.Attempts) {
		w.Cancel()
	}
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Logger.ErrorContext(ctx, "claim failed", "error", err.Error())
			due.Reset(time.Second)
		}
		return false
	}
	for i := range found.Attempts {
		a := found.Attempts[i] // a copy, so that none keeps the others in memory
		start(claimed{&a, since})
	}
	wait := poll
	if !found.NextDue.IsZero() {
		wait = min(wait, max(0, found.NextDue.Sub(w.cfg.Now())))
	}
	due.Reset(wait)
	return len(found.Attempts) == n
}

// keepLeases extends the leases of attempts that run, and takes back those of workers that are gone.
func (w *Worker) keepLeases(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.extend(ctx)
		if _, err := w.cfg.Store.ReclaimExpired(ctx, w.cfg.Now()); err != nil && ctx.Err() == nil {
			w.cfg.Logger.WarnContext(ctx, "lost attempts not taken back", "error", err.Error())
		}
	}
}

// extend prolongs the leases of the attempts that run, and stops those that have lost theirs: somebody else may be trying
// the same, or talking in their conversation.
func (w *Worker) extend(ctx context.Context) {
	w.mu.Lock()
	old := make([]Attempt, 0, len(w.running))
	for _, r := range w.running {
		old = append(old, *r.Attempt)
	}
	w.mu.Unlock()
	if len(old) == 0 {
		return
	}
	lost, err := w.cfg.Store.Extend(ctx, old, w.cfg.Now().Add(headsup.LeaseTime))
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Logger.WarnContext(ctx, "leases not extended", "error", err.Error())
		}
		return
	}
	if len(lost) == 0 {
		return
	}
	fences := make(map[DeliveryID]int64, len(old))
	for _, a := range old {
		fences[a.Delivery] = a.Fence
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range lost {
		if r, ok := w.running[id]; ok && r.Fence == fences[id] { // it has not ended meanwhile
			w.cfg.Logger.WarnContext(ctx, "attempt has lost its lease", "delivery_id", int64(id))
			if r.slot.attempt == r.Attempt { // else the channel has answered
				r.slot.stop(headsup.ErrLeaseLost)
			}
		}
	}
}

// attempt delivers once and has the outcome recorded, which it does not wait for. The slot is free as soon as the channel
// has answered, so that the next attempt is claimed in the transaction that records this one, or, when too many outcomes
// are being recorded already, when that is done.
func (w *Worker) attempt(work context.Context, s *slot, c claimed) {
	a := c.Attempt
	ctx := w.begins(work, s, a)
	if time.Since(c.since) > w.patience() && !w.renew(ctx, a) {
		a.Permit.Cancel()
		w.ends(a)
		w.Cancel()
		return
	}
	rec := recording{worker: w, attempt: a, end: time.Now().Add(headsup.LeaseTime)}
	ctx, span := w.trace(ctx, a)
	began := time.Now()
	r := w.try(pace.WithPermit(ctx, a.Permit), a)
	a.Permit.Done(w.cfg.Now()) // unless whoever has made the call has ended it
	took := time.Since(began)
	select {
	case w.unrecorded <- struct{}{}:
		rec.freed = true
		w.Cancel()
	default:
	}
	rec.outcome = w.outcome(a, r)
	w.observe(span, a, r, rec.outcome, took)
	if errors.As(r.err, new(*Recorded)) {
		rec.over(true)
		return
	}
	w.recording.Add(1)
	w.recorder.RecordLater(rec.outcome, rec.told)
}

// begins and ends note which attempts run. An attempt's context ends when it is stopped, or all are.
func (w *Worker) begins(work context.Context, s *slot, a *Attempt) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		s.ctx, s.stop = context.WithCancelCause(work)
	}
	s.attempt = a
	w.running[a.Delivery] = running{a, s}
	return s.ctx
}

func (w *Worker) ends(a *Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[a.Delivery].Attempt == a { // else the next attempt of the delivery has begun
		delete(w.running, a.Delivery)
	}
}

// margin is by how much an attempt ends before its lease.
const margin = time.Second

// patience is how long after its claim an attempt may begin and still end within its lease. Only a process that was held
// up, or whose database was, takes so long: by then another node may be trying the same.
func (w *Worker) patience() time.Duration { return headsup.LeaseTime - w.cfg.AttemptTimeout - margin }

// renew extends the lease of an attempt that begins late, and reports whether it may begin. If not, whoever finds the
// lease run out takes the delivery back.
func (w *Worker) renew(ctx context.Context, a *Attempt) bool {
	lost, err := w.cfg.Store.Extend(ctx, []Attempt{*a}, w.cfg.Now().Add(headsup.LeaseTime))
	if err == nil && len(lost) == 0 {
		return true
	}
	w.cfg.Logger.WarnContext(ctx, "an attempt was not begun: its lease had run out", "delivery_id", int64(a.Delivery))
	return false
}

type result struct {
	activity activity.ID
	err      error
}

// try calls the sender with the attempt's deadline; a panic is a failure of this delivery alone.
func (w *Worker) try(ctx context.Context, a *Attempt) (r result) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.AttemptTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			w.cfg.Logger.ErrorContext(ctx, "sender panicked", "delivery_id", int64(a.Delivery), "panic", fmt.Sprint(p),
				"stack", string(debug.Stack()))
			r.err = &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "panic", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	r.activity, r.err = w.cfg.Sender.Deliver(ctx, a)
	return r
}
