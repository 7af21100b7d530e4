package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type peopleCommands struct {
	List    listPeople   `cmd:"" help:"List the people whom the bot knows."`
	Show    showPerson   `cmd:"" help:"See whom a key means."`
	Merge   mergePeople  `cmd:"" help:"Say that people on several channels are one human."`
	Split   splitPerson  `cmd:"" help:"Take back a merge."`
	Export  exportPerson `cmd:"" help:"Write everything that is kept of a person into a file."`
	Erase   erasePerson  `cmd:"" help:"Erase everything that is kept of a person."`
	Erasure showErasure  `cmd:"" help:"See how far an erasure has come."`
}

// personKey are the arguments that name a person.
type personKey struct {
	ID      string `arg:"" help:"The person: an id on a channel, or what --by says."`
	By      string `default:"user" enum:"user,external-id,object-id,upn,email" placeholder:"KIND" help:"What ID is: user (an id on a channel), external-id, object-id (in Microsoft Entra), upn or email (${default})."`
	Channel string `placeholder:"CHANNEL" help:"Only on this channel."`
	Tenant  string `placeholder:"TENANT" help:"Only in this tenant of the channel."`
}

func (p personKey) who() api.PersonKey {
	k := api.PersonKey{Channel: p.Channel, Tenant: p.Tenant}
	switch p.By {
	case "external-id":
		k.ExternalID = p.ID
	case "object-id":
		k.ObjectID = p.ID
	case "upn":
		k.UPN = p.ID
	case "email":
		k.Email = p.ID
	default:
		k.User = p.ID
	}
	return k
}

type showPerson struct {
	personKey
	remote
}

// Help shows examples.
func (showPerson) Help() string {
	return `Examples:

    headsup people show dl_ann
    headsup people show employee-4711 --by external-id

One human may be several entries of the reference book, one for each channel.`
}

// Run shows whom the key means.
func (c *showPerson) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	found, err := server.FindPerson(ctx, c.who())
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, api.KnownPeople{People: found})
	}
	for _, p := range found {
		if _, err := fmt.Fprintln(s.out, personText(p)); err != nil {
			return err
		}
	}
	return nil
}

// personText is somebody in a line.
func personText(p api.KnownPerson) string {
	parts := []string{p.Channel, p.User}
	if p.ID != "" {
		parts = append([]string{p.ID}, parts...)
	}
	for _, more := range []string{p.Name, p.Email, p.UPN, p.ExternalID} {
		if more != "" && !slices.Contains(parts, more) {
			parts = append(parts, more)
		}
	}
	return printable(strings.Join(parts, "  "))
}

type exportPerson struct {
	personKey
	Output string `required:"" placeholder:"FILE" help:"Where to write it: a new file, which only you can read."`
	remote
}

// Help shows examples.
func (exportPerson) Help() string {
	return `Examples:

    headsup people export dl_ann --output ann.ndjson
    headsup people export ann@example.com --by email --output ann.ndjson

The file has one JSON object a line; docs/people.md says what is in it. It is there when it is complete, or not at all.`
}

// Run exports a person.
func (c *exportPerson) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	n := 0
	if err := newFile(c.Output, func(f *os.File) error {
		if n, err = server.ExportPerson(ctx, c.who(), f); err != nil {
			return c.explain(err)
		}
		return nil
	}); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, struct {
			File    string `json:"file"`
			Records int    `json:"records"`
		}{c.Output, n})
	}
	_, err = fmt.Fprintf(s.out, "%s: %s\n", c.Output, count(n, "record"))
	return err
}

type erasePerson struct {
	personKey
	Yes  bool `help:"Do not ask."`
	Wait bool `help:"Wait until nothing is left."`
	remote
}

// Help shows examples.
func (erasePerson) Help() string {
	return `Examples:

    headsup people erase dl_ann
    headsup people erase employee-4711 --by external-id --yes --wait

It cannot be taken back. When the command has ended, nothing is said to the person any more; the rest is erased in the
background, which "headsup people erasure" follows. docs/people.md tells what is erased, and what backups mean.

The exit code is 0 when the erasure has begun, or with --wait when it is done, 1 when something failed or you said no.`
}

// errNotErased: the answer was not yes.
var errNotErased = errors.New("nothing was erased")

// erasurePoll is how often --wait looks.
const erasurePoll = 200 * time.Millisecond

// Run erases a person.
func (c *erasePerson) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	if !c.Yes {
		if err := c.ask(ctx, server, s); err != nil {
			return err
		}
	}
	x, err := server.ErasePerson(ctx, c.who())
	if err != nil {
		return c.explain(err)
	}
	tick := time.NewTicker(erasurePoll)
	defer tick.Stop()
	for c.Wait && x.State != "done" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("interrupted; %s goes on", x.ID)
		}
		if x, err = server.Erasure(ctx, x.ID); err != nil {
			return c.explain(err)
		}
	}
	return printErasure(s, x, c.JSON)
}

// ask shows who would be erased and takes yes for an answer.
func (c *erasePerson) ask(ctx context.Context, server *client.Client, s streams) error {
	found, err := server.FindPerson(ctx, c.who())
	if err != nil {
		return c.explain(err)
	}
	for _, p := range found {
		if _, err := fmt.Fprintln(s.err, personText(p)); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(s.err, "Erase everything that is kept of them? It cannot be taken back. [yes/no] "); err != nil {
		return err
	}
	answer := bufio.NewScanner(s.in)
	if !answer.Scan() || !strings.EqualFold(strings.TrimSpace(answer.Text()), "yes") {
		return errNotErased
	}
	return nil
}

func printErasure(s streams, x api.Erasure, asJSON bool) error {
	if asJSON {
		return printJSON(s.out, x)
	}
	total := int64(0)
	for _, n := range x.Erased {
		total += n
	}
	so := " so far"
	if x.State == "done" {
		so = ""
	}
	_, err := fmt.Fprintf(s.out, "%s: %s, %s erased%s\n", x.ID, x.State, count(int(total), "record"), so)
	return err
}

type showErasure struct {
	ID string `arg:"" help:"The erasure, as \"headsup people erase\" has told it."`
	remote
}

// Help shows examples.
func (showErasure) Help() string {
	return `Examples:

    headsup people erasure era_0zk3v9q2m7r4x`
}

// Run shows an erasure.
func (c *showErasure) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	x, err := server.Erasure(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	return printErasure(s, x, c.JSON)
}
