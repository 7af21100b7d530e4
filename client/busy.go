package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// SetBusy says that a conversation is in the middle of something, so that notifications whose policy is to wait are held
// there; it replaces what was said before. The conversation is named as for [Client.Conversation].
func (c *Client) SetBusy(ctx context.Context, channel, id string, r api.BusyRequest) (api.Conversation, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return api.Conversation{}, fmt.Errorf("conversation %s: %w", id, err)
	}
	return c.conversationAt(ctx, request{method: http.MethodPut, body: body}, channel, id, "/busy")
}

// ClearBusy takes back what SetBusy has said. What is held for nothing else is ready when it returns.
func (c *Client) ClearBusy(ctx context.Context, channel, id string) (api.Conversation, error) {
	return c.conversationAt(ctx, request{method: http.MethodDelete}, channel, id, "/busy")
}
