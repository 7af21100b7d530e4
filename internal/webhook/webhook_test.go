package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestEventsOfAConversationComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.hook(hookURL)
		for i := range 30 {
			w.says(fmt.Sprint("c", i%3), fmt.Sprint(i))
		}
		w.answers(func(visit) (int, http.Header, error) {
			time.Sleep(time.Second)
			return 200, nil, nil
		})
		began := time.Now()
		w.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		last := make(map[int]int)
		for _, v := range w.visits() {
			var i int
			if _, err := fmt.Sscan(v.text, &i); err != nil {
				t.Fatal(err)
			}
			if before, any := last[i%3]; any && i != before+3 {
				t.Errorf("%d follows %d", i, before)
			}
			last[i%3] = i
		}
		all := w.visits()
		if len(all) != 30 {
			t.Fatalf("%d visits, want 30", len(all))
		}
		if took := all[29].at.Sub(began); took > 11*time.Second {
			t.Errorf("took %v: conversations are not posted side by side", took)
		}
	})
}

func TestRefusedEventIsTriedAgainAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.text == "bad" {
				return 400, nil, nil
			}
			return 200, nil, nil
		})
		w.says("c", "bad")
		w.says("c", "good")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := strings.Join(w.texts(), " "); !strings.Contains(got, "good") {
			t.Errorf("only %s came", got)
		}
		time.Sleep(80 * time.Hour)
		synctest.Wait()
		var tries []time.Time
		for _, v := range w.visits() {
			if v.text == "bad" {
				tries = append(tries, v.at)
			}
		}
		limits := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour}
		if len(tries) < 8 || len(tries) > 25 {
			t.Errorf("%d tries", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			limit := 24 * time.Hour
			if i <= len(limits) {
				limit = limits[i-1]
			}
			if wait := tries[i].Sub(tries[i-1]); wait < time.Second || wait > limit+time.Minute {
				t.Errorf("try %d after %v, want up to %v", i+1, wait, limit)
			}
		}
		if last := tries[len(tries)-1].Sub(tries[0]); last > 73*time.Hour {
			t.Errorf("tried for %v", last)
		}
		if got := w.hookNow(hook.ID); got.Dropped != 1 {
			t.Errorf("%d dropped, want 1", got.Dropped)
		}
	})
}

func TestOutageIsWaitedForOneEventAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 0, nil, io.EOF })
		const n = 200
		for i := range n {
			w.says(fmt.Sprint("c", i), fmt.Sprint(i))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries := len(w.visits()); tries < 12 || tries > 80 {
			t.Errorf("%d tries in an hour of outage", tries)
		}
		if got := w.hookNow(hook.ID); got.FailingSince.IsZero() || got.Disabled != "" {
			t.Errorf("it is %+v", got)
		}
		w.answers(ok)
		before := len(w.visits())
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		seen := make(map[string]bool)
		for _, v := range w.visits()[before:] {
			seen[v.text] = true
		}
		if len(seen) != n {
			t.Errorf("%d events came within 6 minutes of the end of the outage, want %d", len(seen), n)
		}
		if got := w.hookNow(hook.ID); !got.FailingSince.IsZero() || got.Away != 0 {
			t.Errorf("it is %+v", got)
		}
	})
}

func TestEventThatHangsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.hook(hookURL)
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.text == "poison" {
				time.Sleep(10 * time.Second)
				return 0, nil, context.DeadlineExceeded
			}
			return 200, nil, nil
		})
		w.says("p", "poison")
		good := 0
		for i := range 60 {
			w.says("c", fmt.Sprint(i))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		poison := 0
		for _, v := range w.visits() {
			if v.text == "poison" {
				poison++
			} else {
				good++
			}
		}
		if good != 60 || poison > 12 {
			t.Errorf("%d others came, want 60; %d tries of the one that hangs", good, poison)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503, 500} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.hook(hookURL)
			w.run()
			w.answers(func(visit) (int, http.Header, error) {
				return status, http.Header{"Retry-After": {"1800"}}, nil
			})
			w.says("a", "1")
			synctest.Wait()
			w.answers(ok)
			w.says("b", "2")
			time.Sleep(1799 * time.Second)
			synctest.Wait()
			if n := len(w.visits()); n != 1 {
				t.Errorf("%d: %d visits before the time, want 1", status, n)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := len(w.visits()); n < 2 {
				t.Errorf("%d: %d visits after it", status, n)
			}
		})
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook, other := w.hook(hookURL), w.hook("https://b.example/")
		w.run()
		w.answers(func(v visit) (int, http.Header, error) {
			if v.host == "a.example" {
				return 410, nil, nil
			}
			return 200, nil, nil
		})
		w.says("c", "1")
		synctest.Wait()
		w.says("c", "2")
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		hosts := make(map[string]int)
		for _, v := range w.visits() {
			hosts[v.host]++
		}
		if hosts["a.example"] != 1 || hosts["b.example"] != 2 {
			t.Errorf("visits %v", hosts)
		}
		if got := w.hookNow(hook.ID); got.Disabled != event.Gone || got.DisabledAt.IsZero() {
			t.Errorf("it is %+v", got)
		}
		if got := w.hookNow(other.ID); got.Disabled != "" {
			t.Errorf("the other is %+v", got)
		}
		// Enabled again, it gets what is kept.
		w.answers(ok)
		if _, err := w.Change(t.Context(), hook.ID, webhook.Change{Enabled: new(true)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		texts := map[string]bool{}
		for _, v := range w.visits() {
			if v.host == "a.example" {
				texts[v.text] = true
			}
		}
		if !texts["2"] {
			t.Errorf("told of %v", texts)
		}
	})
}

