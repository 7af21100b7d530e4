package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/headsup-bot/headsup/internal/cli"
)

// run calls the program as a shell would.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Main(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrongCallsAreOneClearLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "x")
	corrupt := filepath.Join(dir, "corrupt")
	if err := os.Mkdir(corrupt, 0o700); err != nil {
		t.Fatal(err)
	}
	database := write(t, filepath.Join(corrupt, "headsup.db"), strings.Repeat("not a database ", 1000))
	yaml := func(name, content string) string { return write(t, filepath.Join(dir, name), content) }
	secret := write(t, filepath.Join(dir, "secret"), strings.Repeat("s", 32))
	cases := map[string]struct {
		args []string
		code int
		says string
	}{
		"no command":           {nil, 2, "serve"},
		"unknown command":      {[]string{"srve"}, 2, "srve"},
		"unknown flag":         {[]string{"serve", "--lisen", "x"}, 2, "--lisen"},
		"stray argument":       {[]string{"serve", "now"}, 2, "now"},
		"bad log level":        {[]string{"serve", "--log-level", "loud"}, 2, "log_level (--log-level)"},
		"unknown config key":   {[]string{"serve", "--config", yaml("1.yaml", "listn: x\n")}, 2, "1.yaml:1: listn: unknown setting; did you mean listen?"},
		"nested config key":    {[]string{"serve", "--config", yaml("2.yaml", "listen:\n  port: 1\n")}, 2, "listen"},
		"config key twice":     {[]string{"serve", "--config", yaml("3.yaml", "data: a\ndata: b\n")}, 2, "data"},
		"config is not YAML":   {[]string{"serve", "--config", yaml("4.yaml", ":\n\t- x")}, 2, "not valid YAML"},
		"bad config value":     {[]string{"serve", "--config", yaml("5.yaml", "log_level: loud\n")}, 2, "5.yaml:1: log_level"},
		"other command's key":  {[]string{"serve", "--config", yaml("6.yaml", "everyone: true\n")}, 2, "6.yaml:1: everyone: unknown setting"},
		"missing config":       {[]string{"serve", "--config", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
		"open to everybody":    {[]string{"serve", "--listen", ":3978", "--directline-only", "--directline-secret-file", secret, "--data", dir}, 2, "public_url"},
		"open by name":         {[]string{"serve", "--listen", "example.com:1", "--directline-only", "--directline-secret-file", secret, "--data", dir}, 2, "public_url"},
		"no port":              {[]string{"serve", "--listen", "127.0.0.1", "--data", dir}, 2, "listen"},
		"public URL elsewhere": {[]string{"serve", "--public-url", "http://bot.example.com", "--directline-only", "--directline-secret-file", secret, "--data", dir}, 2, "public_url"},
		"nobody kept out":      {[]string{"serve", "--public-url", "https://bot.example.com", "--data", dir}, 2, "azure.app_id"},
		"nobody let in":        {[]string{"serve", "--public-url", "https://bot.example.com", "--directline-only", "--data", dir}, 2, "directline_secret: "},
		"clear to the world":   {[]string{"serve", "--public-url", "http://bot.example.com", "--insecure-http", "--directline-only", "--directline-secret-file", secret, "--data", dir}, 2, "insecure_http"},
		"public URL with path": {[]string{"serve", "--public-url", "http://localhost/x", "--data", dir}, 2, "public_url"},
		"no pages":             {[]string{"serve", "--web-dir", dir, "--data", dir}, 2, "web_dir"},
		"data is a file":       {[]string{"serve", "--data", file}, 1, "file"},
		"playground, no bot":   {[]string{"playground"}, 2, "--bot"},
		"bot is no URL":        {[]string{"playground", "--bot", "localhost:3979", "--listen", "127.0.0.1:0"}, 1, "bot.url: "},
		"open playground":      {[]string{"playground", "--bot", "http://localhost:3979", "--listen", ":3978"}, 1, "public_url"},
		"corrupt database":     {[]string{"serve", "--data", corrupt}, 1, "headsup.db"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t, c.args...)
			if code != c.code || stdout != "" {
				t.Errorf("exit code %d with output %q, want %d and none", code, stdout, c.code)
			}
			if !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "headsup: ") {
				t.Errorf("says %q, want one line with %q", stderr, c.says)
			}
		})
	}
	t.Cleanup(func() {
		if got, err := os.ReadFile(database); err != nil || !strings.HasPrefix(string(got), "not a database") {
			t.Errorf("the corrupt database was overwritten: %v", err)
		}
	})
}

