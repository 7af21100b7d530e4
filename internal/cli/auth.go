package cli

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup/api"
)

type authCommands struct {
	Refresh refreshAuth `cmd:"" help:"Fetch the keys by which callers' tokens are checked, now."`
}

type refreshAuth struct {
	remote
}

// Help shows examples.
func (refreshAuth) Help() string {
	return `Examples:

    headsup auth refresh
    headsup auth refresh --json

A key that its issuer has withdrawn is refused from then on: by this server at once, by others over the same database within five
seconds. By themselves servers fetch keys once an hour, and when a token names one that they do not know. What cannot be fetched stays
as it was, and is tried again; the exit code is 1 then. It needs a key with the scope admin.`
}

// Run has the server fetch keys.
func (c refreshAuth) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	done, err := server.RefreshAuth(ctx)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		err = printJSON(s.out, done)
	} else {
		err = printRefresh(s, done)
	}
	failed := 0
	for _, set := range done.Sets {
		if set.Error != "" {
			failed++
		}
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s could not be fetched: the keys that were known stay", count(failed, "set"))
	}
	return err
}

func printRefresh(s streams, done api.AuthRefresh) error {
	if len(done.Sets) == 0 {
		_, err := fmt.Fprintln(s.out, "this server checks nobody's tokens")
		return err
	}
	for _, set := range done.Sets {
		line := fmt.Sprintf("%s: %s from %s", set.Of, count(set.Keys, "key"), set.Metadata)
		if set.Error != "" {
			line += ": not fetched: " + set.Error
		}
		if _, err := fmt.Fprintln(s.out, printable(line)); err != nil {
			return err
		}
	}
	return nil
}
