//go:build unix

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// balancer gives each request to the next server. It is the public URL of all of them.
type balancer struct {
	*httptest.Server

	mu      sync.Mutex
	servers []*url.URL // guarded by mu
	next    int        // guarded by mu
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{}
	b.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(b.pick())
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), // servers are killed
	})
	t.Cleanup(b.Close)
	return b
}

func (b *balancer) pick() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.servers[b.next%len(b.servers)]
}

func (b *balancer) serve(address ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = nil
	for _, a := range address {
		b.servers = append(b.servers, &url.URL{Scheme: "http", Host: strings.TrimPrefix(a, "http://")})
	}
}

const nodesSecret = "the-secret-of-all-nodes-0123456789"

// newNodes starts servers that share a database, behind a balancer.
func newNodes(t *testing.T, n int, cfg server.Config) *balancer {
	t.Helper()
	b := newBalancer(t)
	cfg.Database = pgtest.Shared(t).Database(t)
	cfg.PublicURL, cfg.DirectLineSecret = b.URL, nodesSecret
	var addresses []string
	var starting sync.WaitGroup
	var mu sync.Mutex
	for range n { // all at once: each brings the database up to date, or waits for who does
		starting.Go(func() {
			node := cfg
			node.Listen, node.DataDir = "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
			s, err := server.New(t.Context(), node)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			t.Cleanup(func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
				http.DefaultClient.CloseIdleConnections()
			})
			mu.Lock()
			defer mu.Unlock()
			addresses = append(addresses, s.Addr())
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	b.serve(addresses...)
	return b
}

// chatter is a client of the embedded channel that has started its conversation.
type chatter struct {
	t                        *testing.T
	url, token, conversation string
	watermark                string
	stream                   *websocket.Conn
	texts                    []string // that the stream has shown
}

func openChat(t *testing.T, url, user string) *chatter {
	t.Helper()
	_, token := request(t, http.MethodPost, url+"/v3/directline/tokens/generate", fmt.Sprintf(`{"user":{"id":%q,"name":"Ann"}}`, user),
		"Authorization", "Bearer "+nodesSecret)
	p := &chatter{t: t, url: url, token: between(t, token, `"token":"`, `"`), conversation: between(t, token, `"conversationId":"`, `"`)}
	resp, body := request(t, http.MethodPost, url+"/v3/directline/conversations", "{}", "Authorization", "Bearer "+p.token)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("start: %s %s", resp.Status, body)
	}
	return p
}

func (p *chatter) path() string { return p.url + "/v3/directline/conversations/" + p.conversation }

// connect opens a stream that goes on where the last one ended.
func (p *chatter) connect() {
	p.t.Helper()
	if p.stream != nil {
		_ = p.stream.CloseNow()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		err := p.dial()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(err)
		}
	}
}

func (p *chatter) dial() error {
	resp, body := request(p.t, http.MethodGet, p.path()+"?watermark="+p.watermark, "", "Authorization", "Bearer "+p.token)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reconnect: %s %s", resp.Status, body)
	}
	var o struct {
		StreamURL string `json:"streamUrl"`
	}
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		return err
	}
	if !strings.HasPrefix(o.StreamURL, "ws"+strings.TrimPrefix(p.url, "http")) {
		p.t.Errorf("the stream is at %s, not at the public URL", o.StreamURL)
	}
	conn, _, err := websocket.Dial(p.t.Context(), o.StreamURL, nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	p.t.Cleanup(func() { _ = conn.CloseNow() })
	p.stream = conn
	return nil
}

func (p *chatter) says(text string) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		resp, body := request(p.t, http.MethodPost, p.path()+"/activities", fmt.Sprintf(`{"type":"message","from":{"id":"dl_ann"},"text":%q}`, text),
			"Authorization", "Bearer "+p.token)
		if resp.StatusCode == http.StatusOK {
			return
		}
		if resp.StatusCode < 500 || time.Now().After(deadline) {
			p.t.Fatalf("say: %s %s", resp.Status, body)
		}
	}
}

// shows reads the stream until it has shown a text; it connects anew when the stream ends.
func (p *chatter) shows(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for !slices.Contains(p.texts, text) {
		_, frame, err := p.stream.Read(ctx)
		if ctx.Err() != nil {
			p.t.Fatalf("the stream does not show %q, but %q", text, p.texts)
		}
		if err != nil {
			p.connect()
			continue
		}
		if len(frame) == 0 {
			continue
		}
		var set struct {
			Activities []activity.Activity `json:"activities"`
			Watermark  string              `json:"watermark"`
		}
		if err := json.Unmarshal(frame, &set); err != nil {
			p.t.Fatal(err)
		}
		for i := range set.Activities {
			if a := &set.Activities[i]; a.Type == activity.TypeMessage {
				p.texts = append(p.texts, a.Text)
			}
		}
		if set.Watermark != "" {
			p.watermark = set.Watermark
		}
	}
}

