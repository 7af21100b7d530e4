package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTopicsAreChecked at once with all that is wrong, in the file's own words.
func TestTopicsAreChecked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headsup.yaml")
	if err := os.WriteFile(file, []byte("topics:\n  news:\n    policy: adhoc\n    max_wait: 5m\n    quiet: 3s\n  alarm:\n    policy: drop\n    urgent: yes\n  duty:\n    fallback: email after 10m unless red, sms\n  many:\n    fallback: a, b, c, d, e, f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := pipe(t, "", "config", "check", "--config", file)
	for _, want := range []string{
		"headsup.yaml:4: topics.news.max_wait: is for wait", "headsup.yaml:5: topics.news.quiet: is not for adhoc",
		"headsup.yaml:8: topics.alarm.urgent: is not for a topic that waits, or is dropped",
		`headsup.yaml:10: topics.duty.fallback: "email after 10m unless red": "red" is none of delivered, read, answered`,
		"headsup.yaml:12: topics.many.fallback: has more than 5",
	} {
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, %q lacks %q", code, errs, want)
		}
	}
}

func TestSendAsksForAReply(t *testing.T) {
	t.Parallel()
	url := running(t)
	id := strings.Fields(called(t, url, "send", "--to", "dl_ann", "--no-wait", "--expects", "reply", "--reply-within", "5m", "What now?"))
	out := called(t, url, "notifications", "get", id[len(id)-1])
	if !strings.Contains(out, "; expects reply, reply within 5m0s") {
		t.Errorf("the notification shows as %q", out)
	}
	if code, _, errs := pipe(t, "", "send", "--to", "dl_ann", "--reply-to", "survey", "x", "--server", url); code != 2 || !strings.Contains(errs, "--expects reply") {
		t.Errorf("a reply that nobody waits for: %d, %q", code, errs)
	}
	if out := called(t, url, "topics", "list"); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "TOPIC") {
		t.Errorf("topics list printed %q", out)
	}
}
