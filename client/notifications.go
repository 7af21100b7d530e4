package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// CreateNotification has the server accept a notification, which is stored durably when the call returns. A call that
// ends with another error than an [*Error] may have been accepted all the same; to repeat it, give an [IdempotencyKey].
func (c *Client) CreateNotification(ctx context.Context, r api.NotificationRequest, opts ...CallOption) (api.Notification, error) {
	n, err := create(ctx, c, notifications, r, opts, isNotification)
	if err != nil {
		return n, fmt.Errorf("create notification: %w", err)
	}
	return n, nil
}

// CreateNotifications has the server accept up to 1,000 notifications in one step. Each is accepted or refused by itself:
// the results are in their order, and say which. Those with an idempotency key of their own may be sent again.
func (c *Client) CreateNotifications(ctx context.Context, items []api.BatchItem) (api.BatchResult, error) {
	for i := range items {
		if items[i].IdempotencyKey == "" { // the call may have to be repeated
			items = withKeys(items)
			break
		}
	}
	out, err := post(ctx, c, notifications+"/batch", api.BatchRequest{Notifications: items},
		func(r api.BatchResult) bool { return len(r.Results) == len(items) })
	if err != nil {
		return out, fmt.Errorf("create notifications: %w", err)
	}
	return out, nil
}

// NotifyGroup has the server tell everybody in a group of Microsoft Entra, by its object id. Give an [IdempotencyKey], and repeat
// the call with it until the result is complete: nobody is told twice.
func (c *Client) NotifyGroup(ctx context.Context, group string, r api.GroupRequest, opts ...CallOption) (api.GroupResult, error) {
	var told api.GroupResult
	id, err := segment("group", group)
	if err == nil {
		told, err = create(ctx, c, "/v1/groups/"+id+"/notifications", r, opts, func(r api.GroupResult) bool { return r.Group != "" })
	}
	if err != nil {
		return told, fmt.Errorf("notify group %s: %w", group, err)
	}
	return told, nil
}

// Notification returns a notification with its deliveries and their history. One that does not exist is an [*Error] with
// [api.CodeNotFound].
func (c *Client) Notification(ctx context.Context, id string) (api.Notification, error) {
	return c.notification(ctx, http.MethodGet, id, "", nil)
}

// Progress is [Client.Notification] without deliveries: how many of them are in which state, which is all that changes of one
// to very many.
func (c *Client) Progress(ctx context.Context, id string) (api.Notification, error) {
	return c.notification(ctx, http.MethodGet, id, "?deliveries=0", nil)
}

// Cancel cancels what is not being sent yet.
func (c *Client) Cancel(ctx context.Context, id string) (api.Notification, error) {
	return c.notification(ctx, http.MethodPost, id, "/cancel", nil)
}

// Reschedule moves what is not being sent yet to another time.
func (c *Client) Reschedule(ctx context.Context, id string, r api.RescheduleRequest) (api.Notification, error) {
	return c.notification(ctx, http.MethodPost, id, "/reschedule", r)
}

// Edit changes what a notification says, and what it has said already where the channel can. One that was recalled is an
// [*Error] with [api.CodeRecalled].
func (c *Client) Edit(ctx context.Context, id string, r api.EditRequest) (api.Notification, error) {
	return c.notification(ctx, http.MethodPost, id, "/edit", r)
}

// Recall takes a notification back: what is not being sent yet is cancelled, and what was said is removed
// where the channel can. It may be repeated.
func (c *Client) Recall(ctx context.Context, id string) (api.Notification, error) {
	return c.notification(ctx, http.MethodPost, id, "/recall", nil)
}

// NotificationFilter says which notifications are meant: those that match every member that is set.
type NotificationFilter struct {
	// State is a state of one of its deliveries at least, Topic as it was given.
	State, Topic string
	// Conversation is the id of one that it went to, on the channel.
	Conversation string
	// CreatedAfter and CreatedBefore bound when it was accepted: at the first or later, and before the second.
	CreatedAfter, CreatedBefore time.Time
}

