package cli

import (
	"context"
	"fmt"
)

type noteRoster struct {
	conversationName
	remote
}

// Help shows examples.
func (noteRoster) Help() string {
	return `Examples:

    headsup conversations roster 19:f0a1c2@thread.tacv2

A conversation of a team stands for the whole team. Whoever is in it is in the reference book then: headsup people list.`
}

// Run has the server ask.
func (c *noteRoster) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	r, err := server.NoteRoster(ctx, c.Channel, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, r)
	}
	_, err = fmt.Fprintf(s.out, "%s in %s\n", count(r.Members, "member"), r.Conversation)
	return err
}
