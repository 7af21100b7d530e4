package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// RefreshAuth has the server fetch the keys by which it checks the tokens of channels, agents and bots, so that those that
// were withdrawn are refused: by it when this returns, by other nodes within 5 seconds. A set that could not be fetched has an
// Error. This client needs a key with the scope admin.
func (c *Client) RefreshAuth(ctx context.Context) (api.AuthRefresh, error) {
	done, err := ask(ctx, c, http.MethodPost, authRefresh, func(a api.AuthRefresh) bool { return a.Sets != nil })
	if err != nil {
		return done, fmt.Errorf("refresh keys: %w", err)
	}
	return done, nil
}