func echoes(*proactive.Engine) (headsup.Handler, error) {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if t.Activity().Type != activity.TypeMessage || t.Proactive() {
			return nil
		}
		_, err := t.Send(ctx, activity.Message("echo: "+t.Activity().Text))
		return err
	}), nil
}

// TestDirectLineOverNodes: a client talks to whatever node the balancer gives it, and sees one conversation.
func TestDirectLineOverNodes(t *testing.T) {
	t.Parallel()
	b := newNodes(t, 3, server.Config{Bot: echoes})
	p := openChat(t, b.URL, "dl_ann")
	p.connect()
	var want []string
	for i := range 12 {
		text := fmt.Sprint("message ", i)
		p.says(text)
		want = append(want, text, "echo: "+text)
	}
	n, err := clientOf(t, b.URL).CreateNotification(t.Context(), api.NotificationRequest{To: api.Target{User: "dl_ann"}, Text: "told"})
	if err != nil {
		t.Fatal(err)
	}
	p.shows("told")
	if want = append(want, "told"); !slices.Equal(p.texts, want) {
		t.Errorf("the stream shows %q, want %q", p.texts, want)
	}
	for range 3 { // each node's answer
		delivered(t, b.URL, n.ID)
		_, body := request(t, http.MethodGet, p.path()+"/activities?watermark=", "", "Authorization", "Bearer "+p.token)
		if polled := strings.Count(body, `"text":`); polled != len(want) {
			t.Errorf("a poll shows %d messages, want %d", polled, len(want))
		}
	}

	// Another stream of the same client, at another node, takes the first one's place.
	first := p.stream
	p.stream = nil
	p.connect()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err = nil; err == nil; {
		_, _, err = first.Read(ctx)
	}
	if status := websocket.CloseStatus(err); status != websocket.StatusPolicyViolation {
		t.Errorf("the first stream ends with %v", err)
	}
}

// delivered waits until a notification is.
func delivered(t *testing.T, url, id string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		n, err := clientOf(t, url).Notification(t.Context(), id)
		if err == nil && n.State == "delivered" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("notification %s is %s, %v", id, n.State, err)
		}
	}
}

// TestAttachmentsOverNodes: a file that came in at one node is served by all.
func TestAttachmentsOverNodes(t *testing.T) {
	t.Parallel()
	b := newNodes(t, 3, server.Config{})
	p := openChat(t, b.URL, "dl_ann")
	p.connect()
	var body strings.Builder
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "note.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, "what is in it")
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	resp, answer := request(t, http.MethodPost, p.path()+"/upload?userId=dl_ann", body.String(),
		"Authorization", "Bearer "+p.token, "Content-Type", form.FormDataContentType())
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("upload: %s %s", resp.Status, answer)
	}
	_, history := request(t, http.MethodGet, p.path()+"/activities?watermark=", "", "Authorization", "Bearer "+p.token)
	at := between(t, history, `"contentUrl":"`, `"`)
	if !strings.HasPrefix(at, b.URL) {
		t.Errorf("the file is at %s, not at the public URL", at)
	}
	for range 3 {
		if resp, got := request(t, http.MethodGet, at, ""); got != "what is in it" {
			t.Errorf("%s: %q", resp.Status, got)
		}
	}
}

