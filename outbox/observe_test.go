package outbox_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// notes is an observer that writes down what it is told of attempts.
type notes struct {
	outbox.Observer // whose other methods a worker does not call

	mu    sync.Mutex
	lines []string
}

func (n *notes) Attempted(a *outbox.Attempt, verdict headsup.Meaning, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf("attempt %d: %q after %v", a.Claims, verdict, took))
}

func TestObserverIsToldOfEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, exporter := new(notes), tracetest.NewInMemoryExporter()
		meanings := []headsup.Meaning{headsup.MeaningTransient, headsup.MeaningThrottled, headsup.MeaningUnknown}
		s, ch := memory.New(), &sender{}
		ch.deliver = func() error {
			time.Sleep(time.Second)
			if i := int(ch.times.Load()) - 1; i < len(meanings) {
				return &headsup.SendError{Meaning: meanings[i], Reason: "x", Err: fmt.Errorf("PROBE")}
			}
			return nil
		}
		cfg := outbox.WorkerConfig{Store: s, Sender: ch, Observer: n, TracerProvider: trace.NewTracerProvider(trace.WithSyncer(exporter))}
		within(t, cfg, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, c, time.Now(), time.Time{})
			time.Sleep(time.Hour)
		})
		want := []string{
			`attempt 1: "transient" after 1s`, `attempt 2: "throttled" after 1s`, `attempt 3: "unknown" after 1s`, `attempt 4: "" after 1s`,
		}
		if !slices.Equal(n.lines, want) {
			t.Errorf("it was told %q, want %q", n.lines, want)
		}
		spans := exporter.GetSpans()
		if len(spans) != len(want) {
			t.Fatalf("%d spans, want %d", len(spans), len(want))
		}
		seen := make(map[string]bool)
		for _, span := range spans {
			id := span.SpanContext.TraceID().String()
			if seen[id] || len(span.Links) != 1 || span.Links[0].SpanContext.SpanID().String() != "b7ad6b7169203331" {
				t.Errorf("an attempt is in trace %s with the links %v", id, span.Links)
			}
			seen[id] = true
		}
	})
}

func TestTraceThatIsNoneLinksToNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "00-0-0-00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz", "00-00000000000000000000000000000000-b7ad6b7169203331-01"} {
		synctest.Test(t, func(t *testing.T) {
			exporter := tracetest.NewInMemoryExporter()
			s := memory.New()
			cfg := outbox.WorkerConfig{Store: s, Sender: &sender{}, TracerProvider: trace.NewTracerProvider(trace.WithSyncer(exporter))}
			within(t, cfg, func(t *testing.T, c book.Row) {
				submit(t, s, outbox.Message{Trace: text}, c, time.Now(), time.Time{})
				synctest.Wait()
			})
			if spans := exporter.GetSpans(); len(spans) != 1 || len(spans[0].Links) != 0 {
				t.Errorf("%q: %v", text, spans)
			}
		})
	}
}
