package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// process is the real binary with its log.
type process struct {
	*program
	admin string

	mu    sync.Mutex
	lines []map[string]any // of the log
	raw   []string
	news  chan struct{}
	ended chan error
}

// launch starts the binary and waits until it says that it has started.
func launch(t *testing.T, p *program, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "--listen", p.listen, "--data", p.data, "--admin-listen", "127.0.0.1:0", "--log-format", "json"}, args...)
	p.cmd = exec.CommandContext(context.Background(), p.binary, args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	r := &process{program: p, news: make(chan struct{}, 1000), ended: make(chan error, 1)}
	p.cmd.Stdout = io.Discard
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		in := bufio.NewScanner(stderr)
		in.Buffer(nil, 16<<20)
		for in.Scan() {
			r.note(in.Bytes())
		}
		r.ended <- p.cmd.Wait()
	}()
	started := r.says("started")
	p.listen, r.admin = started["listen"].(string), started["admin"].(string)
	return r
}

func (r *process) note(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parsed map[string]any
	if err := json.Unmarshal(bytes.Clone(line), &parsed); err != nil {
		r.t.Errorf("a line of the log is no JSON: %s", line)
	}
	r.lines, r.raw = append(r.lines, parsed), append(r.raw, string(line))
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// says waits for a message in the log.
func (r *process) says(message string) map[string]any {
	r.t.Helper()
	for patience := time.After(time.Minute); ; {
		r.mu.Lock()
		for _, line := range r.lines {
			if line["msg"] == message {
				r.mu.Unlock()
				return line
			}
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-patience:
			r.t.Fatalf("it does not say %q, but %q", message, r.raw)
		}
	}
}

// say writes bytes to a listener and waits until it closes the connection.
func say(t *testing.T, address, raw string) error {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}

func (r *process) signal() {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Error(err)
	}
}

// kill ends the process as a power cut would, and waits for its end.
func (r *process) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		if err := <-r.ended; err == nil {
			r.t.Error("it was not killed")
		}
		r.cmd = nil
	}
}

// exit waits for the end of the process.
func (r *process) exit() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.cmd = nil
		return err
	case <-time.After(time.Minute):
		r.t.Fatal("it goes on a minute after it was asked to stop")
		return nil
	}
}

// ready asks /readyz.
func (r *process) ready() (int, string) {
	resp, err := http.Get(r.admin + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// hangs is a channel that answers what begins with "slow" only when it is told to.
type hangs struct {
	*httptest.Server
	arrived chan string
	release chan struct{}
	once    sync.Once
}

func newHangs(t *testing.T) *hangs {
	h := &hangs{arrived: make(chan string, 100), release: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a struct{ Text string }
		if err := json.UnmarshalRead(r.Body, &a); err != nil {
			t.Error(err)
		}
		if strings.Contains(r.URL.Path, "slow") {
			h.arrived <- a.Text
			<-h.release
		}
		_, _ = w.Write([]byte(`{"id":"1"}`))
	}))
	t.Cleanup(func() { h.let(); h.Close() })
	return h
}

func (h *hangs) let() { h.once.Do(func() { close(h.release) }) }

func (r *process) hear(channel, conversation string) (int, []byte) {
	return r.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"%s","channelId":"test","serviceUrl":%q,`+
		`"from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":%q},"text":"hi"}`, conversation, channel, conversation))
}

func (r *process) accept(conversation string) (id string) {
	status, body := r.post("/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"say"}`, conversation))
	var n api.Notification
	if err := json.Unmarshal(body, &n); err != nil || status != http.StatusAccepted {
		r.t.Fatalf("%d %s %v", status, body, err)
	}
	return n.ID
}

