package directline_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	siteSecret = "the-site-secret-of-these-tests"
	appID      = "6f1d8a52-7c0f-4d3e-9b8e-2f4f3a1c0d9e"
	pageOrigin = "https://www.example.com"
)

// rig is a channel with a real bot over the memory store, behind a real HTTP server.
type rig struct {
	t     *testing.T
	ch    *directline.Channel
	store *memory.Store
	srv   *httptest.Server
	clock *clock
	bot   *headsup.Bot

	mu    sync.Mutex
	heard []*activity.Activity // guarded by mu
	ids   []auth.Identity      // guarded by mu
}

// clock is a clock that can be put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

type option func(*directline.Config)

// newRig starts everything. The handler may be nil: then the bot says nothing.
func newRig(t *testing.T, h headsup.HandlerFunc, options ...option) *rig {
	t.Helper()
	r := &rig{t: t, store: memory.New(), clock: new(clock)}
	r.start(h, options...)
	return r
}

// start sets up a channel, a bot and a server over the rig's store.
func (r *rig) start(h headsup.HandlerFunc, options ...option) {
	r.t.Helper()
	r.srv = httptest.NewUnstartedServer(nil)
	public := "http://" + r.srv.Listener.Addr().String()
	cfg := directline.Config{
		AppID: appID, BotID: "bot", BotName: "Bot", Store: r.store,
		PublicURL: func() string { return public },
		Secret:    []byte("0123456789abcdef0123456789abcdef"), SiteSecret: siteSecret,
		Origins: []string{pageOrigin}, Now: r.clock.now,
	}
	for _, o := range options {
		o(&cfg)
	}
	ch, err := directline.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	listening := headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
		if !turn.Proactive() {
			r.mu.Lock()
			r.heard = append(r.heard, turn.Activity().Clone())
			r.ids = append(r.ids, turn.Identity())
			r.mu.Unlock()
		}
		if h == nil {
			return nil
		}
		return h(ctx, turn)
	})
	bot, err := headsup.New(headsup.Config{AppID: appID, Channel: ch, Turns: r.store}, listening)
	if err != nil {
		r.t.Fatal(err)
	}
	ch.Serve(bot)
	r.ch, r.bot = ch, bot
	r.srv.Config.Handler = ch.Handler()
	r.srv.Start()
	r.t.Cleanup(r.stop)
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.ch.Close(ctx); err != nil {
		r.t.Errorf("close the channel: %v", err)
	}
	r.srv.Close()
}

// told returns what the bot has heard.
func (r *rig) told() []*activity.Activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code(t *testing.T) string {
	t.Helper()
	var e activity.ErrorResponse
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("status %d, body %q is no error: %v", a.status, a.body, err)
	}
	return e.Error.Code
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
	return v
}

// do sends a request. body is nil, a reader, text, or anything to encode as JSON. headers are pairs.
func (r *rig) do(method, path, credential string, body any, headers ...string) answer {
	r.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		in = b
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.srv.URL+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", "Bearer "+credential)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.srv.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, out}
}

// opened is what a client learns about its conversation.
type opened struct {
	ConversationID activity.ConversationID `json:"conversationId"`
	Token          string                  `json:"token"`
	ExpiresIn      int                     `json:"expires_in"`
	StreamURL      string                  `json:"streamUrl"`
}

type activitySet struct {
	Activities []*activity.Activity `json:"activities"`
	Watermark  *string              `json:"watermark"`
}

// token asks for a token with the secret, for a user or for nobody.
func (r *rig) token(user string) opened {
	r.t.Helper()
	body := map[string]any{}
	if user != "" {
		body["user"] = map[string]string{"id": user, "name": strings.ToUpper(user)}
	}
	a := r.do("POST", "/v3/directline/tokens/generate", siteSecret, body)
	if a.status != http.StatusOK {
		r.t.Fatalf("generate: %d %s", a.status, a.body)
	}
	return decode[opened](r.t, a)
}

// join starts a conversation for a user, or for nobody.
func (r *rig) join(user string) opened {
	r.t.Helper()
	a := r.do("POST", "/v3/directline/conversations", r.token(user).Token, nil)
	if a.status != http.StatusCreated {
		r.t.Fatalf("start: %d %s", a.status, a.body)
	}
	return decode[opened](r.t, a)
}

