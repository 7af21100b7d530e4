package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

// reminder is a bot that asks for a notification in the turn of every message.
func reminder(in time.Duration) func(*proactive.Engine) (headsup.Handler, error) {
	return func(*proactive.Engine) (headsup.Handler, error) {
		mux := headsup.NewMux()
		mux.Message(func(ctx context.Context, t *headsup.Turn) error {
			_, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Text: "probe text", In: in})
			return err
		})
		return mux, nil
	}
}

// quiet is a bot that says nothing.
func quiet(*proactive.Engine) (headsup.Handler, error) { return headsup.NewMux(), nil }

// spans waits until n spans of a name have ended.
func spans(t *testing.T, e *tracetest.InMemoryExporter, name string, n int) (found tracetest.SpanStubs) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		found = nil
		for _, s := range e.GetSpans() {
			if s.Name == name {
				found = append(found, s)
			}
		}
		if len(found) >= n {
			return found
		}
	}
	t.Fatalf("%d spans are named %s, want %d", len(found), name, n)
	return nil
}

func value(s tracetest.SpanStub, key attribute.Key) string {
	for _, kv := range s.Attributes {
		if kv.Key == key {
			return kv.Value.String()
		}
	}
	return ""
}

// TestProactiveMessageIsLinkedToWhatCausedIt has somebody write, stops the process before what the bot answers later is
// due, and looks at the traces of both processes.
func TestProactiveMessageIsLinkedToWhatCausedIt(t *testing.T) {
	t.Parallel()
	sent := make(chan struct{}, 10)
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"1"}`))
		sent <- struct{}{}
	}))
	t.Cleanup(channel.Close)
	exporter := tracetest.NewInMemoryExporter()
	provider := func() *sdktrace.TracerProvider { return sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)) }
	dir := filepath.Join(t.TempDir(), "data")
	cfg := func() server.Config {
		return server.Config{DataDir: dir, Bot: reminder(2 * time.Second), TracerProvider: provider()}
	}

	s, stop := start(t, cfg())
	hear(t, s, channel.URL, "c1", "remind me", "Traceparent", callersParent)
	stop()
	turn := spans(t, exporter, "turn", 1)[0]
	if turn.SpanContext.TraceID().String() != callersTrace || turn.Parent.SpanID().String() != callersSpan || !turn.Parent.IsRemote() {
		t.Errorf("the turn is in trace %s below %s, want that of its request", turn.SpanContext.TraceID(), turn.Parent.SpanID())
	}
	if value(turn, "headsup.turn.outcome") != "done" || value(turn, "headsup.channel") != "test" || value(turn, "headsup.activity.type") != "message" {
		t.Errorf("the turn says %v", turn.Attributes)
	}
	if len(sent) != 0 {
		t.Fatal("the reminder went out before the restart")
	}

	_, stop = start(t, cfg())
	<-sent
	attempt := spans(t, exporter, "attempt", 1)[0]
	stop()
	if attempt.Parent.IsValid() || attempt.SpanContext.TraceID() == turn.SpanContext.TraceID() {
		t.Errorf("the attempt is no trace of its own: %v below %v", attempt.SpanContext.TraceID(), attempt.Parent.SpanID())
	}
	if len(attempt.Links) != 1 || attempt.Links[0].SpanContext.TraceID() != turn.SpanContext.TraceID() ||
		attempt.Links[0].SpanContext.SpanID() != turn.SpanContext.SpanID() || !attempt.Links[0].SpanContext.IsSampled() {
		t.Errorf("the attempt links to %v, want the turn %v", attempt.Links, turn.SpanContext)
	}
	if value(attempt, "headsup.state") != "delivered" || !strings.HasPrefix(value(attempt, "headsup.notification"), "ntf_") {
		t.Errorf("the attempt says %v", attempt.Attributes)
	}
	for _, span := range exporter.GetSpans() {
		for _, kv := range span.Attributes {
			if text := kv.Value.String(); strings.Contains(text, "probe") || strings.Contains(text, "remind me") || strings.Contains(text, "Probe Name") {
				t.Errorf("%s tells %s=%s", span.Name, kv.Key, text)
			}
		}
	}
}

func TestNotificationIsLinkedToItsRequest(t *testing.T) {
	t.Parallel()
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(channel.Close)
	exporter := tracetest.NewInMemoryExporter()
	s, _ := start(t, server.Config{Bot: quiet, TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))})
	hear(t, s, channel.URL, "c1", "1")
	for _, header := range [][]string{{"Traceparent", callersParent}, nil, {"Traceparent", "rubbish"}} {
		exporter.Reset()
		if resp, body := request(t, http.MethodPost, s.URL()+"/v1/notifications", `{"to":{"conversation":"c1"},"text":"x"}`, header...); resp.StatusCode != http.StatusAccepted {
			t.Fatal(body)
		}
		attempt := spans(t, exporter, "attempt", 1)[0]
		linked := len(attempt.Links) == 1 && attempt.Links[0].SpanContext.SpanID().String() == callersSpan
		if linked != (len(header) > 0 && header[1] == callersParent) || len(attempt.Links) > 1 {
			t.Errorf("with %v it links to %v", header, attempt.Links)
		}
		if attempt.Status.Description != "permanent" || value(attempt, "headsup.reason") != "forbidden" {
			t.Errorf("the attempt says %v, %v", attempt.Status, attempt.Attributes)
		}
	}
}

func TestTracesGoToTheCollector(t *testing.T) {
	t.Parallel()
	got := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v, %s, %s", err, r.URL, r.Header.Get("Content-Type"))
		}
		got <- body
	}))
	t.Cleanup(collector.Close)
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":"1"}`)) }))
	t.Cleanup(channel.Close)
	s, stop := start(t, server.Config{Trace: server.Trace{Endpoint: collector.URL + "/v1/traces", Sample: 1}})
	hear(t, s, channel.URL, "c1", "1")
	stop() // which sends what is left
	select {
	case body := <-got:
		if !strings.Contains(string(body), "headsup.turn.kind") || !strings.Contains(string(body), "service.name") {
			t.Errorf("it got %q", body)
		}
	default:
		t.Error("the collector got nothing")
	}
}

func TestCollectorThatIsAwayHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s, stop := start(t, server.Config{Trace: server.Trace{Endpoint: "http://127.0.0.1:1/v1/traces", Sample: 1}})
	_, _ = request(t, http.MethodGet, s.URL()+"/healthz", "")
	stop() // which fails the test when the server does not end
}
