//go:build unix

package secretfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/secretfile"
)

// open returns a directory that everybody can enter.
func open(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// file makes a file with a mode below directories with modes.
func file(t *testing.T, mode os.FileMode, dirs ...os.FileMode) string {
	t.Helper()
	at := open(t)
	for _, m := range dirs {
		at = filepath.Join(at, "d")
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at, m); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	path := filepath.Join(at, "secret")
	if err := os.WriteFile(path, []byte("hunter2\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileIsClosedIfNobodyElseCanReadIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode os.FileMode
		dirs []os.FileMode
		who  string
	}{
		"its owner's":                     {0o600, nil, ""},
		"read only":                       {0o400, nil, ""},
		"its group's":                     {0o640, nil, "its group"},
		"its group may write":             {0o620, nil, "its group"},
		"everybody's":                     {0o644, nil, "everybody"},
		"everybody may write":             {0o602, nil, "everybody"},
		"below a closed directory":        {0o644, []os.FileMode{0o700}, ""},
		"far below a closed directory":    {0o666, []os.FileMode{0o700, 0o755, 0o777}, ""},
		"below a directory of a group":    {0o644, []os.FileMode{0o750}, "its group"},
		"below one that cannot be listed": {0o644, []os.FileMode{0o711}, "everybody"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := file(t, c.mode, c.dirs...)
			err := secretfile.Check(path)
			opened, is := errors.AsType[*secretfile.OpenError](err)
			if c.who == "" && err != nil || c.who != "" && (!is || opened.Who != c.who || !strings.Contains(err.Error(), "chmod 600 "+path)) {
				t.Errorf("%v", err)
			}
			if text, err := secretfile.Read(path); (err == nil) != (c.who == "") || err == nil && text != "hunter2" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// TestALinkIsAsClosedAsItsFile: Kubernetes has links to links in place of a secret's files.
func TestALinkIsAsClosedAsItsFile(t *testing.T) {
	t.Parallel()
	for mode, closed := range map[os.FileMode]bool{0o700: true, 0o755: false} {
		link := filepath.Join(open(t), "link")
		if err := os.Symlink(file(t, 0o644, mode), link); err != nil {
			t.Fatal(err)
		}
		if err := secretfile.Check(link); (err == nil) != closed {
			t.Errorf("in a directory of mode %04o: %v", mode, err)
		}
	}
}

// TestAnothersFileMayBeOpenToTheGroup, which is how it can be read at all; to nobody else, and not for writing.
func TestAnothersFileMayBeOpenToTheGroup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		// Nobody else can give a file away; the file that everybody has and nobody here owns must do.
		if err := secretfile.Check("/etc/passwd"); err == nil || !strings.Contains(err.Error(), "everybody") {
			t.Errorf("/etc/passwd: %v", err)
		}
		return
	}
	for mode, closed := range map[os.FileMode]bool{0o440: true, 0o640: true, 0o660: false, 0o444: false} {
		path := file(t, mode)
		if err := os.Chown(path, 12345, 0); err != nil {
			t.Fatal(err)
		}
		if err := secretfile.Check(path); (err == nil) != closed {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestWhatIsNoSecretIsToldWithItsPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "\n", "large": strings.Repeat("x", 1<<20)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secretfile.Read(path); err == nil || !strings.Contains(err.Error(), path+": is ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := secretfile.Read(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), "none") != 1 {
		t.Errorf("missing: %v", err)
	}
}