// TestWebhookOverNodes: each event is posted once, whichever node it happens at.
func TestWebhookOverNodes(t *testing.T) {
	t.Parallel()
	b := newNodes(t, 3, server.Config{WebhookPrivate: true})
	r := newReceiver(t)
	r.hook(b.URL, api.EventMessageReceived)
	p := openChat(t, b.URL, "dl_ann")
	count := func(text string) (n int) {
		for _, e := range r.events() {
			if payload[api.MessageEvent](t, e).Text == text {
				n++
			}
		}
		return n
	}
	for range 3 { // until all nodes have heard of the webhook
		for i := 0; ; i++ {
			text := fmt.Sprint("do you hear me ", i)
			p.says(text)
			if count(text) > 0 || i > 100 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	const n = 30
	for i := range n {
		p.says(fmt.Sprint("message ", i))
	}
	r.await(api.EventMessageReceived, func(e api.Event) bool {
		return payload[api.MessageEvent](t, e).Text == fmt.Sprint("message ", n-1)
	})
	for i := range n {
		if got := count(fmt.Sprint("message ", i)); got != 1 {
			t.Errorf("message %d was told %d times", i, got)
		}
	}
}

// TestNodesKeepOneInstallation: what an installation makes up once is the same on all nodes, and a backup is not theirs to
// make.
func TestNodesKeepOneInstallation(t *testing.T) {
	t.Parallel()
	b := newNodes(t, 3, server.Config{})
	p := openChat(t, b.URL, "dl_ann")
	for range 6 {
		resp, body := request(t, http.MethodPost, b.URL+"/v3/directline/tokens/refresh", "", "Authorization", "Bearer "+p.token)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("a token of one node is answered %s %s", resp.Status, body)
		}
		p.token = between(t, body, `"token":"`, `"`)
	}
	if resp, body := request(t, http.MethodGet, b.URL+"/v1/backup", ""); resp.StatusCode != http.StatusConflict || !strings.Contains(body, "no_backup") {
		t.Errorf("a backup is answered %s %s", resp.Status, body)
	}
}

// TestNodesDie kills the real program, one node after another, while a client talks over a balancer: what was accepted is
// said once, and the client, who finds another node, sees it all.
func TestNodesDie(t *testing.T) {
	t.Parallel()
	built := build(t)
	b := newBalancer(t)
	database := pgtest.Shared(t).Database(t)
	nodes := make([]*process, 3)
	serve := func() {
		var running []string
		for _, n := range nodes {
			if n != nil {
				running = append(running, n.listen)
			}
		}
		b.serve(running...)
	}
	start := func(i int) {
		p := *built
		p.data, p.cmd = filepath.Join(t.TempDir(), "data"), nil
		p.env = []string{"HEADSUP_DIRECTLINE_SECRET=" + nodesSecret}
		n := launch(t, &p, "--database", database, "--public-url", b.URL, "--directline-only")
		t.Cleanup(func() {
			if n.cmd != nil {
				_ = n.cmd.Process.Kill() // it may have ended
				t.Log(<-n.ended)
			}
		})
		nodes[i] = n
	}
	for i := range nodes {
		start(i)
	}
	serve()
	p := openChat(t, b.URL, "dl_ann")
	p.connect()
	p.says("hello")
	p.shows("hello")
	var want []string
	tell := func() {
		t.Helper()
		text := fmt.Sprint("notification ", len(want))
		want = append(want, text)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(time.Minute); ; <-tick.C {
			resp, body := request(t, http.MethodPost, b.URL+"/v1/notifications",
				fmt.Sprintf(`{"to":{"user":"dl_ann"},"text":%q}`, text), "Idempotency-Key", text)
			if resp.StatusCode == http.StatusAccepted {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("not accepted: %s %s", resp.Status, body)
			}
		}
	}
	for i := range nodes {
		for range 5 {
			tell()
		}
		dead := nodes[i]
		if err := dead.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Log(<-dead.ended)
		dead.cmd = nil
		for range 5 { // some of these find the dead node, and are repeated
			tell()
		}
		p.shows(want[len(want)-1])
		nodes[i] = nil
		serve()
		start(i)
		serve()
	}
	seen := make(map[string]int)
	for _, text := range p.texts {
		seen[text]++
	}
	for _, text := range want {
		p.shows(text)
		if seen[text] > 1 {
			t.Errorf("%q is shown %d times", text, seen[text])
		}
	}
}

func TestDatabaseURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []server.Config{
		{Database: "mysql://db.example/headsup"}, {Database: "postgres://db.example:port/headsup"}, {DatabasePassword: "secret"},
	} {
		var wrong *server.ConfigError
		if err := cfg.Validate(); !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Field, "database") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", cfg.Database, err)
		}
	}
	if err := (server.Config{Database: "postgres://headsup@a.example,b.example/headsup"}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestDiskReserveIsForTheFile: nothing keeps space on the disk of a database, and nobody is to believe so.
func TestDiskReserveIsForTheFile(t *testing.T) {
	t.Parallel()
	cfg := server.Config{Database: "postgres://headsup@db.example/headsup", DiskReserve: 1}
	wrong, ok := errors.AsType[*server.ConfigError](cfg.Validate())
	if !ok || wrong.Field != "disk_reserve" {
		t.Errorf("with a database: %v", wrong)
	}
	cfg.Database = ""
	if err := cfg.Validate(); err != nil {
		t.Errorf("without: %v", err)
	}
}
