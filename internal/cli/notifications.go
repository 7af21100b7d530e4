package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type notifications struct {
	List       listNotifications      `cmd:"" help:"List notifications, newest first."`
	Get        getNotification        `cmd:"" help:"Show a notification, its deliveries and their history."`
	Cancel     cancelNotification     `cmd:"" help:"Stop what is not being sent yet."`
	Reschedule rescheduleNotification `cmd:"" help:"Move what is not being sent yet to another time."`
	Edit       editNotification       `cmd:"" help:"Change what a notification says, and where the channel can what it said."`
	Recall     recallNotification     `cmd:"" help:"Take a notification back, and where the channel can unsay it."`
}

type listNotifications struct {
	State        string    `default:"" enum:",scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled,recalled" placeholder:"STATE" help:"Only those in a state: scheduled, ready, held, sending, delivered, failed, unknown, expired, suppressed, cancelled, recalled."`
	Topic        string    `placeholder:"TEXT" help:"Only those of a topic."`
	Conversation string    `placeholder:"ID" help:"Only those to a conversation, by its id on the channel."`
	Since        time.Time `placeholder:"TIME" help:"Only those accepted at an instant or later, such as 2026-12-24T18:00:00Z."`
	Before       time.Time `placeholder:"TIME" help:"Only those accepted before an instant."`
	listing
	remote
}

// Help shows examples.
func (listNotifications) Help() string {
	return `Examples:

    headsup notifications list
    headsup notifications list --state failed --topic builds
    headsup notifications list --since 2026-12-01T00:00:00Z --limit 0 --json | jq -r .id`
}

// Run lists notifications.
func (c *listNotifications) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	filter := client.NotificationFilter{
		State: c.State, Topic: c.Topic, Conversation: c.Conversation, CreatedAfter: c.Since, CreatedBefore: c.Before,
	}
	return lister[api.NotificationSummary]{
		head:    []any{"NOTIFICATION", "STATE", "ACCEPTED", "DELIVERED", "OF", "TOPIC", "TO"},
		largest: 200,
		page: func(cursor string, limit int) ([]api.NotificationSummary, string, error) {
			p, err := server.NotificationsPage(ctx, filter, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Notifications, p.NextCursor, nil
		},
		cells: func(n api.NotificationSummary) []any {
			all := 0
			for _, some := range n.Counts {
				all += some
			}
			return []any{n.ID, n.State, instant(n.CreatedAt), n.Counts["delivered"], all, n.Topic, targetText(n.To)}
		},
	}.print(s, c.listing, c.JSON)
}

type notificationID struct {
	ID string `arg:"" help:"The notification's id, as ntf_…"`
}

// Validate implements kong's hook: ids are part of a path.
func (n notificationID) Validate() error { return anID("notification", n.ID) }

type getNotification struct {
	notificationID
	remote
}

// Help shows examples.
func (getNotification) Help() string {
	return `Examples:

    headsup notifications get ntf_0zk3v9q2m7r4x
    headsup notifications get ntf_0zk3v9q2m7r4x --json

The exit code is 0 whatever became of the notification; --json tells programs.`
}

// Run shows the notification.
func (c *getNotification) Run(ctx context.Context, s streams) error {
	return c.change(s, func(server *client.Client) (api.Notification, error) { return server.Notification(ctx, c.ID) })
}

type cancelNotification struct {
	notificationID
	remote
}

// Help shows examples.
func (cancelNotification) Help() string {
	return `Examples:

    headsup notifications cancel ntf_0zk3v9q2m7r4x

What is being sent, or has been, stays as it is; "headsup notifications recall" takes that back too. It may be repeated.`
}

// Run cancels the notification.
func (c *cancelNotification) Run(ctx context.Context, s streams) error {
	return c.change(s, func(server *client.Client) (api.Notification, error) { return server.Cancel(ctx, c.ID) })
}

type rescheduleNotification struct {
	notificationID
	In time.Duration `required:"" xor:"when" placeholder:"DURATION" help:"Say it so long from now, such as 90s or 1h30m."`
	At time.Time     `required:"" xor:"when" placeholder:"TIME" help:"Say it at an instant, such as 2026-12-24T18:00:00Z."`
	remote
}

// Help shows examples.
func (rescheduleNotification) Help() string {
	return `Examples:

    headsup notifications reschedule ntf_0zk3v9q2m7r4x --in 1h
    headsup notifications reschedule ntf_0zk3v9q2m7r4x --at 2026-12-24T18:00:00Z

What is being sent, or has been, stays as it is.`
}

// Run moves the notification.
func (c *rescheduleNotification) Run(ctx context.Context, s streams) error {
	r := api.RescheduleRequest{}
	if c.At.IsZero() {
		if c.In < time.Millisecond {
			return usageError{errors.New("--in: must be a time from now, at least 1ms")}
		}
		r.In = c.In.Round(time.Millisecond).String()
	} else {
		r.At = &c.At
	}
	return c.change(s, func(server *client.Client) (api.Notification, error) {
		return server.Reschedule(ctx, c.ID, r)
	})
}

type editNotification struct {
	notificationID
	Text *string `arg:"" optional:"" help:"What to say instead. Read from standard input when it is left out or -."`
	content
	remote
}

