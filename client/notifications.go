package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// CreateNotifications has the server accept up to 1,000 notifications in one step. Each is accepted or refused by itself,
// and the results are in their order; the error is about all of them. Those without an idempotency key get one for the
// call, so that a repeat says nothing twice.
func (c *Client) CreateNotifications(ctx context.Context, all []api.BatchItem) (api.BatchResult, error) {
	all = slices.Clone(all)
	for i := range all {
		if all[i].IdempotencyKey == "" {
			all[i].IdempotencyKey = rand.Text()
		}
	}
	r := request{method: http.MethodPost, path: notifications + "/batch"}
	return send(ctx, c, "create notifications", r, api.BatchRequest{Notifications: all},
		func(r api.BatchResult) bool { return len(r.Results) == len(all) })
}

// NotificationFilter chooses notifications: those that fit all members that are set. The zero value chooses all.
type NotificationFilter struct {
	State, Topic, Conversation string
	// CreatedAfter and CreatedBefore bound when they were accepted: not before the one, before the other.
	CreatedAfter, CreatedBefore time.Time
}

// NotificationsPage returns a page of notifications, newest first. It may hold fewer than the limit, even none, although
// there are more. The first page has an empty cursor; each names the next one's, the last one none. A limit of 0 leaves
// the size to the server.
func (c *Client) NotificationsPage(
	ctx context.Context, f NotificationFilter, cursor string, limit int,
) (api.Notifications, error) {
	return list[api.Notifications](ctx, c, "notifications", notifications,
		"state", f.State, "topic", f.Topic, "conversation", f.Conversation, "created_after", instant(f.CreatedAfter),
		"created_before", instant(f.CreatedBefore), "cursor", cursor, "limit", positive(limit))
}

// Notifications goes over notifications, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Notifications(ctx context.Context, f NotificationFilter) iter.Seq2[api.NotificationSummary, error] {
	return over(func(cursor string) ([]api.NotificationSummary, string, error) {
		page, err := c.NotificationsPage(ctx, f, cursor, largestPage)
		return page.Notifications, page.NextCursor, err
	})
}

// Cancel stops what is not being sent yet, and returns what became of each delivery.
func (c *Client) Cancel(ctx context.Context, id string) (api.Notification, error) {
	return change(ctx, c, notifications, id, "cancel", nil, false, isNotification)
}

// Reschedule moves what is not being sent yet to another time, and returns what became of each delivery.
func (c *Client) Reschedule(ctx context.Context, id string, r api.RescheduleRequest) (api.Notification, error) {
	return change(ctx, c, notifications, id, "reschedule", r, false, isNotification)
}

// Edit changes what a notification says, also where it was said already. One that was recalled is refused with
// [api.CodeRecalled].
func (c *Client) Edit(ctx context.Context, id string, r api.EditRequest) (api.Notification, error) {
	return change(ctx, c, notifications, id, "edit", r, false, isNotification)
}

// Recall takes a notification back, also where it was said already.
func (c *Client) Recall(ctx context.Context, id string) (api.Notification, error) {
	return change(ctx, c, notifications, id, "recall", nil, false, isNotification)
}

// DeliveryFilter chooses deliveries: those that fit all members that are set. The zero value chooses all.
type DeliveryFilter struct {
	State, Reason, Conversation, Notification string
}

// DeliveriesPage returns a page of deliveries, newest first. It may hold fewer than the limit, even none, although there
// are more. The first page has an empty cursor; each names the next one's, the last one none. A limit of 0 leaves the size
// to the server.
func (c *Client) DeliveriesPage(ctx context.Context, f DeliveryFilter, cursor string, limit int) (api.Deliveries, error) {
	return list[api.Deliveries](ctx, c, "deliveries", deliveries,
		"state", f.State, "reason", f.Reason, "conversation", f.Conversation, "notification", f.Notification,
		"cursor", cursor, "limit", positive(limit))
}

// Deliveries goes over deliveries, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[api.Delivery, error] {
	return over(func(cursor string) ([]api.Delivery, string, error) {
		page, err := c.DeliveriesPage(ctx, f, cursor, largestPage)
		return page.Deliveries, page.NextCursor, err
	})
}

// Delivery returns a delivery with its history.
func (c *Client) Delivery(ctx context.Context, id string) (api.Delivery, error) {
	return get(ctx, c, "delivery "+id, deliveries, id, isDelivery)
}

// ReplayDelivery tries a delivery again that has ended without success. Another one is refused with
// [api.CodeWrongState]. It is not repeated when the answer is lost.
func (c *Client) ReplayDelivery(ctx context.Context, id string) (api.Delivery, error) {
	return change(ctx, c, deliveries, id, "replay", nil, true, isDelivery)
}

// SettleDelivery says what became of a delivery whose outcome is unknown. Another one is refused with
// [api.CodeWrongState]. It is not repeated when the answer is lost.
func (c *Client) SettleDelivery(ctx context.Context, id string, r api.SettleRequest) (api.Delivery, error) {
	return change(ctx, c, deliveries, id, "settle", r, true, isDelivery)
}

// ReplayDeliveries tries deliveries again that have ended without success and match r, and returns how many. It is not
// repeated when the answer is lost.
func (c *Client) ReplayDeliveries(ctx context.Context, r api.ReplayRequest) (int, error) {
	result, err := change(ctx, c, "/v1", "deliveries", "replay", r, true, func(api.ReplayResult) bool { return true })
	return result.Replayed, err
}

// CreateJob starts a job in a conversation.
func (c *Client) CreateJob(ctx context.Context, r api.JobRequest, opts ...CallOption) (api.Job, error) {
	key, err := keyOf(opts)
	if err != nil {
		return api.Job{}, fmt.Errorf("create job: %w", err)
	}
	return send(ctx, c, "create job", request{method: http.MethodPost, path: jobs, key: key}, r, isJob)
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, number int64) (api.Job, error) {
	id := strconv.FormatInt(number, 10)
	return get(ctx, c, "job "+id, jobs, id, isJob)
}

// ReportProgress tells how far a job has come.
func (c *Client) ReportProgress(ctx context.Context, number int64, p api.JobProgress) (api.Job, error) {
	return change(ctx, c, jobs, strconv.FormatInt(number, 10), "progress", p, false, isJob)
}

// CompleteJob completes a job and tells its end.
func (c *Client) CompleteJob(ctx context.Context, number int64, r api.JobCompletion, opts ...CallOption) (api.Job, error) {
	key, err := keyOf(opts)
	if err != nil {
		return api.Job{}, fmt.Errorf("complete job: %w", err)
	}
	id := strconv.FormatInt(number, 10)
	return send(ctx, c, "complete job "+id, request{method: http.MethodPost, path: jobs + "/" + id + "/complete", key: key}, r, isJob)
}

// instant is a time as the API reads it; empty for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
