package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
)

// ledger is a channel that writes down what a person would have seen.
type ledger struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // by conversation and text
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{seen: make(map[string]int)}
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
		l.seen[string(a.Conversation.ID)+" "+a.Text]++
		l.mu.Unlock()
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *ledger) count(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[key]
}

// program is the real binary on a port that it keeps over restarts.
type program struct {
	t      *testing.T
	binary string
	data   string
	listen string
	env    []string
	cmd    *exec.Cmd
}

func build(t *testing.T) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, binary: filepath.Join(dir, "headsup"), data: filepath.Join(dir, "data"), listen: "127.0.0.1:0"}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, "../cmd/headsup").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.CommandContext(context.Background(), p.binary, "serve", "--listen", p.listen, "--data", p.data, "--log-level", "error")
	p.cmd.Env = append(os.Environ(), p.env...)
	var stderr bytes.Buffer
	p.cmd.Stderr = &stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Fatalf("did not start: %v; it said %s", err, &stderr)
	}
	if listening := strings.TrimPrefix(strings.TrimSpace(line), "headsup: listening on http://"); p.listen != listening {
		p.listen = listening // the first time; clients read it from then on
	}
}

// kill ends the program as a power cut would end it.
func (p *program) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// post returns the status and body, or 0 when there was no answer.
func (p *program) post(path, body string, header ...string) (int, []byte) {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.listen+path, strings.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return 0, nil
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

// TestKillsLoseNothing kills the server again and again while clients ask for notifications, each repeated with its key
// until it is accepted. What was accepted is delivered; nothing else is; repeats are bounded by what was in flight.
func TestKillsLoseNothing(t *testing.T) {
	t.Parallel()
	const conversations, kills, clients = 20, 12, 8
	l := newLedger(t)
	p := build(t)
	p.start()
	for c := range conversations {
		status, answer := p.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"1","channelId":"test","serviceUrl":%q,`+
			`"from":{"id":"u%d"},"recipient":{"id":"bot"},"conversation":{"id":"c%d"},"text":"hi"}`, l.URL, c, c))
		if status != http.StatusOK {
			t.Fatalf("status %d: %s", status, answer)
		}
	}

	var stop atomic.Bool
	var mu sync.Mutex
	ids := make(map[string]string) // by key: the id that was answered
	var asked atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for !stop.Load() {
				n := asked.Add(1)
				key := fmt.Sprintf("c%d n%d", n%conversations, n)
				body := fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"n%d"}`, n%conversations, n)
				for {
					status, answer := p.post("/v1/notifications", body, "Idempotency-Key", key)
					if status == http.StatusAccepted {
						var accepted api.Notification
						if err := json.Unmarshal(answer, &accepted); err != nil {
							t.Error(err)
						}
						mu.Lock()
						ids[key] = accepted.ID
						mu.Unlock()
						break
					}
					if status != 0 && status != http.StatusServiceUnavailable {
						t.Errorf("status %d: %s", status, answer)
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	for range kills {
		time.Sleep(250 * time.Millisecond)
		p.kill()
		p.start()
	}
	stop.Store(true)
	wg.Wait()

	deadline := time.Now().Add(time.Minute)
	for key, id := range ids {
		for l.count(key) == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%s (%s) was accepted and never delivered", key, id)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	repeats := 0
	for key, times := range l.seen {
		_, accepted := ids[key]
		if _, text, _ := strings.Cut(key, " "); !accepted && strings.HasPrefix(text, "n") {
			t.Errorf("%s was delivered and never accepted", key)
		}
		repeats += times - 1
	}
	// Conversations do one thing at a time, so no more than one delivery of each was in flight at a kill.
	if repeats > kills*conversations {
		t.Errorf("%d repeats after %d kills with at most %d deliveries in flight", repeats, kills, conversations)
	}
	t.Logf("%d accepted, %d kills, %d repeats", len(ids), kills, repeats)
}
