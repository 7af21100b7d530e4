package headsup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/backoff"
	"github.com/headsup-bot/headsup/internal/loglimit"
)

// Config makes a [Bot].
type Config struct {
	// AppID is the bot's application id. Empty is an app id like any other, for local tests.
	AppID string

	// Verifier checks who sent what the messaging endpoint receives. Nil refuses everybody.
	Verifier auth.Verifier

	// Channel carries what the bot says. Required; a [Switch] where there are several.
	Channel Channel

	// Turns keeps leases and commits turns. Required.
	Turns Turns

	// Notifier accepts what handlers say with [Turn.Notify]. Nil makes that an error.
	Notifier Notifier

	// Middleware wraps the handler of every turn, the first one outermost.
	Middleware []Middleware

	// TurnTimeout bounds a turn. Zero means 13 s: channels give a bot 15 s (bot-docs, "How bots work"), which is also
	// [LeaseTime], so it is at most 14 s.
	TurnTimeout time.Duration

	// MaxBody is the largest accepted request body in bytes. Zero means 1 MiB.
	MaxBody int64

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time

	// Observer is told about turns. May be nil.
	Observer Observer

	// TracerProvider makes the spans of turns. Nil makes none.
	TracerProvider trace.TracerProvider
}

func (c Config) withDefaults() Config {
	if c.TurnTimeout == 0 {
		c.TurnTimeout = 13 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.TracerProvider == nil {
		c.TracerProvider = noop.NewTracerProvider()
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Channel == nil:
		return errors.New("Channel is required")
	case c.Turns == nil:
		return errors.New("Turns is required")
	case c.TurnTimeout < 0 || c.TurnTimeout > LeaseTime-time.Second:
		return fmt.Errorf("TurnTimeout is %v; it must be positive and at most %v", c.TurnTimeout, LeaseTime-time.Second)
	case c.MaxBody < 0:
		return fmt.Errorf("MaxBody is %d; it must be positive", c.MaxBody)
	}
	return nil
}

// Bot receives activities and runs turns. It is what other SDKs call the adapter. Safe for concurrent use.
type Bot struct {
	cfg       Config
	handler   Handler
	tracer    trace.Tracer
	strangers loglimit.Reasons
}

// New makes a bot that handles its turns with h.
func New(cfg Config, h Handler) (*Bot, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("headsup: config: %w", err)
	}
	if h == nil {
		return nil, errors.New("headsup: config: the handler is nil")
	}
	return &Bot{cfg: cfg, handler: h, tracer: cfg.TracerProvider.Tracer(tracerName)}, nil
}

// turnKey finds the turn that runs in a context.
type turnKey struct{}

// running returns the innermost turn of a context whose handler has not returned. A context may outlive its turn, in a
// goroutine that goes on.
func running(ctx context.Context) *Turn {
	t, _ := ctx.Value(turnKey{}).(*Turn)
	for t != nil && t.ended() {
		t = t.outer
	}
	return t
}

// InTurn tells in which conversation a turn is running in a context, if one is.
func InTurn(ctx context.Context) (key ConversationKey, yes bool) {
	t := running(ctx)
	if t == nil {
		return key, false
	}
	return t.Key(), true
}

// Process runs an inbound activity as a turn and returns what to answer to its sender. It is what the messaging
// endpoint does after the identity is known; channels that live in this process call it directly. An activity that was
// handled before is not handled again: its answer is returned once more, and a copy that arrives while the first one
// runs waits for it. The turn goes on when ctx is cancelled, since whoever sends again expects the result.
func (b *Bot) Process(ctx context.Context, id auth.Identity, a *activity.Activity) (Answer, error) {
	if !id.Verified() {
		return Answer{}, &auth.Error{Status: http.StatusUnauthorized, Reason: "not_verified"}
	}
	if err := a.CheckInbound(); err != nil {
		return Answer{}, err
	}
	if answer, bad := badInvoke(a); bad {
		return answer, nil
	}
	ctx, seen := b.observe(ctx, TurnInbound, a)
	answer, repeated, err := b.process(ctx, id, a)
	seen.end(repeated, err)
	return answer, err
}

// process is Process for an activity that is in order. It also reports whether the answer is an earlier one.
func (b *Bot) process(ctx context.Context, id auth.Identity, a *activity.Activity) (_ Answer, repeated bool, _ error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), b.cfg.TurnTimeout, errTurnTimeout)
	defer cancel()

	ref, said, kind := ReferenceOf(a), a.ID, a.Type // the handler may change a
	lease, err := b.cfg.Turns.Lease(ctx, KeyOf(b.cfg.AppID, ref))
	if err != nil {
		return Answer{}, false, fmt.Errorf("wait for the conversation: %w", err)
	}
	defer lease.Release()
	if said != "" {
		answer, done, err := b.cfg.Turns.Answered(ctx, lease.Key(), said)
		if err != nil {
			return Answer{}, false, fmt.Errorf("look for an earlier answer: %w", err)
		}
		if done {
			return answer, true, nil
		}
	}
	var answer Answer
	err = b.untilCommitted(ctx, lease, a, func(a *activity.Activity) (*Turn, []Op, error) {
		t := &Turn{
			bot: b, activity: a, identity: id, ref: ref, replyTo: ref.ActivityID,
			work: &unit{lease: lease, buffers: a.DeliveryMode == activity.DeliveryExpectReplies},
		}
		ops, err := b.run(ctx, t, b.handler)
		if err != nil {
			return t, nil, &handlerError{err}
		}
		if answer, err = t.answer(kind); err != nil {
			return t, nil, err
		}
		if said != "" {
			ops = append(ops, RecordAnswer{Activity: said, Answer: answer, At: b.cfg.Now()})
		}
		return t, ops, nil
	})
	return answer, false, err
}

