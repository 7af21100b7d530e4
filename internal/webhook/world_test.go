package webhook_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/store/memory"
)

// world is a service over a memory store, whose webhooks are functions.
type world struct {
	*webhook.Service
	t     *testing.T
	store *memory.Store

	mu     sync.Mutex
	seen   []visit
	answer func(v visit) (status int, header http.Header, err error)
}

// visit is one request as a webhook receives it.
type visit struct {
	at        time.Time
	host      string
	event     api.Event
	text      string
	signature string
}

// RoundTrip implements http.RoundTripper in place of a network.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	v := visit{at: time.Now(), host: r.URL.Host, signature: r.Header.Get("webhook-signature")}
	if err := json.Unmarshal(body, &v.event); err != nil {
		w.t.Errorf("%v in %s", err, body)
	}
	var data api.MessageEvent
	_ = json.Unmarshal(v.event.Data, &data)
	v.text = data.Text
	w.mu.Lock()
	w.seen = append(w.seen, v)
	answer := w.answer
	w.mu.Unlock()
	status, header, err := answer(v)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func ok(visit) (int, http.Header, error) { return 200, nil, nil }

func newWorld(t *testing.T, change func(*webhook.Config)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), answer: ok}
	cfg := webhook.Config{AppID: "app", Store: w.store, Transport: w}
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.Service, err = webhook.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// run makes the service run until the end of the test.
func (w *world) run() {
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) answers(f func(v visit) (int, http.Header, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) visits() []visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]visit(nil), w.seen...)
}

// texts are what the visits told, in their order.
func (w *world) texts() []string {
	texts := []string{}
	for _, v := range w.visits() {
		texts = append(texts, v.text)
	}
	return texts
}

func (w *world) hook(url string, types ...event.Type) event.Webhook {
	w.t.Helper()
	if types == nil {
		types = event.Types()
	}
	hook, err := w.Create(w.t.Context(), webhook.Request{URL: url, Types: types})
	if err != nil {
		w.t.Fatal(err)
	}
	return hook
}

func (w *world) hookNow(id event.WebhookID) event.Webhook {
	w.t.Helper()
	hook, err := w.Webhook(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return hook
}

// says has somebody say something in a conversation.
func (w *world) says(conversation, text string) {
	w.t.Helper()
	ref := activity.Reference{
		ChannelID: "test", Conversation: activity.ConversationAccount{ID: activity.ConversationID(conversation)},
		User: &activity.ChannelAccount{ID: "ann"}, Bot: &activity.ChannelAccount{ID: "bot"},
	}
	key, ctx := headsup.KeyOf("app", ref), w.t.Context()
	if _, err := w.store.Sight(ctx, book.Sighting{Key: key, Reference: ref, Kind: book.KindPersonal, At: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
	l, err := w.store.Lease(ctx, key)
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Release()
	if err := w.store.Commit(ctx, l, []headsup.Op{event.Heard{Message: api.MessageEvent{Text: text, Activity: []byte(`{}`)}, At: time.Now()}}); err != nil {
		w.t.Fatal(err)
	}
}

const hookURL = "https://a.example/hook"
