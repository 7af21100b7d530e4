package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// Topics returns what the server's configuration says of topics, by their names.
func (c *Client) Topics(ctx context.Context) ([]api.Topic, error) {
	found, err := ask(ctx, c, http.MethodGet, topics, func(t api.Topics) bool { return t.Topics != nil })
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	return found.Topics, nil
}
