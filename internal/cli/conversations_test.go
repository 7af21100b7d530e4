package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// called runs a command that must work and returns its output.
func called(t *testing.T, url string, args ...string) string {
	t.Helper()
	code, out, stderr := pipe(t, "", append(args, "--server", url)...)
	if code != 0 || stderr != "" {
		t.Fatalf("%q: exit code %d, %q", args, code, stderr)
	}
	return out
}

// known is the only conversation of a server.
func known(t *testing.T, url string) (c api.Conversation) {
	t.Helper()
	if err := json.Unmarshal([]byte(called(t, url, "conversations", "list", "--json")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConversationsAreFiledAndFound(t *testing.T) {
	t.Parallel()
	url := running(t)
	id := known(t, url).ID
	out := called(t, url, "conversations", "list", "--kind", "personal", "--user", "dl_ann")
	if fields := strings.Fields(out); strings.Count(out, "\n") != 2 || fields[0] != "CONVERSATION" || !slices.Contains(fields, id) {
		t.Errorf("listed as\n%s", out)
	}
	if out = called(t, url, "conversations", "get", id); !strings.Contains(out, "directline") || !strings.Contains(out, "dl_ann") {
		t.Errorf("shown as\n%s", out)
	}
	called(t, url, "conversations", "tag", id, "on-call", "berlin")
	called(t, url, "conversations", "tag", id, "berlin", "night")
	called(t, url, "conversations", "untag", id, "berlin", "nothing")
	if c := known(t, url); !slices.Equal(c.Tags, []string{"night", "on-call"}) {
		t.Errorf("tags %q", c.Tags)
	}
	called(t, url, "conversations", "untag", id, "on-call", "night")
	if c := known(t, url); len(c.Tags) > 0 {
		t.Errorf("tags %q after removing all", c.Tags)
	}
	called(t, url, "conversations", "tag", id, "on-call")
	called(t, url, "conversations", "identify", id, "employee-4711")
	for name, target := range map[string][]string{
		"tag": {"--tag", "on-call"}, "external id": {"--external-id", "employee-4711"}, "whatever it is": {"--to", "employee-4711"},
	} {
		if out := called(t, url, append([]string{"send", "Heads up!"}, target...)...); out != "delivered to 1 conversation\n" {
			t.Errorf("%s: %q", name, out)
		}
	}
	if out = called(t, url, "conversations", "list", "--tag", "off-call"); strings.Count(out, "\n") != 1 {
		t.Errorf("nothing is listed as %q", out)
	}
	if out = called(t, url, "conversations", "identify", id, "", "--json"); strings.Contains(out, "4711") {
		t.Errorf("still %s", out)
	}
	if out = called(t, url, "conversations", "forget", id); out != "forgotten: "+id+"\n" {
		t.Errorf("says %q", out)
	}
	if code, _, stderr := pipe(t, "", "conversations", "get", id, "--server", url); code != 1 || !strings.Contains(stderr, "reference book") {
		t.Errorf("afterwards: exit code %d, %q", code, stderr)
	}
}

func TestTranscriptTellsWhatWasSaid(t *testing.T) {
	t.Parallel()
	url := running(t)
	id := known(t, url).ID
	for _, text := range []string{"one", "two\nlines", "three"} {
		called(t, url, "send", "--to", "dl_ann", text)
	}
	lines := strings.Split(strings.TrimSpace(called(t, url, "conversations", "transcript", id)), "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "NUMBER") {
		t.Fatalf("printed as %q", lines)
	}
	said := lines[len(lines)-3:]
	for i, want := range []string{"one", "two lines", "three"} {
		if !strings.HasSuffix(said[i], want) || !strings.Contains(said[i], "message") {
			t.Errorf("line %q, want %q", said[i], want)
		}
	}
	out := called(t, url, "conversations", "transcript", id, "--json")
	var last api.Utterance
	if err := json.Unmarshal([]byte(strings.Split(strings.TrimSpace(out), "\n")[len(lines)-2]), &last); err != nil || !strings.Contains(string(last.Activity), "three") {
		t.Errorf("%v in %q", err, out)
	}
}

// TestWrongFilesAreSaidInTheirOwnWords: nobody who writes a notice knows the names of our types.
func TestWrongFilesAreSaidInTheirOwnWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"wat":"x"}`:                   "headsup: --notice: wat: is no member of it\n",
		`{"facts":[{"title":1}]}`:       "headsup: --notice: facts.0.title: is not of the right type\n",
		`{"what":"x"`:                   "headsup: --notice: is not JSON: unexpected EOF",
		`{"what":"x","actions":["do"]}`: "headsup: --notice: actions.0: is not of the right type\n",
	} {
		if code, _, stderr := pipe(t, in, "send", "--to", "dl_ann", "--notice", "-"); code == 0 || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: exit code %d, %q", in, code, stderr)
		}
	}
}

func TestSendSaysItInManyWays(t *testing.T) {
	t.Parallel()
	url := running(t)
	card := `{"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Build 7"}]}`
	for name, c := range map[string]struct {
		in, want string
		args     []string
	}{
		"Markdown": {"Your build is **done**.\n", `"markdown"`, []string{"--markdown"}},
		"a card":   {card, "application/vnd.microsoft.card.adaptive", []string{"--card", "-", "--summary", "Build 7 is done"}},
		"a notice": {`{"what":"Build 7 is done","item":{"title":"Build 7"},"actions":[{"do":"snooze","for":"2h"}]}`, "application/vnd.headsup.notice+json", []string{"--notice", "-"}},
		"locale":   {"Guten Tag", `"Guten Tag"`, []string{"--locale", "de-DE"}},
	} {
		args := append([]string{"send", "--to", "dl_ann", "--json", "--server", url}, c.args...)
		code, out, stderr := pipe(t, c.in, args...)
		if code != 0 || !strings.Contains(out, c.want) || !strings.Contains(out, `"state": "delivered"`) {
			t.Errorf("%s: exit code %d, %s, %s", name, code, out, stderr)
		}
	}
	for name, args := range map[string][]string{
		"two contents": {"--card", "x", "--markdown"}, "card and text": {"--card", "x", "text"}, "notice and text": {"--notice", "x", "text"}, "summary of an activity": {"--activity", "x", "--summary", "s"},
		"new for a tag": {"--new", "--tag", "t", "x"},
	} {
		if name != "new for a tag" {
			args = append(args, "--to", "dl_ann")
		}
		if code, _, stderr := pipe(t, "", append([]string{"send"}, args...)...); code != 2 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
	}
}
