package outbox

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/ident"
)

// Observer is told what happens to messages and deliveries, to be counted. Its methods may be called from several
// goroutines, must return quickly and must not call the store.
type Observer interface {
	// Accepted tells of a message that has become durable, with so many deliveries. A repeat of an earlier one is none.
	Accepted(lane Lane, deliveries int)
	// Attempted tells of an attempt that has ended: with what its failure means, empty when it was delivered, and how
	// long the channel took. One that was but a [Step] is not told. It keeps nothing of a, and changes nothing in it.
	Attempted(a *Attempt, verdict headsup.Meaning, took time.Duration)
	// Ended tells of a delivery whose final state has become durable, by an attempt or otherwise.
	Ended(e End)
}

// End is how a delivery came to its final state.
type End struct {
	Lane   Lane
	State  State
	Reason string
	// WantedAt is when it was to be delivered at first, At when it came to this state.
	WantedAt, At time.Time
}

// tracerName names the spans' source.
const tracerName = "github.com/headsup-bot/headsup/outbox"

// TraceOf is the trace context that ctx carries, as a traceparent (W3C Trace Context, section 3.2), to be kept with a
// message; empty when there is none.
func TraceOf(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}

// spanContext reads what TraceOf has written; invalid for anything else.
func spanContext(traceparent string) trace.SpanContext {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(parts[1])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(parts[2])
	if err != nil {
		return trace.SpanContext{}
	}
	flags, err := hex.DecodeString(parts[3])
	if err != nil || len(flags) != 1 {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]), Remote: true,
	})
}

// trace begins the span of an attempt: a trace of its own, linked to what the message was accepted under, which may be
// long ago and in another process.
func (w *Worker) trace(ctx context.Context, a *Attempt) (context.Context, trace.Span) {
	if !w.traces {
		return ctx, trace.SpanFromContext(ctx)
	}
	opts := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("headsup.notification", ident.Text("ntf", int64(a.Message))),
			attribute.String("headsup.delivery", ident.Text("dlv", int64(a.Delivery))),
			attribute.String("headsup.channel", string(a.Conversation.Key.Channel)),
			attribute.Int("headsup.attempt", a.Claims),
		),
	}
	if cause := spanContext(a.Trace); cause.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: cause}))
	}
	return w.tracer.Start(ctx, "attempt", opts...)
}

// observe tells how an attempt has ended.
func (w *Worker) observe(span trace.Span, a *Attempt, r result, o Outcome, took time.Duration) {
	verdict := headsup.Meaning("")
	if failure := headsup.MeaningOf(r.err); failure != nil && !errors.As(r.err, new(*Recorded)) && attempted(r.err) {
		verdict = failure.Meaning
	}
	if w.traces {
		span.SetAttributes(attribute.String("headsup.state", string(o.State)), attribute.String("headsup.reason", o.Reason))
		if verdict != "" {
			span.SetStatus(codes.Error, string(verdict))
		}
		span.End()
	}
	if w.cfg.Observer != nil && attempted(r.err) {
		w.cfg.Observer.Attempted(a, verdict, took)
	}
}
