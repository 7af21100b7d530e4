package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestConfigCheckTellsWhatTheServerWouldTell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good.yaml"), "data: "+dir+"/never-made\n")
	if code, stdout, stderr := run(t, "config", "check", "--config", good); code != 0 || stdout != "the configuration is fine\n" || stderr != "" {
		t.Errorf("good: %d, %q, %q", code, stdout, stderr)
	}
	bad := write(t, filepath.Join(dir, "bad.yaml"), strings.Join([]string{
		"listen: everywhere", "public_url: http://localhost/x", "trusted_proxies: [10.0.0.0/33]",
		"tls:", "  cert_file: none.pem", "  key_file: none.key",
		"admin:", "  listen: 0.0.0.0:2", "trace:", "  endpoint: collector", "  sample: 2",
		"log_level: loud",
	}, "\n"))
	want := []string{
		"bad.yaml:12: log_level: ", "bad.yaml:1: listen: ", "bad.yaml:2: public_url: ", "bad.yaml:3: trusted_proxies: ",
		"bad.yaml:6: tls.key_file: ", "bad.yaml:8: admin.listen: ", "bad.yaml:10: trace.endpoint: ",
	}
	for _, args := range [][]string{{"config", "check"}, {"serve"}} {
		code, stdout, stderr := run(t, append(args, "--config", bad)...)
		if code != 2 || stdout != "" || strings.Count(stderr, "\n") < len(want) {
			t.Errorf("%v: %d, %q, %q", args, code, stdout, stderr)
		}
		for _, says := range want {
			if !strings.Contains(stderr, "headsup: "+says) {
				t.Errorf("%v does not say %q: %s", args, says, stderr)
			}
		}
	}
	code, stdout, _ := run(t, "config", "check", "--json", "--config", bad)
	var answer struct {
		OK       bool `json:"ok"`
		Problems []struct {
			Path   string `json:"path"`
			Origin struct {
				Source string `json:"source"`
				Line   int    `json:"line"`
			} `json:"origin"`
		} `json:"problems"`
	}
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatal(err, stdout)
	}
	if code != 2 || answer.OK || len(answer.Problems) < len(want) || answer.Problems[0].Path != "log_level" ||
		answer.Problems[0].Origin.Source != "file" || answer.Problems[0].Origin.Line != 12 {
		t.Errorf("%d, %s", code, stdout)
	}
}

// TestDiskReserveBesideADatabase: one that somebody has asked for is refused where it was asked for; the default says nothing.
func TestDiskReserveBesideADatabase(t *testing.T) {
	t.Parallel()
	database := "database: postgres://headsup@db.example/headsup\n"
	for name, c := range map[string]struct {
		lines string
		code  int
		says  string
	}{
		"Default": {"", 0, ""},
		"None":    {"disk_reserve: 0\n", 0, ""},
		"Some":    {"disk_reserve: 32\n", 2, "h.yaml:2: disk_reserve: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, filepath.Join(t.TempDir(), "h.yaml"), database+c.lines)
			code, _, stderr := run(t, "config", "check", "--config", file)
			if code != c.code || !strings.Contains(stderr, c.says) || c.says == "" && stderr != "" {
				t.Errorf("exit code %d, %q", code, stderr)
			}
		})
	}
}

func TestConfigPrintShowsWhatIsInEffect(t *testing.T) {
	t.Setenv("HEADSUP_DIRECTLINE_SECRET", strings.Repeat("hunter2-", 4))
	config := write(t, filepath.Join(t.TempDir(), "h.yaml"), "admin:\n  listen: off\n")
	code, stdout, stderr := run(t, "config", "print", "--config", config, "--data", "d")
	if code != 0 || stderr != "" || strings.Contains(stdout, "hunter2") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	for _, row := range []string{"data d --data", "directline_secret [redacted] HEADSUP_DIRECTLINE_SECRET", "admin.listen off h.yaml:2", "log_level info default"} {
		found := false
		for line := range strings.Lines(stdout) {
			found = found || strings.Join(strings.Fields(line), " ") == row
		}
		if !found {
			t.Errorf("no row %q in\n%s", row, stdout)
		}
	}
	_, stdout, _ = run(t, "config", "print", "--json")
	if !strings.Contains(stdout, `"path": "directline_secret"`) || strings.Contains(stdout, "hunter2") {
		t.Errorf("as JSON: %s", stdout)
	}
}

func TestMisspeltVariablesAreTold(t *testing.T) {
	t.Setenv("HEADSUP_SERVR", "http://127.0.0.1:1")
	for _, args := range [][]string{{"send", "--everyone", "x"}, {"serve"}, {"config", "check"}} {
		code, _, stderr := run(t, args...)
		if code != 2 || !strings.Contains(stderr, "headsup: HEADSUP_SERVR: no setting has this name; did you mean HEADSUP_SERVER?\n") {
			t.Errorf("%v: %d, %q", args, code, stderr)
		}
	}
	if code, _, stderr := run(t, "version"); code != 0 {
		t.Errorf("version: %q", stderr)
	}
}
