package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type importReferences struct {
	Files   []string `arg:"" name:"file" help:"Files with references; - is standard input."`
	Format  string   `default:"auto" enum:"auto,json,csv" help:"What is in them: ${enum}. By their names, if not given; JSON where they tell nothing."`
	Tenant  string   `placeholder:"ID" help:"The tenant of those references on Microsoft Teams that name none."`
	Channel string   `placeholder:"CHANNEL" help:"The channel of those lines of a CSV file that name none, such as msteams."`
	Bot     string   `placeholder:"ID" help:"The bot's id on the channel, for those lines of a CSV file that name none, such as 28:… with the app id."`
	Tag     []string `placeholder:"TAG" help:"A tag for all of them. May be repeated."`
	Check   bool     `help:"Only say what would become of each."`
	remote
}

// Help shows examples.
func (importReferences) Help() string {
	return `Examples:

    headsup import references.json --check
    headsup import references.json --tag imported
    headsup import users.csv --channel msteams --bot 28:3c1f6d52-88a4-4f0e-9b57-61d2a7e4c0aa
    sqlite3 -json old.db 'select * from conversations' | headsup import -

JSON files may hold anything: references are found wherever they stand, one by one, in lists, by keys, a value a line, or in
texts that are JSON themselves, as storages of SDKs write it. They are read as the Microsoft SDKs of the third and fourth
generation, their successors, and the samples write them; docs/importing.md has the forms.

CSV files begin with a line of names. Known are, in any case and with or without underscores: conversation_id, channel_id,
service_url, tenant_id, user_id, user_name, aad_object_id, upn, email, bot_id, bot_name, conversation_type, is_group, locale,
time_zone, external_id, tags (separated by spaces), and those of the samples (to_id, from_id, aad_id and the like).

A conversation that the bot knows stays as it is, so the same call may be repeated. What is refused is told with its place,
and the exit code is 1 then.`
}

// importBatch is how many references go out in one request, and importBytes how many bytes of them.
const (
	importBatch = 500
	importBytes = 1 << 20
)

// Run reads the files and has the server take what is in them.
func (c *importReferences) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	in := importing{c: c, server: server, s: s}
	for _, name := range c.Files {
		if err := in.file(ctx, name); err != nil {
			return err
		}
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	if err := in.tell(); err != nil || in.total.Refused == 0 {
		return err
	}
	return fmt.Errorf("%s refused", count(in.total.Refused, "reference"))
}

// importing is the work of one call.
type importing struct {
	c      *importReferences
	server *client.Client
	s      streams
	places []string // of those that wait
	batch  []api.ImportItem
	size   int // of the batch in bytes
	total  api.ImportResult
}

// file reads one file, of which "-" is standard input.
func (in *importing) file(ctx context.Context, name string) error {
	from := in.s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	found := in.total.Added + in.total.Known + in.total.Refused + len(in.batch)
	for at, err := range in.references(name, from) {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if at.refused != "" {
			in.total.Refused++
			in.complain(name+at.place, at.refused)
			continue
		}
		if len(in.batch) == importBatch || in.size+len(at.item.Reference) > importBytes {
			if err := in.flush(ctx); err != nil {
				return err
			}
		}
		at.item.Tags = append(at.item.Tags, in.c.Tag...)
		in.places, in.batch = append(in.places, name+at.place), append(in.batch, at.item)
		in.size += len(at.item.Reference)
	}
	if in.total.Added+in.total.Known+in.total.Refused+len(in.batch) == found {
		return fmt.Errorf("%s: there is no reference in it", name)
	}
	return nil
}

// references chooses who reads a file.
func (in *importing) references(name string, from io.Reader) references {
	if in.c.Format == "csv" || in.c.Format == "auto" && isCSV(name) {
		return csvReferences(from, csvDefaults{channel: in.c.Channel, bot: in.c.Bot}, func(column string) {
			_, _ = fmt.Fprintf(in.s.err, "%s: the column %q is not known and left out\n", name, column)
		})
	}
	return jsonReferences(from)
}

// flush has the server take what waits.
func (in *importing) flush(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	out, err := in.server.Import(ctx, api.ImportRequest{References: in.batch, Tenant: in.c.Tenant, Check: in.c.Check})
	if err != nil {
		if done := in.total.Added + in.total.Known; done > 0 && !in.c.Check {
			return fmt.Errorf("%w (%s before are in the book; the same call goes on)", in.c.explain(err), count(done, "reference"))
		}
		return in.c.explain(err)
	}
	for i, result := range out.Results {
		if result.Problem != nil {
			in.complain(in.places[i], inReference(*result.Problem))
		}
	}
	in.total.Added += out.Added
	in.total.Known += out.Known
	in.total.Refused += out.Refused
	if in.c.JSON {
		in.total.Results = append(in.total.Results, out.Results...)
	}
	in.places, in.batch, in.size = in.places[:0], in.batch[:0], 0
	return nil
}

func (in *importing) complain(place, reason string) {
	_, _ = fmt.Fprintf(in.s.err, "%s: %s\n", printable(place), printable(reason))
}

// tell prints what became of all.
func (in *importing) tell() error {
	if in.c.JSON {
		return printJSON(in.s.out, in.total)
	}
	would := ""
	if in.c.Check {
		would = "would be "
	}
	_, err := fmt.Fprintf(in.s.out, "%sadded %d, known %d, refused %d\n", would, in.total.Added, in.total.Known, in.total.Refused)
	return err
}

// inReference is a problem without the place that the request gave its reference.
func inReference(p api.Problem) string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	at := p.Errors[0].Field
	if _, rest, found := strings.Cut(at, "]"); found {
		at = strings.TrimPrefix(rest, ".")
	}
	return strings.TrimSpace(at + ": " + p.Errors[0].Message)
}
