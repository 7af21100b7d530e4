//go:build unix

package cli_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/internal/doctor"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/store/postgres"
)

// process is the server as a process of its own.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

// serves starts the server of a clinic.
func (c *clinic) serves() *process {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(c.t.Context(), self, "serve", "--config", c.config())}
	p.Env = append(os.Environ(), "CLI_TEST_PROGRAM=1")
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { p.end(os.Interrupt) })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "headsup: listening on ") {
		p.end(os.Kill)
		c.t.Fatalf("%q, %v: %s", line, err, &p.stderr)
	}
	return p
}

// end ends the process, if it runs, and waits for it.
func (p *process) end(by os.Signal) {
	if p.ProcessState == nil {
		_ = p.Process.Signal(by)
		_ = p.Wait() // what it says matters to nobody
	}
}

// files are the names and contents of what is in the data directory.
func (c *clinic) files() map[string]string {
	c.t.Helper()
	found := map[string]string{}
	all, err := os.ReadDir(c.data())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range all {
		if e.IsDir() {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(c.data(), e.Name()))
		if err != nil {
			c.t.Fatal(err)
		}
		found[e.Name()] = fmt.Sprintf("%x", sha256.Sum256(raw))
	}
	return found
}

// TestDoctorBesideARunningServer finds it well, and it stays so; and after it was killed, and after it has ended.
func TestDoctorBesideARunningServer(t *testing.T) {
	t.Parallel()
	c := newClinic(t, fakechannel.Config{RequireToken: true})
	c.knows(c.channel.ServiceURL(openTenant), book.SourceClaim)
	before := c.files()
	if _, wrong := c.examine(); len(wrong) > 0 {
		t.Errorf("before it runs: %v", wrong)
	}
	if after := c.files(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("changed, before it runs: %v to %v", before, after)
	}
	c.settings["admin.listen"] = "127.0.0.1:0"
	p := c.serves()
	for range 3 {
		if _, wrong := c.examine(); len(wrong) > 0 {
			t.Errorf("while it runs: %v", wrong)
		}
	}
	_, stdout, _ := run(t, "doctor", "--config", c.config())
	for _, want := range []string{"ok    server.running ", "ok    server.version ", "ok    server.ready           ready\n", "ok    server.pauses          none\n", "ok    server.failures ", "ok    server.queue "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no line with %q:\n%s", want, stdout)
		}
	}
	p.end(os.Kill)
	before = c.files()
	_, wrong := c.examine()
	if len(wrong) != 1 || wrong[0].ID != "server.running" || wrong[0].Fault != "silent" || !strings.Contains(wrong[0].Do, "start it again") {
		t.Errorf("after it was killed: %v", wrong)
	}
	after := c.files()
	for _, name := range []string{"headsup.db", "headsup.db-wal", "admin.key"} {
		if before[name] == "" || before[name] != after[name] {
			t.Errorf("changed, after it was killed: %s", name)
		}
	}
	p = c.serves()
	p.end(os.Interrupt)
	if !p.ProcessState.Success() {
		t.Errorf("it ends with %v: %s", p.ProcessState, &p.stderr)
	}
	before = c.files()
	if _, wrong := c.examine(); len(wrong) > 0 {
		t.Errorf("after it has ended: %v", wrong)
	}
	if after := c.files(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("changed, after it has ended: %v to %v", before, after)
	}
}

