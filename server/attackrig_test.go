package server_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/server"
)

// canary listens where nobody may ever come.
type canary struct {
	listener net.Listener
	hits     atomic.Int64
	done     chan struct{}
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &canary{listener: l, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.hits.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-c.done
		if n := c.hits.Load(); n > 0 {
			t.Errorf("the canary was visited %d times", n)
		}
	})
	return c
}

func (c *canary) address() string { return c.listener.Addr().String() }

func (c *canary) port() string { _, port, _ := net.SplitHostPort(c.address()); return port }

// quietly is still true while nobody has come.
func (c *canary) quietly(t *testing.T) {
	t.Helper()
	if n := c.hits.Swap(0); n > 0 {
		t.Errorf("the canary was visited %d times", n)
	}
}

// besieged is the real binary as it stands on the internet: registered in Azure, so that channels prove who they are, with a
// public URL, so that the API asks for keys. Its environment names the canary as a proxy for everything.
type besieged struct {
	*process
	azure  azure
	forger *fakelogin.Forger
	canary *canary
	db     *sql.DB
	key    string // may do everything
}

// forgers is what forges tokens, whose keys take long to make.
var forgers = sync.OnceValue(func() *fakelogin.Forger { return fakelogin.NewForger(azureApp, azureTenant, "") })

// besiege starts the binary. The registration may be changed before.
func besiege(t *testing.T, change func(*server.Azure), args ...string) *besieged {
	t.Helper()
	return besiegeAt(t, newAzure(t), change, args...)
}

func besiegeAt(t *testing.T, a azure, change func(*server.Azure), args ...string) *besieged {
	t.Helper()
	return besiegeOn(t, a, build(t), change, args...)
}

// besiegeOn does so with the data of a program.
func besiegeOn(t *testing.T, a azure, p *program, change func(*server.Azure), args ...string) *besieged {
	t.Helper()
	b := &besieged{azure: a, canary: newCanary(t), forger: forgers().At(a.channel.ServiceURL(azureTenant) + "/")}
	b.forger.Publish(a.login)
	cfg := a.config()
	cfg.EntraMetadataURL = a.login.Cloud().EntraMetadata
	if change != nil {
		change(&cfg)
	}
	proxy := "http://" + b.canary.address()
	p.env = append(environment(cfg), "HTTP_PROXY="+proxy, "HTTPS_PROXY="+proxy, "http_proxy="+proxy, "https_proxy="+proxy,
		"ALL_PROXY="+proxy, "NO_PROXY=", "no_proxy=")
	b.process = launch(t, p, append([]string{"--public-url", public, "--log-level", "debug"}, args...)...)
	t.Cleanup(func() {
		if b.cmd != nil {
			_ = b.cmd.Process.Kill()
			_ = b.exit()
		}
	})
	e, err := adminkey.Read(p.data)
	if err != nil {
		t.Fatal(err)
	}
	b.key = e.Secret.Reveal()
	b.open()
	return b
}

// environment is a registration as variables.
func environment(cfg server.Azure) []string {
	env := []string{
		"HEADSUP_AZURE_APP_ID=" + cfg.AppID, "HEADSUP_AZURE_TENANT=" + cfg.Tenant, "HEADSUP_AZURE_SECRET=" + cfg.Secret,
		"HEADSUP_AZURE_SERVICE_HOSTS=" + strings.Join(cfg.ServiceHosts, ","), "HEADSUP_AZURE_ROOTS_FILE=" + cfg.RootsFile,
		"HEADSUP_AZURE_LOGIN_URL=" + cfg.LoginURL, "HEADSUP_AZURE_METADATA_URL=" + cfg.MetadataURL,
		"HEADSUP_AZURE_ENTRA_METADATA_URL=" + cfg.EntraMetadataURL, "HEADSUP_AZURE_CALLERS=" + strings.Join(cfg.Callers, ","),
		"HEADSUP_AZURE_TENANTS=" + strings.Join(cfg.Tenants, ","),
	}
	if cfg.Emulator {
		env = append(env, "HEADSUP_AZURE_EMULATOR=true")
	}
	return env
}

