package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

func TestJobsFromStartToEnd(t *testing.T) {
	t.Parallel()
	t.Run("ForPeople", func(t *testing.T) {
		t.Parallel()
		url := running(t)
		code, out, stderr := pipe(t, "", "jobs", "start", "--server", url, "--user", "dl_ann", "--name", "build")
		if code != 0 || out != "1\n" {
			t.Fatalf("exit code %d, %q, %q: want the number alone", code, out, stderr)
		}
		code, out, _ = pipe(t, "", "jobs", "get", "1", "--server", url)
		if code != 0 || !strings.HasPrefix(out, "job 1 (build): running in directline ") {
			t.Errorf("exit code %d, %q", code, out)
		}
		out = called(t, url, "jobs", "progress", "1", "--percent", "50", "Half of the tests pass.")
		if !strings.Contains(out, ", 50% done") {
			t.Errorf("progress is shown as %q", out)
		}
		code, out, _ = pipe(t, "All tests pass.\n", "jobs", "complete", "1", "-", "--server", url)
		if code != 0 || !strings.HasPrefix(out, "job 1 (build): completed in ") || !strings.Contains(out, "headsup notifications get ntf_") {
			t.Errorf("exit code %d, %q", code, out)
		}
		_, id, _ := strings.Cut(strings.TrimSpace(out), "notifications get ")
		if _, out, _ = pipe(t, "", "notifications", "get", id, "--json", "--server", url); !strings.Contains(out, `"text": "All tests pass."`) {
			t.Errorf("told %s", out)
		}
		if code, _, stderr = pipe(t, "", "jobs", "complete", "1", "--server", url); code != 1 || !strings.Contains(stderr, "completed") {
			t.Errorf("twice: exit code %d, %q", code, stderr)
		}
	})
	t.Run("ForPrograms", func(t *testing.T) {
		t.Parallel()
		url := running(t)
		start := []string{"jobs", "start", "--server", url, "--user", "dl_ann", "--value", `{"commit": "f00d"}`, "--key", "k", "--json"}
		var first, again api.Job
		for _, j := range []*api.Job{&first, &again} {
			code, out, stderr := pipe(t, "", start...)
			if err := json.Unmarshal([]byte(out), j); err != nil || code != 0 {
				t.Fatalf("exit code %d, %q, %q", code, out, stderr)
			}
		}
		if first.Number != again.Number || !strings.Contains(string(first.Value), `"f00d"`) {
			t.Errorf("first %+v, again %+v: want one job for one key", first, again)
		}
		file := write(t, filepath.Join(t.TempDir(), "done.json"), `{"type": "message", "text": "from a file"}`)
		code, out, stderr := pipe(t, "", "jobs", "complete", "1", "--activity", file, "--json", "--server", url)
		var done api.Job
		if err := json.Unmarshal([]byte(out), &done); err != nil || code != 0 || done.State != "completed" || done.Notification == "" {
			t.Errorf("exit code %d, %q, %q", code, out, stderr)
		}
	})
}