// TestDoctorFindsWhatIsWrongWithAServer that runs; here one that says what the test wants.
func TestDoctorFindsWhatIsWrongWithAServer(t *testing.T) {
	t.Parallel()
	healthy := map[string]string{
		"/healthz": "ok", "/openapi.json": `{"info":{"version":"VERSION"}}`, "/readyz": `{"ready":true}`, "/v1/pauses": `{"pauses":[],"total":0}`,
		"/v1/deliveries": `{"deliveries":[]}`, "/metrics": "# HELP x\nheadsup_queue_oldest_seconds 3\n",
	}
	now := time.Now()
	delivery := func(state, reason string, at time.Time) string {
		return fmt.Sprintf(`{"id":"dlv_1","state":%q,"reason":%q,"created_at":%q,"updated_at":%[3]q,"history":[]}`, state, reason, at.UTC().Format(time.RFC3339))
	}
	pause := func(level, reason string) string {
		return fmt.Sprintf(`{"pauses":[{"id":"pau_1","level":%q,"channel":"msteams","state":"paused","until":"2026-11-21T20:00:00Z","reason":%q,"times":1}],"total":3}`, level, reason)
	}
	for name, c := range map[string]struct {
		path, answer string
		want         string // check, fault, and part of what was found and of what to do
	}{
		"nothing":                 {"/metrics", "headsup_queue_oldest_seconds 0\n", ""},
		"no health":               {"/healthz", "", "server.running silent: 503: start it again"},
		"another version":         {"/openapi.json", `{"info":{"version":"0.0.1"}}`, "server.version differs: 0.0.1: start the server again"},
		"stopping":                {"/readyz", `{"ready":false,"reasons":["draining","store_slow"]}`, "server.ready not_ready: draining, store_slow: log"},
		"no admin listener":       {"/readyz", "<html>", "server.ready silent: 127.0.0.1: log"},
		"token refused":           {"/v1/pauses", pause("bot", "unauthorized"), "server.pauses bot: unauthorized; and 2 more: identity.token"},
		"host away":               {"/v1/pauses", pause("host", "unreachable"), "server.pauses host: unreachable: service.host"},
		"throttled":               {"/v1/pauses", pause("tenant", "throttled"), "server.pauses throttled: until 20:00:00: wait"},
		"failures":                {"/v1/deliveries", `{"deliveries":[` + delivery("failed", "not_found", now) + `,` + delivery("failed", "blocked", now.Add(-2*time.Hour)) + `]}`, "server.failures some: 2 in the last hour: not_found 2: replay"},
		"failures of yesterday":   {"/v1/deliveries", `{"deliveries":[` + delivery("failed", "not_found", now.Add(-24*time.Hour)) + `]}`, ""},
		"a queue that grows old":  {"/metrics", "headsup_queue_oldest_seconds 200.5\n", "server.queue old: 3m: performance.md"},
		"a queue that stands":     {"/metrics", "headsup_queue_oldest_seconds 7e3\n", "server.queue stuck: 1h56m40s: log"},
		"a server that tells not": {"/v1/deliveries", `{"x":`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, version, _ := run(t, "version")
			version = strings.TrimPrefix(strings.Fields(version + " x")[0]+" "+strings.Join(strings.Fields(version)[1:2], ""), "headsup ")
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := healthy[r.URL.Path]
				if r.URL.Path == c.path {
					answer = c.answer
				}
				if answer == "" {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprint(w, strings.ReplaceAll(answer, "VERSION", version))
			}))
			defer s.Close()
			clinic := newClinic(t, fakechannel.Config{})
			clinic.directLineOnly()
			if err := os.Mkdir(clinic.data(), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := adminkey.Write(clinic.data(), adminkey.Entry{Secret: access.NewLocal(), URL: s.URL, Admin: s.URL}); err != nil {
				t.Fatal(err)
			}
			_, wrong := clinic.examine()
			if c.want == "" {
				if len(wrong) > 0 {
					t.Errorf("finds %v", wrong)
				}
				return
			}
			head, rest, _ := strings.Cut(c.want, ": ")
			i := strings.LastIndex(rest, ": ")
			if len(wrong) != 1 || wrong[0].ID+" "+wrong[0].Fault != head || !strings.Contains(wrong[0].Found, rest[:i]) || !strings.Contains(wrong[0].Do, rest[i+2:]) {
				t.Errorf("finds %v, want %q", wrong, c.want)
			}
		})
	}
}