func TestFailingForDaysDisables(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 500, nil, nil })
		for day := range 7 {
			w.says("c", fmt.Sprint(day))
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if got := w.hookNow(hook.ID); (got.Disabled != "") != (day >= 5) && day != 4 {
				t.Fatalf("after %d days it is %+v", day+1, got)
			}
		}
		got := w.hookNow(hook.ID)
		if got.Disabled != event.Failing || got.DisabledAt.Sub(got.FailingSince) < 5*24*time.Hour {
			t.Errorf("it is %+v", got)
		}
		if w.store.Wanted("app", event.Types()...) {
			t.Error("events are written for a webhook that is disabled")
		}
	})
}

func TestOldEventsOfADeadWebhookAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *webhook.Config) { c.Retention = time.Hour })
		hook := w.hook(hookURL)
		w.run()
		w.answers(func(visit) (int, http.Header, error) { return 0, nil, io.EOF })
		for i := range 50 {
			w.says(fmt.Sprint("c", i), fmt.Sprint(i))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := w.hookNow(hook.ID); got.Dropped != 50 {
			t.Errorf("%d dropped, want 50", got.Dropped)
		}
		if left, err := w.store.Events(t.Context(), "app", 0, 100); err != nil || len(left) != 0 {
			t.Errorf("%d events are left, %v", len(left), err)
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.says("c", "1")
		time.Sleep(time.Minute)
		since := time.Now()
		w.says("c", "2")
		synctest.Wait()
		first := w.visits()[0].event.ID
		id, err := event.ParseID(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.ReplayEvent(t.Context(), hook.ID, id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, err := w.ReplaySince(t.Context(), hook.ID, since); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		synctest.Wait()
		if got := strings.Join(w.texts(), " "); got != "1 2 1 2" {
			t.Errorf("came %s", got)
		}
		if again := w.visits()[2].event; again.ID != first {
			t.Errorf("the id is %s, was %s", again.ID, first)
		}
	})
}

func TestDisabledWebhookGetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		if _, err := w.Change(t.Context(), hook.ID, webhook.Change{Enabled: new(false)}); err != nil {
			t.Fatal(err)
		}
		w.says("c", "1")
		time.Sleep(time.Hour)
		if n := len(w.visits()); n != 0 {
			t.Errorf("%d visits", n)
		}
		if a, err := w.Test(t.Context(), hook.ID); err != nil || a.Status != 200 || a.Error != "" {
			t.Errorf("a test says %+v, %v", a, err)
		}
		if v := w.visits(); len(v) != 1 || v[0].event.Type != api.EventWebhookTest {
			t.Errorf("visits %+v", v)
		}
		if err := w.Delete(t.Context(), hook.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Test(t.Context(), hook.ID); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("a test of what is deleted: %v", err)
		}
	})
}

func TestThereIsABound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range webhook.MaxWebhooks {
		w.hook(hookURL)
	}
	if _, err := w.Create(t.Context(), webhook.Request{URL: hookURL, Types: event.Types()}); !errors.Is(err, webhook.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
}

