//go:build unix

package cli_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// refusal starts the program as a process of its own with a configuration file, and returns what it says when it ends.
func refusal(t *testing.T, data, file string) (code int, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "serve", "--config", file, "--data", data)
	cmd.Env = append(os.Environ(), "CLI_TEST_PROGRAM=1")
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if ended, ok := errors.AsType[*exec.ExitError](cmd.Run()); ok {
		code = ended.ExitCode()
	}
	if out.Len() > 0 {
		t.Errorf("it says that it listens: %s", &out)
	}
	return code, wrong.String()
}

// enterable returns a directory that everybody can enter.
func enterable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestServeRefusesToStartOpen: with one line that names the setting and what to do, with nothing made in the data directory,
// and without a word of the secret.
func TestServeRefusesToStartOpen(t *testing.T) {
	t.Parallel()
	azure := "azure:\n  app_id: " + openApp + "\n  tenant: " + openTenant + "\n"
	exposed := "listen: 127.0.0.1:0\npublic_url: https://bot.example.com\n"
	for name, c := range map[string]struct {
		file  string      // SECRET is the path of a file with a secret, LONG of one that is long and closed
		mode  os.FileMode // of SECRET
		names string
		says  string
	}{
		"beyond loopback without an app id":  {"listen: 0.0.0.0:0\npublic_url: https://bot.example.com\n", 0o600, "azure.app_id", "directline_only"},
		"a public URL without an app id":     {exposed, 0o600, "azure.app_id", "directline_only"},
		"an app id without a credential":     {exposed + azure, 0o600, "azure.secret", "azure.certificate_file"},
		"http in public":                     {"public_url: http://bot.example.com\ninsecure_http: true\ndirectline_only: true\ndirectline_secret_file: LONG\n", 0o600, "insecure_http", "private networks"},
		"profiles that others can read":      {"admin:\n  listen: 0.0.0.0:0\n  allow_remote: true\n  pprof: true\n", 0o600, "admin.pprof", "allow_remote"},
		"a client secret of everybody":       {azure + "  secret_file: SECRET\n", 0o644, "azure.secret_file", "everybody has access to it (mode 0644); it must be its owner's alone (chmod 600 "},
		"a client secret of a group":         {azure + "  secret_file: SECRET\n", 0o640, "azure.secret_file", "its group has access to it (mode 0640)"},
		"a certificate of everybody":         {azure + "  certificate_file: SECRET\n", 0o604, "azure.certificate_file", "chmod 600"},
		"a token file of everybody":          {azure + "  token_file: SECRET\n", 0o644, "azure.token_file", "chmod 600"},
		"a Direct Line secret of everybody":  {"directline_secret_file: SECRET\n", 0o644, "directline_secret_file", "chmod 600"},
		"a database's password of everybody": {"database: postgres://u@127.0.0.1:1/x\ndatabase_password_file: SECRET\n", 0o644, "database_password_file", "chmod 600"},
		"a TLS key of everybody":             {"tls:\n  cert_file: SECRET\n  key_file: SECRET\n", 0o644, "tls.key_file", "chmod 600"},
		"Direct Line without a secret":       {exposed + "directline_only: true\n", 0o600, "directline_secret", "directline_secret_file"},
		"an unknown setting":                 {"directline_ony: true\n", 0o600, "directline_ony", "did you mean directline_only?"},
		"a setting outside of its group":     {"app_id: " + openApp + "\n", 0o600, "app_id", "did you mean azure.app_id?"},
		"an app id that is none":             {"azure:\n  app_id: my-bot\n  managed_identity: true\n", 0o600, "azure.app_id", "not a GUID"},
		"a tenant that is none":              {"azure:\n  app_id: " + openApp + "\n  tenant: ours\n  managed_identity: true\n", 0o600, "azure.tenant", "neither a GUID nor a domain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := enterable(t)
			secret := write(t, filepath.Join(dir, "secret"), "hunter2-hunter2")
			if err := os.Chmod(secret, c.mode); err != nil {
				t.Fatal(err)
			}
			long := write(t, filepath.Join(dir, "long"), strings.Repeat("hunter2-", 4))
			file := write(t, filepath.Join(dir, "headsup.yaml"), strings.NewReplacer("SECRET", secret, "LONG", long).Replace(c.file))
			data := filepath.Join(dir, "data")
			code, stderr := refusal(t, data, file)
			if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, ": "+c.names+": ") || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, %q; want 2 and one line with %q and %q", code, stderr, c.names, c.says)
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("it tells the secret: %s", stderr)
			}
			if _, err := os.Stat(data); !os.IsNotExist(err) {
				t.Errorf("it has begun: %v", err)
			}
		})
	}
}

// TestAConfigurationWithASecretMustBeClosed as a file that has nothing else in it.
func TestAConfigurationWithASecretMustBeClosed(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	file := write(t, filepath.Join(dir, "headsup.yaml"), "directline_secret: hunter2\n")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	code, stderr := refusal(t, filepath.Join(dir, "data"), file)
	if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "headsup.yaml:1: directline_secret: ") || !strings.Contains(stderr, "chmod 600 "+file) || strings.Contains(stderr, "hunter2") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// TestOneSettingLetsDirectLineBeReached without Azure, and nothing else in.
func TestOneSettingLetsDirectLineBeReached(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), strings.Repeat("s", 32))
	file := write(t, filepath.Join(dir, "h.yaml"), "listen: 0.0.0.0:0\npublic_url: https://bot.example.com\ndirectline_only: true\ndirectline_secret_file: "+secret+"\n")
	if code, stdout, stderr := run(t, "config", "check", "--config", file); code != 0 {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}
