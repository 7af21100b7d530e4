package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/api"
)

type signing struct {
	List   listSigning   `cmd:"" help:"List what tokens are signed with."`
	Rotate rotateSigning `cmd:"" help:"Replace what tokens are signed with."`
}

type listSigning struct {
	remote
}

// Help shows examples.
func (listSigning) Help() string {
	return `Examples:

    headsup signing-key list

One that is retired signs no more; what it has signed is good until it ends.`
}

// Run lists signing keys.
func (c listSigning) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	found, err := server.SigningKeys(ctx)
	if err != nil {
		return c.explain(err)
	}
	return printSigning(s, c.remote, found)
}

type rotateSigning struct {
	Purpose string `arg:"" enum:"directline,bot,actions" help:"Which: directline signs tokens of the embedded channel, bot those that a bot in another process is shown, actions what comes back from buttons and links."`
	AtOnce  bool   `name:"at-once" help:"Have the new key sign now and refuse what any other has signed: for a key that others may have."`
	remote
}

// Help shows examples.
func (rotateSigning) Help() string {
	return `Examples:

    headsup signing-key rotate directline
    headsup signing-key rotate bot
    headsup signing-key rotate actions
    headsup signing-key rotate directline --at-once

The new key is made on all servers over the database. It signs once all of them, and the bots that read published keys, can know
it: after two minutes, 65 for bot. What the old one has signed stays good until it ends, so that no token is refused.

The exit code is 0 when the new key was made, 1 when something failed (one is under way already, say), 2 when the call is wrong.`
}

// Run replaces a signing key.
func (c rotateSigning) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	found, err := server.RotateSigningKey(ctx, c.Purpose, c.AtOnce)
	if err != nil {
		return c.explain(err)
	}
	return printSigning(s, c.remote, found)
}

func printSigning(s streams, c remote, found api.SigningKeys) error {
	if c.JSON {
		return printJSON(s.out, found)
	}
	for _, k := range found.Keys {
		text := fmt.Sprintf("%s %s: %s", k.Purpose, k.ID, k.State)
		switch {
		case k.State == "next" && k.SignsFrom != nil:
			text += ", signs from " + k.SignsFrom.UTC().Format(time.RFC3339)
		case k.GoodUntil != nil:
			text += ", what it has signed is good until " + k.GoodUntil.UTC().Format(time.RFC3339) + " at most"
		}
		if _, err := fmt.Fprintln(s.out, printable(text)); err != nil {
			return err
		}
	}
	return nil
}
