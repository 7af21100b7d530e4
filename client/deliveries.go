package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// DeliveryFilter says which deliveries are meant: those that match every member that is set.
type DeliveryFilter struct {
	// State and Reason are where it stands, and why.
	State, Reason string
	// Conversation is the id of the one that it goes to, on the channel, Notification the one that it is of.
	Conversation, Notification string
}

// DeliveriesPage returns a page of deliveries, newest first. The first page has an empty cursor; each names the next
// one's, the last one none. A page may hold fewer than the limit, even none, although there are more. A limit of 0 leaves
// the size to the server.
func (c *Client) DeliveriesPage(ctx context.Context, f DeliveryFilter, cursor string, limit int) (api.Deliveries, error) {
	page, err := ask(ctx, c, http.MethodGet, deliveries+parameters(
		"state", f.State, "reason", f.Reason, "conversation", f.Conversation, "notification", f.Notification,
		"cursor", cursor, "limit", positive(limit),
	), func(p api.Deliveries) bool { return p.Deliveries != nil })
	if err != nil {
		return page, fmt.Errorf("deliveries: %w", err)
	}
	return page, nil
}

// Deliveries goes over deliveries, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[api.Delivery, error] {
	return all(func(cursor string) ([]api.Delivery, string, error) {
		page, err := c.DeliveriesPage(ctx, f, cursor, largestPage)
		return page.Deliveries, page.NextCursor, err
	})
}

// Delivery returns a delivery with its history. One that does not exist is an [*Error] with [api.CodeNotFound].
func (c *Client) Delivery(ctx context.Context, id string) (api.Delivery, error) {
	return c.delivery(ctx, http.MethodGet, id, "", nil)
}

// ReplayDelivery tries a delivery again that has ended without success. One whose outcome is unknown may be delivered
// twice. One in another state is an [*Error] with [api.CodeWrongState]. It is not repeated when its answer is lost.
func (c *Client) ReplayDelivery(ctx context.Context, id string) (api.Delivery, error) {
	return c.delivery(ctx, http.MethodPost, id, "/replay", nil)
}

// SettleDelivery says what became of a delivery whose outcome is unknown. Another one is an [*Error] with
// [api.CodeWrongState]. It is not repeated when its answer is lost.
func (c *Client) SettleDelivery(ctx context.Context, id string, r api.SettleRequest) (api.Delivery, error) {
	return c.delivery(ctx, http.MethodPost, id, "/settle", r)
}

// ReplayDeliveries tries deliveries again that have ended without success and match r, oldest first, and returns how
// many. It is not repeated when its answer is lost.
func (c *Client) ReplayDeliveries(ctx context.Context, r api.ReplayRequest) (int, error) {
	out, err := once(ctx, c, deliveries+"/replay", r, func(api.ReplayResult) bool { return true })
	if err != nil {
		return 0, fmt.Errorf("replay deliveries: %w", err)
	}
	return out.Replayed, nil
}

// delivery does something with one and returns how it stands then.
func (c *Client) delivery(ctx context.Context, method, id, action string, body any) (d api.Delivery, err error) {
	valid := func(d api.Delivery) bool { return d.ID != "" }
	name, err := segment("delivery", id)
	switch {
	case err != nil:
		return d, err
	case method == http.MethodGet:
		d, err = ask(ctx, c, method, deliveries+"/"+name, valid)
	default:
		d, err = once(ctx, c, deliveries+"/"+name+action, body, valid)
	}
	if err != nil {
		return d, fmt.Errorf("delivery %s: %w", id, err)
	}
	return d, nil
}
