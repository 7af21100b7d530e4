package server_test

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
)

// refusing is a channel that refuses everything in some conversations.
type refusing struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // by conversation and text
}

func newRefusing(t *testing.T) *refusing {
	r := &refusing{seen: make(map[string]int)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the sender was killed in the middle
		}
		a, err := activity.Decode(body)
		if err != nil {
			t.Errorf("sent %s: %v", body, err)
			return
		}
		if strings.HasPrefix(string(a.Conversation.ID), "refuses") {
			time.Sleep(10 * time.Millisecond) // as channels are away: some kills come between the call and its answer
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		r.seen[string(a.Conversation.ID)+" "+a.Text]++
		r.mu.Unlock()
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(r.Close)
	return r
}

// TestKillsBetweenTheWays kills the server at any moment on the way from a first way that fails, or is taken, or is not read,
// to the next: none is left out that is needed, though the next has ten minutes, and none is said that is not.
func TestKillsBetweenTheWays(t *testing.T) {
	t.Parallel()
	const kills, each = 10, 4
	channel := newRefusing(t)
	p := build(t)
	p.start()
	for i := range each {
		for _, kind := range []string{"refuses", "takes", "next", "last"} {
			if status, answer := p.post("/api/messages", fmt.Sprintf(`{"type":"event","name":"x","id":"1","channelId":"test","serviceUrl":%q,`+
				`"from":{"id":"%[2]s-u%[3]d"},"recipient":{"id":"bot"},"conversation":{"id":"%[2]s%[3]d"}}`,
				channel.URL, kind, i)); status/100 != 2 {
				t.Fatalf("status %d: %s", status, answer)
			}
		}
	}
	wanted := make(map[string]string) // what is to be said, by conversation and text, and by which notification
	var ids []string
	unwanted := make(map[string]bool)
	for round := range kills {
		for i := range each {
			for kind, fallback := range map[string]string{
				"fails":  `[{"to":{"conversation":"next%[1]d"},"after":"10m"},{"to":{"conversation":"last%[1]d"},"after":"10m"}]`,
				"taken":  `[{"to":{"conversation":"next%[1]d"},"after":"30s"}]`,
				"unread": `[{"to":{"conversation":"next%[1]d"},"after":"1s","unless":"read"}]`,
			} {
				first := "takes"
				if kind == "fails" {
					first = "refuses"
				}
				text := fmt.Sprintf("%s %d %d", kind, round, i)
				body := fmt.Sprintf(`{"to":{"conversation":"%s%d"},"text":%q,"fallback":%s}`, first, i, text, fmt.Sprintf(fallback, i))
				status, answer := p.post("/v1/notifications", body)
				var n api.Notification
				if err := json.Unmarshal(answer, &n); err != nil || status != http.StatusAccepted {
					t.Fatalf("status %d: %s, %v", status, answer, err)
				}
				ids = append(ids, n.ID)
				if kind != "fails" {
					wanted[fmt.Sprintf("takes%d %s", i, text)] = n.ID
				}
				if kind == "taken" {
					unwanted[fmt.Sprintf("next%d %s", i, text)] = true
				} else {
					wanted[fmt.Sprintf("next%d %s", i, text)] = n.ID
				}
				unwanted[fmt.Sprintf("last%d %s", i, text)] = true
			}
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // wherever it is then, it has to come out right
		p.kill()
		p.start()
	}
	deadline, doubtful := time.Now().Add(time.Minute), 0
	for _, id := range ids {
		for {
			var n api.Notification
			_, answer := p.call(http.MethodGet, "/v1/notifications/"+id, "")
			if err := json.Unmarshal(answer, &n); err != nil {
				t.Fatalf("%s: %v", answer, err)
			}
			if n.Counts["scheduled"]+n.Counts["ready"]+n.Counts["held"]+n.Counts["sending"] == 0 {
				break
			}
			if first := n.Deliveries[0]; first.State == "unknown" && n.Counts["held"] == 2 { // it may have arrived: the next has its time
				doubtful++
				maps.DeleteFunc(wanted, func(what, by string) bool { return by == id && strings.HasPrefix(what, "next") })
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("not settled in time: %s", answer)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	channel.mu.Lock()
	defer channel.mu.Unlock()
	repeats := 0
	for what, id := range wanted {
		if channel.seen[what] == 0 {
			t.Errorf("%s (%s) was never said", what, id)
		}
		repeats += max(0, channel.seen[what]-1)
	}
	for what := range unwanted {
		if channel.seen[what] > 0 {
			t.Errorf("%s was said, and not needed", what)
		}
	}
	if most := kills * each * 4; repeats > most { // one delivery of each conversation is in flight at a kill
		t.Errorf("%d repeats, at most %d", repeats, most)
	}
	t.Logf("%d said, %d repeats, %d doubtful, %d kills", len(wanted), repeats, doubtful, kills)
}
