package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	examples "github.com/headsup-bot/headsup/examples/api"
)

// channel writes down what Ann would have read.
type channel struct {
	*httptest.Server
	mu   sync.Mutex
	read []string
}

func newChannel(t *testing.T) *channel {
	c := &channel{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		a, err := activity.Decode(body)
		if err != nil {
			t.Errorf("sent %s: %v", body, err)
			return
		}
		c.mu.Lock()
		c.read = append(c.read, a.Text)
		c.mu.Unlock()
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *channel) times(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.read {
		if t == text {
			n++
		}
	}
	return n
}

// build builds a command of this module.
func build(t *testing.T, path string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(path))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, path)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// serve starts a server that wants keys, and returns its URL and a key that may send and read.
func serve(t *testing.T) (url, key string) {
	t.Helper()
	binary, data := build(t, "../../cmd/headsup"), filepath.Join(t.TempDir(), "data")
	cmd := exec.CommandContext(context.Background(), binary,
		"serve", "--require-key", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--data", data, "--log-level", "error")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	made, err := exec.CommandContext(t.Context(), binary, "key", "create", "examples", "--scope", "send,read", "--data", data).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "headsup: listening on "), strings.TrimSpace(string(made))
}

// meet has Ann say something, so that the bot knows her.
func meet(t *testing.T, server string, c *channel) {
	t.Helper()
	body := fmt.Sprintf(`{"type":"message","id":"1","channelId":"test","serviceUrl":%q,"from":{"id":"ann"},"recipient":{"id":"bot"},`+
		`"conversation":{"id":"c"},"text":"hi"}`, c.URL)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/api/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
}

// programs is how each example is run.
func programs(t *testing.T) map[string][]string {
	return map[string][]string{
		"curl.sh": {"sh", "curl.sh"}, "notify.py": {"python3", "notify.py"}, "notify.mjs": {"node", "notify.mjs"},
		"notify/main.go": {build(t, "./notify")},
	}
}

// TestExamplesSayHowTheyAreUsed: each program that is given nothing prints one line, and ends with 2.
func TestExamplesSayHowTheyAreUsed(t *testing.T) {
	t.Parallel()
	for file, command := range programs(t) {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Stderr = &stderr
		failure, failed := errors.AsType[*exec.ExitError](cmd.Run())
		if !failed || failure.ExitCode() != 2 || !strings.HasPrefix(stderr.String(), "usage: ") || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: %v, %q", file, failure, stderr.String())
		}
	}
}

// TestExamplesDeliver runs each program twice under one key: it is said once, and told the same both times.
func TestExamplesDeliver(t *testing.T) {
	t.Parallel()
	c := newChannel(t)
	server, key := serve(t)
	meet(t, server, c)
	for file, command := range programs(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text := "Hello from " + file
			run := func(user string) (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), user, text)...)
				cmd.Env = append(os.Environ(), "HEADSUP_SERVER="+server, "HEADSUP_KEY="+key, "KEY="+user+" "+file)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, &stderr)
				}
				return strings.TrimSpace(string(out)), err
			}
			first, err := run("ann")
			if err != nil {
				t.Fatal(err)
			}
			if id, state, _ := strings.Cut(first, " "); !strings.HasPrefix(id, "ntf_") || state != "delivered" {
				t.Errorf("it printed %q", first)
			}
			if again, err := run("ann"); err != nil || again != first {
				t.Errorf("under the same key it printed %q, %v; the first time %q", again, err, first)
			}
			if n := c.times(text); n != 1 {
				t.Errorf("Ann read it %d times", n)
			}
			if out, err := run("eve"); err == nil {
				t.Errorf("to nobody it printed %q and was content", out)
			} else if !strings.Contains(err.Error(), "no_target") {
				t.Errorf("to nobody it does not say why: %v", err)
			}
		})
	}
}

func TestExamplesAreTheFiles(t *testing.T) {
	t.Parallel()
	commands := programs(t)
	for _, e := range examples.Examples {
		if _, run := commands[e.File]; !run || e.Source == "" || e.Language == "" {
			t.Errorf("%s is shown and not run", e.File)
		}
	}
	if len(examples.Examples) != len(commands) {
		t.Errorf("%d examples are shown and %d run", len(examples.Examples), len(commands))
	}
}
