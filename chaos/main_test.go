package chaos_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the program under test: what HEADSUP_BIN names, or what TestMain builds.
var binary string

func TestMain(m *testing.M) {
	if binary = os.Getenv("HEADSUP_BIN"); binary != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "headsup-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "headsup")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "../cmd/headsup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
