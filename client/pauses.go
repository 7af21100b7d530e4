package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// Pauses returns what the server leaves alone for a while, at most limit of it; a limit of 0 leaves that to the server.
// What reaches furthest comes first.
func (c *Client) Pauses(ctx context.Context, limit int) (api.Pauses, error) {
	found, err := ask(ctx, c, http.MethodGet, pauses+parameters("limit", positive(limit)), func(p api.Pauses) bool { return p.Pauses != nil })
	if err != nil {
		return found, fmt.Errorf("pauses: %w", err)
	}
	return found, nil
}

// EndPause ends a pause before its time. One that is over is an [*Error] with [api.CodeNotFound].
func (c *Client) EndPause(ctx context.Context, id string) (api.Pause, error) {
	name, err := segment("id", id)
	if err != nil {
		return api.Pause{}, fmt.Errorf("end pause: %w", err)
	}
	p, err := ask(ctx, c, http.MethodDelete, pauses+"/"+name, func(p api.Pause) bool { return p.ID != "" })
	if err != nil {
		return p, fmt.Errorf("end pause: %w", err)
	}
	return p, nil
}
