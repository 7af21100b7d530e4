package teams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
)

// OnlyFor has a message in a group chat or a channel be shown to one of its members only, for a day at most ("Targeted messages").
// It can be sent in a turn, or as the activity of a notification; in a conversation with one person it is refused.
func OnlyFor(a *activity.Activity, who activity.ChannelAccount) error {
	if who.ID == "" {
		return errors.New("teams: a targeted message needs somebody to be shown to")
	}
	a.Recipient = &who
	if a.Targeted() {
		return nil
	}
	entity, err := activity.NewEntity(activity.EntityActivityTreatment, struct {
		Treatment string `json:"treatment"`
	}{"targeted"})
	if err != nil {
		return fmt.Errorf("teams: %w", err)
	}
	a.Entities = append(a.Entities, entity)
	return nil
}

// DeleteTargeted removes a message that is shown to one member only. Teams wants to be told that it is one, which
// [headsup.Turn] and recalls cannot.
func (c *Client) DeleteTargeted(ctx context.Context, ref activity.Reference, id activity.ID) error {
	route := headsup.RouteOf(headsup.KeyOf(c.cfg.AppID, ref), ref.ServiceURL)
	permit, err := c.cfg.Limits.Wait(ctx, route, string(ref.Conversation.ID), pace.Delivery)
	if err != nil {
		return fmt.Errorf("teams: delete: %w", err)
	}
	err = c.cfg.Connector.DeleteActivity(ctx, ref.ServiceURL, ref.Conversation.ID, id, connector.Targeted())
	permit.Done(time.Now())
	if err != nil {
		return fmt.Errorf("teams: delete: %w", err)
	}
	return nil
}