// TestDoctorFindsSecretsThatOthersCanRead, and a server's that this user may not.
func TestDoctorFindsSecretsThatOthersCanRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *clinic) (path string){
		"azure.secret_file":      func(c *clinic) string { return c.settings["azure.secret_file"] },
		"directline_secret_file": func(c *clinic) string { return c.file("dl", hiddenMark) },
		"azure.certificate_file": func(c *clinic) string {
			c.certified(-time.Hour, 9000*time.Hour)
			return c.settings["azure.certificate_file"]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, fakechannel.Config{})
			path := change(c)
			c.settings[name] = path
			for p, mode := range map[string]os.FileMode{path: 0o644, c.dir: 0o755, filepath.Dir(c.dir): 0o755} {
				if err := os.Chmod(p, mode); err != nil {
					t.Fatal(err)
				}
			}
			code, wrong := c.examine()
			if code != 1 || len(wrong) != 1 || wrong[0].ID != "config.secrets" || wrong[0].Fault != "open_to_others" || wrong[0].Subject != name || !strings.HasPrefix(wrong[0].Do, "chmod 600 "+path+",") {
				t.Errorf("%d, %v", code, wrong)
			}
		})
	}
	c := newClinic(t, fakechannel.Config{})
	p := c.serves()
	if err := os.Chmod(filepath.Join(c.data(), adminkey.FileName), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, wrong := c.examine(); len(wrong) != 1 || wrong[0].Fault != "closed" {
		t.Errorf("a secret for commands that is open: %v", wrong)
	}
	p.end(os.Interrupt)
}

// over moves a clinic's installation into a database.
func (c *clinic) over(address string) {
	c.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		c.t.Fatal(err)
	}
	if password, has := u.User.Password(); has {
		c.settings["database_password_file"] = c.file("password", password)
		u.User = url.User(u.User.Username())
	}
	c.settings["database"] = "'" + u.String() + "'"
}

