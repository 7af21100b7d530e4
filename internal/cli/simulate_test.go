package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/internal/cli"
	"github.com/headsup-bot/headsup/internal/pgtest"
)

// simulated is what the tests read of a result.
type simulated struct {
	Recipients int            `json:"recipients"`
	Delivered  int            `json:"delivered"`
	Duplicates int            `json:"duplicates"`
	Refused    int            `json:"refused"`
	Requests   int            `json:"requests"`
	Ops        map[string]int `json:"ops"`
	Statuses   map[string]int `json:"statuses"`
	Faults     map[string]int `json:"faults"`
	Urgent     int            `json:"urgent"`
	Tenants    []struct {
		Tenant    string `json:"tenant"`
		Delivered int    `json:"delivered"`
	} `json:"tenants"`
}

func simulation(t *testing.T, args ...string) (r simulated) {
	t.Helper()
	code, out, said := run(t, append([]string{"simulate", "--json", "--urgent", "0s"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, said)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSimulateTellsStrangers: people of Teams who have never met the bot, with the app and without.
func TestSimulateTellsStrangers(t *testing.T) {
	t.Parallel()
	r := simulation(t, "--teams", "--recipients", "40", "--without-app", "5")
	if r.Delivered != 40 || r.Duplicates != 0 || r.Refused != 0 || r.Ops["send"] != 40 || r.Ops["create"] < 40 {
		t.Errorf("result %+v", r)
	}
	for _, wrong := range [][]string{{"--without-app", "1"}, {"--teams", "--tenants", "2"}, {"--teams", "--channel", "http://x"}, {"--teams", "--recipients", "2", "--without-app", "3"}} {
		if code, _, said := run(t, append([]string{"simulate"}, wrong...)...); code != 2 {
			t.Errorf("%v: exit code %d: %s", wrong, code, said)
		}
	}
}

func TestSimulateTellsEverybody(t *testing.T) {
	t.Parallel()
	r := simulation(t, "--recipients", "90", "--tenants", "3")
	if r.Delivered != 90 || r.Duplicates != 0 || r.Refused != 0 || r.Requests != 90 || len(r.Tenants) != 3 {
		t.Errorf("result %+v", r)
	}
	for _, tenant := range r.Tenants {
		if tenant.Delivered != 30 {
			t.Errorf("tenant %+v", tenant)
		}
	}
}

// TestSimulateFaults: the seed decides which requests fail, and everybody is told all the same.
func TestSimulateFaults(t *testing.T) {
	t.Parallel()
	r := simulation(t, "--recipients", "40", "--fault", "20%:502", "--seed", "3")
	if r.Delivered != 40 || r.Duplicates != 0 || r.Faults["answer"] == 0 || r.Statuses["502"] != r.Faults["answer"] {
		t.Errorf("result %+v", r)
	}
}

func TestSimulatePrintsWhatPeopleSaw(t *testing.T) {
	t.Parallel()
	code, out, said := run(t, "simulate", "--recipients", "12", "--limit", "conversation:5/1s", "--urgent", "1ms", "--delay", "30ms")
	if code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, said)
	}
	for _, want := range []string{"12 of 12 recipients", "seen twice", "conversation 5 per 1s", "urgent", "tenant-1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

func TestSimulateSaysWhoWasNotTold(t *testing.T) {
	t.Parallel()
	rules := write(t, filepath.Join(t.TempDir(), "rules.json"), `[{"conversation": "a:person-2", "status": 404}]`)
	code, out, said := run(t, "simulate", "--recipients", "3", "--urgent", "0s", "--timeout", "2s", "--rules", rules)
	if code != 1 || !strings.Contains(out, "2 of 3 recipients") || said != "headsup: 1 recipient not told within 2s\n" {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
}

func TestSimulateRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--recipients", "0"}, {"--tenants", "0"}, {"--recipients", "1", "--tenants", "2"}, {"--urgent", "-1s"}, {"--limit", "x"},
		{"--limit", "planet:1/1s"}, {"--fault", "503"}, {"--fault", "200%:503"}, {"--fault", "1%:explode"}, {"--fault", "1%:reset_before"},
		{"--jitter", "1s"}, {"--nodes", "0"}, {"--nodes", "2"}, {"--database", "postgres://me:hunter2@127.0.0.1/x"},
	} {
		if code, out, said := run(t, append([]string{"simulate"}, args...)...); code != 2 || out != "" || strings.Count(said, "\n") != 1 || strings.Contains(said, "hunter2") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, said)
		}
	}
}

// TestFakeChannelServesAnotherProcess runs one and has a simulation use it.
func TestFakeChannelServesAnotherProcess(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, write := io.Pipe()
	var said bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, []string{"fake-channel", "--limit", "conversation:9/1s"}, strings.NewReader(""), write, &said)
		_ = write.Close()
	}()
	first := make([]byte, 256)
	n, err := read.Read(first)
	if err != nil {
		t.Fatal(err, said.String())
	}
	url := strings.TrimSpace(string(first[:n]))
	if r := simulation(t, "--recipients", "20", "--channel", url); r.Delivered != 20 || r.Requests != 20 {
		t.Errorf("result %+v", r)
	}
	stop()
	rest, err := io.ReadAll(read)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var report fakechannel.Report
	if err := json.Unmarshal(rest, &report); err != nil || report.Distinct != 20 {
		t.Errorf("it ended with %s: %v", rest, err)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, &said)
	}
}

// TestSimulateNodes: several share a database, which is gone afterwards, and together they keep within a limit.
func TestSimulateNodes(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Shared(t)
	server := cluster.Database(t)
	r := simulation(t, "--recipients", "60", "--limits", "teams", "--nodes", "3", "--database", server)
	if r.Delivered != 60 || r.Duplicates != 0 || r.Refused != 0 {
		t.Errorf("result %+v", r)
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'headsup_scratch_%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d databases were left behind, %v", left, err)
	}
}
