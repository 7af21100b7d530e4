package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/internal/doctor"
)

type doctorCommand struct {
	config.Flags
	Offline bool          `help:"Leave out what needs the network."`
	Channel string        `placeholder:"CHANNEL" help:"Ask about conversations of one channel only, such as msteams."`
	Timeout time.Duration `default:"10s" placeholder:"DURATION" help:"How long each check may take (${default})."`
	All     bool          `help:"Show what was skipped, too, and why."`
	JSON    bool          `name:"json" help:"Print what was found as JSON."`
}

// Help shows examples.
func (doctorCommand) Help() string {
	return `Examples:

    headsup doctor --config headsup.yaml
    headsup doctor --data /var/lib/headsup --offline
    headsup doctor --config headsup.yaml --json | jq '.checks[] | select(.status == "fail")'

It says what is wrong with the installation and what to do: configuration, clock, database, registration in Azure, the services that
are called, mail server and account for text messages, and the server, if it runs. It takes the settings of "headsup serve": call it as the server is called, as its user.
Nothing is changed. docs/doctor.md has every check.

The exit code is 0 when nothing failed, 1 when something did, 2 when the call is wrong or the configuration cannot be read.`
}

// Run examines the installation and prints what it has found.
func (c doctorCommand) Run(ctx context.Context, s streams, l *config.Loader) error {
	if c.Timeout <= 0 {
		return usageError{errors.New("--timeout: must be positive")}
	}
	loaded, err := loadServer(l)
	problems, _ := config.ProblemsOf(err)
	if unreadable := slices.DeleteFunc(slices.Clone(problems), func(p config.Problem) bool {
		return p.Path != "" || p.Origin.Source != config.SourceFile
	}); len(unreadable) > 0 {
		return unreadable
	}
	report := doctor.Examine(ctx, doctor.Config{
		Loaded: loaded, Problems: problems, Server: serverConfig(loaded), Offline: c.Offline, Channel: activity.ChannelID(c.Channel),
		Timeout: c.Timeout, Version: buildVersion(),
	})
	if c.JSON {
		err = printJSON(s.out, report)
	} else {
		err = printReport(s.out, report, c.All)
	}
	if err == nil && !report.OK {
		err = fmt.Errorf("%s failed", count(report.Summary.Fail, "check"))
	}
	return err
}

// statusWords stand at the beginning of lines, so that nobody needs to see colours.
var statusWords = map[doctor.Status]string{doctor.OK: "ok", doctor.Warn: "warn", doctor.Fail: "FAIL", doctor.Skipped: "skip"}

// printReport writes a line for each result, one below for what to do, and one at the end that counts. What was skipped is
// only counted, unless all is to be shown.
func printReport(w io.Writer, r doctor.Report, all bool) error {
	widest := 0
	for _, c := range r.Checks {
		widest = max(widest, len(c.Check))
	}
	var b strings.Builder
	for _, c := range r.Checks {
		if c.Status == doctor.Skipped && !all {
			continue
		}
		found := c.Found
		if c.Subject != "" && !strings.HasPrefix(found, c.Subject) {
			found = c.Subject + ": " + found
		}
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", statusWords[c.Status], widest, c.Check, printable(found))
		if c.Do != "" {
			fmt.Fprintf(&b, "%-4s  %-*s  do: %s\n", "", widest, "", printable(c.Do))
		}
	}
	skipped := fmt.Sprintf("%d skipped", r.Summary.Skipped)
	if r.Summary.Skipped > 0 && !all {
		skipped += " (--all shows why)"
	}
	fmt.Fprintf(&b, "%d failed, %s, %d ok, %s\n", r.Summary.Fail, count(r.Summary.Warn, "warning"), r.Summary.OK, skipped)
	_, err := io.WriteString(w, b.String())
	return err
}
