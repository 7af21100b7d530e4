package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/teamsapp"
)

// TestTeamsPackage makes a package of the configuration, and checks it.
func TestTeamsPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "headsup.yaml"), filepath.Join(dir, "app.zip")
	const id = "5c1f3a60-7e42-4b0d-9a75-d2f1c8e6b394"
	if err := os.WriteFile(file, []byte("public_url: https://bot.example.com\nazure:\n  app_id: "+id+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := []string{
		"teams", "package", "--config", file, "--name", "Heads up", "--description", "Tells you.", "--developer", "Example", "--out", out,
		"--command", "status=Say how it is, and why",
	}
	if code, stdout, stderr := run(t, given...); code != 0 || !strings.Contains(stdout, id) {
		t.Fatalf("%d %s %s", code, stdout, stderr)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	p, err := teamsapp.Read(content)
	if err != nil || len(p.Check()) > 0 {
		t.Fatal(err, p.Check())
	}
	m := p.Manifest
	if m.ID != id || m.ValidDomains[0] != "bot.example.com" || m.WebApplication.Resource != "api://bot.example.com/"+id ||
		m.Developer.Terms != "https://bot.example.com/terms" || m.Bots[0].Commands[0].Commands[0].Description != "Say how it is, and why" {
		t.Errorf("%+v", m)
	}
	if code, stdout, stderr := run(t, "teams", "package", "--check", out); code != 0 || !strings.Contains(stdout, "is good") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	for want, flags := range map[string][]string{
		"--name: has 31":          {"--name", strings.Repeat("x", 31)},
		"--app-version: ":         {"--app-version", "1"},
		"--app-id: ":              {"--app-id", "x"},
		"--scopes: ":              {"--scopes", "world"},
		"--valid-domain: ":        {"--valid-domain", "https://x.example"},
		"--command: ":             {"--command", "x"},
		"--accent: ":              {"--accent", "red"},
		"--website: ":             {"--website", "http://x.example"},
		"--resource: ":            {"--resource", "x"},
		"--color-icon: is no PNG": {"--color-icon", file},
		"--out: ":                 {"--out", filepath.Join(dir, "none", "x.zip")},
		"--developer: has 33":     {"--developer", strings.Repeat("x", 33)},
	} {
		code, _, stderr := run(t, append(given[:len(given):len(given)], flags...)...)
		if code == 0 || !strings.Contains(stderr, want) || strings.Contains(stderr, "--full-") {
			t.Errorf("%v: %d %s", flags, code, stderr)
		}
	}
	if code, _, stderr := run(t, "teams", "package", "--check", file); code != 1 || !strings.Contains(stderr, "is no zip") {
		t.Errorf("%d %s", code, stderr)
	}
	if code, _, stderr := run(t, "teams", "package"); code != 2 || !strings.Contains(stderr, "--name: is missing") || !strings.Contains(stderr, "--app-id: is missing") {
		t.Errorf("%d %s", code, stderr)
	}
}
