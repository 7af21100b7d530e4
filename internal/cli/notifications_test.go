package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// notified is what a command with --json printed.
func notified(t *testing.T, out string) (n api.Notification) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &n); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return n
}

func TestNotificationsAreListedAndChanged(t *testing.T) {
	t.Parallel()
	url := running(t)
	n := notified(t, called(t, url, "send", "--to", "dl_ann", "--in", "1h", "--topic", "tea", "--json", "Tea is ready."))
	called(t, url, "send", "--to", "dl_ann", "--topic", "coffee", "Coffee is ready.")

	out := called(t, url, "notifications", "list")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[0]), " ") != "NOTIFICATION STATE ACCEPTED DELIVERED OF TOPIC TO" ||
		!strings.Contains(lines[1], "coffee") {
		t.Errorf("want the newest first:\n%s", out)
	}
	for flag, value := range map[string]string{"--topic": "tea", "--state": "scheduled"} {
		if out = called(t, url, "notifications", "list", flag, value); strings.Count(out, "\n") != 2 || !strings.Contains(out, n.ID) {
			t.Errorf("%s %s lists\n%s", flag, value, out)
		}
	}
	since := time.Now().Add(time.Hour).Format(time.RFC3339)
	if out = called(t, url, "notifications", "list", "--since", since); strings.Count(out, "\n") != 1 {
		t.Errorf("accepted in an hour:\n%s", out)
	}

	at := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	moved := notified(t, called(t, url, "notifications", "reschedule", n.ID, "--at", at.Format(time.RFC3339), "--json"))
	if moved.Deliveries[0].DueAt == nil || !moved.Deliveries[0].DueAt.Equal(at) {
		t.Errorf("moved to %+v", moved.Deliveries)
	}
	edited := notified(t, called(t, url, "notifications", "edit", n.ID, "Tea is cold.", "--json"))
	if !strings.Contains(string(edited.Activity), "Tea is cold.") || edited.EditedAt == nil {
		t.Errorf("edited to %s", edited.Activity)
	}
	called(t, url, "notifications", "reschedule", n.ID, "--in", "1ms")
	said := notified(t, awaited(t, url, n.ID, "delivered"))
	if said.Deliveries[0].Verb != "send" {
		t.Errorf("said by %+v", said.Deliveries)
	}
	called(t, url, "notifications", "recall", n.ID)
	if code, _, stderr := pipe(t, "", "notifications", "edit", n.ID, "x", "--server", url); code != 1 || !strings.Contains(stderr, "recalled") {
		t.Errorf("edited after its recall: exit code %d, %q", code, stderr)
	}
}

// awaited asks for a notification until it is in a state.
func awaited(t *testing.T, url, id, state string) (out string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		out = called(t, url, "notifications", "get", id, "--json")
		if notified(t, out).State == state {
			return out
		}
	}
	t.Fatalf("not %s: %s", state, out)
	return ""
}

func TestDeliveriesAreListedAndTriedAgain(t *testing.T) {
	t.Parallel()
	url := running(t)
	n := notified(t, called(t, url, "send", "--to", "dl_ann", "--in", "1h", "--json", "x"))
	id := n.Deliveries[0].ID
	if out := called(t, url, "notifications", "cancel", n.ID); !strings.HasPrefix(out, n.ID+": cancelled") {
		t.Errorf("cancelled as\n%s", out)
	}
	out := called(t, url, "deliveries", "list", "--state", "cancelled")
	if strings.Count(out, "\n") != 2 || !strings.Contains(out, id) || !strings.Contains(out, n.ID) {
		t.Errorf("listed as\n%s", out)
	}
	if out = called(t, url, "deliveries", "list", "--notification", n.ID, "--state", "failed"); strings.Count(out, "\n") != 1 {
		t.Errorf("failed are\n%s", out)
	}
	if out = called(t, url, "deliveries", "get", id); strings.Count(out, id) != 2 || !strings.Contains(out, "scheduled") {
		t.Errorf("shown as\n%s", out)
	}
	if code, _, stderr := pipe(t, "", "deliveries", "settle", id, "delivered", "--server", url); code != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("settled though nothing is unknown: exit code %d, %q", code, stderr)
	}
	if out = called(t, url, "deliveries", "replay", id); out != "1 delivery is tried again\n" {
		t.Errorf("says %q", out)
	}
	awaited(t, url, n.ID, "delivered")
	if code, _, stderr := pipe(t, "", "deliveries", "replay", id, "--server", url); code != 1 || !strings.HasPrefix(stderr, "headsup: "+id+": ") {
		t.Errorf("a delivered one: exit code %d, %q", code, stderr)
	}
	later := notified(t, called(t, url, "send", "--to", "dl_ann", "--in", "1h", "--json", "y"))
	called(t, url, "notifications", "cancel", later.ID)
	if out = called(t, url, "deliveries", "replay", "--notification", later.ID, "--state", "cancelled", "--json"); !strings.Contains(out, `"replayed": 1`) {
		t.Errorf("says %q", out)
	}
}

func TestWrongChangesAreOneClearLine(t *testing.T) {
	t.Parallel()
	url := running(t)
	cases := map[string]struct {
		args string
		code int
		says string
	}{
		"no time":         {"notifications reschedule n", 2, "--in"},
		"two times":       {"notifications reschedule n --in 1h --at 2030-01-01T00:00:00Z", 2, "--at"},
		"no wait":         {"notifications reschedule n --in=0s", 2, "--in"},
		"nothing instead": {"notifications edit n", 2, "nothing to say"},
		"unknown":         {"notifications recall ntf_0000000000001 --server " + url, 1, "no such notification"},
		"dots":            {"notifications cancel ..", 2, "not an id"},
		"unknown state":   {"notifications list --state lost", 2, "--state"},
		"bad time":        {"notifications list --since yesterday", 2, "--since"},
		"no delivery":     {"deliveries get dlv_0000000000001 --server " + url, 1, "no such delivery"},
		"no outcome":      {"deliveries settle d lost", 2, "delivered"},
		"which":           {"deliveries replay", 2, "say which"},
		"both":            {"deliveries replay d --state failed", 2, "not both"},
		"dots of many":    {"deliveries replay ..", 2, "not an id"},
		"nobody":          {"conversations get nobody --server " + url, 1, "reference book"},
		"no tag":          {"conversations tag c", 2, "<tag>"},
		"unknown kind":    {"conversations list --kind crowd", 2, "--kind"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := pipe(t, "", strings.Fields(c.args)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q, says %q; want %d and one line with %q", code, stdout, stderr, c.code, c.says)
			}
		})
	}
}
