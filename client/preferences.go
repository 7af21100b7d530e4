package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// Preferences returns what a person, and all who were merged with them, want to be told. One whom the bot does not know is an
// [*Error] with [api.CodeNotFound].
func (c *Client) Preferences(ctx context.Context, person string) (api.Preferences, error) {
	return c.preferences(ctx, wantedBy(person))
}

// Prefer changes what a person wants to be told: those members that are set. When it returns, nothing is being sent any more
// that was handed out before. It may be repeated.
func (c *Client) Prefer(ctx context.Context, person string, change api.PreferenceChange) (api.Preferences, error) {
	return c.prefer(ctx, wantedBy(person), change)
}

// ConversationPreferences returns what whom a conversation is with wants to be told; of a group or a channel, what was said for the
// conversation itself.
func (c *Client) ConversationPreferences(ctx context.Context, conversation string) (api.Preferences, error) {
	return c.preferences(ctx, preferring(conversation))
}

// PreferIn is [Client.Prefer] for whom a conversation is with; of a group or a channel, for the conversation itself.
func (c *Client) PreferIn(ctx context.Context, conversation string, change api.PreferenceChange) (api.Preferences, error) {
	return c.prefer(ctx, preferring(conversation), change)
}

func wantedBy(person string) string { return "/v1/preferences/" + url.PathEscape(person) }

func preferring(conversation string) string {
	return "/v1/conversations/" + url.PathEscape(conversation) + "/preferences"
}

func (c *Client) preferences(ctx context.Context, of string) (api.Preferences, error) {
	var p api.Preferences
	if err := c.do(ctx, request{method: http.MethodGet, path: of}, &p); err != nil {
		return p, fmt.Errorf("preferences: %w", err)
	}
	return p, nil
}

func (c *Client) prefer(ctx context.Context, of string, change api.PreferenceChange) (p api.Preferences, err error) {
	body, err := json.Marshal(change)
	if err == nil {
		err = c.do(ctx, request{method: http.MethodPatch, path: of, body: body}, &p)
	}
	if err != nil {
		return p, fmt.Errorf("change preferences: %w", err)
	}
	return p, nil
}