// TestURLs walks N07 to N26 of what must be refused before anybody is called.
func TestURLs(t *testing.T) {
	t.Parallel()
	refused := []string{
		"", "hook", "//a.example/x", "http://a.example/x", "HTTP://a.example", "ftp://a.example", "file:///etc/passwd", "gopher://a.example",
		"unix:/run/x.sock", "data:text/plain,x", "javascript:alert(1)", "https:a.example", "https://", "https:///x",
		"https://user@a.example/", "https://user:pass@a.example/", "https://good.example@evil.example", "https://good.example:443@evil.example",
		"https://good.example\\@evil.example", "https://a.example/\t", "https://a.example/\n", " https://a.example/", "https://a.exa mple/",
		"https://a。example/", "https://ａ.example/", "https://a.example#f", "https://a%2eexample/", "https://a.example./", "https://.example/",
		"https://a..example/", "https://a.example:/", "https://a.example:0/", "https://a.example:65536/", "https://a.example:x/",
		"https://" + strings.Repeat("a", 3000) + ".example",
		"https://169.254.169.254/latest/meta-data/", "https://metadata.google.internal/", "https://100.100.100.200/", "https://[fd00:ec2::254]/",
		"https://168.63.129.16/", "https://192.0.0.192/", "https://127.0.0.1/", "https://127.1/", "https://0.0.0.0/", "https://0/",
		"https://[::1]/", "https://[::]/", "https://localhost/", "https://localhost./", "https://LOCALHOST/", "https://x.localhost/",
		"https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/",
		"https://100.64.0.1/", "https://198.18.0.1/", "https://192.0.2.1/", "https://240.0.0.1/", "https://224.0.0.1/", "https://[fc00::1]/",
		"https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fec0::1]/", "https://[2001:db8::1]/", "https://[::ffff:169.254.169.254]/",
		"https://[64:ff9b::a9fe:a9fe]/", "https://[2002:a9fe:a9fe::1]/", "https://[::10.0.0.1]/", "https://intranet/", "https://db.internal/", "https://printer.local/",
	}
	taken := []string{
		"https://a.example", "https://a.example/", "https://A.Example:8443/x/y?z=%2f&q=1", "https://xn--bcher-kva.example/", "https://8.8.8.8/", "https://[2606:4700::1]/x",
	}
	inside := []string{"http://localhost:3000/x", "http://127.0.0.1/", "https://10.0.0.1/", "http://intranet/x", "http://[::1]:8080/"}
	check := func(private bool, url string, want bool) {
		t.Helper()
		w := newWorld(t, func(c *webhook.Config) { c.Private = private })
		_, err := w.Create(t.Context(), webhook.Request{URL: url, Types: event.Types()})
		if wrong, isWrong := errors.AsType[*webhook.FieldError](err); (err == nil) != want || !want && (!isWrong || wrong.Field != "url") {
			t.Errorf("private %v, %q: %v, want taken %v", private, url, err, want)
		}
	}
	for _, url := range refused {
		check(false, url, false)
	}
	for _, url := range taken {
		check(false, url, true)
		check(true, url, true)
	}
	for _, url := range inside {
		check(false, url, false)
		check(true, url, true)
	}
	for _, url := range []string{"ftp://a.example", "http://user@localhost/", "http://127.1/", "http://2130706433/", "http://localhost./"} {
		check(true, url, false)
	}
}

// TestRealReceivers posts to servers that behave in many ways.
func TestRealReceivers(t *testing.T) {
	t.Parallel()
	canary := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the canary was asked for %s", r.URL) }))
	defer canary.Close()
	hijack := func(w http.ResponseWriter) *net.TCPConn {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return nil
		}
		return c.(*net.TCPConn)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		word   string
	}{
		"takes it":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, 202, ""},
		"says much": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) }, 200, ""},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
		}, 200, ""},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, canary.URL, http.StatusTemporaryRedirect)
		}, 307, "redirect"},
		"moved": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, canary.URL, http.StatusMovedPermanently)
		}, 301, "redirect"},
		"is too busy":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, 429, "throttled"},
		"is gone":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, 410, "gone"},
		"fails":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500, "refused"},
		"does not know": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404, "refused"},
		"hangs":         {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "timeout"},
		"drips":         {func(w http.ResponseWriter, r *http.Request) { drip(w, r.Context()) }, 200, ""},
		"resets":        {func(w http.ResponseWriter, _ *http.Request) { c := hijack(w); _ = c.SetLinger(0); _ = c.Close() }, 0, "reset"},
		"closes":        {func(w http.ResponseWriter, _ *http.Request) { _ = hijack(w).Close() }, 0, "reset"},
		"speaks nonsense": {func(w http.ResponseWriter, _ *http.Request) {
			c := hijack(w)
			_, _ = io.WriteString(c, "hello\r\n\r\n")
			_ = c.Close()
		}, 0, "connection_failed"},
		"endless header": {func(w http.ResponseWriter, _ *http.Request) {
			c := hijack(w)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20))
			_ = c.Close()
		}, 0, "connection_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller is gone
				c.answer(w, r)
			}))
			defer srv.Close()
			s := networked(t, webhook.Config{Timeout: 300 * time.Millisecond})
			hook, err := s.Create(t.Context(), webhook.Request{URL: srv.URL, Types: event.Types()})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			a, err := s.Test(t.Context(), hook.ID)
			if err != nil || a.Status != c.status || a.Error != c.word {
				t.Errorf("%+v, %v, want %d %q", a, err, c.status, c.word)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	s := networked(t, webhook.Config{})
	nobody := httptest.NewServer(nil)
	nobody.Close()
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	for url, want := range map[string]string{nobody.URL: "connection_failed", secure.URL: "tls"} {
		hook, err := s.Create(t.Context(), webhook.Request{URL: url, Types: event.Types()})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := s.Test(t.Context(), hook.ID); err != nil || a.Error != want {
			t.Errorf("%s: %+v, %v, want %s", url, a, err, want)
		}
	}
}

