package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Trace says where traces go.
type Trace struct {
	// Endpoint is the URL of an OpenTelemetry collector that takes OTLP over HTTP. Empty sends nothing.
	Endpoint string
	// Sample is the share of traces that are sent, from 0 to 1, of those that no caller has decided on.
	Sample float64
}

func (t Trace) validate() error {
	if t.Endpoint != "" {
		if u, err := url.Parse(t.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return wrong("trace.endpoint", "%q is not an http or https URL", t.Endpoint)
		}
	}
	if t.Sample < 0 || t.Sample > 1 {
		return wrong("trace.sample", "%v is not between 0 and 1", t.Sample)
	}
	return nil
}

// provider makes the source of spans, and a function that sends what is left and ends it. It connects to nobody yet.
func (t Trace) provider(ctx context.Context, version string, log *slog.Logger) (trace.TracerProvider, func(context.Context) error, error) {
	if t.Endpoint == "" {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(t.Endpoint))
	if err != nil {
		return nil, nil, wrong("trace.endpoint", "%w", err)
	}
	// OpenTelemetry has one place for its complaints in a process; otherwise they would stand between the lines of the log.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.WarnContext(context.Background(), "traces not sent", "error", err.Error())
	}))
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(t.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "headsup"), attribute.String("service.version", version))),
	)
	return p, p.Shutdown, nil
}

// traced takes over the caller's trace (W3C Trace Context). The spans themselves are made by turns and attempts.
func traced(next http.Handler) http.Handler {
	var format propagation.TraceContext
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			r = r.WithContext(format.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
		}
		next.ServeHTTP(w, r)
	})
}
