package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
)

// guest sits at the embedded channel of the real binary.
type guest struct {
	*program
	conversation string
	token        string
}

// enters opens a conversation, which the bot has heard of when it returns.
func (p *program) enters(name string) guest {
	p.t.Helper()
	status, answer := p.post("/playground/api/token", fmt.Sprintf(`{"user":{"id":"dl_%s"}}`, name))
	var opened struct {
		Conversation string `json:"conversationId"`
		Token        string `json:"token"`
	}
	if err := json.Unmarshal(answer, &opened); err != nil || status != http.StatusOK {
		p.t.Fatalf("status %d: %s, %v", status, answer, err)
	}
	who := guest{p, opened.Conversation, opened.Token}
	if status, answer := p.post("/v3/directline/conversations/"+who.conversation+"/activities",
		`{"type":"message","text":"hello","from":{"id":"dl_`+name+`"}}`, "Authorization", "Bearer "+who.token); status != http.StatusOK {
		p.t.Fatalf("status %d: %s", status, answer)
	}
	return who
}

// lines are the lines of the bot's messages, in the order of the conversation.
func (p guest) lines() (all []string, digests int) {
	p.t.Helper()
	status, answer := p.call(http.MethodGet, "/v3/directline/conversations/"+p.conversation+"/activities", "", "Authorization", "Bearer "+p.token)
	var set struct {
		Activities []struct {
			Text string                  `json:"text"`
			From activity.ChannelAccount `json:"from"`
		} `json:"activities"`
	}
	if err := json.Unmarshal(answer, &set); err != nil || status != http.StatusOK {
		p.t.Fatalf("status %d: %s, %v", status, answer, err)
	}
	for _, a := range set.Activities {
		if a.From.Role != activity.RoleBot {
			continue
		}
		parts := linesOf(a.Text)
		if len(parts) > 1 {
			digests++
		}
		all = append(all, parts...)
	}
	return slices.DeleteFunc(all, func(line string) bool { return !strings.HasPrefix(line, "n") }), digests
}

// linesOf takes a digest apart.
func linesOf(text string) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimPrefix(line, "• "))
	}
	return lines
}

// lettingGo is a channel that lets the first digest arrive and does not answer.
type lettingGo struct {
	*httptest.Server
	arrived chan struct{}

	mu   sync.Mutex
	said []string // guarded by mu
}

func newLettingGo(t *testing.T) *lettingGo {
	l := &lettingGo{arrived: make(chan struct{})}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed in the middle
		}
		a, err := activity.Decode(body)
		if err != nil {
			t.Errorf("sent %s: %v", body, err)
			return
		}
		l.mu.Lock()
		l.said = append(l.said, a.Text)
		first := len(l.said) == 1
		l.mu.Unlock()
		if first {
			close(l.arrived)
			<-r.Context().Done() // it is killed
			return
		}
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(l.Close)
	return l
}

// holding is the server, and what waits there.
type holding struct {
	*program
	n   int
	ids []string
}

const eachHolds = 5

// hold has a conversation be busy, and wants some things said there when it is not any more.
func (h *holding) hold(conversation string) (texts []string) {
	h.t.Helper()
	if status, answer := h.call(http.MethodPut, "/v1/conversations/"+conversation+"/busy", `{}`); status != http.StatusOK {
		h.t.Fatalf("status %d: %s", status, answer)
	}
	for range eachHolds {
		h.n++
		text := fmt.Sprintf("n%d", h.n)
		status, answer := h.post("/v1/notifications",
			fmt.Sprintf(`{"to":{"conversation":%q},"text":%q,"policy":"wait","release":"digest"}`, conversation, text))
		var accepted api.Notification
		if err := json.Unmarshal(answer, &accepted); err != nil || status != http.StatusAccepted {
			h.t.Fatalf("status %d: %s, %v", status, answer, err)
		}
		h.ids, texts = append(h.ids, accepted.ID), append(texts, text)
	}
	return texts
}

func (h *holding) release(conversation string) {
	h.call(http.MethodDelete, "/v1/conversations/"+conversation+"/busy", "") // the server may be killed meanwhile
}

// delivered waits until everything was said.
func (h *holding) delivered() {
	h.t.Helper()
	deadline := time.Now().Add(3 * time.Minute) // one whose answer was lost is tried again after half a minute
	for _, id := range h.ids {
		for {
			var n api.Notification
			_, answer := h.call(http.MethodGet, "/v1/notifications/"+id, "")
			if err := json.Unmarshal(answer, &n); err != nil {
				h.t.Fatalf("%s: %v", answer, err)
			}
			if n.State == "delivered" {
				break
			}
			if time.Now().After(deadline) {
				h.t.Fatalf("not delivered in time: %+v", n)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	h.ids = nil
}

// TestKillsInADigest kills the server while what was held is said together: each is said once, in a digest or alone, in its
// order. A channel that cannot recognise a repeat is told the same digest twice.
func TestKillsInADigest(t *testing.T) {
	t.Parallel()
	const kills = 10
	h := &holding{program: build(t)}
	h.start()
	var people []guest
	for i := range 6 {
		people = append(people, h.enters(fmt.Sprintf("p%d", i)))
	}
	want := make([][]string, len(people))
	for range kills {
		for i, p := range people {
			want[i] = append(want[i], h.hold(p.conversation)...)
		}
		var releasing sync.WaitGroup
		for _, p := range people {
			releasing.Go(func() { h.release(p.conversation) })
		}
		time.Sleep(time.Duration(rand.IntN(25)) * time.Millisecond) // wherever it is then, it has to come out right
		h.kill()
		releasing.Wait()
		h.start()
		for _, p := range people {
			h.release(p.conversation)
		}
		h.delivered()
	}
	digests := 0
	for i, p := range people {
		lines, n := p.lines()
		if digests += n; !slices.Equal(lines, want[i]) {
			t.Errorf("person %d was told %q, want %q", i, lines, want[i])
		}
	}
	if digests == 0 {
		t.Error("nothing was said in a digest")
	}
	t.Logf("%d messages in %d digests, %d kills", h.n, digests, kills)

	l := newLettingGo(t)
	if status, answer := h.post("/api/messages", fmt.Sprintf(`{"type":"event","name":"x","id":"1","channelId":"test","serviceUrl":%q,`+
		`"from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":"elsewhere"}}`, l.URL)); status/100 != 2 {
		t.Fatalf("status %d: %s", status, answer)
	}
	texts := h.hold("elsewhere")
	h.release("elsewhere")
	<-l.arrived
	h.kill()
	h.start()
	h.delivered()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.said) != 2 || l.said[0] != l.said[1] || !slices.Equal(linesOf(l.said[0]), texts) {
		t.Errorf("the channel was told %q, want %q twice", l.said, texts)
	}
}
