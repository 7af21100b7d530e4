package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type deliveryCommands struct {
	List   listDeliveries   `cmd:"" help:"List deliveries, newest first."`
	Get    getDelivery      `cmd:"" help:"Show a delivery and its history."`
	Replay replayDeliveries `cmd:"" help:"Try deliveries again that have ended without success."`
	Settle settleDelivery   `cmd:"" help:"Say what became of a delivery whose outcome is unknown."`
}

type listDeliveries struct {
	State        string `default:"" enum:",scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled" placeholder:"STATE" help:"Only those in a state: scheduled, ready, held, sending, delivered, failed, unknown, expired, suppressed, cancelled."`
	Reason       string `placeholder:"WORD" help:"Only those with a reason, such as not_found."`
	Conversation string `placeholder:"ID" help:"Only those to a conversation, by its id on the channel."`
	Notification string `placeholder:"ID" help:"Only those of a notification."`
	listing
	remote
}

// Help shows examples.
func (listDeliveries) Help() string {
	return `Examples:

    headsup deliveries list --state failed
    headsup deliveries list --state unknown --json | jq -r .id
    headsup deliveries list --conversation Kq3TzPd8aLx5mWn0-hu --limit 10`
}

// Run lists deliveries.
func (c *listDeliveries) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	filter := client.DeliveryFilter{State: c.State, Reason: c.Reason, Conversation: c.Conversation, Notification: c.Notification}
	return lister[api.Delivery]{
		head:    append(slices.Clone(deliveryHead), "NOTIFICATION"),
		largest: 200,
		page: func(cursor string, limit int) ([]api.Delivery, string, error) {
			p, err := server.DeliveriesPage(ctx, filter, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Deliveries, p.NextCursor, nil
		},
		cells: func(d api.Delivery) []any { return append(deliveryCells(d), d.Notification) },
	}.print(s, c.listing, c.JSON)
}

var deliveryHead = []any{"DELIVERY", "VERB", "STATE", "REASON", "ATTEMPTS", "DUE", "CHANNEL", "CONVERSATION"}

func deliveryCells(d api.Delivery) []any {
	return []any{d.ID, d.Verb, d.State, d.Reason, d.Attempts, optionalInstant(d.DueAt), d.Channel, d.Conversation}
}

type deliveryID struct {
	ID string `arg:"" help:"The delivery's id, as dlv_…"`
}

// Validate implements kong's hook: ids are part of a path.
func (d deliveryID) Validate() error { return anID("delivery", d.ID) }

type getDelivery struct {
	deliveryID
	remote
}

// Help shows examples.
func (getDelivery) Help() string {
	return `Examples:

    headsup deliveries get dlv_0zk3v9q2m7r4y
    headsup deliveries get dlv_0zk3v9q2m7r4y --json | jq .history`
}

// Run shows the delivery.
func (c *getDelivery) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	d, err := server.Delivery(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	return c.printDelivery(s, d)
}

func (r *remote) printDelivery(s streams, d api.Delivery) error {
	if r.JSON {
		return printJSON(s.out, d)
	}
	return printDeliveries(s.out, []api.Delivery{d})
}

type replayDeliveries struct {
	IDs          []string `arg:"" optional:"" name:"id" help:"Ids of deliveries, as dlv_…"`
	State        string   `default:"" enum:",failed,unknown,expired,suppressed,cancelled" placeholder:"STATE" help:"All in a state: failed, unknown, expired, suppressed, cancelled."`
	Reason       string   `placeholder:"WORD" help:"All with a reason, such as not_found."`
	Conversation string   `placeholder:"ID" help:"All to a conversation, by its id on the channel."`
	Notification string   `placeholder:"ID" help:"All of a notification."`
	TryForbidden bool     `name:"try-forbidden" help:"With these flags: try conversations once more that the channel has forbidden. Those of deliveries that are named are."`
	Limit        int      `default:"1000" placeholder:"N" help:"At most so many, oldest first, up to 10,000 (${default})."`
	remote
}

// Help shows examples.
func (replayDeliveries) Help() string {
	return `Examples:

    headsup deliveries replay dlv_0zk3v9q2m7r4y
    headsup deliveries replay --notification ntf_0zk3v9q2m7r4x --state failed
    headsup deliveries replay --state failed --reason not_found --limit 100

They are ready again, as if they were new. What is unknown may be delivered twice. A conversation that the channel has
forbidden (reason blocked) is tried once more for a delivery that is named, and with --try-forbidden.`
}

// Run tries them again.
func (c *replayDeliveries) Run(ctx context.Context, s streams) error {
	r := api.ReplayRequest{State: c.State, Reason: c.Reason, Conversation: c.Conversation, Notification: c.Notification}
	some := r != api.ReplayRequest{}
	switch {
	case some && len(c.IDs) > 0:
		return usageError{errors.New("give ids, or flags that say which, but not both")}
	case !some && len(c.IDs) == 0:
		return usageError{errors.New("say which: give ids, or --state, --reason, --conversation or --notification")}
	}
	for _, id := range c.IDs {
		if err := anID("delivery", id); err != nil {
			return usageError{err}
		}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	replayed := 0
	if some {
		r.Limit, r.TryForbidden = c.Limit, c.TryForbidden
		if replayed, err = server.ReplayDeliveries(ctx, r); err != nil {
			return c.explain(err)
		}
	}
	for _, id := range c.IDs {
		if _, err := server.ReplayDelivery(ctx, id); err != nil {
			return fmt.Errorf("%s: %w", id, c.explain(err))
		}
		replayed++
	}
	if c.JSON {
		return printJSON(s.out, api.ReplayResult{Replayed: replayed})
	}
	line := fmt.Sprintf("%d deliveries are tried again", replayed)
	if replayed == 1 {
		line = "1 delivery is tried again"
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}

type settleDelivery struct {
	deliveryID
	State      string `arg:"" enum:"delivered,failed" help:"What became of it: ${enum}."`
	ActivityID string `name:"activity-id" placeholder:"ID" help:"The id that the channel gave the message, for an edit or a recall later."`
	remote
}

// Help shows examples.
func (settleDelivery) Help() string {
	return `Examples:

    headsup deliveries settle dlv_0zk3v9q2m7r4y delivered
    headsup deliveries settle dlv_0zk3v9q2m7r4y delivered --activity-id 1700000000123

For when the channel's answer was lost, and you have looked.`
}

// Run settles the delivery.
func (c *settleDelivery) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	d, err := server.SettleDelivery(ctx, c.ID, api.SettleRequest{State: c.State, ActivityID: c.ActivityID})
	if err != nil {
		return c.explain(err)
	}
	return c.printDelivery(s, d)
}
