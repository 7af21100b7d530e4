package headsup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/store/memory"
)

// notes is an observer that writes down what it is told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) write(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) TurnEnded(kind headsup.TurnKind, outcome headsup.TurnOutcome, took time.Duration) {
	n.write("%s turn %s after %v", kind, outcome, took)
}

func (n *notes) Refused(reason string) { n.write("refused: %s", reason) }

func TestObserverIsToldHowTurnsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, exporter := new(notes), tracetest.NewInMemoryExporter()
		bot, err := headsup.New(headsup.Config{
			Verifier: auth.Development{}, Channel: &bottest.Recorder{}, Turns: memory.New(), Observer: n,
			TracerProvider: trace.NewTracerProvider(trace.WithSyncer(exporter)),
		}, headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
			switch turn.Activity().Text {
			case "panic":
				panic("PROBE")
			case "fail":
				return errors.New("PROBE")
			case "hang":
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(time.Second)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{"well", "panic", "fail", "hang"} {
			_, _ = bot.Process(t.Context(), developer, inbound(fmt.Sprint(i), "c", text))
		}
		_, _ = bot.Process(t.Context(), developer, inbound("0", "c", "well"))
		if err := bot.Continue(t.Context(), inbound("", "c", "").Reference(), nil); err != nil {
			t.Error(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(encode(t, inbound("9", "c", ""))))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Basic x")
		bot.ServeHTTP(httptest.NewRecorder(), r)
		want := []string{
			"inbound turn done after 1s", "inbound turn panicked after 0s", "inbound turn failed after 0s",
			"inbound turn timed_out after 13s", "inbound turn repeated after 0s", "proactive turn done after 1s",
			"refused: not_a_bearer_token",
		}
		if !slices.Equal(n.lines, want) {
			t.Errorf("it was told %q, want %q", n.lines, want)
		}
		spans := exporter.GetSpans()
		if len(spans) != 6 {
			t.Errorf("%d spans", len(spans))
		}
		for _, s := range spans {
			if s.Name != "turn" || strings.Contains(fmt.Sprint(s.Attributes, s.Status, s.Events), "PROBE") {
				t.Errorf("span %s: %v %v %v", s.Name, s.Attributes, s.Status, s.Events)
			}
		}
	})
}