// when is an instant as a parameter; empty for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// NotificationsPage returns a page of notifications, newest first. The first page has an empty cursor; each names the
// next one's, the last one none. A page may hold fewer than the limit, even none, although there are more. A limit of 0
// leaves the size to the server.
func (c *Client) NotificationsPage(ctx context.Context, f NotificationFilter, cursor string, limit int) (api.Notifications, error) {
	page, err := ask(ctx, c, http.MethodGet, notifications+parameters(
		"state", f.State, "topic", f.Topic, "conversation", f.Conversation,
		"created_after", when(f.CreatedAfter), "created_before", when(f.CreatedBefore), "cursor", cursor, "limit", positive(limit),
	), func(p api.Notifications) bool { return p.Notifications != nil })
	if err != nil {
		return page, fmt.Errorf("notifications: %w", err)
	}
	return page, nil
}

// Notifications goes over notifications, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Notifications(ctx context.Context, f NotificationFilter) iter.Seq2[api.NotificationSummary, error] {
	return all(func(cursor string) ([]api.NotificationSummary, string, error) {
		page, err := c.NotificationsPage(ctx, f, cursor, largestPage)
		return page.Notifications, page.NextCursor, err
	})
}

// Wait returns a notification when every delivery has an outcome. It asks again and again, up to every 2 s. When ctx
// ends or a call fails, it returns the notification as it was seen last, if it was, with the error.
func (c *Client) Wait(ctx context.Context, id string) (api.Notification, error) {
	var last api.Notification
	for n, err := range c.Watch(ctx, id) {
		if err != nil {
			return last, err
		}
		last = n
	}
	return last, nil
}

// Watch goes over what becomes of a notification: it asks again and again, up to every 2 s, and ends when every delivery
// has an outcome, which is seen last. Of one with more deliveries than a notification shows, those that it does show are seen
// first and last only. When ctx ends or a call fails, it ends with the error.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[api.Notification, error] {
	return func(yield func(api.Notification, error) bool) {
		ask := c.Notification
		for pause := firstPoll; ; pause = min(2*pause, slowestPoll) {
			n, err := ask(ctx, id)
			over := Settled(n.State) && !n.Changing
			if err == nil && over && len(n.Deliveries) == 0 {
				n, err = c.Notification(ctx, id)
			}
			if !yield(n, err) || err != nil || over {
				return
			}
			if n.More {
				ask = c.Progress
			}
			if err := sleep(ctx, pause); err != nil {
				yield(api.Notification{}, fmt.Errorf("notification %s is %s: %w", id, n.State, err))
				return
			}
		}
	}
}

// Settled reports whether a state, of a notification or a delivery, is an outcome. States that are not known are not.
func Settled(state string) bool {
	switch state {
	case "delivered", "failed", "unknown", "expired", "suppressed", "cancelled", "recalled":
		return true
	}
	return false
}

// notification does something with one and returns how it stands then.
func (c *Client) notification(ctx context.Context, method, id, action string, body any) (n api.Notification, err error) {
	name, err := segment("notification", id)
	switch {
	case err != nil:
		return n, err
	case body == nil:
		n, err = ask(ctx, c, method, notifications+"/"+name+action, isNotification)
	default:
		n, err = post(ctx, c, notifications+"/"+name+action, body, isNotification)
	}
	if err != nil {
		return n, fmt.Errorf("notification %s: %w", id, err)
	}
	return n, nil
}

func isNotification(n api.Notification) bool { return n.ID != "" }

// withKeys gives those items a key that have none.
func withKeys(items []api.BatchItem) []api.BatchItem {
	items = slices.Clone(items)
	for i := range items {
		items[i].IdempotencyKey = cmp.Or(items[i].IdempotencyKey, rand.Text())
	}
	return items
}
