package headsup_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// TestDocsHaveTheVerdicts holds the table in docs/limits.md to the one that decides.
func TestDocsHaveTheVerdicts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What answers mean")
	for _, v := range headsup.Verdicts(activity.ChannelTeams) {
		row := regexp.MustCompile(`(?m)^\| [0-9, ]*\b` + strconv.Itoa(v.Status) + `\b[^|]*\|[^|]*` + v.Code + `[^|]*\| ` + string(v.Meaning) +
			` \| ` + "`" + v.Reason + "`" + ` \|(.*)\|$`)
		found := row.FindStringSubmatch(section)
		if found == nil {
			t.Errorf("docs/limits.md does not say what %d %s means: %s, %s", v.Status, v.Code, v.Meaning, v.Reason)
		} else if v.Suspends != (strings.TrimSpace(found[1]) == "suspended") {
			t.Errorf("docs/limits.md: %d %s: it suspends: %v", v.Status, v.Code, v.Suspends)
		}
	}
}
