package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/headsup-bot/headsup/internal/cli"
	"github.com/headsup-bot/headsup/internal/pgtest"
)

// TestMain lets the test's binary be the program, for tests that need one in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CLI_TEST_PROGRAM") != "" {
		os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(pgtest.Tests(m).Run())
}

// installed returns the environment of a machine on which headsup is installed.
func installed(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "headsup")); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "CLI_TEST_PROGRAM=1", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// bash runs a script where headsup is installed.
func bash(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script)
	cmd.Env, cmd.Dir = installed(t), t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