// Help shows examples.
func (editNotification) Help() string {
	return `Examples:

    headsup notifications edit ntf_0zk3v9q2m7r4x "The canteen is open after all."
    headsup notifications edit ntf_0zk3v9q2m7r4x --card menu.json --summary "The menu has changed"

Where it was said already, a delivery of its own changes it, which fails on channels that cannot do that.`
}

// Run changes the notification.
func (c *editNotification) Run(ctx context.Context, s streams) error {
	said, err := c.read(c.Text, s.in)
	if err != nil {
		return usageError{err}
	}
	return c.change(s, func(server *client.Client) (api.Notification, error) {
		return server.Edit(ctx, c.ID, api.EditRequest{
			Text: said.text, Markdown: said.markdown, Activity: said.activity, Card: said.card, Notice: said.notice, Template: said.template, Summary: said.summary,
		})
	})
}

type recallNotification struct {
	notificationID
	remote
}

// Help shows examples.
func (recallNotification) Help() string {
	return `Examples:

    headsup notifications recall ntf_0zk3v9q2m7r4x

What is not being sent yet is cancelled. Where it was said already, a delivery of its own removes it, which fails on
channels that cannot do that. It may be repeated.`
}

// Run takes the notification back.
func (c *recallNotification) Run(ctx context.Context, s streams) error {
	return c.change(s, func(server *client.Client) (api.Notification, error) { return server.Recall(ctx, c.ID) })
}

// change does something with a notification and shows how it stands then.
func (r *remote) change(s streams, do func(*client.Client) (api.Notification, error)) error {
	server, err := r.client()
	if err != nil {
		return err
	}
	n, err := do(server)
	if err != nil {
		return r.explain(err)
	}
	if r.JSON {
		return printJSON(s.out, n)
	}
	return printNotification(s.out, n)
}

// printNotification writes a line about the whole, a table of deliveries, and what happened to each.
func printNotification(out io.Writer, n api.Notification) error {
	_, err := fmt.Fprintf(out, "%s: %s, to %s, accepted %s%s\n\n",
		printable(n.ID), printable(n.State), printable(targetText(n.To)), instant(n.CreatedAt), printable(mannersText(n.Manners)))
	if err != nil {
		return err
	}
	if n.More || n.Changing || n.Recipients > len(n.Deliveries) {
		if err := printCounts(out, n); err != nil {
			return err
		}
	}
	if len(n.Receipts) > 0 {
		if _, err := fmt.Fprintf(out, "Receipts: %s.\n\n", printable(countsText(n.Receipts))); err != nil {
			return err
		}
	}
	return printDeliveries(out, n.Deliveries)
}

// countsText is how many there are of each.
func countsText(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}

// printCounts writes how many deliveries are in each state, for those who are not shown all of them.
func printCounts(out io.Writer, n api.Notification) error {
	line := countsText(n.Counts)
	if n.Recipients > 0 {
		line = fmt.Sprintf("for %s: %s", count(n.Recipients, "conversation"), cmp.Or(line, "none made yet"))
	}
	if n.Changing {
		line += "; being changed"
	}
	if n.More {
		line += fmt.Sprintf(". The first %d follow; \"headsup deliveries list --notification %s\" lists all", len(n.Deliveries), n.ID)
	}
	_, err := fmt.Fprintf(out, "%s.\n\n", printable(line))
	return err
}

// printDeliveries writes a table of deliveries, and what happened to each.
func printDeliveries(out io.Writer, deliveries []api.Delivery) error {
	t := newTable(out, false, deliveryHead...)
	for _, d := range deliveries {
		t.row(deliveryCells(d)...)
	}
	for _, d := range deliveries {
		t.gap()
		if t.row(d.ID); d.MayHaveArrived {
			t.row("  an attempt may have arrived")
		}
		for _, c := range d.History {
			t.row("  "+instant(c.At), c.State, changeText(c))
		}
		for _, r := range d.Receipts {
			t.row("  "+instant(r.At), r.Kind, strings.Join(slices.DeleteFunc([]string{r.Person, r.Detail}, func(s string) bool { return s == "" }), ", "))
		}
	}
	return t.flush()
}

// changeText is what is known about a step besides when and what.
func changeText(c api.Change) string {
	var parts []string
	if c.Attempt > 0 {
		parts = append(parts, fmt.Sprintf("attempt %d", c.Attempt))
	}
	if c.Status > 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", c.Status))
	}
	for _, text := range []string{c.Reason, c.Detail} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if c.RetryAt != nil {
		parts = append(parts, "again "+instant(*c.RetryAt))
	}
	return strings.Join(parts, ", ")
}

func targetText(t api.Target) string {
	switch {
	case t.Conversation != "":
		return "conversation " + t.Conversation
	case t.User != "":
		return "user " + t.User
	case t.ExternalID != "":
		return "external id " + t.ExternalID
	case t.ObjectID != "", t.UPN != "", t.Email != "":
		return cmp.Or(t.Email, t.UPN, t.ObjectID)
	case t.ReplyTo != "":
		return "thread of " + t.ReplyTo
	case t.Team != "":
		return strings.TrimSpace("team " + t.Team + " " + t.Channel + " " + t.Thread)
	case len(t.Address) > 0 && t.Address[0] == '"':
		return strings.Trim(string(t.Address), `"`)
	case t.Tag != "":
		return "tag " + t.Tag
	}
	return "everyone"
}
