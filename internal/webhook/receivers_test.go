package webhook_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/store/memory"
)

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
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller is gone
				c.answer(w, r)
			}))
			defer srv.Close()
			s := networked(t, webhook.Config{Timeout: 3 * time.Second})
			hook, err := s.Create(t.Context(), webhook.Request{URL: srv.URL, Types: event.Types()})
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Test(t.Context(), hook.ID)
			if err != nil || a.Status != c.status || a.Error != c.word {
				t.Errorf("%+v, %v, want %d %q", a, err, c.status, c.word)
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
