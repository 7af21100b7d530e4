package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type send struct {
	target
	In    time.Duration `xor:"when" placeholder:"DURATION" help:"Say it later, such as 90s or 1h30m from now."`
	At    time.Time     `xor:"when" placeholder:"TIME" help:"Say it at an instant, such as 2026-12-24T18:00:00Z."`
	Key   string        `placeholder:"TEXT" help:"Idempotency key: the same message with the same key is said once, however often it is sent."`
	Topic string        `placeholder:"TEXT" help:"Groups messages of one kind."`
	Lane  string        `default:"normal" enum:"urgent,normal,bulk" help:"How pressing it is: ${enum} (${default})."`
	New   bool          `help:"Open a new conversation with the person, where the channel can."`
	content
	waiting
	remote

	Text *string `arg:"" optional:"" help:"What to say. Read from standard input when it is left out or -."`
}

// Help shows examples.
func (send) Help() string {
	return `Examples:

    headsup send --everyone "Heads up!"
    headsup send --to dl_ann --in 10m "Tea is ready."
    headsup send --to dl_ann --activity card.json
    make && echo done | headsup send --to dl_ann

The exit code is 0 when it was accepted, and delivered if waited for; 1 when something failed; 2 when the call is wrong.
What is not delivered when the wait is over stays accepted, and "headsup notifications get ID" tells the rest.`
}

// target are the flags that say to whom.
type target struct {
	To           string `required:"" xor:"to" placeholder:"ID" help:"Say it to whom an id names: a person by channel user id or, if nobody has it, a conversation by its id."`
	User         string `required:"" xor:"to" placeholder:"ID" help:"Say it to a person, by channel user id."`
	Conversation string `required:"" xor:"to" placeholder:"ID" help:"Say it in a conversation, by its id on the channel."`
	Everyone     bool   `required:"" xor:"to" help:"Say it in every conversation that can be reached."`
}

// candidates are whom the flags may mean, most likely first.
func (t target) candidates() ([]api.Target, error) {
	switch {
	case t.To != "":
		return []api.Target{{User: t.To}, {Conversation: t.To}}, nil
	case t.Everyone || cmp.Or(t.User, t.Conversation) != "":
		return []api.Target{{User: t.User, Conversation: t.Conversation, Everyone: t.Everyone}}, nil
	}
	return nil, errors.New("--to, --user, --conversation: must not be empty") // as in --user "$UNSET", or --no-everyone
}

// content are the flags that say what, instead of plain text.
type content struct {
	Activity string `xor:"content" placeholder:"FILE" help:"Send an activity of the Bot Framework protocol, as JSON; - reads standard input."`
}

// fill puts what to say into a request: what the flags or the text have.
func (c content) fill(r *api.NotificationRequest, text *string, in io.Reader) (err error) {
	switch {
	case c.Activity != "" && text != nil:
		return errors.New("--activity: is instead of a text")
	case c.Activity != "":
		r.Activity, err = jsonFile("--activity", c.Activity, in)
	default:
		r.Text, err = textOf(text, in)
	}
	return err
}

// Run has the server accept the message, and waits for it.
func (c send) Run(ctx context.Context, s streams) error {
	to, err := c.candidates()
	if err != nil {
		return usageError{err}
	}
	r, err := c.request(s.in)
	if err != nil {
		return usageError{err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	n, err := c.create(ctx, server, r, to)
	if err != nil {
		return err
	}
	waits := c.due() == 0
	if c.Wait != nil {
		waits = *c.Wait
	}
	if waits {
		if n, err = c.await(ctx, server, n, c.due(), s.err); err != nil {
			return fmt.Errorf("accepted as %s, but then: %w", n.ID, c.explain(err))
		}
	}
	if c.JSON {
		if err := printJSON(s.out, n); err != nil {
			return err
		}
	}
	return c.report(s, n, waits)
}

// create has the first of several targets told that the server knows.
func (c send) create(ctx context.Context, server *client.Client, r api.NotificationRequest, to []api.Target) (api.Notification, error) {
	var reused error
	for _, r.To = range to {
		n, err := server.CreateNotification(ctx, r, client.IdempotencyKey(c.Key))
		if err == nil {
			return n, nil
		}
		e, refused := errors.AsType[*client.Error](err)
		switch {
		case refused && e.Problem.Code == api.CodeKeyReused:
			reused = err // by this very call perhaps, which another target was found for
		case !refused || e.Problem.Code != api.CodeNoTarget || len(to) == 1:
			return n, c.explain(err)
		}
	}
	if reused != nil {
		return api.Notification{}, c.explain(reused)
	}
	return api.Notification{}, fmt.Errorf("--to: nobody in the reference book has the id %s", c.To)
}

// report says how far it has come. A failure is an error, whatever else was delivered.
func (c send) report(s streams, n api.Notification, waited bool) error {
	t := tallyOf(n)
	if t.failed > 0 {
		return fmt.Errorf("%s; see: headsup notifications get %s", t, n.ID)
	}
	if c.JSON {
		return nil
	}
	line := t.String()
	if !t.settled() {
		if waited {
			line += " so far"
		} else {
			line = "accepted for " + count(t.all, "conversation")
		}
		line += "; see: headsup notifications get " + n.ID
	}
	_, err := fmt.Fprintln(s.out, line)
	return err
}

// due is how long it is until the message is to be said.
func (c send) due() time.Duration {
	if !c.At.IsZero() {
		return max(0, time.Until(c.At))
	}
	return c.In
}

// request is what the flags and the input ask for, but to whom.
func (c send) request(in io.Reader) (api.NotificationRequest, error) {
	r := api.NotificationRequest{Topic: c.Topic, Lane: c.Lane}
	switch {
	case c.In != 0 && c.In < time.Millisecond:
		return r, errors.New("--in: must be a time from now, at least 1ms")
	case c.New && c.Everyone:
		return r, errors.New("--new: is for one person, not for --everyone")
	case c.Patience <= 0:
		return r, errors.New("--patience: must be more than 0s")
	}
	if c.In > 0 {
		r.In = c.In.Round(time.Millisecond).String()
	}
	if !c.At.IsZero() {
		r.At = &c.At
	}
	if c.New {
		r.Conversation = "new"
	}
	return r, c.fill(&r, c.Text, in)
}