// open opens the database beside the server, to read.
func (b *besieged) open() {
	b.t.Helper()
	file := url.URL{Scheme: "file", Path: filepath.Join(b.data, "headsup.db"), RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		b.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.db = db
	b.t.Cleanup(func() { _ = db.Close() })
}

// ask posts to the messaging endpoint by hand, since no client sends some of these headers.
func (b *besieged) ask(authorization []string, body string) (*http.Response, string) {
	b.t.Helper()
	var raw strings.Builder
	raw.WriteString("POST /api/messages HTTP/1.1\r\nHost: " + b.listen + "\r\nContent-Type: application/json\r\nConnection: close\r\n")
	for _, value := range authorization {
		raw.WriteString("Authorization: " + value + "\r\n")
	}
	raw.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	return b.wire(raw.String())
}

// wire sends bytes and reads one answer. One that comes while the bytes are being sent counts too.
func (b *besieged) wire(text string) (*http.Response, string) {
	b.t.Helper()
	conn, err := new(net.Dialer).DialContext(b.t.Context(), "tcp", b.listen)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, text) // the server may have heard enough
	}()
	defer func() { <-sent }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.t.Fatalf("no answer to %.100q: %v", text, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = conn.Close()
	return resp, string(answer)
}

// encode is an activity as it is posted.
func (b *besieged) encode(a *activity.Activity) string {
	b.t.Helper()
	body, err := activity.Encode(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

// welcome has the channel write as it should, in a conversation.
func (b *besieged) welcome(conversation activity.ConversationID, id string) {
	b.t.Helper()
	resp, answer := b.ask(fakelogin.Bearer(b.forger.Good()), b.encode(b.message(conversation, id)))
	if resp.StatusCode/100 != 2 {
		b.t.Fatalf("a channel with a good token: %s %s", resp.Status, answer)
	}
}

// message is what a person says.
func (b *besieged) message(conversation activity.ConversationID, id string) *activity.Activity {
	return b.forger.Activity(func(a *activity.Activity) {
		a.ID, a.Conversation.ID = activity.ID(id), conversation
		a.From, a.Recipient = &activity.ChannelAccount{ID: "29:ann"}, &activity.ChannelAccount{ID: "28:bot"}
		a.Conversation.ConversationType = activity.ConversationPersonal
	})
}

// tables is the content of the database, row by row.
type tables map[string]map[string]int

// dump reads the whole database, but for tables that are left out, and the audit log, in which refusals may be noted.
func (b *besieged) dump(without ...string) tables {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	tx, err := b.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	all := make(tables)
	for _, row := range b.rows(ctx, tx, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`) {
		name := row[0].(string)
		if slices.Contains(without, name) || strings.HasPrefix(name, "audit") {
			continue
		}
		all[name] = make(map[string]int)
		for _, row := range b.rows(ctx, tx, `SELECT * FROM "`+name+`"`) {
			all[name][fmt.Sprintf("%q", row)]++
		}
	}
	return all
}

func (b *besieged) rows(ctx context.Context, tx *sql.Tx, query string) (all [][]any) {
	b.t.Helper()
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		b.t.Fatal(err)
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// counted reports whether a row is what the audit log has of callers who were refused, by their number, and of servers.
func counted(table, row string) bool {
	return table == "audit_ends" || table == "audit" && (strings.Contains(row, `"refused.`) || strings.Contains(row, `"server.`))
}

// changes are the rows that came and went, but for what is only counted.
func (before tables) changes(after tables) (list []string) {
	for name := range after {
		for row, n := range after[name] {
			if before[name][row] < n && !counted(name, row) {
				list = append(list, fmt.Sprintf("%s has now %.300s", name, row))
			}
		}
		for row, n := range before[name] {
			if after[name][row] < n && !counted(name, row) {
				list = append(list, fmt.Sprintf("%s had before %.300s", name, row))
			}
		}
	}
	slices.Sort(list)
	return list
}

// contains reports whether a text is in any table.
func (before tables) contains(text string) (where string, found bool) {
	for name, rows := range before {
		for row := range rows {
			if strings.Contains(row, text) {
				return name, true
			}
		}
	}
	return "", false
}

// unchanged fails the test if a refusal has left something in the database.
func (b *besieged) unchanged(t *testing.T, before tables, without ...string) {
	t.Helper()
	if changes := before.changes(b.dump(without...)); len(changes) > 0 {
		t.Errorf("the database has changed: %s", strings.Join(changes, "; "))
	}
}

// counted reads a counter of /metrics, all labels together that begin as given.
func (b *besieged) counted(name string) (sum int) {
	b.t.Helper()
	resp, err := http.Get(b.admin + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		if line := in.Text(); strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				b.t.Fatal(err)
			}
			sum += int(n)
		}
	}
	return sum
}

// logged returns the lines with a message.
func (b *besieged) logged(message string) (lines []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		if line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// neverLogged fails the test if a text is anywhere in the log.
func (b *besieged) neverLogged(t *testing.T, texts ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.raw {
		for _, text := range texts {
			if text != "" && strings.Contains(line, text) {
				t.Errorf("%.40s is in the log: %.500s", text, line)
			}
		}
	}
}

// tries starts the binary. If it does not come up it returns what that has said.
func (p *program) tries(args ...string) (said string, up bool) {
	p.t.Helper()
	args = append([]string{"serve", "--listen", p.listen, "--data", p.data, "--admin-listen", "off", "--log-format", "json"}, args...)
	cmd := exec.CommandContext(p.t.Context(), p.binary, args...)
	cmd.Env = append(os.Environ(), p.env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var lines strings.Builder
	drained := make(chan struct{})
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
	})
	listening := make(chan string, 1)
	go func() {
		defer close(drained)
		defer close(listening)
		in := bufio.NewScanner(stderr)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var line struct{ Msg, Listen string }
			if json.Unmarshal(in.Bytes(), &line, json.MatchCaseInsensitiveNames(true)) == nil && line.Msg == "started" {
				listening <- line.Listen
				continue
			}
			lines.WriteString(in.Text() + "\n")
		}
		_ = cmd.Wait()
	}()
	p.listen, up = <-listening
	if up {
		return "", true
	}
	<-drained
	if cmd.ProcessState.Success() {
		p.t.Error("it ends as if all was well")
	}
	return lines.String(), false
}

// api calls the API with a key.
func (b *besieged) api(key, method, path, body string, header ...string) (status int, answer string) {
	b.t.Helper()
	resp, answer := request(b.t, method, "http://"+b.listen+path, body, append(header, "Authorization", "Bearer "+key)...)
	return resp.StatusCode, answer
}

// newKey makes a key with a scope.
func (b *besieged) newKey(scope string) (id, secret string) {
	b.t.Helper()
	var made struct{ ID, Secret string }
	status, answer := b.api(b.key, http.MethodPost, "/v1/keys", fmt.Sprintf(`{"name":%q,"scopes":[%q]}`, scope, scope))
	if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusCreated {
		b.t.Fatalf("%d %s %v", status, answer, err)
	}
	return made.ID, made.Secret
}

// over waits until a notification has come to its end, and returns its state and reason.
func (b *besieged) over(id string) (state, reason string) {
	b.t.Helper()
	var n struct {
		State      string
		Deliveries []struct{ Reason string }
	}
	eventually(b.t, func() string { return fmt.Sprintf("%s is %+v", id, n) }, func() bool {
		_, answer := b.api(b.key, http.MethodGet, "/v1/notifications/"+id, "")
		if err := json.Unmarshal([]byte(answer), &n, json.MatchCaseInsensitiveNames(true)); err != nil {
			b.t.Fatal(err)
		}
		return !slices.Contains([]string{"scheduled", "ready", "held", "sending"}, n.State)
	})
	if len(n.Deliveries) > 0 {
		reason = n.Deliveries[0].Reason
	}
	return n.State, reason
}

// secretFile is a file that only its owner can read.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
