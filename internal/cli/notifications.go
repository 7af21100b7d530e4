package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/headsup-bot/headsup/api"
)

type notifications struct {
	Get getNotification `cmd:"" help:"Show a notification, its deliveries and their history."`
}

type getNotification struct {
	ID string `arg:"" help:"The notification's id, as ntf_…"`
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
func (c getNotification) Run(ctx context.Context, s streams) error {
	if strings.Trim(c.ID, ".") == "" {
		return usageError{fmt.Errorf("%q is not an id of a notification", c.ID)}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	n, err := server.Notification(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, n)
	}
	return printNotification(s.out, n)
}

// printNotification writes a line about the whole, a table of deliveries, and what happened to each.
func printNotification(out io.Writer, n api.Notification) error {
	_, err := fmt.Fprintf(out, "%s: %s, to %s, accepted %s\n\n", printable(n.ID), printable(n.State), printable(targetText(n.To)), instant(n.CreatedAt))
	if err != nil {
		return err
	}
	t := newTable(out, false, "DELIVERY", "STATE", "REASON", "ATTEMPTS", "DUE", "CHANNEL", "CONVERSATION")
	for _, d := range n.Deliveries {
		t.row(d.ID, d.State, d.Reason, d.Attempts, optionalInstant(d.DueAt), d.Channel, d.Conversation)
	}
	for _, d := range n.Deliveries {
		t.gap()
		t.row(d.ID)
		for _, c := range d.History {
			t.row("  "+instant(c.At), c.State, changeText(c))
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
	case t.Tag != "":
		return "tag " + t.Tag
	}
	return "everyone"
}
