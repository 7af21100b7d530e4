package pace_test

import (
	"os"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/pace"
)

// TestDocsHaveThePublishedProfiles holds the table in docs/limits.md to what the program does.
func TestDocsHaveThePublishedProfiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	words := func(ws []pace.Window) string {
		parts := make([]string, len(ws))
		for i, w := range ws {
			parts[i] = w.String()
		}
		return strings.Join(parts, "+")
	}
	for channel, p := range pace.Published() {
		_, row, found := strings.Cut(string(page), "| `"+channel+"` |")
		cells := strings.Split(row, "|")
		if !found || len(cells) < 4 {
			t.Errorf("%s is not in docs/limits.md", channel)
			continue
		}
		for i, ws := range [][]pace.Window{p.PerConversation, p.PerTenant, p.PerBot} {
			if got := strings.TrimSpace(cells[i]); got != words(ws) {
				t.Errorf("docs/limits.md: %s: %q, is %q", channel, got, words(ws))
			}
		}
	}
}
