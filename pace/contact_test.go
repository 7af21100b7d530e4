package pace_test

import (
	"os"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/pace"
)

func TestFirstContactIsTheProfiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words   []string
		channel string
		want    pace.FirstContact
	}{
		{nil, "msteams", pace.FirstContactInstalled},
		{nil, "email", pace.FirstContactFree},
		{nil, "telegram", pace.FirstContactNever},
		{nil, "something else", pace.FirstContactNever},
		{[]string{"off"}, "msteams", pace.FirstContactInstalled}, // it is no limit
		{[]string{"msteams=off"}, "msteams", pace.FirstContactInstalled},
		{[]string{"msteams.first_contact=never"}, "msteams", pace.FirstContactNever},
		{[]string{"facebook.first_contact=free"}, "facebook", pace.FirstContactFree},
	} {
		p, err := pace.ParseProfiles(c.words)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.FirstContact(c.channel); got != c.want {
			t.Errorf("%q: %s has %s, want %s", c.words, c.channel, got, c.want)
		}
	}
	if _, err := pace.ParseProfiles([]string{"msteams.first_contact=sometimes"}); err == nil || !strings.Contains(err.Error(), "installed") {
		t.Errorf("error %v", err)
	}
}

// TestDocsHaveTheRulesOfFirstContact holds docs/limits.md to what the program does.
func TestDocsHaveTheRulesOfFirstContact(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Whom a bot may write to first")
	for channel, p := range pace.Published() {
		if !strings.Contains(section, "| `"+channel+"` | `"+string(p.FirstContact)+"` |") {
			t.Errorf("docs/limits.md does not say that %s has %s", channel, p.FirstContact)
		}
	}
}
