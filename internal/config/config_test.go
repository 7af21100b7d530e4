package config_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"

	"github.com/headsup-bot/headsup/internal/config"
)

// load reads a configuration from flags, an environment and a file.
func load(t *testing.T, args, environ []string, file string) (config.Loaded, error) {
	t.Helper()
	l := config.NewLoader(environ)
	var grammar struct {
		Serve  config.Flags `cmd:""`
		Remote struct {
			Server string `env:"HEADSUP_SERVER"`
		} `cmd:""`
	}
	k, err := kong.New(&grammar, kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	l.Attach(k)
	args = append([]string{"serve"}, args...)
	if file != "" {
		args = append(args, "--config", write(t, "headsup.yaml", file, 0o600))
	}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
	return l.Load()
}

func write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// exposed is a file that everybody on the machine can read.
func exposed(t *testing.T, name, content string) string {
	t.Helper()
	path := write(t, name, content, 0o644)
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestFlagThenEnvironmentThenFileThenDefault(t *testing.T) {
	t.Parallel()
	file := "listen: file:1\ndata: file\nlog_level: warn\nadmin:\n  listen: file:2\ntrusted_proxies: [10.0.0.0/8, '::1']\ndemo: yes\ndrain_timeout: 3s\n"
	environ := []string{"HEADSUP_LISTEN=env:1", "HEADSUP_DATA=env", "HEADSUP_ADMIN_LISTEN=", "HEADSUP_TRACE_SAMPLE=0.25", "PATH=/bin"}
	c, err := load(t, []string{"--listen", "flag:1", "--admin-pprof"}, environ, file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"listen": "flag:1 --listen", "data": "env HEADSUP_DATA", "log_level": "warn headsup.yaml:3",
		"admin.listen": "file:2 headsup.yaml:5", "admin.pprof": "true --admin-pprof", "trace.sample": "0.25 HEADSUP_TRACE_SAMPLE",
		"trusted_proxies": "10.0.0.0/8,::1 headsup.yaml:6", "demo": "jobs headsup.yaml:7", "log_format": "text default",
		"drain_timeout": "3s headsup.yaml:8",
	}
	for _, v := range c.Values() {
		if got := v.Value + " " + v.Origin.String(); want[v.Path] != "" && got != want[v.Path] {
			t.Errorf("%s is %q, want %q", v.Path, got, want[v.Path])
		}
	}
	if c.Listen != "flag:1" || c.Admin.Listen != "file:2" || c.DrainTimeout != 3*time.Second || c.Demo != "jobs" || len(c.TrustedProxies) != 2 {
		t.Errorf("read %+v", c.Serve)
	}
}

// TestDemoMayGoWithoutAName: and its name may follow as any value does.
func TestDemoMayGoWithoutAName(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "none", "--demo": "jobs", "--demo=jobs": "jobs", "--demo jobs": "jobs", "--demo none": "none", "--demo=false": "none",
		"--demo --admin-pprof": "jobs", "--admin-pprof --demo --data=x": "jobs",
	} {
		c, err := load(t, strings.Fields(args), nil, "")
		if err != nil || c.Demo != want {
			t.Errorf("%q gives %q (%v), want %q", args, c.Demo, err, want)
		}
	}
	if c, err := load(t, []string{"--demo=taxi"}, nil, ""); err == nil {
		t.Errorf("taken for %q", c.Demo)
	}
}

func TestAllProblemsComeAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	file := "lisen: x\nlog_level: loud\ntls:\n  cert_file: [[a]]\n  certfile: x\n  key_file: {a: b}\ndata: a\ndata: b\ntrace: 1\nweb_dir:\n"
	environ := []string{"HEADSUP_LISTN=x", "HEADSUP_DEMO=perhaps", "HEADSUP_PORT_3978_TCP=x", "HEADSUP_SERVICE_HOST=10.0.0.1", "HEADSUP_SERVER=x"}
	_, err := load(t, []string{"--drain-timeout", "soon"}, environ, file)
	if _, ok := errors.AsType[config.Problems](err); !ok {
		t.Fatalf("error %v, want Problems", err)
	}
	want := []string{
		"HEADSUP_LISTN: no setting has this name; did you mean HEADSUP_LISTEN?",
		"headsup.yaml:4: tls.cert_file: must be a single value or a list of values",
		"headsup.yaml:6: tls.key_file: must be a single value or a list of values",
		"headsup.yaml:8: data: is given twice",
		"headsup.yaml:9: trace: must be names with values",
		"headsup.yaml:10: web_dir: must be a single value or a list of values",
		"headsup.yaml:1: lisen: unknown setting; did you mean listen?",
		"headsup.yaml:5: tls.certfile: unknown setting; did you mean tls.cert_file?",
		`drain_timeout (--drain-timeout): "soon" is not a duration such as 10s or 1m30s`,
		`demo (HEADSUP_DEMO): "perhaps" is none of none, jobs, travel, survey`,
		`headsup.yaml:2: log_level: "loud" is none of debug, info, warn, error`,
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("says\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestASettingOutsideOfItsGroupIsFound, in the file and in the environment.
func TestASettingOutsideOfItsGroupIsFound(t *testing.T) {
	t.Parallel()
	_, err := load(t, nil, []string{"HEADSUP_APP_ID=x", "HEADSUP_FILE=x"}, "app_id: x\ncert_file: y\ndata: z\nservice: {app_id: w}\n")
	want := []string{
		"HEADSUP_APP_ID: no setting has this name; did you mean HEADSUP_AZURE_APP_ID?",
		"HEADSUP_FILE: no setting has this name",
		"headsup.yaml:4: service: must be a single value or a list of values",
		"headsup.yaml:1: app_id: unknown setting; did you mean azure.app_id?",
		"headsup.yaml:2: cert_file: unknown setting; did you mean tls.cert_file?",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("says\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

func TestFilesThatAreNoConfiguration(t *testing.T) {
	t.Parallel()
	for file, says := range map[string]string{
		"- a\n":                   "headsup.yaml:1: must be names with values",
		"a: b\n---\nc: d\n":       "headsup.yaml:3: a second document",
		":\n\t- x":                "headsup.yaml:1: not valid YAML",
		"listen: &a x\ndata: *a":  "listen: must be a single value",
		"listen: !!binary eA==\n": "listen: must be a single value",
	} {
		if _, err := load(t, nil, nil, file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", file, err, says)
		}
	}
	for _, file := range []string{"", "# nothing\n", "---\n"} {
		if _, err := load(t, nil, nil, file); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := load(t, []string{"--config", "/none.yaml"}, nil, ""); err == nil || err.Error() != "/none.yaml: no such file or directory" {
		t.Errorf("error %v for a file that is not there", err)
	}
}

func TestSecretsComeFromClosedFilesOrTheEnvironment(t *testing.T) {
	t.Parallel()
	closed, open := write(t, "closed", "hunter2\n", 0o600), exposed(t, "open", "hunter2\n")
	c, err := load(t, []string{"--directline-secret-file", closed}, nil, "")
	if err != nil || c.DirectLineSecret.Reveal() != "hunter2" {
		t.Errorf("from a file: %q, %v", c.DirectLineSecret.Reveal(), err)
	}
	c, err = load(t, nil, []string{"HEADSUP_DIRECTLINE_SECRET=hunter2"}, "")
	if err != nil || c.DirectLineSecret.Reveal() != "hunter2" {
		t.Errorf("from the environment: %q, %v", c.DirectLineSecret.Reveal(), err)
	}
	c, err = load(t, nil, nil, "directline_secret: hunter2\n")
	if err != nil || c.DirectLineSecret.Reveal() != "hunter2" {
		t.Errorf("from a closed configuration: %q, %v", c.DirectLineSecret.Reveal(), err)
	}
	for says, args := range map[string][]string{
		"everybody has access to it (mode 0644)": {"--directline-secret-file", open},
		"no such file":                           {"--directline-secret-file", "/none"},
		"is empty":                               {"--directline-secret-file", write(t, "empty", "\n", 0o600)},
		"closed to others":                       {"--config", exposed(t, "h.yaml", "directline_secret: hunter2\n")},
	} {
		if _, err := load(t, args, nil, ""); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v, want %q", args, err, says)
		}
	}
	_, err = load(t, []string{"--directline-secret-file", closed}, []string{"HEADSUP_DIRECTLINE_SECRET=x"}, "")
	if err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("both: %v", err)
	}
}

// TestPasswordsInURLsAreNotPrinted, though none belongs there.
func TestPasswordsInURLsAreNotPrinted(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://ann:hunter2@collector.example/v1/traces": "https://ann:[redacted]@collector.example/v1/traces",
		"https://ann:hunter%zz2@collector.example":        "https://[redacted]@collector.example",
		"https://ann@collector.example":                   "https://ann@collector.example",
	} {
		c, err := load(t, []string{"--trace-endpoint", given}, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.Values() {
			if v.Path == "trace.endpoint" && v.Value != want {
				t.Errorf("%s is printed as %s", given, v.Value)
			}
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c, err := load(t, nil, []string{"HEADSUP_DIRECTLINE_SECRET=hunter2"}, "")
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	s := c.DirectLineSecret
	_, _ = fmt.Fprintf(&printed, "%v %+v %#v %s %q %x %d %v %+v %#v", s, s, s, s, s, s, s, c, &c, c.Serve)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "s", s, "all", c)
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "s", s, "all", c)
	asJSON, err := json.Marshal(c.Values())
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(asJSON)
	printed.Write(asYAML)
	printed.Write(secret)
	if strings.Contains(printed.String(), "hunter2") || strings.Contains(printed.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("printed %s", printed.String())
	}
	if !strings.Contains(string(asJSON), `"path":"directline_secret","value":"[redacted]","origin":{"source":"environment"`) {
		t.Errorf("the list is %s", asJSON)
	}
}

type wrong string

func (w wrong) Error() string       { return string(w) + ": is wrong" }
func (w wrong) ConfigField() string { return string(w) }

func TestWhatOthersFindWrongIsPlaced(t *testing.T) {
	t.Parallel()
	c, err := load(t, []string{"--data", "x"}, nil, "listen: x\n")
	if err != nil {
		t.Fatal(err)
	}
	other := errors.New("something else")
	err = c.Explain(errors.Join(wrong("listen"), errors.Join(wrong("data"), other), fmt.Errorf("wrapped: %w", wrong("web_dir"))))
	want := "headsup.yaml:1: listen: is wrong\ndata (--data): is wrong\nweb_dir: wrapped: web_dir: is wrong\nsomething else"
	if err.Error() != want || !errors.Is(err, other) {
		t.Errorf("says %q, want %q", err, want)
	}
}

// TestDatabaseHasNoPassword: what is shown of a configuration does not tell it.
func TestDatabaseHasNoPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://headsup:geheim@db.example/headsup", "postgres://headsup@db.example,other.example/headsup?password=geheim&sslmode=require",
	} {
		l, err := load(t, []string{"--database", url}, nil, "")
		problems, _ := config.ProblemsOf(err)
		if len(problems) != 1 || problems[0].Path != "database" || !strings.Contains(err.Error(), "database_password") {
			t.Errorf("%s: %v", url, err)
		}
		if shown := fmt.Sprint(err, l.Values()); strings.Contains(shown, "geheim") {
			t.Errorf("the password is shown: %s", shown)
		}
	}
	l, err := load(t, []string{"--database", "postgres://headsup@db.example,other.example:5433/headsup?sslmode=require"}, []string{"HEADSUP_DATABASE_PASSWORD=geheim"}, "")
	if err != nil || l.Database != "postgres://headsup@db.example,other.example:5433/headsup?sslmode=require" || l.DatabasePassword.Reveal() != "geheim" {
		t.Errorf("loaded %q, %v", l.Database, err)
	}
}

// TestTopicsAreTheFiles: with everything that is wrong in them.
func TestTopicsAreTheFiles(t *testing.T) {
	t.Parallel()
	c, err := load(t, nil, nil, "topics:\n  news:\n    policy: wait\n    max_wait: 30m\n    then: drop\n    priority: -5\n  price.drop: {policy: interrupt, with: survey}\n  alarm: {urgent: true}\n  empty: {}\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]config.Topic{
		"news":       {Policy: "wait", MaxWait: 30 * time.Minute, Then: "drop", Priority: -5},
		"price.drop": {Policy: "interrupt", With: "survey"},
		"alarm":      {Urgent: true},
		"empty":      {},
	} {
		if c.Topics[name] != want {
			t.Errorf("%s is %+v, want %+v", name, c.Topics[name], want)
		}
	}
	values := make(map[string]string)
	for _, v := range c.Values() {
		values[v.Path] = v.Value + " " + v.Origin.String()
	}
	if got := values["topics.news.max_wait"]; got != "30m0s headsup.yaml:4" {
		t.Errorf("max_wait is shown as %q", got)
	}
	if _, shown := values["topics.news.with"]; shown {
		t.Error("what nobody has set is shown")
	}

	_, err = load(t, nil, nil, "topics:\n  news:\n    polcy: wait\n    max_wait: soon\n    then: wait\n    urgent: [yes, no]\n    priority: 1\n    priority: 2\n  news: {}\n  other: drop\n")
	problems, _ := config.ProblemsOf(err)
	want := []string{
		"headsup.yaml:8: topics.news.priority: is given twice",
		"headsup.yaml:9: topics.news: is given twice",
		"headsup.yaml:10: topics.other: must be names with values",
		"headsup.yaml:3: topics.news.polcy: unknown setting; did you mean topics.news.policy?",
		`headsup.yaml:4: topics.news.max_wait: "soon" is not a duration such as 10s or 1m30s`,
		`headsup.yaml:5: topics.news.then: "wait" is none of adhoc, interrupt, cancel, drop`,
		`headsup.yaml:6: topics.news.urgent: "yes,no" is neither true nor false`,
	}
	if got := problems.Error(); got != strings.Join(want, "\n") {
		t.Errorf("problems\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
