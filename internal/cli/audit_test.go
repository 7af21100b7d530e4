package cli_test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// sealing starts a server whose audit log is sealed with a key, unless that is empty, and has some entries.
func sealing(t *testing.T, key string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: dir, Audit: server.Audit{Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	for _, name := range []string{"one", "two", "three", "four"} {
		if code, _, stderr := run(t, "key", "create", name, "--data", dir); code != 0 {
			t.Fatal(stderr)
		}
	}
	return dir
}

// tamper does to the server's file what its triggers refuse.
func tamper(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "headsup.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

const withoutTriggers = `DROP TRIGGER audit_stays; DROP TRIGGER audit_is_kept; DROP TRIGGER audit_grows; DROP TRIGGER audit_ends_advance;
	DROP TRIGGER audit_ends_stay`

func TestAuditVerifyNamesTheEntryThatWasTamperedWith(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement, want string
	}{
		"changed":            {"UPDATE audit SET actor = 'key:somebody' WHERE number = 3", "entry 3: is not as it was written"},
		"time changed":       {"UPDATE audit SET at = at + 1 WHERE number = 3", "entry 3: "},
		"deleted":            {"DELETE FROM audit WHERE number = 3", "entry 3: is missing"},
		"inserted":           {"UPDATE audit SET number = number + 100 WHERE number > 3; INSERT INTO audit SELECT app_id, 4, at, action, actor, origin, 'made up', detail, trace, sealed, prev, hash FROM audit WHERE number = 3; UPDATE audit SET number = number - 99 WHERE number > 100; UPDATE audit_ends SET head = 6", "entry 4: does not follow"},
		"reordered":          {"UPDATE audit SET number = 100 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 100", "entry 3: does not follow"},
		"truncated":          {"DELETE FROM audit WHERE number > 3", "entry 4: is missing"},
		"emptied":            {"DELETE FROM audit", "entry 1: is missing"},
		"beginning cut off":  {"DELETE FROM audit WHERE number < 3", "entry 1: is missing"},
		"beginning cut well": {"UPDATE audit_ends SET foot = 2, foot_hash = (SELECT hash FROM audit WHERE number = 2); DELETE FROM audit WHERE number < 3", "entry 2: and those before it are missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := sealing(t, "")
			if code, out, stderr := run(t, "audit", "verify", "--data", dir); code != 0 || !strings.HasPrefix(out, "whole: entries 1 to 5, sealed with sha256\nhead: ") {
				t.Fatalf("exit code %d, %q, %q", code, out, stderr)
			}
			tamper(t, dir, withoutTriggers, c.statement)
			if code, out, stderr := run(t, "audit", "verify", "--data", dir); code != 1 || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, %q, %q, want %q", code, out, stderr, c.want)
			}
		})
	}
}

