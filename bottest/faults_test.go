package bottest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// channelInMemory answers every post, and keeps what was said.
type channelInMemory struct {
	mu   sync.Mutex
	said map[string]int
}

func (c *channelInMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a, err := activity.Decode(body)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[a.Text]++
	w := httptest.NewRecorder()
	_, _ = io.WriteString(w, `{"id":"1"}`)
	return w.Result(), nil
}

// TestNothingIsLostWhenStoreAndChannelFail has every fourth step of the store and every fourth request fail, before or after
// it was done, for many seeds: what was accepted is said at least once, and nothing else is; what is said twice is not more
// than answers were lost and leases ran out.
func TestNothingIsLostWhenStoreAndChannelFail(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { loseNothing(t, seed) })
		})
	}
}

func loseNothing(t *testing.T, seed uint64) {
	const conversations, messages = 5, 100
	ch := &channelInMemory{said: make(map[string]int)}
	faulty := &bottest.Faults{Before: 0.15, After: 0.1, Seed: seed}
	network := &bottest.Faults{Before: 0.15, After: 0.1, Seed: seed + 1000}
	client, err := connector.New(connector.Config{AllowLoopback: true, Transport: &bottest.FaultTransport{Base: ch, Faults: network}})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := proactive.New(proactive.Config{
		Store: &bottest.FaultStore{Store: memory.New(), Faults: faulty}, Channel: headsup.NewConnectorChannel(client),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()

	accepted := make(map[string]proactive.Accepted)
	for i := range messages {
		text := fmt.Sprint("n", i)
		n := headsup.Notification{
			To: headsup.ToConversation(activity.Reference{
				ChannelID: "test", ServiceURL: "http://127.0.0.1:1", Bot: &activity.ChannelAccount{ID: "bot"},
				Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i%conversations))},
			}),
			Text: text, Key: text,
		}
		for {
			a, err := engine.Notify(ctx, n)
			if err == nil {
				accepted[text] = a
				break
			}
			if !errors.Is(err, bottest.ErrInjected) {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(3 * time.Hour)
	faulty.Stop()
	network.Stop()
	time.Sleep(time.Hour)

	ch.mu.Lock()
	defer ch.mu.Unlock()
	repeats := 0
	for text, a := range accepted {
		status, err := engine.Status(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := status.Deliveries[0]; d.State != outbox.StateDelivered {
			t.Errorf("%s is %s (%s) in the end", text, d.State, d.Reason)
		}
		if ch.said[text] == 0 {
			t.Errorf("%s was accepted and never said", text)
		}
		repeats += ch.said[text] - 1
	}
	if len(ch.said) != len(accepted) {
		t.Errorf("%d texts were said, %d accepted", len(ch.said), len(accepted))
	}
	if made := faulty.Made() + network.Made(); repeats > made || made < messages/4 {
		t.Errorf("%d repeats after %d faults", repeats, made)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFaultsComeFromTheSeed(t *testing.T) {
	t.Parallel()
	outcomes := func(seed uint64) string {
		var b strings.Builder
		arrived := 0
		base := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived++ }))
		defer base.Close()
		transport := &bottest.FaultTransport{Faults: &bottest.Faults{Before: 0.3, After: 0.3, Seed: seed}, Base: base.Client().Transport}
		for range 50 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base.URL, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			before := arrived
			resp, err := transport.RoundTrip(r)
			switch {
			case err == nil:
				_ = resp.Body.Close()
				b.WriteByte('.')
			case !errors.Is(err, bottest.ErrInjected):
				t.Fatal(err)
			case arrived == before:
				b.WriteByte('b')
			default:
				b.WriteByte('a')
			}
		}
		return b.String()
	}
	a := outcomes(1)
	if a != outcomes(1) || a == outcomes(2) || !strings.Contains(a, "a") || !strings.Contains(a, "b") || !strings.Contains(a, ".") {
		t.Error(a, outcomes(1), outcomes(2))
	}
}
