package proactive

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// welcomes has what waits for somebody go on as soon as the bot is told that its app was installed for them, before the handler
// runs, which may take long.
func (e *Engine) welcomes(next headsup.Handler) headsup.Handler {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if a := t.Activity(); e.prospects() && !t.Proactive() && installedFor(a) {
			if err := e.hurry(ctx, t.Key().Tenant, a.From.AADObjectID); err != nil { // it waits as long as it was to, then
				e.cfg.Logger.WarnContext(ctx, "what waits for an installation not hurried", "error", err.Error())
			}
		}
		return next.HandleTurn(ctx, t)
	})
}

// installedFor reports whether an activity of Microsoft Teams tells that the app was installed for the person it is from.
func installedFor(a *activity.Activity) bool {
	if a.ChannelID != activity.ChannelTeams || a.From == nil || a.From.AADObjectID == "" || a.Conversation == nil || book.KindOf(*a.Conversation) != book.KindPersonal {
		return false
	}
	return a.Type == activity.TypeInstallationUpdate && a.Action == activity.UpdateAdd ||
		a.Type == activity.TypeConversationUpdate && len(a.MembersAdded) > 0
}

// hurry makes due what waits for a time in the entry of a prospect. What is being attempted in this moment is not hurried.
func (e *Engine) hurry(ctx context.Context, tenant activity.TenantID, objectID string) error {
	found, err := e.cfg.Store.ConversationsOf(ctx, e.cfg.AppID, book.PersonKey{ObjectID: objectID})
	if err != nil {
		return fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, c := range found {
		if c.Reach != book.ReachProspective || c.Key.Channel != activity.ChannelTeams || c.Key.Tenant != tenant {
			continue
		}
		of := outbox.DeliveryFilter{AppID: e.cfg.AppID, Conversation: c.Row, State: outbox.StateReady, Limit: hurriedAtOnce}
		for more := true; more; more = of.Before != 0 {
			page, err := e.cfg.Store.ListDeliveries(ctx, of)
			if err != nil {
				return fmt.Errorf("proactive: list deliveries: %w", err)
			}
			for _, d := range page.Deliveries {
				now := e.cfg.Now()
				if !d.DueAt.After(now) { // it is not the first of its lane, and follows that
					continue
				}
				if err := e.cfg.Store.RescheduleMessage(ctx, d.Message, now, now); err != nil {
					return fmt.Errorf("proactive: reschedule: %w", err)
				}
			}
			of.Before = page.Next
		}
	}
	return nil
}

// hurriedAtOnce is how many deliveries are looked at at once.
const hurriedAtOnce = 100
