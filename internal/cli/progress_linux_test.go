package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headsup-bot/headsup/internal/cli"
)

// person opens a pseudo terminal: what the program writes to its screen can be read from the other end.
func person(t *testing.T) (screen, eyes *os.File) {
	t.Helper()
	eyes, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eyes.Close() })
	if err := unix.IoctlSetPointerInt(int(eyes.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(eyes.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen, eyes
}

// seen runs the program with a person before the screen, and returns what they see.
func seen(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	screen, eyes := person(t)
	text := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		_, _ = all.ReadFrom(eyes) // which ends with an error when the screen is closed
		text <- all.String()
	}()
	var out bytes.Buffer
	code = cli.Main(t.Context(), args, strings.NewReader(""), &out, screen)
	_ = screen.Close()
	select {
	case stderr = <-text:
	case <-time.After(time.Minute):
		t.Fatal("the terminal does not end")
	}
	return code, out.String(), stderr
}

func TestLongWorkShowsHowFarItHasCome(t *testing.T) {
	t.Setenv("TERM", "xterm")
	half := "delivered failed/not_found ready ready"
	whole := "delivered failed/not_found delivered delivered"
	url := telling(t, "ready ready ready ready", "ready ready ready ready", half, half, half, half, whole)
	code, _, stderr := seen(t, "send", "--everyone", "--server", url, "x")
	if code != 1 || !strings.Contains(stderr, "\rdelivered 1/4 [##########          ] 50%, 1 failed, ") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	bar, end, found := strings.Cut(stderr, "\r\x1b[Kheadsup: delivered to 3 of 4 conversations")
	if !found || strings.Contains(bar, "\n") || strings.Contains(end, "\x1b") {
		t.Errorf("what follows does not stand in the bar's place: %q", stderr)
	}
	url = telling(t, "ready", "ready", "delivered")
	if code, out, stderr := seen(t, "send", "--everyone", "--server", url, "x"); code != 0 || stderr != "" || out != "delivered to 1 conversation\n" {
		t.Errorf("short work: exit code %d, %q, %q", code, out, stderr)
	}
	t.Setenv("TERM", "dumb")
	url = telling(t, "ready ready ready ready", half, half, half, half, whole)
	if _, _, stderr := seen(t, "send", "--everyone", "--server", url, "x"); strings.ContainsAny(strings.TrimSuffix(stderr, "\r\n"), "\r\x1b") {
		t.Errorf("a terminal that cannot move its cursor gets %q", stderr)
	}
}

func TestNoControlCharactersWithoutATerminal(t *testing.T) {
	t.Parallel()
	half := "delivered ready"
	url := telling(t, "ready ready", half, half, half, half, half, "delivered delivered")
	code, out, stderr := pipe(t, "", "send", "--everyone", "--server", url, "x")
	if code != 0 || out != "delivered to 2 conversations\n" || stderr != "" {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}
