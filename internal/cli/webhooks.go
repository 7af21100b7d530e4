package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/headsup-bot/headsup/api"
)

type webhooks struct {
	List   listWebhooks  `cmd:"" help:"List the webhooks and whether they work."`
	Create createWebhook `cmd:"" help:"Have events posted to an address."`
	Delete deleteWebhook `cmd:"" help:"Delete a webhook."`
	Test   testWebhook   `cmd:"" help:"Post a test event to a webhook."`
}

type listWebhooks struct{ remote }

// Help shows examples.
func (listWebhooks) Help() string {
	return `Examples:

    headsup webhooks list
    headsup webhooks list --json`
}

// Run lists the webhooks.
func (c listWebhooks) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	all, err := server.Webhooks(ctx)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, api.Webhooks{Webhooks: all})
	}
	return printWebhooks(s.out, all)
}

func printWebhooks(out io.Writer, all []api.Webhook) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "WEBHOOK\tSTATE\tDROPPED\tURL\tEVENTS") // Flush returns the first error
	for _, hook := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", printable(hook.ID), printable(health(hook)), hook.Dropped,
			printable(hook.URL), printable(strings.Join(hook.Events, ",")))
	}
	return w.Flush()
}

// health is a webhook's state in a word or two.
func health(w api.Webhook) string {
	switch {
	case !w.Enabled:
		return "disabled (" + w.DisabledReason + ")"
	case w.FailingSince != nil:
		return "failing since " + instant(*w.FailingSince)
	}
	return "ok"
}

type createWebhook struct {
	URL         string   `arg:"" help:"Where events are posted to."`
	Events      []string `placeholder:"TYPE" help:"Only these types, separated by commas. All, if not given."`
	Description string   `placeholder:"TEXT" help:"What it is for."`
	remote
}

// Help shows examples.
func (createWebhook) Help() string {
	return `Examples:

    headsup webhooks create https://example.com/headsup
    headsup webhooks create https://example.com/answers --events message.received,notification.answered

The secret that requests are signed with is printed once and cannot be asked for again.`
}

// Run makes a webhook.
func (c createWebhook) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	w, err := server.CreateWebhook(ctx, api.WebhookRequest{URL: c.URL, Events: c.Events, Description: c.Description})
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, w)
	}
	_, err = fmt.Fprintf(s.out, "%s posts to %s\nsecret: %s\n", printable(w.ID), printable(w.URL), printable(w.Secret))
	return err
}

type deleteWebhook struct {
	ID string `arg:"" help:"The webhook's id, as whk_…"`
	remote
}

// Help shows examples.
func (deleteWebhook) Help() string {
	return `Examples:

    headsup webhooks delete whk_0zk3v9q2m7r4x`
}

// Run deletes a webhook.
func (c deleteWebhook) Run(ctx context.Context, s streams) error {
	if err := webhookID(c.ID); err != nil {
		return err
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if err := server.DeleteWebhook(ctx, c.ID); err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, map[string]string{"deleted": c.ID})
	}
	_, err = fmt.Fprintln(s.out, "deleted")
	return err
}

type testWebhook struct {
	ID string `arg:"" help:"The webhook's id, as whk_…"`
	remote
}

// Help shows examples.
func (testWebhook) Help() string {
	return `Examples:

    headsup webhooks test whk_0zk3v9q2m7r4x

The exit code is 0 when the webhook took the event, and 1 when it did not.`
}

// Run posts a test event.
func (c testWebhook) Run(ctx context.Context, s streams) error {
	if err := webhookID(c.ID); err != nil {
		return err
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	t, err := server.TestWebhook(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		err = printJSON(s.out, t)
	} else if t.Status != 0 {
		_, err = fmt.Fprintf(s.out, "HTTP %d after %d ms\n", t.Status, t.LatencyMS)
	}
	if err == nil && t.Error != "" {
		err = fmt.Errorf("the webhook did not take the event: %s", strings.ReplaceAll(t.Error, "_", " "))
	}
	return err
}

func webhookID(id string) error {
	if strings.Trim(id, ".") == "" {
		return usageError{fmt.Errorf("%q is not an id of a webhook", id)}
	}
	return nil
}