// drip answers and never ends.
func drip(w http.ResponseWriter, ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// networked makes a service that uses the network.
func networked(t *testing.T, cfg webhook.Config) *webhook.Service {
	t.Helper()
	cfg.Store, cfg.Private = memory.New(), true
	s, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // it gives back its connections at the end of a run
		ctx, stop := context.WithCancel(context.Background())
		stop()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSlowReceiverKeepsNobodyElseOfItsHostWaiting: connections to a host are not shared out among its webhooks.
func TestSlowReceiverKeepsNobodyElseOfItsHostWaiting(t *testing.T) {
	t.Parallel()
	const parallel = 2
	arrived, release := make(chan struct{}, parallel), make(chan struct{})
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
	}))
	defer host.Close()
	s := networked(t, webhook.Config{Parallel: parallel, Timeout: 10 * time.Second})
	hooks := make(map[string]event.WebhookID)
	for _, path := range []string{"/slow", "/quick"} {
		hook, err := s.Create(t.Context(), webhook.Request{URL: host.URL + path, Types: event.Types()})
		if err != nil {
			t.Fatal(err)
		}
		hooks[path] = hook.ID
	}
	var slow sync.WaitGroup
	for range parallel {
		slow.Go(func() { _, _ = s.Test(t.Context(), hooks["/slow"]) })
		<-arrived
	}
	if a, err := s.Test(t.Context(), hooks["/quick"]); err != nil || a.Status != http.StatusOK {
		t.Errorf("the quick one: %+v, %v", a, err)
	}
	close(release)
	slow.Wait()
}

// TestAddressesAreCheckedWhenDialled: what a name or a URL of earlier days leads to is looked at again.
func TestAddressesAreCheckedWhenDialled(t *testing.T) {
	t.Parallel()
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the canary was called") }))
	defer canary.Close()
	store := memory.New()
	service := func(private bool) *webhook.Service {
		s, err := webhook.New(webhook.Config{Store: store, Private: private, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	inside, public := service(true), service(false)
	for url, from := range map[string][]*webhook.Service{
		canary.URL: {public}, strings.Replace(canary.URL, "127.0.0.1", "localhost", 1): {public}, "http://10.0.0.1:1/": {public},
		"http://169.254.169.254/": {inside, public}, "http://168.63.129.16/": {inside, public}, "http://[fd00:ec2::254]/": {inside, public},
		"http://0.0.0.0/": {inside, public}, "http://[64:ff9b::a9fe:a9fe]/": {inside, public}, "http://224.0.0.1/": {inside, public},
	} {
		hook, err := inside.Create(t.Context(), webhook.Request{URL: url, Types: event.Types()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range from {
			if a, err := s.Test(t.Context(), hook.ID); err != nil || a.Error != "address_blocked" {
				t.Errorf("%s: %+v, %v", url, a, err)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		first := hook.Secrets[0].Text
		second, got, err := w.Rotate(t.Context(), hook.ID, time.Hour)
		if err != nil || second == first || len(got.Secrets) != 2 || got.Secrets[0].Text != second || got.Secrets[1].Text != first ||
			!got.Secrets[1].Until.Equal(time.Now().Add(time.Hour)) {
			t.Fatalf("%+v, %v", got.Secrets, err)
		}
		signatures := func() int {
			t.Helper()
			if _, err := w.Test(t.Context(), hook.ID); err != nil {
				t.Fatal(err)
			}
			visits := w.visits()
			return len(strings.Fields(visits[len(visits)-1].signature))
		}
		if n := signatures(); n != 2 {
			t.Errorf("%d signatures while both are good", n)
		}
		time.Sleep(time.Hour)
		if n := signatures(); n != 1 {
			t.Errorf("%d signatures afterwards", n)
		}
		if _, got, err = w.Rotate(t.Context(), hook.ID, 0); err != nil || len(got.Secrets) != 1 {
			t.Errorf("at once: %+v, %v", got.Secrets, err)
		}
		for _, keep := range []time.Duration{-1, webhook.LongestKeep + 1} {
			if _, _, err := w.Rotate(t.Context(), hook.ID, keep); err == nil {
				t.Errorf("kept for %v", keep)
			}
		}
	})
}
