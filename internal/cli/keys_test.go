package cli_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/server"
)

// guarded starts a server that others can reach, and returns its data directory.
func guarded(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: dir, PublicURL: "https://bot.example.com", DirectLineOnly: true, DirectLineSecret: strings.Repeat("s", 32)})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return dir
}

// serve runs a server until the test ends.
func serve(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFirstKeyNeedsNone(t *testing.T) {
	t.Parallel()
	dir := guarded(t)
	code, out, stderr := run(t, "key", "create", "builds", "--data", dir, "--scope", "read,send", "--expires", "90d", "--rate", "600")
	secret := strings.TrimSuffix(out, "\n")
	if _, err := access.ParseSecret(secret); err != nil || code != 0 || strings.Contains(secret, "\n") {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if strings.Contains(stderr, secret) || !strings.Contains(stderr, "(builds): send, read, active until ") {
		t.Errorf("told %q", stderr)
	}
	id := strings.Split(secret, "_")[1]
	code, out, _ = run(t, "key", "create", "least", "--data", dir, "--json")
	var made api.CreatedKey
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 || len(made.Scopes) != 1 || made.Scopes[0] != "send" || made.ExpiresAt != nil {
		t.Errorf("exit code %d, %s, %v", code, out, err)
	}
	if code, out, stderr = run(t, "key", "list", "--data", dir); code != 0 || !strings.Contains(out, id+"  builds  send,read  -       active  600/min") || strings.Contains(out, "hup_") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	for range 2 {
		if code, out, stderr = run(t, "key", "revoke", id, "--data", dir); code != 0 || !strings.HasPrefix(out, "key "+id+" (builds): send, read, revoked") {
			t.Errorf("exit code %d, %s%s", code, out, stderr)
		}
	}
	if _, out, _ = run(t, "key", "list", "--data", dir); strings.Contains(out, id) || !strings.Contains(out, made.ID) {
		t.Errorf("listed are %s", out)
	}
	code, out, _ = run(t, "key", "list", "--data", dir, "--all", "--json")
	lines := strings.Split(out, "\n")
	var first api.Key
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || code != 0 || len(lines) != 3 || first.State != "revoked" || first.ID != id {
		t.Errorf("exit code %d, %s", code, out)
	}
}

func TestKeysComeFromFilesAndTheEnvironment(t *testing.T) {
	dir := guarded(t)
	e, err := adminkey.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "read.key")
	if code, out, stderr := run(t, "key", "create", "x", "--scope", "read", "--data", dir, "--out", file); code != 0 || !strings.HasSuffix(out, ", in "+file+"\n") {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "key", "create", "x", "--data", dir, "--out", file); code != 2 || !strings.Contains(stderr, "--out") {
		t.Errorf("over a file: exit code %d, %q", code, stderr)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Error("the file was changed")
	}
	refused := filepath.Join(t.TempDir(), "refused.key")
	elsewhere := t.TempDir() // no data directory
	get := []string{"notifications", "get", "ntf_0000000000001", "--server", e.URL, "--data", elsewhere}
	call := func(says string, wantCode int, args ...string) {
		t.Helper()
		if code, _, stderr := run(t, args...); code != wantCode || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, want %d and %q", args, code, stderr, wantCode, says)
		}
	}
	call("--key-file", 1, get...)
	call("no such notification", 1, append(get, "--key-file", file)...)
	t.Setenv("HEADSUP_KEY", strings.TrimSpace(string(before)))
	call("no such notification", 1, get...)
	call("scope send", 1, "send", "--everyone", "x", "--server", e.URL, "--data", elsewhere, "--key-file", file)
	call("scope admin", 1, "key", "create", "y", "--server", e.URL, "--data", elsewhere, "--out", refused)
	if _, err := os.Stat(refused); err == nil {
		t.Error("a file is left of a key that was not made")
	}
	t.Setenv("HEADSUP_KEY", "hunter2")
	call("HEADSUP_KEY", 2, get...)
	t.Setenv("HEADSUP_KEY", access.NewLocal().Reveal())
	call("not valid", 1, get...)
	t.Setenv("HEADSUP_KEY", "")
	t.Setenv("HEADSUP_KEY_FILE", file)
	call("no such notification", 1, get...)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	call("chmod 600", 2, get...)
	t.Setenv("HEADSUP_KEY_FILE", "")
	if err := os.Chmod(filepath.Join(dir, adminkey.FileName), 0o644); err != nil {
		t.Fatal(err)
	}
	call("chmod 600", 2, "key", "list", "--server", e.URL, "--data", dir)
}

