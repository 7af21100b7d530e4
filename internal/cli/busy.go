package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// manners are the flags that say how a message takes part in a conversation.
type manners struct {
	Policy   string        `default:"" enum:",adhoc,wait,interrupt,cancel,drop" placeholder:"POLICY" help:"What to do where something goes on in the conversation: adhoc, wait, interrupt, cancel, drop."`
	MaxWait  time.Duration `name:"max-wait" placeholder:"DURATION" help:"With wait: how long at most."`
	Then     string        `default:"" enum:",adhoc,interrupt,cancel,drop" placeholder:"POLICY" help:"With wait: what to do when it has waited that long: adhoc, interrupt, cancel, drop."`
	With     string        `placeholder:"NAME" help:"With interrupt: the dialog or the handler that interrupts."`
	Quiet    time.Duration `placeholder:"DURATION" help:"Take the conversation for busy until nobody has said anything for so long."`
	Priority int           `placeholder:"NUMBER" help:"How pressing it is, from -100 to 100: what goes on with a smaller priority does not hold it."`
	Release  string        `default:"" enum:",each,digest" placeholder:"HOW" help:"With wait: how to say it when others of its topic wait with it: each by itself, or digest for one list of all."`

	Expects     string        `default:"" enum:",reply" placeholder:"WHAT" help:"reply: what the person says next is the answer, and not for the bot's own handler."`
	ReplyTo     string        `name:"reply-to" placeholder:"NAME" help:"With --expects reply: the bot's handler that gets the answer. Without it, webhooks and readers of events do."`
	ReplyWithin time.Duration `name:"reply-within" placeholder:"DURATION" help:"With --expects reply: how long to wait for the answer, 1h if not given."`
}

// Validate implements kong's hook.
func (m manners) Validate() error {
	if m.Expects == "" && (m.ReplyTo != "" || m.ReplyWithin != 0) {
		return errors.New("--reply-to, --reply-within: are for --expects reply")
	}
	return nil
}

func (m manners) api() api.Manners {
	out := api.Manners{
		Policy: m.Policy, Then: m.Then, With: m.With, Priority: m.Priority, Release: m.Release, Expects: m.Expects, ReplyTo: m.ReplyTo,
	}
	if m.MaxWait != 0 {
		out.MaxWait = m.MaxWait.String()
	}
	if m.Quiet != 0 {
		out.Quiet = m.Quiet.String()
	}
	if m.ReplyWithin != 0 {
		out.ReplyWithin = m.ReplyWithin.String()
	}
	return out
}

type busyConversation struct {
	conversationName
	Reason   string        `placeholder:"TEXT" help:"What goes on."`
	Priority int           `placeholder:"NUMBER" help:"How pressing it is, from -100 to 100."`
	For      time.Duration `default:"15m" help:"After how long it is over, if nobody takes it back (${default})."`
	remote
}

// Help shows examples.
func (busyConversation) Help() string {
	return `Examples:

    headsup conversations busy Kq3TzPd8aLx5mWn0-hu --reason "on the phone" --for 1h
    headsup deliveries list --state held

Messages that are sent with "--policy wait" are held there until it is over.`
}

// Run says that the conversation is busy.
func (c *busyConversation) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	v, err := server.SetBusy(ctx, c.Channel, c.ID, api.BusyRequest{Reason: c.Reason, Priority: c.Priority, ExpiresIn: c.For.String()})
	if err != nil {
		return c.explain(err)
	}
	return c.printConversation(s, v)
}

type freeConversation struct {
	conversationName
	remote
}

// Help shows examples.
func (freeConversation) Help() string {
	return `Examples:

    headsup conversations free Kq3TzPd8aLx5mWn0-hu

What is held there for nothing else is said at once. A dialog of the bot keeps the conversation busy all the same.`
}

// Run takes it back.
func (c *freeConversation) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	v, err := server.ClearBusy(ctx, c.Channel, c.ID)
	if err != nil {
		return c.explain(err)
	}
	return c.printConversation(s, v)
}

// mannersText is how a message takes part in a conversation, as a line about it goes on; empty where it is said at once.
func mannersText(m api.Manners) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"policy", m.Policy}, {"max wait", m.MaxWait}, {"then", m.Then}, {"with", m.With}, {"quiet", m.Quiet}, {"release", m.Release},
		{"expects", m.Expects}, {"reply to", m.ReplyTo}, {"reply within", m.ReplyWithin},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	if m.Priority != 0 {
		parts = append(parts, fmt.Sprintf("priority %d", m.Priority))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}