func (r *process) notification(id string) (n api.Notification) {
	resp, err := http.Get("http://" + r.listen + "/v1/notifications/" + id)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.UnmarshalRead(resp.Body, &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// learn puts conversations into the book whose channel hangs, without asking the channel for anything.
func (r *process) learn(channel *hangs, conversations ...string) {
	r.t.Helper()
	for _, c := range conversations {
		status, body := r.post("/api/messages", fmt.Sprintf(`{"type":"conversationUpdate","id":"0","channelId":"test","serviceUrl":%q,`+
			`"from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":%q}}`, channel.URL, c))
		if status != http.StatusOK {
			r.t.Fatalf("%d %s", status, body)
		}
	}
}

// TestDrainLosesNothing asks a process to stop while a request and an attempt run on a slow channel.
func TestDrainLosesNothing(t *testing.T) {
	t.Parallel()
	channel, binary := newHangs(t), build(t)
	r := launch(t, binary, "--drain-delay", "4s", "--drain-timeout", "1m")
	for _, key := range []string{"address", "version", "data", "mode"} {
		if r.says("started")[key] == "" {
			t.Errorf("the log does not tell the %s at the start", key)
		}
	}
	r.learn(channel, "slow-notified", "slow-asked", "slow-later")
	if status, body := r.ready(); status != http.StatusOK || body != `{"ready":true}` {
		t.Fatalf("not ready: %d %s", status, body)
	}
	id := r.accept("slow-notified")
	<-channel.arrived
	answered := make(chan int, 1)
	go func() {
		status, _ := r.hear(channel.URL, "slow-asked") // whose turn waits for the channel
		answered <- status
	}()
	<-channel.arrived

	r.signal()
	r.says("drain begun")
	if status, body := r.ready(); status != http.StatusServiceUnavailable || body != `{"ready":false,"reasons":["draining"]}` {
		t.Errorf("ready while it drains: %d %s", status, body)
	}
	later := r.accept("slow-later") // within the delay requests are taken
	<-channel.arrived
	refused := func() bool {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.listen)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	for deadline := time.Now().Add(time.Minute); !refused(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it goes on taking connections")
		}
	}
	if status, _ := r.ready(); status != http.StatusServiceUnavailable {
		t.Errorf("readiness after the delay: %d", status)
	}
	channel.let()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request that ran was answered %d", status)
	}
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
	if ended := r.says("drain ended"); ended["clean"] != true {
		t.Errorf("the log says %v", ended)
	}

	r = launch(t, binary)
	for _, n := range []api.Notification{r.notification(id), r.notification(later)} {
		if d := n.Deliveries[0]; d.State != "delivered" || d.Attempts != 1 {
			t.Errorf("%s after %d attempts, want delivered after one: %+v", d.State, d.Attempts, d.History)
		}
	}
	if left := len(channel.arrived); left != 0 {
		t.Errorf("%d calls too many", left)
	}
	r.signal()
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
}

func TestDrainEndsWithItsLimit(t *testing.T) {
	t.Parallel()
	channel, binary := newHangs(t), build(t)
	r := launch(t, binary, "--drain-timeout", "1s")
	r.learn(channel, "slow-c")
	id := r.accept("slow-c")
	<-channel.arrived
	r.signal()
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
	r = launch(t, binary)
	d := r.notification(id).Deliveries[0]
	// An attempt would end by itself after 10 s.
	if last := d.History[len(d.History)-1]; d.State != "ready" || last.Reason != "no_answer" || !strings.Contains(last.Detail, "shutting down") {
		t.Errorf("%s (%s), want the outcome recorded, which nobody knows: %+v", d.State, last.Reason, d.History)
	}
	r.signal()
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	channel, binary := newHangs(t), build(t)
	r := launch(t, binary, "--drain-timeout", "1m")
	r.learn(channel, "slow-c")
	id := r.accept("slow-c")
	<-channel.arrived
	r.signal()
	r.says("drain begun")
	r.signal()
	err := r.exit()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ends with %v, want by the signal", err)
	}
	r = launch(t, binary)
	recovered := r.says("took back what an earlier process was sending")
	if recovered["deliveries"] != float64(1) {
		t.Errorf("the log says %v", recovered)
	}
	if n := r.notification(id); len(n.Deliveries) != 1 {
		t.Errorf("the notification is %+v", n)
	}
	channel.let()
	r.signal()
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
}
