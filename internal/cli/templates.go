package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
)

type templateCommands struct {
	Put     putTemplate     `cmd:"" help:"Write a template, or a new version of it."`
	List    listTemplates   `cmd:"" help:"List the templates, or the versions of one."`
	Get     getTemplate     `cmd:"" help:"Print a template, as put takes it."`
	Delete  deleteTemplate  `cmd:"" help:"Delete a template."`
	Preview previewTemplate `cmd:"" help:"Show how a template is shown in every form."`
}

type putTemplate struct {
	Name string `arg:"" help:"The template's name."`
	File string `arg:"" default:"-" help:"The template, as JSON; - reads standard input (${default})."`
	remote
}

// Help shows examples.
func (putTemplate) Help() string {
	return `Examples:

    headsup templates put deal-won deal-won.json
    headsup templates get deal-won | jq '.description = "Told to the team."' | headsup templates put deal-won

What is wrong is told with its language, its place and its column. What was accepted with an earlier version is said as it was
accepted. docs/templates.md tells what a template has.`
}

// Run writes the template.
func (c *putTemplate) Run(ctx context.Context, s streams) error {
	r, err := templateFile("FILE", c.File, s)
	if err != nil {
		return usageError{err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	t, err := server.PutTemplate(ctx, c.Name, r)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, t)
	}
	_, err = fmt.Fprintf(s.out, "%s is version %d\n", t.Name, t.Version)
	return err
}

// templateFile is the template in a file.
func templateFile(flag, name string, s streams) (r api.TemplateRequest, err error) {
	raw, err := jsonFile(flag, name, s.in)
	if err != nil {
		return r, err
	}
	if err := written(raw, &r); err != nil {
		return r, fmt.Errorf("%s: %w", flag, err)
	}
	return r, nil
}

type listTemplates struct {
	Name string `arg:"" optional:"" help:"List the versions of this template."`
	listing
	remote
}

// Help shows examples.
func (listTemplates) Help() string {
	return `Examples:

    headsup templates list
    headsup templates list deal-won
    headsup templates list --json | jq -r .name

Those that were changed last come first. With --json, every template is one line.`
}

// Run lists templates.
func (c listTemplates) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.TemplateSummary]{
		head: []any{"NAME", "VERSION", "LANGUAGES", "CHANGED", "DESCRIPTION"},
		page: func(cursor string, limit int) ([]api.TemplateSummary, string, error) {
			if c.Name == "" {
				page, err := server.TemplatesPage(ctx, cursor, limit)
				if err != nil {
					err = c.explain(err)
				}
				return page.Templates, page.NextCursor, err
			}
			var all []api.TemplateSummary
			for t, err := range server.TemplateVersions(ctx, c.Name) {
				if err != nil {
					return all, "", c.explain(err)
				}
				if all = append(all, t); len(all) == limit {
					break
				}
			}
			return all, "", nil
		},
		cells: func(t api.TemplateSummary) []any {
			return []any{t.Name, t.Version, strings.Join(t.Languages, ","), instant(t.CreatedAt), t.Description}
		},
	}.print(s, c.listing, c.JSON)
}

type getTemplate struct {
	Name   string `arg:"" help:"The template's name."`
	Number int    `placeholder:"N" help:"The number of a version; the current one, if not given."`
	remote
}

// Help shows examples.
func (getTemplate) Help() string {
	return `Examples:

    headsup templates get deal-won > deal-won.json
    headsup templates get deal-won --number 3 | headsup templates put deal-won

It prints what put takes. With --json it prints the whole answer: the version and its times, too.`
}

// Run prints the template.
func (c getTemplate) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	t, err := server.Template(ctx, c.Name, c.Number)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, t)
	}
	return json.MarshalWrite(s.out, api.TemplateRequest{
		Description: t.Description, DefaultLanguage: t.DefaultLanguage, Parameters: t.Parameters, Languages: t.Languages,
	}, jsontext.WithIndent("  "), jsontext.Multiline(true), json.Deterministic(true))
}

type deleteTemplate struct {
	Name string `arg:"" help:"The template's name."`
	remote
}

// Help shows examples.
func (deleteTemplate) Help() string {
	return `Example:

    headsup templates delete deal-won

What was accepted with it is said all the same; occurrences of schedules that would tell it are skipped.`
}

// Run deletes the template.
func (c deleteTemplate) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	if err := server.DeleteTemplate(ctx, c.Name); err != nil {
		return c.explain(err)
	}
	_, err = fmt.Fprintf(s.out, "%s is deleted\n", c.Name)
	return err
}

type previewTemplate struct {
	Name   string `arg:"" optional:"" help:"The template's name."`
	File   string `placeholder:"FILE" help:"A template that is not kept, as JSON; - reads standard input."`
	Number int    `placeholder:"N" help:"The number of a version; the current one, if not given."`
	Values string `placeholder:"FILE" help:"The data, as JSON; - reads standard input. The examples of the parameters, if not given."`
	Locale string `placeholder:"TAG" help:"The recipient's language, such as de-CH."`
	Zone   string `placeholder:"ZONE" help:"The recipient's time zone, such as Europe/Zurich."`
	Person string `placeholder:"TEXT" help:"The recipient's name."`
	Topic  string `placeholder:"TEXT" help:"The notification's topic."`
	remote
}

// Help shows examples.
func (previewTemplate) Help() string {
	return `Examples:

    headsup templates preview deal-won --locale de
    headsup templates preview --file deal-won.json --values deal.json --zone Europe/Zurich
    headsup templates preview deal-won --json | jq -r '.forms[] | select(.form == "email").html' > mail.html

Nothing is sent or kept. The page /preview shows the same side by side.`
}

// Run shows the forms.
func (c *previewTemplate) Run(ctx context.Context, s streams) error {
	r := api.PreviewRequest{Locale: c.Locale, Topic: c.Topic}
	if c.Zone != "" || c.Person != "" {
		r.Recipient = &api.PreviewRecipient{Name: c.Person, TimeZone: c.Zone}
	}
	if (c.Name == "") == (c.File == "") {
		return usageError{errors.New("give a template's name, or --file")}
	}
	use, err := templateUse(c.Name, c.Values, s.in)
	if err != nil {
		return usageError{err}
	}
	use.Version, r.Template = c.Number, use
	if c.File != "" {
		draft, err := templateFile("--file", c.File, s)
		if err != nil {
			return usageError{err}
		}
		r.Draft = &draft
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	p, err := server.Preview(ctx, r)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, p)
	}
	return c.show(s, p)
}

// show prints what people read in each form.
func (c *previewTemplate) show(s streams, p api.Preview) error {
	t := newTable(s.out, false, "FORM", "SIZE", "LIMIT", "NOTE")
	for _, f := range p.Forms {
		about := ""
		if f.Segments > 0 {
			about = count(f.Segments, "segment") + ", " + f.Encoding
		}
		if f.TooLarge {
			about = strings.TrimPrefix(about+", too large", ", ")
		}
		t.row(f.Form, f.Size, f.Limit, about)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, f := range p.Forms {
		text := f.Text
		if f.Subject != "" {
			text = "Subject: " + f.Subject + "\n\n" + text
		}
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintf(s.out, "\n--- %s ---\n%s\n", f.Form, strings.TrimRight(text, "\n")); err != nil {
			return err
		}
	}
	return nil
}
