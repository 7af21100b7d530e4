package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup/api"
)

type pauseCommands struct {
	List listPauses `cmd:"" help:"List what is left alone for a while."`
	End  endPause   `cmd:"" help:"End a pause before its time."`
}

type listPauses struct {
	Limit int `default:"50" placeholder:"N" help:"Show at most so many, up to 500 (${default})."`
	remote
}

// Help shows examples.
func (listPauses) Help() string {
	return `Examples:

    headsup pauses list
    headsup pauses list --json | jq -r 'select(.level == "bot").reason'

A conversation or tenant is paused when the channel asks for it (429), a bot when its token is refused, a host when it does not
answer. What waits is delivered afterwards. With the state "trying" one call at a time is made, until one succeeds. What reaches
furthest comes first. With --json, every pause is one line.`
}

// Run lists pauses.
func (c listPauses) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.Pause]{
		head: []any{"ID", "LEVEL", "WHAT", "STATE", "UNTIL", "REASON", "TIMES"},
		page: func(_ string, limit int) ([]api.Pause, string, error) {
			found, err := server.Pauses(ctx, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			if found.Total > len(found.Pauses) {
				_, err = fmt.Fprintf(s.err, "headsup: there are %d\n", found.Total)
			}
			return found.Pauses, "", err
		},
		cells: func(p api.Pause) []any {
			return []any{p.ID, p.Level, paused(p), p.State, instant(p.Until), p.Reason, p.Times}
		},
	}.print(s, listing{Limit: c.Limit}, c.JSON)
}

// paused says what is paused.
func paused(p api.Pause) string {
	return strings.Join(strings.Fields(strings.Join([]string{p.Channel, p.Tenant, p.Conversation, p.Host}, " ")), " ")
}

type endPause struct {
	ID string `arg:"" help:"The pause's id, as headsup pauses list shows it."`
	remote
}

// Help shows examples.
func (endPause) Help() string {
	return `Examples:

    headsup pauses end pau_5f2b0c9a71d3e864

Everything that waits goes on at once. Use it when you know that what led to the pause is put right.`
}

// Run ends the pause.
func (c endPause) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	p, err := server.EndPause(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, p)
	}
	_, err = fmt.Fprintf(s.out, "%s %s: not paused any more\n", p.Level, paused(p))
	return err
}
