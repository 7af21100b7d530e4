package cli

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type listPeople struct {
	Channel string `placeholder:"CHANNEL" help:"Only those on a channel, such as msteams."`
	Tenant  string `placeholder:"TENANT" help:"Only those in a tenant of their channel."`
	listing
	remote
}

// Help shows examples.
func (listPeople) Help() string {
	return `Examples:

    headsup people list
    headsup people list --channel msteams --limit 0 --json | jq -r .email

Somebody is listed once for each channel and tenant. To find one person by a key, there is "headsup people show".`
}

// Run lists people in the order in which the bot met them.
func (c *listPeople) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.KnownPerson]{
		head: []any{"PERSON", "CHANNEL", "USER", "EXTERNAL ID", "EMAIL", "UPN", "MERGED", "NAME"},
		page: func(cursor string, limit int) ([]api.KnownPerson, string, error) {
			p, err := server.PeoplePage(ctx, client.PeopleFilter{Channel: c.Channel, Tenant: c.Tenant}, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.People, p.NextCursor, nil
		},
		cells: func(p api.KnownPerson) []any { return personCells(p) },
	}.print(s, c.listing, c.JSON)
}

func personCells(p api.KnownPerson) []any {
	merged := ""
	if p.Merged {
		merged = "yes"
	}
	return []any{p.ID, p.Channel, p.User, p.ExternalID, p.Email, p.UPN, merged, p.Name}
}

// printHuman writes who somebody is on each channel.
func (r *remote) printHuman(s streams, people []api.KnownPerson) error {
	if r.JSON {
		return printJSON(s.out, api.Human{People: people})
	}
	for _, p := range people {
		if _, err := fmt.Fprintln(s.out, personText(p)); err != nil {
			return err
		}
	}
	return nil
}

type mergePeople struct {
	ID   string   `arg:"" help:"Somebody, as \"headsup people list\" or \"show\" names them: per_…"`
	With []string `arg:"" help:"Who else the same human is."`
	remote
}

// Help shows examples.
func (mergePeople) Help() string {
	return `Examples:

    headsup people merge per_0000000000007 per_0000000000008

Whoever is looked up, exported or erased by a key of one of them is all of them from then on.`
}

// Run merges people.
func (c *mergePeople) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	all, err := server.MergePeople(ctx, c.ID, c.With...)
	if err != nil {
		return c.explain(err)
	}
	return c.printHuman(s, all)
}

type splitPerson struct {
	ID   string   `arg:"" help:"Who is somebody else after all."`
	With []string `arg:"" optional:"" help:"Who goes with them."`
	remote
}

// Help shows examples.
func (splitPerson) Help() string {
	return `Examples:

    headsup people split per_0000000000008

It shows who is one human of their own now; those who are left stay one.`
}

// Run splits a person.
func (c *splitPerson) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	out, err := server.SplitPerson(ctx, c.ID, c.With...)
	if err != nil {
		return c.explain(err)
	}
	return c.printHuman(s, out)
}