func (o opened) path() string { return "/v3/directline/conversations/" + string(o.ConversationID) }

// reconnect gets a fresh stream; query is empty or "?watermark=…".
func (r *rig) reconnect(o opened, query string) opened {
	r.t.Helper()
	a := r.do("GET", o.path()+query, o.Token, nil)
	if a.status != http.StatusOK {
		r.t.Fatalf("reconnect: %d %s", a.status, a.body)
	}
	return decode[opened](r.t, a)
}

func (r *rig) poll(o opened, watermark string) activitySet {
	r.t.Helper()
	a := r.do("GET", o.path()+"/activities?watermark="+watermark, o.Token, nil)
	if a.status != http.StatusOK {
		r.t.Fatalf("poll: %d %s", a.status, a.body)
	}
	return decode[activitySet](r.t, a)
}

func message(text string) map[string]any {
	return map[string]any{"type": "message", "text": text, "from": map[string]string{"id": "someone"}}
}

// post sends an activity and returns its id.
func (r *rig) post(o opened, a any) activity.ID {
	r.t.Helper()
	got := r.do("POST", o.path()+"/activities", o.Token, a)
	if got.status != http.StatusOK {
		r.t.Fatalf("post: %d %s", got.status, got.body)
	}
	return decode[activity.ResourceResponse](r.t, got).ID
}

// say lets the bot say something, as the library does.
func (r *rig) say(o opened, text, key string) activity.ID {
	r.t.Helper()
	resp, err := r.ch.Send(r.t.Context(), outgoing(o.ConversationID, activity.Message(text), key))
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.ID
}

func outgoing(id activity.ConversationID, a *activity.Activity, key string) headsup.Outgoing {
	ref := activity.Reference{
		ChannelID: activity.ChannelDirectLine, Conversation: activity.ConversationAccount{ID: id},
		Bot: &activity.ChannelAccount{ID: "bot"}, User: &activity.ChannelAccount{ID: "dl_ann"},
	}
	ref.Outgoing(a)
	return headsup.Outgoing{Reference: ref, Activity: a, Key: key}
}

func texts(as []*activity.Activity) []string {
	out := []string{}
	for _, a := range as {
		out = append(out, a.Text)
	}
	return out
}

// socket is a client's end of a stream.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
}

func (r *rig) dial(streamURL string, headers ...string) (*socket, *http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	conn, resp, err := websocket.Dial(r.t.Context(), streamURL, &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(-1)
	return &socket{r.t, conn}, resp, nil
}

// connect opens a stream and closes it when the test ends.
func (r *rig) connect(streamURL string) *socket {
	r.t.Helper()
	s, _, err := r.dial(streamURL)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.conn.CloseNow() })
	return s
}

// frame reads the next frame that is no keep-alive.
func (s *socket) frame() (activitySet, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		kind, data, err := s.conn.Read(ctx)
		if err != nil {
			return activitySet{}, err
		}
		if len(data) == 0 {
			continue
		}
		var members map[string]jsontext.Value
		if err := json.Unmarshal(data, &members); err != nil || kind != websocket.MessageText {
			return activitySet{}, fmt.Errorf("frame %q of type %v: %w", data, kind, err)
		}
		if members["activities"].Kind() != jsontext.KindBeginArray {
			return activitySet{}, fmt.Errorf("frame %q has no list of activities", data)
		}
		var set activitySet
		return set, json.Unmarshal(data, &set)
	}
}

// read reads frames until it has n activities.
func (s *socket) read(n int) []*activity.Activity {
	s.t.Helper()
	var got []*activity.Activity
	for len(got) < n {
		set, err := s.frame()
		if err != nil {
			s.t.Fatalf("after %d of %d activities: %v", len(got), n, err)
		}
		got = append(got, set.Activities...)
	}
	return got
}

// closed reads until the server closes and returns the reason.
func (s *socket) closed() websocket.CloseError {
	s.t.Helper()
	for {
		_, err := s.frame()
		if err == nil {
			continue
		}
		var e websocket.CloseError
		if !asCloseError(err, &e) {
			s.t.Fatalf("the socket ended without a close frame: %v", err)
		}
		return e
	}
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
