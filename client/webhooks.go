package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/signed"
)

const webhooks = "/v1/webhooks"

// CreateWebhook has events posted to an address from now on. The answer has the secret, which is told once. When it
// cannot be known whether the webhook was made, the call is not repeated, since one that was made twice receives everything
// twice.
func (c *Client) CreateWebhook(ctx context.Context, r api.WebhookRequest) (api.CreatedWebhook, error) {
	return callWebhooks[api.CreatedWebhook](ctx, c, "create webhook", http.MethodPost, webhooks, r)
}

// Webhooks returns all webhooks.
func (c *Client) Webhooks(ctx context.Context) ([]api.Webhook, error) {
	all, err := callWebhooks[api.Webhooks](ctx, c, "webhooks", http.MethodGet, webhooks, nil)
	return all.Webhooks, err
}

// Webhook returns one.
func (c *Client) Webhook(ctx context.Context, id string) (api.Webhook, error) {
	return callWebhooks[api.Webhook](ctx, c, "webhook "+id, http.MethodGet, webhooks+"/"+url.PathEscape(id), nil)
}

// ChangeWebhook changes what is given, and returns the webhook as it is then.
func (c *Client) ChangeWebhook(ctx context.Context, id string, r api.WebhookChange) (api.Webhook, error) {
	return callWebhooks[api.Webhook](ctx, c, "change webhook "+id, http.MethodPatch, webhooks+"/"+url.PathEscape(id), r)
}

// DeleteWebhook forgets a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	_, err := callWebhooks[struct{}](ctx, c, "delete webhook "+id, http.MethodDelete, webhooks+"/"+url.PathEscape(id), nil)
	return err
}

// TestWebhook posts an event of type webhook.test, and tells what came of it. That the webhook answers badly is no error
// of this call.
func (c *Client) TestWebhook(ctx context.Context, id string) (api.WebhookTest, error) {
	return callWebhooks[api.WebhookTest](ctx, c, "test webhook "+id, http.MethodPost, webhooks+"/"+url.PathEscape(id)+"/test", nil)
}

// RotateWebhookSecret gives a webhook a new secret. Requests are signed with the old one too for as long as keep says, at
// most a week.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string, keep time.Duration) (api.RotatedSecret, error) {
	return callWebhooks[api.RotatedSecret](ctx, c, "rotate webhook "+id, http.MethodPost, webhooks+"/"+url.PathEscape(id)+"/rotate",
		api.SecretRotation{Keep: keep.String()})
}

// WebhookDeliveries returns one page of what was posted to a webhook, newest first; the empty cursor is the first. A
// limit of 0 leaves the size to the server.
func (c *Client) WebhookDeliveries(ctx context.Context, id, cursor string, limit int) (api.WebhookDeliveries, error) {
	return callWebhooks[api.WebhookDeliveries](ctx, c, "webhook deliveries "+id, http.MethodGet,
		webhooks+"/"+url.PathEscape(id)+"/deliveries"+parameters("cursor", cursor, "limit", positive(limit)), nil)
}

// ReplayWebhook posts one event, or everything since a time, again.
func (c *Client) ReplayWebhook(ctx context.Context, id string, r api.WebhookReplay) (api.WebhookReplayed, error) {
	return callWebhooks[api.WebhookReplayed](ctx, c, "replay webhook "+id, http.MethodPost, webhooks+"/"+url.PathEscape(id)+"/replay", r)
}

// callWebhooks calls the server and says in an error what for. What can be repeated without harm is, when the server is
// not there for a moment.
func callWebhooks[T any](ctx context.Context, c *Client, what, method, path string, body any) (answer T, err error) {
	r := request{method: method, path: path, once: method != http.MethodGet && method != http.MethodDelete}
	if body != nil {
		r.body, err = json.Marshal(body)
	}
	if err == nil && method == http.MethodDelete {
		err = c.do(ctx, r, nil)
	} else if err == nil {
		err = c.do(ctx, r, &answer)
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}

// VerifyWebhook checks that a request that a webhook has received was sent by the server that knows one of secrets, not
// more than five minutes from now, and returns its event. body is the request's, byte by byte. Give several secrets while
// one is replaced by another. The event's id is the same however often it comes.
func VerifyWebhook(secrets []string, header http.Header, body []byte, now time.Time) (api.Event, error) {
	keys := make([]signed.Secret, len(secrets))
	for i, text := range secrets {
		var err error
		if keys[i], err = signed.ParseSecret(text); err != nil {
			return api.Event{}, fmt.Errorf("client: %w", err)
		}
	}
	id, err := signed.Verify(keys, header, body, now)
	if err != nil {
		return api.Event{}, fmt.Errorf("client: %w", err)
	}
	var e api.Event
	if err := json.Unmarshal(body, &e); err != nil {
		return api.Event{}, fmt.Errorf("client: the webhook is signed, and not an event: %w", err)
	}
	e.ID = id
	return e, nil
}
