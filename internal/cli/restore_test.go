//go:build unix

package cli_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/server"
)

// serveUntil runs a server over a database until stop is called.
func serveUntil(t *testing.T, dir, database string) (address string, stop func()) {
	t.Helper()
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: dir, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s.URL(), func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// appear has somebody say something on a channel for the first time.
func appear(t *testing.T, address, channel string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/api/messages", strings.NewReader(
		`{"type":"event","name":"x","id":"1","channelId":"test","serviceUrl":"`+channel+`","from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":"c"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("status %d", resp.StatusCode)
	}
}

// TestDatabaseThatWasRestoredIsHeld: what a dump has that was due says nobody again until somebody asks for it, after
// pg_restore and "headsup restore".
func TestDatabaseThatWasRestoredIsHeld(t *testing.T) {
	t.Parallel()
	said := make(chan string, 10)
	channel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said <- r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"1"}`))
	}))
	defer channel.Close()
	cluster := pgtest.Shared(t)
	before, dir := cluster.Database(t), t.TempDir()
	address, stop := serveUntil(t, filepath.Join(dir, "first"), before)
	appear(t, address, channel.URL)
	code, _, stderr := run(t, "send", "soon", "--in", "2s", "--conversation", "c", "--data", filepath.Join(dir, "first"))
	if code != 0 {
		t.Fatalf("exit code %d, %q", code, stderr)
	}
	restore := cluster.Dump(t, pgtest.Name(before))
	<-said // after the backup
	stop()

	after := restore(t)
	code, out, stderr := run(t, "restore", "--database", after)
	if code != 0 || out != "restored into the database; deliveries held: 1\n" {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	second := filepath.Join(dir, "second")
	_, stop = serveUntil(t, second, after)
	defer stop()
	_, out, _ = run(t, "deliveries", "list", "--state", "unknown", "--reason", "restored", "--data", second)
	if strings.Count(out, "restored") != 1 || len(said) > 0 {
		t.Errorf("held are %q; said was %d", out, len(said))
	}
	if code, out, stderr = run(t, "deliveries", "replay", "--state", "unknown", "--reason", "restored", "--data", second); code != 0 {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	select {
	case <-said:
	case <-time.After(time.Minute):
		t.Error("what was replayed is not said")
	}
}

// TestRestoreOfADatabaseRefuses: in one clear line.
func TestRestoreOfADatabaseRefuses(t *testing.T) {
	t.Parallel()
	database := pgtest.Shared(t).Database(t)
	config := write(t, filepath.Join(t.TempDir(), "h.yaml"), "database: "+database+"\n")
	withPassword, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	withPassword.User = url.UserPassword("headsup", "hunter2")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"Nothing":      {nil, 2, "name the backup"},
		"Both":         {[]string{"backup.db", "--config", config}, 2, "the configuration names a database"},
		"Send":         {[]string{"--database", database, "--after-restore", "send"}, 2, "start the servers"},
		"Password":     {[]string{"--database", withPassword.String()}, 2, "database_password"},
		"Empty":        {[]string{"--config", config}, 1, "nothing of Headsup"},
		"NoConnection": {[]string{"--database", "postgres://headsup@127.0.0.1:1/headsup?sslmode=disable"}, 1, "not available"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, stderr := run(t, append([]string{"restore"}, c.args...)...)
			if code != c.code || out != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "hunter2") {
				t.Errorf("exit code %d, %q, %q", code, out, stderr)
			}
		})
	}
}
