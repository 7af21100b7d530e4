package directline_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func TestStreamShowsHistoryThenWhatIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	o := r.join("dl_ann")
	r.say(o, "before", "")
	s := r.connect(o.StreamURL)
	if got := texts(s.read(1)); !slices.Equal(got, []string{"before"}) {
		t.Fatalf("the stream starts with %q", got)
	}
	r.say(o, "proactive", "")
	id := r.post(o, `{"type":"message","text":"hi","channelData":{"clientActivityID":"c1"}}`)
	got := s.read(3)
	if want := []string{"proactive", "hi", "echo: hi"}; !slices.Equal(texts(got), want) {
		t.Fatalf("then it shows %q, want %q", texts(got), want)
	}
	if got[1].ID != id || string(got[1].ChannelData) != `{"clientActivityID":"c1"}` {
		t.Errorf("the echo is %+v", got[1])
	}
	r.say(o, "last", "")
	set, err := s.frame()
	if err != nil || set.Watermark == nil || *set.Watermark != "5" {
		t.Errorf("the watermark after five activities is %v, %v", set.Watermark, err)
	}
}

func TestReconnectStartsWhereTheClientSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"?watermark=3", []string{"4", "5", "new"}},
		{"?watermark=", []string{"1", "2", "3", "4", "5", "new"}}, // a client that has seen nothing yet
		{"?watermark=null", []string{"1", "2", "3", "4", "5", "new"}},
		{"?watermark=5", []string{"new"}},
		{"", []string{"new"}}, // no watermark at all: only what is new
	} {
		t.Run(tt.query, func(t *testing.T) {
			r := newRig(t, nil)
			o := r.join("dl_ann")
			for i := range 5 {
				r.say(o, fmt.Sprint(i+1), "")
			}
			s := r.connect(r.reconnect(o, tt.query).StreamURL)
			r.say(o, "new", "")
			if got := texts(s.read(len(tt.want))); !slices.Equal(got, tt.want) {
				t.Errorf("the stream shows %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStreamURL(t *testing.T) {
	t.Parallel()
	t.Run("is refused after a minute", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		o := r.join("dl_ann")
		r.clock.forward(61 * time.Second)
		_, resp, err := r.dial(o.StreamURL)
		if err == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("opened after 61 s: %v", err)
		}
	})
	t.Run("works for almost a minute, once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		o := r.join("dl_ann")
		r.clock.forward(55 * time.Second)
		r.connect(o.StreamURL)
		_, resp, err := r.dial(o.StreamURL)
		if err == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("opened twice: %v", err)
		}
	})
	t.Run("is for one conversation and for nothing else", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		a, b := r.join("dl_ann"), r.join("dl_bob")
		u, err := url.Parse(a.StreamURL)
		if err != nil {
			t.Fatal(err)
		}
		credential := u.Query().Get("t")
		for name, other := range map[string]string{
			"another conversation": strings.ReplaceAll(a.StreamURL, string(a.ConversationID), string(b.ConversationID)),
			"the client's token":   strings.ReplaceAll(a.StreamURL, credential, a.Token),
			"nothing":              strings.ReplaceAll(a.StreamURL, credential, ""),
		} {
			if _, resp, err := r.dial(other); err == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := r.do("GET", a.path()+"/activities", credential, nil); got.status != http.StatusForbidden {
			t.Errorf("polled with the credential of the stream: %d", got.status)
		}
	})
	t.Run("is refused to pages of other origins", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		o := r.join("dl_ann")
		for _, origin := range []string{"https://evil.example", "null", "http://localhost:1"} {
			if _, resp, err := r.dial(o.StreamURL, "Origin", origin); err == nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("opened from %s: %v", origin, err)
			}
		}
		for _, origin := range []string{r.srv.URL, pageOrigin} {
			s, _, err := r.dial(r.reconnect(o, "").StreamURL, "Origin", origin)
			if err != nil {
				t.Fatalf("from %s: %v", origin, err)
			}
			_ = s.conn.CloseNow()
		}
	})
	t.Run("comes from the public URL and not from the Host header", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil, func(c *directline.Config) {
			c.PublicURL = func() string { return "https://chat.example.com/line/" }
		})
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.srv.URL+"/v3/directline/conversations", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		req.Header.Set("Authorization", "Bearer "+siteSecret)
		resp, err := r.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := decode[opened](t, answer{body: body}).StreamURL
		if !strings.HasPrefix(got, "wss://chat.example.com/line/v3/directline/conversations/") {
			t.Errorf("the stream URL is %s", got)
		}
		if strings.Contains(string(body), "evil") || r.told()[0].ServiceURL != "https://chat.example.com/line" {
			t.Errorf("answered %s, service URL %s", body, r.told()[0].ServiceURL)
		}
	})
}

