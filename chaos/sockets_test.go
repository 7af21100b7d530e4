package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// TestSocketsThatComeBackAtOnce has very many people read their conversations, and the server killed under them again and
// again (F48): they all come back in the same moment and without a pause, see every message once and in order, and whoever
// asks for notifications meanwhile is served.
func TestSocketsThatComeBackAtOnce(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	all := make([]*watcher, sockets)
	var open, reading sync.WaitGroup
	for i := range all {
		all[i] = &watcher{load: l, user: fmt.Sprint("dl_", i)}
	}
	for part := range slices.Chunk(all, max(1, sockets/8)) {
		open.Go(func() {
			for _, w := range part {
				w.join(ctx)
			}
		})
	}
	open.Wait()
	for _, w := range all {
		reading.Go(func() { w.watch(ctx) })
	}
	stop := make(chan struct{})
	wait := l.run(4, stop)
	var want []string
	tell := func(text string) {
		want = append(want, text)
		for part := range slices.Chunk(all, max(1, sockets/8)) {
			open.Go(func() {
				for _, w := range part {
					w.tell(ctx, text)
				}
			})
		}
		open.Wait()
	}
	for i := range falls {
		tell(fmt.Sprint(fall, i, ", before"))
		server.kill()
		server.start()
		l.more(50) // while they come back
		tell(fmt.Sprint(fall, i, ", after"))
	}
	for _, w := range all {
		w.sees(ctx, want)
	}
	close(stop)
	wait()
	cancel()
	reading.Wait()
	connected, wrong := 0, 0
	for _, w := range all {
		connected += w.connected
		if got := w.texts(); !slices.Equal(got, want) {
			if wrong++; wrong <= 5 {
				t.Errorf("%s saw %q, want %q", w.user, got, want)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d people saw something else", wrong)
	}
	l.judge(3*time.Minute, falls*people)
	t.Logf("%d sockets, %d falls, %d connections", sockets, falls, connected)
}

// fall is how what is told in the test begins.
const fall = "fall "

// watcher is a person in a page, who comes back to the conversation whenever the socket ends.
type watcher struct {
	*load
	user                           string
	token, conversation, watermark string
	connected                      int

	mu   sync.Mutex
	seen []string      // what the bot said; guarded by mu
	news chan struct{} // closed when there is more; guarded by mu
}

func (w *watcher) join(ctx context.Context) {
	var told struct{ Token, ConversationID string }
	w.asks(ctx, http.MethodPost, "/playground/api/token", fmt.Sprintf(`{"user":{"id":%q}}`, w.user), &told)
	w.token = told.Token
	w.asks(ctx, http.MethodPost, "/v3/directline/conversations", "{}", &told)
	w.conversation = told.ConversationID
}

// asks repeats a call until it is answered.
func (w *watcher) asks(ctx context.Context, method, path, body string, answer any) {
	for ctx.Err() == nil {
		status, raw := w.call(ctx, method, path, body, "Authorization", "Bearer "+w.token)
		if status/100 == 2 {
			if err := json.Unmarshal(raw, answer, json.MatchCaseInsensitiveNames(true)); err != nil {
				w.t.Errorf("%s: %v", path, err)
			}
			return
		}
		if status != 0 && status != http.StatusServiceUnavailable {
			w.t.Errorf("%s: status %d: %s", path, status, raw)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tell has the bot say something to the person.
func (w *watcher) tell(ctx context.Context, text string) {
	status, answer := w.until(ctx, "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":%q}`, w.conversation, text),
		"Idempotency-Key", w.user+" "+text)
	if status != http.StatusAccepted {
		w.t.Errorf("%s to %s: status %d: %s", text, w.user, status, answer)
	}
}

// watch reads until ctx ends.
func (w *watcher) watch(ctx context.Context) {
	for ctx.Err() == nil {
		var at struct{ StreamURL string }
		w.asks(ctx, http.MethodGet, "/v3/directline/conversations/"+w.conversation+"?watermark="+w.watermark, "", &at)
		if ctx.Err() != nil {
			return
		}
		if err := w.follow(ctx, at.StreamURL); err != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// follow reads one socket to its end.
func (w *watcher) follow(ctx context.Context, url string) error {
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	w.connected++
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if len(frame) == 0 {
			continue // to keep it open
		}
		var set struct {
			Activities []activity.Activity `json:"activities"`
			Watermark  string              `json:"watermark"`
		}
		if err := json.Unmarshal(frame, &set); err != nil {
			return err
		}
		w.note(set.Activities)
		if set.Watermark != "" {
			w.watermark = set.Watermark
		}
	}
}

// note keeps what was told by tell.
func (w *watcher) note(said []activity.Activity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range said {
		if a := &said[i]; a.Type == activity.TypeMessage && strings.HasPrefix(a.Text, fall) { // it is greeted, too
			w.seen = append(w.seen, a.Text)
		}
	}
	if w.news != nil {
		close(w.news)
		w.news = nil
	}
}

func (w *watcher) texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// sees waits until everything has been seen.
func (w *watcher) sees(ctx context.Context, want []string) {
	for {
		w.mu.Lock()
		if len(w.seen) >= len(want) {
			w.mu.Unlock()
			return
		}
		if w.news == nil {
			w.news = make(chan struct{})
		}
		news := w.news
		w.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			w.t.Fatalf("%s has seen %q, want %q", w.user, w.texts(), want)
		}
	}
}
