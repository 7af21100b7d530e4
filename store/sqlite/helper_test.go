package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/store/sqlite"
)

// Some tests need a process of their own, which may be killed or have fewer rights. It is this binary, started with
// helperTask in its environment.
const (
	helperTask = "HEADSUP_TEST_TASK"
	helperDir  = "HEADSUP_TEST_DIR"
)

var helperTasks = map[string]func(dir string) error{
	"open as nobody": openAsNobody,
	"work":           work,
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
