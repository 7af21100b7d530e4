package cli

import (
	"context"
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
}

func (m manners) api() api.Manners {
	out := api.Manners{Policy: m.Policy, Then: m.Then, With: m.With, Priority: m.Priority}
	if m.MaxWait != 0 {
		out.MaxWait = m.MaxWait.String()
	}
	if m.Quiet != 0 {
		out.Quiet = m.Quiet.String()
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
