package chaos_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/client"
)

// inFlight is how many attempts and outcomes a process can have in hand at once.
const inFlight = 256 + 128

// TestKillsWhileACrowdIsTold kills the server again and again while it spreads one notification to very many and delivers it
// (F39): everybody is told, nobody is made up, and twice only those who were being told at a kill.
func TestKillsWhileACrowdIsTold(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, crowd, server)
	l.gather(16)
	// As far away as channels are, so that very many are never told between two looks.
	if err := ch.SetRules(t.Context(), fakechannel.Rule{Op: fakechannel.OpSend, Delay: 250 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	status, answer := l.post(t.Context(), "/v1/notifications", `{"to":{"everyone":true},"text":"everybody"}`, "Idempotency-Key", "everybody")
	if status != http.StatusAccepted {
		t.Fatalf("status %d: %s", status, answer)
	}
	id := idOf(t, answer)
	ctx, cancel := context.WithTimeout(t.Context(), crowdPatience)
	defer cancel()
	deaths, told := 0, 0
	for {
		// It is killed after so many, not after some time: on a slow machine it would be killed before it had done anything, again
		// and again, and what is in hand at five kills in a row is given up as what may have killed it.
		next := told + crowd/8 + rand.N(crowd/16)
		r, err := ch.Await(ctx, func(r fakechannel.Report) bool { return r.Distinct >= min(next, crowd) })
		if err != nil {
			_, answer := l.call(t.Context(), http.MethodGet, "/v1/notifications/"+id+"?deliveries=0", "")
			t.Fatalf("I1, I10: of %d people %d were told in %v and %d deaths: %v: %s", crowd, r.Distinct, crowdPatience, deaths, err, answer)
		}
		if r.Distinct == crowd {
			break
		}
		told = r.Distinct
		server.kill()
		server.start()
		deaths++
	}
	c, err := client.New(client.Config{BaseURL: server.url(), HTTPClient: l.http})
	if err != nil {
		t.Fatal(err)
	}
	counts := l.counted(ctx, c, id)
	if counts["delivered"] != crowd || len(counts) != 1 {
		t.Errorf("I12: of %d people the server counts %v", crowd, counts)
	}
	r, err := ch.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Distinct != crowd {
		t.Errorf("I3: %d were told, and only %d are there", r.Distinct, crowd)
	}
	if r.Duplicates > deaths*inFlight {
		t.Errorf("I2: %d were told twice in %d deaths", r.Duplicates, deaths)
	}
	if deaths < 3 {
		t.Errorf("it was killed only %d times", deaths)
	}
	t.Logf("%d people, %d deaths, %d were told twice", crowd, deaths, r.Duplicates)
}

// gather makes very many conversations known.
func (l *load) gather(clients int) {
	l.t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= l.people {
					return
				}
				if status, answer := l.post(l.t.Context(), "/api/messages", l.appearance(i)); status/100 != 2 {
					l.t.Errorf("status %d: %s", status, answer)
					return
				}
			}
		})
	}
	all.Wait()
}

// counted waits until all of a notification has an outcome, and returns how many have which.
func (l *load) counted(ctx context.Context, c *client.Client, id string) map[string]int {
	l.t.Helper()
	for {
		n, err := c.Notification(ctx, id)
		if err == nil && client.Settled(n.State) {
			return n.Counts
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("I10: it is %s, %v; %v", n.State, n.Counts, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