func TestSeveralProblemsComeAtOnce(t *testing.T) {
	t.Parallel()
	_, _, stderr := run(t, "serve", "--listen", "everywhere", "--public-url", "x", "--data", t.TempDir())
	if !strings.Contains(stderr, "headsup: listen (--listen): ") || !strings.Contains(stderr, "\nheadsup: public_url (--public-url): ") {
		t.Errorf("says %q, want both problems", stderr)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"playground", "--help"}, {"version"}, {"--version"}, {"config", "--help"}} {
		code, stdout, stderr := run(t, args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "headsup") {
			t.Errorf("%v: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// output collects what a running server prints.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	line chan string // the first line, once
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := strings.Contains(o.text.String(), "\n")
	o.text.Write(p)
	if first, _, done := strings.Cut(o.text.String(), "\n"); done && !before {
		o.line <- first
	}
	return len(p), nil
}

func TestServeTellsWhereItListensAndStopsCleanly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "headsup.yaml"), "listen: 127.0.0.1:0\ndemo: true\nlog_level: error\n")
	ctx, stop := context.WithCancel(t.Context())
	out := &output{line: make(chan string, 1)}
	var stderr bytes.Buffer
	done := make(chan int, 1)
	data := filepath.Join(dir, "data")
	go func() {
		done <- cli.Main(ctx, []string{"serve", "--config", config, "--data", data, "--admin-listen", "off"}, strings.NewReader(""), out, &stderr)
	}()
	url := ""
	select {
	case first := <-out.line:
		url = strings.TrimPrefix(first, "headsup: listening on ")
	case code := <-done:
		t.Fatalf("ended with %d: %s", code, &stderr)
	}
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("healthz answers %s", resp.Status)
	}
	if code, _, stderr := run(t, "serve", "--listen", "127.0.0.1:0", "--data", data); code != 1 || !strings.Contains(stderr, data) {
		t.Errorf("a second server on the same data: exit code %d, %q", code, stderr)
	}
	stop()
	if code := <-done; code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, %q", code, &stderr)
	}
}

func TestPlaygroundLeavesNothingBehind(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, stop := context.WithCancel(t.Context())
	out := &output{line: make(chan string, 1)}
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(ctx, []string{"playground", "--bot", "http://127.0.0.1:9/api/messages", "--listen", "127.0.0.1:0"},
			strings.NewReader(""), out, &stderr)
	}()
	select {
	case <-out.line:
	case code := <-done:
		t.Fatalf("ended with %d: %s", code, &stderr)
	}
	if kept, err := os.ReadDir(temp); err != nil || len(kept) != 1 {
		t.Errorf("while it runs there is %v, %v; want one folder", kept, err)
	}
	stop()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d, %q", code, &stderr)
	}
	if kept, err := os.ReadDir(temp); err != nil || len(kept) != 0 {
		t.Errorf("afterwards there is %v, %v", kept, err)
	}
}

func TestEnvironmentGoesBeforeTheFile(t *testing.T) {
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "headsup.yaml"), "listen: 127.0.0.1:0\n")
	t.Setenv("HEADSUP_LISTEN", "192.0.2.1:1")
	code, _, stderr := run(t, "serve", "--config", config, "--data", filepath.Join(dir, "data"))
	if code != 2 || !strings.Contains(stderr, "listen (HEADSUP_LISTEN): \"192.0.2.1:1\"") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