// TestDoctorLooksAtPostgreSQL: its hosts, its tables, and what others do there.
func TestDoctorLooksAtPostgreSQL(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Shared(t)
	healthy := func(t *testing.T) (c *clinic, address string) {
		t.Helper()
		c = newClinic(t, fakechannel.Config{RequireToken: true})
		address = cluster.NetworkURL(pgtest.Name(cluster.Database(t)))
		store, err := postgres.Open(t.Context(), postgres.Config{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		if _, err := store.Sight(t.Context(), sighting(c.channel.ServiceURL(openTenant), book.SourceClaim)); err != nil {
			t.Fatal(err)
		}
		c.over(address)
		return c, address
	}
	// other is an address of the same database with something else in it.
	other := func(t *testing.T, address string, change func(*url.URL)) string {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for name, a := range map[string]struct {
		change func(t *testing.T, c *clinic, address string)
		want   []string
	}{
		"nothing":           {func(*testing.T, *clinic, string) {}, nil},
		"an empty database": {func(t *testing.T, c *clinic, _ string) { c.over(cluster.NetworkURL(pgtest.Name(cluster.Database(t)))) }, nil},
		"a host that is away": {func(t *testing.T, c *clinic, address string) {
			c.over(other(t, address, func(u *url.URL) { u.Host = "127.0.0.1:1," + u.Host }))
		}, []string{"database.hosts down: take it out of database"}},
		"a wrong password": {func(_ *testing.T, c *clinic, _ string) {
			c.settings["database_password_file"] = c.file("wrong", "wrong-"+hiddenMark)
		}, []string{"database.open login: database_password", "database.hosts down: "}},
		"no such database": {func(t *testing.T, c *clinic, address string) {
			c.over(other(t, address, func(u *url.URL) { u.Path = "/none" }))
		}, []string{"database.open login: pg_hba.conf", "database.hosts down: "}},
		"one that takes no writes": {func(t *testing.T, _ *clinic, address string) {
			cluster.Exec(t, pgtest.Name(address), "ALTER DATABASE "+pgx.Identifier{pgtest.Name(address)}.Sanitize()+" SET default_transaction_read_only = on")
		}, []string{"database.open no_primary: promote one"}},
		"a later version": {func(t *testing.T, _ *clinic, address string) {
			cluster.Exec(t, pgtest.Name(address), "INSERT INTO headsup_schema (version_id, is_applied) VALUES (99, true)")
		}, []string{"database.schema newer: run the newer version"}},
		"a role without rights": {func(t *testing.T, c *clinic, address string) {
			role := "reader_" + pgtest.Name(address)
			cluster.Exec(t, pgtest.Name(address), "CREATE ROLE "+role+" LOGIN PASSWORD '"+hiddenMark+"'")
			t.Cleanup(func() { cluster.Exec(t, pgtest.Name(address), "DROP OWNED BY "+role+"; DROP ROLE "+role) })
			cluster.Exec(t, pgtest.Name(address), "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+role)
			c.over(other(t, address, func(u *url.URL) { u.User = url.UserPassword(role, hiddenMark) }))
		}, []string{"database.writable read_only: deploy/postgres.sql"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, address := healthy(t)
			a.change(t, c, address)
			_, wrong := c.examine()
			fits := len(wrong) == len(a.want)
			for i := 0; fits && i < len(wrong); i++ {
				head, do, _ := strings.Cut(a.want[i], ": ")
				fits = wrong[i].ID+" "+wrong[i].Fault == head && strings.Contains(wrong[i].Do, do)
			}
			if !fits {
				t.Errorf("finds\n%v\nwant %q", wrong, a.want)
			}
		})
	}
	t.Run("a transaction of another program", func(t *testing.T) {
		t.Parallel()
		c, address := healthy(t)
		conn, err := pgx.Connect(t.Context(), other(t, address, func(u *url.URL) { u.RawQuery += "&application_name=report" }))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		if _, err := conn.Exec(t.Context(), "BEGIN; SELECT 1"); err != nil {
			t.Fatal(err)
		}
		examined := doctor.Config{Offline: true, LongTransaction: time.Nanosecond}
		examined.Loaded.Database, examined.Loaded.Data = address, t.TempDir()
		report := doctor.Examine(t.Context(), examined)
		i := slices.IndexFunc(report.Checks, func(r doctor.Result) bool { return r.Fault == "held_open" })
		if i < 0 || !strings.Contains(report.Checks[i].Found, `"report" of `) || !strings.Contains(report.Checks[i].Do, fmt.Sprintf("pg_terminate_backend(%d)", conn.PgConn().PID())) {
			t.Errorf("%+v", report.Checks)
		}
		if _, wrong := c.examine(); len(wrong) > 0 {
			t.Errorf("one that has just begun: %v", wrong)
		}
	})
}

// TestDoctorHidesWhatOthersSay of secrets, whatever it is configured with.
func TestDoctorHidesWhatOthersSay(t *testing.T) {
	t.Parallel()
	var cfg doctor.Config
	cfg.Loaded.Data, cfg.Offline = t.TempDir(), true
	cfg.Loaded.DirectLineSecret = config.NewSecret("open-" + hiddenMark)
	cfg.Problems = config.Problems{{Path: "log_level", Message: "is open-" + hiddenMark + ", or Bearer SECRET-aad-XYZ123, or eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.c2ln, or hup_0123456789ab_secret"}}
	for _, r := range doctor.Examine(t.Context(), cfg).Checks {
		for _, mark := range []string{hiddenMark, "XYZ123", "eyJ", "c2ln", "hup_"} {
			if strings.Contains(r.Found+r.Do+r.Subject, mark) {
				t.Errorf("it tells %s: %+v", mark, r)
			}
		}
		if r.Fault == "invalid" && strings.Count(r.Found, "[redacted]") != 4 {
			t.Errorf("%+v", r)
		}
	}
}
