package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/server"
)

// receiver is somebody's server that receives events.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	secret string
	got    []api.Event
	answer http.HandlerFunc // nil is 204
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t}
	r.Server = httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(r.Close)
	return r
}

// receive checks the signature in its own way, as the specification says.
func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed in the middle
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req)
		return
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
	if err != nil {
		r.t.Errorf("secret %q: %v", r.secret, err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Split(req.Header.Get("webhook-signature"), " "), want) {
		r.t.Errorf("signed %q, want %q", req.Header.Get("webhook-signature"), want)
	}
	e, err := client.VerifyWebhook([]string{r.secret}, req.Header, body, time.Now())
	if err != nil {
		r.t.Errorf("%v: %s", err, body)
	}
	if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || req.Header.Get("Webhook-Id") != e.ID {
		r.t.Errorf("%s %v: %s", req.Method, req.Header, body)
	}
	r.got = append(r.got, e)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) answers(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

func (r *receiver) events() []api.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// await waits until an event of a type has arrived for which is returns true.
func (r *receiver) await(typ string, is func(api.Event) bool) api.Event {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		for _, e := range r.events() {
			if e.Type == typ && is(e) {
				return e
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no such %s among %d events", typ, len(r.events()))
		}
	}
}

func clientOf(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hook makes a webhook that posts to r.
func (r *receiver) hook(url string, types ...string) api.Webhook {
	r.t.Helper()
	w, err := clientOf(r.t, url).CreateWebhook(r.t.Context(), api.WebhookRequest{URL: r.URL + "/events?x=1", Events: types})
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = w.Secret
	return w.Webhook
}

func payload[T any](t *testing.T, e api.Event) T {
	t.Helper()
	var data T
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatalf("%v in %s", err, e.Data)
	}
	return data
}

// person is Ann at the embedded Direct Line channel.
type person struct {
	t                        *testing.T
	url, token, conversation string
}

func ann(t *testing.T, url string) person {
	t.Helper()
	p := person{t: t, url: url}
	_, token := request(t, http.MethodPost, url+"/playground/api/token", `{"user":{"id":"dl_ann","name":"Ann"}}`)
	p.token, p.conversation = between(t, token, `"token":"`, `"`), between(t, token, `"conversationId":"`, `"`)
	if resp, body := request(t, http.MethodPost, url+"/v3/directline/conversations", "{}", "Authorization", "Bearer "+p.token); resp.StatusCode >= 300 {
		t.Fatalf("start: %s %s", resp.Status, body)
	}
	return p
}

func (p person) says(activity string) {
	p.t.Helper()
	resp, body := request(p.t, http.MethodPost, p.url+"/v3/directline/conversations/"+p.conversation+"/activities", activity, "Authorization", "Bearer "+p.token)
	if resp.StatusCode >= 300 {
		p.t.Fatalf("say: %s %s", resp.Status, body)
	}
}

func TestAnswersComeBack(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	r := newReceiver(t)
	p := ann(t, url)
	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"before anybody listens"}`)
	r.hook(url)

	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"hello","channelData":{"big":9007199254740993}}`)
	heard := payload[api.MessageEvent](t, r.await(api.EventMessageReceived, func(api.Event) bool { return true }))
	if heard.Text != "hello" || heard.Person != (api.Person{ID: "dl_ann", Name: "Ann"}) || heard.Channel != "directline" ||
		heard.Conversation != p.conversation || heard.Kind != "personal" || !bytes.Contains(heard.Activity, []byte(`{"big":9007199254740993}`)) {
		t.Errorf("heard %+v", heard)
	}

	c := clientOf(t, url)
	n, err := c.CreateNotification(t.Context(), api.NotificationRequest{
		To: api.Target{User: "dl_ann"}, Text: "Deploy?", Topic: "deploys", Value: []byte(`{"build":9007199254740993}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	about := func(e api.Event) bool { return payload[api.DeliveryEvent](t, e).Notification == n.ID }
	told := payload[api.DeliveryEvent](t, r.await(api.EventNotificationDelivered, about))
	if told.State != "delivered" || told.Delivery != n.Deliveries[0].ID || told.Topic != "deploys" || string(told.Value) != `{"build":9007199254740993}` ||
		told.Person == nil || told.Person.ID != "dl_ann" || told.Attempts != 1 || told.ActivityID == "" {
		t.Errorf("told %+v", told)
	}
	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"yes"}`)
	answer := payload[api.AnswerEvent](t, r.await(api.EventNotificationAnswered, about))
	if answer.Delivery != told.Delivery || answer.Message.Text != "yes" || string(answer.Value) != `{"build":9007199254740993}` {
		t.Errorf("answered %+v", answer)
	}
	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"and more"}`)
	r.await(api.EventMessageReceived, func(e api.Event) bool { return payload[api.MessageEvent](t, e).Text == "and more" })
	counts := make(map[string]int)
	for _, e := range r.events() {
		counts[e.Type]++
	}
	if counts[api.EventNotificationAnswered] != 1 || counts[api.EventMessageReceived] != 3 {
		t.Errorf("events %v", counts)
	}

	// Those who want what people say have the last word.
	_, history := request(t, http.MethodGet, url+"/v3/directline/conversations/"+p.conversation+"/activities", "", "Authorization", "Bearer "+p.token)
	if n := strings.Count(history, "I only bring notifications"); n != 1 {
		t.Errorf("the bot answered %d times, want once, before anybody listened: %s", n, history)
	}
}

func TestCancelledNotificationIsTold(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	r := newReceiver(t)
	ann(t, url)
	r.hook(url, api.EventNotificationCancelled)
	_, body := request(t, http.MethodPost, url+"/v1/notifications", `{"to":{"everyone":true},"text":"later","in":"1h"}`)
	id := between(t, body, `"id":"`, `"`)
	request(t, http.MethodPost, url+"/v1/notifications/"+id+"/cancel", "")
	r.await(api.EventNotificationCancelled, func(e api.Event) bool { return payload[api.DeliveryEvent](t, e).Notification == id })
}

// TestEventsOutliveTheServer: what happened while the receiver was away comes after a restart.
func TestEventsOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	start := func() (url string, stop func()) {
		s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		return s.URL(), func() {
			http.DefaultClient.CloseIdleConnections()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	r := newReceiver(t)
	tried := make(chan struct{}, 100)
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		tried <- struct{}{}
	})
	url, stop := start()
	p := ann(t, url)
	r.hook(url)
	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"one"}`)
	<-tried
	p.says(`{"type":"message","from":{"id":"dl_ann"},"text":"two"}`)
	stop()
	r.answers(nil)
	_, stop = start()
	defer stop()
	for _, text := range []string{"one", "two"} {
		r.await(api.EventMessageReceived, func(e api.Event) bool { return payload[api.MessageEvent](t, e).Text == text })
	}
}

