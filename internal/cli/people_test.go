package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

func TestPeopleAreShownExportedAndErased(t *testing.T) {
	t.Parallel()
	url := running(t)
	id := known(t, url).ID
	called(t, url, "conversations", "identify", id, "employee-4711")
	called(t, url, "send", "Heads up!", "--to", "dl_ann")
	if out := called(t, url, "people", "show", "employee-4711", "--by", "external-id"); !strings.HasPrefix(out, "per_") || !strings.Contains(out, "  directline  dl_ann") {
		t.Errorf("shown as %q", out)
	}
	file := filepath.Join(t.TempDir(), "ann.ndjson")
	out := called(t, url, "people", "export", "dl_ann", "--output", file)
	data, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(out, file+": ") || !strings.HasSuffix(out, " records\n") {
		t.Fatalf("%q, %v", out, err)
	}
	for _, part := range []string{`{"type":"export",`, `{"type":"person",`, `"text":"Heads up!"`, `{"type":"activity",`, `{"type":"end",`} {
		if !strings.Contains(string(data), part) {
			t.Errorf("%s is not in %s", part, data)
		}
	}
	if code, _, stderr := pipe(t, "", "people", "export", "dl_ann", "--output", file, "--server", url); code != 2 || !strings.Contains(stderr, "exists already") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != int64(len(data)) {
		t.Error("the file was overwritten")
	}
	for _, answer := range []string{"", "no\n", "y\n"} {
		if code, _, stderr := pipe(t, answer, "people", "erase", "dl_ann", "--server", url); code != 1 || !strings.Contains(stderr, "nothing was erased") {
			t.Errorf("%q: exit code %d, %q", answer, code, stderr)
		}
	}
	code, out, stderr := pipe(t, "yes\n", "people", "erase", "dl_ann", "--wait", "--server", url)
	if code != 0 || !strings.Contains(out, ": done, ") || !strings.Contains(stderr, "directline  dl_ann") {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	erasure, _, _ := strings.Cut(out, ":")
	if again := called(t, url, "people", "erasure", erasure); again != out {
		t.Errorf("%q, and later %q", out, again)
	}
	if code, _, stderr := pipe(t, "", "people", "erase", "dl_ann", "--yes", "--server", url); code != 1 || !strings.Contains(stderr, "nobody is known") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if left := called(t, url, "conversations", "list"); strings.Count(left, "\n") > 1 {
		t.Errorf("still known:\n%s", left)
	}
	gone := filepath.Join(t.TempDir(), "gone.ndjson")
	if code, _, _ := pipe(t, "", "people", "export", "dl_ann", "--output", gone, "--server", url); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("a file without an export: %v", err)
	}
}

func TestPeopleAreListedMergedAndSplit(t *testing.T) {
	t.Parallel()
	url := running(t)
	id := known(t, url).ID
	called(t, url, "conversations", "identify", id, "employee-4711")
	var somebody api.KnownPerson
	if err := json.Unmarshal([]byte(called(t, url, "people", "list", "--channel", "directline", "--limit", "1", "--json")), &somebody); err != nil {
		t.Fatal(err)
	}
	if out := called(t, url, "people", "list"); !strings.Contains(out, somebody.ID) || !strings.Contains(out, "employee-4711") {
		t.Errorf("listed as %q", out)
	}
	if out := called(t, url, "people", "merge", somebody.ID, somebody.ID); !strings.HasPrefix(out, somebody.ID+"  directline") {
		t.Errorf("merged with themselves, they are %q", out)
	}
	if out := called(t, url, "people", "split", somebody.ID); strings.Count(out, "\n") != 1 {
		t.Errorf("split, they are %q", out)
	}
}