// TestAuditHeadAndKeyProveMore than the plain chain, which whoever writes the database can cut at its end.
func TestAuditHeadAndKeyProveMore(t *testing.T) {
	t.Parallel()
	dir := sealing(t, "")
	_, head, _ := run(t, "audit", "head", "--data", dir)
	fields := strings.Fields(head)
	if len(fields) != 3 || fields[0] != "5" || len(fields[1]) != 64 {
		t.Fatalf("the head is %q", head)
	}
	if code, _, stderr := run(t, "audit", "verify", "--data", dir, "--head", fields[1]); code != 0 {
		t.Errorf("with its head: %q", stderr)
	}
	tamper(t, dir, withoutTriggers, "DELETE FROM audit WHERE number = 5",
		"UPDATE audit_ends SET head = 4, head_hash = (SELECT hash FROM audit WHERE number = 4), head_at = (SELECT at FROM audit WHERE number = 4)")
	if code, _, stderr := run(t, "audit", "verify", "--data", dir); code != 0 {
		t.Errorf("an end that was cut off well cannot be seen: %q", stderr)
	}
	if code, _, stderr := run(t, "audit", "verify", "--data", dir, "--head", fields[1]); code != 1 || !strings.Contains(stderr, fields[1]) {
		t.Errorf("with a head that is gone: exit code %d, %q", code, stderr)
	}

	secret := strings.Repeat("k", 40)
	file, wrong := filepath.Join(t.TempDir(), "audit.key"), filepath.Join(t.TempDir(), "wrong.key")
	for path, text := range map[string]string{file: secret + "\n", wrong: secret + "x\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir = sealing(t, secret)
	if code, out, stderr := run(t, "audit", "verify", "--data", dir, "--seal-key-file", file); code != 0 || !strings.Contains(out, "hmac-sha256:") {
		t.Errorf("with the key: exit code %d, %q, %q", code, out, stderr)
	}
	for _, args := range [][]string{nil, {"--seal-key-file", wrong}} {
		if code, _, stderr := run(t, append([]string{"audit", "verify", "--data", dir}, args...)...); code != 1 || !strings.Contains(stderr, "entry 1: is sealed with hmac-sha256:") {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
	tamper(t, dir, withoutTriggers, "UPDATE audit SET sealed = 'sha256'")
	if code, _, stderr := run(t, "audit", "verify", "--data", dir, "--seal-key-file", file); code != 1 || !strings.Contains(stderr, "entry 1: ") {
		t.Errorf("without its seals: exit code %d, %q", code, stderr)
	}
	db, err := os.ReadFile(filepath.Join(dir, "headsup.db"))
	if err != nil || strings.Contains(string(db), secret) {
		t.Errorf("the key is in the database: %v", err)
	}
}

// TestAKeyIsWantedFromTheBeginning: a log that was sealed, made anew without the key, has sealed entries again when the
// server goes on.
func TestAKeyIsWantedFromTheBeginning(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.key")
	if err := os.WriteFile(file, []byte(strings.Repeat("k", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	runs(t, server.Config{DataDir: dir}, func() {
		if code, _, stderr := run(t, "audit", "verify", "--data", dir, "--seal-key-file", file); code != 1 || !strings.Contains(stderr, "entry 1: is sealed without a key, and one was given") {
			t.Errorf("a plain log: exit code %d, %q", code, stderr)
		}
	})
	runs(t, server.Config{DataDir: dir, Audit: server.Audit{Key: strings.Repeat("k", 40)}}, func() {
		for _, c := range []struct {
			args string
			code int
			want string
		}{
			{"", 1, "entry 1: is sealed without a key, and one was given"},
			{"--plain-through 1", 1, "entry 2: is sealed without a key, and one was given"},
			{"--plain-through 2", 0, "whole: entries 1 to 2, sealed with sha256; 3 to 3, sealed with hmac-sha256:"},
			{"--plain-through=-1", 2, "--plain-through is the number of an entry"},
		} {
			args := append([]string{"audit", "verify", "--data", dir, "--seal-key-file", file}, strings.Fields(c.args)...)
			if code, out, stderr := run(t, args...); code != c.code || !strings.Contains(out+stderr, c.want) {
				t.Errorf("%q: exit code %d, %q, %q, want %q", c.args, code, out, stderr, c.want)
			}
		}
	})
	if code, _, stderr := run(t, "audit", "verify", "--data", dir, "--plain-through", "2"); code != 2 || !strings.Contains(stderr, "--seal-key-file") {
		t.Errorf("without a key: exit code %d, %q", code, stderr)
	}
}

// runs has a server while it does something.
func runs(t *testing.T, cfg server.Config, do func()) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	do()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAuditExportIsVerifiedWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := sealing(t, "")
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	if code, _, stderr := run(t, "audit", "export", file, "--data", dir); code != 0 {
		t.Fatal(stderr)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(raw), "\n"), "\n")
	var first api.AuditEntry
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 5 || first.Action != "server.start" || first.Actor != "server" {
		t.Fatalf("%d lines, %s, %v", len(lines), lines[0], err)
	}
	if code, out, stderr := run(t, "audit", "verify", "--file", file, "--json"); code != 0 || !strings.Contains(out, `"entries": 5`) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	for name, c := range map[string]struct{ text, want string }{
		"changed": {strings.Replace(string(raw), "key.create", "key.revoke", 1), "line 2: entry 2: is not as it was written"},
		"missing": {lines[0] + lines[2], "line 2: entry 2: is missing"},
		"garbage": {lines[0] + "x\n", "line 2 is no entry"},
		"more":    {strings.Replace(lines[0], "{", `{"x":1,`, 1), "line 1 is no entry"},
	} {
		other := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(other, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := run(t, "audit", "verify", "--file", other); code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q, want %q", name, code, stderr, c.want)
		}
	}
	_, list, _ := run(t, "audit", "list", "--data", dir, "--action", "key.", "--limit", "2")
	if rows := strings.Split(strings.TrimSpace(list), "\n"); len(rows) != 3 || !strings.HasPrefix(rows[1], "5 ") || !strings.Contains(rows[1], "  key.create  local  127.0.0.1  ") {
		t.Errorf("listed are\n%s", list)
	}
}

func TestRestoringIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	dir := sealing(t, "")
	backup, into := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "restored")
	for _, args := range [][]string{{"backup", backup, "--data", dir}, {"restore", backup, "--data", into}} {
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
	}
	s, err := server.New(t.Context(), server.Config{Listen: "127.0.0.1:0", DataDir: into})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	_, list, _ := run(t, "audit", "list", "--data", into, "--limit", "3", "--json")
	var got []string
	for line := range strings.SplitSeq(strings.TrimSpace(list), "\n") {
		var e api.AuditEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Action+" by "+e.Actor)
	}
	if want := "server.start by server, backup.restore by local, backup.make by local"; strings.Join(got, ", ") != want {
		t.Errorf("the log ends with %v, want %s", got, want)
	}
	if code, _, stderr := run(t, "audit", "verify", "--data", into); code != 0 {
		t.Errorf("the restored log: %s", stderr)
	}
}
