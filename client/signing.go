package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/headsup-bot/headsup/api"
)

// SigningKeys lists what tokens are signed with, without the keys; for that, this client needs a key with the scope admin.
func (c *Client) SigningKeys(ctx context.Context) (api.SigningKeys, error) {
	found, err := ask(ctx, c, http.MethodGet, signingKeys, func(k api.SigningKeys) bool { return k.Keys != nil })
	if err != nil {
		return found, fmt.Errorf("signing keys: %w", err)
	}
	return found, nil
}

// RotateSigningKey replaces what tokens of one purpose are signed with, directline or bot, and returns all that there are then.
// At once, nothing but the new one is good any more. The call is repeated by itself only when it was refused for the moment.
func (c *Client) RotateSigningKey(ctx context.Context, purpose string, atOnce bool) (api.SigningKeys, error) {
	found, err := once(ctx, c, signingKeys+"/"+url.PathEscape(purpose)+"/rotate", api.SigningKeyRotation{AtOnce: atOnce},
		func(k api.SigningKeys) bool { return k.Keys != nil })
	if err != nil {
		return found, fmt.Errorf("rotate signing key: %w", err)
	}
	return found, nil
}