func TestListsAreTablesOrLinesOfJSON(t *testing.T) {
	t.Parallel()
	url := running(t)
	for _, name := range []string{"build", "test", "two words", ""} {
		if code, _, stderr := pipe(t, "", "jobs", "start", "--server", url, "--user", "dl_ann", "--name", name); code != 0 {
			t.Fatal(stderr)
		}
	}
	if code, _, stderr := pipe(t, "", "jobs", "complete", "2", "--server", url); code != 0 {
		t.Fatal(stderr)
	}
	list := func(args ...string) (out, stderr string) {
		t.Helper()
		code, out, stderr := pipe(t, "", append([]string{"jobs", "list", "--server", url}, args...)...)
		if code != 0 {
			t.Fatalf("%q: exit code %d, %q", args, code, stderr)
		}
		return out, stderr
	}
	out, stderr := list()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 || stderr != "" || strings.Join(strings.Fields(lines[0]), " ") != "JOB STATE DONE NAME STARTED COMPLETED CHANNEL CONVERSATION" {
		t.Fatalf("says %q and\n%s", stderr, out)
	}
	for i, line := range lines[1:] {
		if strings.Index(line, "running") != strings.Index(lines[0], "STATE") && i != 2 { // the newest is the first
			t.Errorf("not in its column: %q", line)
		}
	}
	if fields := strings.Fields(lines[1]); fields[2] != "-" || fields[3] != "-" || fields[5] != "-" {
		t.Errorf("what is not known is %q", fields)
	}
	if out, stderr = list("--limit", "2"); strings.Count(out, "\n") != 3 || stderr != "headsup: these are the first 2; --limit 0 shows all\n" {
		t.Errorf("two of them: %q, %q", out, stderr)
	}
	if out, stderr = list("--limit", "4"); strings.Count(out, "\n") != 5 || stderr != "" {
		t.Errorf("as many as there are: %q, %q", out, stderr)
	}
	if out, _ = list("--state", "completed"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "test") {
		t.Errorf("completed are %q", out)
	}
	out, _ = list("--json", "--limit", "0")
	var numbers []int64
	for line := range strings.Lines(out) {
		var j api.Job
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		numbers = append(numbers, j.Number)
	}
	if len(numbers) != 4 || numbers[0] != 4 || numbers[3] != 1 {
		t.Errorf("numbers %v", numbers)
	}
}

func TestWrongJobCallsAreOneClearLine(t *testing.T) {
	t.Parallel()
	url := running(t)
	dir := t.TempDir()
	list := write(t, filepath.Join(dir, "list.json"), "[]")
	bad := write(t, filepath.Join(dir, "bad.json"), "{")
	cases := map[string]struct {
		args []string
		code int
		says string
	}{
		"no target":        {[]string{"jobs", "start"}, 2, "--user"},
		"empty target":     {[]string{"jobs", "start", "--user="}, 2, "must not be empty"},
		"value not JSON":   {[]string{"jobs", "start", "--user", "u", "--value", "{"}, 2, "--value"},
		"unknown person":   {[]string{"jobs", "start", "--user", "eve", "--server", url}, 1, "reference book"},
		"long name":        {[]string{"jobs", "start", "--user", "dl_ann", "--name", strings.Repeat("n", 300), "--server", url}, 1, "--name"},
		"not a number":     {[]string{"jobs", "get", "x"}, 2, "<number>"},
		"number 0":         {[]string{"jobs", "get", "0"}, 2, "<number>"},
		"unknown job":      {[]string{"jobs", "get", "99", "--server", url}, 1, "no such job"},
		"unknown to end":   {[]string{"jobs", "complete", "99", "--server", url}, 1, "no such job"},
		"text and file":    {[]string{"jobs", "complete", "1", "x", "--activity", list}, 2, "--activity"},
		"file is a list":   {[]string{"jobs", "complete", "1", "--activity", list}, 2, "not a JSON object"},
		"file is not JSON": {[]string{"jobs", "complete", "1", "--activity", bad}, 2, "--activity"},
		"no file":          {[]string{"jobs", "complete", "1", "--activity", filepath.Join(dir, "none")}, 2, "none"},
		"too much":         {[]string{"jobs", "progress", "1", "x", "--percent", "101", "--server", url}, 1, "--percent"},
		"no progress":      {[]string{"jobs", "progress", "1"}, 2, "nothing to say"},
		"unknown state":    {[]string{"jobs", "list", "--state", "lost"}, 2, "--state"},
		"negative limit":   {[]string{"jobs", "list", "--limit=-1"}, 2, "--limit"},
		"no server":        {[]string{"jobs", "list", "--server", "http://127.0.0.1:1"}, 1, "headsup serve"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := pipe(t, "", c.args...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q, says %q; want %d and one line with %q", code, stdout, stderr, c.code, c.says)
			}
		})
	}
}
