package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/signed"
)

type listen struct {
	Events  []string `placeholder:"TYPE" help:"Only these types, separated by commas, such as message.received."`
	Forward string   `placeholder:"URL" help:"Post each event to a program on this machine too, signed as a webhook is."`
	Secret  string   `env:"HEADSUP_WEBHOOK_SECRET" placeholder:"SECRET" help:"Sign with this secret (whsec_…) instead of a new one; better set in the environment."`
	remote
}

// Help shows examples.
func (listen) Help() string {
	return `Examples:

    headsup listen
    headsup listen --events message.received,notification.answered --json
    headsup listen --forward http://localhost:3000/webhook

Prints what people say and what becomes of notifications, as it happens, until you stop it. With --json each event is one
line. When the server is away for a moment, nothing is missed.`
}

// Run prints events until it is interrupted, which is no error.
func (c listen) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	forward, err := c.forwarder(s.err)
	if err != nil {
		return usageError{err}
	}
	err = server.Events(ctx, c.Events, "", func(e api.Event) error {
		if err := c.print(s.out, e); err != nil {
			return err
		}
		if answer := forward(ctx, e); answer != "" {
			_, _ = fmt.Fprintln(s.err, "  "+answer)
		}
		return nil
	})
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return c.explain(err)
}

func (c listen) print(out io.Writer, e api.Event) error {
	if c.JSON {
		raw, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = out.Write(append(raw, '\n'))
		return err
	}
	_, err := fmt.Fprintf(out, "%s  %s  %s\n", e.Timestamp.Local().Format(time.TimeOnly), printable(e.Type), printable(summary(e)))
	return err
}

// summary is an event in a few words.
func summary(e api.Event) string {
	var data struct {
		api.DeliveryEvent
		Text    string            `json:"text"`
		Message *api.MessageEvent `json:"message"`
		Receipt *api.Receipt      `json:"receipt"`
		Name    string            `json:"name"`
		Changed []string          `json:"changed"`
		By      string            `json:"by"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return string(e.Data)
	}
	who := data.Conversation
	if data.Person != nil {
		who = nameOf(*data.Person)
	}
	switch {
	case data.Message != nil:
		return fmt.Sprintf("%s answers %s: %s", nameOf(data.Message.Person), data.Notification, saidIn(data.Message.Text))
	case e.Type == api.EventMessageReceived:
		return who + ": " + saidIn(data.Text)
	case e.Type == api.EventCardAction:
		return fmt.Sprintf("%s pressed %s of %s: %s", who, data.Name, data.Notification, cmp.Or(string(data.Value), "no value"))
	case e.Type == api.EventPreferencesChanged:
		return fmt.Sprintf("%s: %s, by %s", who, strings.Join(data.Changed, ", "), cmp.Or(data.By, "a program"))
	case data.Receipt != nil && data.Receipt.Detail != "":
		return fmt.Sprintf("%s to %s: %s", data.Notification, who, data.Receipt.Detail)
	case data.Reason != "":
		return fmt.Sprintf("%s to %s: %s", data.Notification, who, data.Reason)
	}
	return fmt.Sprintf("%s to %s", data.Notification, who)
}

func nameOf(p api.Person) string { return cmp.Or(p.Name, p.ID) }

// saidIn is a message's text; buttons and pictures have none.
func saidIn(text string) string { return cmp.Or(text, "(no text)") }

// forwardTimeout is how long a program may take to answer.
const forwardTimeout = 15 * time.Second

// forwarder returns what posts an event to --forward and tells what was answered.
func (c listen) forwarder(note io.Writer) (func(context.Context, api.Event) string, error) {
	if c.Forward == "" {
		return func(context.Context, api.Event) string { return "" }, nil
	}
	u, err := url.Parse(c.Forward)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--forward: %q is not an http or https URL", c.Forward)
	}
	secret := signed.NewSecret()
	if c.Secret != "" {
		if secret, err = signed.ParseSecret(c.Secret); err != nil {
			return nil, fmt.Errorf("--secret: %w", err)
		}
	} else {
		_, _ = fmt.Fprintf(note, "Forwarding to %s, signed with %s\n", c.Forward, secret.Text())
	}
	to := &http.Client{
		Timeout:       forwardTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, e api.Event) string {
		status, err := forwardOne(ctx, to, c.Forward, secret, e)
		if err != nil {
			return printable("→ " + err.Error())
		}
		return "→ " + status
	}, nil
}

func forwardOne(ctx context.Context, to *http.Client, where string, secret signed.Secret, e api.Event) (string, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	signed.Headers(r.Header, []signed.Secret{secret}, e.ID, time.Now(), body)
	resp, err := to.Do(r)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	return resp.Status, nil
}