func TestDevelopmentTakesAllNamesOfTheLoopbackAddress(t *testing.T) {
	t.Parallel()
	for _, development := range []bool{true, false} {
		r := newRig(t, nil, func(c *directline.Config) { c.Development = development })
		origin := strings.Replace(r.srv.URL, "127.0.0.1", "localhost", 1)
		s, _, err := r.dial(r.join("dl_ann").StreamURL, "Origin", origin)
		if (err == nil) != development {
			t.Errorf("development %v: %v", development, err)
		}
		if err == nil {
			_ = s.conn.CloseNow()
		}
	}
}

func TestStreamOfAConversationThatHasEndedShowsItAndCloses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.say(o, "bye", "")
	r.post(o, `{"type":"endOfConversation"}`)
	s := r.connect(o.StreamURL)
	s.read(2)
	if e := s.closed(); e.Reason != "ended" {
		t.Errorf("closed with %+v", e)
	}
}

func TestLargeActivitiesComeInFramesOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	large := strings.Repeat("x", 200<<10)
	for _, text := range []string{"a", large, large, "b", "c"} {
		r.say(o, text, "")
	}
	s := r.connect(o.StreamURL)
	for _, want := range [][]string{{"a"}, {large}, {large}, {"b", "c"}} {
		set, err := s.frame()
		if err != nil || !slices.Equal(texts(set.Activities), want) {
			t.Fatalf("a frame of %d activities instead of %d, %v", len(set.Activities), len(want), err)
		}
	}
}

func TestSecondSocketOfOneClientClosesTheFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	first := r.connect(o.StreamURL)
	// A refreshed token is still the same client.
	o.Token = decode[opened](t, r.do("POST", "/v3/directline/tokens/refresh", o.Token, nil)).Token
	second := r.connect(r.reconnect(o, "?watermark=").StreamURL)
	if e := first.closed(); e.Reason != "collision" {
		t.Errorf("the first socket was closed with %+v", e)
	}
	r.say(o, "hi", "")
	second.read(1)
}

func TestTwoClientsWatchOneConversation(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := activity.ChannelAccount{ID: "dl_ann"}
	var sockets []*socket
	var o opened
	for range 2 { // two pages of one person
		token, err := r.ch.MintToken(t.Context(), directline.MintRequest{User: ann, ConversationID: o.ConversationID})
		if err != nil {
			t.Fatal(err)
		}
		o = opened{ConversationID: token.ConversationID, Token: token.Token}
		sockets = append(sockets, r.connect(r.reconnect(o, "?watermark=").StreamURL))
	}
	r.post(o, message("hi"))
	for i, s := range sockets {
		if got := texts(s.read(1)); got[0] != "hi" {
			t.Errorf("socket %d shows %q", i, got)
		}
	}
}

func TestTypingIsLiveOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.say(o, "before", "")
	s := r.connect(o.StreamURL)
	s.read(1)
	typing := func() {
		resp, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, &activity.Activity{Type: activity.TypeTyping}, "k"))
		if err != nil || resp.ID != "" {
			t.Errorf("typing returned %q, %v", resp.ID, err)
		}
	}
	typing()
	set, err := s.frame()
	if err != nil || len(set.Activities) != 1 || set.Activities[0].Type != activity.TypeTyping || set.Watermark != nil {
		t.Fatalf("the stream shows %+v, %v", set, err)
	}
	// One's own typing does not come back; the next thing that comes is the message.
	r.post(o, `{"type":"typing"}`)
	r.say(o, "after", "")
	if got := s.read(1); got[0].Text != "after" {
		t.Errorf("the stream shows %+v", got[0])
	}
	// Nobody finds it later.
	typing()
	if got := texts(r.connect(r.reconnect(o, "?watermark=0").StreamURL).read(2)); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("the history is %q", got)
	}
}

func TestKeepAliveBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(c *directline.Config) { c.KeepAlive = 5 * time.Millisecond })
	o := r.join("dl_ann")
	s := r.connect(o.StreamURL)
	for range 5 {
		kind, data, err := s.conn.Read(t.Context())
		if err != nil || kind != websocket.MessageText || len(data) != 0 {
			t.Fatalf("instead of a keep-alive came %q of type %v, %v", data, kind, err)
		}
		for _, sent := range []string{"", "not JSON", `{"activities":[{"type":"message","text":"no"}]}`} {
			if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(sent)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.say(o, "still here", "")
	if got := s.read(1); got[0].Text != "still here" {
		t.Errorf("the stream shows %q", got[0].Text)
	}
}

func TestClientThatIsGoneIsNoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(c *directline.Config) {
		c.KeepAlive, c.WriteTimeout = 10*time.Millisecond, 50*time.Millisecond
	})
	o := r.join("dl_ann")
	u, err := url.Parse(o.StreamURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", u.RequestURI(), u.Host)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "101") {
		t.Fatalf("the handshake was answered %q, %v", line, err)
	}
	// It reads, but answers no ping: nobody is there.
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the server did not hang up: %v", err)
	}
}

