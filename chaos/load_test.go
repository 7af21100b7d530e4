package chaos_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// remote is a fake channel in another process.
type remote = *fakechannel.Remote

// load is clients that ask for notifications, change their mind, and repeat every call until it is answered. They write down
// what they were told.
type load struct {
	t       *testing.T
	channel remote
	url     func() string // of a server; another one every time, where there are several
	http    *http.Client
	people  int
	// plain asks for notifications only, and does not change them.
	plain bool
	// quiet logs no verdicts, for tests that have many.
	quiet bool

	mu    sync.Mutex
	asked []*asked // guarded by mu
	// statuses counts answers; 0 for none.
	statuses map[int]int // guarded by mu
	next     atomic.Int64
	accepted atomic.Int64
}

// asked is one notification as its client knows it. It belongs to its client until the load has ended.
type asked struct {
	key, conversation, text string
	hold                    bool // at most once
	// id is the notification that was accepted; empty for none. never is one that was refused for what it says.
	id    string
	never bool
	// change is what was asked for later: cancel, edit or recall. changed is set when it was answered; conflict when the answer
	// was that it is too late.
	change            string
	changed, conflict bool
}

// edited is what an edit says instead.
func (a *asked) edited() string { return a.text + " (edited)" }

func newLoad(t *testing.T, ch remote, people int, servers ...*node) *load {
	var turn atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &load{
		t: t, channel: ch, people: people, statuses: make(map[int]int),
		url:  func() string { return servers[int(turn.Add(1))%len(servers)].url() },
		http: &http.Client{Timeout: 20 * time.Second, Transport: transport},
	}
}

// introduce makes the conversations known.
func (l *load) introduce() {
	l.t.Helper()
	for i := range l.people {
		status, answer := l.post(l.t.Context(), "/api/messages", l.appearance(i))
		if status/100 != 2 {
			l.t.Fatalf("status %d: %s", status, answer)
		}
	}
}

// appearance is what a person says first.
func (l *load) appearance(i int) string {
	return fmt.Sprintf(`{"type":"event","name":"x","id":"1","channelId":"test","serviceUrl":%q,"from":{"id":"u%d"},`+
		`"recipient":{"id":"bot"},"conversation":{"id":"c%d","tenantId":"t"}}`, l.channel.ServiceURL("t"), i, i)
}

// post returns status and body, or status 0 when there was no whole answer.
func (l *load) post(ctx context.Context, path, body string, header ...string) (int, []byte) {
	return l.call(ctx, http.MethodPost, path, body, header...)
}

func (l *load) call(ctx context.Context, method, path, body string, header ...string) (status int, answer []byte) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.statuses[status]++
	}()
	r, err := http.NewRequestWithContext(ctx, method, l.url()+path, strings.NewReader(body))
	if err != nil {
		l.t.Error(err)
		return 0, nil
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := l.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

// until repeats a call until it has an answer that says something, or ctx ends (then the status is 0).
func (l *load) until(ctx context.Context, path, body string, header ...string) (int, []byte) {
	for ctx.Err() == nil {
		status, answer := l.post(ctx, path, body, header...)
		if status != 0 && status/100 != 5 {
			return status, answer
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return 0, nil
}

// run has clients ask until stop is closed, and then finish what they have begun, by which time a server must be there.
func (l *load) run(clients int, stop <-chan struct{}) (wait func()) {
	return l.count(clients, math.MaxInt64, stop)
}

// more waits until so many more have been accepted.
func (l *load) more(n int64) {
	l.t.Helper()
	most := l.accepted.Load() + n
	for deadline := time.Now().Add(3 * time.Minute); l.accepted.Load() < most; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("%d of %d were accepted in three minutes", l.accepted.Load(), most)
		}
	}
}

// count is run for no more than most notifications.
func (l *load) count(clients int, most int64, stop <-chan struct{}) (wait func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := l.next.Add(1)
				if n > most {
					return
				}
				l.one(ctx, n)
			}
		})
	}
	return func() {
		l.t.Helper()
		enough := time.AfterFunc(time.Minute, cancel)
		all.Wait()
		if !enough.Stop() {
			l.t.Error("clients had no answer for a minute")
		}
		cancel()
	}
}

// one asks for one notification and perhaps changes it.
func (l *load) one(ctx context.Context, n int64) {
	a := &asked{conversation: fmt.Sprintf("c%d", n%int64(l.people)), text: fmt.Sprintf("n%d", n), hold: n%5 == 1}
	a.key = "key " + a.text
	l.mu.Lock()
	l.asked = append(l.asked, a)
	l.mu.Unlock()
	extra := ""
	if a.hold {
		extra += `,"on_unknown":"hold"`
	}
	if n%4 == 3 {
		extra += `,"in":"150ms"`
	}
	if n%50 == 49 {
		extra += `,"lane":"sideways"` // refused
	}
	body := fmt.Sprintf(`{"to":{"conversation":%q},"text":%q%s}`, a.conversation, a.text, extra)
	status, answer := l.until(ctx, "/v1/notifications", body, "Idempotency-Key", a.key)
	switch {
	case status == http.StatusAccepted:
		a.id = idOf(l.t, answer)
		l.accepted.Add(1)
	case status/100 == 4 && n%50 == 49:
		a.never = true
		return
	case status != 0:
		l.t.Errorf("%s: status %d: %s", a.text, status, answer)
		return
	default:
		return
	}
	if n%10 == 0 { // I5: the same again, and something else under the same key
		if status, answer := l.until(ctx, "/v1/notifications", body, "Idempotency-Key", a.key); status != 0 && (status != http.StatusAccepted || idOf(l.t, answer) != a.id) {
			l.t.Errorf("I5: %s again: status %d: %s", a.text, status, answer)
		}
		other := fmt.Sprintf(`{"to":{"conversation":%q},"text":"other"}`, a.conversation)
		if status, answer := l.until(ctx, "/v1/notifications", other, "Idempotency-Key", a.key); status != 0 && status != http.StatusConflict && status != http.StatusUnprocessableEntity {
			l.t.Errorf("I5: something else under the key of %s: status %d: %s", a.text, status, answer)
		}
	}
	if !l.plain {
		l.reconsider(ctx, a, n)
	}
}

// reconsider cancels, edits or recalls some.
func (l *load) reconsider(ctx context.Context, a *asked, n int64) {
	a.change = map[int64]string{3: "cancel", 4: "edit", 5: "recall"}[n%7]
	if a.change == "" {
		return
	}
	body := ""
	if a.change == "edit" {
		body = fmt.Sprintf(`{"text":%q}`, a.edited())
	}
	status, answer := l.until(ctx, "/v1/notifications/"+a.id+"/"+a.change, body)
	switch status {
	case 0:
	case http.StatusOK:
		a.changed = true
	case http.StatusConflict:
		a.conflict = true
	default:
		l.t.Errorf("%s %s: status %d: %s", a.change, a.text, status, answer)
	}
}

func idOf(t *testing.T, answer []byte) string {
	var n api.Notification
	if err := json.Unmarshal(answer, &n); err != nil || n.ID == "" {
		t.Errorf("answer %s: %v", answer, err)
	}
	return n.ID
}
