package headsup

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// Observer is told about turns, to be counted. Its methods may be called from several goroutines and must not block.
type Observer interface {
	// TurnEnded tells how a turn has ended and how long it took, the wait for the conversation included.
	TurnEnded(kind TurnKind, outcome TurnOutcome, took time.Duration)
	// Refused tells that the messaging endpoint did not let a sender in, with the reason of the [auth.Error].
	Refused(reason string)
}

// TurnKind says what started a turn.
type TurnKind string

const (
	// TurnInbound was started by an activity that arrived.
	TurnInbound TurnKind = "inbound"
	// TurnProactive was started by [Bot.Continue] or [Bot.Create]. One that nests in another turn is not told of.
	TurnProactive TurnKind = "proactive"
)

// TurnOutcome says how a turn has ended.
type TurnOutcome string

const (
	TurnDone     TurnOutcome = "done"     // committed
	TurnRepeated TurnOutcome = "repeated" // the activity had been handled before
	TurnFailed   TurnOutcome = "failed"   // the handler or the commit returned an error
	TurnPanicked TurnOutcome = "panicked"
	TurnTimedOut TurnOutcome = "timed_out"
)

// tracerName names the spans' source.
const tracerName = "github.com/headsup-bot/headsup"

// observation is one turn as telemetry sees it.
type observation struct {
	bot   *Bot
	kind  TurnKind
	span  trace.Span
	start time.Time
}

// observe begins a span named "turn". It continues the trace of the request that the activity came with.
func (b *Bot) observe(ctx context.Context, kind TurnKind, a *activity.Activity) (context.Context, *observation) {
	as := trace.SpanKindInternal
	if kind == TurnInbound {
		as = trace.SpanKindConsumer
	}
	ctx, span := b.tracer.Start(ctx, "turn", trace.WithSpanKind(as))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("headsup.turn.kind", string(kind)),
			attribute.String("headsup.activity.type", string(a.Type)),
			attribute.String("headsup.channel", string(a.ChannelID)),
		)
	}
	return ctx, &observation{bot: b, kind: kind, span: span, start: time.Now()}
}

// end tells how the turn has ended. The error's text stays out of the trace: it may repeat what somebody said.
func (o *observation) end(repeated bool, err error) {
	outcome := outcomeOf(repeated, err)
	if o.span.IsRecording() {
		o.span.SetAttributes(attribute.String("headsup.turn.outcome", string(outcome)))
		if err != nil {
			o.span.SetStatus(codes.Error, string(outcome))
		}
	}
	o.span.End()
	if o.bot.cfg.Observer != nil {
		o.bot.cfg.Observer.TurnEnded(o.kind, outcome, time.Since(o.start))
	}
}

func outcomeOf(repeated bool, err error) TurnOutcome {
	_, panicked := errors.AsType[*panicError](err)
	switch {
	case err == nil && repeated:
		return TurnRepeated
	case err == nil:
		return TurnDone
	case panicked:
		return TurnPanicked
	case errors.Is(err, errTurnTimeout) || errors.Is(err, context.DeadlineExceeded):
		return TurnTimedOut
	}
	return TurnFailed
}

// refused tells of a sender that was not let in.
func (b *Bot) refused(e *auth.Error) {
	if b.cfg.Observer != nil {
		b.cfg.Observer.Refused(e.Reason)
	}
}