// TestKillsLoseNoEvents kills the server again and again while people talk and notifications are delivered. Whatever was
// acknowledged is told.
func TestKillsLoseNoEvents(t *testing.T) {
	t.Parallel()
	const kills, people = 8, 6
	l := newLedger(t)
	p := build(t)
	p.start()
	r := newReceiver(t)
	r.hook("http://" + p.listen)

	var stop atomic.Bool
	var mu sync.Mutex
	var said, notified []string
	var wg sync.WaitGroup
	for c := range people {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				text := fmt.Sprintf("c%d m%d", c, i)
				status := 0
				for status != http.StatusOK && !stop.Load() {
					status, _ = p.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"%d","channelId":"test","serviceUrl":%q,`+
						`"from":{"id":"u%d"},"recipient":{"id":"bot"},"conversation":{"id":"c%d"},"text":%q}`, i, l.URL, c, c, text))
					time.Sleep(2 * time.Millisecond)
				}
				if status != http.StatusOK {
					return
				}
				status, answer := p.post("/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"n"}`, c))
				mu.Lock()
				said = append(said, text)
				if status == http.StatusAccepted {
					notified = append(notified, between(t, string(answer), `"id":"`, `"`))
				}
				mu.Unlock()
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
	if len(said) == 0 || len(notified) == 0 {
		t.Fatalf("%d messages, %d notifications", len(said), len(notified))
	}

	missing := func() []string {
		texts, ids := make(map[string]bool), make(map[string]bool)
		for _, e := range r.events() {
			switch e.Type {
			case api.EventMessageReceived:
				texts[payload[api.MessageEvent](t, e).Text] = true
			case api.EventNotificationDelivered:
				ids[payload[api.DeliveryEvent](t, e).Notification] = true
			}
		}
		return append(slices.DeleteFunc(slices.Clone(said), func(s string) bool { return texts[s] }),
			slices.DeleteFunc(slices.Clone(notified), func(s string) bool { return ids[s] })...)
	}
	for deadline := time.Now().Add(time.Minute); len(missing()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("of %d messages and %d notifications nobody was told of %v", len(said), len(notified), missing())
		}
	}
	all := r.events()
	ids := make(map[string]bool)
	for _, e := range all {
		ids[e.ID] = true
	}
	t.Logf("%d messages, %d notifications, %d events, %d repeats, %d kills", len(said), len(notified), len(ids), len(all)-len(ids), kills)
}

// TestStreamGoesOnAfterAKill follows events while the server is killed.
func TestStreamGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	p := build(t)
	p.start()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	texts := make(chan string, 100)
	done := make(chan error, 1)
	c := clientOf(t, "http://"+p.listen)
	go func() {
		done <- c.Events(ctx, []string{api.EventMessageReceived}, "", func(e api.Event) error {
			texts <- payload[api.MessageEvent](t, e).Text
			return nil
		})
	}()
	say := func(i int) {
		for status := 0; status != http.StatusOK; time.Sleep(5 * time.Millisecond) {
			status, _ = p.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"%d","channelId":"test","serviceUrl":%q,`+
				`"from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":"c"},"text":"%d"}`, i, l.URL, i))
			if ctx.Err() != nil {
				t.Fatal("nobody answers")
			}
		}
	}
	// The stream is open when the first message comes through.
	first := 0
	for open := false; !open; first++ {
		say(first)
		select {
		case <-texts:
			open = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	for len(texts) > 0 {
		<-texts
	}
	for i := first; i < first+6; i++ {
		if i%2 == 0 {
			p.kill()
			p.start()
		}
		say(i)
		for got := ""; got != fmt.Sprint(i); {
			select {
			case got = <-texts:
			case <-ctx.Done():
				t.Fatalf("nobody was told of %d", i)
			}
		}
	}
	stop()
	if err := <-done; err == nil {
		t.Error("the stream has ended without an error")
	}
}
