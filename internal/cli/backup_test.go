package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/server"
)

// TestBackupOfARunningServerIsRestored: through the server, then from its directory when it has stopped; the restored
// directory has the same keys and the same app id.
func TestBackupOfARunningServerIsRestored(t *testing.T) {
	t.Parallel()
	dir := guarded(t)
	if code, _, stderr := run(t, "key", "create", "kept", "--data", dir); code != 0 {
		t.Fatal(stderr)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	code, out, stderr := run(t, "backup", file, "--data", dir)
	if code != 0 || !strings.HasPrefix(out, file+": ") || !strings.HasSuffix(out, "iB\n") {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // the server removes it when the answer has gone
		left, err := filepath.Glob(filepath.Join(dir, ".backup-*"))
		if len(left) == 0 && err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left are %v, %v", left, err)
		}
	}
	code, _, stderr = run(t, "backup", file, "--data", dir)
	if code != 2 || !strings.Contains(stderr, "exists already") {
		t.Errorf("over a file: exit code %d, %q", code, stderr)
	}

	into := filepath.Join(t.TempDir(), "restored")
	if code, out, stderr = run(t, "restore", file, "--data", into); code != 0 || out != "restored into "+into+"; deliveries held: 0\n" {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr = run(t, "restore", file, "--data", into); code != 2 || !strings.Contains(stderr, "has a database already") {
		t.Errorf("into a database: exit code %d, %q", code, stderr)
	}
	if code, _, stderr = run(t, "restore", file, "--data", dir); code == 0 || !strings.Contains(stderr, "in use by another process") {
		t.Errorf("into a running server's directory: exit code %d, %q", code, stderr)
	}
	second := filepath.Join(t.TempDir(), "second.db")
	if code, _, stderr = run(t, "backup", second, "--data", into); code != 0 {
		t.Errorf("of a directory at rest: exit code %d, %q", code, stderr)
	}
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: into, PublicURL: "https://bot.example.com", DirectLineOnly: true, DirectLineSecret: strings.Repeat("s", 32)})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	if code, out, stderr = run(t, "key", "list", "--data", into); code != 0 || !strings.Contains(out, "  kept  ") {
		t.Errorf("the restored server's keys: exit code %d, %q, %q", code, out, stderr)
	}
}

func TestBackupNeedsAdmin(t *testing.T) {
	t.Parallel()
	dir := guarded(t)
	key := filepath.Join(t.TempDir(), "key")
	if code, _, stderr := run(t, "key", "create", "reader", "--scope", "read,manage", "--data", dir, "--out", key); code != 0 {
		t.Fatal(stderr)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	code, _, stderr := run(t, "backup", file, "--data", dir, "--key-file", key)
	if _, err := os.Stat(file); err == nil || code != 1 || !strings.Contains(stderr, "admin") {
		t.Errorf("exit code %d, %q, %v", code, stderr, err)
	}
}