func TestNoisyClientIsDisconnected(t *testing.T) {
	t.Parallel()
	t.Run("too many messages", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		s := r.connect(r.join("dl_ann").StreamURL)
		go func() {
			for s.conn.Write(t.Context(), websocket.MessageText, nil) == nil {
			}
		}()
		if e := s.closed(); e.Code != websocket.StatusPolicyViolation {
			t.Errorf("closed with %+v", e)
		}
	})
	t.Run("too large a message", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		s := r.connect(r.join("dl_ann").StreamURL)
		go func() { _ = s.conn.Write(t.Context(), websocket.MessageText, make([]byte, 1<<20)) }()
		if _, err := s.frame(); err == nil {
			t.Error("it stays connected")
		}
	})
}

func TestCloseDisconnectsEverybody(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	s := r.connect(o.StreamURL)
	waiting := r.reconnect(o, "")
	done := make(chan error, 1)
	go func() { done <- r.ch.Close(t.Context()) }()
	if e := s.closed(); e.Code != websocket.StatusGoingAway || e.Reason != "shutdown" {
		t.Errorf("closed with %+v", e)
	}
	if err := <-done; err != nil {
		t.Errorf("close: %v", err)
	}
	if _, resp, err := r.dial(waiting.StreamURL); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("opened after the close: %v", err)
	}
	if a := r.do("POST", o.path()+"/activities", o.Token, message("hi")); a.status != http.StatusServiceUnavailable {
		t.Errorf("posted after the close: %d %s", a.status, a.body)
	}
}

func TestCloseCutsClientsThatDoNotLeave(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.connect(r.join("dl_ann").StreamURL) // never read: it does not answer the close frame
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.ch.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close returned %v", err)
	}
}

// finished tells when handlers of streams have returned.
func (r *rig) finished() <-chan struct{} {
	inner := r.srv.Config.Handler
	out := make(chan struct{}, 16)
	r.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inner.ServeHTTP(w, req)
		if strings.HasSuffix(req.URL.Path, "/stream") {
			out <- struct{}{}
		}
	})
	return out
}

func TestSlowConsumerIsDisconnectedAndMissesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(c *directline.Config) { c.WriteTimeout = 300 * time.Millisecond })
	finished := r.finished()
	o := r.join("dl_ann")
	s := r.connect(o.StreamURL)
	const n = 10_000
	padding := strings.Repeat("x", 2<<10)
	for i := range n {
		a := activity.Message(strconv.Itoa(i + 1))
		a.Summary = padding
		if _, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, a, "")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-finished: // the server has let go while the client did not read
	case <-time.After(time.Minute):
		t.Fatal("a client that does not read stays connected")
	}
	// It reads what was under way, and gets the rest by coming back.
	next, watermark := 1, ""
	follow := func(s *socket) bool {
		for next <= n {
			set, err := s.frame()
			if err != nil {
				return false
			}
			for _, a := range set.Activities {
				if a.Text != strconv.Itoa(next) {
					t.Fatalf("message %s came where %d belongs", a.Text, next)
				}
				next++
			}
			watermark = *set.Watermark
		}
		return true
	}
	if follow(s) {
		t.Fatal("everything had fitted into the buffers: the test tests nothing")
	}
	for before := -1; before < next; { // a busy machine may make it slow again
		before = next
		if follow(r.connect(r.reconnect(o, "?watermark="+watermark).StreamURL)) {
			return
		}
	}
	t.Errorf("after coming back the messages end with %d", next-1)
}

func TestHandOverUnderABurst(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	const n = 10_000
	var burst sync.WaitGroup
	burst.Go(func() {
		for i := range n {
			if _, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, activity.Message(strconv.Itoa(i+1)), "")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer burst.Wait()
	next, connections := 1, 0
	for watermark := ""; next <= n; connections++ {
		s := r.connect(r.reconnect(o, "?watermark="+watermark).StreamURL)
		// Each connection but the last ones is given up after a while, with frames unread.
		for stay := rand.IntN(600) + 1; next <= n && (stay > 0 || connections > 30); {
			set, err := s.frame()
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range set.Activities {
				if want := fmt.Sprintf("%s|%07d", o.ConversationID, next); a.Text != strconv.Itoa(next) || string(a.ID) != want {
					t.Fatalf("message %s with id %s came where %d belongs", a.Text, a.ID, next)
				}
				next, stay = next+1, stay-1
			}
			watermark = *set.Watermark
			if want := strconv.Itoa(next - 1); watermark != want {
				t.Fatalf("watermark %s after message %s", watermark, want)
			}
		}
		_ = s.conn.CloseNow()
	}
	if connections < 3 {
		t.Errorf("only %d connections were made", connections)
	}
}
