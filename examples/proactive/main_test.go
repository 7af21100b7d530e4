package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// TestPeopleAreRememberedThroughACrash is the story of the classic sample: open two chats, request the notify endpoint,
// both are told; crash, start again, request it again, both are told again.
func TestPeopleAreRememberedThroughACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "proactive")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said := make(chan string, 100)
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a, err := activity.Decode(body)
		if err != nil {
			t.Errorf("sent %s: %v", body, err)
			return
		}
		said <- string(a.Conversation.ID) + ": " + a.Text
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	defer channel.Close()
	expect := func(want ...string) {
		t.Helper()
		open := make(map[string]bool)
		for _, s := range want {
			open[s] = true
		}
		for range want {
			select {
			case s := <-said:
				if !open[s] {
					t.Fatalf("heard %q, want %q", s, want)
				}
				delete(open, s)
			case <-time.After(time.Minute):
				t.Fatalf("still not heard: %v", open)
			}
		}
	}

	url, kill := start(t, binary, filepath.Join(dir, "data"))
	people := []string{"ann", "ben"}
	greet := func(id string) {
		t.Helper()
		for _, who := range people {
			a := activity.Message("hi")
			a.ID, a.ChannelID, a.ServiceURL = activity.ID(id), "test", channel.URL
			a.From, a.Recipient = &activity.ChannelAccount{ID: activity.AccountID(who)}, &activity.ChannelAccount{ID: "bot"}
			a.Conversation = &activity.ConversationAccount{ID: activity.ConversationID(who)}
			raw, err := activity.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			call(t, http.MethodPost, url+"/api/messages", string(raw))
			expect(who + ": You sent 'hi'")
		}
	}
	greet("first")
	for round := range 2 {
		if answer := call(t, http.MethodGet, url+"/api/notify", ""); !strings.Contains(answer, "Proactive messages have been sent.") {
			t.Errorf("the notify endpoint answers %q", answer)
		}
		expect("ann: proactive hello", "ben: proactive hello")
		// A conversation does one thing at a time: when it answers, what was delivered before is written down. A kill
		// before that would rightly deliver it again.
		greet(fmt.Sprint("round ", round))
		kill()
		url, kill = start(t, binary, filepath.Join(dir, "data"))
	}
	kill()
}

// start runs the sample on a free port until kill, which gives it no chance to say goodbye.
func start(t *testing.T, binary, data string) (url string, kill func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), binary, "-listen", addr, "-data", data)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return "http://" + addr, kill
		}
		if time.Now().After(deadline) {
			t.Fatal("the sample does not listen: ", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, answer, err)
	}
	return string(answer)
}
