package adminkey_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
)

func TestFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, adminkey.FileName)
	if _, err := adminkey.Read(dir); !errors.Is(err, adminkey.ErrNone) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path, []byte("old and open"), 0o666); err != nil {
		t.Fatal(err)
	}
	want := adminkey.Entry{Secret: access.NewLocal(), URL: "https://bot.example.com", Dial: "127.0.0.1:443"}
	if err := adminkey.Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := adminkey.Read(dir)
	if err != nil || got.Secret.Reveal() != want.Secret.Reveal() || got.URL != want.URL || got.Dial != want.Dial {
		t.Errorf("read %+v, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if err := adminkey.Remove(dir, access.NewLocal()); err != nil {
		t.Error(err)
	}
	if _, err := adminkey.Read(dir); err != nil {
		t.Errorf("another server has removed it: %v", err)
	}
	for _, mode := range []os.FileMode{0o604, 0o640, 0o620, 0o666, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := adminkey.Read(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("read with mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := adminkey.Remove(dir, want.Secret); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := access.NewLocal()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"plain":           write("a", secret.Reveal(), 0o600),
		"line's end":      write("b", secret.Reveal()+"\r\nmore\n", 0o600),
		"group may":       write("c", secret.Reveal(), 0o640),
		"read only":       write("d", secret.Reveal(), 0o400),
		"space around it": write("e", " "+secret.Reveal()+" ", 0o600),
	} {
		if got, err := adminkey.ReadKey(path); err != nil || got.Reveal() != secret.Reveal() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, path := range map[string]string{
		"everybody may": write("f", secret.Reveal(), 0o644), "no key": write("g", "x", 0o600), "empty": write("h", "", 0o600),
		"directory": dir, "missing": filepath.Join(dir, "none"), "large": write("i", strings.Repeat("x", 1<<20), 0o600),
	} {
		if got, err := adminkey.ReadKey(path); err == nil || strings.Contains(err.Error(), secret.Reveal()) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