func TestSecretOfThisMachineGoesToItsServerOnly(t *testing.T) {
	t.Parallel()
	dir := guarded(t)
	e, err := adminkey.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.Header.Values("Authorization")...)
	}))
	defer other.Close()
	if code, _, _ := run(t, "key", "list", "--data", dir, "--server", other.URL); code != 1 {
		t.Errorf("exit code %d", code)
	}
	mu.Lock()
	if len(heard) > 0 {
		t.Errorf("another server is told %v", heard)
	}
	mu.Unlock()
	for _, url := range []string{e.URL, e.URL + "/", strings.Replace(e.URL, "127.0.0.1", "localhost", 1)} {
		if code, _, stderr := run(t, "key", "list", "--data", dir, "--server", url); code != 0 {
			t.Errorf("%s: exit code %d, %q", url, code, stderr)
		}
	}
	stale := t.TempDir()
	if err := adminkey.Write(stale, adminkey.Entry{Secret: access.NewLocal(), URL: e.URL}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "key", "list", "--data", stale); code != 1 || !strings.Contains(stderr, "--data") {
		t.Errorf("another server's directory: exit code %d, %q", code, stderr)
	}
}

func TestWrongKeyCallsAreOneClearLine(t *testing.T) {
	t.Parallel()
	dir := guarded(t)
	whole := access.NewLocal().Reveal()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no name":             {[]string{"key", "create"}, 2, "<name>"},
		"empty name":          {[]string{"key", "create", ""}, 1, "name"},
		"unknown scope":       {[]string{"key", "create", "x", "--scope", "root"}, 1, "--scope"},
		"bad lifetime":        {[]string{"key", "create", "x", "--expires", "soon"}, 2, "--expires"},
		"no days":             {[]string{"key", "create", "x", "--expires", "0d"}, 2, "--expires"},
		"negative rate":       {[]string{"key", "create", "x", "--rate=-1"}, 1, "--rate"},
		"revoke nothing":      {[]string{"key", "revoke"}, 2, "<id>"},
		"revoke unknown":      {[]string{"key", "revoke", "000000000000"}, 1, "no such key"},
		"revoke a whole key":  {[]string{"key", "revoke", whole}, 2, "the part between hup_"},
		"revoke a path":       {[]string{"key", "revoke", "../jobs"}, 1, "not the id"},
		"missing key file":    {[]string{"key", "list", "--key-file", filepath.Join(dir, "none")}, 2, "--key-file"},
		"key for idempotency": {[]string{"send", "--everyone", "x", "--key", whole}, 2, "--key-file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, append(c.args, "--data", dir)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, whole) {
				t.Errorf("exit code %d, %q, says %q; want %d and one line with %q", code, stdout, stderr, c.code, c.says)
			}
		})
	}
}

func TestAKeyThatMaySendNeedNotLook(t *testing.T) {
	t.Parallel()
	url := running(t)
	_, secret, _ := run(t, "key", "create", "x", "--server", url, "--data", t.TempDir())
	file := write(t, filepath.Join(t.TempDir(), "k"), secret)
	code, out, stderr := run(t, "send", "--server", url, "--key-file", file, "--user", "dl_ann", "look")
	if code != 0 || !strings.HasPrefix(out, "accepted as ntf_") || !strings.Contains(out, "scope read") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}