// attempts is how often a turn is run whose commit conflicts with what others have written. One of those who conflict has
// always won.
const attempts = 10

var betweenAttempts = backoff.Policy{Base: 2 * time.Millisecond, Max: 50 * time.Millisecond}

// untilCommitted runs a turn and commits it. When the commit conflicts, it does both again, as long as the turn has not
// called the channel. Each run gets the activity as it arrived.
func (b *Bot) untilCommitted(
	ctx context.Context, lease Lease, a *activity.Activity, run func(*activity.Activity) (*Turn, []Op, error),
) error {
	arrived := a.Clone() // the handler may change a
	for n := 1; ; n++ {
		t, ops, err := run(a)
		if err != nil {
			return err
		}
		err = b.commit(ctx, lease, ops)
		if err == nil || !errors.Is(err, ErrConflict) || t.work.hasCalled() || n == attempts {
			return err
		}
		b.cfg.Logger.DebugContext(ctx, "turn conflicts with others and is run again", "attempt", n, "error", err)
		timer := time.NewTimer(betweenAttempts.Wait(n))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		a = arrived.Clone()
	}
}

// handlerError is what a handler returned. It says nothing about the request, whatever it wraps.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// panicError is a panic of a handler.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("headsup: handler panicked: %v", e.value) }

var errTurnTimeout = errors.New("headsup: the turn took too long")

// run calls middleware and handler and returns what they have staged. It makes a panic an error.
func (b *Bot) run(ctx context.Context, t *Turn, h Handler) (ops []Op, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.cfg.Logger.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p),
				"activity_type", string(t.activity.Type), "stack", string(debug.Stack()))
			err = &panicError{p}
		}
		ops = t.end()
	}()
	return nil, chain(h, b.cfg.Middleware).HandleTurn(context.WithValue(ctx, turnKey{}, t), t)
}

// commit makes what a turn has staged durable.
func (b *Bot) commit(ctx context.Context, lease Lease, ops []Op) error {
	if len(ops) == 0 {
		return nil
	}
	if err := b.cfg.Turns.Commit(ctx, lease, ops); err != nil {
		return fmt.Errorf("commit the turn: %w", err)
	}
	return nil
}

// answer is what the sender of an activity of a kind is told.
func (t *Turn) answer(kind activity.Type) (Answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.work.mu.Lock()
	defer t.work.mu.Unlock()
	var body any
	answer := Answer{Status: http.StatusOK}
	if kind == activity.TypeInvoke {
		if t.invoke == nil {
			return Answer{Status: http.StatusNotImplemented}, nil
		}
		answer.Status, body = cmp.Or(t.invoke.Status, http.StatusOK), t.invoke.Body
		if answer.Status < 200 || answer.Status > 599 {
			return Answer{}, fmt.Errorf("headsup: the invoke response's status is %d; it must be one of HTTP's final ones", answer.Status)
		}
	}
	if t.work.buffers {
		replies := activity.ExpectedReplies{Activities: t.work.buffered}
		if body != nil {
			raw, err := json.Marshal(body)
			if err != nil {
				return Answer{}, fmt.Errorf("encode the invoke response: %w", err)
			}
			replies.Body = jsontext.Value(raw)
		}
		if replies.Activities == nil {
			replies.Activities = []*activity.Activity{}
		}
		body = replies
	}
	if body == nil {
		return answer, nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return Answer{}, fmt.Errorf("encode the answer: %w", err)
	}
	answer.Body = raw
	return answer, nil
}

// badInvoke answers invokes that are malformed, so that no handler sees them: without a name (Activity specification,
// A5401), and adaptiveCard/action without an action (Universal Actions for Adaptive Cards).
func badInvoke(a *activity.Activity) (Answer, bool) {
	if a.Type != activity.TypeInvoke {
		return Answer{}, false
	}
	switch a.Name {
	case "":
		return badRequest("the invoke has no name"), true
	case "adaptiveCard/action":
		var value struct {
			Action jsontext.Value `json:"action"`
		}
		if len(a.Value) == 0 || json.Unmarshal(a.Value, &value) != nil || value.Action.Kind() != '{' {
			return badRequest("value.action is missing"), true
		}
	}
	return Answer{}, false
}

func badRequest(message string) Answer {
	body, err := json.Marshal(struct {
		StatusCode int    `json:"statusCode"`
		Type       string `json:"type"`
		Value      any    `json:"value"`
	}{http.StatusBadRequest, "application/vnd.microsoft.error", map[string]string{"code": "BadRequest", "message": message}})
	if err != nil {
		panic(err) // strings and an int always encode
	}
	return Answer{Status: http.StatusBadRequest, Body: body}
}
