package client

import (
	"context"
	"crypto/rand"
	"net/url"
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
	return post(ctx, c, "create notifications", notifications+"/batch", api.BatchRequest{Notifications: all}, "",
		func(r api.BatchResult) bool { return len(r.Results) == len(all) })
}

// NotificationQuery says which notifications are listed: those that match every member that is set.
type NotificationQuery struct {
	State        string
	Topic        string
	Conversation string
	// CreatedAfter and CreatedBefore bound when they were accepted: not before the one, before the other.
	CreatedAfter, CreatedBefore time.Time
	// Limit is how many at most, up to 200; 0 leaves it to the server. Cursor is next_cursor of the page before.
	Limit  int
	Cursor string
}

// Notifications lists notifications, newest first, a page at a time. A page may hold fewer than the limit, even none,
// although there are more: the last page is the one without next cursor.
func (c *Client) Notifications(ctx context.Context, q NotificationQuery) (api.Notifications, error) {
	v := make(url.Values)
	set(v, "state", q.State)
	set(v, "topic", q.Topic)
	set(v, "conversation", q.Conversation)
	setTime(v, "created_after", q.CreatedAfter)
	setTime(v, "created_before", q.CreatedBefore)
	setPage(v, q.Limit, q.Cursor)
	return list[api.Notifications](ctx, c, "list notifications", notifications, v)
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

// DeliveryQuery says which deliveries are listed: those that match every member that is set.
type DeliveryQuery struct {
	State        string
	Reason       string
	Conversation string
	Notification string
	// Limit is how many at most, up to 200; 0 leaves it to the server. Cursor is next_cursor of the page before.
	Limit  int
	Cursor string
}

// Deliveries lists deliveries, newest first, a page at a time. A page may hold fewer than the limit, even none, although
// there are more: the last page is the one without next cursor.
func (c *Client) Deliveries(ctx context.Context, q DeliveryQuery) (api.Deliveries, error) {
	v := make(url.Values)
	set(v, "state", q.State)
	set(v, "reason", q.Reason)
	set(v, "conversation", q.Conversation)
	set(v, "notification", q.Notification)
	setPage(v, q.Limit, q.Cursor)
	return list[api.Deliveries](ctx, c, "list deliveries", deliveries, v)
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
		return api.Job{}, err
	}
	return post(ctx, c, "create job", jobs, r, key, isJob)
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
		return api.Job{}, err
	}
	id := strconv.FormatInt(number, 10)
	return post(ctx, c, "complete job "+id, jobs+"/"+id+"/complete", r, key, isJob)
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setTime(v url.Values, name string, t time.Time) {
	if !t.IsZero() {
		v.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func setPage(v url.Values, limit int, cursor string) {
	set(v, "cursor", cursor)
	if limit != 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
}
