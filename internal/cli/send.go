package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type send struct {
	target
	In          time.Duration `xor:"when" placeholder:"DURATION" help:"Say it later, such as 90s or 1h30m from now."`
	At          time.Time     `xor:"when" placeholder:"TIME" help:"Say it at an instant, such as 2026-12-24T18:00:00Z."`
	Key         string        `placeholder:"TEXT" help:"Idempotency key: the same message with the same key is said once, however often it is sent."`
	Topic       string        `placeholder:"TEXT" help:"Groups messages of one kind."`
	CollapseKey string        `name:"collapse-key" placeholder:"TEXT" help:"Replace what waits for the same people under the same key."`
	Locale      string        `placeholder:"TAG" help:"The language of the message, such as en-GB."`
	Lane        string        `default:"normal" enum:"urgent,normal,bulk" help:"How pressing it is: ${enum} (${default})."`
	Fallback    []string      `sep:"none" placeholder:"WAY" help:"Another way, for when those before did not do: a channel or an address, perhaps how long the way before has, and what makes it needless, as in 'email after 10m unless read'. May be given several times. For one person or place."`
	New         bool          `help:"Open a new conversation with the person, where the channel can."`
	manners
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
    headsup send --to dl_ann --policy wait --max-wait 30m "The hotel has become cheaper."
    headsup send --to dl_ann --policy interrupt --expects reply "Is the old price still worth anything to you?"
    headsup send --to dl_ann --card build.json --summary "Build 7 failed"
    headsup send --tag on-call --markdown --lane urgent "The **database** is down."
    make && echo done | headsup send --to dl_ann
    headsup send --to employee-4711 --fallback "email after 10m unless read" --fallback "sms:+15551234567 after 30m unless answered" "Please approve."
    headsup send --each people.txt --key news-42 "The canteen is closed today."
    headsup send --each orders.ndjson --topic orders --json > results.ndjson
    jq -cR '{to: {external_id: .}}' staff.txt | headsup send --each - "Please fill in the survey."

The exit code is 0 when it was accepted, and delivered if waited for; 1 when something failed; 2 when the call is wrong.
What is not delivered when the wait is over stays accepted, and "headsup notifications get ID" tells the rest.

A line for --each is a notification as POST /v1/notifications takes it, perhaps with an idempotency_key, or only a channel
user id. What a line does not say is as the text and the flags say. Lines go out in batches of up to 1,000 and are not waited
for; those that are refused are told with their number, or with --json every line's result. Every line has an idempotency
key, its own or --key with the line's number: when the work was interrupted, the same call goes on and says nothing twice.`
}

// target are the flags that say to whom.
type target struct {
	To string `required:"" xor:"to" placeholder:"ID" help:"Say it to whom an id names: a person by channel user id or, if nobody has it, by your own system's id; or else a conversation by its id."`
	recipients
	Each string `required:"" xor:"to" placeholder:"FILE" help:"Send a notification for every line of a file, or of standard input for -: as JSON, or only the id of a person."`
}

// candidates are whom the flags may mean, most likely first.
func (t target) candidates() ([]api.Target, error) {
	switch {
	case t.To != "" && utf8.RuneCountInString(t.To) > maxExternalID:
		return []api.Target{{User: t.To}, {Conversation: t.To}}, nil
	case t.To != "":
		return []api.Target{{User: t.To}, {ExternalID: t.To}, {Conversation: t.To}}, nil
	case t.given():
		return []api.Target{t.whom()}, nil
	}
	return nil, errors.New("--to and the like: must not be empty") // as in --user "$UNSET", or --no-everyone
}

// maxExternalID is how long such an id may be, in characters: a longer one is that of a conversation.
const maxExternalID = 255

// many reports whether the flags mean more than one conversation.
func (t target) many() bool { return t.Everyone || t.Tag != "" }

// Run has the server accept the message, and waits for it.
func (c *send) Run(ctx context.Context, s streams) error {
	if c.Each != "" {
		return c.sendEach(ctx, s)
	}
	to, err := c.candidates()
	if err != nil {
		return usageError{err}
	}
	r, err := c.request(s.in, false)
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
		switch n, err = c.await(ctx, server, n, c.due(), s.err); {
		case errors.Is(err, errBlind) && !c.JSON:
			_, err := fmt.Fprintf(s.out, "accepted as %s for %s; to tell what becomes of it, the key needs the scope read\n",
				n.ID, count(tallyOf(n).all, "conversation"))
			return err
		case err != nil && !errors.Is(err, errBlind):
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
func (c *send) create(ctx context.Context, server *client.Client, r api.NotificationRequest, to []api.Target) (api.Notification, error) {
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
func (c *send) report(s streams, n api.Notification, waited bool) error {
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

// fallbackOf is a way as the API takes it.
func fallbackOf(f headsup.Fallback) api.Fallback {
	way := api.Fallback{Channel: string(f.Channel), Unless: string(f.Unless)}
	if f.After > 0 {
		way.After = f.After.String()
	}
	if f.To != nil {
		way.To = new(api.AtAddress(f.To.Address))
	}
	return way
}

// due is how long it is until the message is to be said.
func (c *send) due() time.Duration {
	if !c.At.IsZero() {
		return max(0, time.Until(c.At))
	}
	return c.In
}

// request is what the flags and the input ask for, but to whom. It may be silent where others say what.
func (c *send) request(in io.Reader, silent bool) (api.NotificationRequest, error) {
	r := api.NotificationRequest{Topic: c.Topic, CollapseKey: c.CollapseKey, Lane: c.Lane, Locale: c.Locale, Manners: c.api()}
	switch {
	case c.In != 0 && c.In < time.Millisecond:
		return r, errors.New("--in: must be a time from now, at least 1ms")
	case len(c.Fallback) > 0 && c.many():
		return r, errors.New("--fallback: is for one person or place, not for --everyone or --tag")
	case c.New && c.many():
		return r, errors.New("--new: is for one person, not for --everyone or --tag")
	case c.Patience <= 0:
		return r, errors.New("--patience: must be more than 0s")
	}
	for _, text := range c.Fallback {
		f, err := headsup.ParseFallback(text)
		if err != nil {
			return r, fmt.Errorf("--fallback: %w", err)
		}
		r.Fallback = append(r.Fallback, fallbackOf(f))
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
	if silent && c.silent(c.Text) {
		return r, nil
	}
	said, err := c.read(c.Text, in)
	r.Text, r.Markdown, r.Activity, r.Card, r.Notice, r.Summary, r.Template = said.text, said.markdown, said.activity, said.card, said.notice, said.summary, said.template
	return r, err
}
