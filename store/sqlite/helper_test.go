//go:build unix

package sqlite_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/store/sqlite"
)

// Some tests need a process of their own, which may be killed or have fewer rights. It is this binary, started with
// helperTask in its environment.
const (
	helperTask  = "HEADSUP_TEST_TASK"
	helperDir   = "HEADSUP_TEST_DIR"
	helperLimit = "HEADSUP_TEST_LIMIT" // bytes that a file may have; for one task
)

var helperTasks = map[string]func(dir string) error{
	"open as nobody":       openAsNobody,
	"attempt":              attempt,
	"work":                 work,
	"work on a small disk": workOnASmallDisk,
}

func TestMain(m *testing.M) {
	if task, ok := helperTasks[os.Getenv(helperTask)]; ok {
		if err := task(os.Getenv(helperDir)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func helper(t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), helperTask+"="+task, helperDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// openAsNobody opens a directory without the rights of the superuser.
func openAsNobody(dir string) error {
	if os.Getuid() == 0 {
		const nobody = 65534
		if err := syscall.Setgid(nobody); err != nil {
			return err
		}
		if err := syscall.Setuid(nobody); err != nil {
			return err
		}
	}
	s, err := sqlite.Open(context.Background(), sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("it was opened")
	return s.Close()
}

// TestOpenWithoutRights: the message names what cannot be written.
func TestOpenWithoutRights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chmod map[string]fs.FileMode // below the test's directory
		says  string
	}{
		"EverythingIsAllowed":   {says: "it was opened"},
		"DirectoryIsReadOnly":   {chmod: map[string]fs.FileMode{"data": 0o555, "data/headsup.lock": 0o444}, says: "headsup.lock"},
		"DirectoryTakesNoFiles": {chmod: map[string]fs.FileMode{"data": 0o555}, says: "headsup.db"},
		"DatabaseIsReadOnly":    {chmod: map[string]fs.FileMode{"data/headsup.db": 0o444}, says: "headsup.db: permission denied"},
		"DatabaseIsSecret":      {chmod: map[string]fs.FileMode{"data/headsup.db": 0}, says: "headsup.db: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			dir := filepath.Join(top, "data")
			s := openStore(t, dir)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			modes := map[string]fs.FileMode{
				"..": 0o755, ".": 0o755, "data": 0o777, "data/headsup.db": 0o666, "data/headsup.lock": 0o666,
			}
			maps.Copy(modes, c.chmod)
			for name, mode := range modes {
				if err := os.Chmod(filepath.Join(top, name), mode); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
			out, err := helper(t, "open as nobody", dir).Output()
			if (err == nil) != (c.chmod == nil) {
				t.Errorf("the process ended with %v", err)
			}
			if said := strings.TrimSpace(string(out)); strings.Contains(said, "\n") || !strings.Contains(said, c.says) {
				t.Errorf("it says %q, want one line with %q", said, c.says)
			}
		})
	}
}
